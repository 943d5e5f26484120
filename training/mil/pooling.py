"""Poolings: from the logits of a bag's instances to the logit of the bag.

All are vectorised over ragged bags, and do not depend on the order of a bag's instances. A logit ``f`` stands
for the probability ``p = 1 / (1 + exp(-f))``. The pooled logit of a bag of one instance is the instance's.

The functions share the following parameters, and only their own ones are described with each:

logits : torch.Tensor, shape (n,)
    Logits of the instances, bag by bag.
layout : BagLayout
    The bag of each instance; ``count`` bags.

What they return has the shape (count,) and the dtype of the logits, unless stated otherwise.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from training.mil.layout import BagLayout


def max_pooling(logits: torch.Tensor, layout: BagLayout) -> torch.Tensor:
    """The largest logit of each bag (Rakowski & Lippert 2026, Eq. 2).

    The gradient goes to one instance; among equal ones to the first.
    """
    top = layout.max(logits.detach())
    rows = torch.arange(logits.numel(), device=logits.device)
    others = rows.new_full((), logits.numel())
    first = rows.new_full((layout.count,), logits.numel()).scatter_reduce(
        0, layout.bag, torch.where(logits.detach() == top[layout.bag], rows, others), "amin"
    )
    return logits[first]


def log_sum_exp(logits: torch.Tensor, layout: BagLayout, r: float = 5.0) -> torch.Tensor:
    """``log(mean(exp(r f))) / r``: between the mean (r to 0) and the maximum (r to infinity).

    Parameters
    ----------
    r : float
        Sharpness, positive.
    """
    return (layout.log_sum_exp(logits * r) - layout.sizes.to(logits.dtype).log()) / r


def generalised_mean(logits: torch.Tensor, layout: BagLayout, r: float = 5.0) -> torch.Tensor:
    """``(mean(p^r))^(1/r)`` of the probabilities, as a logit.

    Parameters
    ----------
    r : float
        Exponent, positive: 1 is the mean, infinity the maximum.
    """
    x = r * F.softplus(-logits)
    log_size = layout.sizes.to(logits.dtype).log()
    # m = mean(1 - p^r) keeps its digits where the bag's probability is close to 1, the mean of p^r elsewhere.
    log_m = layout.log_sum_exp(_log_one_minus_exp(x, math.log(r) + _log_softplus(-logits))) - log_size
    high = log_m < math.log(0.5)
    m = torch.where(high, log_m, math.log(0.25)).exp()
    log_p_high = torch.log1p(-m) / r
    log_q_high = torch.where(high, log_m, math.log(0.25)) - math.log(r) + _log_quotient(m, r)
    log_p_low = (layout.log_sum_exp(-x) - log_size) / r
    log_q_low = torch.log(-torch.expm1(torch.where(high, torch.full_like(log_p_low, -1.0), log_p_low)))
    return torch.where(high, log_p_high - log_q_high, log_p_low - log_q_low)


def isr(logits: torch.Tensor, layout: BagLayout) -> torch.Tensor:
    """Integrated segmentation and recognition: ``s / (1 + s)``, ``s = sum p / (1 - p)``.

    The odds of a bag are the sum of those of its instances: the bag's logit is ``log sum exp f``. It is the
    probability that some instance is causal if at most one is.
    """
    return layout.log_sum_exp(logits)


def noisy_or(logits: torch.Tensor, layout: BagLayout) -> torch.Tensor:
    """``1 - prod(1 - p)``: some instance is causal, each independently of the others.

    With ``S = sum softplus(f) = -sum log(1 - p)`` the bag's logit is ``log(exp(S) - 1)``.
    """
    log_total = layout.log_sum_exp(_log_softplus(logits))
    total = layout.sum(F.softplus(logits))
    return total + _log_one_minus_exp(total, log_total)


def top_k_mean(logits: torch.Tensor, layout: BagLayout, k: int = 3) -> torch.Tensor:
    """Mean of the ``k`` largest logits of each bag; of all in smaller bags.

    Parameters
    ----------
    k : int
        Number of instances that count, at least 1.
    """
    order = torch.argsort(logits.detach(), descending=True, stable=True)
    order = order[torch.argsort(layout.bag[order], stable=True)]
    sizes = layout.sizes
    rank = torch.arange(order.numel(), device=order.device) - (sizes.cumsum(0) - sizes)[layout.bag]
    kept = rank < k
    total = logits.new_zeros(layout.count).index_add(0, layout.bag[kept], logits[order[kept]])
    return total / sizes.clamp_max(k)


def attention(logits: torch.Tensor, scores: torch.Tensor, layout: BagLayout) -> torch.Tensor:
    """``sum a f`` with ``a = softmax(scores)`` in each bag.

    Attention pools features, ``sum a h``, and classifies the result (Ilse et al. 2018, ICML, Eq. 7). MIFM's
    head is linear, so that this is the mean of the instance logits under the attention.

    Parameters
    ----------
    scores : torch.Tensor, shape (n,)
        Attention scores of the instances, such as of :class:`GatedAttention`.
    """
    return layout.sum(layout.log_softmax(scores).exp() * logits)


def additive_attention(
    logits: torch.Tensor, scores: torch.Tensor, negative_slope: torch.Tensor, layout: BagLayout
) -> torch.Tensor:
    """Sum of what each instance contributes: ``sum psi(a f)`` with ``a = softmax(scores)`` in each bag.

    Additive MIL sums ``psi(a h)`` of the features h, with a ReLU network psi (Javed et al. 2022, NeurIPS).
    With a linear psi that is :func:`attention`. A psi of its own on the features would take the place of the
    network's head, whose logit is the score of a variant and would stay untrained. So psi reads the logit,
    and is the rising ReLU network without bias ``psi(v) = relu(v) - slope relu(-v)``: the slope says how
    much instances that speak against count beside those that speak for. In a bag of one the logit below 0
    is multiplied by the slope; with a slope of 1 this is :func:`attention`.

    Parameters
    ----------
    scores : torch.Tensor, shape (n,)
        Attention scores of the instances, such as of :class:`GatedAttention`.
    negative_slope : torch.Tensor, shape ()
        Slope of psi below 0, positive.
    """
    contributions = torch.where(logits > 0, logits, negative_slope * logits)
    return layout.sum(layout.log_softmax(scores).exp() * contributions)


class GatedAttention(nn.Module):
    """Scores for :func:`attention`: ``w . (tanh(V h) * sigmoid(U h))`` (Ilse et al. 2018, Eq. 9).

    Parameters
    ----------
    features : int
        Size of an instance's features ``h``.
    hidden : int
        Hidden units: rows of ``V`` and ``U``.
    """

    def __init__(self, features: int, hidden: int = 32) -> None:
        super().__init__()
        self.content = nn.Linear(features, hidden)
        self.gate = nn.Linear(features, hidden)
        self.weight = nn.Linear(hidden, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Attention scores of instances: (n, features) -> (n,)."""
        scores: torch.Tensor = self.weight(self.content(features).tanh() * self.gate(features).sigmoid())
        return scores.squeeze(1)


