"""Logistic regression: with cluster-robust standard errors, and of counts in bins for many fits together."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values

Rows = npt.NDArray[np.int64]

_STEPS = 30
"""Newton's steps at most; some five are enough where the classes overlap."""

_CONVERGED = 1e-9
"""Change of a coefficient below which it is found."""

_LARGEST = 30.0
"""Coefficients beyond this are on their way to infinity: a class is missing where a column is not 0."""

_CHUNK = 1 << 16
"""Rows that are weighted together."""


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
    coefficients = np.zeros(width) if start is None or not np.isfinite(start).all() else start.copy()
    failed = LogisticFit(np.full(width, np.nan), np.full(width, np.nan), clusters)
    if size <= width:
        return failed
    for _ in range(_STEPS):
        gradient, hessian, _ = _sums(design, outcome, coefficients)
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return failed
        # A step that is too long would leave the region where Newton's method converges.
        step *= min(1.0, 5 / max(float(np.abs(step).max()), 1e-300))
        coefficients = coefficients + step
        if np.abs(coefficients).max() > _LARGEST or not np.isfinite(coefficients).all():
            return failed
        if np.abs(step).max() < _CONVERGED:
            break
    else:
        return failed
    errors = np.full(width, np.nan)
    if cluster is not None and clusters > 1:
        _, hessian, scores = _sums(design, outcome, coefficients, cluster)
        inverse = np.linalg.inv(hessian)
        factor = clusters / (clusters - 1) * (size - 1) / (size - width)
        errors = np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse) * factor)
    return LogisticFit(coefficients, errors, clusters)


def _sums(
    design: Values, outcome: npt.NDArray[np.bool_], coefficients: Values, cluster: Rows | None = None
) -> tuple[Values, Values, Values]:
    """Gradient (k,), Hessian (k, k) of minus the log-likelihood, and sums of scores of clusters (g, k)."""
    width = design.shape[1]
    gradient, hessian = np.zeros(width), np.zeros((width, width))
    groups = 0 if cluster is None else int(cluster.max()) + 1
    scores = np.zeros((groups, width))
    for first in range(0, len(design), _CHUNK):
        rows = slice(first, first + _CHUNK)
        part = design[rows]
        expected = 1 / (1 + np.exp(-np.clip(part @ coefficients, -700, 700)))
        residual = outcome[rows] - expected
        gradient += residual @ part
        hessian += part.T @ (part * (expected * (1 - expected))[:, np.newaxis])
        if cluster is not None:
            for column in range(width):
                weights = residual * part[:, column]
                scores[:, column] += np.bincount(cluster[rows], weights, groups)
    return gradient, hessian, scores


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
