"""``mifm evaluate paper``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import say

_DESCRIPTION = """\
Put the paper's evaluations of one network on one page: what was found, beside what the paper reports
(Rakowski and Lippert 2026) and beside controls. Each folder is the output of another command; those that are
left out are named on the page as not done. workflow/paper does all of them and ends with this page.

Of several scores the first is the network's; one whose name holds 'untrained' is a control."""


def add_paper(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate paper``."""
    parser.description = _DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the page")
    group = parser.add_argument_group("evaluations")
    for name, what in (
        ("training", "'python -m training run': its bags, networks and what they learnt"),
        ("enrichment", "'mifm evaluate enrichment'"),
        ("motifs", "'mifm evaluate motifs'"),
        ("motif-swap", "'mifm evaluate motif-swap'"),
        ("polygenic", "'mifm pgs run'"),
        ("joint", "'mifm evaluate joint'"),
        ("joint-as-in-paper", "'mifm evaluate joint --as-in-paper'"),
    ):
        group.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"folder of {what}")
    group.add_argument(
        "--times", type=Path, metavar="DIR",
        help="benchmark files of a Snakemake workflow: what each step took",
    )  # fmt: skip
    parser.set_defaults(run=_paper)


def _paper(options: argparse.Namespace) -> None:
    from mifm_kipoi.evaluation.paper.run import PaperRun

    result = PaperRun(
        folder=Path(options.output),
        training=options.training,
        enrichment=options.enrichment,
        motifs=options.motifs,
        motif_swap=options.motif_swap,
        polygenic=options.polygenic,
        joint=options.joint,
        joint_as_in_paper=options.joint_as_in_paper,
        times=options.times,
    ).run()
    say(
        *result.summary,
        *(f"caution: {caution}" for caution in result.cautions),
        f"written: {', '.join(map(str, result.files))}",
    )
