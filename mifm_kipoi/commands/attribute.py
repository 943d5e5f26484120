"""``mifm attribute``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import (
    add_compute,
    add_max_mismatch_fraction,
    add_positions,
    not_negative,
    positive,
    say,
)
from mifm_kipoi.support.progress import Progress

_DESCRIPTION = """\
What does each base of a window contribute to its logit?

--method deeplift   DeepLIFT against dinucleotide shuffles of the window (DeepSHAP, by tangermeme): the
                    contributions add up to the logit less the mean logit of the shuffles.
--method ism        In-silico mutagenesis: the logit with each base at a position, less the mean of the four.

OUT.h5 has one row a window, OUT.h5.json its provenance. 'mifm evaluate motifs' finds motifs in it."""


def add_attribute(parser: argparse.ArgumentParser) -> None:
    """``mifm attribute``."""
    parser.description = _DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("fasta", help="reference genome, FASTA, plain or bgzip")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--vcf", metavar="FILE",
        help="variants: VCF, BCF or a table; the reference window of each position is attributed",
    )  # fmt: skip
    where.add_argument("--bed", help="intervals: the window around the centre of each is attributed")
    add_positions(parser)
    parser.add_argument("-o", "--output", required=True, metavar="OUT.h5", help="file of the contributions")
    group = parser.add_argument_group("which windows")
    group.add_argument(
        "--sample", type=positive, metavar="N", help="N windows, drawn at random (default: all)"
    )
    group.add_argument(
        "--min-distance", type=not_negative, default=0, metavar="BP",
        help="none of two windows whose centres are closer; 512: none that overlap (default: %(default)s)",
    )  # fmt: skip
    add_max_mismatch_fraction(group)
    group = parser.add_argument_group("contributions")
    group.add_argument(
        "--method", choices=["deeplift", "ism"], default="deeplift", help="see above (default: deeplift)"
    )
    group.add_argument(
        "--references", type=positive, default=20, metavar="N",
        help="shuffles that a window is compared with (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=not_negative, default=0, metavar="N",
        help="of the shuffles and the sample (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--weights", default="embedded", help="name or path (default: embedded)")
    group.add_argument(
        "--untrained", type=not_negative, metavar="SEED",
        help="random weights of this seed instead, in a network of the same sizes: the null of what is found",
    )  # fmt: skip
    group = parser.add_argument_group("run")
    group.add_argument("--resume", action="store_true", help="resume a run that was killed")
    add_compute(
        group,
        "windows that are attributed side by side, by a thread each (default: the CPUs that this process may "
        "use)",
    )
    parser.set_defaults(run=_attribute, fail=parser.error)


def _attribute(options: argparse.Namespace) -> None:
    if Path(options.output).suffix != ".h5":
        options.fail(f"--output is {options.output!r}; expected a name that ends in .h5")
    if options.positions is not None and options.vcf is None:
        options.fail("--positions goes with --vcf")

    from mifm_kipoi.attribution.run import AttributionRun, Method

    run = AttributionRun(
        fasta=Path(options.fasta),
        output=Path(options.output),
        vcf=options.vcf and Path(options.vcf),
        bed=options.bed and Path(options.bed),
        positions=options.positions and Path(options.positions),
        method=Method(options.method),
        references=options.references,
        seed=options.seed,
        sample=options.sample,
        min_distance=options.min_distance,
        weights=options.weights,
        untrained=options.untrained,
        max_mismatch_fraction=options.max_mismatch_fraction,
        resume=options.resume,
        device=options.device,
        threads=options.threads,
    )
    with Progress("windows", options.progress) as progress:
        result = run.run(progress.update)
    delta = result.manifest["largest_delta"]
    say(
        f"{result.windows:,} windows"
        + ("" if delta is None else f"; largest convergence delta of a window {delta:.2g} logits"),
        *(f"without a window: {count} {status}" for status, count in sorted(result.status.items())),
        f"written: {', '.join(map(str, result.written))}",
    )
