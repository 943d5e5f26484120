"""Arguments of the dataloader, and tables that kipoi predict wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

SCORES = ("mifm_ref", "mifm_alt", "mifm_delta")
PERCENTILES = ("mifm_percentile", "mifm_phred")
VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt")


def arguments(example: Path, vcf: Path | None = None, **more: Any) -> str:
    """The dataloader's arguments: the example's genome, with its variants or others."""
    files = {"vcf_file": str(vcf or example / "variants.vcf"), "fasta_file": str(example / "genome.fa")}
    return json.dumps(files | more)


def predictions(path: Path) -> pd.DataFrame:
    """The table of kipoi predict -m, its columns under their last names."""
    table = pd.read_csv(
        path,
        sep="\t",
        keep_default_na=False,
        na_values={f"preds/{name}": [""] for name in (*SCORES, *PERCENTILES)},
        dtype={"metadata/variant/chrom": str},
    )
    variant = table.filter(regex="^(metadata/variant|preds)/")
    return variant.rename(columns=lambda name: name.rsplit("/", 1)[1])
