"""Distil teachers into one student: on the bags that they were fitted to, or on sequence alone.

On bags the teachers may read the variant token; the student reads four channels, without augmentation. The
teachers are asked once for each window. The student learns, by squared error on probabilities, one of two
targets:

- ``mean``: the mean of the teachers' probabilities, as the text of the paper says (Rakowski & Lippert 2026);
- ``arg_max``: 1 for the instance of each positive bag with the highest mean, 0 for all others, the first
  weighted 100 to 1, as the hyper-parameters of the published student say.

A window weighs ``1 + (positive_weight - 1) * target``. With weight w the optimum of ``arg_max`` for windows
of which the fraction q is a teachers' choice is ``w q / (1 + (w - 1) q)``: at 100 a score of 0.5 stands for
1 in 101.

Teachers that were fitted with both alleles (``fit.alleles: both``) teach a student that is read as they are.

On sequence, which needs no labels, see :mod:`training.distillation.sequence`.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.training_sets import KEY, training_sets
from mifm_kipoi.network.weights import Weights, file_sha256, save_weights, tensors_sha256
from mifm_kipoi.scoring.scores import both_alleles_logit
from mifm_kipoi.sequence.encoding import codes
from mifm_kipoi.statistics.correlation import pearson
from mifm_kipoi.statistics.ranking import auroc
from mifm_kipoi.support.configuration import to_plain
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.provenance import differences
from training.checkpoints import write_checkpoint
from training.data.dataset import DataSet, Split
from training.distillation.config import (
    CHECKPOINT,
    LOG,
    STUDENT,
    BagDistilConfig,
    DistilConfig,
    DistilError,
    SequenceDistilConfig,
)
from training.distillation.fidelity import Fidelity, fidelity
from training.distillation.sequence import LogLine, distil_on_sequence, write_log
from training.fitting.alleles import alleles_of
from training.fitting.config import AlleleKind
from training.fitting.finetune import with_frozen_statistics
from training.fitting.held_out import scorer, verdicts
from training.fitting.predictions import (
    genome_of,
    highest_rows,
    instance_logits,
    mean_logits,
    probabilities,
    used_instances,
)
from training.fitting.verdict import VERDICTS, Verdict
from training.mil.genome_tensor import Alleles, GenomeTensor

_NAMED = 5
"""Differences from another run that an error names."""

_Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Taught:
    """Windows of one split, and the teachers' answers.

    Parameters
    ----------
    dataset : DataSet
        The bags of the split, with the instances that are used.
    offsets : torch.Tensor of int64, shape (n,)
        Where each window lies in the genome.
    alleles : Alleles, optional
        Of the instances, for teachers and a student that read both.
    logits : numpy.ndarray of float64, shape (n,)
        Logits of the teachers' mean probability.
    target, weight : numpy.ndarray of float64, shape (n,)
        The probability that the student learns, and the weight of its error.
    frequency : numpy.ndarray of float64, shape (n,)
        How often an epoch has each window on average: 1, and less where negatives are drawn.
    """

    dataset: DataSet
    offsets: torch.Tensor
    alleles: Alleles | None
    logits: _Floats
    target: _Floats
    weight: _Floats
    frequency: _Floats


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How a student's answers compare with its teachers'; NaN where there is nothing to compare.

    Parameters
    ----------
    loss : float
        The weighted squared error that the student learns to lower, with as many negatives for each positive
        bag as an epoch of training has.
    mse : float
        Mean squared difference between the student's probability and the teachers' mean.
    pearson : float
        Correlation of the student's logits and those of the teachers' mean.
    same_top : float
        Fraction of the positive bags of two or more instances in which both put the same one first.
    auroc, teachers_auroc : float
        Of all bags, scored by their highest instance, against their labels, for the student and for the
        teachers' mean. Positive bags hold more instances than negative ones, so that networks without any
        skill exceed 0.5; only the difference between the two says something.
    """

    loss: float
    mse: float
    pearson: float
    same_top: float
    auroc: float
    teachers_auroc: float

    def to_dict(self) -> dict[str, float | None]:
        """The numbers by name; None where one is not defined."""
        values = dataclasses.asdict(self).items()
        return {key: None if math.isnan(value) else value for key, value in values}

    @classmethod
    def from_dict(cls, values: Mapping[str, float | None]) -> Agreement:
        """The numbers that :meth:`to_dict` gave."""
        return cls(**{key: math.nan if value is None else value for key, value in values.items()})

    def in_words(self) -> str:
        """How far the student agrees with its teachers, but for areas, which sizes of bags decide."""
        pearson, mse = ("not defined" if math.isnan(x) else f"{x:.4f}" for x in (self.pearson, self.mse))
        same = "an undefined fraction" if math.isnan(self.same_top) else f"{self.same_top:.0%}"
        return (
            "student and its teachers' mean, on validation instances: "
            f"Pearson {pearson} of logits, mean squared difference {mse} of probabilities, the same first "
            f"variant in {same} of positive bags"
        )


