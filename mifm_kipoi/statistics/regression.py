"""Logistic regression: plain, penalised (Firth), with cluster-robust standard errors, and many fits together.

Where a combination of columns tells all cases from all controls, or does so at its edge, the likelihood has
no maximum: coefficients go to infinity. Such fits are :data:`FitStatus.SEPARATED`. They show by Newton's
steps, which add about 1 to the largest log odds each time and gain ever less by a constant factor, while
those to a maximum gain less by a square.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.linear import Basis, FitStatus, Statuses
from mifm_kipoi.support.packages import needed

Rows = npt.NDArray[np.int64]

_STEPS = 30
"""Newton's steps at most; some five are enough where the classes overlap."""

_CONVERGED = 1e-9
"""Change of a coefficient below which it is found."""

_LARGEST = 30.0
"""Coefficients beyond this are on their way to infinity: a class is missing where a column is not 0."""

_CHUNK = 1 << 16
"""Rows that are weighted together."""

_GAIN = 1e-11
"""Squared length of a step, in standard errors, below which the next one is lost in rounding."""

_SHARED_GAIN = 1e-20
"""The same where steps share a Hessian and shrink by a factor alone."""

_SHARED_STEPS = 15
"""Of those steps at most; what has not converged gets a Hessian of its own."""

_ELEMENTS = 1 << 21
"""Numbers of rows and variables in memory together: 16 MiB an array."""

_FIRTH_STEPS = 100
_FIRTH_STEP = 1e-10
"""Change of a coefficient, in standard errors, below which a penalised fit has converged."""


@dataclasses.dataclass(frozen=True)
class LogisticFit:
    """Coefficients of a logistic regression.

    Parameters
    ----------
    coefficients : numpy.ndarray of float64, shape (k,)
        Log odds ratios; NaN where the fit did not converge.
    standard_errors : numpy.ndarray of float64, shape (k,)
        Cluster-robust; NaN without clusters.
    clusters : int
        How many there are.
    """

    coefficients: Values
    standard_errors: Values
    clusters: int


def logistic(
    design: Values, outcome: npt.NDArray[np.bool_], cluster: Rows | None = None, start: Values | None = None
) -> LogisticFit:
    """Maximum-likelihood logistic regression with cluster-robust standard errors.

    The covariance is ``g/(g - 1) (n - 1)/(n - k) H^-1 (sum u_j u_j') H^-1`` with the sums of scores u_j of g
    clusters, as of statsmodels (``cov_type="cluster"``) and Stata (Liang and Zeger, 1986, Biometrika 73:13).

    Parameters
    ----------
    design : numpy.ndarray of float64, shape (n, k)
        With a column of ones, for the intercept.
    outcome : numpy.ndarray of bool, shape (n,)
        Class of each row.
    cluster : numpy.ndarray of int64, shape (n,), optional
        Of each row, from 0 on; all rows of a cluster may depend on each other.
    start : numpy.ndarray of float64, shape (k,), optional
        Coefficients to begin with, such as those of a similar fit.

    Returns
    -------
    LogisticFit
    """
    size, width = design.shape
    clusters = 0 if cluster is None else int(np.unique(cluster).size)
    fit = logistic_wald(design, outcome, start)
    errors = np.full(width, np.nan)
    if fit.status == FitStatus.FITTED and cluster is not None and clusters > 1:
        residuals = _State.at(design, outcome, fit.coefficients).residuals
        scores = np.stack([np.bincount(cluster, residuals * column) for column in design.T], axis=1)
        factor = clusters / (clusters - 1) * (size - 1) / (size - width)
        errors = np.sqrt(np.diag(fit.covariance @ (scores.T @ scores) @ fit.covariance) * factor)
    return LogisticFit(fit.coefficients, errors, clusters)


