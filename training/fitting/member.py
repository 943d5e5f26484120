"""A member while it is fitted: what Lightning calls, and how bags are evaluated."""

from __future__ import annotations

import dataclasses
import math

import lightning as L  # noqa: N812 - its usual name
import numpy as np
import pandas as pd
import torch
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from mifm_kipoi.network.model import MIFM
from training.data.dataset import DataSet
from training.fitting.config import FitConfig
from training.fitting.fit import FitError
from training.mil.batches import Batch, Epoch, Sampler
from training.mil.genome_tensor import GenomeTensor
from training.mil.layout import BagLayout
from training.mil.objective import Instances, Objective

_NAMED = 5
"""Blocks that an error names."""


@dataclasses.dataclass(frozen=True)
class Part:
    """The bags of one split, made ready: what the loss reads of every instance, on the genome's device.

    Parameters
    ----------
    bags : pandas.DataFrame
        See :data:`training.data.dataset.BAG_COLUMNS`.
    offsets : torch.Tensor of int64, shape (n,)
        From :meth:`training.mil.genome_tensor.GenomeTensor.offsets`.
    log_bf, pip : torch.Tensor of float32, shape (n,)
    """

    bags: pd.DataFrame
    offsets: torch.Tensor
    log_bf: torch.Tensor
    pip: torch.Tensor

    @classmethod
    def of(cls, dataset: DataSet, genome: GenomeTensor) -> Part:
        """All bags of a data set; raises what :meth:`GenomeTensor.offsets` does."""
        offsets = genome.offsets(dataset.instances)
        log_bf, pip = (
            torch.from_numpy(dataset.instances[name].to_numpy(np.float32, copy=True)).to(offsets.device)
            for name in ("log_bf", "pip")
        )
        return cls(dataset.bags, offsets, log_bf, pip)

    def to(self, device: torch.device | str) -> Part:
        """The same on another device."""
        return Part(self.bags, *(x.to(device) for x in (self.offsets, self.log_bf, self.pip)))


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a network says of bags.

    Parameters
    ----------
    loss : float
        Of all bags at once; NaN without bags.
    auroc, auprc : float
        Of the bags' scores against their labels; NaN where the bags are of one class.
    logits : torch.Tensor of float32, shape (n,)
        Of the instances, in the order of the batches.
    bag_logits : torch.Tensor of float32, shape (m,)
        Of the bags, in the order of the batches.
    """

    loss: float
    auroc: float
    auprc: float
    logits: torch.Tensor
    bag_logits: torch.Tensor


def see(
    network: MIFM, objective: Objective, genome: GenomeTensor, part: Part, batch: Batch
) -> tuple[Instances, BagLayout]:
    """Run the network over the windows of a batch.

    Returns
    -------
    instances : Instances
        What the objective reads.
    layout : BagLayout
        Their bags.
    """
    config = network.config
    windows = genome.cut(
        part.offsets[batch.rows], config.window, batch.shifts, batch.reverse, token=config.channels == 5
    )
    bins = network.bins(windows)[:, :, config.variant_bin : config.variant_bin + 1]
    features = network.features(bins)
    logits = network.head(features)[:, 0, 0].float()
    kept = features[:, :, 0] if objective.needs_features else None
    instances = Instances(logits, kept, part.log_bf[batch.rows], part.pip[batch.rows])
    return instances, BagLayout(batch.bag, len(batch.bags))


def evaluate(
    network: MIFM, objective: Objective, genome: GenomeTensor, part: Part, batches: Epoch
) -> Evaluation:
    """Score bags with the network as in inference, and compare with their labels.

    Parameters
    ----------
    network, objective, genome, part, batches
        All on one device. The network and the objective are left in the mode in which they came.

    Returns
    -------
    Evaluation
    """
    modes = network.training, objective.training
    network.eval()
    objective.eval()
    try:
        with torch.inference_mode():
            seen = [see(network, objective, genome, part, batch)[0] for batch in batches]
            if not seen:
                return Evaluation(math.nan, math.nan, math.nan, torch.empty(0), torch.empty(0))
            whole = _joined(seen)
            first = np.repeat([0, *batches.bag_ends[:-1]], np.diff(batches.instance_ends, prepend=0))
            bag = batches.whole.bag + torch.from_numpy(first).to(batches.whole.bag)
            labels = batches.whole.labels
            layout = BagLayout(bag, len(labels))
            found = objective.bag_logits(whole, layout).float()
            loss = float(objective(whole, layout, labels))
    finally:
        network.train(modes[0])
        objective.train(modes[1])
    return Evaluation(loss, *_areas(found, labels), whole.logits, found)


def _joined(parts: list[Instances]) -> Instances:
    def join(name: str) -> torch.Tensor | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else torch.cat(values)

    logits = torch.cat([part.logits for part in parts])
    return Instances(logits, join("features"), join("log_bf"), join("pip"))


def _areas(bag_logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """AUROC and AUPRC (average precision), NaN where they are not defined."""
    classes = labels.long()
    if not 0 < int(classes.sum()) < len(classes) or not torch.isfinite(bag_logits).all():
        return math.nan, math.nan
    # In float32 all large logits would have one probability, 1.
    scores = torch.sigmoid(bag_logits.cpu().double())
    classes = classes.cpu()
    return float(binary_auroc(scores, classes)), float(binary_average_precision(scores, classes))


class Member(L.LightningModule):
    """A network, its loss and its batches; nothing is moved or waited for in a step.

    Parameters
    ----------
    network : MIFM
    objective : Objective
    config : FitConfig
    genome : GenomeTensor
    train : Part
    validation : Part, optional
    sampler : Sampler
        Of the training bags.
    validation_batches : Epoch, optional
    """

    def __init__(
        self,
        network: MIFM,
        objective: Objective,
        config: FitConfig,
        genome: GenomeTensor,
        train: Part,
        validation: Part | None,
        sampler: Sampler,
        validation_batches: Epoch | None,
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.config = config
        self.first_epoch = 0
        self.losses = torch.empty(0)
        self._genome = genome
        self._train_part = train
        self._validation = validation
        self._validation_batches = validation_batches
        self._sampler = sampler

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0 over all runs that went on with each other."""
        return self.first_epoch + self.current_epoch

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return self._sampler.steps

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(
            self.parameters(),
            lr=self.config.rate(0, self.steps_per_epoch),
            weight_decay=self.config.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
        )

    def setup(self, stage: str) -> None:
        """Take over the process's share."""
        self._sampler = dataclasses.replace(
            self._sampler, rank=self.trainer.global_rank, world=self.trainer.world_size
        )

    def on_fit_start(self) -> None:
        """Bring everything that the steps read to the device."""
        device = self.device
        self._genome, self._train_part = self._genome.to(device), self._train_part.to(device)
        if self._validation is not None and self._validation_batches is not None:
            self._validation = self._validation.to(device)
            self._validation_batches = self._validation_batches.to(device)

    def train_dataloader(self) -> Epoch:
        """The batches of the coming epoch."""
        self.losses = torch.full((self.steps_per_epoch,), math.nan, device=self.device)
        return self._sampler.epoch(self.epoch).to(self.device)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """As it is: it was made there."""
        return batch

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set what the step depends on, from the seed, the epoch and the step alone."""
        if batch_idx == 0:
            drawn = np.random.SeedSequence([self.config.seed, self.epoch, self.global_rank, 1])
            torch.manual_seed(int(drawn.generate_state(1, np.uint64)[0] >> 1))
        rate = self.config.rate(self.epoch * self.steps_per_epoch + batch_idx, self.steps_per_epoch)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        instances, layout = see(self.network, self.objective, self._genome, self._train_part, batch)
        loss: torch.Tensor = self.objective(instances, layout, batch.labels)
        self.losses[batch_idx] = loss.detach()
        return loss

    def mean_loss(self, start: int, end: int) -> float:
        """The mean loss of the steps from ``start`` to before ``end`` of this epoch, over all processes.

        Raises
        ------
        FitError
            When one is not finite; it names the first one's batch in this process.
        """
        losses = self.trainer.strategy.reduce(self.losses[start:end].clone(), reduce_op="mean")
        finite = torch.isfinite(losses)
        if bool(finite.all()):
            return float(losses.double().mean())
        step = start + int(finite.int().argmin())
        batch = self._sampler.epoch(self.epoch)[step]
        blocks = self._train_part.bags["block"].iloc[batch.bags.tolist()].unique().tolist()
        more = f" and {len(blocks) - _NAMED} more" if len(blocks) > _NAMED else ""
        raise FitError(
            f"the loss is {float(losses[step - start])} at epoch {self.epoch}, step {step} (seed "
            f"{self.config.seed}), a batch of the blocks {', '.join(blocks[:_NAMED])}{more}; expected a "
            "finite number: lower fit.learning_rate, or use fit.precision=fp32; the last checkpoint is intact"
        )

    def validate(self) -> Evaluation:
        """Evaluate the validation bags, in every process with the same network."""
        if self.trainer.world_size > 1:
            # Each process has the statistics of its own batches.
            for buffer in self.network.buffers():
                buffer.copy_(self.trainer.strategy.broadcast(buffer))
        if self._validation is None or self._validation_batches is None:
            return Evaluation(math.nan, math.nan, math.nan, torch.empty(0), torch.empty(0))
        with self.trainer.precision_plugin.forward_context():
            found = evaluate(
                self.network, self.objective, self._genome, self._validation, self._validation_batches
            )
        return self.trainer.strategy.broadcast(found)
