"""Which block each variant is in: regions of a BED file, or blocks of equal length."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.records import Comparison
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.intervals import Interval, read_intervals

BLOCK_BP = 100_000
"""Length of blocks, where none are given."""

Blocks = tuple[npt.NDArray[np.int64], tuple[str, ...]]
"""The number of each variant's block, -1 outside all, and the blocks' names, ``chrom:start-end``, 1-based."""


def equal_blocks(chrom: pd.Series[str], pos: pd.Series[int], length_bp: int = BLOCK_BP) -> Blocks:
    """Blocks of equal length, those with variants.

    Parameters
    ----------
    chrom : pandas.Series of str, length n
        Contig of each variant.
    pos : pandas.Series of int, length n
        Position of each variant, 1-based.
    length_bp : int
        The first block of a contig begins at its first base.

    Returns
    -------
    block : numpy.ndarray of int64, shape (n,)
        Number of each variant's block.
    names : tuple of str
        ``chrom:start-end`` of each block, 1-based.
    """
    number = (pos.to_numpy() - 1) // length_bp
    block, keys = pd.factorize(pd.MultiIndex.from_arrays([_keys(chrom), number]))
    names = {contig_key(name): name for name in reversed(chrom.unique())}
    return block, tuple(f"{names[key]}:{each * length_bp + 1}-{(each + 1) * length_bp}" for key, each in keys)


def _keys(chrom: pd.Series[str]) -> pd.Series[str]:
    """The same for all names of a contig."""
    return chrom.map({name: contig_key(name) for name in chrom.unique()})


def read_blocks(path: str | os.PathLike[str]) -> list[Interval]:
    """The regions of a BED file, sorted.

    Raises
    ------
    IntervalFileError
        When the file cannot be read.
    InputError
        When two regions overlap, or the file has none.
    """
    regions = sorted(read_intervals(path), key=lambda region: (contig_key(region.chrom), region.start))
    if not regions:
        raise InputError(f"{path} has no region; expected blocks as chrom, start, end")
    for one, two in itertools.pairwise(regions):
        if contig_key(one.chrom) == contig_key(two.chrom) and two.start < one.end:
            raise InputError(
                f"{path}: {one.chrom}:{one.start}-{one.end} and {two.chrom}:{two.start}-{two.end} overlap; "
                "expected blocks that do not, so that each variant is in one"
            )
    return regions


def in_blocks(chrom: pd.Series[str], pos: pd.Series[int], regions: Sequence[Interval]) -> Blocks:
    """Which region each variant is in; names of contigs may differ by ``chr``.

    Parameters
    ----------
    chrom, pos
        As in :func:`equal_blocks`.
    regions : sequence of Interval
        From :func:`read_blocks`.

    Returns
    -------
    block : numpy.ndarray of int64, shape (n,)
        Number of each variant's region, -1 outside all.
    names : tuple of str
        ``chrom:start-end`` of each region, 1-based.
    """
    keys = np.array([contig_key(region.chrom) for region in regions])
    starts = np.array([region.start for region in regions])
    ends = np.array([region.end for region in regions])
    block = np.full(len(chrom), -1, dtype=np.int64)
    variant_keys = _keys(chrom).to_numpy()
    pos0 = pos.to_numpy() - 1
    for key in set(keys.tolist()) & set(variant_keys.tolist()):
        rows, own = np.flatnonzero(variant_keys == key), np.flatnonzero(keys == key)
        before = np.searchsorted(starts[own], pos0[rows], side="right") - 1
        inside = (before >= 0) & (pos0[rows] < ends[own][np.maximum(before, 0)])
        block[rows[inside]] = own[before[inside]]
    return block, tuple(f"{region.chrom}:{region.start + 1}-{region.end}" for region in regions)


def independent_blocks(comparison: Comparison) -> npt.NDArray[np.int64]:
    """The block of each row that is drawn whole: that of the comparison, or outside all one of 100 kb.

    Parameters
    ----------
    comparison : Comparison
        The joined scores and their blocks.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        From 0 on, without gaps.
    """
    rows = comparison.table
    outside = comparison.block < 0
    block = comparison.block.copy()
    equal, _ = equal_blocks(rows.loc[outside, "chrom"], rows.loc[outside, "pos"])
    block[outside] = equal + comparison.block.max(initial=-1) + 1
    return np.unique(block, return_inverse=True)[1].astype(np.int64)
