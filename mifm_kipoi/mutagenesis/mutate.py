"""Saturation mutagenesis: the logits of windows in which each base is replaced by each of the others.

There are two questions, and :class:`Centre` names them. What in the sequence supports the score of one
variant? Then the window stays where it is and each of its bases is substituted. Which scores have all SNVs
of a region? Then each position gets a window of its own, with itself at the centre.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.conventions import MAX_N_FRACTION, VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval
from mifm_kipoi.mutagenesis.targets import Centre, Target
from mifm_kipoi.network.inference import Predictor, exactly
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.scan.engines import one_thread_each
from mifm_kipoi.scoring.scanning import START, Costs
from mifm_kipoi.scoring.scores import probability
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.contig_blocks import ContigBlock, cut_block
from mifm_kipoi.sequence.windows import cut_interval_windows
from mifm_kipoi.support.threads import ordered_map

SCORES = ("mifm_logit_ref", "mifm_logit_alt", "mifm_logit_delta", "mifm_ref", "mifm_alt", "mifm_delta")
"""Names of the scores of a substitution, in the order of every output."""

SUBSTITUTIONS = len(encoding.BASES) - 1
"""Substitutions of a base."""


@dataclasses.dataclass(frozen=True)
class Batches:
    """How much is computed together; no result depends on it but by rounding.

    Parameters
    ----------
    windows : int
        Windows whose bases are substituted: the activations of 16 take about 4 MB.
    substitutions : int
        Substitutions in these windows.
    positions : int
        Positions of a region, each in a window of its own.
    """

    windows: int = 16
    substitutions: int = 1024
    positions: int = 1024


BATCHES = Batches()


class Score(enum.StrEnum):
    """The effect that plots and tracks show."""

    LOGIT = "mifm_logit_delta"
    PROBABILITY = "mifm_delta"


MAIN_SCORE = {Centre.VARIANT: Score.LOGIT, Centre.POSITION: Score.PROBABILITY}
"""Logits add up what the parts of a window contribute; the score of an SNV is a sigmoid, from 0 to 1."""


@dataclasses.dataclass(frozen=True)
class Effects:
    """The substitutions at consecutive positions of a target.

    Parameters
    ----------
    target : Target
        Its status is final: where it is not ok, there are no positions.
    start : int
        The first position, 0-based.
    ref : numpy.ndarray of uint8, shape (length,)
        Bases of the FASTA, upper-case ASCII.
    status : list of Status, length ``length``
        Why a position has effects, or has none.
    ref_logit : numpy.ndarray of float32, shape (length,)
        Logit of the unchanged window: the same everywhere in a target whose centre is a variant; NaN
        where it has none.
    alt_logit : numpy.ndarray of float32, shape (length, 4)
        Logits with A, C, G, T at the position; NaN at the reference base, and where the
        status is not ok.
    """

    target: Target
    start: int
    ref: npt.NDArray[np.uint8]
    status: list[Status]
    ref_logit: npt.NDArray[np.float32]
    alt_logit: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ref)

    def scores(self) -> dict[str, npt.NDArray[np.float32]]:
        """Everything in :data:`SCORES`.

        Returns
        -------
        dict of str to numpy.ndarray of float32, shape (length, 4)
            ``ref_logit`` and ``mifm_ref``, of the unchanged window, have no channels: (length,).
        """
        ref, alt = probability(self.ref_logit), probability(self.alt_logit)
        values = (
            self.ref_logit,
            self.alt_logit,
            self.alt_logit - self.ref_logit[:, None],
            ref,
            alt,
            alt - ref[:, None],
        )
        return dict(zip(SCORES, values, strict=True))


def mean_effect(effects: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean over the substitutions of each position: (length, 4) -> (length,); NaN where there are none."""
    has_any = ~np.isnan(effects).all(axis=1)
    mean = np.full(len(effects), np.nan, dtype=np.float32)
    mean[has_any] = np.nanmean(effects[has_any], axis=1)
    return mean


