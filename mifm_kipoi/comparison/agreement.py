"""How far pairs of scores agree: correlations, the same variants at the top, the order within blocks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.blocks import independent_blocks
from mifm_kipoi.comparison.records import Comparison, Numbers
from mifm_kipoi.statistics.bootstrap import RESAMPLES, Bootstrap
from mifm_kipoi.statistics.correlation import Ranks, correlation_of_moments, moments
from mifm_kipoi.statistics.estimates import percentile_intervals
from mifm_kipoi.statistics.ranking import Top

MIN_VARIANTS = 3
"""Variants below which there is no correlation."""

CORRELATION_COLUMNS = (
    "model_a", "model_b", "n", "blocks", "pearson", "pearson_low", "pearson_high", "spearman", "spearman_low",
    "spearman_high", "note",
)  # fmt: skip
"""Of the table of correlations."""

TOPS = (10, 100, 1000)
"""Sizes of the top, beside 1 % of the variants."""

ONE_PERCENT = "1 %"

OVERLAP_COLUMNS = ("model_a", "model_b", "n", "top", "k", "overlap", "chance", "tied_a", "tied_b")
"""Of the table of overlaps."""

MIN_IN_BLOCK = 2
"""Variants that a block must have for its best to be compared."""

MIN_RANKED_IN_BLOCK = 5
"""Variants that a block must have for a correlation within it."""

BLOCK_COLUMNS = (
    "model_a", "model_b", "blocks", "same_best", "same_best_low", "same_best_high", "chance",
    "spearman_blocks", "mean_spearman", "mean_spearman_low", "mean_spearman_high", "constant_blocks",
)  # fmt: skip
"""Of the table of agreement within blocks."""

_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]


def correlations(comparison: Comparison, resamples: int = RESAMPLES, seed: int = 1) -> pd.DataFrame:
    """Pearson and Spearman correlations of all pairs of scores that rank.

    Parameters
    ----------
    comparison : Comparison
        The scores; each pair is compared over the variants that both score.
    resamples : int
        Of the blocks (:func:`mifm_kipoi.comparison.blocks.independent_blocks`), for the intervals. Spearman
        of a resample is the Pearson correlation of the ranks among all variants of the pair; they are not
        ranked again in each resample.
    seed : int
        Of the resamples.

    Returns
    -------
    pandas.DataFrame
        A row for each pair, :data:`CORRELATION_COLUMNS`: the two columns of the joined table, variants that
        both score and their blocks, the correlations with 95 % intervals, and why there are none. Pearson is
        NaN too where a score is infinite.
    """
    pairs = list(itertools.combinations(comparison.ranking, 2))
    if not pairs:
        return pd.DataFrame(columns=list(CORRELATION_COLUMNS))
    columns = _columns(comparison)
    ranks = {name: Ranks(values) for name, values in columns.items()}
    block = independent_blocks(comparison)
    bootstrap = Bootstrap.of_clusters(block, seed, resamples)
    blocks = bootstrap.names.size
    # Of each pair the moments of the scores and of their ranks, summed over the rows of each block.
    sums = np.zeros((6, len(pairs), 2, blocks))
    notes = []
    for number, pair in enumerate(pairs):
        a, b = (columns[name] for name in pair)
        rows = ~(np.isnan(a) | np.isnan(b))
        rank_a, rank_b = (ranks[name].centred(rows.astype(np.float64))[rows] for name in pair)
        for kind, terms in enumerate((moments(a[rows], b[rows]), moments(rank_a, rank_b))):
            sums[:, number, kind] = [np.bincount(block[rows], term, blocks) for term in terms]
        notes.append(_note(pair, a[rows], b[rows]))
    count = sums[0, :, 0]
    undefined = np.array([note.startswith("none: ") for note in notes])
    value = np.where(undefined[:, np.newaxis], np.nan, correlation_of_moments(sums.sum(axis=-1)))
    filled = (count > 0).sum(axis=-1)
    drawn = correlation_of_moments(bootstrap.sums(sums))
    low, high = percentile_intervals(value, drawn, filled[:, np.newaxis])
    return pd.DataFrame(
        {
            "model_a": [a for a, _ in pairs],
            "model_b": [b for _, b in pairs],
            "n": count.sum(axis=-1).astype(np.int64),
            "blocks": filled,
            "pearson": value[:, 0],
            "pearson_low": low[:, 0],
            "pearson_high": high[:, 0],
            "spearman": value[:, 1],
            "spearman_low": low[:, 1],
            "spearman_high": high[:, 1],
            "note": [note.removeprefix("none: ") for note in notes],
        },
        columns=list(CORRELATION_COLUMNS),
    )


def _columns(comparison: Comparison) -> dict[str, Numbers]:
    return {name: comparison.table[name].to_numpy(dtype=np.float64) for name in comparison.ranking}


def _note(pair: tuple[str, str], x: Numbers, y: Numbers) -> str:
    """Why a correlation is undefined."""
    if len(x) < MIN_VARIANTS:
        return f"none: fewer than {MIN_VARIANTS} variants have both"
    sides = list(zip(pair, (x, y), strict=True))
    if constant := [name for name, values in sides if values.min() == values.max()]:
        return f"none: {' and '.join(constant)} constant"
    if infinite := [name for name, values in sides if not np.isfinite(values).all()]:
        return f"no Pearson: {' and '.join(infinite)} infinite"
    return ""


def overlaps(comparison: Comparison) -> pd.DataFrame:
    """The fraction of the top k of one score that is in the top k of another.

    Parameters
    ----------
    comparison : Comparison
        The scores.

    Returns
    -------
    pandas.DataFrame
        :data:`OVERLAP_COLUMNS`; for each pair of scores that rank, over the ``n`` variants that both score,
        and each size of the top below n / 2: the expected fraction when each score breaks its ties at random,
        what chance gives (k / n), and the fractions of the k variants that ties decide.
    """
    columns = _columns(comparison)
    present = {name: ~np.isnan(values) for name, values in columns.items()}
    # Sorted once: the order of a subset takes no sorting.
    order = {name: np.argsort(values, kind="stable") for name, values in columns.items()}
    rows = []
    for pair in itertools.combinations(columns, 2):
        both = present[pair[0]] & present[pair[1]]
        n = int(both.sum())
        tops = [Top(columns[name], order[name][both[order[name]]]) for name in pair]
        for top, k in _sizes(n):
            in_a, in_b = (side.membership(k) for side in tops)
            tied = (float(side[side < 1].sum()) / k for side in (in_a, in_b))
            rows.append((*pair, n, top, k, in_a @ in_b / k, k / n, *tied))
    return pd.DataFrame(rows, columns=list(OVERLAP_COLUMNS))


def _sizes(n: int) -> Iterator[tuple[str, int]]:
    for top, k in (*((str(k), k) for k in TOPS), (ONE_PERCENT, round(n / 100))):
        if 0 < k < n / 2:
            yield top, k


def block_agreement(
    comparison: Comparison, resamples: int = RESAMPLES, seed: int = 1, smallest: int = MIN_IN_BLOCK
) -> pd.DataFrame:
    """How far two scores agree within blocks: on the first variant, and on the order.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    resamples : int
        Of the blocks, for the intervals.
    seed : int
        Of the resamples.
    smallest : int
        Variants with both scores that a block must have.

    Returns
    -------
    pandas.DataFrame
        :data:`BLOCK_COLUMNS`, a row for each pair of scores that rank: blocks; in which fraction of them both
        put the same variant first, as expected when each breaks its ties at random, with its 95 % interval,
        and by chance (the mean of 1 / variants of the block); among blocks of at least five variants the mean
        Spearman correlation with its interval, and how many were left out for a score that is constant in
        them.
    """
    blocks = len(comparison.block_names)
    pairs = list(itertools.combinations(comparison.ranking, 2)) if blocks else []
    if not pairs:
        return pd.DataFrame(columns=list(BLOCK_COLUMNS))
    columns = {
        name: BlockedColumn(values, comparison.block, blocks) for name, values in _columns(comparison).items()
    }
    # Of each block: whether it counts, and what it adds; for the best variant, and for the correlation.
    sums = np.zeros((2, len(pairs), 2, blocks))
    chance, constant = np.full(len(pairs), np.nan), np.zeros(len(pairs), dtype=np.int64)
    for number, (a, b) in enumerate(pairs):
        pair = _within_blocks(columns[a], columns[b], comparison.block, blocks)
        counts = pair.size >= smallest
        large = pair.size >= MIN_RANKED_IN_BLOCK
        ranked = large & ~np.isnan(pair.spearman)
        sums[:, number, 0] = counts, np.where(counts, pair.same_best, 0)
        sums[:, number, 1] = ranked, np.where(ranked, pair.spearman, 0)
        constant[number] = (large & ~ranked).sum()
        if counts.any():
            chance[number] = (1 / pair.size[counts]).mean()
    bootstrap = Bootstrap.of_clusters(np.arange(blocks), seed, resamples)
    value, drawn = _mean(sums.sum(axis=-1)), _mean(bootstrap.sums(sums))
    counted = sums[0].sum(axis=-1).astype(np.int64)
    low, high = percentile_intervals(value, drawn, counted)
    return pd.DataFrame(
        {
            "model_a": [a for a, _ in pairs],
            "model_b": [b for _, b in pairs],
            "blocks": counted[:, 0],
            "same_best": value[:, 0],
            "same_best_low": low[:, 0],
            "same_best_high": high[:, 0],
            "chance": chance,
            "spearman_blocks": counted[:, 1],
            "mean_spearman": value[:, 1],
            "mean_spearman_low": low[:, 1],
            "mean_spearman_high": high[:, 1],
            "constant_blocks": constant,
        },
        columns=list(BLOCK_COLUMNS),
    )


def _mean(sums: Numbers) -> Numbers:
    """From a number and a sum along the first axis; NaN of nothing."""
    with np.errstate(invalid="ignore"):
        mean: Numbers = sums[1] / sums[0]
    return mean


class BlockedColumn:
    """One score of variants in blocks, and what comes first among any subset of them.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        NaN where a variant has no score.
    block : numpy.ndarray of int64, shape (n,)
        Block of each variant, -1 outside all.
    blocks : int
        How many there are.
    """

    def __init__(self, values: Numbers, block: _Integers, blocks: int) -> None:
        self._values = values
        self._block = block
        self._blocks = blocks
        self.present = ~np.isnan(values) & (block >= 0)
        # Rows by block and value: subsets then take no sorting.
        order = np.lexsort((values, block))
        self._order = order[self.present[order]]

    def ranked(self, rows: _Flags) -> tuple[Numbers, Numbers]:
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
class _WithinBlocks:
    """How two scores agree in each block: arrays of a number for each.

    Parameters
    ----------
    size : numpy.ndarray of int64, shape (blocks,)
        Variants with both scores.
    same_best : numpy.ndarray of float64, shape (blocks,)
        Probability that both put the same variant first.
    spearman : numpy.ndarray of float64, shape (blocks,)
        NaN where a score is constant.
    """

    size: _Integers
    same_best: Numbers
    spearman: Numbers


def _within_blocks(a: BlockedColumn, b: BlockedColumn, block: _Integers, blocks: int) -> _WithinBlocks:
    rows = a.present & b.present
    inside = block[rows]
    (x, first_a), (y, first_b) = ([each[rows] for each in column.ranked(rows)] for column in (a, b))
    xx, yy, xy, same = (
        np.bincount(inside, weights=term, minlength=blocks)
        for term in (x * x, y * y, x * y, first_a * first_b)
    )
    with np.errstate(invalid="ignore"):
        spearman = xy / np.sqrt(xx * yy)
    return _WithinBlocks(np.bincount(inside, minlength=blocks), same.astype(np.float64), spearman)
