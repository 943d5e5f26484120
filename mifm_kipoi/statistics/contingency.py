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

_RELATIVE = 1e-7
"""Tables whose probabilities differ by less than this fraction count as equally likely, as in scipy."""

_CHUNK = 4096
"""Terms of a tail that are added together."""


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


def log_fisher_p(
    a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike, d: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Natural logarithms of the two-sided p-values of Fisher's exact test.

    The sum of the probabilities of all tables with the same margins that are at most as likely as the one
    seen, as in R and scipy; as a logarithm it does not underflow.

    Parameters
    ----------
    a, b, c, d : array-like of int, shape (...)
        See the module; any size.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        0 where a margin is 0.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    cells = np.broadcast_arrays(*(np.asarray(cell, dtype=np.int64) for cell in (a, b, c, d)))
    flat = [_log_fisher_p(*map(int, table)) for table in zip(*(cell.ravel() for cell in cells), strict=True)]
    return np.array(flat, dtype=np.float64).reshape(cells[0].shape)


def _log_fisher_p(a: int, b: int, c: int, d: int) -> float:
    special = needed("scipy.special", "evaluation")
    drawn, inside, total = a + b, a + c, a + b + c + d
    low, high = max(0, drawn + inside - total), min(drawn, inside)
    if low == high:
        return 0.0

    def log_pmf(x: npt.ArrayLike) -> Values:
        x = np.asarray(x, dtype=np.float64)
        cells = (x, drawn - x, inside - x, total - drawn - inside + x)
        values: Values = constant - sum(special.gammaln(cell + 1) for cell in cells)
        return values

    margins = (drawn, total - drawn, inside, total - inside)
    constant = sum(math.lgamma(margin + 1) for margin in margins) - math.lgamma(total + 1)
    mode = min(max((drawn + 1) * (inside + 1) // (total + 2), low), high)
    limit = float(log_pmf(a)) + _RELATIVE
    # The tables at most as likely as the one seen are a tail on either side of the mode.
    left = _last(lambda x: float(log_pmf(x)) <= limit, low, mode)
    right = _last(lambda x: float(log_pmf(x)) <= limit, high, mode)
    if mode in (left, right):
        return 0.0
    tails = [
        _log_tail(log_pmf, start, end) for start, end in ((left, low), (right, high)) if start is not None
    ]
    return min(0.0, float(np.logaddexp.reduce(tails)))


def _last(holds: Callable[[int], bool], end: int, mode: int) -> int | None:
    """The value nearest to the mode, from an end of the support, for which something monotone holds."""
    if not holds(end):
        return None
    if holds(mode):
        return mode
    step = 1 if mode >= end else -1
    good, bad = 0, abs(mode - end)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(end + step * middle) else (good, middle)
    return end + step * good


def _log_tail(log_pmf: Callable[[npt.ArrayLike], Values], start: int, end: int) -> float:
    """Logarithm of the sum from a value outwards to the end of the support; what no longer counts is left."""
    step = 1 if end >= start else -1
    total, first = -np.inf, start
    while (end - first) * step >= 0:
        last = first + step * min(_CHUNK - 1, abs(end - first))
        terms = log_pmf(np.arange(first, last + step, step))
        total = float(np.logaddexp(total, np.logaddexp.reduce(terms)))
        # Terms fall faster than geometrically on the way out.
        if terms[-1] < total - 45:
            break
        first = last + step
    return total
