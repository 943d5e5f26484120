"""Correlations of measured effects with scores, within elements and over them, with intervals."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

FEWEST_POSITIONS = 10
"""Positions of an element below which a correlation gets no interval."""

STRETCH = 50
"""Bases in a row that are drawn together, as neighbouring positions are alike."""

_CHUNK_SIZE = 100
"""Resamples at once: what they take stays in the cache."""

_SAME = 1e-12
"""Share of the variance below which the values of a resample are the same."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where there is none.

    Parameters
    ----------
    value, low, high : float
    """

    value: float
    low: float = np.nan
    high: float = np.nan


NOTHING = Estimate(np.nan)


class Resamples:
    """Draws of stretches of positions with replacement; exchanges of one base go together.

    A circular block bootstrap (Politis and Romano, 1992): of n positions in their order, the first following
    the last, stretches that begin anywhere, until there are n; the last is cut. A stretch has as many
    positions as lie in :data:`STRETCH` bases on average, and at most a third of them.

    Parameters
    ----------
    positions : numpy.ndarray of int64, shape (n,)
        Of the rows.
    number : int
        Draws.
    generator : numpy.random.Generator
    """

    def __init__(self, positions: npt.NDArray[np.int64], number: int, generator: np.random.Generator) -> None:
        found, place = np.unique(positions, return_inverse=True)
        self.size = len(found)
        span = int(found[-1] - found[0]) + 1
        self.stretch = max(1, min(round(STRETCH * self.size / span), self.size // 3))
        """Positions that are drawn together."""

        pieces = -(-self.size // self.stretch)
        starts = generator.integers(self.size, size=(number, pieces, 1))
        drawn = (starts + np.arange(self.stretch)).reshape(number, pieces * self.stretch)
        drawn = drawn[:, : self.size] % self.size
        cells = drawn + self.size * np.arange(number)[:, None]
        times = np.bincount(cells.ravel(), minlength=number * self.size).reshape(number, self.size)
        whole = np.ones((1, self.size), dtype=np.int64)
        self.weights: _Floats = np.concatenate([whole, times])[:, place].astype(np.float64)
        """How often each row is there, shape (1 + number, n): first the rows themselves."""


def pearson(x: _Floats, y: _Floats, weights: _Floats) -> _Floats:
    """Pearson correlation of rows that are there several times.

    Parameters
    ----------
    x, y : numpy.ndarray of float64, shape (n,)
    weights : numpy.ndarray of float64, shape (m, n)
        Whole numbers.

    Returns
    -------
    numpy.ndarray of float64, shape (m,)
        NaN where all values of one are the same.
    """
    if len(x) == 0:
        return np.full(len(weights), np.nan)
    # The products lose no digits when the values are of size 1 around 0.
    x, y = _standard(x), _standard(y)
    total = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    covariance = weights @ (x * y) / total - mean_x * mean_y
    return _ratio(
        covariance, weights @ (x * x) / total - mean_x**2, weights @ (y * y) / total - mean_y**2, _SAME
    )


def spearman(x: _Floats, y: _Floats, weights: _Floats) -> _Floats:
    """Spearman correlation, with mid-ranks of ties; see :func:`pearson`."""
    if len(x) == 0:
        return np.full(len(weights), np.nan)
    found = np.empty(len(weights))
    for first in range(0, len(weights), _CHUNK_SIZE):
        part = weights[first : first + _CHUNK_SIZE]
        ranks_x, ranks_y = centred_ranks(x, part), centred_ranks(y, part)
        product, square_x, square_y = (
            np.einsum("mn,mn,mn->m", part, a, b)
            for a, b in ((ranks_x, ranks_y), (ranks_x, ranks_x), (ranks_y, ranks_y))
        )
        found[first : first + _CHUNK_SIZE] = _ratio(product, square_x, square_y, 0)
    return found


def partial(xy: _Floats, xz: _Floats, yz: _Floats) -> _Floats:
    """Correlations of x and y given z: ``(xy - xz yz) / sqrt((1 - xz^2) (1 - yz^2))``.

    Parameters
    ----------
    xy, xz, yz : numpy.ndarray of float64, shape (m,)
        Correlations of the pairs.

    Returns
    -------
    numpy.ndarray of float64, shape (m,)
        NaN where z tells all of x or of y.
    """
    return _ratio(xy - xz * yz, 1 - xz**2, 1 - yz**2, _SAME)


def centred_ranks(values: _Floats, weights: _Floats) -> _Floats:
    """Mid-ranks less their mean of rows that are there several times.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
    weights : numpy.ndarray of float64, shape (m, n)
        Whole numbers.

    Returns
    -------
    numpy.ndarray of float64, shape (m, n)
        Multiples of a half; of no meaning where the weight is 0.
    """
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    times = np.add.reduceat(weights[:, order], starts, axis=1)
    below = np.cumsum(times, axis=1) - times
    ranks: _Floats = below + (times - weights.sum(axis=1, keepdims=True)) / 2
    return ranks[:, place]


def _standard(values: _Floats) -> _Floats:
    if values.min() == values.max():
        return np.zeros_like(values)
    centred = values - values.mean()
    scaled: _Floats = centred / np.sqrt(np.mean(centred**2))
    return scaled


def _ratio(covariance: _Floats, variance_x: _Floats, variance_y: _Floats, smallest: float) -> _Floats:
    known = (variance_x > smallest) & (variance_y > smallest)
    found = np.full(len(covariance), np.nan)
    found[known] = covariance[known] / np.sqrt(variance_x[known] * variance_y[known])
    bounded: _Floats = np.clip(found, -1, 1)
    return bounded


def bootstrap_estimate(values: _Floats, positions: int) -> Estimate:
    """The first value, of the rows themselves, and the percentiles 2.5 and 97.5 of the resamples."""
    drawn = values[1:][np.isfinite(values[1:])]
    if positions < FEWEST_POSITIONS or not np.isfinite(values[0]) or 2 * len(drawn) < len(values) - 1:
        return Estimate(float(values[0]))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Estimate(float(values[0]), float(low), float(high))


def mean_estimate(values: _Floats) -> Estimate:
    """Mean of independent units, with Student's interval ``mean +- t(0.975, n - 1) s / sqrt(n)``.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        NaN is left out; a single unit has no interval.
    """
    from mifm_kipoi.support.packages import needed

    values = values[np.isfinite(values)]
    if not len(values):
        return NOTHING
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean)
    student = needed("scipy.stats", "evaluation").t
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, mean - half, mean + half)
