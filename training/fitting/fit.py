"""Fit one member to the bags of a data set.

:class:`Fit` has the options; :class:`Member` is the network while Lightning fits it; :class:`Record` keeps
the log, the best epoch and the checkpoint.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.training_sets import KEY
from mifm_kipoi.network.weights import save_weights, tensors_sha256
from mifm_kipoi.sequence.encoding import NO_BASE
from mifm_kipoi.support.configuration import to_plain
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.packages import missing_package
from mifm_kipoi.support.provenance import differences
from training.checkpoints import write_checkpoint
from training.data.dataset import DataSet, Split
from training.fitting.config import (
    CHECKPOINT,
    EPOCHS,
    LOG,
    LOG_COLUMNS,
    MEMBER,
    NOT_IN_IDENTITY,
    TENSORBOARD,
    FitConfig,
    FitError,
    Precision,
)
from training.fitting.held_out import scorer, verdicts
from training.fitting.measures import StudyRows
from training.fitting.predictions import METRICS, Evaluation, Part, Validation, evaluate, forward_bags
from training.fitting.verdict import VERDICTS, Verdict
from training.mil.batches import Batch, Epoch, Sampler
from training.mil.evidence import Evidence
from training.mil.genome_tensor import GenomeTensor
from training.mil.objective import Objective, initial_bias

try:
    import lightning as L  # noqa: N812 - its usual name
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.loggers import TensorBoardLogger
except ModuleNotFoundError as error:
    raise missing_package(error.name or "lightning", "training") from error

log = logging.getLogger(__name__)

_FORMAT = "mifm-checkpoint/3"

_NAMED = 5
"""Blocks, and differences from another run, that an error names."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A complete member.

    Parameters
    ----------
    network : MIFM
        With the weights of the best epoch, in evaluation mode, on the CPU.
    objective : Objective
        With its parameters of the same epoch; it pools the bags' scores from the instances' logits.
    epoch : int
        The best epoch; the first is 0.
    metrics : mapping of str to float
        Those of that epoch, in the columns of the log.
    history : pandas.DataFrame
        The log: one row per epoch.
    weights : Path
        The file of the member.
    verdict : Verdict, optional
        What it has learnt, by the validation bags; none in a process that does not write.
    """

    network: MIFM
    objective: Objective
    epoch: int
    metrics: Mapping[str, float]
    history: pd.DataFrame
    weights: Path
    verdict: Verdict | None = None


@dataclasses.dataclass(frozen=True)
class Fit:
    """The fit of a member to the training bags; its best epoch by the validation bags is kept.

    Parameters
    ----------
    dataset : DataSet
        Its test bags are not used.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with; or its contigs in memory, for many members in turn.
    network : MIFMConfig or MIFM
        Sizes of a network to begin with random weights; or a network to start from, which is not changed.
        With 5 channels it reads the variant token in place of the variant's base.
    config : FitConfig
        How the member is fitted.
    out : path-like
        Folder of everything that is written; made where missing.
    resume : bool
        Resume from the checkpoint in ``out``, if there is one. A run that is complete is only read.
    """

    dataset: DataSet
    genome: Genome | GenomeTensor
    network: MIFMConfig | MIFM
    config: FitConfig
    out: str | os.PathLike[str]
    resume: bool = False

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> Fitted:
        """Fit the member.

        After each epoch, ``checkpoint.pt`` and ``log.csv`` are replaced as a whole. On a CPU, a run that was
        interrupted and resumed ends with the same weights, bit for bit, as one that was not.

        Parameters
        ----------
        on_progress : callable, optional
            Called after each step with the training windows so far and the fraction of all steps.

        Raises
        ------
        FitError
            When ``out`` holds a run already and ``resume`` is False, or another run than this one; when the
            validation bags do not allow what is to be monitored; when a loss is not finite; or when the
            devices cannot be used.
        DataSetError, ReferenceMismatchError, GenomeError
            When data set and genome do not fit, or the data set lacks numbers that the loss needs.
        """
        train, validation = self.dataset.part(Split.TRAIN), self.dataset.part(Split.VALIDATION)
        self._check_alleles()
        _check_monitor(self.config, validation)
        genome = self._genome(train, validation)
        out = Path(self.out)
        out.mkdir(parents=True, exist_ok=True)
        identity = self._identity(genome, train, validation)
        checkpoint = read_checkpoint(out / CHECKPOINT, identity) if self.resume else None
        if not self.resume:
            _refuse_existing(out)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            member = self._member(genome, train, validation)
            record = Record(member, out, identity, checkpoint, on_progress)
            if not record.complete:
                _train(member, record, out)
        fitted = _finish(member, record, out)
        return fitted if is_another_rank() else self._judged(fitted, genome, identity)

    def _judged(self, fitted: Fitted, genome: GenomeTensor, identity: Mapping[str, Any]) -> Fitted:
        """The member with its verdict, which its file has too."""
        config = self.config
        device = find_device("cpu" if config.accelerator == "cpu" else "auto")
        network = copy.deepcopy(fitted.network).to(device)
        score = scorer(network, genome.to(device), config.alleles)
        (verdict,) = verdicts(
            f"member {config.seed}", self.dataset, [Split.VALIDATION], score,
            chose_epoch=config.monitor != "last",
        )  # fmt: skip
        known = {name: None if math.isnan(value) else value for name, value in fitted.metrics.items()}
        del known["seconds"]
        provenance = {
            "command": "python -m training fit",
            **identity,
            KEY: [self.dataset.training_set().to_dict()],
            "metrics": known,
            VERDICTS: [verdict.to_dict()],
            "torch": torch.__version__,
        }
        save_weights(fitted.weights, fitted.network, provenance)
        return dataclasses.replace(fitted, verdict=verdict)

    @property
    def _sizes(self) -> MIFMConfig:
        return self.network.config if isinstance(self.network, MIFM) else self.network

    def _genome(self, *parts: DataSet) -> GenomeTensor:
        margin = self._sizes.window + self.config.max_shift
        if isinstance(self.genome, Genome):
            chroms = pd.concat([part.instances["chrom"] for part in parts]).unique()
            return GenomeTensor.read(self.genome, chroms, margin)
        if self.genome.margin < margin:
            raise ValueError(f"margin is {self.genome.margin}; expected {margin} or more")
        return self.genome

    def _check_alleles(self) -> None:
        channels = self._sizes.channels
        if self.config.alleles == "both" and channels != NO_BASE:
            raise FitError(
                f"fit.alleles is both and network.channels is {channels}; expected {NO_BASE}: the variant "
                "token hides the base in which the alleles differ"
            )

    def _identity(self, genome: GenomeTensor, *parts: DataSet) -> dict[str, Any]:
        """What distinguishes this run; two runs of one identity end with the same weights."""
        start = self.network if isinstance(self.network, MIFM) else None
        settings = {key: value for key, value in to_plain(self.config).items() if key not in NOT_IN_IDENTITY}
        chroms = pd.concat([part.instances["chrom"] for part in parts]).unique()
        return {
            "fit": settings,
            "network": self._sizes.to_dict(),
            "start": None if start is None else tensors_sha256(start.state_dict()),
            "frozen_statistics": start is not None and _has_frozen_statistics(start),
            "data_set": self.dataset.checksums(),
            "genome": genome.checksum(chroms.tolist()),
        }

    def _member(self, genome: GenomeTensor, train: DataSet, validation: DataSet) -> Member:
        config = self.config
        network = copy.deepcopy(self.network) if isinstance(self.network, MIFM) else MIFM(self.network)
        objective = Objective(config.objective, network.config.head_channels)
        evidence = config.read(train)
        if left_out := config.left_out(evidence):
            log.warning("of the training bags, %s", left_out)
        sampler = config.sampler(evidence)
        if not isinstance(self.network, MIFM):
            bias = initial_bias(config.objective.pooling, sampler.mean_group_size)
            torch.nn.init.constant_(network.head.bias, bias)  # type: ignore[arg-type] # it has one
        held_out = None
        if len(validation.bags):
            held_out = Validation.of(validation, genome, config)
        part = Part.of(train, genome, evidence, config.alleles)
        return Member(network.train(), objective, config, genome, part, held_out, sampler)


class Member(L.LightningModule):
    """A network, its loss and its batches while Lightning fits it; a step neither copies data nor waits.

    Parameters
    ----------
    network : MIFM
        The network, in training mode.
    objective : Objective
        The pooling and the loss.
    config : FitConfig
        How the member is fitted.
    genome : GenomeTensor
        The contigs of all bags.
    train : Part
        The training bags.
    validation : Validation, optional
        The validation bags.
    sampler : Sampler
        Draws the batches of training bags.
    """

    def __init__(
        self,
        network: MIFM,
        objective: Objective,
        config: FitConfig,
        genome: GenomeTensor,
        train: Part,
        validation: Validation | None,
        sampler: Sampler,
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
        self._sampler = sampler

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0 since the beginning, before any interruption."""
        return self.first_epoch + self.current_epoch

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch."""
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
        """Take this process's part of the bags."""
        self._sampler = dataclasses.replace(
            self._sampler, rank=self.trainer.global_rank, world=self.trainer.world_size
        )

    def on_fit_start(self) -> None:
        """Move everything that the steps read to the device."""
        device = self.device
        self._genome, self._train_part = self._genome.to(device), self._train_part.to(device)
        if self._validation is not None:
            self._validation = self._validation.to(device)

    def train_dataloader(self) -> Epoch:
        """The batches of the coming epoch."""
        self.losses = torch.full((self.steps_per_epoch,), math.nan, device=self.device)
        return self._sampler.epoch(self.epoch).to(self.device)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """The batch as it is: it was made on the device."""
        return batch

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the random state and the learning rate from the seed, the epoch and the step alone."""
        if batch_idx == 0:
            drawn = np.random.SeedSequence([self.config.seed, self.epoch, self.global_rank, 1])
            torch.manual_seed(int(drawn.generate_state(1, np.uint64)[0] >> 1))
        rate = self.config.rate(self.epoch * self.steps_per_epoch + batch_idx, self.steps_per_epoch)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        instances, layout = forward_bags(self.network, self.objective, self._genome, self._train_part, batch)
        loss: torch.Tensor = self.objective(instances, layout, batch.labels, batch.weights, batch.fractions)
        self.losses[batch_idx] = loss.detach()
        return loss

    def mean_loss(self, start: int, end: int) -> float:
        """The mean loss of some steps of this epoch, over all processes.

        Parameters
        ----------
        start, end : int
            The steps, half-open, counted from 0 in this epoch.

        Raises
        ------
        FitError
            When a loss is not finite; it names the blocks of the first such batch in this process.
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
            f"{self.config.seed}), in a batch of the blocks {', '.join(blocks[:_NAMED])}{more}; expected a "
            "finite number; lower fit.learning_rate, or use fit.precision=fp32. The last checkpoint is intact"
        )

    def validate(self) -> Evaluation:
        """Evaluate the validation bags, with the same network in every process."""
        if self.trainer.world_size > 1:
            # Each process has the statistics of its own batches.
            for buffer in self.network.buffers():
                buffer.copy_(self.trainer.strategy.broadcast(buffer))
        if self._validation is None:
            return Evaluation.of_nothing()
        with self.trainer.precision_plugin.forward_context():
            evaluation = evaluate(self.network, self.objective, self._genome, self._validation)
        return self.trainer.strategy.broadcast(evaluation)


