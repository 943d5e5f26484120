"""Whether scores put the same variants first, among all variants."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.comparison import Comparison
from mifm_kipoi.comparison.resampling import Numbers

TOPS = (10, 100, 1000)
"""Sizes of the top, beside 1 % of the variants."""

ONE_PERCENT = "1 %"

COLUMNS = ("model_a", "model_b", "n", "top", "k", "overlap", "chance", "tied_a", "tied_b")
"""Of the table of overlaps."""


class Top:
    """The variants with the highest scores, where ties at the edge are broken at random.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
    order : numpy.ndarray of int64, shape (m,)
        The rows to look at, which have a value, from the lowest to the highest.
    """

    def __init__(self, values: Numbers, order: npt.NDArray[np.int64]) -> None:
        self._rows = len(values)
        self._order = order
        self._sorted = values[order]

    def membership(self, k: int) -> Numbers:
        """How probable it is that each variant is one of the top k.

        Parameters
        ----------
        k : int
            From 1 to m.

        Returns
        -------
        numpy.ndarray of float64, shape (n,)
            They sum to k.
        """
        edge = self._sorted[-k]
        first, last = np.searchsorted(self._sorted, edge), np.searchsorted(self._sorted, edge, side="right")
        member = np.zeros(self._rows)
        member[self._order[last:]] = 1
        member[self._order[first:last]] = (k - len(self._sorted) + last) / (last - first)
        return member


def overlaps(comparison: Comparison) -> pd.DataFrame:
    """The share of the top k of one score that is in the top k of another.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    pandas.DataFrame
        :data:`COLUMNS`; for each pair of scores that rank, over the ``n`` variants that both score, and each
        size of the top below n / 2: the expected share when each score breaks its ties at random, what chance
        gives (k / n), and the shares of the k places that ties decide.
    """
    columns = {name: comparison.table[name].to_numpy(dtype=np.float64) for name in comparison.ranking}
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
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _sizes(n: int) -> Iterator[tuple[str, int]]:
    for top, k in (*((str(k), k) for k in TOPS), (ONE_PERCENT, round(n / 100))):
        if 0 < k < n / 2:
            yield top, k
