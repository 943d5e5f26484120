"""Distil a teacher into a student of the same size on sequence cut from a FASTA file.

No labels are needed: the student learns the teacher's logits. Because both networks are convolutional, a
chunk of sequence much longer than a window gives one logit per bin of 32 bp in one pass, so that every step
compares hundreds of windows for the price of a few dozen.

There are two stages:

1. hints (Romero et al. 2015): every block of the student reads the teacher's activations before it and learns
   the teacher's activations behind it; all blocks train side by side. A high learning rate, while batch
   normalisation still learns its statistics, carries the blocks past poor local minima; then the statistics
   stay as they are, so that the student trains as it will be used.
2. end to end: the student reads the sequence alone and learns the teacher's logits, the change of the logits
   when single bases are substituted, and, with a small weight, the activations.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from mifm_kipoi.network.model import MIFM
from mifm_kipoi.sequence.encoding import NO_BASE, reverse_complement
from mifm_kipoi.support.files import written_whole
from training.distillation.config import DistilError, SequenceDistilConfig

_WARM_UP = 100
"""Steps in which the learning rate rises."""


@dataclasses.dataclass(frozen=True)
class LogLine:
    """One line of the log.

    Parameters
    ----------
    stage : str
        ``hints`` or ``end-to-end``.
    step : int
        Step of the stage, from 1.
    seconds : float
        Since the beginning of the distillation.
    learning_rate : float
        That of the step.
    logit, delta, hint : float
        Terms of the loss, each over the teacher's variance, averaged since the last line; NaN where the
        stage has no such term.
    """

    stage: str
    step: int
    seconds: float
    learning_rate: float
    logit: float
    delta: float
    hint: float


def stages(model: MIFM) -> list[nn.Sequential]:
    """The network as a chain of stages between which hints are given; the last one gives the logits.

    A stage is one block of the network. A block's pooling belongs to the next stage, so that hints
    are given at every position and not only at the largest of two.
    """
    blocks = [model.stem, *(module for module in model.tower if isinstance(module, nn.Sequential))]
    pools = [nn.Identity(), *(block[-1] for block in blocks)]
    first, *rest = model.dilated
    bodies = [*(block[:-1] for block in blocks), first]
    chain = [nn.Sequential(pool, body) for pool, body in zip(pools, bodies, strict=True)]
    return [
        *chain,
        *(nn.Sequential(block) for block in rest),
        nn.Sequential(model.features, model.head),
    ]


class ChunkSampler:
    """Draws chunks of sequence without N from coded contigs, from both strands.

    Parameters
    ----------
    contigs : list of numpy.ndarray of uint8
        Coded contigs (:func:`mifm_kipoi.sequence.encoding.codes`).
    length : int
        Length of a chunk, in bp.
    generator : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    DistilError
        When no contig has a region of ``length`` bp without N.
    """

    def __init__(
        self, contigs: list[npt.NDArray[np.uint8]], length: int, generator: np.random.Generator
    ) -> None:
        self._sequence = np.concatenate(contigs)
        self._length = length
        self._generator = generator
        ends = np.cumsum([contig.size for contig in contigs])
        unknown = np.concatenate([[0], np.cumsum(self._sequence == NO_BASE)])
        starts = np.flatnonzero(unknown[length:] == unknown[: unknown.size - length])
        contig = np.searchsorted(ends, starts, side="right")
        self._starts = starts[starts + length <= ends[contig]]
        if not self._starts.size:
            raise DistilError(f"no contig has a region of {length} bp without N")

    def draw(self, count: int) -> torch.Tensor:
        """Codes of ``count`` chunks, each from a random strand: int64, shape (count, length)."""
        starts = self._generator.choice(self._starts, count)
        codes = self._sequence[starts[:, None] + np.arange(self._length)]
        flip = self._generator.random(count) < 0.5
        codes[flip] = reverse_complement(codes[flip])
        return torch.from_numpy(codes.astype(np.int64))


def substitute_bases(
    codes: torch.Tensor, positions: npt.NDArray[np.int64], generator: np.random.Generator
) -> torch.Tensor:
    """Sequence with random substitutions.

    Parameters
    ----------
    codes : torch.Tensor of int64, shape (n, length)
        Codes of bases, without N.
    positions : numpy.ndarray of int64
        Indices of the bases that are substituted in every row.
    generator : numpy.random.Generator
        Draws the new bases, each from the three others.

    Returns
    -------
    torch.Tensor of int64, shape (n, length)
    """
    substituted = codes.clone()
    step = torch.from_numpy(generator.integers(1, NO_BASE, (codes.shape[0], positions.size)))
    substituted[:, positions] = (substituted[:, positions] + step) % NO_BASE
    return substituted


def one_hot(codes: torch.Tensor) -> torch.Tensor:
    """One-hot sequence on the codes' device: (n, length) -> float32 (n, 4, length)."""
    return functional.one_hot(codes, NO_BASE).transpose(1, 2).float().contiguous()


