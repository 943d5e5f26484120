"""Effects in two samples: replication and its power, differences, and tests of equality.

That a test of difference does not reject says nothing by itself: in a small sample it never does. Equality is
shown by two one-sided tests (Schuirmann 1987, J Pharmacokinet Biopharm 15:657).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed


def replicates(
    effect: npt.ArrayLike, replication: npt.ArrayLike, log_p: npt.ArrayLike, level: npt.ArrayLike
) -> npt.NDArray[np.bool_]:
    """Whether effects replicate: the same sign, and a two-sided p below a level.

    Parameters
    ----------
    effect, replication : array_like of float64, shape (n,)
        In the first and in the second sample.
    log_p : array_like of float64, shape (n,)
        Natural logarithms of two-sided p-values in the second sample.
    level : float, or array_like of float64, shape (n,)
        Such as 0.05 over the number of effects; chance alone passes half as often, as the sign must fit.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
    """
    same = np.sign(np.asarray(effect, np.float64)) * np.sign(np.asarray(replication, np.float64)) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(same & (np.asarray(log_p, np.float64) < np.log(np.asarray(level, np.float64))))


def replication_power(effect: npt.ArrayLike, standard_error: npt.ArrayLike, level: npt.ArrayLike) -> Values:
    """The chance that an effect replicates (:func:`replicates`), were it what the first sample says.

    ``Phi(|b| / se - z(1 - level / 2))``. Effects that were chosen because they are large are too large on
    average, and so is this; those of people who chose nothing are not.

    Parameters
    ----------
    effect : array_like of float64, shape (n,)
        In the first sample.
    standard_error : array_like of float64, shape (n,)
        In the second sample.
    level : float, or array_like of float64, shape (n,)
        Of the two-sided p-value.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    norm = needed("scipy.stats", "evaluation").norm
    size = np.abs(np.asarray(effect, np.float64)) / np.asarray(standard_error, np.float64)
    return np.asarray(norm.sf(norm.isf(np.asarray(level, np.float64) / 2) - size))


def difference_p(
    first: npt.ArrayLike, first_error: npt.ArrayLike, second: npt.ArrayLike, second_error: npt.ArrayLike
) -> Values:
    """Two-sided p-values of differences between effects in independent samples, by the normal distribution.

    Parameters
    ----------
    first, first_error, second, second_error : array_like of float64, shape (n,)
        Effects and their standard errors.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    norm = needed("scipy.stats", "evaluation").norm
    error = np.hypot(np.asarray(first_error, np.float64), np.asarray(second_error, np.float64))
    return np.asarray(
        2 * norm.sf(np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)) / error)
    )


def equality_p(
    first: npt.ArrayLike,
    first_error: npt.ArrayLike,
    second: npt.ArrayLike,
    second_error: npt.ArrayLike,
    factor: float,
) -> Values:
    """P-values of two one-sided tests (TOST) that effects are equal up to a factor.

    With the sign of the first effect, ``b2 > b1 / factor`` and ``b2 < b1 factor`` are linear in both effects,
    and are tested as such (Sasabuchi 1988, Commun Stat Theory Methods 17:2905), so that the error of the
    first effect counts and the margin is not taken from an estimate. The sign is taken for known.

    Parameters
    ----------
    first, first_error, second, second_error : array_like of float64, shape (n,)
        Effects in independent samples, and their standard errors.
    factor : float
        Above 1: 2 tests that the second effect is between half and twice the first.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        The larger p-value of the two tests.

    Raises
    ------
    ValueError
        When the factor is not above 1.
    """
    if not factor > 1:
        raise ValueError(f"factor is {factor}; expected a number above 1")
    norm = needed("scipy.stats", "evaluation").norm
    one, other = (np.asarray(each, np.float64) for each in (first, second))
    errors = [np.asarray(each, np.float64) for each in (first_error, second_error)]
    sign = np.sign(one)
    above = sign * (other - one / factor) / np.hypot(errors[1], errors[0] / factor)
    below = sign * (one * factor - other) / np.hypot(errors[1], errors[0] * factor)
    return np.asarray(norm.sf(np.minimum(above, below)))
