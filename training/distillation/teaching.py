"""What teachers ask of a student on the bags of a data set, and how well it answers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.network.model import MIFM
from training.data.dataset import DataSet
from training.fitting.predictions import (
    auroc,
    instance_logits,
    largest,
    mean_logits,
    pearson,
    probabilities,
    used_instances,
)
from training.mil.genome_tensor import GenomeTensor

if TYPE_CHECKING:
    from training.distillation.bags import BagDistilConfig

_Floats = npt.NDArray[np.float64]


class DistilError(MIFMError):
    """A distillation that cannot be done, or that went wrong."""


@dataclasses.dataclass(frozen=True)
class Taught:
    """Windows of one split, and what the teachers say of them.

    Parameters
    ----------
    dataset : DataSet
    offsets : torch.Tensor of int64, shape (n,)
        Where each window lies in the genome.
    logits : numpy.ndarray of float64, shape (n,)
        Of the teachers' mean probability.
    target, weight : numpy.ndarray of float64, shape (n,)
        What the student is to answer, and how much that counts.
    """

    dataset: DataSet
    offsets: torch.Tensor
    logits: _Floats
    target: _Floats
    weight: _Floats


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How a student's answers compare with its teachers'; NaN where there is nothing to compare.

    Parameters
    ----------
    loss : float
        The weighted squared error that the student learns to lower.
    mse : float
        Mean squared difference between the student's probability and the teachers' mean.
    pearson : float
        Correlation of the student's logits and those of the teachers' mean.
    same_top : float
        Share of the positive bags of two or more instances in which both put the same one first.
    auroc, teachers_auroc : float
        Of bags by their highest instance, against their labels. Positive bags hold more instances than
        negative ones, so that networks without any skill exceed 0.5; the two are to be compared.
    """

    loss: float
    mse: float
    pearson: float
    same_top: float
    auroc: float
    teachers_auroc: float


def targets(
    logits: _Floats, bag: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], config: BagDistilConfig
) -> tuple[_Floats, _Floats]:
    """What the student is to answer, and the weights.

    Parameters
    ----------
    logits : numpy.ndarray, shape (n,)
        Of the teachers' mean probability.
    bag : numpy.ndarray of int64, shape (n,)
        Rising from 0 without gaps.
    labels : numpy.ndarray, shape (m,)
        1 for positive bags, 0 for negative ones, which have no instance that could be chosen.
    config : BagDistilConfig

    Returns
    -------
    target, weight : numpy.ndarray of float64, shape (n,)
    """
    if config.target == "mean":
        return probabilities(logits), np.ones(logits.size)
    target = np.zeros(logits.size)
    target[largest(logits, bag)[labels == 1]] = 1
    return target, np.where(target == 1, config.positive_weight, 1.0)


def teach(
    teachers: Sequence[MIFM], dataset: DataSet, genome: GenomeTensor, config: BagDistilConfig
) -> Taught:
    """Ask the teachers for every window of a data set once; all on one device."""
    used = used_instances(dataset, config.max_bag_size)
    offsets = genome.offsets(used.instances)
    logits = mean_logits([instance_logits(teacher, genome, offsets) for teacher in teachers])
    if not np.isfinite(logits).all():
        raise DistilError("the teachers' answers are not finite; their weights cannot be used")
    labels = used.bags["label"].to_numpy(np.int64)
    target, weight = targets(logits, used.instances["bag"].to_numpy(), labels, config)
    return Taught(used, offsets, logits, target, weight)


def agreement(student: MIFM, taught: Taught, genome: GenomeTensor) -> Agreement:
    """Compare a student with its teachers."""
    bags, bag = taught.dataset.bags, taught.dataset.instances["bag"].to_numpy()
    if not len(bags):
        return Agreement(*[math.nan] * len(dataclasses.fields(Agreement)))
    logits = instance_logits(student, genome, taught.offsets)
    answer, mean = probabilities(logits), probabilities(taught.logits)
    own, theirs = largest(logits, bag), largest(taught.logits, bag)
    labels = bags["label"].to_numpy(np.int64)
    several = (labels == 1) & (bags["size"].to_numpy() > 1)
    return Agreement(
        loss=float(np.mean(taught.weight * (answer - taught.target) ** 2)),
        mse=float(np.mean((answer - mean) ** 2)),
        pearson=pearson(logits, taught.logits),
        same_top=float(np.mean((own == theirs)[several])) if several.any() else math.nan,
        auroc=auroc(logits[own], labels),
        teachers_auroc=auroc(taught.logits[theirs], labels),
    )
