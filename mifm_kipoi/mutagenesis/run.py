"""Saturation mutagenesis from files to files: what ``mifm mutagenesis`` does."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION, WINDOW, Status
from mifm_kipoi.errors import WeightsError
from mifm_kipoi.genetics.variant_lists import iter_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import on_known_contigs, read_intervals
from mifm_kipoi.mutagenesis import files as mutagenesis_files
from mifm_kipoi.mutagenesis import plot as mutagenesis_plot
from mifm_kipoi.mutagenesis import tracks
from mifm_kipoi.mutagenesis.mutate import BATCHES, Batches, Effects, ScanWhenDue, mutate
from mifm_kipoi.mutagenesis.targets import Centre, Target, interval_targets, record_of, variant_targets
from mifm_kipoi.network.inference import Predictor, find_device
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.scan.engines import engine_of
from mifm_kipoi.network.weights import Weights, find_weights, load_weights
from mifm_kipoi.scoring.scanning import COSTS
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs

_Path = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class MutagenesisRun:
    """What to substitute, and where to write it; one of ``bed`` and ``vcf`` is given.

    Parameters
    ----------
    fasta : path-like
        Reference genome, plain or bgzip.
    output : path-like
        Ends in ``.parquet`` or ``.h5``.
    bed : path-like, optional
        Regions.
    vcf : path-like, optional
        Variants, VCF, BCF or a table of them; only REF and its surroundings matter.
    positions : path-like, optional
        VCF or .bim file that knows the identifiers of a table without positions.
    centre : Centre
        What is at the centre of the window.
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
        Threads of PyTorch; by default the CPUs that this process may use.
    batches : Batches
        How much is computed together.

    Raises
    ------
    ValueError
        When both or none of ``bed`` and ``vcf`` are given, or ``centre`` is unknown.
    """

    fasta: _Path
    output: _Path
    bed: _Path | None = None
    vcf: _Path | None = None
    positions: _Path | None = None
    centre: Centre = Centre.VARIANT
    flank: int | None = None
    plot: _Path | None = None
    bigwig: _Path | None = None
    weights: _Path = "embedded"
    max_n_fraction: float = MAX_N_FRACTION
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    device: str = "auto"
    threads: int | None = None
    batches: Batches = BATCHES

    def __post_init__(self) -> None:
        if (self.bed is None) == (self.vcf is None):
            raise ValueError("expected either bed or vcf")
        object.__setattr__(self, "centre", Centre(self.centre))

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> MutagenesisResult:
        """Substitute, score and write.

        Parameters
        ----------
        on_progress : callable, optional
            Receives the positions that are done, and which fraction that is of the positions of the BED
            file or of the records of the variant file, 0 where it is not known. These are counted first,
            for which the file is read once more.

        Returns
        -------
        MutagenesisResult
            What was written, and counts.

        Raises
        ------
        MIFMError
            When an input cannot be read, a package is missing or an output cannot be written; no output is
            left behind.
        """
        inputs = [self.fasta, self.bed, self.vcf, self.positions, find_weights(self.weights)]
        check_outputs(self._outputs(), inputs)
        device, threads = find_device(self.device), self.threads or usable_cpus()
        torch.set_num_threads(threads)
        genome = Genome(self.fasta)
        weights = load_weights(self.weights)
        if weights.config.window != WINDOW:
            raise WeightsError(
                f"the network of {weights.path} reads windows of {weights.config.window} bp; "
                f"expected {WINDOW} bp, as of the embedded weights"
            )
        provenance = mutagenesis_files.provenance(weights, genome, self.centre)
        written = [Path(self.output)]
        with contextlib.ExitStack() as stack:
            sinks = [stack.enter_context(mutagenesis_files.written(self.output, provenance))]
            if self.bigwig is not None:
                sinks.append(stack.enter_context(tracks.written_tracks(self.bigwig, genome, self.centre)))
                written += [tracks.track_path(self.bigwig, name) for name in tracks.TRACKS[self.centre]]
            figures = None
            if self.plot is not None:
                figures = stack.enter_context(mutagenesis_plot.drawn(self.plot, self.centre))
                sinks.append(figures)
            stream = mutate(
                self._targets(genome),
                genome,
                Predictor(weights.model().to(device), path=weights.path),
                self.centre,
                self.max_n_fraction,
                self.batches,
                _scan_of(weights, threads) if device.type == "cpu" else None,
            )
            if on_progress:
                stream = self._followed(stream, self._amount(genome), on_progress)
            counts = mutagenesis_files.write(stream, sinks)
        written += figures.paths if figures else []
        return MutagenesisResult(
            tuple(written), counts.regions, counts.positions, counts.substitutions, counts.status
        )

    def _outputs(self) -> list[Path]:
        """Every name that may be written, of the figures those that are taken."""
        outputs = [Path(self.output)]
        if self.plot is not None:
            outputs += [Path(self.plot), *mutagenesis_plot.numbered(self.plot)]
        if self.bigwig is not None:
            outputs += [tracks.track_path(self.bigwig, name) for name in tracks.TRACKS[self.centre]]
        return outputs

    def _targets(self, genome: Genome) -> Iterator[Target]:
        if self.bed is not None:
            intervals = on_known_contigs(read_intervals(self.bed), genome, self.bed)
            return interval_targets(intervals, genome, self.centre)
        assert self.vcf is not None, "checked when the run was made"
        return variant_targets(
            iter_variants(self.vcf, genome, positions=self.positions),
            genome,
            self.centre,
            self.flank,
            self.max_n_fraction,
            self.max_mismatch_fraction,
        )

    def _followed(
        self, stream: Iterator[Effects], total: int, on_progress: Callable[[int, float], None]
    ) -> Iterator[Effects]:
        """Say how far the work is while effects pass."""
        positions, done = 0, 0
        for effects in stream:
            yield effects
            positions += len(effects)
            target = effects.target
            if self.bed is not None:
                done += len(effects) or target.end - target.start
            elif not len(effects) or effects.start + len(effects) == target.end:
                done = target.number
            on_progress(positions, done / total if total else 0.0)

    def _amount(self, genome: Genome) -> int:
        """Positions of a BED file, or records of variants; 0 of what can be read only once."""
        if not Path(self.bed or self.vcf or "").is_file():
            return 0
        if self.bed is not None:
            targets = interval_targets(read_intervals(self.bed), genome, self.centre)
            return sum(target.end - target.start for target in targets)
        assert self.vcf is not None, "checked when the run was made"
        variants = iter_variants(self.vcf, genome, positions=self.positions)
        return sum(1 for _ in itertools.groupby(variants, record_of))


def _scan_of(weights: Weights, threads: int) -> ScanWhenDue | None:
    """The scan of a network; None of one that reads the variant token, for which it is not faster."""
    if weights.config.channels > encoding.NO_BASE:
        return None
    costs = COSTS[engine_of()]
    return ScanWhenDue(lambda: Scan(weights.model(), path=weights.path), costs, threads)


@dataclasses.dataclass(frozen=True)
class MutagenesisResult:
    """Files of saturation mutagenesis that are complete.

    Parameters
    ----------
    written : tuple of Path
        All files: the table or the arrays, then tracks, then figures.
    regions, positions, substitutions : int
        How many were read, have a base, and have scores.
    status : mapping of Status to int
        Positions without a score, and regions without one as a whole, by their status.
    """

    written: tuple[Path, ...]
    regions: int
    positions: int
    substitutions: int
    status: Mapping[Status, int]