def slopes_of_bins(x: Values, hits: Values, totals: Values) -> Values:
    """Slopes of logistic regressions on one variable, of counts in bins; many fits together.

    Parameters
    ----------
    x : numpy.ndarray of float64, shape (bins,)
        The variable in each bin.
    hits, totals : numpy.ndarray of float64, shape (..., bins)
        Rows of the class, and all rows, of each bin.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        Log odds ratios for each unit of the variable; NaN where there is no finite one.
    """
    shape = hits.shape[:-1]
    hits, totals = (
        np.broadcast_to(counts, (*shape, x.size)).reshape(-1, x.size) for counts in (hits, totals)
    )
    every, inside = totals.sum(axis=1), hits.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        intercept = np.log(inside / (every - inside))
    fitted = np.isfinite(intercept)
    slope = np.where(fitted, 0.0, np.nan)
    intercept = np.where(fitted, intercept, 0.0)
    active = np.flatnonzero(fitted)
    for _ in range(_STEPS):
        if not active.size:
            break
        counts = totals[active]
        linear = np.clip(intercept[active, np.newaxis] + slope[active, np.newaxis] * x, -700, 700)
        expected = 1 / (1 + np.exp(-linear))
        residual = hits[active] - counts * expected
        weight = counts * expected * (1 - expected)
        sums = weight.sum(axis=1), weight @ x, weight @ x**2
        determinant = sums[0] * sums[2] - sums[1] ** 2
        first, second = residual.sum(axis=1), residual @ x
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = (
                (sums[2] * first - sums[1] * second) / determinant,
                (sums[0] * second - sums[1] * first) / determinant,
            )
        intercept[active] += np.clip(steps[0], -5, 5)
        slope[active] += np.clip(steps[1], -5, 5)
        lost = ~np.isfinite(slope[active]) | (np.abs(slope[active]) > _LARGEST)
        slope[active[lost]] = np.nan
        active = active[~lost & (np.maximum(np.abs(steps[0]), np.abs(steps[1])) >= _CONVERGED)]
    slope[active] = np.nan
    return slope.reshape(shape)


@dataclasses.dataclass(frozen=True)
class LikelihoodFit:
    """A logistic regression with the standard errors of its information matrix.

    Parameters
    ----------
    coefficients : numpy.ndarray of float64, shape (k,)
        Log odds ratios; NaN unless fitted.
    covariance : numpy.ndarray of float64, shape (k, k)
        ``(X'WX)^-1``; NaN unless fitted.
    log_likelihood : float
        Without a penalty; where it was left, unless fitted.
    penalised : float
        With Firth's penalty, ``+ log det(X'WX) / 2``; NaN of a plain fit.
    status : FitStatus
    """

    coefficients: Values
    covariance: Values
    log_likelihood: float
    penalised: float
    status: FitStatus

    @property
    def standard_errors(self) -> Values:
        """Shape (k,)."""
        errors: Values = np.sqrt(np.diag(self.covariance))
        return errors


def _hopeless(design: Values, outcome: npt.NDArray[np.bool_]) -> FitStatus | None:
    if outcome.all() or not outcome.any():
        return FitStatus.ONE_CLASS
    return FitStatus.TOO_FEW if len(design) <= design.shape[1] else None


def _not_fitted(width: int, log_likelihood: float, status: FitStatus) -> LikelihoodFit:
    unknown = np.full(width, np.nan)
    return LikelihoodFit(unknown, np.full((width, width), np.nan), log_likelihood, np.nan, status)