class Record(L.Callback):
    """Writes the log and the checkpoint at the end of every epoch, and keeps the best one.

    Parameters
    ----------
    member : Member
        The member that is fitted.
    out : Path
        Folder of the checkpoint and the log.
    identity : mapping of plain JSON types
        What distinguishes the run; another run cannot resume from its checkpoint.
    checkpoint : dict, optional
        The checkpoint to resume from, of :func:`read_checkpoint`.
    on_progress : callable, optional
        Called after each step with the training windows so far and the fraction of all steps.
    """

    def __init__(
        self,
        member: Member,
        out: Path,
        identity: Mapping[str, Any],
        checkpoint: dict[str, Any] | None,
        on_progress: Callable[[int, float], None] | None,
    ) -> None:
        self._member = member
        self._out = out
        self._identity = dict(identity)
        self._on_progress = on_progress
        self._loaded = checkpoint
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self._windows = self._epoch_windows = self._checked = 0
        self._began = 0.0
        if checkpoint is not None:
            self.rows, self.best = checkpoint["rows"], checkpoint["best"]
            member.network.load_state_dict(checkpoint["network"])
            member.objective.load_state_dict(checkpoint["objective"])
            member.first_epoch = len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether all epochs are done, or enough have passed without improvement."""
        config, done = self._member.config, len(self.rows)
        waited = done - 1 - self.best.get("epoch", done)
        return done >= config.epochs or 0 < config.patience <= waited

    def history(self) -> pd.DataFrame:
        """The log so far."""
        return pd.DataFrame(self.rows, columns=list(LOG_COLUMNS)).astype(LOG_COLUMNS)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Resume where the checkpoint was written."""
        if self._loaded is not None:
            trainer.optimizers[0].load_state_dict(self._loaded["optimiser"])
            trainer.precision_plugin.load_state_dict(self._loaded["precision"])
            self._loaded = None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count windows and checked steps from 0."""
        self._epoch_windows = self._checked = 0
        self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Report progress, and check the loss every ``log_every`` steps."""
        steps, member = self._member.steps_per_epoch, self._member
        windows = len(batch.rows) * (2 if member.config.alleles == "both" else 1)
        self._epoch_windows += windows
        self._windows += windows
        if self._on_progress is not None and trainer.is_global_zero:
            done = trainer.current_epoch * steps + batch_idx + 1
            self._on_progress(self._windows, done / ((member.config.epochs - member.first_epoch) * steps))
        if (batch_idx + 1) % member.config.log_every == 0:
            self._check_loss(trainer, batch_idx + 1)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Evaluate, and write the checkpoint and the log."""
        member = self._member
        if self._checked < member.steps_per_epoch:
            self._check_loss(trainer, member.steps_per_epoch)
        loss = member.mean_loss(0, member.steps_per_epoch)
        seconds = time.monotonic() - self._began
        validation = member.validate()
        self.rows.append(
            {
                "epoch": member.epoch,
                "step": (member.epoch + 1) * member.steps_per_epoch,
                "learning_rate": member.rate,
                "train_loss": loss,
                **{f"validation_{name}": validation.metrics[name] for name in METRICS},
                "windows": self._epoch_windows,
                "seconds": round(seconds, 3),
            }
        )
        self._keep_best()
        if trainer.is_global_zero:
            self._write(trainer)
        if self.complete:
            trainer.should_stop = True

    def _check_loss(self, trainer: L.Trainer, end: int) -> None:
        mean = self._member.mean_loss(self._checked, end)
        if trainer.logger is not None:
            step = self._member.epoch * self._member.steps_per_epoch + end
            trainer.logger.log_metrics({"loss": mean, "learning_rate": self._member.rate}, step)
        self._checked = end

    def _keep_best(self) -> None:
        """Compare the last epoch with the best one; of two equal ones the first is kept."""
        monitor, row = self._member.config.monitor, self.rows[-1]
        sign = -1.0 if monitor == "loss" else 1.0
        value = float(row["epoch"]) if monitor == "last" else sign * row[f"validation_{monitor}"]
        if math.isnan(value):
            raise FitError(
                f"the validation {monitor} is not a number at epoch {int(row['epoch'])}, although there is "
                "what it needs: the logits are not finite; lower fit.learning_rate"
            )
        if not self.best or value > self.best["value"]:
            self.best = {
                "epoch": int(row["epoch"]),
                "value": value,
                "network": copy.deepcopy(self._member.network.state_dict()),
                "objective": copy.deepcopy(self._member.objective.state_dict()),
            }

    def _write(self, trainer: L.Trainer) -> None:
        state = {
            "format": _FORMAT,
            "identity": self._identity,
            "rows": self.rows,
            "best": self.best,
            "network": self._member.network.state_dict(),
            "objective": self._member.objective.state_dict(),
            "optimiser": trainer.optimizers[0].state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
        }
        if self._member.config.keep_epochs:
            self._keep_epoch()
        write_checkpoint(self._out / CHECKPOINT, state)
        self.write_log()
        if trainer.logger is not None:
            known = {key: value for key, value in self.rows[-1].items() if not math.isnan(value)}
            trainer.logger.log_metrics(known, int(known["step"]))

    def _keep_epoch(self) -> None:
        epoch = len(self.rows) - 1
        (self._out / EPOCHS).mkdir(exist_ok=True)
        provenance = {"command": "python -m training fit", **self._identity, "epoch": epoch}
        save_weights(self._out / EPOCHS / f"epoch-{epoch}.safetensors", self._member.network, provenance)

    def write_log(self) -> None:
        """Write the log, replacing the one that is there."""
        with written_whole(self._out / LOG) as path:
            self.history().to_csv(path, index=False)


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """A checkpoint of this very run, or None where there is none.

    Parameters
    ----------
    path : Path
        The checkpoint.
    identity : mapping of plain JSON types
        What distinguishes the run.

    Raises
    ------
    FitError
        When it cannot be read, or is of another run.
    """
    if not path.exists():
        return None
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        known = checkpoint["format"] == _FORMAT
    # A damaged file can fail in any way inside torch.load.
    except Exception as error:
        raise FitError(
            f"cannot read the checkpoint {path}: it is damaged, or not a checkpoint of this program; delete "
            "it to start from the beginning"
        ) from error
    if not known:
        raise FitError(
            f"{path} is a checkpoint of the format {checkpoint['format']!r}; expected {_FORMAT}: another "
            "version drew and weighed bags in another way; delete it to start from the beginning, or name "
            "another folder"
        )
    differing = differences(checkpoint["identity"], dict(identity))
    if differing:
        raise FitError(
            f"{path} is of another run: {'; '.join(differing[:_NAMED])}; resume with the settings and data "
            "that it was started with, or name another folder"
        )
    return checkpoint


def _check_monitor(config: FitConfig, validation: DataSet) -> None:
    """Raise an error unless the validation bags have what is monitored."""
    if config.monitor == "last":
        return
    labels = validation.bags["label"]
    positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
    usable = negatives if config.negatives_per_bag else 0
    if config.monitor in ("likelihood", "top_pip"):
        if StudyRows.of(Evidence.of(validation, "per_study")).several:
            return
        needed = "with Bayes factors or PIPs of two variants or more to compute it on"
        remedy = "set fit.monitor=loss"
    else:
        both = config.monitor in ("auroc", "auprc")
        if (positives and usable) or (not both and positives + negatives):
            return
        needed, remedy = "to compute it on", "set fit.monitor=loss" if both else ""
    more = "make fit.negatives_per_bag larger than 0, " if negatives and not usable else ""
    raise FitError(
        f"fit.monitor is {config.monitor}, and there are {positives} positive and {negatives} negative "
        f"validation bags {needed}; {more}give data.splits.validation more of the genome"
        f"{', ' * bool(remedy)}{remedy} or set fit.monitor=last, which needs no validation"
    )


def _has_frozen_statistics(network: MIFM) -> bool:
    """Whether its batch normalisation keeps its statistics in training."""
    mode = network.training
    norms = [module for module in network.train().modules() if isinstance(module, torch.nn.BatchNorm1d)]
    frozen = any(not norm.training for norm in norms)
    network.train(mode)
    return frozen


def _refuse_existing(out: Path) -> None:
    for name in (CHECKPOINT, MEMBER):
        if (out / name).exists() and not is_another_rank():
            raise FitError(
                f"{out / name} exists; resume that run with --resume, or name another folder for this one"
            )


def is_another_rank() -> bool:
    """Whether another process of the same run started this one, and writes and reports for all."""
    return int(os.environ.get("LOCAL_RANK", "0")) > 0


def _train(member: Member, record: Record, out: Path) -> None:
    """Let Lightning make the steps; it writes nothing but the folder of TensorBoard's log."""
    config = member.config
    precision = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[config.precision]
    with _quiet(), _determinism(config.deterministic), _full_float32(config.precision):
        try:
            trainer = L.Trainer(
                accelerator=config.accelerator,
                devices=config.devices,
                precision=precision,  # type: ignore[arg-type] # one of its literals
                max_epochs=config.epochs - member.first_epoch,
                logger=TensorBoardLogger(out, name="", version=TENSORBOARD) if config.tensorboard else False,
                callbacks=[record],
                default_root_dir=out,
                log_every_n_steps=1,
                reload_dataloaders_every_n_epochs=1,
                use_distributed_sampler=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
        except ModuleNotFoundError as error:
            raise missing_package(error.name or "tensorboard", "training") from error
        except (MisconfigurationException, ValueError, RuntimeError) as error:
            raise FitError(
                f"cannot fit on fit.accelerator={config.accelerator}, fit.devices={config.devices}, "
                f"fit.precision={config.precision}: {error}"
            ) from error
        if config.precision == "fp16" and trainer.strategy.root_device.type == "cpu":
            raise FitError(
                "fit.precision is fp16, and the device is a CPU, which supports bf16 and fp32 only"
            )
        trainer.fit(member)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice; its errors still come."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning|tensorboard|torch.utils.tensorboard")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _determinism(wanted: bool) -> Iterator[None]:
    """Ask for deterministic algorithms, and leave PyTorch's setting as it was."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(wanted or before[0])
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@contextmanager
def _full_float32(precision: Precision) -> Iterator[None]:
    """No TensorFloat-32 in convolutions under fp32, which PyTorch allows on GPUs."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before and precision != "fp32"
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _finish(member: Member, record: Record, out: Path) -> Fitted:
    """The best epoch's weights as the member's."""
    best = record.best
    network, objective = member.network.cpu(), member.objective.cpu()
    network.load_state_dict(best["network"])
    objective.load_state_dict(best["objective"])
    history = record.history()
    metrics = {str(name): float(value) for name, value in history.iloc[best["epoch"]].items()}
    if not is_another_rank():
        record.write_log()
    return Fitted(network.eval(), objective.eval(), best["epoch"], metrics, history, out / MEMBER)
