"""Names of chromosomes that mean the same in several files."""

from __future__ import annotations

import pandas as pd


def bare_names(names: pd.Series) -> pd.Series:
    """Names without ``chr``, with X and Y for 23 and 24, to compare the files of one analysis.

    25 and 26 mean different things in PLINK and in the GWAS catalog and stay as they are.
    """
    return names.str.replace("^chr", "", case=False, regex=True).replace({"23": "X", "24": "Y"})
