"""What else the benchmark asks of scores, beside :mod:`mifm_kipoi.evaluation`: power, calibration, sets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.statistics.bootstrap import Clusters, estimate
from mifm_kipoi.statistics.ranking import Curve

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def power_at_fdr(curve: Curve, fdr: float, weights: Values | None = None) -> Values:
    """The highest recall at which the share of false ones is at most ``fdr``; 0 where it never is.

    Parameters
    ----------
    curve : Curve
    fdr : float
    weights : numpy.ndarray of float64, shape (n,) or (n, r), optional
        Of the rows.

    Returns
    -------
    numpy.ndarray of float64, shape () or (r,)
    """
    recall, precision = curve.points(weights)
    return np.where(precision >= 1 - fdr, recall, 0.0).max(axis=0)


def calibration(pip: Values, causal: Flags, genealogies: Clusters, bins: int = 10) -> pd.DataFrame:
    """Predicted and observed share of causal variants in bins of equal width.

    Returns
    -------
    pandas.DataFrame
        ``bin_low, bin_high, count, predicted, observed, low, high``; bins without variants are left out.
    """
    number = np.minimum((pip * bins).astype(int), bins - 1)
    rows = []
    for each in range(bins):
        inside = number == each
        if not inside.any():
            continue
        own = genealogies.weights[:, genealogies.index[inside]]
        with np.errstate(invalid="ignore"):
            found = (own @ causal[inside]) / own.sum(axis=1)
        observed = estimate(float(causal[inside].mean()), found)
        rows.append(
            {
                "bin_low": each / bins, "bin_high": (each + 1) / bins, "count": int(inside.sum()),
                "predicted": float(pip[inside].mean()), "observed": observed.value,
                "low": observed.low, "high": observed.high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def calibration_error(pip: Values, causal: Flags, bins: int = 10) -> float:
    """Expected calibration error: ``sum over bins |observed - predicted| n_bin / n``."""
    number = np.minimum((pip * bins).astype(int), bins - 1)
    gaps = np.bincount(number, causal - pip, bins)
    return float(np.abs(gaps).sum() / pip.size)


def credible_set(pip: Values, level: float = 0.95) -> npt.NDArray[np.int64]:
    """The fewest variants whose PIPs sum to ``level`` of all; where they cannot, all: their rows."""
    order = np.argsort(-pip, kind="stable")
    needed = int(np.searchsorted(np.cumsum(pip[order]), level - 1e-9)) + 1
    return order[: min(needed, pip.size)]
