"""Frequencies of alleles that a file states, for people whose genotypes are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.matching import match
from mifm_kipoi.genomics.columns import find_layout
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.polygenic.scoring_files import read_scoring_file

_KNOWN = (
    {"effect_allele": "ALT", "other_allele": "REF", "beta": "ALT_FREQS", "id": "ID"},
    {"effect_allele": "A1", "other_allele": "A2", "beta": "MAF", "id": "SNP"},
)
"""Columns of PLINK 2's .afreq and PLINK 1's .frq, by field."""


def read_frequencies(path: Path, genotyped: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Frequencies of the counted alleles of variants.

    Parameters
    ----------
    path : Path
        PLINK's ``.afreq`` or ``.frq``, whose variants are known by name, or a table with places or names,
        effect alleles and their frequencies, such as summary statistics.
    genotyped : pandas.DataFrame
        The variants: ``row``, ``chrom``, ``pos``, ``id``, ``counted``, ``other``.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        NaN for variants that the file does not have. A/T and C/G are taken as of the same strand.

    Raises
    ------
    InputError
        When the file cannot be read, has no such columns, or a number that is no frequency.
    """
    table = TableFile.of(path)
    columns = next((one for one in _KNOWN if set(one.values()) <= set(table.columns)), None)
    if columns is None:
        named = find_layout(table, needs=("effect_allele",)).columns
        if "effect_allele_frequency" not in named:
            raise InputError(
                f"{path} has no column of frequencies of effect alleles; its columns are "
                f"{', '.join(table.columns)}. Expected .afreq or .frq of PLINK, or effect_allele_frequency"
            )
        columns = {"beta": named["effect_allele_frequency"]}
    places = pd.MultiIndex.from_frame(genotyped[["chrom", "pos"]])

    def choose(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        there = pd.MultiIndex.from_frame(rows[["chrom", "pos"]]).isin(places)
        return np.asarray(
            there | ((rows["pos"] == 0) & rows["id"].isin(genotyped["id"])).to_numpy(), dtype=bool
        )

    rows = read_scoring_file(path, columns=columns, choose=choose).rows
    frequency = rows["weight"].to_numpy(np.float64)
    with np.errstate(invalid="ignore"):
        bad = (frequency < 0) | (frequency > 1)
    if bad.any():
        line = rows.index[int(bad.argmax())]
        raise InputError(
            f"line {line} of {path}: {columns['beta']} is {frequency[bad][0]:g}; expected a frequency from 0 "
            "to 1"
        )
    matches = match(rows, genotyped)
    used = np.flatnonzero(matches.matched & ~np.isnan(frequency))[::-1]
    place = pd.Index(genotyped["row"]).get_indexer(pd.Index(matches.row[used]))
    counted = np.where(matches.counted[used], frequency[used], 1 - frequency[used])
    result = np.full(len(genotyped), np.nan)
    # Of several rows of one variant the first counts: it is written last.
    result[place] = counted
    return result
