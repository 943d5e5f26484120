"""Metrics of the benchmark beside :mod:`mifm_kipoi.statistics`: power, calibration, credible sets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.ranking import Curve

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def power_at_fdr(curve: Curve, fdr: float, weights: Values | None = None) -> Values:
    """The highest recall at which the fraction of false positives is at most ``fdr``; 0 where it never is.

    Parameters
    ----------
    curve : Curve
        Of a score.
    fdr : float
        False discovery rate, from 0 to 1.
    weights : numpy.ndarray of float64, shape (n,) or (n, r), optional
        Of the rows.

    Returns
    -------
    numpy.ndarray of float64, shape () or (r,)
    """
    recall, precision = curve.points(weights)
    return np.where(precision >= 1 - fdr, recall, 0.0).max(axis=0)


def calibration(pip: Values, causal: Flags, genealogies: Bootstrap, bins: int = 10) -> pd.DataFrame:
    """Predicted and observed fraction of causal variants in bins of equal width.

    Parameters
    ----------
    pip : numpy.ndarray of float64, shape (n,)
        Posterior inclusion probabilities.
    causal : numpy.ndarray of bool, shape (n,)
        Which variants are causal.
    genealogies : Bootstrap
        Of the genealogies of the variants, for the intervals.
    bins : int
        How many.

    Returns
    -------
    pandas.DataFrame
        ``bin_low, bin_high, count, predicted, observed, low, high``; bins without variants are left out.
    """
    number = np.minimum((pip * bins).astype(int), bins - 1)
    rows = []
    for each in range(bins):
        inside = np.flatnonzero(number == each)
        if not inside.size:
            continue
        observed = genealogies.mean(causal[inside].astype(np.float64), inside)
        rows.append(
            {
                "bin_low": each / bins, "bin_high": (each + 1) / bins, "count": inside.size,
                "predicted": float(pip[inside].mean()), "observed": observed.value,
                "low": observed.low, "high": observed.high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def calibration_error(pip: Values, causal: Flags, bins: int = 10) -> float:
    """Expected calibration error: ``sum over bins |observed - predicted| n_bin / n``.

    Parameters
    ----------
    pip, causal, bins
        As in :func:`calibration`.
    """
    number = np.minimum((pip * bins).astype(int), bins - 1)
    gaps = np.bincount(number, causal - pip, bins)
    return float(np.abs(gaps).sum() / pip.size)


def credible_set(pip: Values, level: float = 0.95) -> npt.NDArray[np.int64]:
    """The fewest variants whose PIPs sum to ``level``; all variants where they sum to less.

    Parameters
    ----------
    pip : numpy.ndarray of float64, shape (n,)
        Posterior inclusion probabilities of a bag.
    level : float
        Coverage, from 0 to 1.

    Returns
    -------
    numpy.ndarray of int64, shape (chosen,)
        Their indices, from the highest PIP on.
    """
    order = np.argsort(-pip, kind="stable")
    needed = int(np.searchsorted(np.cumsum(pip[order]), level - 1e-9)) + 1
    return order[: min(needed, pip.size)]