@dataclasses.dataclass(frozen=True)
class Distilled:
    """A student, and how it compares with its teachers.

    Parameters
    ----------
    weights : Path
        The file of the student.
    agreement : Agreement, optional
        On the validation bags, for a distillation on bags.
    verdicts : tuple of Verdict
        What the student has learnt, by validation bags and then by test bags, for a distillation on bags.
    fidelity : Fidelity, optional
        On the held-out contigs, for a distillation on sequence that was given variants and blocks.
    """

    weights: Path
    agreement: Agreement | None = None
    fidelity: Fidelity | None = None
    verdicts: tuple[Verdict, ...] = ()


@dataclasses.dataclass(frozen=True)
class Distil:
    """The distillation of teachers into a student, on bags or on sequence as ``config.source`` says.

    Parameters
    ----------
    teachers : sequence of Weights
        The teachers: one or more on bags, one without the variant token on sequence.
    genome : Genome or GenomeTensor
        On bags the FASTA that the data set was made with, or its contigs in memory; on sequence a FASTA.
    student : MIFMConfig
        On bags the sizes of the student, with 4 channels and the teachers' window.
    config : DistilConfig
        How the student is distilled.
    out : path-like
        Folder of the student, its log and the checkpoint; made where missing.
    dataset : DataSet, optional
        On bags: the data set; its test bags are for the verdict alone.
    start : Weights, optional
        A student to start from, instead of random weights.
    vcf, blocks : path-like, optional
        On sequence: variants and fine-mapped blocks on which the fidelity is measured, see
        :func:`training.distillation.fidelity.fidelity`.
    device : str
        See :func:`mifm_kipoi.network.inference.find_device`.
    """

    teachers: Sequence[Weights]
    genome: Genome | GenomeTensor
    student: MIFMConfig
    config: DistilConfig
    out: str | os.PathLike[str]
    dataset: DataSet | None = None
    start: Weights | None = None
    vcf: str | os.PathLike[str] | None = None
    blocks: str | os.PathLike[str] | None = None
    device: str = "auto"

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> Distilled:
        """Distil the student, and write its weights with their provenance.

        On bags, a distillation that was interrupted resumes by itself.

        Parameters
        ----------
        on_progress : callable, optional
            Called after each step with the windows (on sequence: the steps) so far and the fraction of all
            steps.

        Raises
        ------
        DistilError
            When the options do not fit ``config.source``, the networks do not fit, there is nothing to teach
            on, ``out`` holds another distillation, or a loss is not finite.
        """
        if self.config.source == "bags":
            if self.dataset is None or self.vcf or self.blocks:
                raise DistilError(
                    "distil.source is bags: give --data, and neither --vcf nor --blocks; or set "
                    "distil.source=sequence"
                )
            return self._on_bags(self.dataset, on_progress)
        if self.dataset is not None or (self.vcf is None) != (self.blocks is None) or len(self.teachers) != 1:
            raise DistilError(
                "distil.source is sequence: give one --teacher, no --data, and to measure the fidelity both "
                "--vcf and --blocks"
            )
        if not isinstance(self.genome, Genome):
            raise DistilError("distil.source is sequence: it needs a FASTA file, not contigs in memory")
        return self._on_sequence(self.genome, on_progress)

    def _on_bags(self, dataset: DataSet, on_progress: Callable[[int, float], None] | None) -> Distilled:
        config = self.config.bags
        networks = [teacher.model() for teacher in self.teachers]
        student = self.start.model() if self.start else self.student
        device, window = find_device(self.device), self.student.window
        genome = genome_of(dataset, self.genome, window).to(device)
        alleles = _common_alleles(self.teachers)
        network, agreed = distil_on_bags(
            networks, dataset, genome, student, config, self.out, device, on_progress, alleles
        )
        on_device = copy.deepcopy(network).to(device)
        judged = verdicts(
            "student", dataset, (Split.VALIDATION, Split.TEST), scorer(on_device, genome, alleles),
            # Without validation bags there was nothing to compare.
            None if math.isnan(agreed.mse) else agreed.pearson,
            # They chose the student's epoch, and most often those of its teachers.
            chose_epoch=True,
        )  # fmt: skip
        provenance = {
            "command": "python -m training distil",
            "distil": to_plain(config),
            "alleles": alleles,
            "teachers": [_teacher(teacher) for teacher in self.teachers],
            "start": _start(self.start),
            KEY: _seen(self.teachers, self.start, dataset),
            "data_set": dataset.facts(),
            "agreement": agreed.to_dict(),
            VERDICTS: [verdict.to_dict() for verdict in judged],
            "torch": torch.__version__,
        }
        path = Path(self.out) / STUDENT
        save_weights(path, network, provenance)
        return Distilled(path, agreement=agreed, verdicts=judged)

    def _on_sequence(self, genome: Genome, on_progress: Callable[[int, float], None] | None) -> Distilled:
        config, (teacher,) = self.config.sequence, self.teachers
        assert config is not None, "checked by DistilConfig"
        for contig in (*config.contigs, *config.held_out):
            if contig not in genome.contigs:
                raise DistilError(
                    f"there is no contig {contig!r} in {genome.path}; it has {', '.join(genome.contigs)}"
                )
        out = Path(self.out)
        out.mkdir(parents=True, exist_ok=True)
        lines: list[LogLine] = []
        contigs = [codes(genome.fetch(contig, 0, genome.contigs[contig])) for contig in config.contigs]
        start = self.start.model() if self.start else None
        network = teacher.model().to(find_device(self.device))
        student = distil_on_sequence(network, contigs, config, _logger(config, lines), start, on_progress)
        source = {"source": teacher.provenance["source"]} if "source" in teacher.provenance else {}
        provenance: dict[str, Any] = {
            "command": "python -m training distil",
            "recipe": to_plain(config),
            "teacher": {"name": Path(teacher.name).stem, "tensors_sha256": teacher.sha256, **source},
            "start": _start(self.start),
            KEY: _seen(self.teachers, self.start),
            "sequence": _file(genome.path),
            "torch": torch.__version__,
        }
        measured = None
        if self.vcf is not None and self.blocks is not None:
            measured = fidelity(student, teacher.model(), genome, config.held_out, self.vcf, self.blocks)
            provenance["fidelity"] = dataclasses.asdict(measured)
            provenance["fidelity_inputs"] = [_file(self.vcf), _file(self.blocks)]
        save_weights(out / STUDENT, student, provenance)
        write_log(out / LOG, lines)
        return Distilled(out / STUDENT, fidelity=measured)


