"""Distil several teachers into one student on the bags that the teachers were fitted to.

The teachers may read the variant token; the student reads four channels and no augmentation. The teachers
are asked once for each window. The student learns, by squared error on probabilities, one of two targets:

- ``mean``: the mean of the teachers' probabilities, as the text of the paper says (Rakowski & Lippert 2026);
- ``arg_max``: 1 for the instance of each positive bag with the highest mean, 0 for all others, the first
  weighted 100 to 1, as the hyper-parameters of the published student say.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.weights import tensors_sha256
from mifm_kipoi.support.files import written_whole
from training.configuration import check_least, to_plain
from training.data.dataset import DataSet, Split
from training.distillation.teaching import Agreement, DistilError, Taught, agreement, teach
from training.fitting.frozen import with_frozen_statistics
from training.fitting.predictions import genome_of
from training.mil.genome_tensor import GenomeTensor

CHECKPOINT = "checkpoint.pt"
"""The last epoch and the best one, in the folder of a run."""

LOG = "log.csv"
"""One row per epoch: the mean training loss, and :class:`~training.distillation.teaching.Agreement` on
validation bags."""


@dataclasses.dataclass(frozen=True)
class BagDistilConfig:
    """How a student is distilled on bags.

    Parameters
    ----------
    target : str
        ``mean`` or ``arg_max``; see :mod:`training.distillation.bags`.
    positive_weight : float
        Of the ones of ``arg_max``; the zeros weigh 1.
    seed : int
        Of the initial weights and the order of windows. Not negative.
    epochs : int
        How often each window is seen.
    windows_per_batch : int
    max_bag_size : int
        Instances of a bag that are used at most, those of lowest p-value.
    learning_rate : float
        Of Adam, times ``gamma`` after each epoch.
    gamma : float
    """

    target: Literal["mean", "arg_max"] = "mean"
    positive_weight: float = 100.0
    seed: int = 1
    epochs: int = 30
    windows_per_batch: int = 256
    max_bag_size: int = 127
    learning_rate: float = 1e-3
    gamma: float = 0.9

    def __post_init__(self) -> None:
        check_least(self, seed=0, epochs=1, windows_per_batch=2, max_bag_size=1)
        for name in ("positive_weight", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a positive number")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}; expected a number in (0, 1]")


def distil_on_bags(
    teachers: Sequence[MIFM],
    dataset: DataSet,
    genome: Genome | GenomeTensor,
    student: MIFMConfig | MIFM,
    config: BagDistilConfig,
    out: str | os.PathLike[str],
    device: torch.device | str = "cpu",
) -> tuple[MIFM, Agreement]:
    """Distil teachers into a student; its best epoch by the loss on validation bags is kept.

    After each epoch ``checkpoint.pt`` and ``log.csv`` are written; a run in the same folder goes on from
    there. Without validation bags the last epoch is kept.

    Parameters
    ----------
    teachers : sequence of MIFM
        One or more, left as they are.
    dataset : DataSet
        Its test bags are not looked at.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with, or its contigs in memory.
    student : MIFMConfig or MIFM
        Sizes of a network to begin with random weights, or a network to go on with, whose statistics of
        batch normalisation stay as they are; 4 channels, and the teachers' window.
    config : BagDistilConfig
    out : path-like
        Folder, made where missing.
    device : torch.device or str

    Returns
    -------
    student : MIFM
        In evaluation mode, on the CPU.
    agreement : Agreement
        On the validation bags.

    Raises
    ------
    DistilError
        When the networks do not fit, there are no training bags, ``out`` holds another run, or a loss is
        not finite.
    """
    sizes = student.config if isinstance(student, MIFM) else student
    _check(teachers, sizes, dataset)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    run = _Run.begin(student, config, out, _identity(teachers, dataset, student, config), device)
    window = sizes.window
    place = genome_of(dataset, genome, window).to(device)
    on_device = [copy.deepcopy(teacher).to(device) for teacher in teachers]
    began = time.monotonic()
    train, validation = (
        teach(on_device, dataset.part(split), place, config) for split in (Split.TRAIN, Split.VALIDATION)
    )
    logging.info(
        "%d windows taught by %d networks in %.0f s",
        len(train.offsets) + len(validation.offsets), len(teachers), time.monotonic() - began,
    )  # fmt: skip
    if not isinstance(student, MIFM) and not run.rows:
        # Far from the mean answer the squared error has next to no gradient.
        mean = min(max(float(np.average(train.target, weights=train.weight)), 1e-4), 1 - 1e-4)
        torch.nn.init.constant_(run.network.head.bias, math.log(mean / (1 - mean)))  # type: ignore[arg-type]
    while len(run.rows) < config.epochs:
        run.epoch(train, validation, place)
    run.network.load_state_dict(run.best["network"])
    found = agreement(run.network, validation, place)
    return run.network.cpu().eval(), found


def _check(teachers: Sequence[MIFM], student: MIFMConfig, dataset: DataSet) -> None:
    if not teachers:
        raise DistilError("there is no teacher; expected one or more")
    if student.channels != 4:
        raise DistilError(f"student.channels is {student.channels}; expected 4, A, C, G and T")
    windows = {teacher.config.window for teacher in teachers}
    if windows != {student.window}:
        raise DistilError(
            f"the teachers' windows have {sorted(windows)} bp and the student's {student.window}; "
            "expected the same"
        )
    if not (dataset.bags["split"] == Split.TRAIN.value).any():
        raise DistilError("the data set has no training bags")


def _identity(
    teachers: Sequence[MIFM], dataset: DataSet, student: MIFMConfig | MIFM, config: BagDistilConfig
) -> dict[str, Any]:
    """What a run is; two runs of one identity end with the same student."""
    start = student if isinstance(student, MIFM) else None
    return {
        "teachers": [tensors_sha256(teacher.state_dict()) for teacher in teachers],
        "data_set": dataset.checksums(),
        "student": (student.config if isinstance(student, MIFM) else student).to_dict(),
        "start": None if start is None else tensors_sha256(start.state_dict()),
        "distil": to_plain(config),
    }


class _Run:
    """A student while it is taught, and what is kept of it."""

    def __init__(
        self, network: MIFM, config: BagDistilConfig, out: Path, identity: Mapping[str, Any],
        device: torch.device | str,
    ) -> None:  # fmt: skip
        self.network = network.to(device)
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self._config, self._out, self._identity = config, out, identity
        self._optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)

    @classmethod
    def begin(
        cls, student: MIFMConfig | MIFM, config: BagDistilConfig, out: Path, identity: Mapping[str, Any],
        device: torch.device | str,
    ) -> _Run:  # fmt: skip
        """Begin a run, or go on from the checkpoint in ``out``."""
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            network = with_frozen_statistics(student) if isinstance(student, MIFM) else MIFM(student)
        run = cls(network, config, out, identity, device)
        if (out / CHECKPOINT).exists():
            run._go_on(out / CHECKPOINT)
        return run

    def epoch(self, train: Taught, validation: Taught, genome: GenomeTensor) -> None:
        """One pass over the training windows, then the comparison on validation bags."""
        config, number, began = self._config, len(self.rows), time.monotonic()
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * config.gamma**number
        losses = self._pass(train, genome, np.random.default_rng([config.seed, number]))
        found = agreement(self.network, validation, genome)
        row = {"epoch": number, "train_loss": float(np.mean(losses)), **dataclasses.asdict(found)}
        self.rows.append({**row, "seconds": round(time.monotonic() - began, 3)})
        if not self.best or not found.loss >= self.best["loss"]:
            self.best = {"loss": found.loss, "network": copy.deepcopy(self.network.state_dict())}
        self._write()
        logging.info(
            "student, epoch %d of %d: loss %.5f, validation %.5f, Pearson %.4f, same first %.3f",
            number + 1, config.epochs, row["train_loss"], found.loss, found.pearson, found.same_top,
        )  # fmt: skip

    def _pass(self, train: Taught, genome: GenomeTensor, generator: np.random.Generator) -> list[float]:
        device = genome.codes.device
        target, weight = (torch.from_numpy(x).float().to(device) for x in (train.target, train.weight))
        order = torch.from_numpy(generator.permutation(len(target))).to(device)
        batches = list(torch.split(order, self._config.windows_per_batch))
        if len(batches) > 1 and len(batches[-1]) == 1:
            # Batch normalisation cannot learn from one window.
            batches.pop()
        self.network.train()
        losses = []
        for rows in batches:
            windows = genome.cut(train.offsets[rows], self.network.config.window)
            error = (self.network(windows).sigmoid() - target[rows]).square()
            loss = (weight[rows] * error).mean()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            losses.append(loss.detach())
        found = torch.stack(losses).cpu().tolist()
        if not np.isfinite(found).all():
            raise DistilError(
                f"the loss of the student is not finite in epoch {len(self.rows)}; lower "
                "distil.bags.learning_rate"
            )
        return found

    def _write(self) -> None:
        state = {
            "identity": json.dumps(self._identity),
            "rows": self.rows,
            "best": self.best,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        with written_whole(self._out / CHECKPOINT) as path:
            torch.save(state, path)
        with written_whole(self._out / LOG) as path:
            pd.DataFrame(self.rows).to_csv(path, index=False)

    def _go_on(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            identity = json.loads(state["identity"])
        # A damaged file can fail in any way inside torch.load.
        except Exception as error:
            raise DistilError(
                f"{path} is no checkpoint of a distillation, or damaged; delete it to begin from the start"
            ) from error
        if identity != self._identity:
            other = sorted(key for key in self._identity if identity.get(key) != self._identity[key])
            raise DistilError(
                f"{path} is of another distillation: {', '.join(other)} differ; name another folder for "
                "this one, or go on with what that one was begun with"
            )
        self.rows, self.best = state["rows"], state["best"]
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