def single_effect(
    logits: torch.Tensor, log_bf: torch.Tensor, layout: BagLayout, null: bool = True
) -> torch.Tensor:
    """Log-likelihood of each bag's summary statistics if at most one instance is causal.

    ``log sum pi BF``, with the network as the prior. Without ``null`` ``pi = softmax(f)``: one instance is
    causal for certain, and adding a number to all logits of a bag changes nothing. With ``null`` none may
    be: ``pi = exp(f) / (1 + sum exp(f))``, the null has the rest and a Bayes factor of 1, so that a logit
    is the log odds of an instance against the null. The gradient with respect to a logit is ``PIP - pi``:
    the posterior less the prior probability that the instance is the causal one.

    Parameters
    ----------
    log_bf : torch.Tensor, shape (n,)
        Natural logarithms of the Bayes factors for an effect against none
        (:func:`mifm_kipoi.statistics.bayes_factors.log_bayes_factor`); -inf for a Bayes factor of 0.
    null : bool
        Whether a bag may have no causal instance.

    Returns
    -------
    torch.Tensor, shape (count,)
        Log-likelihoods, relative to that of no effect.
    """
    joint, prior = layout.log_sum_exp(logits + log_bf), layout.log_sum_exp(logits)
    if not null:
        return joint - prior
    # log(1 + exp(u)) - log(1 + exp(v)), where u may be -inf.
    none = torch.isneginf(joint)
    joint = torch.where(none, torch.zeros_like(joint), joint)
    return torch.where(none, torch.zeros_like(joint), F.softplus(joint)) - F.softplus(prior)


