"""What training is measured on: random bags of the paper's shape, and the steps of a member."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.gpu.sizes import Sizes
from benchmarks.speed import synthetic
from mifm_kipoi.conventions import WINDOW
from mifm_kipoi.network.model import MIFM, MIFMConfig
from training.data.dataset import DataSet, Split
from training.fitting.config import FitConfig
from training.fitting.fit import Fit
from training.fitting.predictions import Part, forward_bags
from training.mil.batches import Epoch, Sampler
from training.mil.evidence import Evidence
from training.mil.genome_tensor import GenomeTensor
from training.mil.objective import Objective, ObjectiveConfig, PoolingName

MEMBER = MIFMConfig(channels=5, dropout=0.5, dropout_kind="channels", dropout_place="dilated")
"""A member of the recipe ``paper``."""


def paper_config(
    pooling: PoolingName = "max", epochs: int = 1, precision: str = "fp32", seed: int = 1
) -> FitConfig:
    """The steps of the recipe ``paper``: 32 bags of up to 127 windows, and a negative to each."""
    return FitConfig(
        ObjectiveConfig(pooling=pooling), seed=seed, epochs=epochs, bags_per_batch=32, negatives_per_bag=1,
        evidence="lowest_p", max_shift=8, reverse_complement=False, learning_rate=1e-4,
        schedule="exponential", monitor="last", precision=precision, tensorboard=False,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Steps:
    """The batches of an epoch with all that they need, on one device.

    Parameters
    ----------
    objective : Objective
        The pooling and the loss.
    genome : GenomeTensor
        The contigs.
    part : Part
        The training bags.
    epoch : Epoch
        The batches.
    """

    objective: Objective
    genome: GenomeTensor
    part: Part
    epoch: Epoch

    def loss(self, network: MIFM, step: int) -> torch.Tensor:
        """The loss of a batch, as a fit computes it."""
        batch = self.epoch[step]
        instances, layout = forward_bags(network, self.objective, self.genome, self.part, batch)
        loss: torch.Tensor = self.objective(instances, layout, batch.labels, batch.weights, batch.fractions)
        return loss

    def windows(self, step: int, config: MIFMConfig) -> torch.Tensor:
        """The windows of a batch, ready for the network: (n, channels, window)."""
        batch = self.epoch[step]
        return self.genome.cut(
            self.part.offsets[batch.rows], config.window, batch.shifts, batch.reverse,
            token=config.channels == 5,
        )  # fmt: skip


class Setting:
    """Random bags, their genome, and members that are fitted to them.

    Parameters
    ----------
    sizes : Sizes
        How much is measured.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.dataset, self.genome = synthetic.make_in_memory(sizes.shape, WINDOW + 8, sizes.genome_block)
        self.measured = training_bags(self.dataset, sizes.measured_bags)

    @property
    def whole(self) -> DataSet:
        """All training bags."""
        return self.dataset.part(Split.TRAIN)

    @property
    def epoch_windows(self) -> int:
        """Windows of an epoch over all training bags."""
        config, train = paper_config(), self.dataset.bags[self.dataset.bags["split"] == Split.TRAIN.value]
        sizes = train.loc[train["label"] == 1, "size"].clip(upper=config.max_bag_size)
        return int(sizes.sum()) + config.negatives_per_bag * len(sizes)

    def network(self, dropout: float = MEMBER.dropout, seed: int = 1) -> MIFM:
        """A member with random weights, on the CPU."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return MIFM(dataclasses.replace(MEMBER, dropout=dropout))

    def steps(self, device: torch.device, pooling: PoolingName = "max") -> Steps:
        """The batches of the first epoch over the bags that are measured."""
        train, config = self.measured, paper_config(pooling)
        evidence = Evidence.of(train, config.evidence)
        sampler = Sampler(
            evidence, config.evidence, seed=config.seed, bags_per_batch=config.bags_per_batch,
            negatives_per_bag=config.negatives_per_bag, max_bag_size=config.max_bag_size,
            max_shift=config.max_shift,
        )  # fmt: skip
        part = Part.of(train, self.genome, evidence)
        objective = Objective(config.objective, MEMBER.head_channels)
        return Steps(
            objective.to(device), self.genome.to(device), part.to(device), sampler.epoch(0).to(device)
        )

    def fit(
        self,
        device: torch.device,
        config: FitConfig,
        dataset: DataSet | None = None,
        on_progress: Callable[[int, float], None] | None = None,
    ) -> pd.DataFrame:
        """The log of a fit of a member; its files are thrown away.

        Parameters
        ----------
        device : torch.device
            Where it is fitted.
        config : FitConfig
            How.
        dataset : DataSet, optional
            To which bags; by default those that are measured.
        on_progress : callable, optional
            As of :meth:`training.fitting.fit.Fit.run`.
        """
        config = dataclasses.replace(config, accelerator=device.type)
        with tempfile.TemporaryDirectory() as folder:
            fit = Fit(dataset or self.measured, self.genome, MEMBER, config, Path(folder))
            return fit.run(on_progress).history


_NEGATIVES = 20
"""Negative bags that are kept for each positive one; an epoch draws fewer."""


def training_bags(dataset: DataSet, bags: int) -> DataSet:
    """So many of the positive bags for training, drawn at random, some negative ones, and no validation."""
    train = dataset.part(Split.TRAIN)
    labels, generator = train.bags["label"].to_numpy(), np.random.default_rng(1)
    marked = train.bags.copy()
    for label, kept in ((1, bags), (0, bags * _NEGATIVES)):
        left_out = generator.permutation(np.flatnonzero(labels == label))[kept:]
        marked.loc[left_out, "split"] = Split.TEST.value
    return dataclasses.replace(train, bags=marked).part(Split.TRAIN)
