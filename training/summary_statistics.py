"""Summary statistics of a GWAS: GWAS-SSF, or any other table by a map of columns."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SummaryStatisticsConfig:
    """Summary statistics, and how blocks are made of them.

    Parameters
    ----------
    path : str
        Table, plain or gzipped.
    """

    path: str