def _common_alleles(teachers: Sequence[Weights]) -> AlleleKind:
    """Which alleles the teachers read, and so the student."""
    kinds = {alleles_of(teacher) for teacher in teachers}
    if len(kinds) > 1:
        raise DistilError(
            "some teachers were fitted with fit.alleles=both and some with fit.alleles=reference; their "
            "logits cannot be averaged"
        )
    return "both" if "both" in kinds else "reference"


def _teacher(teacher: Weights) -> dict[str, Any]:
    """A teacher in the provenance of its student."""
    known = {
        key: teacher.provenance[key] for key in ("fit", "metrics", "source") if key in teacher.provenance
    }
    path = Path(teacher.name)
    # Members of an ensemble have one name, and folders of their own.
    name = f"{path.parent.name}/{path.stem}" if path.parent.name else path.stem
    return {"name": name, "tensors_sha256": teacher.sha256, **known}


def _seen(
    teachers: Sequence[Weights], start: Weights | None, dataset: DataSet | None = None
) -> list[dict[str, Any]]:
    """The associations that a student knows: those of its teachers, of its start, and of its own bags."""
    sets = [each for one in (*teachers, *([start] if start else [])) for each in training_sets(one)]
    if dataset is not None:
        sets.append(dataset.training_set())
    return [each.to_dict() for each in dict.fromkeys(sets)]


