"""The normal distribution: p-values as logarithms, which do not underflow, and ranks as normal scores."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_STEPS = 60
"""Newton's steps at most; some five are enough."""


def log_p_of_z(z: npt.ArrayLike) -> Values:
    """Natural logarithms of two-sided p-values.

    Parameters
    ----------
    z : numpy.ndarray, shape (n,)
        z-scores.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        ``log(2 Phi(-|z|))``, exact far beyond the z of 38 at which p itself is rounded to 0; NaN where z is.
    """
    import torch

    size = np.abs(np.atleast_1d(np.asarray(z, dtype=np.float64)))
    tail = torch.special.log_ndtr(torch.from_numpy(-size)).numpy()
    return np.asarray(np.minimum(math.log(2) + tail, 0.0))


def z_of_log_p(log_p: npt.ArrayLike) -> Values:
    """Absolute z-scores of two-sided p-values.

    Parameters
    ----------
    log_p : numpy.ndarray, shape (n,)
        Natural logarithms of p-values.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        |z|, of which :func:`log_p_of_z` gives ``log_p``: 0 where p is 1, infinite where p is 0, NaN where
        ``log_p`` is or lies above 0.
    """
    wanted = np.atleast_1d(np.asarray(log_p, dtype=np.float64))
    z = np.select([wanted == -np.inf, wanted == 0], [np.inf, 0.0], np.nan)
    rows = np.flatnonzero(np.isfinite(wanted) & (wanted < 0))
    # log(2 Phi(-z)) is concave and falls: from above the root, Newton's steps only come nearer.
    root = np.sqrt(-2 * wanted[rows])
    for _ in range(_STEPS):
        value = log_p_of_z(root)
        density = 0.5 * math.log(2 / math.pi) - 0.5 * root**2
        step = (value - wanted[rows]) * np.exp(value - density)
        root = np.maximum(root + step, 0)
        if not (np.abs(step) > 1e-13 * (1 + root)).any():
            break
    z[rows] = root
    return np.asarray(z)


def normal_scores(values: npt.ArrayLike, offset: float = 0.375) -> Values:
    """The rank-based inverse normal transform: quantiles of the normal distribution in the order of values.

    A value of rank r of n becomes ``Phi^-1((r - c) / (n - 2 c + 1))`` with the offset c; equal values share
    their mean rank. With 3/8 these are Blom's scores, with 1/2 those of PLINK's quantile normalisation.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        NaN where unknown; those have no rank.
    offset : float
        c, from 0 to 1.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        NaN where values are.
    """
    import pandas as pd
    import torch

    ranks = pd.Series(np.asarray(values, dtype=np.float64)).rank(method="average").to_numpy()
    known = int((~np.isnan(ranks)).sum())
    quantiles = (ranks - offset) / (known - 2 * offset + 1)
    return np.asarray(torch.special.ndtri(torch.from_numpy(quantiles)).numpy())
