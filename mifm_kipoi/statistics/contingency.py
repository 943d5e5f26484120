"""Tables of two by two: odds ratios, their intervals when rows are independent, and Fisher's exact test.

A table counts rows that are selected or not (above a threshold of a score, say), inside or not (in an
enhancer, say): ``a`` selected inside, ``b`` selected outside, ``c`` other inside, ``d`` other outside.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

_NORMAL_975 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

_ROUNDING = 1e-7
"""Probabilities whose logarithms differ by less are taken for equal, as by R: those of two tables can be."""


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
    """Two-sided p-values of Fisher's exact test: of all tables with the same margins that are no more likely.

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
    log_gamma = needed("scipy.special", "evaluation").gammaln
    cells = np.broadcast_arrays(*(np.asarray(cell, dtype=np.int64) for cell in (a, b, c, d)))
    tables = np.stack(cells, axis=-1).reshape(-1, 4).tolist()
    values = [_SameMargins(log_gamma, *table).p_value() for table in tables]
    return np.array(values, dtype=np.float64).reshape(cells[0].shape)


class _SameMargins:
    """All tables with the margins of one, by their cell a: the hypergeometric distribution."""

    def __init__(self, log_gamma: Callable[[Values], Values], a: int, b: int, c: int, d: int) -> None:
        self._a, self._selected, self._inside, self._outside = a, a + b, a + c, b + d
        self._log_gamma = log_gamma
        self._low, self._high = max(0, self._selected - self._outside), min(self._selected, self._inside)
        total = a + b + c + d
        mode = (self._selected + 1) * (self._inside + 1) // (total + 2)
        self._mode = min(max(mode, self._low), self._high)
        parts = self._selected / max(total, 1), self._inside / max(total, 1)
        deviation = math.sqrt(max(total, 1) * parts[0] * (1 - parts[0]) * parts[1] * (1 - parts[1]))
        # Farther from any table, on the side that is not the mode's, others add nothing to a float64.
        self._reach = int(10 * deviation) + 100

    def p_value(self) -> float:
        observed, top = self._log_weight_of(self._a), self._log_weight_of(self._mode)
        limit = observed + _ROUNDING
        if top <= limit:
            return 1.0
        below = self._a if self._a < self._mode else self._first(self._low, limit)
        above = self._a if self._a > self._mode else self._first(self._high, limit)
        as_likely = sum(
            self._sum(end, step, observed)
            for end, step in ((below, -1), (above, 1))
            if self._log_weight_of(end) <= limit
        )
        around = self._sum(self._mode, -1, top) + self._sum(self._mode, 1, top) - 1
        return min(math.exp(observed - top + math.log(as_likely) - math.log(around)), 1.0)

    def _log_weights(self, k: npt.NDArray[np.int64]) -> Values:
        """Logarithms of the probabilities of tables, but for a constant."""
        cells = np.stack([k, self._selected - k, self._inside - k, self._outside - self._selected + k])
        weights: Values = -self._log_gamma(cells + 1.0).sum(axis=0)
        return weights

    def _log_weight_of(self, k: int) -> float:
        cells = (k, self._selected - k, self._inside - k, self._outside - self._selected + k)
        return -sum(math.lgamma(cell + 1) for cell in cells)

    def _first(self, end: int, limit: float) -> int:
        """The table nearest to the mode, towards one end, whose logarithm is at most a limit; or the end."""
        near, far = self._mode, end
        while abs(far - near) > 1:
            middle = (near + far) // 2
            if self._log_weight_of(middle) <= limit:
                far = middle
            else:
                near = middle
        return far

    def _sum(self, start: int, step: int, unit: float) -> float:
        """Of the tables from one on, away from the mode, in units of a probability."""
        end = min(start + self._reach, self._high) if step > 0 else max(start - self._reach, self._low)
        return float(np.exp(self._log_weights(np.arange(start, end + step, step)) - unit).sum())
