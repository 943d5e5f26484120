"""``mifm compare`` and ``mifm compare background``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_compute, add_max_mismatch_fraction, not_negative, positive, say


def add_compare(parser: argparse.ArgumentParser) -> None:
    """``mifm compare``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Score the variants of a VCF or BCF file with several models and put them side by side: one table\n"
        "(scores.parquet, scores.tsv.gz), coverage, correlations, overlap of the top, agreement within\n"
        "blocks, time and memory, and a report (report.html). Models that were scored into DIR before are\n"
        "not scored again.\n"
        "'mifm compare background' fits what the tracks of networks are normalised with."
    )
    parser.epilog = _kinds()
    parser.add_argument("variants", help="VCF (plain, gzip, bgzip) or BCF file")
    parser.add_argument("fasta", help="reference genome, plain or bgzip")
    _add_models(parser)
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    parser.add_argument(
        "--background", metavar="DIR", help="folder that 'mifm compare background' wrote, to normalise tracks"
    )
    parser.add_argument("--blocks", metavar="BED", help="blocks, such as LD blocks (default: 100 kb each)")
    parser.add_argument(
        "--locus", metavar="CHROM:START-END", help="what the regional view shows (default: the strongest)"
    )
    parser.add_argument(
        "--resamples", type=positive, default=1000, metavar="N", help="of the intervals (default: 1000)"
    )
    parser.add_argument(
        "--seed", type=not_negative, default=1, metavar="N", help="of the intervals (default: 1)"
    )
    _add_run(parser)
    parser.set_defaults(run=_compare)


def add_background(parser: argparse.ArgumentParser) -> None:
    """``mifm compare background``."""
    parser.prog = "mifm compare background"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Fit the mean and the standard deviation of each track's effects over the variants of a file,\n"
        "common ones as a rule, and keep them as DIR/LABEL.safetensors for 'mifm compare --background DIR'."
    )
    parser.add_argument("variants", help="VCF (plain, gzip, bgzip) or BCF file of common variants")
    parser.add_argument("fasta", help="reference genome, plain or bgzip")
    _add_models(parser)
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the moments")
    _add_run(parser)
    parser.set_defaults(run=_background)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models", nargs="+", required=True, metavar="[LABEL=]KIND[:ARGUMENT]",
        help="with commas or spaces between them",
    )  # fmt: skip


def _add_run(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    add_compute(group, "threads of PyTorch (default: all cores)")
    group.add_argument(
        "--batch-size", type=positive, metavar="N", help="windows at once (default: what fits the model)"
    )
    add_max_mismatch_fraction(group)


def _kinds() -> str:
    from mifm_kipoi.baselines.kinds import KINDS

    forms = {_form(name, kind.argument): kind.meaning for name, kind in KINDS.items()}
    width = max(len(form) for form in forms)
    return "models:\n" + "\n".join(f"  {form:{width}}  {meaning}" for form, meaning in forms.items())


def _form(name: str, argument: str) -> str:
    optional = argument.startswith("[")
    return name + (f"[:{argument[1:]}" if optional else f":{argument}" if argument else "")


def _compare(options: argparse.Namespace) -> None:
    from mifm_kipoi.baselines.protocol import ComputeOptions
    from mifm_kipoi.baselines.specs import parse_specs
    from mifm_kipoi.comparison.run import ComparisonRun

    run = ComparisonRun(
        variants=Path(options.variants),
        fasta=Path(options.fasta),
        specs=parse_specs(options.models),
        folder=Path(options.output),
        blocks=options.blocks and Path(options.blocks),
        background=options.background and Path(options.background),
        locus=options.locus,
        compute=ComputeOptions(options.device, options.batch_size),
        threads=options.threads,
        max_mismatch_fraction=options.max_mismatch_fraction,
        resamples=options.resamples,
        seed=options.seed,
        progress=options.progress,
    )
    for line in run():
        say(line)


def _background(options: argparse.Namespace) -> None:
    from mifm_kipoi.baselines.protocol import ComputeOptions
    from mifm_kipoi.baselines.specs import parse_specs
    from mifm_kipoi.comparison.backgrounds import BackgroundRun

    run = BackgroundRun(
        variants=Path(options.variants),
        fasta=Path(options.fasta),
        specs=parse_specs(options.models),
        folder=Path(options.output),
        compute=ComputeOptions(options.device, options.batch_size),
        threads=options.threads,
        max_mismatch_fraction=options.max_mismatch_fraction,
        progress=options.progress,
    )
    for line in run():
        say(line)
