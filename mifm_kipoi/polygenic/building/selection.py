"""Which variants of each signal a score picks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def ranks_within(scores: Values, group: Integers, tie_breaks: Values) -> Integers:
    """The rank of each row in its group, the highest score first.

    Parameters
    ----------
    scores : numpy.ndarray of float64, shape (n,)
        Higher comes first; NaN where there is none.
    group : numpy.ndarray of int64, shape (n,)
        The signal of each row.
    tie_breaks : numpy.ndarray of float64, shape (n,)
        Order rows of equal scores, the lowest first: random numbers, so that nothing else decides.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        From 0 in each group; -1 without a score.
    """
    ranks = np.full(len(scores), -1, dtype=np.int64)
    rows = np.flatnonzero(~np.isnan(scores))
    rows = rows[np.lexsort((tie_breaks[rows], -scores[rows], group[rows]))]
    if rows.size:
        own = group[rows]
        starts = np.flatnonzero(np.concatenate([[True], own[1:] != own[:-1]]))
        sizes = np.diff(np.append(starts, len(rows)))
        ranks[rows] = np.arange(len(rows)) - np.repeat(starts, sizes)
    return ranks


def decided_by_ties(scores: Values, group: Integers, ranks: Integers, top: int) -> int:
    """In how many groups chance decides: the last row that is picked has the score of one that is not.

    Parameters
    ----------
    scores, group : numpy.ndarray, shape (n,)
        As of :func:`ranks_within`.
    ranks : numpy.ndarray of int64, shape (n,)
        What it gave.
    top : int
        Rows that are picked from each group.
    """
    number = int(group.max(initial=-1)) + 1
    last, next_one = np.full(number, np.nan), np.full(number, np.nan)
    for ends, rank in ((last, top - 1), (next_one, top)):
        rows = np.flatnonzero(ranks == rank)
        ends[group[rows]] = scores[rows]
    return int((last == next_one).sum())


def picked(ranks: Integers, top: int | None) -> Integers:
    """The rows that are picked.

    Parameters
    ----------
    ranks : numpy.ndarray of int64, shape (n,)
        Of :func:`ranks_within`.
    top : int, optional
        How many of each group, at most; None picks all that have a rank.

    Returns
    -------
    numpy.ndarray of int64
        Their indices, ascending.
    """
    return np.flatnonzero((ranks >= 0) & (ranks < (np.iinfo(np.int64).max if top is None else top)))
