"""Pearson and Spearman correlations of all pairs of scores, with intervals."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.comparison import Comparison
from mifm_kipoi.comparison.resampling import (
    Numbers,
    independent_blocks,
    percentile_interval,
    resampled_sums,
)

MIN_VARIANTS = 3
"""With fewer variants a correlation says nothing."""

_ROUNDING = 1e-12
"""A variance of less than this share of the mean square is what rounding leaves of none."""

COLUMNS = (
    "model_a", "model_b", "n", "blocks", "pearson", "pearson_low", "pearson_high", "spearman", "spearman_low",
    "spearman_high", "note",
)  # fmt: skip
"""Of the table of correlations."""


class Column:
    """One score of all variants, and the ranks of any subset of them.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        NaN where there is none.
    """

    def __init__(self, values: Numbers) -> None:
        self.values = values
        self.present = ~np.isnan(values)
        self._order = np.zeros(len(values), dtype=np.int64)
        # Places among the different values: ranks of a subset then take no sorting.
        different, self._order[self.present] = np.unique(values[self.present], return_inverse=True)
        self._different = len(different)

    def ranks(self, rows: npt.NDArray[np.bool_]) -> Numbers:
        """Ranks from 1 on among some rows, all of which have a value; ties have their mean rank."""
        order = self._order[rows]
        count = np.bincount(order, minlength=self._different)
        mean_rank = np.cumsum(count) - (count - 1) / 2
        return mean_rank[order]


def correlations(comparison: Comparison, resamples: int = 1000, seed: int = 1) -> pd.DataFrame:
    """Correlations of all pairs of scores that rank, each over the variants that both score.

    Parameters
    ----------
    comparison : Comparison
    resamples : int
        Of the blocks (:func:`mifm_kipoi.comparison.resampling.independent_blocks`), for the intervals.
        Spearman of a resample is the Pearson correlation of the ranks among all variants of the pair; they
        are not ranked anew in each resample.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row for each pair, :data:`COLUMNS`: the two columns of the joined table, variants that both score
        and their blocks, the correlations with 95 % intervals, and why there are none. Pearson is NaN too
        where a score is infinite.
    """
    block = independent_blocks(comparison)
    names = comparison.ranking
    columns = {name: Column(comparison.table[name].to_numpy(dtype=np.float64)) for name in names}
    pairs = list(itertools.combinations(names, 2))
    if not pairs:
        return pd.DataFrame(columns=list(COLUMNS))
    blocks = int(block.max(initial=-1)) + 1
    sums = np.zeros((len(pairs), 2, 6, max(blocks, 1)))
    notes = []
    for number, pair in enumerate(pairs):
        a, b = (columns[name] for name in pair)
        rows = a.present & b.present
        sums[number, 0] = _block_sums(a.values[rows], b.values[rows], block[rows], sums.shape[-1])
        sums[number, 1] = _block_sums(a.ranks(rows), b.ranks(rows), block[rows], sums.shape[-1])
        notes.append(_note(pair, a.values[rows], b.values[rows]))
    unknown = np.array([note.startswith("none: ") for note in notes])
    filled = (sums[:, 0, 0] > 0).sum(axis=-1)
    value = np.where(unknown[:, np.newaxis], np.nan, _correlation(sums.sum(axis=-1)))
    drawn = _correlation(resampled_sums(sums, resamples, seed))
    drawn = np.where(np.isnan(value), np.nan, drawn)
    low, high = percentile_interval(drawn.reshape(resamples, -1), np.repeat(filled, 2))
    return pd.DataFrame(
        {
            "model_a": [a for a, _ in pairs],
            "model_b": [b for _, b in pairs],
            "n": sums[:, 0, 0].sum(axis=-1).astype(np.int64),
            "blocks": filled,
            "pearson": value[:, 0],
            "pearson_low": low[0::2],
            "pearson_high": high[0::2],
            "spearman": value[:, 1],
            "spearman_low": low[1::2],
            "spearman_high": high[1::2],
            "note": [note.removeprefix("none: ") for note in notes],
        },
        columns=list(COLUMNS),
    )


def _block_sums(x: Numbers, y: Numbers, block: npt.NDArray[np.int64], blocks: int) -> Numbers:
    """Number, x, y, xx, yy, xy of each block, x and y centred and scaled; shape (6, blocks)."""
    x, y = _centred(x), _centred(y)
    terms = (None, x, y, x * x, y * y, x * y)
    return np.stack([np.bincount(block, weights=term, minlength=blocks) for term in terms])


def _centred(values: Numbers) -> Numbers:
    """Around zero, and up to one in size, so that sums of squares neither overflow nor lose digits."""
    if not len(values) or not np.isfinite(values).all() or values.min() == values.max():
        return np.zeros_like(values)
    # Halves, for the difference of the largest numbers is none.
    halves = values / 2
    halves = halves - halves.mean()
    largest = np.abs(halves).max()
    # Half of the smallest number is none.
    scaled: Numbers = halves / largest if largest else np.zeros_like(values)
    return scaled


def _correlation(sums: Numbers) -> Numbers:
    """Correlations from the six sums along the last axis; NaN where one side does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        var_x, var_y = xx - x * x / n, yy - y * y / n
        found = (xy - x * y / n) / np.sqrt(var_x * var_y)
    varies = (var_x > _ROUNDING * xx) & (var_y > _ROUNDING * yy)
    return np.where(varies, np.clip(found, -1, 1), np.nan)


def _note(pair: tuple[str, str], x: Numbers, y: Numbers) -> str:
    if len(x) < MIN_VARIANTS:
        return f"none: fewer than {MIN_VARIANTS} variants have both"
    sides = list(zip(pair, (x, y), strict=True))
    if constant := [name for name, values in sides if values.min() == values.max()]:
        return f"none: {' and '.join(constant)} constant"
    if infinite := [name for name, values in sides if not np.isfinite(values).all()]:
        return f"no Pearson: {' and '.join(infinite)} infinite"
    return ""
