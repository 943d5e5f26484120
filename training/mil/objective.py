"""From instance logits to the loss of bags."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from mifm_kipoi.support.configuration import check_least
from training.mil import pooling
from training.mil.layout import BagLayout

PoolingName = Literal[
    "max", "log_sum_exp", "generalised_mean", "isr", "noisy_or", "top_k_mean",
    "gated_attention", "additive_attention", "single_effect", "susie_em",
]  # fmt: skip

_ATTENTION = ("gated_attention", "additive_attention")


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """How bags are scored, and what the loss is.

    Parameters
    ----------
    pooling : str
        How the scores of its instances give a bag's score; see :mod:`training.mil.pooling`.
    sharpness : float
        ``r`` of ``log_sum_exp`` and ``generalised_mean``, positive.
    top_k : int
        ``k`` of ``top_k_mean``, at least 1.
    hidden : int
        Hidden units of the attention poolings.
    null : bool
        Whether ``single_effect`` allows positive bags without a causal instance, the default: where the Bayes
        factors are weak, the label counts little. Without it a positive bag holds one for certain, however
        weak they are.
    class_weight : str
        ``balanced``: the positive and the negative bags of a batch weigh the same in total; ``none``: each
        bag weighs the same.
    temper : float
        Exponent of the Bayes factors in the training loss of ``single_effect`` and ``susie_em``, above 0 and
        at most 1. Less than 1 trusts them less: their PIPs are too certain where LD differs between studies,
        or an effect is not the only one. In evaluation it is 1.

    Raises
    ------
    ValueError
        When a value is impossible.
    """

    pooling: PoolingName = "single_effect"
    sharpness: float = 5.0
    top_k: int = 3
    hidden: int = 32
    null: bool = True
    class_weight: Literal["balanced", "none"] = "balanced"
    temper: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.sharpness < math.inf:
            raise ValueError(f"sharpness is {self.sharpness}; expected a positive number")
        if not 0 < self.temper <= 1:
            raise ValueError(f"temper is {self.temper}; expected a number above 0 and at most 1")
        check_least(self, top_k=1, hidden=1)

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistics that every instance of a positive bag must have."""
        return {"single_effect": ("log_bf",), "susie_em": ("pip",)}.get(self.pooling, ())


@dataclasses.dataclass(frozen=True)
class Instances:
    """What the loss reads of the instances of some bags.

    Parameters
    ----------
    logits : torch.Tensor, shape (n,)
        Logits of the network.
    features : torch.Tensor, shape (n, d), optional
        The input of the network's linear head; the attention poolings need it.
    log_bf, pip : torch.Tensor, shape (n,), optional
        Log Bayes factors and PIPs, see :class:`training.mil.evidence.Evidence`; ``single_effect`` needs the
        first, ``susie_em`` the second. Those of negative bags are not read.
    """

    logits: torch.Tensor
    features: torch.Tensor | None = None
    log_bf: torch.Tensor | None = None
    pip: torch.Tensor | None = None


