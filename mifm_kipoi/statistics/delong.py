"""Areas under ROC curves of several predictors of the same rows, with their covariance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.explained import Measures


def areas(scores: Values, positive: npt.NDArray[np.bool_], stratum: npt.ArrayLike | None = None) -> Measures:
    """AUROC of each predictor, ties half.

    Covariances are those of DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837), in time n log n (Sun
    and Xu, 2014, IEEE Signal Processing Letters 21:1389).

    Parameters
    ----------
    scores : numpy.ndarray of float64, shape (n, m)
        Higher is more likely positive; a column with NaN has no value.
    positive : numpy.ndarray of bool, shape (n,)
        Class of each row.
    stratum : array_like, shape (n,), optional
        Such as folds: positive rows are then compared with negative ones of the same stratum only, since
        predictions of different models need not be comparable. Areas are weighted by pairs; strata that lack
        a class do not count.

    Returns
    -------
    mifm_kipoi.statistics.explained.Measures
        NaN without a positive and a negative row; covariances are NaN where a stratum has one row of a class.
    """
    strata = (
        np.zeros(len(positive), np.int64) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    )
    width = scores.shape[1]
    total, value, covariance = 0.0, np.zeros(width), np.zeros((width, width))
    for one in np.unique(strata):
        rows = strata == one
        case = positive[rows]
        pairs = float(case.sum()) * float((~case).sum())
        if not pairs:
            continue
        area, spread = _areas(scores[rows], case)
        total += pairs
        value += pairs * area
        covariance += pairs**2 * spread
    if not total:
        return Measures(np.full(width, np.nan), np.full((width, width), np.nan))
    return Measures(value / total, covariance / total**2)


def _areas(scores: Values, positive: npt.NDArray[np.bool_]) -> tuple[Values, Values]:
    """Areas (m,) and covariance (m, m)."""
    cases, controls = scores[positive], scores[~positive]
    # Fraction of the other class below each row, ties half.
    above = np.stack([_below(controls[:, j], cases[:, j]) for j in range(scores.shape[1])], axis=1)
    under = np.stack([1 - _below(cases[:, j], controls[:, j]) for j in range(scores.shape[1])], axis=1)
    value = above.mean(axis=0)
    covariance = _covariance(above) / len(cases) + _covariance(under) / len(controls)
    return value, covariance


def _below(others: Values, values: Values) -> Values:
    if np.isnan(others).any() or np.isnan(values).any():
        return np.full(values.size, np.nan)
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    fractions: Values = below / (2 * others.size)
    return fractions


def _covariance(values: Values) -> Values:
    if len(values) < 2:
        return np.full((values.shape[1], values.shape[1]), np.nan)
    centred = values - values.mean(axis=0)
    spread: Values = centred.T @ centred / (len(values) - 1)
    return spread
