"""Wakefield's approximate Bayes factors of associations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PRIOR_VARIANCE = 0.04
"""Variance of effects, in squared units of beta, that Wakefield's Bayes factors assume: a standard deviation
of 0.2 (Wakefield 2009, Genet Epidemiol 33:79)."""


def log_bayes_factor(
    z: npt.NDArray[np.floating], variance: npt.NDArray[np.floating], prior_variance: float = PRIOR_VARIANCE
) -> npt.NDArray[np.float64]:
    """Wakefield's approximate Bayes factor for an effect against none, as its natural logarithm.

    ``-1/2 log(1 + W/V) + 1/2 z^2 W / (V + W)`` (Wakefield 2009).

    Parameters
    ----------
    z : numpy.ndarray, shape (n,)
        Effects over their standard errors.
    variance : numpy.ndarray, shape (n,)
        V, squared standard errors.
    prior_variance : float
        W, of the effects.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        NaN where an input is.
    """
    z, variance = np.asarray(z, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    shrinkage = prior_variance / (variance + prior_variance)
    return np.asarray(0.5 * np.log1p(-shrinkage) + 0.5 * z**2 * shrinkage)