def _start(student: Weights | None) -> Mapping[str, object] | None:
    """The student that this one started from, and the student that that one started from, and so on."""
    if student is None:
        return None
    known = {key: student.provenance.get(key) for key in ("recipe", "distil", "start")}
    return {"tensors_sha256": student.sha256, **{key: value for key, value in known.items() if value}}


def _file(path: str | os.PathLike[str]) -> dict[str, str]:
    """Name and checksum of an input, in the spelling of the weights' metadata."""
    return {"file": Path(path).name, "sha256": file_sha256(Path(path))}


def _logger(config: SequenceDistilConfig, lines: list[LogLine]) -> Callable[[LogLine], None]:
    """A function that keeps the lines and logs them with the time that is left."""
    began = time.monotonic()

    def log(line: LogLine) -> None:
        lines.append(line)
        steps = config.hint_steps + config.end_to_end_steps
        done = line.step + (config.hint_steps if line.stage != "hints" else 0)
        left = (time.monotonic() - began) / done * (steps - done)
        logging.info(
            "%s step %d: logit %.5f, delta %.5f, hint %.5f; about %d s left",
            line.stage, line.step, line.logit, line.delta, line.hint, left,
        )  # fmt: skip

    return log


def distil_on_bags(
    teachers: Sequence[MIFM],
    dataset: DataSet,
    genome: Genome | GenomeTensor,
    student: MIFMConfig | MIFM,
    config: BagDistilConfig,
    out: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    on_progress: Callable[[int, float], None] | None = None,
    alleles: AlleleKind = "reference",
) -> tuple[MIFM, Agreement]:
    """Distil teachers into a student; its best epoch by the loss on validation bags is kept.

    After each epoch ``checkpoint.pt`` and ``log.csv`` are written; a run in the same folder resumes from
    them. Without validation bags the last epoch is kept.

    Parameters
    ----------
    teachers : sequence of MIFM
        One or more networks, which are not changed.
    dataset : DataSet
        Its test bags are not used.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with, or its contigs in memory.
    student : MIFMConfig or MIFM
        Sizes of a network to begin with random weights, or a network to start from, whose statistics of
        batch normalisation stay as they are. It has 4 channels and the teachers' window.
    config : BagDistilConfig
        How the student is distilled.
    out : path-like
        Folder of the checkpoint and the log, made where missing.
    device : torch.device or str
        Where the networks compute.
    on_progress : callable, optional
        Called after each step with the training windows so far and the fraction of all steps.
    alleles : str
        ``reference``, or ``both``: teachers and student read the windows of both alleles
        (:func:`mifm_kipoi.scoring.scores.both_alleles_logit`).

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
    _check_networks(teachers, sizes, dataset)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    run = _Run.begin(student, config, out, _identity(teachers, dataset, student, config, alleles), device)
    on_genome = genome_of(dataset, genome, sizes.window).to(device)
    on_device = [copy.deepcopy(teacher).to(device) for teacher in teachers]
    began = time.monotonic()
    train, validation = (
        teach(on_device, dataset.part(split), on_genome, config, alleles)
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    logging.info(
        "%d windows scored by %d teachers in %.0f s",
        len(train.offsets) + len(validation.offsets), len(teachers), time.monotonic() - began,
    )  # fmt: skip
    if not isinstance(student, MIFM) and not run.rows:
        # Far from the mean target the squared error has next to no gradient.
        weights = train.weight * train.frequency
        mean = min(max(float(np.average(train.target, weights=weights)), 1e-4), 1 - 1e-4)
        torch.nn.init.constant_(run.network.head.bias, math.log(mean / (1 - mean)))  # type: ignore[arg-type]
    while len(run.rows) < config.epochs:
        run.epoch(train, validation, on_genome, on_progress)
    run.network.load_state_dict(run.best["network"])
    agreed = agreement(run.network, validation, on_genome)
    return run.network.cpu().eval(), agreed


def _check_networks(teachers: Sequence[MIFM], student: MIFMConfig, dataset: DataSet) -> None:
    if not teachers:
        raise DistilError("there are 0 teachers; expected one or more")
    if student.channels != 4:
        raise DistilError(f"student.channels is {student.channels}; expected 4: A, C, G and T")
    windows = {teacher.config.window for teacher in teachers}
    if windows != {student.window}:
        raise DistilError(
            f"the teachers' windows have {sorted(windows)} bp and the student's {student.window}; "
            "expected the same"
        )
    if not (dataset.bags["split"] == Split.TRAIN.value).any():
        raise DistilError("the data set has no training bags")


def _identity(
    teachers: Sequence[MIFM],
    dataset: DataSet,
    student: MIFMConfig | MIFM,
    config: BagDistilConfig,
    alleles: AlleleKind,
) -> dict[str, Any]:
    """What distinguishes a run; two runs of one identity end with the same student."""
    start = student if isinstance(student, MIFM) else None
    return {
        "teachers": [tensors_sha256(teacher.state_dict()) for teacher in teachers],
        "configurations": [teacher.config.to_dict() for teacher in teachers],
        "data_set": dataset.checksums(),
        "student": (student.config if isinstance(student, MIFM) else student).to_dict(),
        "start": None if start is None else tensors_sha256(start.state_dict()),
        "distil": to_plain(config),
        "alleles": alleles,
    }


class _Run:
    """A student while it is taught: its optimiser, its log and its best epoch."""

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
        """Begin a run, or resume from the checkpoint in ``out``."""
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            network = with_frozen_statistics(student) if isinstance(student, MIFM) else MIFM(student)
        run = cls(network, config, out, identity, device)
        if (out / CHECKPOINT).exists():
            run._resume(out / CHECKPOINT)
        return run

    def epoch(
        self, train: Taught, validation: Taught, genome: GenomeTensor,
        on_progress: Callable[[int, float], None] | None,
    ) -> None:  # fmt: skip
        """One pass over the training windows, then the comparison on validation bags."""
        config, number, began = self._config, len(self.rows), time.monotonic()
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * config.gamma**number
        losses = self._pass(train, genome, np.random.default_rng([config.seed, number]), on_progress)
        agreed = agreement(self.network, validation, genome)
        row = {"epoch": number, "train_loss": float(np.mean(losses)), **dataclasses.asdict(agreed)}
        self.rows.append({**row, "seconds": round(time.monotonic() - began, 3)})
        if not self.best or not agreed.loss >= self.best["loss"]:
            self.best = {"loss": agreed.loss, "network": copy.deepcopy(self.network.state_dict())}
        self._write()
        logging.info(
            "student, epoch %d of %d: training loss %.5f, validation loss %.5f; with the teachers: Pearson "
            "%.4f, same first variant in %.1f %% of bags",
            number + 1, config.epochs, row["train_loss"], agreed.loss, agreed.pearson, 100 * agreed.same_top,
        )  # fmt: skip

    def _pass(
        self, train: Taught, genome: GenomeTensor, generator: np.random.Generator,
        on_progress: Callable[[int, float], None] | None,
    ) -> list[float]:  # fmt: skip
        device = genome.codes.device
        target, weight = (torch.from_numpy(x).float().to(device) for x in (train.target, train.weight))
        used = epoch_rows(train.dataset, self._config.negatives_per_bag, generator)
        order = torch.from_numpy(generator.permutation(used)).to(device)
        batches = list(torch.split(order, self._config.windows_per_batch))
        if len(batches) > 1 and len(batches[-1]) == 1:
            # Batch normalisation cannot learn from one window.
            batches.pop()
        self.network.train()
        losses = []
        for step, rows in enumerate(batches, start=1):
            own = None if train.alleles is None else train.alleles[rows]
            logits = _training_logits(self.network, genome, train.offsets[rows], own)
            error = (logits.sigmoid() - target[rows]).square()
            loss = (weight[rows] * error).mean()
            self._optimiser.zero_grad()
            torch.autograd.backward(loss)
            self._optimiser.step()
            losses.append(loss.detach())
            if on_progress is not None:
                count = len(self.rows) * len(order) + min(step * len(batches[0]), len(order))
                on_progress(count, (len(self.rows) + step / len(batches)) / self._config.epochs)
        values: list[float] = torch.stack(losses).cpu().tolist()
        if not np.isfinite(values).all():
            raise DistilError(
                f"the loss of the student is not finite in epoch {len(self.rows)}; lower "
                "distil.bags.learning_rate"
            )
        return values

    def _write(self) -> None:
        state = {
            "identity": json.dumps(self._identity),
            "rows": self.rows,
            "best": self.best,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        write_checkpoint(self._out / CHECKPOINT, state)
        with written_whole(self._out / LOG) as path:
            pd.DataFrame(self.rows).to_csv(path, index=False)

    def _resume(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            identity = json.loads(state["identity"])
        # A damaged file can fail in any way inside torch.load.
        except Exception as error:
            raise DistilError(
                f"{path} is not a checkpoint of a distillation, or damaged; delete it to start from the "
                "beginning"
            ) from error
        if differing := differences(identity, dict(self._identity)):
            raise DistilError(
                f"{path} is of another distillation: {'; '.join(differing[:_NAMED])}; resume with the "
                "settings and data that it was started with, or name another folder"
            )
        self.rows, self.best = state["rows"], state["best"]
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])


def _training_logits(
    network: MIFM, genome: GenomeTensor, offsets: torch.Tensor, alleles: Alleles | None
) -> torch.Tensor:
    """Logits of instances; both alleles of a batch share its statistics of batch normalisation."""
    window, count = network.config.window, len(offsets)
    windows = genome.cut(offsets, window)
    if alleles is not None:
        alt = genome.cut(offsets, window, alleles=alleles)
        # Convolutions want the channels of a position side by side in memory, as they are cut.
        windows = torch.cat([windows.transpose(1, 2), alt.transpose(1, 2)]).transpose(1, 2)
    logits: torch.Tensor = network(windows)
    return logits if alleles is None else both_alleles_logit(logits[:count], logits[count:])


def targets(
    logits: _Floats, bag: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], config: BagDistilConfig
) -> tuple[_Floats, _Floats]:
    """The probabilities that the student learns, and their weights.

    Parameters
    ----------
    logits : numpy.ndarray, shape (n,)
        Logits of the teachers' mean probability.
    bag : numpy.ndarray of int64, shape (n,)
        The bag of each instance, rising from 0 without gaps.
    labels : numpy.ndarray, shape (m,)
        1 for positive bags, 0 for negative ones, of which no instance is chosen.
    config : BagDistilConfig
        The kind of target, and the weight of a target of 1.

    Returns
    -------
    target, weight : numpy.ndarray of float64, shape (n,)
    """
    if config.target == "mean":
        target = probabilities(logits)
    else:
        target = np.zeros(logits.size)
        target[highest_rows(logits, bag)[labels == 1]] = 1
    return target, 1 + (config.weight_of_one - 1) * target


def drawn_fraction(labels: npt.NDArray[np.int64], negatives_per_bag: int | None) -> float:
    """Fraction of the negative bags that an epoch has.

    Parameters
    ----------
    labels : numpy.ndarray, shape (m,)
        1 for positive bags, 0 for negative ones.
    negatives_per_bag : int, optional
        Of :class:`~training.distillation.config.BagDistilConfig`.
    """
    positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
    if negatives_per_bag is None or not negatives:
        return 1.0
    return min(1.0, negatives_per_bag * positives / negatives)


def epoch_rows(
    dataset: DataSet, negatives_per_bag: int | None, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The instances of an epoch: all of the positive bags, and those of all or some negative bags.

    Parameters
    ----------
    dataset : DataSet
        The training bags.
    negatives_per_bag : int, optional
        Of :class:`~training.distillation.config.BagDistilConfig`.
    generator : numpy.random.Generator
        Draws the negative bags, without replacement.

    Returns
    -------
    numpy.ndarray of int64, rising
        Rows of the data set's instances.
    """
    labels = dataset.bags["label"].to_numpy(np.int64)
    used = labels == 1
    negatives = np.flatnonzero(~used)
    fraction = drawn_fraction(labels, negatives_per_bag)
    if fraction < 1:
        negatives = generator.permutation(negatives)[: round(fraction * negatives.size)]
    used[negatives] = True
    return np.flatnonzero(used[dataset.instances["bag"].to_numpy()])


