"""``mifm evaluate mpra``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import (
    add_intervals,
    add_max_mismatch_fraction,
    fraction,
    not_negative,
    say,
)
from mifm_kipoi.commands.models import add_model_run, add_models, model_run_options


def add_mpra(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate mpra``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Evaluate scores against the effects of single substitutions in regulatory elements that reporter\n"
        "assays measured (saturation mutagenesis): correlations within each element and over elements, with\n"
        "intervals and controls, tables, figures and a report."
    )
    parser.add_argument(
        "table",
        help="Chrom, Pos, Ref, Alt, Coefficient, Element, Barcodes, pValue, as of Kircher et al. (2019): "
        "text with tabs or commas, plain or gzip, or Parquet; Alt - is a deletion",
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    parser.add_argument(
        "--fasta", metavar="GENOME",
        help="genome of the table's release, plain or bgzip (default: only the elements, from Ref, with "
        "N around them, which gives other scores)",
    )  # fmt: skip
    add_models(parser, "mifm")
    group = parser.add_argument_group("effects")
    group.add_argument(
        "--min-barcodes", type=not_negative, default=10, metavar="N",
        help="effects of fewer barcodes are not evaluated (default: 10)",
    )  # fmt: skip
    group.add_argument(
        "--max-p",
        type=fraction,
        metavar="P",
        help="evaluate effects with at most this p-value separately, too",
    )
    group.add_argument(
        "--lift-over", metavar="CHAIN",
        help="chain file that takes the table to the build of --fasta, such as hg19ToHg38.over.chain.gz",
    )  # fmt: skip
    add_max_mismatch_fraction(group, "Ref", "genome")
    add_intervals(parser)
    add_model_run(parser)
    parser.set_defaults(run=_mpra)


def _mpra(options: argparse.Namespace) -> None:
    from mifm_kipoi.baselines.specs import parse_specs
    from mifm_kipoi.evaluation.mpra.correlations import Options
    from mifm_kipoi.evaluation.mpra.run import MPRARun

    run = MPRARun(
        table=Path(options.table),
        folder=Path(options.output),
        specs=parse_specs(options.models),
        fasta=options.fasta and Path(options.fasta),
        min_barcodes=options.min_barcodes,
        lift_over=options.lift_over and Path(options.lift_over),
        options=Options(options.resamples, options.seed, options.max_p),
        **model_run_options(options),
    )
    result = run.run()
    say(*result.summary, f"written: {', '.join(map(str, result.files))}")
