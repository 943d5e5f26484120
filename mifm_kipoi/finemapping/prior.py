"""Scores as the prior of fine-mapping: posterior probabilities from logits and Bayes factors.

At most one variant of a bag, the rows of one signal of one study, is causal; the causal variant may also lie
outside the bag. With the logits f the prior odds of a variant, against a causal variant outside, are
``exp(a f + c)``, and a variant outside has the mean Bayes factor of the bag, as a variant in the same LD
would::

    PIP_j = exp(a f_j + c) BF_j / (mean BF + sum_k exp(a f_k + c) BF_k)

``a`` and ``c`` maximise the likelihood of the summary statistics of bags, the weighted sum over bags of
``log((mean BF + sum exp(a f + c) BF) / (1 + sum exp(a f + c)))`` (empirical Bayes): no truth is needed for
them. Uninformative logits leave the fraction of bags with a causal variant undetermined, and so ``c``;
pseudo-counts of five bags with a causal variant and five without keep it away from 0 and 1.

Whether logits say anything at all is seen without ``c``: :func:`fit_slope` finds the slope ``a`` under which
a prior ``softmax(a f)`` explains the summary statistics of bags best, and how much better than a uniform one.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from mifm_kipoi.finemapping.groups import Groups
from mifm_kipoi.statistics.estimates import Values

_PSEUDO_BAGS = 5
"""Pseudo-counts of bags with a causal variant, and of bags without."""

_SLOPES = 2.0 ** np.arange(-6, 6)
"""Slopes that are tried first, for logits of a standard deviation of 1 within their bags."""


@dataclasses.dataclass(frozen=True)
class Prior:
    """How logits become prior odds.

    Parameters
    ----------
    slope : float
        a, by which logits are multiplied.
    offset : float
        c, which is added.
    """

    slope: float
    offset: float

    def pips(self, logits: Values, log_bf: Values, bag: npt.NDArray[np.int64]) -> Values:
        """Posterior inclusion probabilities.

        Parameters
        ----------
        logits, log_bf : numpy.ndarray of float64, shape (n,)
            Of a network, and natural logarithms of Bayes factors.
        bag : numpy.ndarray of int64, shape (n,)
            Bag of each variant.

        Returns
        -------
        numpy.ndarray of float64, shape (n,)
        """
        bags = Groups(bag)
        joint = self.slope * logits + self.offset + log_bf
        none = bags.log_sum(log_bf) - np.log(bags.sizes)
        total = np.logaddexp(bags.log_sum(joint), none)
        values: Values = np.exp(joint - total[bags.index])
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
    logits: Values, log_bf: Values, bag: npt.NDArray[np.int64], weights: Values | None = None
) -> Prior:
    """The prior under which the summary statistics of some bags are the most likely.

    Parameters
    ----------
    logits, log_bf : numpy.ndarray of float64, shape (n,)
        Of a network, and natural logarithms of Bayes factors.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each variant.
    weights : numpy.ndarray of float64, shape (bags,), optional
        How much each bag counts, by rising number of bag; 1 by default. Less than 1 for each of several
        studies that see the same signal.
    """
    bags = Groups(bag)
    none = bags.log_sum(log_bf) - np.log(bags.sizes)
    weights = _checked(weights, bags)

    def loss(parameters: Values) -> float:
        odds = parameters[1] * logits + parameters[0]
        own = bags.log_sum(odds)
        evidence = np.logaddexp(bags.log_sum(odds + log_bf), none)
        fraction = float(np.clip(np.average(expit(own), weights=weights), 1e-300, 1 - 1e-16))
        held = _PSEUDO_BAGS * (np.log(fraction) + np.log1p(-fraction))
        return -float(weights @ (evidence - np.logaddexp(own, 0.0)) + held)

    start = [-float(np.log(bags.sizes.mean())), 1.0]
    options = {"xatol": 1e-4, "fatol": 1e-4, "maxiter": 2000}
    offset, slope = minimize(loss, start, method="Nelder-Mead", options=options).x
    return Prior(float(slope), float(offset))


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
    """
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
