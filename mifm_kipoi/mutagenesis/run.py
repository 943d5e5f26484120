"""Saturation mutagenesis from files to files: what ``mifm mutagenesis`` does."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION, WINDOW
from mifm_kipoi.errors import WeightsError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import read_intervals
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.mutagenesis import files as mutagenesis_files
from mifm_kipoi.mutagenesis import plot as mutagenesis_plot
from mifm_kipoi.mutagenesis import tracks
from mifm_kipoi.mutagenesis.mutate import Effects, mutate
from mifm_kipoi.mutagenesis.targets import Centre, Target, interval_targets, record_of, variant_targets
from mifm_kipoi.network.inference import Predictor, find_device
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.support.progress import Progress

_Path = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Request:
    """What to exchange, and where to write it; one of ``bed`` and ``vcf`` is given.

    Parameters
    ----------
    fasta, bed, vcf : path-like
        Inputs.
    output : path-like
        Ends in ``.parquet`` or ``.h5``.
    centre : Centre
    flank : int, optional
        See :func:`mifm_kipoi.mutagenesis.targets.variant_targets`.
    plot : path-like, optional
        Ends in ``.png``, ``.svg`` or ``.pdf``.
    bigwig : path-like, optional
        What the names of the tracks begin with.
    weights : str or path-like
        See :func:`mifm_kipoi.load_weights`.
    max_n_fraction, max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    threads : int, optional
        Threads of PyTorch; by default one for each core.
    progress : bool, optional
        Show progress; by default on a terminal.
    """

    fasta: _Path
    output: _Path
    bed: _Path | None = None
    vcf: _Path | None = None
    centre: Centre = Centre.VARIANT
    flank: int | None = None
    plot: _Path | None = None
    bigwig: _Path | None = None
    weights: _Path = "embedded"
    max_n_fraction: float = MAX_N_FRACTION
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    device: str = "auto"
    threads: int | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        if (self.bed is None) == (self.vcf is None):
            raise ValueError("expected either bed or vcf")
        object.__setattr__(self, "centre", Centre(self.centre))


def run(request: Request) -> list[str]:
    """Exchange, score and write.

    Returns
    -------
    list of str
        What to print: what was written, and the counts of statuses.

    Raises
    ------
    MIFMError
        When an input cannot be read or an output cannot be written; no output is left behind.
    """
    device = find_device(request.device)
    torch.set_num_threads(request.threads or os.cpu_count() or 1)
    genome = Genome(request.fasta)
    weights = load_weights(request.weights)
    if weights.config.window != WINDOW:
        raise WeightsError(
            f"the network of {weights.path} reads windows of {weights.config.window} bp; "
            f"expected {WINDOW} bp, as of the embedded weights"
        )
    made_by = mutagenesis_files.provenance(weights, genome, request.centre)
    with contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(mutagenesis_files.written(request.output, made_by))]
        if request.bigwig is not None:
            sinks.append(stack.enter_context(tracks.written_tracks(request.bigwig, genome, request.centre)))
        if request.plot is not None:
            sinks.append(stack.enter_context(mutagenesis_plot.drawn(request.plot, request.centre)))
        stream = mutate(
            _targets(request, genome),
            genome,
            Predictor(weights.model().to(device)),
            request.centre,
            request.max_n_fraction,
        )
        counts = mutagenesis_files.write(_shown(stream, request, genome), sinks)
    lines = [f"{counts.regions} regions, {counts.positions} positions, {counts.exchanges} exchanges"]
    lines += [f"without a score: {count} {status}" for status, count in sorted(counts.status.items())]
    return [*lines, f"in {request.output}"]


def _targets(request: Request, genome: Genome) -> Iterator[Target]:
    if request.bed is not None:
        return interval_targets(read_intervals(request.bed), genome, request.centre)
    assert request.vcf is not None, "checked when the request was made"
    return variant_targets(
        read_variants(request.vcf),
        genome,
        request.centre,
        request.flank,
        request.max_n_fraction,
        request.max_mismatch_fraction,
    )


def _shown(stream: Iterator[Effects], request: Request, genome: Genome) -> Iterator[Effects]:
    """Show progress while effects pass."""
    with contextlib.closing(Progress("positions", request.progress)) as progress:
        total = _amount(request, genome) if progress.shown else 0
        positions, done = 0, 0
        for effects in stream:
            yield effects
            positions += len(effects)
            target = effects.target
            if request.bed is not None:
                done += len(effects) or target.end - target.start
            elif not len(effects) or effects.start + len(effects) == target.end:
                done = target.number
            progress.update(positions, done / total if total else 0.0)


def _amount(request: Request, genome: Genome) -> int:
    """How much there is to do: positions of a BED file, records of variants; 0 where it is not known."""
    if request.bed is not None:
        targets = interval_targets(read_intervals(request.bed), genome, request.centre)
        return sum(target.end - target.start for target in targets)
    assert request.vcf is not None, "checked when the request was made"
    if not Path(request.vcf).is_file():
        # It can be read only once.
        return 0
    return sum(1 for _ in itertools.groupby(read_variants(request.vcf), record_of))
