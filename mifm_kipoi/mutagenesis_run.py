"""Saturation mutagenesis from files to files: what ``mifm mutagenesis`` does."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Iterator

from mifm_kipoi import mutagenesis_files, mutagenesis_plot, tracks
from mifm_kipoi.errors import WeightsError
from mifm_kipoi.genome import Genome
from mifm_kipoi.inference import Predictor
from mifm_kipoi.intervals import read_intervals
from mifm_kipoi.mutagenesis import Effects, mutate
from mifm_kipoi.mutagenesis_targets import Centre, Target, interval_targets, variant_targets
from mifm_kipoi.variants import read_variants
from mifm_kipoi.weights import load_weights
from mifm_kipoi.windows import MAX_MISMATCH_SHARE, MAX_UNKNOWN_SHARE, WINDOW

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
        See :func:`mifm_kipoi.mutagenesis_targets.variant_targets`.
    plot : path-like, optional
        Ends in ``.png``, ``.svg`` or ``.pdf``.
    bigwig : path-like, optional
        What the names of the tracks begin with.
    weights : str or path-like
        See :func:`mifm_kipoi.load_weights`.
    max_unknown_share, max_mismatch_share : float
        See :func:`mifm_kipoi.stream_windows`.
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
    max_unknown_share: float = MAX_UNKNOWN_SHARE
    max_mismatch_share: float = MAX_MISMATCH_SHARE

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
            Predictor(weights.model()),
            request.centre,
            request.max_unknown_share,
        )
        counts = mutagenesis_files.write(_shown(stream), sinks)
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
        request.max_unknown_share,
        request.max_mismatch_share,
    )


def _shown(stream: Iterator[Effects]) -> Iterator[Effects]:
    """Say on a terminal, about once a second, how far it is."""
    if not sys.stderr.isatty():
        yield from stream
        return
    positions, said = 0, time.monotonic()
    for effects in stream:
        yield effects
        positions += len(effects)
        if time.monotonic() - said > 1:
            said = time.monotonic()
            place = f"{effects.target.chrom}:{effects.start + len(effects)}"
            sys.stderr.write(f"\r{positions} positions, at {place}\033[K")
            sys.stderr.flush()
    sys.stderr.write("\r\033[K")
