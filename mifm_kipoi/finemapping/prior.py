"""Scores as the prior of fine-mapping: posterior probabilities from logits and Bayes factors.

A bag, the rows of one signal of one study, holds the causal variant with the probability phi, its fraction,
which its variants have in proportion to ``exp(a f)`` of their logits f. Where none of them is causal, the
statistics have the mean Bayes factor of the bag, as those of a variant in the same LD would::

    PIP_j = phi p_j BF_j / ((1 - phi) mean BF + phi sum_k p_k BF_k),    p = softmax(a f) in the bag

The slope ``a`` is that under which logits explain the summary statistics of bags best (:func:`fit_slope`,
empirical Bayes): no truth is needed for it, and logits that say nothing have a slope near 0, which gives the
PIPs of a uniform prior.

The fraction is not fitted. To the likelihood a bag without its causal variant is one in which each variant
may be causal with the same probability, and so is a bag in which a network errs: networks that err make the
fraction look small, and logits that say nothing leave it free. For the same reason the slope is that of bags
of which each holds its causal variant: with phi in its likelihood, bags that speak against the logits would
count as bags without a causal variant, and no longer against a steep slope. Bags without a causal variant,
then, make the slope less steep, and PIPs nearer to those of a uniform prior.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.finemapping.groups import Groups
from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

FRACTION = 0.95
"""Fraction of bags that hold the causal variant: that of 95 % sets of signals whose causal variant was
tested. Insertions, deletions and variants that a study lacks make it smaller."""

_SLOPES = 2.0 ** np.arange(-6, 6)
"""Slopes that are tried first, for logits of a standard deviation of 1 within their bags."""


@dataclasses.dataclass(frozen=True)
class Prior:
    """How logits become prior probabilities of the variants of a bag.

    Parameters
    ----------
    slope : float
        a, by which logits are multiplied.
    fraction : float
        phi, the probability that a bag holds the causal variant, in (0, 1].

    Raises
    ------
    ValueError
        When ``fraction`` is not in (0, 1].
    """

    slope: float
    fraction: float = FRACTION

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction is {self.fraction}; expected a number in (0, 1]")

    def pips(self, logits: Values, log_bf: Values, bag: npt.NDArray[np.int64]) -> Values:
        """Posterior inclusion probabilities.

        Neither a number added to all logits of a bag nor one common to its Bayes factors changes them.

        Parameters
        ----------
        logits, log_bf : numpy.ndarray of float64, shape (n,)
            Of a network, and natural logarithms of Bayes factors; finite.
        bag : numpy.ndarray of int64, shape (n,)
            Bag of each variant.

        Returns
        -------
        numpy.ndarray of float64, shape (n,)
            Those of a bag sum to 1 at most: to the posterior probability that it holds the causal variant.

        Raises
        ------
        MissingPackageError
            When scipy is not installed.
        """
        expit = needed("scipy.special", "evaluation").expit
        bags = Groups(bag)
        joint = self.slope * logits + log_bf
        within = bags.log_sum(joint)
        # Evidence of the bag's logits against that of none of its variants, as log odds.
        gain = _gains(self.slope, logits, log_bf, bags)
        with np.errstate(divide="ignore"):
            odds = gain + np.log(self.fraction) - np.log1p(-self.fraction)
        values: Values = np.exp(joint - within[bags.index]) * expit(odds)[bags.index]
        return values


@dataclasses.dataclass(frozen=True)
class Slope:
    """The slope of logits that explains the summary statistics of bags best.

    Parameters
    ----------
    slope : float
        a, by which logits are multiplied; 0 or more.
    gain : float
        Weighted mean over bags of the log-likelihood of their summary statistics under the prior
        ``softmax(a f)`` less that under a uniform one, in nats; 0 or more. NaN without bags.
    """

    slope: float
    gain: float


def uniform_pips(log_bf: Values, bag: npt.NDArray[np.int64]) -> Values:
    """Posterior inclusion probabilities under a uniform prior, where one variant of each bag is causal.

    Parameters
    ----------
    log_bf : numpy.ndarray of float64, shape (n,)
        Natural logarithms of Bayes factors.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each variant.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    bags = Groups(bag)
    values: Values = np.exp(log_bf - bags.log_sum(log_bf)[bags.index])
    return values


