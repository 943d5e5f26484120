"""Regression on the sum of single effects: which of many correlated variables have an effect (SuSiE).

The vector of effects is a sum of a few, of each of which one variable has all; the posterior of each, given
the others, is exact and cheap, and the fit goes through them until the bound on the evidence no longer rises
(iterative Bayesian stepwise selection: Wang et al. 2020, J R Stat Soc B 82:1273; with summary statistics Zou
et al. 2022, PLoS Genet 18: e1010299). Results are those of susieR 0.12.

Variables are standardised, so that all of them have the same standard error: what an effect costs is one
product of a vector with the matrix of correlations and some forty sums over variables that find its prior
variance.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from mifm_kipoi.support.packages import needed

Values = npt.NDArray[np.float64]

_LOG_VARIANCES = (-30.0, 15.0)
"""Between which the logarithm of a prior variance is sought."""

_PRECISION = 1e-8
"""Of that logarithm."""


@dataclasses.dataclass(frozen=True)
class SingleEffects:
    """The posterior of a sum of single effects; L effects, p variables.

    Parameters
    ----------
    alpha : numpy.ndarray of float64, shape (L, p)
        Probability that a variable is the one of an effect. What a row lacks to 1 is that of no variable.
    log_bf_variable : numpy.ndarray of float64, shape (L, p)
        Natural logarithm of the Bayes factor of each variable as the one of an effect, given the other
        effects.
    log_bf : numpy.ndarray of float64, shape (L,)
        The same of the effect: of the sum over variables, each with its prior weight.
    prior_variance : numpy.ndarray of float64, shape (L,)
        Of the size of each effect; 0 where there is no evidence for it.
    mean, second_moment : numpy.ndarray of float64, shape (L, p)
        Posterior mean and mean square of an effect's size, if it is that of the variable.
    residual_variance : float
        Of the outcome.
    objective : float
        Lower bound of the log evidence after the last iteration.
    iterations : int
        How often all effects were fitted.
    converged : bool
        Whether the bound had stopped rising by then.
    """

    alpha: Values
    log_bf_variable: Values
    log_bf: Values
    prior_variance: Values
    mean: Values
    second_moment: Values
    residual_variance: float
    objective: float
    iterations: int
    converged: bool


def fit_single_effects(
    correlations: Values,
    marginal: Values,
    scale: float,
    outcome: float,
    n: float,
    *,
    effects: int,
    prior_weights: Values,
    prior_variance: float,
    estimate_prior_variance: bool = True,
    residual_variance: float,
    estimate_residual_variance: bool = False,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> SingleEffects:
    """Fit a sum of single effects to the cross products of standardised variables and an outcome.

    Parameters
    ----------
    correlations : numpy.ndarray of float64, shape (p, p)
        X'X / ``scale``, of diagonal 1.
    marginal : numpy.ndarray of float64, shape (p,)
        X'y / ``scale``: effects of the variables, each by itself.
    scale : float
        What X'X has on its diagonal: n - 1.
    outcome : float
        y'y.
    n : float
        Observations.
    effects : int
        How many, at most; 1 or more.
    prior_weights : numpy.ndarray of float64, shape (p,)
        Prior probability of each variable to be the one of an effect. What their sum lacks to 1 is that of
        none.
    prior_variance : float
        Of the size of effects, or where its estimates start.
    estimate_prior_variance : bool
        Whether that of each effect is estimated, 0 being among the estimates.
    residual_variance : float
        Of the outcome, or where its estimates start; above 0.
    estimate_residual_variance : bool
        Whether it is estimated, after each iteration.
    max_iterations : int
        After how many the fit ends in any case.
    tolerance : float
        It ends where an iteration adds less than this to the bound.

    Returns
    -------
    SingleEffects

    Raises
    ------
    FloatingPointError
        When the bound is not finite or an estimate of the residual variance is not above 0, which says that
        the matrix cannot be that of the variables with these effects.
    """
    minimize = needed("scipy.optimize", "finemapping").minimize_scalar
    p = marginal.size
    none = 1.0 - float(prior_weights.sum())
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior_weights)
    # Rounding of weights that sum to 1 leaves no probability of none.
    log_none = math.log(none) if none > 1e-12 else -math.inf
    alpha, mean, second = np.full((effects, p), 1.0 / p), np.zeros((effects, p)), np.zeros((effects, p))
    fitted, log_bf_variable = np.zeros((effects, p)), np.zeros((effects, p))
    log_bf, divergence = np.zeros(effects), np.zeros(effects)
    variances = np.full(effects, float(prior_variance))
    objective, converged, iteration = -math.inf, False, 0
    while iteration < max_iterations and not converged:
        iteration += 1
        error = residual_variance / scale
        for effect in range(effects):
            # What is left of the marginal effects once the other effects are taken off.
            rest = marginal - (fitted.sum(axis=0) - fitted[effect])
            evidence = _Evidence(rest, error, log_prior, log_none)
            if estimate_prior_variance:
                variances[effect] = _estimate(evidence, float(variances[effect]), minimize)
            variance = float(variances[effect])
            log_bf_variable[effect] = evidence.log_bf(variance)
            alpha[effect], log_bf[effect] = evidence.posterior(variance)
            left = 1.0 / (1.0 / variance + 1.0 / error) if variance > 0 else 0.0
            mean[effect] = left / error * rest
            second[effect] = left + mean[effect] ** 2
            expected = alpha[effect] * mean[effect]
            fitted[effect] = correlations @ expected if variance > 0 else 0.0
            squares = float(alpha[effect] @ second[effect])
            divergence[effect] = -log_bf[effect] - 0.5 / error * (squares - 2.0 * float(expected @ rest))
        expected_all = alpha * mean
        total = expected_all.sum(axis=0)
        squares_all = (
            outcome
            + scale * float(total @ (fitted.sum(axis=0) - 2.0 * marginal))
            + scale * float((alpha * second).sum() - (expected_all * fitted).sum())
        )
        before = objective
        objective = -0.5 * n * math.log(2.0 * math.pi * residual_variance)
        objective -= 0.5 / residual_variance * squares_all + float(divergence.sum())
        if not math.isfinite(objective):
            raise FloatingPointError(f"the bound on the evidence is {objective} after iteration {iteration}")
        converged = objective - before < tolerance
        if estimate_residual_variance and not converged:
            residual_variance = squares_all / n
            if not residual_variance > 0:
                raise FloatingPointError(
                    f"the residual variance is estimated as {residual_variance:g} after iteration {iteration}"
                )
    return SingleEffects(
        alpha,
        log_bf_variable,
        log_bf,
        variances,
        mean,
        second,
        residual_variance,
        objective,
        iteration,
        converged,
    )


class _Evidence:
    """What marginal effects of one standard error say about a single effect, by its prior variance."""

    def __init__(self, effects: Values, error: float, log_prior: Values, log_none: float) -> None:
        self._half_chi2 = 0.5 / error * effects**2
        self._error, self._log_prior, self._log_none = error, log_prior, log_none

    def log_bf(self, variance: float) -> Values:
        shrinkage = variance / (variance + self._error)
        bayes_factors: Values = shrinkage * self._half_chi2 - 0.5 * math.log1p(variance / self._error)
        return bayes_factors

    def posterior(self, variance: float) -> tuple[Values, float]:
        """Probabilities of the variables, and the logarithm of the Bayes factor of the effect."""
        joint = self.log_bf(variance) + self._log_prior
        top = max(float(joint.max()), self._log_none)
        weights = np.exp(joint - top)
        total = float(weights.sum()) + math.exp(self._log_none - top)
        return weights / total, top + math.log(total)

    def log_likelihood(self, variance: float) -> float:
        return self.posterior(variance)[1]


def _estimate(evidence: _Evidence, current: float, minimize: object) -> float:
    """The prior variance of highest likelihood, 0 among them."""
    likelihood = evidence.log_likelihood
    best = minimize(  # type: ignore[operator]
        lambda log_variance: -likelihood(math.exp(log_variance)),
        bounds=_LOG_VARIANCES,
        method="bounded",
        options={"xatol": _PRECISION},
    )
    variance, value = math.exp(best.x), -float(best.fun)
    if value < (kept := likelihood(current)):
        variance, value = current, kept
    return 0.0 if likelihood(0.0) >= value else variance
