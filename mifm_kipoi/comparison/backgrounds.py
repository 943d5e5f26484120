"""``mifm compare background`` from files to files: the moments of each network's tracks."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.baselines.networks.background import (
    Background,
    read_background,
    read_moments,
    write_moments,
)
from mifm_kipoi.baselines.networks.sequence import SequenceBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.run import FolderRun
from mifm_kipoi.baselines.specs import Spec, require_all
from mifm_kipoi.conventions import CHUNK, MAX_MISMATCH_FRACTION, Status
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.variant_lists import iter_variants, open_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.scoring.records import read_chunks
from mifm_kipoi.sequence.windows import ReferenceCheck, check_beginning
from mifm_kipoi.support.files import made_folder, sha256_of
from mifm_kipoi.support.progress import Progress
from mifm_kipoi.support.provenance import differences
from mifm_kipoi.version import __version__

SUFFIX = ".safetensors"
"""Of the moments of the model with that label, in a folder of them."""


@dataclasses.dataclass(frozen=True)
class BackgroundRun(FolderRun):
    """On which common variants to fit the moments of which networks; the folder gets ``LABEL.safetensors``.

    Parameters
    ----------
    variants, fasta, specs, folder, compute, threads, max_mismatch_fraction, progress
        See :class:`mifm_kipoi.baselines.run.FolderRun`.
    """

    def run(self, on_progress: Callable[[str], None] | None = None) -> list[Background]:
        """Fit what is not fitted yet.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each network that is done.

        Returns
        -------
        list of Background
            Of each network, in the order of the specs.

        Raises
        ------
        MissingModelsError
            When models are not available; nothing is fitted.
        MIFMError
            When an input cannot be read or an output cannot be written. What was done is kept, and the same
            command resumes from it.
        """
        require_all(self.specs)
        made_folder(self.folder)
        self.set_threads()
        backgrounds = []
        for spec in self.specs:
            output = self.folder / f"{spec.label}{SUFFIX}"
            with contextlib.closing(Progress(f"variants of {spec.label}", self.progress)) as progress:
                background = fit_background(
                    spec, self.compute, self.variants, self.fasta, output, progress,
                    self.max_mismatch_fraction, self.positions,
                )  # fmt: skip
            backgrounds.append(background)
            if on_progress:
                tracks, count = len(background.mean), background.count
                on_progress(f"{output}: {tracks:,} tracks over {count:,} variants")
        return backgrounds


@dataclasses.dataclass
class _Moments:
    """A run up to some record: moments of the effects so far.

    Parameters
    ----------
    mean, squares : numpy.ndarray of float64, shape (tracks,)
        Mean, and sum of the squared differences from it.
    count, left_out, records : int
        Variants with and without effects, and records of the file, so far.
    compared, mismatches : int
        Of the check of REF alleles.
    """

    mean: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]
    count: int = 0
    left_out: int = 0
    records: int = 0
    compared: int = 0
    mismatches: int = 0

    def add(self, effects: npt.NDArray[np.float64]) -> None:
        """Add the effects of variants, shape (n, tracks).

        Chan TF, Golub GH, LeVeque RJ (1983) Am Stat 37(3): 242-247.
        """
        if not len(effects):
            return
        mean = effects.mean(axis=0)
        squares = np.square(effects - mean).sum(axis=0)
        total = self.count + len(effects)
        shift = mean - self.mean
        self.mean = self.mean + shift * (len(effects) / total)
        self.squares = self.squares + squares + np.square(shift) * (self.count * len(effects) / total)
        self.count = total


def fit_background(
    spec: Spec,
    compute: ComputeOptions,
    variants: str | os.PathLike[str],
    fasta: str | os.PathLike[str],
    output: str | os.PathLike[str],
    progress: Progress | None = None,
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION,
    positions: str | os.PathLike[str] | None = None,
) -> Background:
    """Measure how the effects of a model are spread over the variants of a file.

    A run that was killed goes on by itself: after each chunk of variants the moments so far are written to
    ``OUTPUT.partial``. An output of the same model, variants and genome is read.

    Parameters
    ----------
    spec : Spec
        Of a sequence network.
    compute : ComputeOptions
        Where and how it computes.
    variants : path-like
        VCF (plain, gzip, bgzip) or BCF file, or a table of variants, best of common ones.
    fasta : path-like
        Reference genome, plain or bgzip.
    output : path-like
        File to write, safetensors.
    progress : Progress, optional
        Shows the variants that are done.
    max_mismatch_fraction : float
        Fraction of REF alleles that may differ from the FASTA, beyond the few.
    positions : path-like, optional
        VCF or .bim file that knows the identifiers of a table without positions.

    Returns
    -------
    Background

    Raises
    ------
    OptionError
        When the model is not a sequence network.
    InputError
        When fewer than two variants have effects, or the output, or what lies beside it, is of another run.
    MIFMError
        When a file cannot be read or written, or too many REF alleles differ from the FASTA.
    """
    baseline = spec.open(compute)
    if not isinstance(baseline, SequenceBaseline):
        raise OptionError(f"{spec} is not a sequence network with tracks, so it has no background")
    identity = {
        "model": baseline.identity,
        "libraries": baseline.declaration.provenance["libraries"],
        "variants_sha256": sha256_of(variants),
        "fasta_sha256": sha256_of(fasta),
        "version": __version__,
    }
    if positions:
        identity["positions_sha256"] = sha256_of(positions)
    output = Path(output)
    if output.exists():
        return _same(read_background(output), identity)
    note = output.with_name(f"{output.name}.partial")
    moments = _begin(note, identity, baseline.tracks)
    genome = Genome(fasta)
    check_beginning(iter_variants(variants, genome, positions=positions), genome, max_mismatch_fraction)
    earlier: dict[str, int] = {
        Status.OK: moments.compared - moments.mismatches,
        Status.REF_MISMATCH: moments.mismatches,
    }
    check = ReferenceCheck(genome, max_mismatch_fraction, earlier, CHUNK)
    with open_variants(variants, genome, positions=positions) as file:
        for chunk in read_chunks(file, start=moments.records, chunk_size=baseline.chunk_size):
            status, effects = baseline.effects(chunk.variants, genome)
            check.add(chunk.variants, status)
            scored = np.array([reason is Status.OK for reason in status], dtype=bool)
            moments.add(effects[scored].astype(np.float64))
            moments.left_out += int((~scored).sum())
            moments.records = chunk.read
            moments.compared, moments.mismatches = check.compared, check.mismatches
            _write_note(note, moments, identity)
            if progress:
                progress.update(moments.count + moments.left_out, file.fraction_read)
    if moments.count < 2:
        note.unlink()
        raise InputError(
            f"{moments.count} of {moments.count + moments.left_out} variants of {variants} have effects; "
            "expected two or more, to measure their spread"
        )
    sd = np.sqrt(moments.squares / moments.count)
    record = {"identity": identity, "count": moments.count, "left_out": moments.left_out}
    write_moments(output, {"mean": moments.mean, "sd": sd}, record)
    note.unlink()
    return read_background(output)


def _same(background: Background, identity: dict[str, Any]) -> Background:
    changed = differences(background.identity, identity)
    if changed:
        raise InputError(
            f"{background.path} is of another run: {'; '.join(changed)}; delete it to make it again, or name "
            "another output"
        )
    return background


def _begin(note: Path, identity: dict[str, Any], tracks: int) -> _Moments:
    """The moments of a run that did not end, or empty ones."""
    if not note.exists():
        return _Moments(np.zeros(tracks), np.zeros(tracks))
    again = f"delete {note} to start again"
    try:
        tensors, record = read_moments(note)
        started = dict(record["identity"])
        moments = _Moments(tensors["mean"], tensors["squares"], **record["counts"])
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{note}, left by an unfinished run, cannot be read; {again}") from error
    changed = differences(started, identity)
    if changed:
        raise InputError(
            f"{note} was started by another run: {'; '.join(changed)}; resume with the same, or {again}"
        )
    return moments


def _write_note(note: Path, moments: _Moments, identity: dict[str, Any]) -> None:
    counts = {
        key: getattr(moments, key) for key in ("count", "left_out", "records", "compared", "mismatches")
    }
    tensors = {"mean": moments.mean, "squares": moments.squares}
    write_moments(note, tensors, {"identity": identity, "counts": counts})