def activations(model: MIFM, x: torch.Tensor) -> list[torch.Tensor]:
    """The output of every stage for x of shape (n, 4, length), in the order of :func:`stages`."""
    outputs = []
    for stage in stages(model):
        x = stage(x)
        outputs.append(x)
    return outputs


def _relative_error(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean squared error over the teacher's variance, per channel (dimension 1), averaged."""
    variance = teacher.var(dim=(0, 2), keepdim=True) + 1e-6
    return ((student - teacher).square() / variance).mean()


def _complete(model: MIFM, logits: torch.Tensor) -> torch.Tensor:
    """The logits, shape (n, 1, bins), of the bins whose whole window lies inside the chunk."""
    left = model.config.variant_bin
    right = model.config.window // model.config.bin_size - left - 1
    return logits[:, :, left : logits.shape[2] - right]


def _train(
    student: MIFM, loss: Callable[[], dict[str, torch.Tensor]], steps: int, learning_rate: float
) -> Iterator[tuple[int, float, dict[str, float]]]:
    """Adam, warmed up and annealed; yields step, learning rate and the terms of the loss."""
    parameters = list(student.parameters())
    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    for step in range(1, steps + 1):
        warm_up = min(1.0, step / _WARM_UP)
        rate = learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        terms = loss()
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise DistilError(f"the loss is not finite at step {step}; lower the learning rate of the stage")
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call] # torch has no type for it
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        yield step, rate, {name: float(term.detach()) for name, term in terms.items()}