def logistic_wald(
    design: Values, outcome: npt.NDArray[np.bool_], start: Values | None = None
) -> LikelihoodFit:
    """Maximum-likelihood logistic regression.

    Parameters
    ----------
    design : numpy.ndarray of float64, shape (n, k)
        With a column of ones, for the intercept.
    outcome : numpy.ndarray of bool, shape (n,)
        Class of each row.
    start : numpy.ndarray of float64, shape (k,), optional
        Coefficients to begin with, such as those of the covariates and 0.

    Returns
    -------
    LikelihoodFit
    """
    width = design.shape[1]
    reason = _hopeless(design, outcome)
    if reason is not None:
        return _not_fitted(width, np.nan, reason)
    coefficients = np.zeros(width) if start is None or not np.isfinite(start).all() else start.copy()
    state = _State.at(design, outcome, coefficients)
    last, slow = np.inf, 0
    for _ in range(2 * _STEPS):
        hessian = state.hessian(design)
        step = _solve(hessian, state.gradient)
        if step is None:
            return _not_fitted(width, state.log_likelihood, FitStatus.COLLINEAR)
        gain = float(step @ state.gradient)
        for _ in range(_STEPS):
            following = _State.at(design, outcome, coefficients + step)
            if following.log_likelihood >= state.log_likelihood - 1e-9 * abs(state.log_likelihood):
                break
            step /= 2
        coefficients, state = coefficients + step, following
        slow = slow + 1 if 0.3 * last < gain < 0.45 * last else 0
        last = gain
        # Few cases are like that at first, when steps go from even odds to theirs.
        if slow >= 6 and state.largest > 12:
            return _not_fitted(width, state.log_likelihood, FitStatus.SEPARATED)
        if gain < _GAIN and not slow:
            covariance = _inverse(state.hessian(design))
            if covariance is None:
                return _not_fitted(width, state.log_likelihood, FitStatus.COLLINEAR)
            return LikelihoodFit(coefficients, covariance, state.log_likelihood, np.nan, FitStatus.FITTED)
    separated = state.largest > 15
    status = FitStatus.SEPARATED if separated else FitStatus.NOT_CONVERGED
    return _not_fitted(width, state.log_likelihood, status)


def firth(
    design: Values,
    outcome: npt.NDArray[np.bool_],
    start: Values | None = None,
    fixed: int | None = None,
) -> LikelihoodFit:
    """Logistic regression with the penalty of Jeffreys' prior, which is finite where the plain one separates.

    The modified scores are ``X'(y - p + h (1/2 - p))`` with the leverages h of the weighted design (Firth,
    1993, Biometrika 80:27; Heinze and Schemper, 2002, Statistics in Medicine 21:2409). Standard errors are
    those of ``(X'WX)^-1``, as of logistf and plink2.

    Parameters
    ----------
    design, outcome, start
        As in :func:`logistic_wald`.
    fixed : int, optional
        Column whose coefficient is 0, for the likelihood ratio; the penalty is still that of all columns.
    """
    width = design.shape[1]
    reason = _hopeless(design, outcome)
    if reason is not None:
        return _not_fitted(width, np.nan, reason)
    coefficients = np.zeros(width) if start is None or not np.isfinite(start).all() else start.copy()
    free = np.arange(width)
    if fixed is not None:
        free = np.delete(free, fixed)
        coefficients[fixed] = 0.0
    state = _State.at(design, outcome, coefficients)
    current = _Penalty.of(design, state)
    for _ in range(_FIRTH_STEPS):
        if current is None:
            return _not_fitted(width, state.log_likelihood, FitStatus.COLLINEAR)
        scores = state.gradient + current.scores(design, state)
        step = np.zeros(width)
        solved = _solve(current.hessian[np.ix_(free, free)], scores[free])
        if solved is None:
            return _not_fitted(width, state.log_likelihood, FitStatus.COLLINEAR)
        step[free] = solved
        # Of cells that are almost empty, the first steps would be too long.
        step *= min(1.0, 5 / max(float(np.abs(step * np.sqrt((design**2).mean(axis=0))).max()), 1e-300))
        value = state.log_likelihood + current.half_log_determinant
        for _ in range(_STEPS):
            following = _State.at(design, outcome, coefficients + step)
            penalty = _Penalty.of(design, following)
            if penalty is not None:
                reached = following.log_likelihood + penalty.half_log_determinant
                if reached >= value - 1e-9 * abs(value):
                    break
            step /= 2
        coefficients, state, current = coefficients + step, following, penalty
        if (
            current is not None
            and float(np.abs(step * np.sqrt(np.diag(current.hessian))).max()) < _FIRTH_STEP
        ):
            penalised = state.log_likelihood + current.half_log_determinant
            return LikelihoodFit(
                coefficients, current.inverse, state.log_likelihood, penalised, FitStatus.FITTED
            )
    return _not_fitted(width, state.log_likelihood, FitStatus.NOT_CONVERGED)