def teach(
    teachers: Sequence[MIFM],
    dataset: DataSet,
    genome: GenomeTensor,
    config: BagDistilConfig,
    alleles: AlleleKind = "reference",
) -> Taught:
    """Score every instance of a data set with the teachers, once; everything is on one device."""
    used = used_instances(dataset, config.max_bag_size)
    offsets = genome.offsets(used.instances)
    both = Alleles.of(used.instances).to(offsets.device) if alleles == "both" else None
    logits = mean_logits([instance_logits(teacher, genome, offsets, both) for teacher in teachers])
    if not np.isfinite(logits).all():
        raise DistilError("the teachers' logits are not finite; their weights cannot be used")
    labels = used.bags["label"].to_numpy(np.int64)
    bag = used.instances["bag"].to_numpy()
    target, weight = targets(logits, bag, labels, config)
    frequency = np.where(labels == 1, 1.0, drawn_fraction(labels, config.negatives_per_bag))[bag]
    return Taught(used, offsets, both, logits, target, weight, frequency)


def agreement(student: MIFM, taught: Taught, genome: GenomeTensor) -> Agreement:
    """Compare a student with its teachers on the windows that they were asked for.

    Raises
    ------
    DistilError
        When the student's logits are not finite.
    """
    bags, bag = taught.dataset.bags, taught.dataset.instances["bag"].to_numpy()
    if not len(bags):
        return Agreement(*[math.nan] * len(dataclasses.fields(Agreement)))
    logits = instance_logits(student, genome, taught.offsets, taught.alleles)
    if not np.isfinite(logits).all():
        raise DistilError("the student's logits are not finite; lower distil.bags.learning_rate")
    answer, mean = probabilities(logits), probabilities(taught.logits)
    own, theirs = highest_rows(logits, bag), highest_rows(taught.logits, bag)
    labels = bags["label"].to_numpy(np.int64)
    several = (labels == 1) & (bags["size"].to_numpy() > 1)
    return Agreement(
        loss=float(np.average(taught.weight * (answer - taught.target) ** 2, weights=taught.frequency)),
        mse=float(np.mean((answer - mean) ** 2)),
        pearson=float(pearson(logits, taught.logits)),
        same_top=float(np.mean((own == theirs)[several])) if several.any() else math.nan,
        auroc=auroc(logits[own], labels == 1),
        teachers_auroc=auroc(taught.logits[theirs], labels == 1),
    )
