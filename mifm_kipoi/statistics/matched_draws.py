"""Random subsets in the place of a chosen one: as many, and alike in a number that must not differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values

Rows = npt.NDArray[np.int64]

NEIGHBOURS = 4
"""Rows of a stratum: few, so that they are alike, and enough for a choice among them."""


def strata(values: npt.ArrayLike, size: int = NEIGHBOURS) -> Rows:
    """Strata of neighbours in a number, as equal in size as can be.

    Parameters
    ----------
    values : array_like of float64, shape (n,)
        The number in which the rows of a stratum are alike.
    size : int
        Rows of a stratum, about; at least as many, unless there are fewer.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        From 0 on by rising value.
    """
    order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
    count = max(1, len(order) // size)
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(len(order)) * count // max(len(order), 1)
    return numbers


def matched_subsets(chosen: npt.NDArray[np.bool_], stratum: Rows, keys: Values) -> Rows:
    """Random subsets without replacement that have as many rows of each stratum as the chosen one.

    Parameters
    ----------
    chosen : numpy.ndarray of bool, shape (n,)
        The subset that was chosen.
    stratum : numpy.ndarray of int64, shape (n,)
        Of each row; one number for all draws from all.
    keys : numpy.ndarray of float64, shape (draws, n)
        Independent random numbers of one continuous distribution: of each stratum a subset has the rows of
        the lowest.

    Returns
    -------
    numpy.ndarray of int64, shape (draws, chosen.sum())
        Rows.
    """
    parts = []
    for number in np.unique(stratum[chosen]):
        rows = np.flatnonzero(stratum == number)
        size = int(chosen[rows].sum())
        if size == len(rows):
            parts.append(np.broadcast_to(rows, (len(keys), size)))
        else:
            parts.append(rows[np.argpartition(keys[:, rows], size - 1, axis=1)[:, :size]])
    return np.concatenate(parts, axis=1) if parts else np.empty((len(keys), 0), dtype=np.int64)


def upper_tail_p(observed: float, drawn: Values) -> float:
    """The chance of a value as large as the observed one: ``(1 + #{drawn >= observed}) / (1 + draws)``.

    Parameters
    ----------
    observed : float
    drawn : numpy.ndarray of float64, shape (draws,)
        Under the null distribution.
    """
    return (1 + int((drawn >= observed).sum())) / (1 + len(drawn))
