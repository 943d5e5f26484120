"""Correlations: Pearson, Spearman and partial, of rows with weights.

A resample of a bootstrap is a weighting of the rows, so each function gives the correlations under many
weightings together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values

_ROUNDING = 1e-12
"""A variance of less than this fraction of the mean square is what rounding leaves of a constant."""


def pearson(x: Values, y: Values, weights: Values | None = None) -> Values:
    """Pearson correlation.

    Parameters
    ----------
    x, y : numpy.ndarray of float64, shape (n,)
        Paired values.
    weights : numpy.ndarray of float64, shape (n,) or (n, r), optional
        How often each row counts, under each of r weightings; by default once.

    Returns
    -------
    numpy.ndarray of float64, shape () or (r,)
        NaN where x or y is constant or not finite.
    """
    return correlation_of_moments(moments(x, y) @ (np.ones(len(x)) if weights is None else weights))


def spearman(x: Values, y: Values, weights: Values | None = None) -> Values:
    """Spearman correlation, with mid-ranks of ties; the rows are ranked again under each weighting.

    Parameters
    ----------
    x, y : numpy.ndarray of float64, shape (n,)
        Paired values.
    weights : numpy.ndarray of float64, shape (n,) or (n, r), optional
        How often each row counts, in whole numbers, under each of r weightings; by default once.

    Returns
    -------
    numpy.ndarray of float64, shape () or (r,)
        NaN where x or y is constant, or a row that counts has no value.
    """
    if weights is None:
        weights = np.ones(len(x))
    unknown = (weights[np.isnan(x) | np.isnan(y)] > 0).any(axis=0)
    ranks_x, ranks_y = Ranks(x).centred(weights), Ranks(y).centred(weights)
    weighted_x, weighted_y = weights * ranks_x, weights * ranks_y
    covariance = (weighted_x * ranks_y).sum(axis=0)
    variance_x, variance_y = (weighted_x * ranks_x).sum(axis=0), (weighted_y * ranks_y).sum(axis=0)
    # Ranks are multiples of a half: sums of their squares are exact, and 0 where all rows are tied.
    return _ratio(covariance, variance_x, variance_y, (variance_x > 0) & (variance_y > 0) & ~unknown)


def partial(xy: Values, xz: Values, yz: Values) -> Values:
    """Correlation of x and y given z: ``(xy - xz yz) / sqrt((1 - xz^2) (1 - yz^2))``.

    Parameters
    ----------
    xy, xz, yz : numpy.ndarray of float64, shape (r,)
        Correlations of the pairs.

    Returns
    -------
    numpy.ndarray of float64, shape (r,)
        NaN where z determines x or y.
    """
    left_x, left_y = 1 - xz**2, 1 - yz**2
    return _ratio(xy - xz * yz, left_x, left_y, (left_x > _ROUNDING) & (left_y > _ROUNDING))


def moments(x: Values, y: Values) -> Values:
    """What the Pearson correlation is made of: its sums over rows are those of these numbers.

    Parameters
    ----------
    x, y : numpy.ndarray of float64, shape (n,)
        Paired values.

    Returns
    -------
    numpy.ndarray of float64, shape (6, n)
        1, x, y, x^2, y^2 and xy, x and y centred and scaled; 0 for those that are constant or not finite.
    """
    x, y = (_standard(np.asarray(values, dtype=np.float64)) for values in (x, y))
    return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y])


def correlation_of_moments(sums: Values) -> Values:
    """Pearson correlations from sums of :func:`moments`.

    Parameters
    ----------
    sums : numpy.ndarray of float64, shape (6, ...)
        Over weighted rows.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        NaN where one side is constant.
    """
    n, x, y, xx, yy, xy = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        variance_x, variance_y = xx - x * x / n, yy - y * y / n
        varies = (variance_x > _ROUNDING * xx) & (variance_y > _ROUNDING * yy)
        return _ratio(xy - x * y / n, variance_x, variance_y, varies)


class Ranks:
    """Values that are sorted once, and ranked among any rows.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        NaN only in rows that never count.
    """

    def __init__(self, values: Values) -> None:
        different, self._level = np.unique(values, return_inverse=True)
        self._levels = different.size
        self._order = np.argsort(self._level, kind="stable")
        self._starts = np.searchsorted(self._level[self._order], np.arange(self._levels))

    def centred(self, weights: Values) -> Values:
        """Mid-ranks less their mean, of rows that count as often as their weights say.

        Parameters
        ----------
        weights : numpy.ndarray of float64, shape (n,) or (n, r)
            Whole numbers.

        Returns
        -------
        numpy.ndarray of float64, of the shape of the weights
            Multiples of a half; without meaning where the weight is 0.
        """
        if not self._levels:
            return np.zeros_like(weights)
        times = np.add.reduceat(weights.take(self._order, axis=0), self._starts, axis=0)
        below = np.cumsum(times, axis=0) - times
        ranks: Values = below + (times - weights.sum(axis=0)) / 2
        return ranks.take(self._level, axis=0)


def _standard(values: Values) -> Values:
    """Around zero, and up to one in size, so that sums of squares neither overflow nor lose digits."""
    if not len(values) or not np.isfinite(values).all() or values.min() == values.max():
        return np.zeros_like(values)
    # Halves, for the difference of the largest numbers is infinite.
    halves = values / 2
    halves = halves - halves.mean()
    largest = np.abs(halves).max()
    # Half of the smallest number is 0.
    scaled: Values = halves / largest if largest else np.zeros_like(values)
    return scaled


def _ratio(
    covariance: Values, variance_x: Values, variance_y: Values, varies: npt.NDArray[np.bool_]
) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.clip(covariance / np.sqrt(variance_x * variance_y), -1, 1)
    return np.where(varies, ratio, np.nan)