def hint_loss(teacher: MIFM, student: MIFM, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The errors of all stages, each reading the teacher's activations: x of shape (n, 4, length)."""
    with torch.no_grad():
        taught = activations(teacher, x)
    errors = [
        _relative_error(stage(before), behind)
        for stage, before, behind in zip(stages(student), [x, *taught[:-1]], taught, strict=True)
    ]
    return {"hint": torch.stack(errors).sum()}


def end_to_end_loss(
    teacher: MIFM, student: MIFM, x: torch.Tensor, config: SequenceDistilConfig
) -> dict[str, torch.Tensor]:
    """The weighted errors of logits, their changes and activations.

    Parameters
    ----------
    teacher, student : MIFM
        Networks of one size, on the device of ``x``.
    x : torch.Tensor, shape (2 n, 4, length)
        One-hot chunks, then the same with substituted bases.
    config : SequenceDistilConfig
        The weights of the terms.

    Returns
    -------
    dict of str to torch.Tensor, shape ()
        The terms ``logit``, ``delta`` and ``hint``, whose sum is the loss.
    """
    with torch.no_grad():
        taught = activations(teacher, x)
    learnt = activations(student, x)
    truth, answer = (_complete(student, outputs[-1]) for outputs in (taught, learnt))
    half = len(x) // 2
    hint = torch.stack([_relative_error(s, t) for s, t in zip(learnt[:-1], taught[:-1], strict=True)])
    delta = _relative_error(answer[half:] - answer[:half], truth[half:] - truth[:half])
    return {
        "logit": _relative_error(answer, truth),
        "delta": config.delta_weight * delta,
        "hint": config.hint_weight * hint.mean(),
    }


def distil_on_sequence(
    teacher: MIFM,
    contigs: list[npt.NDArray[np.uint8]],
    config: SequenceDistilConfig,
    on_log: Callable[[LogLine], None] | None = None,
    start: MIFM | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> MIFM:
    """Train a student to give the teacher's logits.

    Parameters
    ----------
    teacher : MIFM
        Network with four input channels; it is not changed.
    contigs : list of numpy.ndarray of uint8
        Coded contigs to draw sequence from.
    config : SequenceDistilConfig
        The recipe.
    on_log : callable, optional
        Receives a :class:`LogLine` every ``config.log_every`` steps.
    start : MIFM, optional
        A student to start from, instead of random weights; it is not changed.
    on_progress : callable, optional
        Called after each step with the steps of both stages so far and their fraction.

    Returns
    -------
    MIFM
        The student, of the teacher's size, in evaluation mode, on the CPU.

    Raises
    ------
    DistilError
        When the teacher reads the variant token, the student to start with has another size, no region
        without N is long enough, or a loss is not finite.
    """
    if teacher.config.channels != NO_BASE:
        raise DistilError(
            f"the teacher has {teacher.config.channels} channels: it reads the variant token; distillation "
            "on sequence needs a teacher with 4"
        )
    if start is not None and start.config != teacher.config:
        raise DistilError("the student to start with has another size than the teacher")
    device = next(teacher.parameters()).device
    torch.manual_seed(config.seed)
    generator = np.random.default_rng(config.seed)
    student = copy.deepcopy(start) if start is not None else MIFM(teacher.config)
    student = student.to(device)
    sampler = ChunkSampler(contigs, config.chunk_bins * teacher.config.bin_size, generator)
    was_training = teacher.training
    teacher.eval()

    def hints() -> dict[str, torch.Tensor]:
        return hint_loss(teacher, student, one_hot(sampler.draw(config.hint_chunks).to(device)))

    def end_to_end() -> dict[str, torch.Tensor]:
        codes = sampler.draw(config.end_to_end_chunks // 2)
        # Substitutions lie where a variant's base lies in the bin that is read out.
        first = int(generator.integers(config.exchange_every))
        bins = np.arange(first, config.chunk_bins, config.exchange_every)
        positions = bins * teacher.config.bin_size + teacher.config.variant_index % teacher.config.bin_size
        both = torch.cat([codes, substitute_bases(codes, positions, generator)])
        return end_to_end_loss(teacher, student, one_hot(both.to(device)), config)

    log = _Log(config, on_log, on_progress)
    try:
        student.train()
        for step, rate, terms in _train(student, hints, config.hint_steps, config.hint_learning_rate):
            log.add("hints", step, rate, terms, last=step == config.hint_steps)
            if step == int(config.statistics_share * config.hint_steps):
                student.eval()
        student.eval()
        for step, rate, terms in _train(
            student, end_to_end, config.end_to_end_steps, config.end_to_end_learning_rate
        ):
            log.add("end-to-end", step, rate, terms, last=step == config.end_to_end_steps)
    finally:
        teacher.train(was_training)
    return student.cpu()


class _Log:
    """Counts the steps, and averages the terms of the loss between lines."""

    def __init__(
        self,
        config: SequenceDistilConfig,
        on_log: Callable[[LogLine], None] | None,
        on_progress: Callable[[int, float], None] | None,
    ) -> None:
        self._every = config.log_every
        self._steps = config.hint_steps + config.end_to_end_steps
        self._on_log = on_log
        self._on_progress = on_progress
        self._done = 0
        self._began = time.monotonic()
        self._recent: list[dict[str, float]] = []

    def add(self, stage: str, step: int, rate: float, terms: dict[str, float], last: bool) -> None:
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._done, self._done / self._steps)
        self._recent.append(terms)
        if step % self._every and not last:
            return
        mean = {term: sum(line[term] for line in self._recent) / len(self._recent) for term in terms}
        self._recent = []
        if self._on_log is not None:
            seconds = round(time.monotonic() - self._began, 1)
            losses = {term: mean.get(term, math.nan) for term in ("logit", "delta", "hint")}
            self._on_log(LogLine(stage, step, seconds, rate, **losses))


def write_log(path: Path, lines: Sequence[LogLine]) -> None:
    """Write the log as a table of comma-separated values, a column for each field of :class:`LogLine`."""
    rows = [",".join(field.name for field in dataclasses.fields(LogLine))]
    for line in lines:
        values = dataclasses.astuple(line)
        rows.append(",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values))
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(rows) + "\n")
