"""``mifm evaluate mpra``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import (
    add_compute,
    add_max_mismatch_fraction,
    fraction,
    not_negative,
    positive,
    say,
)


def add_mpra(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate mpra``."""
    parser.description = (
        "Hold scores against the effects of single exchanges in regulatory elements that reporter assays "
        "measured (saturation mutagenesis): correlations within each element and over elements, with "
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
        help="genome of the table's release, plain or bgzip (default: the elements alone, read off Ref, with "
        "N around them, which gives other scores)",
    )  # fmt: skip
    parser.add_argument(
        "--models", nargs="+", default=["mifm"], metavar="[LABEL=]KIND[:ARGUMENT]",
        help="as in 'mifm compare', with commas or spaces between them (default: mifm)",
    )  # fmt: skip
    group = parser.add_argument_group("effects")
    group.add_argument(
        "--min-barcodes", type=not_negative, default=10, metavar="N",
        help="effects of fewer barcodes are not evaluated (default: 10)",
    )  # fmt: skip
    group.add_argument(
        "--max-p", type=fraction, metavar="P", help="look at effects with at most this p-value apart, too"
    )
    add_max_mismatch_fraction(group, "Ref", "genome")
    group = parser.add_argument_group("intervals")
    group.add_argument("--resamples", type=positive, default=1000, metavar="N", help="(default: 1000)")
    group.add_argument("--seed", type=not_negative, default=1, metavar="N", help="(default: 1)")
    group = parser.add_argument_group("run")
    add_compute(group, "threads (default: all cores)")
    group.add_argument(
        "--batch-size", type=positive, metavar="N", help="windows at once (default: what fits the model)"
    )
    parser.set_defaults(run=_mpra)


def _mpra(options: argparse.Namespace) -> None:
    from mifm_kipoi.baselines.protocol import ComputeOptions
    from mifm_kipoi.baselines.specs import parse_specs
    from mifm_kipoi.evaluation.mpra.correlations import Options
    from mifm_kipoi.evaluation.mpra.run import MPRARun

    run = MPRARun(
        table=Path(options.table),
        folder=Path(options.output),
        specs=parse_specs(options.models),
        fasta=options.fasta and Path(options.fasta),
        min_barcodes=options.min_barcodes,
        options=Options(options.resamples, options.seed, options.max_p),
        compute=ComputeOptions(options.device, options.batch_size),
        threads=options.threads,
        max_mismatch_fraction=options.max_mismatch_fraction,
        progress=options.progress,
    )
    say(*run())