def effect_probabilities(pip: torch.Tensor, layout: BagLayout) -> torch.Tensor:
    """Logarithms of the probabilities that one effect of a bag is that of each instance, from PIPs.

    In SuSiE (Wang et al. 2020, J R Stat Soc B 82:1273) a bag has K single effects, and ``PIP_j = 1 - prod_l
    (1 - alpha_lj)``. A table of PIPs holds the product alone, so the effects are taken for exchangeable:
    ``alpha_j = 1 - (1 - PIP_j)^(1/K)``, with K the sum of the PIPs, or 1 if that is more. For one effect
    alpha is the PIP, and two instances of PIP 1 have the same part of an effect.

    The alphas were found under equal priors, so they are proportional to the Bayes factors of the instances
    (``alpha_j = BF_j / sum BF``): with the network as prior, ``log_bf = log alpha`` up to a number common to
    the bag, which no posterior depends on.

    Parameters
    ----------
    pip : torch.Tensor, shape (n,)
        PIPs of the instances, 0 to 1. Values below 1e-6 or above 1 - 1e-6 are set to these, since tables are
        rounded.

    Returns
    -------
    torch.Tensor, shape (n,)
        Without a gradient; NaN throughout bags with a PIP that is NaN, below 0 or above 1.
    """
    with torch.no_grad():
        pip = pip.masked_fill((pip < 0) | (pip > 1), torch.nan)
        effects = layout.sum(pip).clamp_min(1.0)[layout.bag]
        rest = torch.log1p(-pip.clamp(1e-6, 1 - 1e-6)) / effects
        return torch.log(-torch.expm1(rest))


def posterior(logits: torch.Tensor, log_bf: torch.Tensor, layout: BagLayout) -> torch.Tensor:
    """Probability that each instance is the causal one, given that one of its bag is.

    The expectation step: ``q = pi BF / sum pi BF`` with ``pi`` proportional to ``exp(f)``. Bayes factors need
    be known up to one number per bag.

    Parameters
    ----------
    log_bf : torch.Tensor, shape (n,)
        Natural logarithms of the Bayes factors of the instances.

    Returns
    -------
    torch.Tensor, shape (n,)
        Summing to 1 in each bag; without a gradient.
    """
    return layout.log_softmax((logits + log_bf).detach()).exp()


def expected_log_prior(logits: torch.Tensor, weights: torch.Tensor, layout: BagLayout) -> torch.Tensor:
    """``sum q log pi`` with ``pi = exp(f) / (1 + sum exp(f))``, which the maximisation step increases.

    Let a bag hold one causal instance or none, with the prior pi. A positive bag holds one, so the likelihood
    of its data is ``sum pi BF``; its expectation step is :func:`posterior`, and for any other prior pi'
    ``log sum pi' BF - log sum pi BF >= sum q log pi' - sum q log pi`` (Dempster, Laird & Rubin 1977):
    increasing this increases the likelihood. At the network of q, both have the same gradient, ``q - pi``. A
    negative bag holds none: its log-likelihood is ``-log(1 + sum exp(f))``, the cross-entropy of ISR.

    Parameters
    ----------
    weights : torch.Tensor, shape (n,)
        Posterior probabilities q of the instances, which sum to 1 in each bag.
    """
    none = F.softplus(layout.log_sum_exp(logits))
    return layout.sum(weights * (logits - none[layout.bag]))


def _log_softplus(x: torch.Tensor) -> torch.Tensor:
    """``log(log(1 + exp(x)))`` without underflow."""
    low = x < -15
    return torch.where(low, x - x.clamp_max(-15).exp() / 2, F.softplus(torch.where(low, 0.0, x)).log())


def _log_one_minus_exp(x: torch.Tensor, log_x: torch.Tensor) -> torch.Tensor:
    """``log(1 - exp(-x))`` for x > 0, whose logarithm is known even where x underflows."""
    small = x < 1e-3
    series = log_x - x / 2 + x**2 / 24
    return torch.where(small, series, (-torch.expm1(-torch.where(small, 1.0, x))).log())


def _log_quotient(m: torch.Tensor, r: float) -> torch.Tensor:
    """``log((1 - (1 - m)^(1/r)) / (m / r))``, for m up to 1/2."""
    small = m < 1e-3
    a = 1 - 1 / r
    series = torch.log1p(a * m / 2 * (1 + (2 - 1 / r) * m / 3))
    safe = torch.where(small, 0.25, m)
    return torch.where(small, series, (-torch.expm1(torch.log1p(-safe) / r) * r / safe).log())