def strongest_effect(effects: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The effect of largest size of each position, with its sign: (length, 4) -> (length,)."""
    strongest = np.nan_to_num(np.abs(effects), nan=-1).argmax(axis=1)
    effect: npt.NDArray[np.float32] = effects[np.arange(len(effects)), strongest]
    return effect


def substitution_logits(
    predictor: Predictor,
    windows: npt.NDArray[np.uint8],
    where: npt.NDArray[np.bool_] | None = None,
    batches: Batches = BATCHES,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Logits of windows with one base substituted: each base by each of the three others.

    Equal to cutting every changed window and evaluating the network on it, but for rounding (about 1e-5):
    a window is evaluated once, and then what each substitution reaches.

    Parameters
    ----------
    predictor : Predictor
        Of the network.
    windows : numpy.ndarray of uint8, shape (n, window)
        Codes, from :func:`mifm_kipoi.cut_interval_windows` for instance.
    where : numpy.ndarray of bool, shape (n, window), optional
        Positions whose bases are substituted; all by default.
    batches : Batches
        How much is computed together.

    Returns
    -------
    ref_logit : numpy.ndarray of float32, shape (n,)
        Of the windows as they are.
    alt_logit : numpy.ndarray of float32, shape (n, window, 4)
        With A, C, G, T at each position; NaN at the reference base, at every position without
        a base, and where ``where`` is false.

    Raises
    ------
    ValueError
        When the windows have another length than the network's.
    """
    ref_logit = np.full(len(windows), np.nan, dtype=np.float32)
    alt_logit = np.full((*windows.shape, encoding.NO_BASE), np.nan, dtype=np.float32)
    for first in range(0, len(windows), batches.windows):
        part = slice(first, first + batches.windows)
        codes = np.ascontiguousarray(windows[part])
        chosen = codes != encoding.NO_BASE
        if where is not None:
            chosen &= where[part]
        rows, indices = np.nonzero(chosen)
        others = encoding.OTHER_BASES[codes[rows, indices]].astype(np.int64)
        substitutions = (np.repeat(rows, SUBSTITUTIONS), np.repeat(indices, SUBSTITUTIONS), others.ravel())
        ref_logit[part], alt_logit[part][substitutions] = _substitute(
            predictor, codes, *substitutions, batches.substitutions
        )
    return ref_logit, alt_logit


def _substitute(
    predictor: Predictor,
    codes: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int64],
    bases: npt.NDArray[np.int64],
    batch: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Logits of windows, shape (n,), and of substitutions in them, shape (m,)."""
    network = predictor.network
    with exactly():
        levels = network.levels(predictor.one_hot(torch.from_numpy(codes)))
        logits = network.read_out(levels[-1])
        ref = predictor.finite(logits).numpy()
        alt = ref[rows]
        start, end = network.receptive_field
        read = (indices >= start) & (indices < end)
        if network.config.channels > encoding.NO_BASE:
            # The variant token hides the base at the centre.
            read &= indices != network.config.variant_index
        kinds = torch.eye(encoding.NO_BASE, network.config.channels).to(logits)
        numbers = np.flatnonzero(read)
        for low in range(0, numbers.size, batch):
            part = numbers[low : low + batch]
            at, where, what = (
                torch.from_numpy(values[part]).to(logits.device) for values in (rows, indices, bases)
            )
            substituted = network.read_out(network.substitute_anywhere(levels, at, where, kinds[what]))
            alt[part] = predictor.finite(substituted).numpy()
    return ref, alt


class ScanWhenDue:
    """The scan of a network, loaded once it has cost as much to do without it.

    Parameters
    ----------
    make : callable
        Makes the scan.
    costs : Costs
        Of its engine.
    threads : int
        Parts of a region that are computed side by side.
    """

    def __init__(self, make: Callable[[], Scan], costs: Costs, threads: int = 1) -> None:
        self.threads = threads
        self._make, self._costs = make, costs
        self._scan: Scan | None = None
        self._lost = 0.0

    def of(self, positions: int, coming: int) -> Scan | None:
        """The scan, where it is the cheaper way for all SNVs of consecutive positions.

        Parameters
        ----------
        positions : int
            How many are computed now.
        coming : int
            How many are to be, these included, as far as is known.
        """
        saved = self._saved(positions)
        if saved <= 0:
            return None
        if self._scan is None:
            if self._lost + max(saved, self._saved(coming)) < START:
                self._lost += saved
                return None
            self._scan = self._make()
        return self._scan

    def _saved(self, positions: int) -> float:
        """Microseconds."""
        snvs = SUBSTITUTIONS * positions
        return self._costs.of_windows(positions, snvs) - self._costs.of_scan(positions, snvs)


def mutate(
    targets: Iterable[Target],
    genome: Genome,
    predictor: Predictor,
    centre: Centre,
    max_n_fraction: float = MAX_N_FRACTION,
    batches: Batches = BATCHES,
    scan: ScanWhenDue | None = None,
) -> Iterator[Effects]:
    """Substitute every base of targets by every other, in their order and in constant memory.

    Parameters
    ----------
    targets : iterable of Target
        From :mod:`mifm_kipoi.mutagenesis.targets`, made for the same ``centre``.
    genome : Genome
        Of the targets.
    predictor : Predictor
        Of a network with windows of 512 bases.
    centre : Centre
        What is at index 255 of the window.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.
    batches : Batches
        How much is computed together.
    scan : ScanWhenDue, optional
        For ``Centre.POSITION``; each position has a window of its own without.

    Yields
    ------
    Effects
        For ``Centre.VARIANT`` one of each target; for ``Centre.POSITION`` one or more that follow each
        other. A target without a score has one without positions.
    """
    if centre is Centre.VARIANT:
        rest = iter(targets)
        while batch := list(itertools.islice(rest, batches.windows)):
            yield from _around_variants(batch, genome, predictor, max_n_fraction, batches)
        return
    with contextlib.ExitStack() as stack:
        threads = 1 if scan is None else scan.threads
        parts = _parts(targets, genome, predictor, max_n_fraction, batches, scan, stack)
        yield from ordered_map(_effects, parts, threads)


@dataclasses.dataclass(frozen=True)
class _ScannedPart:
    """Consecutive positions of a target that are to be scanned."""

    target: Target
    block: ContigBlock
    bases: npt.NDArray[np.uint8]
    scan: Scan

    def effects(self) -> Effects:
        """What the scan gives."""
        block, length = self.block, len(self.block)
        scored = np.flatnonzero(block.scorable)
        rows = np.repeat(scored, SUBSTITUTIONS)
        others = encoding.OTHER_BASES[block.bases[scored]].ravel()
        ref_logit = np.full(length, np.nan, dtype=np.float32)
        alt_logit = np.full((length, encoding.NO_BASE), np.nan, dtype=np.float32)
        codes = block.windows_of(self.scan.window)
        logits, alt_logit[rows, others] = self.scan.substituted(codes, rows, others)
        ref_logit[scored] = logits[scored]
        without = {True: Status.NON_ACGT_ALLELE, False: Status.TOO_MANY_N}
        unknown = (block.bases == encoding.NO_BASE).tolist()
        status = [
            Status.OK if scorable else without[base]
            for scorable, base in zip(block.scorable.tolist(), unknown, strict=True)
        ]
        return Effects(self.target, block.start, self.bases, status, ref_logit, alt_logit)


def _effects(part: Effects | _ScannedPart) -> Effects:
    return part.effects() if isinstance(part, _ScannedPart) else part


def _parts(
    targets: Iterable[Target],
    genome: Genome,
    predictor: Predictor,
    max_n_fraction: float,
    batches: Batches,
    scan: ScanWhenDue | None,
    stack: contextlib.ExitStack,
) -> Iterator[Effects | _ScannedPart]:
    """The parts of targets, those of windows computed; the stack keeps what scans need until the end."""
    scanning = False
    for target in targets:
        if target.status is not Status.OK:
            yield _nothing(target)
            continue
        for start in range(target.start, target.end, batches.positions):
            end = min(start + batches.positions, target.end)
            due = None if scan is None else scan.of(end - start, target.end - start)
            if scan is None or due is None:
                yield _around_positions(target, start, end, genome, predictor, max_n_fraction)
                continue
            if not scanning:
                stack.enter_context(one_thread_each(scan.threads))
                scanning = True
            contig = genome.find_contig(target.chrom)
            assert contig is not None, "a target that is ok lies on a contig of the FASTA"
            block = cut_block(genome, contig, start, end, max_n_fraction)
            yield _ScannedPart(target, block, genome.fetch(contig, start, end), due)


def _nothing(target: Target) -> Effects:
    return Effects(
        target,
        target.start,
        np.empty(0, np.uint8),
        [],
        np.empty(0, np.float32),
        np.empty((0, encoding.NO_BASE), np.float32),
    )


def _fetch(target: Target, start: int, end: int, genome: Genome) -> npt.NDArray[np.uint8]:
    contig = genome.find_contig(target.chrom)
    assert contig is not None, "a target that is ok lies on a contig of the FASTA"
    return genome.fetch(contig, start, end)


def _around_variants(
    targets: list[Target], genome: Genome, predictor: Predictor, max_n_fraction: float, batches: Batches
) -> Iterator[Effects]:
    """One window for each target."""
    centres = [target.start if target.centre is None else target.centre for target in targets]
    bases = [
        Interval(target.chrom, centre, centre + 1, target.id)
        for target, centre in zip(targets, centres, strict=True)
    ]
    windows, status = cut_interval_windows(bases, genome, max_n_fraction)
    targets = [
        dataclasses.replace(target, status=reason) if target.status is Status.OK else target
        for target, reason in zip(targets, status, strict=True)
    ]
    scored = [row for row, target in enumerate(targets) if target.status is Status.OK]
    where = np.zeros((len(scored), WINDOW), dtype=bool)
    spans = []
    for row, number in enumerate(scored):
        offset = centres[number] - VARIANT_INDEX
        spans.append(slice(targets[number].start - offset, targets[number].end - offset))
        where[row, spans[-1]] = True
    ref_logit, alt_logit = substitution_logits(predictor, windows[scored], where, batches)
    rows = iter(range(len(scored)))
    for target in targets:
        if target.status is not Status.OK:
            yield _nothing(target)
            continue
        row = next(rows)
        ref = _fetch(target, target.start, target.end, genome)
        known = (encoding.codes(ref) != encoding.NO_BASE).tolist()
        reasons = [Status.OK if base else Status.NON_ACGT_ALLELE for base in known]
        logits = np.full(len(ref), ref_logit[row], dtype=np.float32)
        yield Effects(target, target.start, ref, reasons, logits, alt_logit[row, spans[row]])


def _around_positions(
    target: Target, start: int, end: int, genome: Genome, predictor: Predictor, max_n_fraction: float
) -> Effects:
    """One window for each position."""
    bases = _fetch(target, start, end, genome)
    codes = encoding.codes(bases)
    positions = [Interval(target.chrom, pos, pos + 1, target.id) for pos in range(start, end)]
    windows, status = cut_interval_windows(positions, genome, max_n_fraction)
    for row in np.flatnonzero(codes == encoding.NO_BASE):
        status[row] = Status.NON_ACGT_ALLELE
    scored = np.array([row for row, reason in enumerate(status) if reason is Status.OK], dtype=np.intp)
    others = encoding.OTHER_BASES[codes[scored]]
    # The three substitutions of a position follow each other, so that they share the reference window.
    ref = np.repeat(windows[scored], SUBSTITUTIONS, axis=0)
    alt = ref.copy()
    alt[:, VARIANT_INDEX] = others.ravel()
    logits_of_ref, logits_of_alt = predictor.variant_logits(ref, alt)
    ref_logit = np.full(len(bases), np.nan, dtype=np.float32)
    ref_logit[scored] = logits_of_ref[::SUBSTITUTIONS]
    alt_logit = np.full((len(bases), encoding.NO_BASE), np.nan, dtype=np.float32)
    alt_logit[np.repeat(scored, SUBSTITUTIONS), others.ravel()] = logits_of_alt
    return Effects(target, start, bases, status, ref_logit, alt_logit)
