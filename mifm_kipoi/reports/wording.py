"""How pages about variants write their names and numbers."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from mifm_kipoi.genomics.variants import MISSING
from mifm_kipoi.reports.drawing import shortened

LONGEST_NAME = 28
"""Letters of a variant's name."""

_LONGEST_ALLELE = 10


def described(row: pd.Series[Any]) -> str:
    """A variant with its name, its place and its alleles: ``rs1, 20:1,000 A>G``.

    Parameters
    ----------
    row : pandas.Series
        ``chrom``, ``pos``, ``id``, ``ref``, ``alt``.
    """
    ref, alt = (shortened(str(row[name]), _LONGEST_ALLELE) for name in ("ref", "alt"))
    place = f"{row['chrom']}:{row['pos']:,} {ref}>{alt}"
    name = str(row["id"])
    # Many names are the place and the alleles again.
    return place if name == MISSING or str(row["pos"]) in name else f"{short_name(name)}, {place}"


def short_name(name: str) -> str:
    """A variant's name, shortened."""
    return shortened(name, LONGEST_NAME)


def score_text(value: float) -> str:
    """A score from 0 to 1; empty for NaN."""
    return "" if math.isnan(value) else f"{value:.3f}"


def percentile_text(value: float) -> str:
    """Percentiles near 100 with more digits, and never rounded up to it; empty for NaN."""
    if math.isnan(value):
        return ""
    decimals = 1 if value < 99 else 2 if value < 99.9 else 3
    return f"{math.floor(value * 10**decimals) / 10**decimals:.{decimals}f}"


def pip_text(value: float) -> str:
    """A posterior probability; empty for NaN."""
    if math.isnan(value):
        return ""
    return f"{value:.3f}" if value >= 0.0005 or value == 0 else "<0.001"


def p_text(value: float) -> str:
    """A p-value; empty for NaN."""
    if math.isnan(value):
        return ""
    return "<1e-300" if value == 0 else f"{value:.2g}".replace("-", "\N{MINUS SIGN}")


def whole_text(value: float) -> str:
    """A rank; empty for NaN."""
    return "" if math.isnan(value) else f"{value:.0f}"


def signed_text(value: float, decimals: int = 3) -> str:
    """A change with its sign; empty for NaN."""
    if math.isnan(value):
        return ""
    return f"{round(value, decimals) + 0.0:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")
