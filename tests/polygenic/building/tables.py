"""Tables of studies for tests: CAUSALdb2's columns, filled so that their numbers agree."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from mifm_kipoi.statistics.normal import log_p_of_z

CAUSALDB = (
    "chr", "bp", "rsid", "maf", "ea", "nea", "beta", "se", "p", "zscore", "cojo_beta", "cojo_se", "cojo_p",
    "abf", "finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie", "meta_id",
    "block_id", "tool", "lead_snp", "primary",
)  # fmt: skip


def causaldb_row(
    pos: int,
    rsid: str,
    effect: str,
    other: str,
    beta: float,
    error: float = 0.01,
    *,
    chrom: str = "1",
    study: str = "T1",
    block: int = 1,
    lead: str = "rs1",
    primary: int = 1,
    given: tuple[float, float] | None = None,
    **pips: float,
) -> dict[str, object]:
    """A row of CAUSALdb2; ``given`` is the effect, and its error, given the primary signal."""

    def p_of(effect: float, error: float) -> float:
        return math.exp(log_p_of_z([effect / error])[0])

    row: dict[str, object] = {
        "chr": chrom, "bp": pos, "rsid": rsid, "maf": 0.3, "ea": effect, "nea": other,
        "beta": beta, "se": error,
        "p": p_of(beta, error), "zscore": beta / error, "meta_id": study, "block_id": block, "tool": 1,
        "lead_snp": lead, "primary": primary,
    }  # fmt: skip
    if given is not None:
        row |= {"cojo_beta": given[0], "cojo_se": given[1], "cojo_p": p_of(*given)}
    tools = ("abf", "finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie")
    return row | {tool: pips.get(tool, -1.0) for tool in tools}


def write_table(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None
) -> Path:
    """Rows as a table with tabs."""
    frame = pd.DataFrame(list(rows), columns=None if columns is None else list(columns))
    frame.to_csv(path, sep="\t", index=False, quoting=csv.QUOTE_NONE)
    return path


def causaldb(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """A table of CAUSALdb2."""
    return write_table(path, rows, CAUSALDB)


TWO_SIGNALS = (
    causaldb_row(1000, "rs1", "A", "G", 0.10, abf=0.6, susie=0.7),
    causaldb_row(1100, "rs2", "C", "T", 0.09, abf=0.3, susie=0.2),
    causaldb_row(1200, "rs3", "T", "A", -0.08, abf=0.1, susie=0.1),
    causaldb_row(1100, "rs2", "C", "T", 0.09, primary=0, lead="rs5", given=(0.01, 0.01), abf=0.1, susie=0.1),
    causaldb_row(1300, "rs5", "G", "A", 0.02, primary=0, lead="rs5", given=(0.07, 0.01), abf=0.5, susie=-1),
    causaldb_row(1400, "rs6", "G", "C", 0.01, primary=0, lead="rs6", given=(0.06, 0.01), abf=0.4, susie=0.3),
)
"""A block with a primary signal and two secondary ones; rs2 is in two signals."""
