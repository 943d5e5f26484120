"""Scores as the prior of fine-mapping: posterior probabilities from logits and Bayes factors.

At most one variant of a bag is causal; the causal one may also be none of the bag's. With the logits f the
prior odds of a variant, against none of the bag's, are ``exp(a f + c)``, and what is not in the bag has the
mean Bayes factor of the bag, as a variant in the same LD would::

    PIP_j = exp(a f_j + c) BF_j / (mean BF + sum_k exp(a f_k + c) BF_k)

``a`` and ``c`` maximise the likelihood of the summary statistics of bags, the sum over bags of
``log((mean BF + sum exp(a f + c) BF) / (1 + sum exp(a f + c)))`` (empirical Bayes): no truth is needed for
them. Logits that say nothing leave the share of bags with a causal variant undecided, and so ``c``; as if
five bags with one and five without had been seen, it is held between.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

Values = npt.NDArray[np.float64]


_PSEUDO_BAGS = 5
"""So many bags with and without a causal variant count as seen."""


@dataclasses.dataclass(frozen=True)
class Prior:
    """How logits become prior odds.

    Parameters
    ----------
    slope, offset : float
        a and c.
    """

    slope: float
    offset: float

    def pips(self, logits: Values, log_bf: Values, bag: npt.NDArray[np.int64]) -> Values:
        """Posterior probabilities: (n,). Variants of a bag have the same number in ``bag``."""
        bags = _Bags(bag)
        joint = self.slope * logits + self.offset + log_bf
        none = bags.log_sum(log_bf) - np.log(bags.sizes)
        total = np.logaddexp(bags.log_sum(joint), none)
        found: Values = np.exp(joint - total[bags.index])
        return found


def uniform_pips(log_bf: Values, bag: npt.NDArray[np.int64]) -> Values:
    """Posterior probabilities where every variant of a bag is as likely and one of them is causal: (n,)."""
    bags = _Bags(bag)
    found: Values = np.exp(log_bf - bags.log_sum(log_bf)[bags.index])
    return found


def fit_prior(logits: Values, log_bf: Values, bag: npt.NDArray[np.int64]) -> Prior:
    """The prior under which the summary statistics of some bags are the most likely.

    Parameters
    ----------
    logits, log_bf : numpy.ndarray of float64, shape (n,)
    bag : numpy.ndarray of int64, shape (n,)
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
        found: Values = top + np.log(np.add.reduceat(shifted, self._starts))
        return found
