"""Tables of two by two: odds ratios, their intervals when rows are independent, and Fisher's exact test.

A table counts rows that are selected or not (above a threshold of a score, say), inside or not (in an
enhancer, say): ``a`` selected inside, ``b`` selected outside, ``c`` other inside, ``d`` other outside.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

_NORMAL_975 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """Tables of two by two, all of one shape; weights of rows may make them fractions.

    Parameters
    ----------
    selected_inside, selected, inside, total : numpy.ndarray, shape (...)
        Selected rows that are inside; all selected rows; all rows inside; all rows.
    """

    selected_inside: Values
    selected: Values
    inside: Values
    total: Values

    @property
    def log_odds_ratio(self) -> Values:
        """Of the selected rows against the rest, shape (...).

        Infinite where ``b`` or ``c`` is 0, or ``a`` or ``d``; NaN where nothing is selected, or all, or
        nothing is inside, or all.
        """
        return log_odds_ratio(*self.cells)

    @property
    def log_odds_ratio_all(self) -> Values:
        """Of the selected rows against all rows, themselves included, shape (...).

        Selected rows count twice. Where a fraction f of all is selected, the logarithm is about (1 - f)
        times that against the rest.
        """
        a, b, _, _ = self.cells
        return log_odds_ratio(a, b, self.inside, self.total - self.inside)

    @property
    def cells(self) -> tuple[Values, Values, Values, Values]:
        """``a, b, c, d`` of the module."""
        a = self.selected_inside
        c = self.inside - a
        return a, self.selected - a, c, self.total - self.selected - c


def log_odds_ratio(a: Values, b: Values, c: Values, d: Values) -> Values:
    """``log(a d / (b c))``, shape (...); infinite or NaN where cells are 0, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Values = np.log(np.asarray(a, float)) + np.log(d) - np.log(b) - np.log(c)
    return ratio


def independent_interval(a: Values, b: Values, c: Values, d: Values) -> tuple[Values, Values]:
    """Woolf's 95 % interval of a log odds ratio, which holds for independent rows alone.

    ``log(a d / (b c)) -+ 1.96 sqrt(1/a + 1/b + 1/c + 1/d)``. Variants of a locus are not independent.

    Returns
    -------
    low, high : numpy.ndarray of float64, shape (...)
        NaN where a cell is 0.
    """
    cells = [np.asarray(cell, float) for cell in (a, b, c, d)]
    some = np.all([cell > 0 for cell in cells], axis=0)
    value = np.where(some, log_odds_ratio(*cells), np.nan)
    with np.errstate(divide="ignore"):
        half = _NORMAL_975 * np.sqrt(sum(1 / cell for cell in cells))
    return value - np.where(some, half, np.nan), value + np.where(some, half, np.nan)


def fisher_p(
    a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike, d: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Two-sided p-values of Fisher's exact test, as of scipy.

    Parameters
    ----------
    a, b, c, d : array-like of int, shape (...)
        See the module; any size.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        1 where a margin is 0; 0 where they are below what a float64 can hold, some 1e-308.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    exact = needed("scipy.stats", "evaluation").fisher_exact
    cells = np.broadcast_arrays(*(np.asarray(cell, dtype=np.int64) for cell in (a, b, c, d)))
    tables = np.stack(cells, axis=-1).reshape(-1, 2, 2)
    return np.array([exact(table).pvalue for table in tables], dtype=np.float64).reshape(cells[0].shape)
