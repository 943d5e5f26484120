"""Numbers with their 95 % intervals, and when there is none.

**When there is no interval.** A resampled number has a 95 % interval, the 2.5 % and 97.5 % quantiles of its
resamples, unless

- it is of fewer than :data:`MIN_CLUSTERS` clusters or blocks: their resamples are too few and too alike;
- more than 5 % of the resamples are undefined (:data:`MAX_UNDEFINED`), as where a score is constant in them:
  the rest are a selection;
- the two ends are the same, as where no cluster holds an exception: that does not say how rare these are;
- the number itself is undefined.

The ends of an interval are NaN then. All intervals and bootstrap p-values of the project keep to this; of
the undefined resamples that are fewer than 5 %, intervals are over the rest.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

MIN_CLUSTERS = 5
"""Clusters, or blocks drawn for one resample, below which there is no interval."""

FEW_CLUSTERS = 30
"""Clusters below which intervals are known to be too narrow."""

MAX_UNDEFINED = 0.05
"""Fraction of resamples that may be undefined."""

_QUANTILES = (0.025, 0.975)
"""Of the resamples: the ends of an interval."""

_SAME = 1e-12
"""Ends of an interval that differ by less (times their size, where above 1) differ by rounding alone."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Parameters
    ----------
    value : float
        NaN where it is undefined.
    low, high : float
        Ends of the interval; NaN where there is none (:mod:`mifm_kipoi.statistics.estimates`).
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")


def percentile_intervals(value: Values, resampled: Values, clusters: npt.ArrayLike) -> tuple[Values, Values]:
    """Intervals of several resampled numbers.

    Parameters
    ----------
    value : numpy.ndarray of float64, shape (...)
        The numbers, of all rows.
    resampled : numpy.ndarray of float64, shape (..., resamples)
        Under each resample; not finite where it is undefined.
    clusters : array_like of int, broadcast to shape (...)
        Clusters or blocks that each number is of.

    Returns
    -------
    low, high : numpy.ndarray of float64, shape (...)
        NaN where there is no interval.
    """
    without = ~np.isfinite(value) | ~_resampled_enough(resampled, clusters)
    finite = np.where(np.isfinite(resampled) & ~without[..., np.newaxis], resampled, np.nan)
    finite[without] = 0.0
    if not finite.shape[-1]:
        return np.full(without.shape, np.nan), np.full(without.shape, np.nan)
    low, high = np.nanquantile(finite, _QUANTILES, axis=-1)
    without |= high - low < _SAME * np.maximum(1, np.abs(high))
    return np.where(without, np.nan, low), np.where(without, np.nan, high)


def estimate(value: float, resampled: Values, clusters: int) -> Estimate:
    """A number with the interval of its resamples.

    Parameters
    ----------
    value : float
        Of all rows.
    resampled : numpy.ndarray of float64, shape (resamples,)
        Under each resample; not finite where it is undefined.
    clusters : int
        Clusters or blocks that the number is of.
    """
    low, high = percentile_intervals(np.asarray(value), resampled, clusters)
    return Estimate(float(value), float(low), float(high))


def two_sided_p(differences: Values, clusters: int) -> float:
    """Bootstrap p-value of a difference: twice the fraction of resamples on the rarer side of 0, at most 1.

    ``2 (1 + min(#{d <= 0}, #{d >= 0})) / (1 + resamples)``.

    Parameters
    ----------
    differences : numpy.ndarray of float64, shape (resamples,)
        Not finite where a resample is undefined; those are left out.
    clusters : int
        Clusters or blocks that the difference is of.

    Returns
    -------
    float
        NaN where the clusters are too few for an interval, or too many resamples are undefined.
    """
    if not _resampled_enough(differences, clusters):
        return float("nan")
    finite = differences[np.isfinite(differences)]
    rarer = min(int((finite <= 0).sum()), int((finite >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (1 + finite.size))


def _resampled_enough(resampled: Values, clusters: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether clusters and defined resamples are enough for an interval: (..., resamples) -> (...)."""
    undefined = ~np.isfinite(resampled)
    # Without resamples, all of them are undefined.
    fraction = undefined.mean(axis=-1) if resampled.shape[-1] else np.ones(resampled.shape[:-1])
    return np.asarray((np.asarray(clusters) >= MIN_CLUSTERS) & (fraction <= MAX_UNDEFINED))


def centred(value: float, resampled: Values) -> Values:
    """Resamples of a number less their bias, the mean of their differences from the number.

    A row that is drawn several times ties with itself, so that average precision is too high in resamples of
    few rows. Of simulated scores no better than chance, in 20, 100 and 400 matched groups of one positive
    and nine negative rows, plain 95 % intervals held the truth in 85 %, 89 % and 92 % of cases, and centred
    ones in 97 %, 95 % and 96 %; of scores with an AUPRC of 0.29 in 88 %, 91 % and 93 %, and in 90 %, 92 % and
    94 %.

    Parameters
    ----------
    value : float
        Of all rows.
    resampled : numpy.ndarray of float64, shape (resamples,)
        Not finite where a resample is undefined.
    """
    finite = resampled[np.isfinite(resampled)]
    return resampled - (finite.mean() - value) if finite.size else resampled


def standard_error(resampled: Values) -> float:
    """Standard deviation of the resamples of a number; undefined ones are left out.

    Parameters
    ----------
    resampled : numpy.ndarray of float64, shape (resamples,)
        Not finite where a resample is undefined.
    """
    finite = resampled[np.isfinite(resampled)]
    return float(finite.std(ddof=1)) if finite.size > 1 else float("nan")


def mean_of_units(values: Values) -> Estimate:
    """Mean of independent units, with Student's interval ``mean +- t(0.975, n - 1) s / sqrt(n)``.

    Nothing is resampled; a single unit has no interval.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        One for each unit; what is not finite is left out.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    from mifm_kipoi.support.packages import needed

    values = values[np.isfinite(values)]
    if not len(values):
        return Estimate(float("nan"))
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean)
    student = needed("scipy.stats", "evaluation").t
    half = float(student.ppf(_QUANTILES[1], len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, mean - half, mean + half)
