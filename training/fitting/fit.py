"""Fit one member to the bags of a data set."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.weights import save_weights, tensors_sha256
from training.configuration import to_plain
from training.data.dataset import DataSet, DataSetError, Split
from training.fitting.config import PLACE, FitConfig
from training.mil.batches import Sampler, in_order
from training.mil.genome_tensor import GenomeTensor

if TYPE_CHECKING:
    from training.fitting.member import Member
    from training.fitting.record import Record
    from training.mil.objective import Objective

WEIGHTS = "member.safetensors"
"""The member, written when it is complete."""

CHECKPOINT = "checkpoint.pt"
"""Everything that a run needs to go on, of the last epoch and of the best one."""

LOG = "log.csv"
"""One row per epoch."""

EPOCHS = "epochs"
"""Folder of the weights of every epoch, where they are kept: ``epoch-0.safetensors`` and so on."""

TENSORBOARD = "tensorboard"
"""Folder of the log that TensorBoard reads."""


class FitError(MIFMError):
    """A fit that cannot be done, or that went wrong."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A complete member.

    Parameters
    ----------
    network : MIFM
        With the weights of the best epoch, in evaluation mode, on the CPU.
    objective : Objective
        With its parameters of the same epoch; it makes bags' scores of instances' logits.
    epoch : int
        The best epoch; the first is 0.
    metrics : mapping of str to float
        Those of that epoch, in the columns of the log.
    history : pandas.DataFrame
        The log: one row per epoch.
    weights : Path
        The file of the member.
    """

    network: MIFM
    objective: Objective
    epoch: int
    metrics: Mapping[str, float]
    history: pd.DataFrame
    weights: Path


def fit(
    dataset: DataSet,
    genome: Genome | GenomeTensor,
    network: MIFMConfig | MIFM,
    config: FitConfig,
    out: str | os.PathLike[str],
    resume: bool = False,
    show: bool | None = None,
) -> Fitted:
    """Fit a member to the training bags, and keep its best epoch by the validation bags.

    After each epoch, ``checkpoint.pt`` and ``log.csv`` are replaced as a whole. On a CPU a run that was
    interrupted and goes on ends with the same weights, bit for bit, as one that was not.

    Parameters
    ----------
    dataset : DataSet
        Its test bags are not looked at.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with; or its contigs in memory, for many members in turn.
    network : MIFMConfig or MIFM
        Sizes of a network to begin with random weights; or a network to go on with, which is left as it
        came. With 5 channels it reads the variant token in place of the variant's base.
    config : FitConfig
    out : path-like
        Folder of all that is written; made where missing.
    resume : bool
        Go on from the checkpoint in ``out``, if there is one. A run that is complete is only read.
    show : bool, optional
        Progress on standard error; by default where that is a terminal.

    Returns
    -------
    Fitted

    Raises
    ------
    FitError
        When ``out`` holds a run already and ``resume`` is False, or another run than this; when the
        validation bags do not allow what is to be monitored; when a loss is not finite; or when the
        devices cannot be used.
    DataSetError, ReferenceMismatchError, GenomeError
        When data set and genome do not fit, or the loss needs numbers that the data set lacks.
    """
    from training.fitting.record import Record, read_checkpoint

    train, validation = dataset.part(Split.TRAIN), dataset.part(Split.VALIDATION)
    _check_monitor(config, validation)
    sizes = network.config if isinstance(network, MIFM) else network
    if isinstance(genome, Genome):
        chroms = pd.concat([train.instances["chrom"], validation.instances["chrom"]]).unique()
        genome = GenomeTensor.read(genome, chroms, sizes.window + config.max_shift)
    elif genome.margin < sizes.window + config.max_shift:
        raise ValueError(f"margin is {genome.margin}; expected {sizes.window + config.max_shift} or more")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    identity = _identity(dataset, network, config)
    checkpoint = read_checkpoint(out / CHECKPOINT, identity) if resume else None
    if not resume:
        _refuse_existing(out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        member = _member(network, config, genome, train, validation)
        record = Record(member, out, identity, checkpoint, show)
        if not record.complete:
            _run(member, record, out)
    return _finish(member, record, out, identity)


def _member(
    network: MIFMConfig | MIFM,
    config: FitConfig,
    genome: GenomeTensor,
    train: DataSet,
    validation: DataSet,
) -> Member:
    from training.fitting.member import Member, Part
    from training.mil.objective import Objective, initial_bias

    begun = copy.deepcopy(network) if isinstance(network, MIFM) else MIFM(network)
    objective = Objective(config.objective, begun.config.head_channels)
    _check_needs(objective, train, validation)
    sampler = Sampler.of(
        train, seed=config.seed, bags_per_batch=config.bags_per_batch,
        negatives_per_bag=config.negatives_per_bag, max_bag_size=config.max_bag_size,
        bag_sample=config.bag_sample, max_shift=config.max_shift,
        reverse_complement=config.reverse_complement,
    )  # fmt: skip
    if not isinstance(network, MIFM):
        kept = np.minimum(sampler.sizes, config.max_bag_size)[sampler.labels == 1]
        bias = initial_bias(config.objective.pooling, float(kept.mean()))
        torch.nn.init.constant_(begun.head.bias, bias)  # type: ignore[arg-type] # it has one
    batches = None
    part = None
    if len(validation.bags):
        part = Part.of(validation, genome)
        batches = in_order(validation, config.max_bag_size, bags=validation_bags(config, validation))
    return Member(begun.train(), objective, config, genome, Part.of(train, genome), part, sampler, batches)


def validation_bags(config: FitConfig, validation: DataSet) -> npt.NDArray[np.int64]:
    """All positive bags, and as many negative ones to each as in training, the same for every seed."""
    labels = validation.bags["label"].to_numpy(np.int64)
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    wanted = positives.size * config.negatives_per_bag if positives.size else negatives.size
    drawn = np.random.default_rng(0).permutation(negatives)[:wanted]
    return np.sort(np.concatenate([positives, drawn]))


def _check_monitor(config: FitConfig, validation: DataSet) -> None:
    """See that the validation bags have what is monitored."""
    if config.monitor == "last":
        return
    labels = validation.bags["label"]
    positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
    usable = negatives if config.negatives_per_bag else 0
    both = config.monitor in ("auroc", "auprc")
    if (positives and usable) or (not both and positives + negatives):
        return
    remedy = "make fit.negatives_per_bag larger than 0, " if negatives and not usable else ""
    raise FitError(
        f"fit.monitor is {config.monitor}, and there are {positives} positive and {negatives} negative "
        f"validation bags to compute it on; {remedy}give data.splits.validation more of the genome"
        f"{', set fit.monitor=loss' if both else ''} or set fit.monitor=last, which needs no validation"
    )


def _check_needs(objective: Objective, *parts: DataSet) -> None:
    """See that positive bags have the numbers that the loss reads, before the first step."""
    for part in parts:
        positive = part.bags["label"].to_numpy()[part.instances["bag"].to_numpy()] == 1
        for name in objective.needs:
            if missing := int(part.instances[name].isna().to_numpy()[positive].sum()):
                raise DataSetError(
                    f"{missing} of {int(positive.sum())} instances of positive bags have no {name}, which "
                    f"fit.objective.pooling={objective.config.pooling} needs; make the data set from a table "
                    "that has it, or choose another pooling"
                )


def _identity(dataset: DataSet, network: MIFMConfig | MIFM, config: FitConfig) -> dict[str, Any]:
    """What a run is; two runs of one identity end with the same weights."""
    begun = network if isinstance(network, MIFM) else None
    sizes = network.config if isinstance(network, MIFM) else network
    settings = {key: value for key, value in to_plain(config).items() if key not in PLACE}
    return {
        "fit": settings,
        "network": sizes.to_dict(),
        "start": None if begun is None else tensors_sha256(begun.state_dict()),
        "data_set": dataset.checksums(),
    }


def _refuse_existing(out: Path) -> None:
    for name in (CHECKPOINT, WEIGHTS):
        if (out / name).exists() and not is_another_rank():
            raise FitError(
                f"{out / name} exists; go on with that run by --resume, or name another folder for this one"
            )


def is_another_rank() -> bool:
    """Whether this process was started by another of the same run, which writes and reports for all."""
    return int(os.environ.get("LOCAL_RANK", "0")) > 0


def _run(member: Member, record: Record, out: Path) -> None:
    """Let Lightning make the steps; it writes nothing but the folder of TensorBoard's log."""
    import lightning as L  # noqa: N812 - its usual name
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.loggers import TensorBoardLogger

    config = member.config
    precision = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[config.precision]
    with _quiet(), _determinism(config.deterministic):
        try:
            trainer = L.Trainer(
                accelerator=config.accelerator,
                devices=config.devices,
                precision=precision,  # type: ignore[arg-type] # one of its literals
                max_epochs=config.epochs - member.first_epoch,
                logger=TensorBoardLogger(out, name="", version=TENSORBOARD),
                callbacks=[record],
                default_root_dir=out,
                log_every_n_steps=1,
                reload_dataloaders_every_n_epochs=1,
                use_distributed_sampler=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
        except (MisconfigurationException, ValueError, RuntimeError) as error:
            raise FitError(
                f"cannot fit on fit.accelerator={config.accelerator}, fit.devices={config.devices}, "
                f"fit.precision={config.precision}: {error}"
            ) from error
        if config.precision == "fp16" and trainer.strategy.root_device.type == "cpu":
            raise FitError("fit.precision is fp16, and the device is a CPU, which has bf16 and fp32 only")
        trainer.fit(member)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice to itself; its errors still come."""
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
    """Ask for algorithms that repeat themselves, and leave PyTorch as it was."""
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


def _finish(member: Member, record: Record, out: Path, identity: Mapping[str, Any]) -> Fitted:
    """The best epoch's weights as the member's, in memory and in its file."""
    best = record.best
    network, objective = member.network.cpu(), member.objective.cpu()
    network.load_state_dict(best["network"])
    objective.load_state_dict(best["objective"])
    history = record.history()
    metrics = {str(name): float(value) for name, value in history.iloc[best["epoch"]].items()}
    if not is_another_rank():
        record.write_log()
        known = {name: None if math.isnan(value) else value for name, value in metrics.items()}
        del known["seconds"]
        provenance = {
            "command": "python -m training fit",
            **identity,
            "metrics": known,
            "torch": torch.__version__,
        }
        save_weights(out / WEIGHTS, network.eval(), provenance)
    return Fitted(network.eval(), objective.eval(), best["epoch"], metrics, history, out / WEIGHTS)
