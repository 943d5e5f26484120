"""Which rows belong together, such as the variants of a signal of a study, and sums over them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values


class Groups:
    """Sums over groups of rows, without over- or underflow.

    Parameters
    ----------
    numbers : numpy.ndarray of int64, shape (n,)
        The number of each row's group; the rows may be in any order.

    Attributes
    ----------
    index : numpy.ndarray of int64, shape (n,)
        The group of each row, counted from 0 by rising number.
    sizes : numpy.ndarray of int64, shape (groups,)
        Rows of each group.
    """

    def __init__(self, numbers: npt.NDArray[np.int64]) -> None:
        _, self.index, self.sizes = np.unique(numbers, return_inverse=True, return_counts=True)
        ordered = bool((np.diff(self.index) >= 0).all())
        self._order = slice(None) if ordered else np.argsort(self.index, kind="stable")
        self._starts = np.cumsum(self.sizes) - self.sizes

    def sum(self, values: Values) -> Values:
        """Sum of each group: (n,) -> (groups,)."""
        totals: Values = np.bincount(self.index, values, minlength=self.sizes.size).astype(np.float64)
        return totals

    def max(self, values: Values) -> Values:
        """Largest value of each group: (n,) -> (groups,)."""
        largest: Values = np.maximum.reduceat(values[self._order], self._starts)
        return largest

    def log_sum(self, values: Values) -> Values:
        """``log sum exp`` of each group: (n,) -> (groups,)."""
        ordered = values[self._order]
        top = np.maximum.reduceat(ordered, self._starts)
        shifted = np.exp(ordered - np.repeat(top, self.sizes))
        total: Values = top + np.log(np.add.reduceat(shifted, self._starts))
        return total
