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
        One for each network, at least one. A single one has the interval of its resamples: for baselines,
        which no training varies, it is whole; for a trained network it leaves out the variance of training.
    clusters : int
        Genealogies.

    Returns
    -------
    Estimate
        Without an interval where the resamples have none (:mod:`mifm_kipoi.statistics.estimates`).
    """
    mean, resampled = _mean(samples)
    if len(samples) == 1:
        return estimate(mean, resampled, clusters)
    return _welch(mean, resampled, [samples], clusters)


def difference(one: Sequence[Sampled], other: Sequence[Sampled], clusters: int) -> Estimate:
    """The difference of the means of two arms, on the same resamples of genealogies.

    The variance of training is ``s1^2 / k1 + s2^2 / k2``: the networks of two arms are independent, however
    they are numbered.

    Parameters
    ----------
    one, other : sequence of Sampled
        One for each network. An arm with a single one, such as a baseline, adds no variance of training.
    clusters : int
        Genealogies.
    """
    (mean, resampled), (others, other_resampled) = _mean(one), _mean(other)
    trained = [samples for samples in (one, other) if len(samples) > 1]
    if not trained:
        return estimate(mean - others, resampled - other_resampled, clusters)
    return _welch(mean - others, resampled - other_resampled, trained, clusters)


def ratio(one: Sequence[Sampled], other: Sampled, clusters: int) -> Estimate:
    """The mean of an arm over a number, on the same resamples; the interval is symmetric on the logarithm.

    Parameters
    ----------
    one : sequence of Sampled
        One for each network.
    other : Sampled
        Such as that of a baseline.
    clusters : int
        Genealogies.
    """
    mean, resampled = _mean(one)
    whole = Sampled(mean, resampled).log_ratio(other)
    if len(one) == 1:
        return exponential(estimate(whole.value, whole.resampled, clusters))
    # The variance of log m is that of m over m squared.
    spread = np.array([network.value for network in one]) / mean if mean else np.zeros(len(one))
    networks = [Sampled(float(value), whole.resampled) for value in spread]
    return exponential(_welch(whole.value, whole.resampled, [networks], clusters))


def _mean(samples: Sequence[Sampled]) -> tuple[float, Values]:
    return (
        float(np.mean([one.value for one in samples])),
        np.mean([one.resampled for one in samples], axis=0),
    )


def _welch(value: float, resampled: Values, arms: Sequence[Sequence[Sampled]], clusters: int) -> Estimate:
    """Student's interval with the variances of genealogies and of the networks of each arm."""
    of_genealogies, spread = estimate(value, resampled, clusters), standard_error(resampled)
    if clusters < MIN_CLUSTERS or (np.isnan(of_genealogies.low) and not spread < _SAME):
        return of_genealogies
    parts = [(spread**2, max(clusters - 1, 1))]
    for samples in arms:
        variance = float(np.var([one.value for one in samples], ddof=1)) / len(samples)
        parts.append((variance, len(samples) - 1))
    total = sum(variance for variance, _ in parts)
    if not total > 0:
        return Estimate(value)
    freedom = total**2 / sum(variance**2 / own for variance, own in parts)
    half = float(stats.t.ppf((1 + _LEVEL) / 2, freedom) * np.sqrt(total))
    return Estimate(value, value - half, value + half)


def clipped(one: Estimate, low: float = 0.0, high: float = 1.0) -> Estimate:
    """An interval cut where the number itself ends, as a proportion at 0 and 1."""
    return Estimate(one.value, *(float(np.clip(end, low, high)) for end in (one.low, one.high)))


def exponential(one: Estimate) -> Estimate:
    """From logarithms of ratios to ratios."""
    return Estimate(*(float(np.exp(value)) for value in (one.value, one.low, one.high)))
