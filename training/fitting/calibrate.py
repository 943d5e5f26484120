"""Give a network's logits the slope and the offset that the bags of a data set ask for, before any training.

The logits of a network say how it orders variants; their scale and level are those of the bags that it was
trained on. Two numbers, a and c of ``a f + c``, are fitted to the loss of the training bags of a new data
set, which is empirical Bayes where the loss is a likelihood. They are folded into the linear head, so that
gradient steps begin with the best that the network can say without learning anything new.

Negative bags decide the level of the logits. Without them the loss falls as the level rises, until every
score is 1: then c stays 0, and a alone is fitted, within narrower bounds (:func:`largest_slope`).
"""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize

from mifm_kipoi.network.model import MIFM
from training.fitting.predictions import Validation, forward_windows
from training.mil.genome_tensor import GenomeTensor
from training.mil.layout import BagLayout
from training.mil.objective import Instances, Objective

LEAST_SLOPE, LARGEST_SLOPE = 0.1, 100.0
"""Bounds of the slope. At 0 no gradient would reach the layers below the head, and all that the network may
know would be lost."""

LARGEST_SLOPE_ALONE = 10.0
"""Upper bound of the slope where there are no negative bags."""

HIGHEST_LOGIT = 10.0
"""Without negative bags, the slope takes no logit above this, a score of 0.99995: somewhat higher, scores of
float32 are all 1."""

_TOLERANCE = {"ftol": 1e-12, "gtol": 1e-8}

_STARTS = (1.0, 0.2)
"""Slopes from which the minimum is looked for."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The slope and the offset of logits.

    Parameters
    ----------
    slope : float
        a, by which logits are multiplied; between :data:`LEAST_SLOPE`, which says that the bags do not follow
        the order of the logits, and ``largest``.
    offset : float
        c, which is added; 0 without negative bags.
    loss_before, loss : float
        Of the bags, with the logits as they were and with the two numbers.
    negatives : bool
        Whether there were negative bags, which the offset is fitted to.
    largest : float
        Upper bound of the slope.
    """

    slope: float
    offset: float
    loss_before: float
    loss: float
    negatives: bool = True
    largest: float = LARGEST_SLOPE

    def of(self, network: MIFM) -> MIFM:
        """A copy of a network whose logits have the slope and the offset."""
        changed = copy.deepcopy(network)
        bias = changed.head.bias
        assert bias is not None, "the head has one"
        with torch.no_grad():
            changed.head.weight *= self.slope
            bias.mul_(self.slope).add_(self.offset)
        return changed

    def in_words(self) -> str:
        """The two numbers and what they do to the loss."""
        if self.negatives:
            least = self.slope <= LEAST_SLOPE
            remark = ", the least: the bags do not follow the order of these scores" if least else ""
            offset = f"offset {self.offset:+g}"
        else:
            remark = f", of {LEAST_SLOPE:g} to {self.largest:g}"
            offset = "offset 0: there are no negative bags, which decide it (fit.negatives_per_bag)"
        return (
            f"calibrated before training: slope {self.slope:g}{remark}, {offset}; loss of the training bags "
            f"{self.loss_before:.4f} -> {self.loss:.4f}"
        )


def calibrate(network: MIFM, objective: Objective, genome: GenomeTensor, bags: Validation) -> Calibration:
    """The slope and the offset under which the loss of some bags is the lowest.

    Without negative bags the offset is 0, and the slope is at most :func:`largest_slope`.

    Parameters
    ----------
    network : MIFM
        Evaluated as in inference. It is left in the mode in which it came.
    objective : Objective
        The loss, of a pooling that reads logits alone.
    genome : GenomeTensor
        The contigs of the bags, on the network's device.
    bags : Validation
        The bags, with the negatives that a fit would draw; on the same device.

    Returns
    -------
    Calibration
        The two numbers have six digits, so that they do not depend on the order of sums.

    Raises
    ------
    ValueError
        When the pooling reads the features too.
    """
    if objective.needs_features:
        raise ValueError(f"{objective.config.pooling} reads features, which slope and offset do not change")
    entries = _entries(network, genome, bags)
    whole = bags.batches.whole
    negatives = bool((whole.labels == 0).any())
    largest = LARGEST_SLOPE
    if not negatives:
        largest = largest_slope(max(float(instances.logits.max()) for instances, _, _ in entries))
    weights = torch.split(
        objective.weights(whole.labels, whole.weights, whole.fractions).double(),
        [len(labels) for _, _, labels in entries],
    )
    training = objective.training
    objective.eval()

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        numbers = torch.tensor(parameters, dtype=torch.float64, requires_grad=True)
        total = torch.zeros((), dtype=torch.float64)
        for (instances, layout, labels), own in zip(entries, weights, strict=True):
            logits = numbers[0].exp().to(own.device) * instances.logits + numbers[1].to(own.device)
            changed = dataclasses.replace(instances, logits=logits)
            total = total + (objective.bag_losses(changed, layout, labels) * own).sum().cpu()
        (gradient,) = torch.autograd.grad(total, numbers)
        return float(total.detach()), gradient.numpy()

    try:
        before, _ = loss(np.zeros(2))
        bounds = [(math.log(LEAST_SLOPE), math.log(largest)), (None, None) if negatives else (0, 0)]
        found = [
            minimize(
                loss, [math.log(start), 0.0], jac=True, method="L-BFGS-B", bounds=bounds, options=_TOLERANCE
            )
            for start in _STARTS
        ]
    finally:
        objective.train(training)
    best = min(found, key=lambda one: float(one.fun))
    slope, offset = (float(f"{number:.6g}") for number in (math.exp(best.x[0]), best.x[1]))
    return Calibration(slope, offset, before, float(best.fun), negatives, largest)


def largest_slope(highest: float) -> float:
    """Upper bound of the slope where there are no negative bags.

    Parameters
    ----------
    highest : float
        The highest logit.

    Returns
    -------
    float
        :data:`LARGEST_SLOPE_ALONE`, or less where that would take the highest logit above
        :data:`HIGHEST_LOGIT`; 1 at least.
    """
    if highest * LARGEST_SLOPE_ALONE <= HIGHEST_LOGIT:
        return LARGEST_SLOPE_ALONE
    return max(1.0, HIGHEST_LOGIT / highest)


def _entries(
    network: MIFM, genome: GenomeTensor, bags: Validation
) -> list[tuple[Instances, BagLayout, torch.Tensor]]:
    """What the loss reads of each batch, in double precision."""
    mode = network.training
    network.eval()
    entries = []
    try:
        # Not in inference mode, whose tensors no gradient may pass through.
        with torch.no_grad():
            for batch in bags.batches:
                logits, _ = forward_windows(network, genome, bags.part, batch)
                instances = Instances(
                    logits[batch.window].double(), None, bags.part.log_bf[batch.evidence].double(),
                    bags.part.pip[batch.evidence].double(),
                )  # fmt: skip
                entries.append((instances, BagLayout(batch.group, len(batch.labels)), batch.labels.double()))
    finally:
        network.train(mode)
    return entries
