"""``mifm compare`` and ``mifm compare background``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mifm_kipoi.commands.arguments import add_intervals, add_max_mismatch_fraction, add_positions, say
from mifm_kipoi.commands.models import add_gwas, add_model_run, add_models, model_run_options, specs_of


def add_compare(parser: argparse.ArgumentParser) -> None:
    """``mifm compare``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Score the variants of a VCF or BCF file, or of a table, with several models, of which a column of\n"
        "numbers of any table is one, and compare the scores: one table of all (scores.parquet,\n"
        "scores.tsv.gz), coverage, correlations, overlap of the top, agreement within blocks, time and\n"
        "memory, and a report (report.html). Models that were scored into DIR before are not scored again.\n"
        "'mifm compare background' fits what the tracks of networks are normalised with."
    )
    _add_inputs(
        parser, "VCF (plain, gzip, bgzip) or BCF file, or a table of variants", "folder of the outputs"
    )
    parser.add_argument(
        "--skip-missing", action="store_true",
        help="compare the other models where some are not available (a missing package, weights, file or "
        "Kipoi model), and name these in the report",
    )  # fmt: skip
    parser.add_argument(
        "--background", metavar="DIR", help="folder that 'mifm compare background' wrote, to normalise tracks"
    )
    parser.add_argument("--blocks", metavar="BED", help="blocks, such as LD blocks (default: 100 kb each)")
    parser.add_argument(
        "--locus", metavar="CHROM:START-END",
        help="what the regional view shows, 1-based, both ends inside (default: the locus of the lowest "
        "p-value, else of the highest score)",
    )  # fmt: skip
    add_intervals(parser)
    add_max_mismatch_fraction(add_model_run(parser))
    parser.set_defaults(run=_compare)


def add_background(parser: argparse.ArgumentParser) -> None:
    """``mifm compare background``."""
    parser.prog = "mifm compare background"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Fit the mean and the standard deviation of each track's effects over the variants of a file,\n"
        "usually common ones, and keep them as DIR/LABEL.safetensors for 'mifm compare --background DIR'."
    )
    _add_inputs(
        parser,
        "VCF (plain, gzip, bgzip) or BCF file, or a table, of common variants",
        "folder of the moments",
    )
    add_max_mismatch_fraction(add_model_run(parser))
    parser.set_defaults(run=_background)


def _add_inputs(parser: argparse.ArgumentParser, variants: str, folder: str) -> None:
    """What :class:`mifm_kipoi.baselines.run.FolderRun` takes; the arguments are help texts."""
    parser.add_argument("variants", help=variants)
    parser.add_argument("fasta", help="reference genome, plain or bgzip")
    add_positions(parser)
    add_models(parser)
    add_gwas(parser)
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help=folder)


def _inputs(options: argparse.Namespace) -> dict[str, Any]:
    from mifm_kipoi.genetics.variant_lists import is_list

    return {
        "variants": Path(options.variants),
        "fasta": Path(options.fasta),
        "specs": specs_of(options),
        "folder": Path(options.output),
        # With a VCF, the file is for tables of a GWAS alone.
        "positions": Path(options.positions) if options.positions and is_list(options.variants) else None,
        **model_run_options(options),
    }


def _compare(options: argparse.Namespace) -> None:
    from mifm_kipoi.comparison.run import ComparisonRun

    run = ComparisonRun(
        **_inputs(options),
        blocks=options.blocks and Path(options.blocks),
        background=options.background and Path(options.background),
        locus=options.locus,
        resamples=options.resamples,
        seed=options.seed,
        skip_missing=options.skip_missing,
    )
    files = run.run(say).files
    say(f"written: {', '.join(map(str, files))}")


def _background(options: argparse.Namespace) -> None:
    from mifm_kipoi.comparison.backgrounds import BackgroundRun

    BackgroundRun(**_inputs(options)).run(say)
