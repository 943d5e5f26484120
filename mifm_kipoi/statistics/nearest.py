"""To which group a point belongs, by the groups of points near it."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values

Codes = npt.NDArray[np.int64]

_TOGETHER = 4096
"""Points whose distances are held together."""


@dataclasses.dataclass(frozen=True)
class Centroids:
    """Groups as normal distributions of one covariance around their means.

    Parameters
    ----------
    means : numpy.ndarray of float64, shape (g, k)
        Of the groups, in coordinates in which the pooled covariance within groups is 1.
    whitening : numpy.ndarray of float64, shape (k, k)
        Takes points to these coordinates.
    """

    means: Values
    whitening: Values

    @classmethod
    def of(cls, points: Values, groups: Codes, count: int) -> Centroids:
        """Fit them.

        Parameters
        ----------
        points : numpy.ndarray of float64, shape (n, k)
            More of them than groups and dimensions together.
        groups : numpy.ndarray of int64, shape (n,)
            From 0; each group has a point.
        count : int
            Number of groups.
        """
        means = np.stack([points[groups == group].mean(axis=0) for group in range(count)])
        within = points - means[groups]
        values, axes = np.linalg.eigh(within.T @ within / (len(points) - count))
        # A dimension in which no group has any spread must not decide everything.
        whitening = axes / np.sqrt(np.maximum(values, values.max() * 1e-10))
        return cls(means @ whitening, whitening)

    def probabilities(self, points: Values) -> Values:
        """Of each group, when all are as frequent: shape (n, g), the sum of a row is 1.

        This is linear discriminant analysis with equal priors; the most probable group has the nearest mean.
        """
        exponent = -0.5 * _squared_distances(points @ self.whitening, self.means)
        weights = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def neighbours(points: Values, others: Values, count: int) -> tuple[Codes, Values]:
    """The nearest of some points.

    Parameters
    ----------
    points : numpy.ndarray of float64, shape (n, k)
        Among which neighbours are looked for.
    others : numpy.ndarray of float64, shape (t, k)
        Whose neighbours.
    count : int
        How many neighbours, at most n.

    Returns
    -------
    rows : numpy.ndarray of int64, shape (t, count)
        Of ``points``, in no order.
    distances : numpy.ndarray of float64, shape (t, count)
        Euclidean.
    """
    rows = np.empty((len(others), count), dtype=np.int64)
    distances = np.empty((len(others), count))
    for first in range(0, len(others), _TOGETHER):
        some = slice(first, first + _TOGETHER)
        squared = _squared_distances(others[some], points)
        rows[some] = np.argpartition(squared, count - 1, axis=1)[:, :count]
        distances[some] = np.sqrt(np.take_along_axis(squared, rows[some], axis=1))
    return rows, distances


def neighbour_fractions(rows: Codes, groups: Codes, count: int) -> Values:
    """The fraction of each group among neighbours.

    Parameters
    ----------
    rows : numpy.ndarray of int64, shape (t, c)
        Neighbours, as of :func:`neighbours`.
    groups : numpy.ndarray of int64, shape (n,)
        Of the points, from 0.
    count : int
        Number of groups.

    Returns
    -------
    numpy.ndarray of float64, shape (t, count)
        The sum of a row is 1.
    """
    of_neighbours = groups[rows]
    return np.stack([(of_neighbours == group).mean(axis=1) for group in range(count)], axis=1)


def _squared_distances(points: Values, others: Values) -> Values:
    """Shape (points, others); never below 0."""
    squares = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * points @ others.T, 0.0))
