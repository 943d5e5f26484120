"""The settings of distillations, the files that they write, and their error."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.support.configuration import check_least

STUDENT = "student.safetensors"
"""The weights of the student, in the folder of a distillation."""

CHECKPOINT = "checkpoint.pt"
"""On bags: the last epoch and the best one, from which an interrupted distillation resumes."""

LOG = "log.csv"
"""On bags one row per epoch: the mean training loss, and
:class:`~training.distillation.distil.Agreement` on validation bags. On sequence the losses, one row per
:class:`~training.distillation.sequence.LogLine`."""


class DistilError(MIFMError):
    """A distillation that cannot be done, or that went wrong."""


@dataclasses.dataclass(frozen=True)
class BagDistilConfig:
    """How a student is distilled on bags.

    Parameters
    ----------
    target : str
        What the student learns: ``mean`` or ``arg_max``; see :mod:`training.distillation.distil`.
    positive_weight : float, optional
        Weight of a window whose target is 1; those of target 0 weigh 1, and the others in proportion:
        ``1 + (positive_weight - 1) * target``. By default 1 for ``mean`` and 100 for ``arg_max``.
    negatives_per_bag : int, optional
        Negative bags that an epoch has for each positive one, drawn without replacement by the seed and the
        number of the epoch alone; all of them where there are fewer. By default every epoch has all.
    seed : int
        Seed of the initial weights, of the order of windows and of the drawn negatives. Not negative.
    epochs : int
        Passes over the windows.
    windows_per_batch : int
        Windows per optimiser step.
    max_bag_size : int
        Most instances of a bag that are used, those of lowest p-value.
    learning_rate : float
        Learning rate of Adam in the first epoch.
    gamma : float
        Factor of the learning rate after each epoch, in (0, 1].
    """

    target: Literal["mean", "arg_max"] = "mean"
    positive_weight: float | None = None
    negatives_per_bag: int | None = None
    seed: int = 1
    epochs: int = 30
    windows_per_batch: int = 256
    max_bag_size: int = 127
    learning_rate: float = 1e-3
    gamma: float = 0.9

    def __post_init__(self) -> None:
        check_least(self, seed=0, epochs=1, windows_per_batch=2, max_bag_size=1)
        if self.negatives_per_bag is not None:
            check_least(self, negatives_per_bag=0)
        for name, value in (("positive_weight", self.weight_of_one), ("learning_rate", self.learning_rate)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; expected a positive number")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}; expected a number in (0, 1]")

    @property
    def weight_of_one(self) -> float:
        """The weight of a window whose target is 1: ``positive_weight``, or the default of the target."""
        if self.positive_weight is not None:
            return self.positive_weight
        return 100.0 if self.target == "arg_max" else 1.0


@dataclasses.dataclass(frozen=True)
class SequenceDistilConfig:
    """How a student is distilled on sequence.

    Parameters
    ----------
    contigs, held_out : tuple of str
        Contigs of the FASTA that the student is taught on, and those that its fidelity is measured on.
    seed : int
        Seed of the student's initial weights and of the drawn sequence.
    hint_steps, end_to_end_steps : int
        Optimiser steps of the two stages.
    hint_learning_rate, end_to_end_learning_rate : float
        Highest learning rate of each stage; Adam with a short warm-up and a cosine to zero.
    statistics_share : float
        Fraction of the hint steps in which batch normalisation learns its statistics.
    chunk_bins : int
        Length of a chunk of sequence, in bins of the network (32 bp).
    hint_chunks, end_to_end_chunks : int
        Chunks per step; half of the end-to-end ones are the same chunks with substituted bases.
    exchange_every : int
        Bins from one substituted base to the next.
    delta_weight, hint_weight : float
        Weights of the logit changes and of the activations in the end-to-end loss; the logits themselves
        weigh 1. Every term is a mean squared error over the teacher's variance.
    log_every : int
        Steps from one line of the log to the next.
    """

    contigs: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    seed: int = 1
    hint_steps: int = 8000
    end_to_end_steps: int = 4000
    hint_learning_rate: float = 0.05
    end_to_end_learning_rate: float = 1e-4
    statistics_share: float = 0.6
    chunk_bins: int = 64
    hint_chunks: int = 8
    end_to_end_chunks: int = 16
    exchange_every: int = 8
    delta_weight: float = 1.0
    hint_weight: float = 0.1
    log_every: int = 200

    def __post_init__(self) -> None:
        if not self.contigs:
            raise ValueError("contigs is empty; expected the contigs to train on")
        if overlap := set(self.contigs) & set(self.held_out):
            raise ValueError(f"contigs and held_out both have {sorted(overlap)}")


@dataclasses.dataclass(frozen=True)
class DistilConfig:
    """How a student is distilled, in one of two ways.

    Parameters
    ----------
    source : str
        ``bags``: the mean of several teachers, or their choice in each bag, on the windows of a data set;
        ``sequence``: one teacher's logits everywhere on some contigs, for which no labels are needed.
    bags : BagDistilConfig
        Settings of ``bags``.
    sequence : SequenceDistilConfig, optional
        Settings of ``sequence``; must be given for it.
    """

    source: Literal["bags", "sequence"] = "bags"
    bags: BagDistilConfig = dataclasses.field(default_factory=BagDistilConfig)
    sequence: SequenceDistilConfig | None = None

    def __post_init__(self) -> None:
        if self.source == "sequence" and self.sequence is None:
            raise ValueError("distil.source is sequence, and distil.sequence is missing")
