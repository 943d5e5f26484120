"""The locus that a figure shows: chosen, and the rows in it."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.records import Comparison
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.loci import Locus, locus_name

FLANK = 100_000
"""Base pairs on either side of a variant that a locus is chosen around."""

ASSOCIATION = "neg_log10_p"
"""The column of a model that is -log10 of a p-value."""

_BLOCK = re.compile(r"(.+):(-?[0-9]+)-(-?[0-9]+)")

_CONTIGS_SHOWN = 10


def in_locus(comparison: Comparison, locus: Locus) -> npt.NDArray[np.bool_]:
    """Which rows lie in a locus: those whose POS does; contig names may differ by ``chr``.

    POS 0, which VCF has for what lies before a contig's first base, is taken for that base.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    locus : Locus
        1-based, both ends inside.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        Of the rows of the table.

    Raises
    ------
    OptionError
        When no row does; the message says where the variants lie.
    """
    chrom, start, end = locus
    names, pos = comparison.table["chrom"], comparison.table["pos"]
    same = [name for name in names.unique() if contig_key(name) == contig_key(chrom)]
    on_contig = names.isin(same)
    rows = (on_contig & pos.clip(lower=1).between(start, end)).to_numpy(dtype=bool)
    if rows.any():
        return rows
    if on_contig.any():
        covered = pos[on_contig]
        there = f"those of {same[0]} lie in {locus_name((same[0], covered.min(), covered.max()))}"
    else:
        contigs = names.unique()
        more = ", ..." if len(contigs) > _CONTIGS_SHOWN else ""
        there = f"they are on {', '.join(contigs[:_CONTIGS_SHOWN])}{more}" if len(contigs) else "it has none"
    raise OptionError(f"the file has no variant in the locus {locus_name(locus)}; {there}")


def default_locus(comparison: Comparison) -> Locus:
    """The locus to show where none is named.

    Where a model has -log10 of p-values, 100 kb to either side of the variant with the highest. Otherwise
    the block of the variant with the highest score of the first model, or of the first model that has scores;
    for a variant outside all blocks, 100 kb to either side of it.

    Parameters
    ----------
    comparison : Comparison
        The scores.

    Raises
    ------
    OptionError
        When the table has no variants.
    """
    if comparison.table.empty:
        raise OptionError("the file has no variants, and so no locus")
    associations = [
        model.column(ASSOCIATION) for model in comparison.models if ASSOCIATION in model.declaration.columns
    ]
    for columns in (associations, *([name] for name in comparison.primary_scores)):
        scores = comparison.table[columns].max(axis=1) if columns else pd.Series(dtype=np.float64)
        if scores.notna().any():
            row = int(np.nanargmax(scores.to_numpy(dtype=np.float64)))
            return _around(comparison, row, columns is not associations)
    return _around(comparison, 0, True)


def _around(comparison: Comparison, row: int, whole_block: bool) -> Locus:
    block = int(comparison.block[row])
    named = _BLOCK.fullmatch(comparison.block_names[block]) if whole_block and block >= 0 else None
    if named:
        # Blocks may begin before the first base.
        start, end = (max(1, int(number)) for number in named.groups()[1:])
        return named[1], start, end
    pos = int(comparison.table["pos"].iloc[row])
    return str(comparison.table["chrom"].iloc[row]), max(1, pos - FLANK), pos + FLANK