class Objective(nn.Module):
    """The loss of bags, and their logits.

    Poolings that give a bag a logit are trained with its cross-entropy. ``single_effect`` is trained with
    minus the log-likelihood of a positive bag's summary statistics, which falls below 0 where the Bayes
    factors are large. ``susie_em`` is trained by expectation maximisation, with PIPs for Bayes factors
    (:func:`training.mil.pooling.effect_probabilities`, :func:`training.mil.pooling.expected_log_prior`). The
    prior of both has a null, none causal, that fixes the scale of the logits: a softmax over the bag alone
    does not change with a number added to its logits, and negatives would push them down without end. A
    negative bag is the null in both, so its loss is the cross-entropy of ISR.

    Parameters
    ----------
    config : ObjectiveConfig, optional
        The pooling and its settings; the defaults where it is left out.
    feature_size : int
        Size of the features; only the attention poolings read them, and only these have parameters.
    """

    def __init__(self, config: ObjectiveConfig | None = None, feature_size: int = 64) -> None:
        super().__init__()
        self.config = config = config or ObjectiveConfig()
        if config.pooling in _ATTENTION:
            self.attention = pooling.GatedAttention(feature_size, config.hidden)
        if config.pooling == "additive_attention":
            self.log_slope = nn.Parameter(torch.zeros(()))

    @property
    def needs_features(self) -> bool:
        """Whether the loss reads the features."""
        return self.config.pooling in _ATTENTION

    def bag_logits(self, instances: Instances, layout: BagLayout) -> torch.Tensor:  # noqa: PLR0911 - one each
        """Logits of bags, those of the label: (count,).

        For ``single_effect`` and ``susie_em`` those of :func:`training.mil.pooling.isr`, for the network does
        not predict the evidence of a GWAS.

        Parameters
        ----------
        instances : Instances
            All instances of the bags.
        layout : BagLayout
            The bag of each instance.
        """
        config, logits = self.config, instances.logits
        match config.pooling:
            case "max":
                return pooling.max_pooling(logits, layout)
            case "log_sum_exp":
                return pooling.log_sum_exp(logits, layout, config.sharpness)
            case "generalised_mean":
                return pooling.generalised_mean(logits, layout, config.sharpness)
            case "noisy_or":
                return pooling.noisy_or(logits, layout)
            case "top_k_mean":
                return pooling.top_k_mean(logits, layout, config.top_k)
            case "gated_attention" | "additive_attention":
                return self._attended(instances, layout)
            case _:
                return pooling.isr(logits, layout)

    def forward(
        self,
        instances: Instances,
        layout: BagLayout,
        labels: torch.Tensor,
        weights: torch.Tensor | None = None,
        fractions: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean loss of bags, weighted.

        A bag may be in several parts, such as one for each study, each a bag to the pooling; its loss is then
        the weighted sum of theirs.

        Parameters
        ----------
        instances : Instances
            All instances of the bags.
        layout : BagLayout
            The bag of each instance.
        labels : torch.Tensor of floating point, shape (count,)
            1 for positive bags, 0 for negative ones.
        weights, fractions : torch.Tensor, shape (count,), optional
            See :meth:`weights`.

        Returns
        -------
        torch.Tensor, shape ()
            NaN when an instance of a positive bag lacks a number that the loss needs.

        Raises
        ------
        ValueError
            When no instance has this number.
        """
        losses = self.bag_losses(instances, layout, labels)
        return (losses * self.weights(labels, weights, fractions)).sum()

    def weights(
        self, labels: torch.Tensor, weights: torch.Tensor | None = None, fractions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """How much the loss of each bag, or part of one, counts in the mean: (count,).

        Parameters
        ----------
        labels : torch.Tensor of floating point, shape (count,)
            1 for positive bags, 0 for negative ones.
        weights : torch.Tensor, shape (count,), optional
            Of the parts; 1 by default, and then the result sums to 1.
        fractions : torch.Tensor, shape (count,), optional
            1 over the number of parts of each part's bag, so that they sum to the number of bags; 1 by
            default.
        """
        fractions = torch.ones_like(labels) if fractions is None else fractions
        each = torch.ones_like(labels)
        if self.config.class_weight == "balanced":
            positives, negatives = (labels * fractions).sum(), ((1 - labels) * fractions).sum()
            each = torch.where(labels > 0, 1 / positives.clamp_min(1), 1 / negatives.clamp_min(1))
        each = each / (each * fractions).sum()
        return each if weights is None else each * weights

    def bag_losses(self, instances: Instances, layout: BagLayout, labels: torch.Tensor) -> torch.Tensor:
        """Loss of each bag: (count,)."""
        if self.config.pooling in ("single_effect", "susie_em"):
            return -self._log_likelihood(instances, layout, labels)
        logits = self.bag_logits(instances, layout)
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def _log_likelihood(self, instances: Instances, layout: BagLayout, labels: torch.Tensor) -> torch.Tensor:
        logits = instances.logits
        temper = self.config.temper if self.training else 1.0
        none = F.logsigmoid(-pooling.isr(logits, layout))
        if self.config.pooling == "susie_em":
            pip = _of_positives("pip", instances.pip, layout, labels)
            weights = pooling.posterior(logits, temper * pooling.effect_probabilities(pip, layout), layout)
            positive = pooling.expected_log_prior(logits, weights, layout)
        else:
            log_bf = temper * _of_positives("log_bf", instances.log_bf, layout, labels)
            positive = pooling.single_effect(logits, log_bf, layout, self.config.null)
            if not self.config.null:  # the softmax over the bag times the prior that one is causal
                positive = positive + F.logsigmoid(pooling.isr(logits, layout))
        return torch.where(labels > 0, positive, none)

    def _attended(self, instances: Instances, layout: BagLayout) -> torch.Tensor:
        if instances.features is None:
            raise ValueError(f"{self.config.pooling} needs the features of the instances; got None")
        scores = self.attention(instances.features)
        if self.config.pooling == "gated_attention":
            return pooling.attention(instances.logits, scores, layout)
        return pooling.additive_attention(instances.logits, scores, self.log_slope.exp(), layout)


def initial_bias(name: PoolingName, mean_bag_size: float) -> float:
    """The instance logit from which training starts, so that a bag of mean size starts near a logit of 0.

    Noisy-or, ISR and the losses built on it add up the instances of a bag: from logits of 0 every larger bag
    would begin as a certain positive, with a gradient close to 0. The others start at 0.

    Parameters
    ----------
    name : str
        The pooling.
    mean_bag_size : float
        Mean number of instances of a positive bag.
    """
    if name in ("isr", "single_effect", "susie_em"):
        return -math.log(mean_bag_size)
    if name == "noisy_or":
        # 1 - (1 - p)^n = 1/2
        return math.log(math.expm1(math.log(2) / mean_bag_size))
    return 0.0


def _of_positives(
    name: str, values: torch.Tensor | None, layout: BagLayout, labels: torch.Tensor
) -> torch.Tensor:
    """Values of the instances, with 0 for those of negative bags."""
    if values is None:
        raise ValueError(f"the loss needs {name} of the instances; got None")
    return torch.where(labels[layout.bag] > 0, values, torch.zeros_like(values))
