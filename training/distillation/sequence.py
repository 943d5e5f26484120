"""Distil a teacher into a student of the same size on sequence cut from a FASTA file.

No labels are needed: the student learns to answer as the teacher does. Because both networks are
convolutional, a chunk of sequence much longer than a window gives one logit per bin of 32 bp at
once, so that every step compares hundreds of windows for the price of a few dozen.

Two stages follow each other:

1. hints (Romero et al. 2015): every block of the student reads the teacher's activations before it
   and learns the teacher's activations behind it; all blocks train side by side. A high learning
   rate, while batch normalisation still learns its statistics, carries the blocks past poor local
   minima; then the statistics stay as they are, so that the student trains as it will be used.
2. end to end: the student reads the sequence alone and learns the teacher's logits, the change of
   the logits when single bases are exchanged, and, with a small weight, the activations.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from mifm_kipoi.network.model import MIFM
from mifm_kipoi.sequence.encoding import NO_BASE, reverse_complement

_WARM_UP = 100
"""Steps in which the learning rate rises."""


@dataclasses.dataclass(frozen=True)
class SequenceDistilConfig:
    """How a student is distilled on sequence.

    Parameters
    ----------
    contigs, held_out : tuple of str
        Contigs of the FASTA that the student is taught on, and those that its fidelity is
        measured on.
    seed : int
        Seed of the student's initial weights and of the drawn sequence.
    hint_steps, end_to_end_steps : int
        Optimiser steps of the two stages.
    hint_learning_rate, end_to_end_learning_rate : float
        Highest learning rate of each stage; Adam with a short warm-up and a cosine to zero.
    statistics_share : float
        Share of the hint steps in which batch normalisation learns its statistics.
    chunk_bins : int
        Length of a chunk of sequence, in bins of the network (32 bp).
    hint_chunks, end_to_end_chunks : int
        Chunks per step; half of the end-to-end ones are the same chunks with exchanged bases.
    exchange_every : int
        Bins from one exchanged base to the next.
    delta_weight, hint_weight : float
        Weights of the logit changes and of the activations in the end-to-end loss; the logits
        themselves weigh 1. Every term is a mean squared error over the teacher's variance.
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
            raise ValueError("contigs is empty; expected the contigs to teach on")
        if overlap := set(self.contigs) & set(self.held_out):
            raise ValueError(f"contigs and held_out share {sorted(overlap)}")


@dataclasses.dataclass(frozen=True)
class LogLine:
    """One line of the log: losses averaged since the last, each over the teacher's variance."""

    stage: str
    step: int
    seconds: float
    learning_rate: float
    logit: float
    delta: float
    hint: float


def stages(model: MIFM) -> list[nn.Sequential]:
    """The network as a chain of stages between which hints are given; the last gives the logits.

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
        Length of a chunk in base pairs.
    generator : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    ValueError
        When no contig holds a stretch of ``length`` without N.
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
            raise ValueError(f"no contig holds {length} bp without N")

    def draw(self, count: int) -> torch.Tensor:
        """Codes of ``count`` chunks, each from a random strand: int64, shape (count, length)."""
        starts = self._generator.choice(self._starts, count)
        codes = self._sequence[starts[:, None] + np.arange(self._length)]
        flip = self._generator.random(count) < 0.5
        codes[flip] = reverse_complement(codes[flip])
        return torch.from_numpy(codes.astype(np.int64))


def exchange_bases(
    codes: torch.Tensor, positions: npt.NDArray[np.int64], generator: np.random.Generator
) -> torch.Tensor:
    """Codes with another base at ``positions`` of every row: shape (n, length), as given."""
    exchanged = codes.clone()
    step = torch.from_numpy(generator.integers(1, NO_BASE, (codes.shape[0], positions.size)))
    exchanged[:, positions] = (exchanged[:, positions] + step) % NO_BASE
    return exchanged


def one_hot(codes: torch.Tensor) -> torch.Tensor:
    """One-hot sequence on the codes' device: (n, length) -> float32 (n, 4, length)."""
    return functional.one_hot(codes, NO_BASE).transpose(1, 2).float().contiguous()


def activations(model: MIFM, x: torch.Tensor) -> list[torch.Tensor]:
    """What every stage puts out, in the order of :func:`stages`."""
    found = []
    for stage in stages(model):
        x = stage(x)
        found.append(x)
    return found


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
            raise FloatingPointError(f"the loss is not finite at step {step}")
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
    x : torch.Tensor, shape (2 n, 4, length)
        One-hot chunks, then the same with exchanged bases.
    config : SequenceDistilConfig
        The weights.
    """
    with torch.no_grad():
        taught = activations(teacher, x)
    learnt = activations(student, x)
    truth, answer = (_complete(student, found[-1]) for found in (taught, learnt))
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
) -> MIFM:
    """Train a student that answers as the teacher does.

    Parameters
    ----------
    teacher : MIFM
        Network with four input channels; left as it is.
    contigs : list of numpy.ndarray of uint8
        Coded contigs to draw sequence from.
    config : SequenceDistilConfig
        The recipe.
    on_log : callable, optional
        Receives a :class:`LogLine` every ``config.log_every`` steps.
    start : MIFM, optional
        A student to go on with, instead of random weights; left as it is.

    Returns
    -------
    MIFM
        The student, of the teacher's size, in evaluation mode, on the CPU.

    Raises
    ------
    ValueError
        When the teacher reads the variant token, the student to start with has another size, or no
        sequence without N is long enough.
    """
    if teacher.config.channels != NO_BASE:
        raise ValueError("the teacher reads the variant token; distillation on sequence needs one without")
    if start is not None and start.config != teacher.config:
        raise ValueError("the student to start with has another size than the teacher")
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
        # Exchanged bases lie where a variant's base lies in the bin that is read out.
        first = int(generator.integers(config.exchange_every))
        bins = np.arange(first, config.chunk_bins, config.exchange_every)
        positions = bins * teacher.config.bin_size + teacher.config.variant_index % teacher.config.bin_size
        both = torch.cat([codes, exchange_bases(codes, positions, generator)])
        return end_to_end_loss(teacher, student, one_hot(both.to(device)), config)

    log = _Log(config.log_every, on_log)
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
    """Averages the terms of the loss between lines."""

    def __init__(self, every: int, on_log: Callable[[LogLine], None] | None) -> None:
        self._every = every
        self._on_log = on_log
        self._began = time.monotonic()
        self._recent: list[dict[str, float]] = []

    def add(self, stage: str, step: int, rate: float, terms: dict[str, float], last: bool) -> None:
        self._recent.append(terms)
        if step % self._every and not last:
            return
        mean = {term: sum(line[term] for line in self._recent) / len(self._recent) for term in terms}
        self._recent = []
        if self._on_log is not None:
            seconds = round(time.monotonic() - self._began, 1)
            losses = {term: mean.get(term, math.nan) for term in ("logit", "delta", "hint")}
            self._on_log(LogLine(stage, step, seconds, rate, **losses))
