"""Associations of single variants: linear regression, and score tests of logistic regression."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Values = npt.NDArray[np.float64]

_STEPS = 50
_TOLERANCE = 1e-10

_ALIKE = 1e-8
"""A variant of which covariates leave less than this fraction of its variance has no estimate."""


@dataclasses.dataclass(frozen=True)
class Associations:
    """Estimates of one trait, shape (variants,) each; NaN for variants that do not vary, given covariates.

    Parameters
    ----------
    beta, standard_error : numpy.ndarray of float64
        Of one copy of the counted allele.
    log_p : numpy.ndarray of float64
        Natural logarithms of two-sided p-values.
    """

    beta: Values
    standard_error: Values
    log_p: Values

    @property
    def z(self) -> Values:
        """Beta over its standard error."""
        return self.beta / self.standard_error


def with_intercept(covariates: Values) -> Values:
    """Covariates with a constant column in front: (n, k) -> (n, 1 + k)."""
    return np.column_stack([np.ones(len(covariates)), covariates])


class LinearModel:
    """Ordinary least squares of quantitative traits on one variant at a time, and covariates.

    By the theorem of Frisch, Waugh and Lovell: the estimates of the whole regression are those of what
    covariates leave of trait and variant. The p-values are those of Student's t with ``n - k - 2`` degrees of
    freedom, k covariates beside the intercept.

    Parameters
    ----------
    traits : numpy.ndarray of float64, shape (n, traits)
        Without missing values.
    covariates : numpy.ndarray of float64, shape (n, k)
        Without an intercept.

    Raises
    ------
    ValueError
        When covariates are linearly dependent.
    """

    def __init__(self, traits: Values, covariates: Values) -> None:
        design = with_intercept(covariates)
        self._basis, triangle = np.linalg.qr(design)
        _check_rank(triangle)
        self._left = traits - self._basis @ (self._basis.T @ traits)
        self._freedom = len(design) - design.shape[1] - 1

    def test(self, dosages: npt.NDArray[np.uint8]) -> list[Associations]:
        """Test variants: dosages (variants, n) -> the associations of each trait."""
        genotypes = dosages.astype(np.float64)
        explained = genotypes @ self._basis
        squares = (genotypes**2).sum(axis=1)
        left = squares - (explained**2).sum(axis=1)
        left = np.where(left > _ALIKE * squares, left, np.nan)
        products = genotypes @ self._left
        found = []
        for trait, product in zip(self._left.T, products.T, strict=True):
            beta = product / left
            residual = (trait @ trait - beta * product) / self._freedom
            error = np.sqrt(residual / left)
            log_p = np.log(2) + stats.t.logsf(np.abs(beta / error), self._freedom)
            found.append(Associations(beta, error, np.asarray(np.minimum(log_p, 0.0))))
        return found


class ScoreTest:
    """Score tests of a binary trait in logistic regression, one variant at a time, given covariates.

    The model without the variant is fitted once, by Newton's method. With its residuals r and weights w,
    ``U = g'r`` and ``V = g'Wg - g'WX (X'WX)^-1 X'Wg``, the test is ``U / sqrt(V)``; the effect is one step
    towards its maximum-likelihood estimate, ``U / V``, with the standard error ``1 / sqrt(V)``. That is close
    to the log odds ratio where it is small (Chen et al. 2016, Am J Hum Genet 98:653).

    Parameters
    ----------
    cases : numpy.ndarray, shape (n,)
        1 for cases, 0 for controls.
    covariates : numpy.ndarray of float64, shape (n, k)
        Without an intercept.

    Raises
    ------
    ValueError
        When there are no cases or no controls, when covariates are linearly dependent, or when the model
        without variants does not converge.
    """

    def __init__(self, cases: npt.NDArray[np.integer], covariates: Values) -> None:
        y = np.asarray(cases, dtype=np.float64)
        if y.min() == y.max():
            raise ValueError("a binary trait without cases or without controls")
        design = with_intercept(covariates)
        _check_rank(np.linalg.qr(design, mode="r"))
        fitted = _logistic(y, design)
        self._residuals, self._weights = y - fitted, fitted * (1 - fitted)
        # Orthonormal for the weighted product: X'WX of it is 1.
        weighted, _ = np.linalg.qr(np.sqrt(self._weights)[:, None] * design)
        self._basis = weighted * np.sqrt(self._weights)[:, None]

    def test(self, dosages: npt.NDArray[np.uint8]) -> Associations:
        """Test variants: dosages (variants, n) -> associations."""
        genotypes = dosages.astype(np.float64)
        explained = genotypes @ self._basis
        squares = genotypes**2 @ self._weights
        left = squares - (explained**2).sum(axis=1)
        left = np.where(left > _ALIKE * squares, left, np.nan)
        score = genotypes @ self._residuals
        log_p = np.log(2) + stats.norm.logsf(np.abs(score) / np.sqrt(left))
        return Associations(score / left, 1 / np.sqrt(left), np.asarray(np.minimum(log_p, 0.0)))


def _check_rank(triangle: Values) -> None:
    diagonal = np.abs(np.diag(triangle))
    if diagonal.min() <= 1e-10 * diagonal.max():
        raise ValueError("covariates are linearly dependent, or constant; leave one out")


def _logistic(y: Values, design: Values) -> Values:
    """Probabilities of cases under covariates alone, by Newton's method: (n,)."""
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        fitted = special.expit(design @ weights)
        gradient = design.T @ (y - fitted)
        try:
            step = np.linalg.solve((design * (fitted * (1 - fitted))[:, None]).T @ design, gradient)
        except np.linalg.LinAlgError:
            break
        weights += step
        if np.abs(step).max() < _TOLERANCE:
            return np.asarray(special.expit(design @ weights))
    raise ValueError("logistic regression on covariates does not converge: do they tell cases from controls?")
