"""How a member is fitted: the settings."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from training.configuration import check_least
from training.mil.batches import BagSample
from training.mil.objective import ObjectiveConfig

PLACE = ("accelerator", "log_every", "keep_epochs")
"""Settings in which a run may differ from that which it goes on with."""

Precision = Literal["fp32", "bf16", "fp16"]
Schedule = Literal["exponential", "cosine", "constant"]
Monitor = Literal["auroc", "auprc", "loss", "last"]


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How a member is fitted.

    Parameters
    ----------
    objective : ObjectiveConfig
    seed : int
        Of the initial weights, dropout, the order of bags and all that is drawn. Not negative.
    epochs : int
        How often each positive bag is seen.
    bags_per_batch, negatives_per_bag : int
        Positive bags of a step, and negative ones drawn with each; see :class:`training.mil.batches.Sampler`.
        Validation has as many negatives to a positive bag, the same in every epoch and for every seed.
    max_bag_size : int
        Instances of a bag that are used at most.
    bag_sample : str
        Which of a larger one: those of lowest ``p_value``, or others at ``random`` in each epoch.
        Validation goes by p-value.
    max_shift : int
        Training windows are shifted by up to so many bases to either side.
    reverse_complement : bool
        Whether half of the training windows are those of the other strand. The published score knows one
        strand only.
    learning_rate, weight_decay : float
        Of AdamW; without decay it is Adam.
    schedule : str
        ``exponential``: times ``gamma`` after each epoch; ``cosine``: to zero at the end; ``constant``.
    gamma : float
    warm_up_steps : int
        Steps in which the learning rate rises from zero, over the schedule.
    precision : str
        Format of activations: ``fp32``, ``bf16``, or ``fp16`` with a scaled loss, on GPUs only.
    monitor : str
        The best epoch is that of the lowest validation ``loss``, or the highest ``auroc`` or ``auprc``, of
        bags; the ``last`` needs no validation bags. The areas mislead where positive bags are large and
        negative ones have one instance: the size alone tells them apart, before anything is learnt.
    patience : int
        Stop after so many epochs without a better one; 0 never stops early.
    deterministic : bool
        Ask PyTorch for the algorithms that give the same bits again. On a CPU, with the same number of
        threads, they do so in any case; on GPUs this costs time.
    accelerator : str
        A name that Lightning knows: auto, cpu, gpu, cuda, mps.
    devices : int
        Processes, each with a device, a share of the bags, and batches of ``bags_per_batch``.
    log_every : int
        Steps between looks at the loss: for the log, and whether it is finite.
    keep_epochs : bool
        Write the weights of every epoch, as ``epochs/epoch-0.safetensors`` and so on.
    """

    objective: ObjectiveConfig = dataclasses.field(default_factory=ObjectiveConfig)
    seed: int = 1
    epochs: int = 20
    bags_per_batch: int = 4
    negatives_per_bag: int = 8
    max_bag_size: int = 127
    bag_sample: BagSample = "p_value"
    max_shift: int = 8
    reverse_complement: bool = False
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    gamma: float = 0.9
    warm_up_steps: int = 0
    precision: Precision = "fp32"
    monitor: Monitor = "loss"
    patience: int = 0
    deterministic: bool = False
    accelerator: str = "auto"
    devices: int = 1
    log_every: int = 50
    keep_epochs: bool = False

    def __post_init__(self) -> None:
        check_least(
            self, seed=0, epochs=1, bags_per_batch=1, negatives_per_bag=0, max_bag_size=1, max_shift=0,
            weight_decay=0, warm_up_steps=0, patience=0, devices=1, log_every=1,
        )  # fmt: skip
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}; expected a positive number")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}; expected a number in (0, 1]")

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of a step; steps count from 0."""
        factor = 1.0
        if self.schedule == "exponential":
            factor = self.gamma ** (step // steps_per_epoch)
        elif self.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * step / (steps_per_epoch * self.epochs)))
        warm_up = min(1.0, (step + 1) / self.warm_up_steps) if self.warm_up_steps else 1.0
        return self.learning_rate * factor * warm_up