def fit_prior(
    logits: Values,
    log_bf: Values,
    bag: npt.NDArray[np.int64],
    weights: Values | None = None,
    fraction: float = FRACTION,
) -> Prior:
    """The prior with the slope under which logits explain the summary statistics of some bags best.

    Parameters
    ----------
    logits, log_bf, bag, weights
        As in :func:`fit_slope`.
    fraction : float
        Of bags that hold the causal variant, in (0, 1]; it is not fitted.
    """
    return Prior(fit_slope(logits, log_bf, bag, weights).slope, fraction)


def fit_slope(
    logits: Values, log_bf: Values, bag: npt.NDArray[np.int64], weights: Values | None = None
) -> Slope:
    """The slope under which logits as a prior explain the summary statistics of some bags best.

    One variant of each bag is causal, and its gain is ``log sum_j softmax(a f)_j BF_j - log mean_j BF_j``.
    Neither a number added to all logits of a bag nor one common to its Bayes factors changes it, and logits
    that say nothing have a slope and a gain near 0. The gain may have several maxima in ``a``: slopes of many
    magnitudes are tried, 0 among them, and the best is refined between its neighbours.

    Parameters
    ----------
    logits, log_bf : numpy.ndarray of float64, shape (n,)
        Of a network, finite; and natural logarithms of Bayes factors.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each variant.
    weights : numpy.ndarray of float64, shape (bags,), optional
        How much each bag counts, by rising number of bag; 1 by default.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    minimize_scalar = needed("scipy.optimize", "evaluation").minimize_scalar
    bags = Groups(bag)
    weights = _checked(weights, bags)
    total = float(weights.sum())
    if not total:
        return Slope(0.0, float("nan"))
    # The scale of logits is arbitrary; what counts is how they differ within bags.
    centred = logits - (bags.sum(logits) / bags.sizes)[bags.index]
    scale = float(np.sqrt(np.square(centred).sum() / max(centred.size - bags.sizes.size, 1)))
    if not scale:
        return Slope(0.0, 0.0)
    centred = centred / scale

    def gain(slope: float) -> float:
        return float(weights @ _gains(slope, centred, log_bf, bags)) / total

    tried = [0.0, *_SLOPES.tolist()]
    gains = [0.0, *(gain(slope) for slope in tried[1:])]
    best = int(np.argmax(gains))
    low, high = tried[max(best - 1, 0)], tried[min(best + 1, len(tried) - 1)]
    refined = minimize_scalar(lambda slope: -gain(slope), bounds=(low, high), method="bounded")
    if -float(refined.fun) > gains[best]:
        return Slope(float(refined.x) / scale, -float(refined.fun))
    return Slope(tried[best] / scale, gains[best])


def slope_gains(slope: float, logits: Values, log_bf: Values, bag: npt.NDArray[np.int64]) -> Values:
    """The gain of each bag under a slope, such as one that :func:`fit_slope` found on other bags.

    Parameters
    ----------
    slope : float
        a, by which logits are multiplied.
    logits, log_bf : numpy.ndarray of float64, shape (n,)
        Of a network, finite; and natural logarithms of Bayes factors.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each variant.

    Returns
    -------
    numpy.ndarray of float64, shape (bags,)
        ``log sum_j softmax(a f)_j BF_j - log mean_j BF_j`` by rising number of bag, in nats; 0 where the
        slope is.
    """
    return _gains(slope, logits, log_bf, Groups(bag))


def _gains(slope: float, logits: Values, log_bf: Values, bags: Groups) -> Values:
    prior = slope * logits
    uniform = bags.log_sum(log_bf) - np.log(bags.sizes)
    gains: Values = bags.log_sum(prior + log_bf) - bags.log_sum(prior) - uniform
    return gains


def _checked(weights: Values | None, bags: Groups) -> Values:
    if weights is None:
        return np.ones(bags.sizes.size)
    if weights.shape != bags.sizes.shape:
        raise ValueError(f"weights have the shape {weights.shape}; expected {bags.sizes.shape}, one a bag")
    return weights.astype(np.float64)
