"""Mean and standard deviation of each track's effects over common variants, for normalisation."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mifm_kipoi.baselines.networks.sequence import SequenceBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.specs import Spec
from mifm_kipoi.conventions import CHUNK, MAX_MISMATCH_FRACTION, Status
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import VariantFile, read_variants
from mifm_kipoi.scoring.records import read_chunks
from mifm_kipoi.sequence.windows import ReferenceCheck, check_beginning
from mifm_kipoi.support.files import sha256_of, written_whole
from mifm_kipoi.support.progress import Progress
from mifm_kipoi.version import __version__

_KEY = "mifm_background"
"""Of the metadata in the file."""


@dataclasses.dataclass(frozen=True)
class Background:
    """How the effects on each track are spread over variants.

    Parameters
    ----------
    path : Path
        Of its file.
    mean, sd : numpy.ndarray of float64, shape (tracks,)
        Of the effects; the standard deviation is that of the variants themselves, with their number as the
        divisor.
    count : int
        Variants with effects.
    left_out : int
        Variants without.
    identity : dict
        ``model``: what :attr:`SequenceBaseline.identity` was, ``libraries``, ``variants_sha256``,
        ``fasta_sha256``, ``version`` of this package.
    sha256 : str
        Of the file.
    """

    path: Path
    mean: npt.NDArray[np.float64]
    sd: npt.NDArray[np.float64]
    count: int
    left_out: int
    identity: dict[str, Any]
    sha256: str


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
) -> Background:
    """Measure how the effects of a model are spread over the variants of a file.

    A run that was killed goes on by itself: after each run of variants what is known so far is written
    beside the output, to ``OUTPUT.partial``. An output of the same model, variants and genome is read.

    Parameters
    ----------
    spec : Spec
        Of a sequence network.
    compute : Machine
    variants : path-like
        VCF (plain, gzip, bgzip) or BCF file of common variants.
    fasta : path-like
        Reference genome, plain or bgzip.
    output : path-like
        File to write, safetensors.
    progress : Progress, optional
    max_mismatch_fraction : float
        See :func:`mifm_kipoi.sequence.windows.stream_windows`.

    Returns
    -------
    Background

    Raises
    ------
    OptionError
        When the model is no sequence network.
    InputError
        When fewer than two variants have effects, or the output, or what lies beside it, is of another run.
    MIFMError
        When a file cannot be read or written, or too many REF alleles differ from the FASTA.
    """
    baseline = spec.open(compute)
    if not isinstance(baseline, SequenceBaseline):
        raise OptionError(f"{spec} is no sequence network with tracks, so that it has no background")
    identity = {
        "model": baseline.identity,
        "libraries": baseline.declaration.provenance["libraries"],
        "variants_sha256": sha256_of(variants),
        "fasta_sha256": sha256_of(fasta),
        "version": __version__,
    }
    output = Path(output)
    if output.exists():
        return _same(read_background(output), identity)
    note = output.with_name(f"{output.name}.partial")
    moments = _begin(note, identity, baseline.tracks)
    genome = Genome(fasta)
    check_beginning(read_variants(variants), genome, max_mismatch_fraction)
    earlier: dict[str, int] = {
        Status.OK: moments.compared - moments.mismatches,
        Status.REF_MISMATCH: moments.mismatches,
    }
    check = ReferenceCheck(genome, max_mismatch_fraction, earlier, CHUNK)
    with VariantFile(variants) as file:
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
            "expected two or more, to measure how they are spread"
        )
    sd = np.sqrt(moments.squares / moments.count)
    about = {"identity": identity, "count": moments.count, "left_out": moments.left_out}
    _write(output, {"mean": moments.mean, "sd": sd}, about)
    note.unlink()
    return read_background(output)


def read_background(path: str | os.PathLike[str]) -> Background:
    """Read what :func:`fit_background` wrote.

    Raises
    ------
    InputError
        When the file cannot be read, or is none of these.
    """
    path = Path(path)
    tensors, about = _read(path)
    try:
        mean, sd = tensors["mean"], tensors["sd"]
        count, left_out, identity = int(about["count"]), int(about["left_out"]), dict(about["identity"])
        sound = (
            mean.shape == sd.shape and mean.ndim == 1 and count > 1 and isinstance(identity["model"], dict)
        )
        sound &= bool(np.isfinite(mean).all() and np.isfinite(sd).all() and (sd >= 0).all())
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no background of a model: {error!r}") from error
    if not sound or mean.dtype != np.float64 or sd.dtype != np.float64:
        raise InputError(f"{path} is damaged: its means and standard deviations are none")
    return Background(path, mean, sd, count, left_out, identity, sha256_of(path))


def _same(background: Background, identity: dict[str, Any]) -> Background:
    differing = [key for key in identity if background.identity.get(key) != identity[key]]
    if differing:
        raise InputError(
            f"{background.path} is there already, made with other {', '.join(differing)}; delete it to make "
            "it anew, or name another output"
        )
    return background


def _begin(note: Path, identity: dict[str, Any], tracks: int) -> _Moments:
    """The moments of a run that did not end, or empty ones."""
    if not note.exists():
        return _Moments(np.zeros(tracks), np.zeros(tracks))
    again = f"delete {note} to start again"
    try:
        tensors, about = _read(note)
        found = dict(about["identity"])
        moments = _Moments(tensors["mean"], tensors["squares"], **about["counts"])
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{note}, which is left from a run that did not end, cannot be read; {again}"
        ) from error
    differing = [key for key in identity if found.get(key) != identity[key]]
    if differing:
        raise InputError(
            f"{note} was begun with other {', '.join(differing)}; go on with the same, or {again}"
        )
    return moments


def _write_note(note: Path, moments: _Moments, identity: dict[str, Any]) -> None:
    counts = {
        key: getattr(moments, key) for key in ("count", "left_out", "records", "compared", "mismatches")
    }
    tensors = {"mean": moments.mean, "squares": moments.squares}
    _write(note, tensors, {"identity": identity, "counts": counts})


def _write(path: Path, tensors: dict[str, npt.NDArray[np.float64]], about: dict[str, Any]) -> None:
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata={_KEY: json.dumps(about, sort_keys=True)})


def _read(path: Path) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, Any]]:
    try:
        with safe_open(path, framework="np") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
            about = json.loads((file.metadata() or {})[_KEY])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"cannot read {path} as a background of a model ({error}); expected a file that 'mifm' made"
        ) from error
    if not isinstance(about, dict):
        raise InputError(f"cannot read {path} as a background of a model; expected a file that 'mifm' made")
    return tensors, about