def firth_p(full: LikelihoodFit, without: LikelihoodFit) -> float:
    """P-value of a coefficient: the penalised likelihood ratio, chi-square with one degree of freedom.

    Parameters
    ----------
    full, without : LikelihoodFit
        Of :func:`firth`, and of it with the coefficient ``fixed``.
    """
    chi_square = needed("scipy.stats", "polygenic").chi2
    return float(chi_square.sf(max(2 * (full.penalised - without.penalised), 0.0), 1))


@dataclasses.dataclass(frozen=True)
class _State:
    """What one pass over the rows gives at some coefficients."""

    weights: Values
    residuals: Values
    gradient: Values
    log_likelihood: float
    largest: float

    @classmethod
    def at(cls, design: Values, outcome: npt.NDArray[np.bool_], coefficients: Values) -> _State:
        logit = design @ coefficients
        expected, weights = _expected(logit)
        residuals = outcome - expected
        size = np.abs(logit)
        likelihood = float(logit[outcome].sum() - np.maximum(logit, 0).sum() - np.log1p(np.exp(-size)).sum())
        return cls(weights, residuals, residuals @ design, likelihood, float(size.max()))

    def hessian(self, design: Values) -> Values:
        product = np.zeros((design.shape[1], design.shape[1]))
        for first in range(0, len(design), _CHUNK):
            rows = design[first : first + _CHUNK]
            product += rows.T @ (rows * self.weights[first : first + _CHUNK, np.newaxis])
        return product


@dataclasses.dataclass(frozen=True)
class _Penalty:
    """Firth's: half of the logarithm of the determinant of the information, and what it needs."""

    hessian: Values
    inverse: Values
    half_log_determinant: float

    @classmethod
    def of(cls, design: Values, state: _State) -> _Penalty | None:
        hessian = state.hessian(design)
        inverse = _inverse(hessian)
        sign, logarithm = np.linalg.slogdet(hessian)
        if inverse is None or sign <= 0 or not np.isfinite(logarithm):
            return None
        return cls(hessian, inverse, float(logarithm) / 2)

    def scores(self, design: Values, state: _State) -> Values:
        leverage = state.weights * np.einsum("ij,ij->i", design @ self.inverse, design)
        # y - p is the residual, so that 1/2 - p is the residual and 1/2 - y.
        expected = _half_less_expected(state)
        scores: Values = (leverage * expected) @ design
        return scores


def _half_less_expected(state: _State) -> Values:
    """1/2 - p, from the residual y - p of either class."""
    positive = state.residuals > 0
    result: Values = np.where(positive, state.residuals - 0.5, state.residuals + 0.5)
    return result


def _expected(logit: Values) -> tuple[Values, Values]:
    """Probabilities p and weights p (1 - p)."""
    odds = np.exp(-np.abs(logit))
    smaller = odds / (1 + odds)
    return np.where(logit < 0, smaller, 1 - smaller), smaller / (1 + odds)


def _scales(hessian: Values) -> Values | None:
    diagonal = np.diag(hessian)
    if not (diagonal > 0).all() or not np.isfinite(hessian).all():
        return None
    scales: Values = 1 / np.sqrt(diagonal)
    return scales


def _solve(hessian: Values, gradient: Values) -> Values | None:
    """Newton's step, in units in which columns are alike; None where there is none."""
    scales = _scales(hessian)
    if scales is None:
        return None
    try:
        step = np.linalg.solve(hessian * np.outer(scales, scales), gradient * scales) * scales
    except np.linalg.LinAlgError:
        return None
    return step if np.isfinite(step).all() and step @ gradient >= 0 else None


def _inverse(hessian: Values) -> Values | None:
    scales = _scales(hessian)
    if scales is None:
        return None
    both = np.outer(scales, scales)
    try:
        inverse = np.linalg.inv(hessian * both) * both
    except np.linalg.LinAlgError:
        return None
    return inverse if np.isfinite(inverse).all() and (np.diag(inverse) > 0).all() else None


