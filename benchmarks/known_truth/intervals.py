"""Intervals of numbers that vary with the test genealogies and with the training of a network.

The number of an arm is the mean over its networks, which differ in their seed. Its variance has two parts:
that of the genealogies, from a bootstrap in which all networks see the same resample, and that of training,
s^2 / k of k networks. With few networks the second is known badly, so that the interval is Student's with the
degrees of freedom of Welch and Satterthwaite (Satterthwaite 1946, Biometrics Bulletin 2:110). Resampling
three networks would give two thirds of their variance, and a normal quantile an interval that is too narrow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

from mifm_kipoi.statistics.estimates import MIN_CLUSTERS, Estimate, Values, estimate, standard_error

_LEVEL = 0.95

_SAME = 1e-12
"""Standard errors below this are rounding."""


@dataclasses.dataclass(frozen=True)
class Sampled:
    """A number of one network, and under each resample of genealogies.

    Parameters
    ----------
    value : float
        Of all rows.
    resampled : numpy.ndarray of float64, shape (resamples,)
        The resamples are the same for all networks. Not finite where undefined.
    """

    value: float
    resampled: Values

    def __sub__(self, other: Sampled) -> Sampled:
        """The difference on the same resamples."""
        return Sampled(self.value - other.value, self.resampled - other.resampled)

    def log_ratio(self, other: Sampled) -> Sampled:
        """The logarithm of the ratio on the same resamples; not finite where either number is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return Sampled(
                float(np.log(self.value) - np.log(other.value)),
                np.log(self.resampled) - np.log(other.resampled),
            )


def over_networks(samples: Sequence[Sampled], clusters: int) -> Estimate:
    """The mean over networks, with an interval that has the variance of training.

    Parameters
    ----------
    samples : sequence of Sampled
        One for each network, at least one. A single one has the interval of its resamples, as the numbers of
        baselines have, which no training varies.
    clusters : int
        Genealogies.

    Returns
    -------
    Estimate
        Without an interval where the resamples have none (:mod:`mifm_kipoi.statistics.estimates`).
    """
    values = np.array([one.value for one in samples])
    mean = float(values.mean())
    resampled = np.mean([one.resampled for one in samples], axis=0)
    of_genealogies = estimate(mean, resampled, clusters)
    count, spread = len(samples), standard_error(resampled)
    if count == 1 or clusters < MIN_CLUSTERS or (np.isnan(of_genealogies.low) and not spread < _SAME):
        return of_genealogies
    drawn = spread**2
    trained = float(values.var(ddof=1)) / count
    total = drawn + trained
    if not total > 0:
        return Estimate(mean)
    freedom = total**2 / (trained**2 / (count - 1) + drawn**2 / max(clusters - 1, 1))
    half = float(stats.t.ppf((1 + _LEVEL) / 2, freedom) * np.sqrt(total))
    return Estimate(mean, mean - half, mean + half)


def clipped(one: Estimate, low: float = 0.0, high: float = 1.0) -> Estimate:
    """An interval cut where the number itself ends, as a proportion at 0 and 1."""
    return Estimate(one.value, *(float(np.clip(end, low, high)) for end in (one.low, one.high)))


def exponential(one: Estimate) -> Estimate:
    """From logarithms of ratios to ratios."""
    return Estimate(*(float(np.exp(value)) for value in (one.value, one.low, one.high)))
