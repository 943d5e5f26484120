"""Scores as the prior of fine-mapping: posterior probabilities from logits and Bayes factors.

At most one variant of a bag is causal; the causal variant may also lie outside the bag. With the logits f the
prior odds of a variant, against a causal variant outside, are ``exp(a f + c)``, and a variant outside has the
mean Bayes factor of the bag, as a variant in the same LD would::

    PIP_j = exp(a f_j + c) BF_j / (mean BF + sum_k exp(a f_k + c) BF_k)

``a`` and ``c`` maximise the likelihood of the summary statistics of bags, the sum over bags of
``log((mean BF + sum exp(a f + c) BF) / (1 + sum exp(a f + c)))`` (empirical Bayes): no truth is needed for
them. Uninformative logits leave the fraction of bags with a causal variant undetermined, and so ``c``;
pseudo-counts of five bags with a causal variant and five without keep it away from 0 and 1.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from mifm_kipoi.statistics.estimates import Values

_PSEUDO_BAGS = 5
"""Pseudo-counts of bags with a causal variant, and of bags without."""


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
        bags = _Bags(bag)
        joint = self.slope * logits + self.offset + log_bf
        none = bags.log_sum(log_bf) - np.log(bags.sizes)
        total = np.logaddexp(bags.log_sum(joint), none)
        values: Values = np.exp(joint - total[bags.index])
        return values


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
    bags = _Bags(bag)
    values: Values = np.exp(log_bf - bags.log_sum(log_bf)[bags.index])
    return values


def fit_prior(logits: Values, log_bf: Values, bag: npt.NDArray[np.int64]) -> Prior:
    """The prior under which the summary statistics of some bags are the most likely.

    Parameters
    ----------
    logits, log_bf : numpy.ndarray of float64, shape (n,)
        Of a network, and natural logarithms of Bayes factors.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each variant.
    """
    bags = _Bags(bag)
    none = bags.log_sum(log_bf) - np.log(bags.sizes)

    def loss(parameters: Values) -> float:
        odds = parameters[1] * logits + parameters[0]
        own = bags.log_sum(odds)
        evidence = np.logaddexp(bags.log_sum(odds + log_bf), none)
        fraction = float(np.clip(expit(own).mean(), 1e-300, 1 - 1e-16))
        held = _PSEUDO_BAGS * (np.log(fraction) + np.log1p(-fraction))
        return -float((evidence - np.logaddexp(own, 0.0)).sum() + held)

    start = [-float(np.log(bags.sizes.mean())), 1.0]
    options = {"xatol": 1e-4, "fatol": 1e-4, "maxiter": 2000}
    offset, slope = minimize(loss, start, method="Nelder-Mead", options=options).x
    return Prior(float(slope), float(offset))


class _Bags:
    """Sums over bags without over- or underflow."""

    def __init__(self, bag: npt.NDArray[np.int64]) -> None:
        _, self.index, self.sizes = np.unique(bag, return_inverse=True, return_counts=True)
        self._order = np.argsort(self.index, kind="stable")
        self._starts = np.cumsum(self.sizes) - self.sizes

    def log_sum(self, values: Values) -> Values:
        """``log sum exp`` of each bag."""
        ordered = values[self._order]
        top = np.maximum.reduceat(ordered, self._starts)
        shifted = np.exp(ordered - np.repeat(top, self.sizes))
        values: Values = top + np.log(np.add.reduceat(shifted, self._starts))
        return values