@dataclasses.dataclass(frozen=True)
class LogisticFits:
    """Logistic regressions on m variables, each alone beside the same covariates.

    Parameters
    ----------
    slopes, standard_errors : numpy.ndarray of float64, shape (m,)
        Of the variables; NaN without a fit. Standard errors are NaN where they were not asked for.
    coefficients : numpy.ndarray of float64, shape (k, m)
        Of the design's columns, 0 for those that the basis lacks; NaN without a fit.
    log_likelihoods : numpy.ndarray of float64, shape (m,)
        NaN without a fit.
    status : numpy.ndarray of FitStatus, shape (m,)
    covariates : LikelihoodFit
        Of the covariates alone; coefficients as above, shape (k,), and no covariance.
    """

    slopes: Values
    standard_errors: Values
    coefficients: Values
    log_likelihoods: Values
    status: Statuses
    covariates: LikelihoodFit


def logistic_each(
    basis: Basis, variables: Values, outcome: npt.NDArray[np.bool_], errors: bool = True
) -> LogisticFits:
    """Logistic regression on covariates and one more variable, for each of many variables.

    The covariates are fitted once. In coordinates in which their Hessian is the unit matrix, and variables
    have nothing in common with them, that of a fit with a variable differs from it by little: each step is
    three matrix products for all variables together, with the variable's own row of the Hessian and the rest
    scaled by the sum of weights. Steps go on until they are below 1e-10 standard errors, so that the fit is
    that of Newton's method; a variable whose steps do not shrink gets a Hessian of its own.

    Parameters
    ----------
    basis : Basis
        Of the covariates, with a constant.
    variables : numpy.ndarray of float64, shape (n, m)
        Finite.
    outcome : numpy.ndarray of bool, shape (n,)
    errors : bool
        Whether standard errors are wanted; they take a Hessian for each variable.
    """
    size, many = variables.shape
    scale = np.sqrt(size)
    covariates = logistic_wald(basis.q * scale, outcome)
    fits = LogisticFits(
        np.full(many, np.nan), np.full(many, np.nan), np.full((basis.columns, many), np.nan),
        np.full(many, np.nan), np.full(many, covariates.status, dtype=object),
        _on_design(basis, covariates, scale),
    )  # fmt: skip
    if covariates.status != FitStatus.FITTED:
        return fits
    shared = _Shared.of(basis, covariates.coefficients * scale, outcome)
    chunk_size = max(1, _ELEMENTS // max(size, 1))
    for first in range(0, many, chunk_size):
        columns = slice(first, first + chunk_size)
        shared.fit(variables[:, columns], fits, first, errors)
    return fits


def _on_design(basis: Basis, fit: LikelihoodFit, scale: float) -> LikelihoodFit:
    coefficients = np.full(basis.columns, np.nan)
    if fit.status == FitStatus.FITTED:
        coefficients = np.zeros(basis.columns)
        coefficients[basis.kept] = np.linalg.solve(basis.triangle, fit.coefficients * scale)
    unknown = np.full((basis.columns, basis.columns), np.nan)
    return LikelihoodFit(coefficients, unknown, fit.log_likelihood, np.nan, fit.status)


@dataclasses.dataclass(frozen=True)
class _Shared:
    """The fit of covariates, from which those with a variable begin.

    ``z = q @ turn`` has ``z' W z = 1`` with the weights W of that fit.
    """

    basis: Basis
    outcome: npt.NDArray[np.bool_]
    coefficients: Values
    logit: Values
    weights: Values
    turn: Values
    z: Values

    @classmethod
    def of(cls, basis: Basis, coefficients: Values, outcome: npt.NDArray[np.bool_]) -> _Shared:
        logit = basis.q @ coefficients
        weights = _expected(logit)[1]
        hessian = basis.q.T @ (basis.q * weights[:, np.newaxis])
        turn = np.linalg.inv(np.linalg.cholesky(hessian)).T
        return cls(basis, outcome, coefficients, logit, weights, turn, basis.q @ turn)

    def fit(self, variables: Values, fits: LogisticFits, first: int, errors: bool) -> None:
        """Fill in the fits of some variables, from column ``first`` on."""
        left = self.basis.residuals(variables)
        status = self.basis.variable_statuses(variables, left)
        fits.status[first : first + len(status)] = status
        chosen = np.flatnonzero(status == FitStatus.FITTED)
        x = left[:, chosen]
        x -= self.z @ (self.z.T @ (x * self.weights[:, np.newaxis]))
        units = np.sqrt(np.einsum("ij,ij,i->j", x, x, self.weights))
        x /= units
        steps, slopes, converged = self._steps(x)
        for number, column in enumerate(chosen):
            if not converged[number]:
                single = logistic_wald(np.column_stack([self.z, x[:, number]]), self.outcome)
                if single.status == FitStatus.FITTED:
                    start = self.turn @ single.coefficients[:-1] - self.coefficients
                    steps[:, number] = np.linalg.solve(self.turn, start)
                    slopes[number] = single.coefficients[-1]
                else:
                    fits.status[first + column] = single.status
        good = np.flatnonzero(fits.status[first + chosen] == FitStatus.FITTED)
        columns = first + chosen[good]
        steps, slopes, x, units = steps[:, good], slopes[good], x[:, good], units[good]
        fits.slopes[columns] = slopes / units
        # A variable is q @ shared + x units.
        shared = self.basis.q.T @ (variables[:, chosen[good]] - x * units)
        of_q = self.coefficients[:, np.newaxis] + self.turn @ steps - shared * (slopes / units)
        fits.coefficients[:, columns] = 0.0
        fits.coefficients[np.ix_(self.basis.kept, columns)] = np.linalg.solve(self.basis.triangle, of_q)
        logit = self.logit[:, np.newaxis] + self.z @ steps + x * slopes
        chosen_logit = np.where(self.outcome[:, np.newaxis], -logit, logit)
        fits.log_likelihoods[columns] = -np.logaddexp(0, chosen_logit).sum(axis=0)
        if errors:
            fits.standard_errors[columns] = self._errors(x, logit) / units

    def _steps(self, x: Values) -> tuple[Values, Values, npt.NDArray[np.bool_]]:
        """Coefficients of z beside those of the covariates (r, m), of x (m,), and which converged (m,)."""
        steps, slopes = np.zeros((self.z.shape[1], x.shape[1])), np.zeros(x.shape[1])
        converged = np.zeros(x.shape[1], dtype=bool)
        active, own = np.arange(x.shape[1]), x
        total = self.weights.sum()
        for _ in range(_SHARED_STEPS):
            logit = self.z @ steps[:, active]
            logit += own * slopes[active]
            logit += self.logit[:, np.newaxis]
            expected, weights = _expected(logit)
            residuals = np.subtract(self.outcome[:, np.newaxis], expected, out=expected)
            gradients, gradient = self.z.T @ residuals, np.einsum("ij,ij->j", own, residuals)
            sizes = weights.sum(axis=0) / total
            weights *= own
            mixed, square = self.z.T @ weights, np.einsum("ij,ij->j", weights, own)
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                schur = square - (mixed**2).sum(axis=0) / sizes
                step = (gradient - (mixed * gradients).sum(axis=0) / sizes) / schur
                others = (gradients - mixed * step) / sizes
                gains = step * gradient + (others * gradients).sum(axis=0)
            # What leaves the region where steps shrink is left to Newton's method, from the beginning.
            sound = np.isfinite(gains) & (schur > 0) & (gains >= 0) & (np.abs(step) < 1e3)
            slopes[active[sound]] += step[sound]
            steps[:, active[sound]] += others[:, sound]
            done = sound & (gains < _SHARED_GAIN)
            converged[active[done]] = True
            going = sound & ~done
            if not going.any():
                break
            if not going.all():
                active, own = active[going], own[:, going]
        return steps, slopes, converged

    def _errors(self, x: Values, logit: Values) -> Values:
        errors = np.empty(x.shape[1])
        for number in range(x.shape[1]):
            weights = _expected(logit[:, number])[1]
            hessian = self.z.T @ (self.z * weights[:, np.newaxis])
            weighted = weights * x[:, number]
            mixed = self.z.T @ weighted
            errors[number] = 1 / np.sqrt(weighted @ x[:, number] - mixed @ np.linalg.solve(hessian, mixed))
        return errors
