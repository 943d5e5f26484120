"""Principal components of people, and the place of others among them."""

from __future__ import annotations

import dataclasses

import numpy as np

from mifm_kipoi.statistics.estimates import Values


@dataclasses.dataclass(frozen=True)
class Components:
    """The largest components of a matrix of n rows (people) and any number of columns (variants).

    Parameters
    ----------
    singular : numpy.ndarray of float64, shape (k,)
        Singular values, falling.
    vectors : numpy.ndarray of float64, shape (n, k)
        Left singular vectors: orthogonal, of length 1. The person farthest out on an axis is on its positive
        side.
    """

    singular: Values
    vectors: Values

    @property
    def scores(self) -> Values:
        """Coordinates of the rows, shape (n, k)."""
        return self.vectors * self.singular


def principal_components(cross: Values, count: int) -> Components:
    """The largest components of a matrix, from the products of its rows.

    Parameters
    ----------
    cross : numpy.ndarray of float64, shape (n, n)
        The matrix times its transpose.
    count : int
        How many components; fewer where the matrix has no more.
    """
    from scipy.linalg import eigh

    people = len(cross)
    count = min(count, people)
    values, vectors = eigh(cross, subset_by_index=(people - count, people - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    # What rounding leaves of a matrix of lower rank has no axis.
    kept = values > max(values[0], 0.0) * 1e-10
    values, vectors = values[kept], vectors[:, kept]
    far = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return Components(np.sqrt(values), vectors * np.where(far < 0, -1.0, 1.0))


def projected(components: Components, scores: Values, squares: Values) -> Values:
    """Where rows that are not of the matrix lie among its components, without shrinkage towards the centre.

    Components fit the noise of the rows that they are made of, so that the product of a new row with the axes
    is nearer to the centre than an old one of the same kind. Each new row is therefore added to the matrix,
    the components are computed again in the plane of the old ones and the new row, and turned and stretched
    onto the old ones: online augmentation, decomposition and Procrustes (Zhang, Dey & Lee 2020,
    Bioinformatics 36:3439).

    Parameters
    ----------
    components : Components
        Of the matrix; with more of them the new row is placed better.
    scores : numpy.ndarray of float64, shape (t, k)
        Products of the new rows with the axes (the right singular vectors).
    squares : numpy.ndarray of float64, shape (t,)
        Sums of squares of the new rows.

    Returns
    -------
    numpy.ndarray of float64, shape (t, k)
        Comparable with :attr:`Components.scores`.
    """
    count = len(components.singular)
    placed = np.empty((len(scores), count))
    for first in range(0, len(scores), _TOGETHER):
        some = slice(first, first + _TOGETHER)
        placed[some] = _augmented(components.singular, scores[some], squares[some])
    return placed


_TOGETHER = 4096
"""Rows that are placed together."""


def _augmented(singular: Values, scores: Values, squares: Values) -> Values:
    rows, count = scores.shape
    outside = np.sqrt(np.maximum(squares - (scores**2).sum(axis=1), 0.0))
    matrix = np.zeros((rows, count + 1, count + 1))
    matrix[:, range(count), range(count)] = singular
    matrix[:, count, :count] = scores
    matrix[:, count, count] = outside
    left, values, _ = np.linalg.svd(matrix)
    # Coordinates of the old rows, but for the orthogonal matrix that both have in common, and of the new one.
    again = left[:, :, :count] * values[:, None, :count]
    old, new = again[:, :count], again[:, count]
    # The turn and the stretch that bring the old rows back to where they were.
    u, stretch, vt = np.linalg.svd(old.transpose(0, 2, 1) * singular)
    scale = stretch.sum(axis=1) / (old**2).sum(axis=(1, 2))
    return np.asarray(scale[:, None] * (new[:, None, :] @ u @ vt)[:, 0])
