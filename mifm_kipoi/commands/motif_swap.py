"""``mifm evaluate motif-swap``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, not_negative, positive, say

_DESCRIPTION = """\
Replace each pattern of a motif by one of the other sign, in the windows where it was found, and see how
scores change, in both directions.

Beside it are controls: as many random substitutions at the same positions, an unrelated pattern, the
pattern's own consensus, and the window's own bases, which must change nothing. The base at the variant's
index is never edited. Paired differences of logits have intervals over clusters of overlapping windows.
Differences from random substitutions and from an unrelated pattern, for the patterns of each sign of a motif
together, have Holm's p-values.

The published form, means and standard deviations of scores over seqlets before and after, and their
densities, always stands beside: there is no --as-in-paper."""


def add_motif_swap(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate motif-swap``."""
    parser.description = _DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("attributions", help="file of 'mifm attribute'")
    parser.add_argument("found", help="patterns.h5 of 'mifm evaluate motifs' on it")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("what is swapped")
    add_list(
        group,
        "--factors",
        "NAME",
        "factors whose positive and negative patterns are swapped, all pairs, as patterns.tsv beside the "
        "patterns names them (default: all that have both)",
        default=(),
    )
    add_list(
        group,
        "--patterns",
        "NAME",
        "patterns instead, such as positive.1 negative.1: all pairs of a positive and a negative one",
        default=(),
    )
    group = parser.add_argument_group("run")
    group.add_argument(
        "--weights", help="name or path of the weights of the attributions (default: the name that they had)"
    )
    group.add_argument(
        "--draws", type=positive, default=5, metavar="N",
        help="random substitutions of each window (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="of them (default: %(default)s)"
    )
    group.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)"
    )
    group.add_argument(
        "--threads", type=positive, metavar="N",
        help="threads of PyTorch (default: the CPUs that this process may use)",
    )  # fmt: skip
    parser.set_defaults(run=_motif_swap)


def _motif_swap(options: argparse.Namespace) -> None:
    from mifm_kipoi.evaluation.motif_swap.run import MotifSwapRun

    run = MotifSwapRun(
        attributions=Path(options.attributions),
        patterns=Path(options.found),
        folder=Path(options.output),
        weights=options.weights,
        factors=tuple(options.factors),
        names=tuple(options.patterns),
        draws=options.draws,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
    )
    result = run.run(say)
    say(*result.summary, *result.cautions, f"written: {', '.join(map(str, result.files))}")
