"""Statistics of secondary signals, given the primary one of their block, where a study has them."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from mifm_kipoi.statistics.normal import log_p_of_z

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Conditional:
    """What rows say given the primary signal; all arrays have shape (n,).

    Parameters
    ----------
    used : numpy.ndarray of bool
        Rows of secondary signals that have all that is needed; the numbers of others mean nothing.
    z, log_p, log_bf : numpy.ndarray of float64
        Effect over its error; the natural logarithm of p, which follows from z where p is 0 or not given; and
        that of the Bayes factor.
    """

    used: npt.NDArray[np.bool_]
    z: Values
    log_p: Values
    log_bf: Values


def given_primary(
    primary: Values, beta: Values, error: Values, prior_variance: Values, p_value: Values | None = None
) -> Conditional:
    """Statistics of rows given the primary signal of their block.

    Parameters
    ----------
    primary : numpy.ndarray of float64, shape (n,)
        1 in rows of primary signals, 0 in those of secondary ones.
    beta, error : numpy.ndarray of float64, shape (n,)
        Effect given the primary signal, and its standard error; NaN where unknown.
    prior_variance : numpy.ndarray of float64, shape (n,)
        W, of effects, in squared units of beta.
    p_value : numpy.ndarray of float64, shape (n,), optional
        Given the primary signal. Where it is given, rows without it are not used.
    """
    used = (primary == 0) & np.isfinite(beta) & np.isfinite(error) & (error > 0)
    if p_value is not None:
        used &= np.isfinite(p_value)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(used, beta / error, np.nan)
        log_p = log_p_of_z(z)
        if p_value is not None:
            log_p = np.where(p_value > 0, np.log(p_value), log_p)
        log_bf = log_bayes_factor(z, np.where(used, error**2, np.nan), prior_variance)
    return Conditional(used, z, log_p, log_bf)
