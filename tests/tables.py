"""Outputs of ``mifm score`` as tables, and what it means that two are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysam

SCORES = ["mifm_ref", "mifm_alt", "mifm_delta"]
PERCENTILES = ["mifm_percentile", "mifm_phred"]


def read_table(path: Path) -> pd.DataFrame:
    """Any of the formats as one table, one row per ALT, by other programs than ours."""
    if path.name.endswith(".parquet"):
        return pd.read_parquet(path)
    if ".tsv" in path.name:
        return pd.read_csv(path, sep="\t", dtype={"chrom": str}, keep_default_na=False, na_values={
            name: [""] for name in (*SCORES, "mifm_logit_ref", "mifm_logit_alt", *PERCENTILES)
        })  # fmt: skip
    rows: list[dict[str, Any]] = []
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            alts = record.alts or (".",)
            for number, alt in enumerate(alts):
                row = {
                    "chrom": record.chrom,
                    "pos": record.pos,
                    "id": record.id,
                    "ref": record.ref,
                    "alt": alt,
                }
                for name in (*SCORES, *PERCENTILES):
                    values = record.info.get(name.upper())
                    value = values[number] if values else None
                    row[name] = np.nan if value is None else value
                rows.append(row | {"status": record.info["MIFM_STATUS"][number]})
    return pd.DataFrame(rows)


def assert_same_rows(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """All rows in their order, numbers to 1e-6; to a ten-thousandth where a logit's 1e-6 makes as much."""
    for name in ("chrom", "pos", "id", "ref", "alt", "status"):
        assert found[name].tolist() == expected[name].tolist(), name
    for name in SCORES:
        np.testing.assert_allclose(found[name].astype(float), expected[name], atol=1e-6)
    for name in PERCENTILES:
        np.testing.assert_allclose(found[name].astype(float), expected[name], atol=1e-4)
