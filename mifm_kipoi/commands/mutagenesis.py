"""``mifm mutagenesis``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from mifm_kipoi.commands.arguments import add_compute, add_limits, add_positions, not_negative, say
from mifm_kipoi.support.progress import Progress

_DESCRIPTION = """\
Substitute every base by every other, and score each substitution (saturation mutagenesis).

--centre variant    What in the sequence supports the score of this variant? The window of 512 bp stays
                    centred on the variant, or on the centre of the interval, and its bases are substituted.
--centre position   Which scores have all SNVs of the region? Each position in turn is the centre of its
                    own window: what the model says of each SNV, as for variants of a VCF."""


def add_mutagenesis(command: argparse.ArgumentParser) -> None:
    """``mifm mutagenesis``."""
    command.description = _DESCRIPTION
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_argument("fasta", help="reference genome, FASTA, plain or bgzipped")
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument("--bed", help="regions: a BED file")
    where.add_argument("--vcf", help="variants: VCF, BCF or a table; only REF and its surroundings matter")
    add_positions(command)
    command.add_argument(
        "-o", "--output", required=True, help="a table, one row per substitution (.parquet), or arrays (.h5)"
    )
    command.add_argument(
        "--centre",
        choices=["variant", "position"],
        default="variant",
        help="what is at the centre of the window, see above (default: variant)",
    )
    command.add_argument(
        "--flank",
        metavar="BASES",
        type=not_negative,
        help="with --vcf, bases on either side of REF that are substituted too (default: the whole window "
        "with --centre variant, 0 with --centre position)",
    )
    command.add_argument("--plot", metavar="FIGURE", help="a figure of each region (.png, .svg, .pdf)")
    command.add_argument("--bigwig", metavar="PREFIX", help="tracks for a genome browser: PREFIX.<track>.bw")
    command.add_argument("--weights", default="embedded", help="name or path (default: embedded)")
    add_limits(command)
    add_compute(command)
    command.set_defaults(run=_mutagenesis, fail=command.error)


def _mutagenesis(options: argparse.Namespace) -> None:
    # Spelt out here, for the modules that define them take seconds to import.
    for option, suffixes in (("output", (".parquet", ".h5")), ("plot", (".png", ".svg", ".pdf"))):
        path = getattr(options, option)
        if path is not None and Path(path).suffix not in suffixes:
            options.fail(f"--{option} is {path!r}; expected a name that ends in {', '.join(suffixes)}")
    if options.positions is not None and options.vcf is None:
        options.fail("--positions goes with --vcf")
    if options.flank is not None and options.vcf is None:
        options.fail("--flank goes with --vcf; a BED file says itself which bases are substituted")

    from mifm_kipoi.mutagenesis.run import MutagenesisRun

    names = {field.name for field in dataclasses.fields(MutagenesisRun)} & set(vars(options))
    run = MutagenesisRun(**{name: getattr(options, name) for name in names})
    with Progress("positions", options.progress) as progress:
        # How much there is to do is counted for it alone.
        result = run.run(progress.update if progress.shown else None)
    say(
        f"{result.regions} regions, {result.positions} positions, {result.substitutions} substitutions",
        *(f"without a score: {count} {status}" for status, count in sorted(result.status.items())),
        f"written: {', '.join(map(str, result.written))}",
    )
