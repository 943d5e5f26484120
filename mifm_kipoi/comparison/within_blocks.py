"""Whether scores agree within blocks: on the first variant, and on the order."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.comparison import Comparison
from mifm_kipoi.comparison.resampling import Numbers, percentile_interval, resampled_sums

COLUMNS = (
    "model_a", "model_b", "blocks", "same_best", "same_best_low", "same_best_high", "chance",
    "spearman_blocks", "mean_spearman", "mean_spearman_low", "mean_spearman_high", "constant_blocks",
)  # fmt: skip
"""Of the table of blocks."""

MIN_IN_BLOCK = 2
"""Variants that a block must have for its best to be compared."""

MIN_RANKED_IN_BLOCK = 5
"""Variants that a block must have for a correlation within it."""

_Integers = npt.NDArray[np.int64]


class BlockedColumn:
    """One score of variants in blocks, and what comes first among any subset of them.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        NaN where there is none.
    block : numpy.ndarray of int64, shape (n,)
        -1 outside all blocks.
    blocks : int
    """

    def __init__(self, values: Numbers, block: _Integers, blocks: int) -> None:
        self._values = values
        self._block = block
        self._blocks = blocks
        self.present = ~np.isnan(values) & (block >= 0)
        # Rows by block and value: subsets then take no sorting.
        order = np.lexsort((values, block))
        self._order = order[self.present[order]]

    def ranked(self, rows: npt.NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
        """Ranks within blocks, and the probability of being first, where ties are broken at random.

        Parameters
        ----------
        rows : numpy.ndarray of bool, shape (n,)
            Rows to rank; all are present.

        Returns
        -------
        rank : numpy.ndarray of float64, shape (n,)
            From the middle of the block's ranks; ties have their mean. 0 outside the rows.
        first : numpy.ndarray of float64, shape (n,)
            They sum to 1 in each block with rows. 0 outside the rows.
        """
        order = self._order[rows[self._order]]
        block, values = self._block[order], self._values[order]
        size = np.bincount(block, minlength=self._blocks)
        end = np.cumsum(size)
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = (block[1:] != block[:-1]) | (values[1:] != values[:-1])
        tie = np.cumsum(begins) - 1
        start = np.flatnonzero(begins)
        length = np.diff(start, append=len(order))
        middle = (start + (length - 1) / 2)[tie]
        rank, first = np.zeros(len(rows)), np.zeros(len(rows))
        rank[order] = middle - (end - (size + 1) / 2)[block]
        first[order] = np.where((start + length)[tie] == end[block], 1 / length[tie], 0.0)
        return rank, first


@dataclasses.dataclass(frozen=True)
class _Pair:
    """What the blocks of a pair give: arrays of a number for each block."""

    size: _Integers
    same_best: Numbers
    spearman: Numbers


def block_agreement(
    comparison: Comparison, resamples: int = 1000, seed: int = 1, smallest: int = MIN_IN_BLOCK
) -> pd.DataFrame:
    """How far two scores agree within blocks.

    Parameters
    ----------
    comparison : Comparison
    resamples, seed : int
        Of the blocks, for the intervals.
    smallest : int
        Variants with both scores that a block must have.

    Returns
    -------
    pandas.DataFrame
        :data:`COLUMNS`, a row for each pair of scores that rank: blocks; in which share of them both put the
        same variant first, as expected when each breaks its ties at random, with its 95 % interval, and by
        chance (the mean of 1 / variants of the block); among blocks of at least five variants the mean
        Spearman correlation with its interval, and how many were left out for a score that is constant in
        them.
    """
    blocks = len(comparison.block_names)
    pairs = list(itertools.combinations(comparison.ranking, 2)) if blocks else []
    if not pairs:
        return pd.DataFrame(columns=list(COLUMNS))
    columns = {
        name: BlockedColumn(comparison.table[name].to_numpy(dtype=np.float64), comparison.block, blocks)
        for name in comparison.ranking
    }
    # Of each block: whether it counts, and what it adds; for the best variant, and for the correlation.
    sums = np.zeros((len(pairs), 2, 2, blocks))
    chance, constant = np.full(len(pairs), np.nan), np.zeros(len(pairs), dtype=np.int64)
    for number, (a, b) in enumerate(pairs):
        found = _of_pair(columns[a], columns[b], comparison.block, blocks)
        counts = found.size >= smallest
        large = found.size >= MIN_RANKED_IN_BLOCK
        ranked = large & ~np.isnan(found.spearman)
        sums[number, 0] = counts, np.where(counts, found.same_best, 0)
        sums[number, 1] = ranked, np.where(ranked, found.spearman, 0)
        constant[number] = (large & ~ranked).sum()
        if counts.any():
            chance[number] = (1 / found.size[counts]).mean()
    return _table(pairs, sums, chance, constant, _mean(resampled_sums(sums, resamples, seed)))


def _of_pair(a: BlockedColumn, b: BlockedColumn, block: _Integers, blocks: int) -> _Pair:
    rows = a.present & b.present
    inside = block[rows]
    (x, first_a), (y, first_b) = ([each[rows] for each in column.ranked(rows)] for column in (a, b))
    xx, yy, xy, same = (
        np.bincount(inside, weights=term, minlength=blocks)
        for term in (x * x, y * y, x * y, first_a * first_b)
    )
    with np.errstate(invalid="ignore"):
        spearman = xy / np.sqrt(xx * yy)
    return _Pair(np.bincount(inside, minlength=blocks), same.astype(np.float64), spearman)


def _mean(sums: Numbers) -> Numbers:
    """From a number and a sum along the last axis; NaN of nothing."""
    with np.errstate(invalid="ignore"):
        mean: Numbers = sums[..., 1] / sums[..., 0]
    return mean


def _table(
    pairs: list[tuple[str, str]], sums: Numbers, chance: Numbers, constant: _Integers, drawn: Numbers
) -> pd.DataFrame:
    value = _mean(sums.sum(axis=-1))
    blocks = sums[:, :, 0].sum(axis=-1).astype(np.int64)
    low, high = percentile_interval(drawn.reshape(len(drawn), -1), blocks.ravel())
    return pd.DataFrame(
        {
            "model_a": [a for a, _ in pairs],
            "model_b": [b for _, b in pairs],
            "blocks": blocks[:, 0],
            "same_best": value[:, 0],
            "same_best_low": low[0::2],
            "same_best_high": high[0::2],
            "chance": chance,
            "spearman_blocks": blocks[:, 1],
            "mean_spearman": value[:, 1],
            "mean_spearman_low": low[1::2],
            "mean_spearman_high": high[1::2],
            "constant_blocks": constant,
        },
        columns=list(COLUMNS),
    )
