"""``python -m benchmarks joint``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import arguments, extra
from mifm_kipoi.commands.arguments import add_list, positive, say

FORMS = ("halves", "halves-one-size", "two-samples", "two-samples-one-size", "as-in-paper")
"""Those of :data:`benchmarks.joint.experiment.FORMS`, which takes long to import."""

_TEXT = """\
Joint tests where the causal variants are known: 'mifm evaluate joint' on a cohort, with scores of its
variants, in five forms: one half of the discovery sample selects and the other is tested, or the GWAS of
that sample selects and the replication sample is tested, each with filters by percentiles of all variants
and with filters of one size; and the published form, in which the people who are tested select. Then the
type I error of every test, with genotypes of the cohort and simulated traits.

--out gets filters.tsv (true and false discoveries of each filter beside random filters, all forms),
type_one.tsv, and a folder with the report of each form. --form takes some of these.
"""


def add(commands: Any) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "joint",
        help="joint tests of a cohort with known causal variants, and the type I error of each test",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--cohort", required=True, type=Path, metavar="DIR", help="output of 'python -m benchmarks cohort'"
    )
    command.add_argument(
        "--scores",
        required=True,
        type=Path,
        metavar="TABLE",
        help="scores of its variants: chrom pos ref alt",
    )
    add_list(command, "--columns", "COLUMN", "of the scores", required=True)
    add_list(command, "--traits", "NAME", "of the cohort (default: all)", default=())
    command.add_argument(
        "--draws", type=positive, default=1000, metavar="N", help="random filters (default: 1000)"
    )
    command.add_argument(
        "--trials", type=positive, default=10_000, metavar="N",
        help="simulated traits for each type I error (default: 10000)",
    )  # fmt: skip
    command.add_argument(
        "--form", action="append", choices=FORMS, metavar="NAME",
        help=f"only this one (may be repeated; default: all, {', '.join(FORMS)})",
    )  # fmt: skip
    arguments.add_out(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with extra.needed():
        from benchmarks.joint.experiment import Experiment
    result = Experiment(
        options.cohort, options.scores, tuple(options.columns), options.out, tuple(options.traits),
        options.draws, options.trials, forms=tuple(options.form or FORMS),
    ).run(say)  # fmt: skip
    say(*result)
