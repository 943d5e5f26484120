"""Attributions from files to a file: what ``mifm attribute`` does."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.attribution.files import KIND, record_type, to_bytes, write_attributions
from mifm_kipoi.attribution.mutations import Mutagenesis
from mifm_kipoi.attribution.windows import (
    ChosenWindows,
    thinned,
    windows_of_intervals,
    windows_of_variants,
)
from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, WINDOW, Status
from mifm_kipoi.errors import InputError, OptionError, OutputError, WeightsError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.attribution import EXTRA, REFERENCES, Contributions, DeepLift, without_warnings
from mifm_kipoi.network.inference import Predictor, find_device
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.untrained import CALIBRATING, untrained
from mifm_kipoi.network.weights import EMBEDDED, Weights, find_weights, load_weights
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.run import check_output, manifest_path, publish, read_manifest
from mifm_kipoi.scoring.workers import threads_of_torch
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import require_file, writing
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described, differences
from mifm_kipoi.support.threads import ordered_map
from mifm_kipoi.version import __version__

SUFFIX = ".h5"

BLOCK = 16
"""Windows that one thread computes, and after which the note of what is complete is renewed."""


class Method(enum.StrEnum):
    """How contributions are computed."""

    DEEPLIFT = "deeplift"
    """Against dinucleotide shuffles of the window; contributions add up to the difference of logits."""

    ISM = "ism"
    """In-silico mutagenesis: the logit with each base, less the mean of the four."""


@dataclasses.dataclass(frozen=True)
class AttributionRun:
    """Which windows to attribute, how, and where to write it; one of ``vcf`` and ``bed`` is given.

    Parameters
    ----------
    fasta : Path
        Reference genome, plain or bgzip.
    output : Path
        Ends in ``.h5``.
    vcf : Path, optional
        Variants, VCF, BCF or a table of them: the reference window of each position.
    bed : Path, optional
        Intervals: the window whose centre is theirs.
    positions : Path, optional
        VCF or .bim file that knows the identifiers of a table without positions.
    method : Method
        See there.
    references : int
        Shuffles that DeepLIFT compares a window with.
    seed : int
        Of the shuffles, and of the sample.
    sample : int, optional
        So many windows at most, drawn at random.
    min_distance : int
        Base pairs between the centres of two windows, at least.
    weights : str or path-like
        See :func:`mifm_kipoi.load_weights`.
    untrained : int, optional
        Seed of random weights that take the place of the trained ones, in a network of the same sizes: the
        null of everything that is found in attributions.
    max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    resume : bool
        Go on with a run that was killed, or leave a finished one as it is.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    threads : int, optional
        Windows that are attributed side by side, each by one thread of PyTorch; by default the CPUs that
        this process may use.

    Raises
    ------
    OptionError
        When the options contradict each other, or an output is an input.
    """

    fasta: Path
    output: Path
    vcf: Path | None = None
    bed: Path | None = None
    positions: Path | None = None
    method: Method = Method.DEEPLIFT
    references: int = REFERENCES
    seed: int = 0
    sample: int | None = None
    min_distance: int = 0
    weights: str | os.PathLike[str] = EMBEDDED
    untrained: int | None = None
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    resume: bool = False
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if (self.vcf is None) == (self.bed is None):
            raise OptionError("expected either variants (vcf) or intervals (bed)")
        object.__setattr__(self, "method", Method(self.method))
        if self.output.suffix != SUFFIX:
            raise OutputError(
                f"cannot write {self.output}: its name ends in {self.output.suffix!r}; expected {SUFFIX}"
            )
        for name, least in (("references", 1), ("sample", 1), ("min_distance", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise OptionError(f"{name} is {value}; expected {least} or more")
        check_output(self.output, (self.fasta, self.vcf, self.bed, self.positions, Path(self.weights)))

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> AttributionResult:
        """Choose windows, attribute, write.

        Parameters
        ----------
        on_progress : callable, optional
            Receives the windows that are done, and which fraction of all that is.

        Raises
        ------
        MIFMError
            When an input cannot be read, a package is missing, or the output cannot be written. What was
            done is kept for ``resume``.
        """
        if self.method is Method.DEEPLIFT:
            needed("tangermeme.deep_lift_shap", EXTRA)
        # Its checksum is taken, too.
        require_file(self._input)
        find_weights(self.weights)
        genome = Genome(self.fasta)
        weights = load_weights(self.weights)
        if weights.config.window > WINDOW:
            raise WeightsError(
                f"the network of {weights.path} reads windows of {weights.config.window} bp; "
                f"expected {WINDOW} bp at most"
            )
        journal = Journal(self.output, {}, 0)
        with journal.locked() as folder, threads_of_torch(1):
            chosen = self._chosen(genome)
            model = self._model(weights, chosen, genome)
            attribute = self._attribute(model, weights)
            journal.identity = self._identity(weights, attribute.identity)
            if (finished := self._finished(journal)) is not None:
                return AttributionResult(self.output, finished)
            journal.begin(b"", self.resume)
            with journal.kept_on_error(), without_warnings():
                self._extend(journal, chosen, genome, weights.config.window, attribute, on_progress)
            return self._finish(journal, chosen, genome, model, folder)

    @property
    def _input(self) -> Path:
        path = self.vcf or self.bed
        assert path is not None, "checked when the run was made"
        return path

    def _chosen(self, genome: Genome) -> ChosenWindows:
        if self.bed is not None:
            windows = windows_of_intervals(self.bed, genome)
        else:
            windows = windows_of_variants(self._input, genome, self.positions, self.max_mismatch_fraction)
        if not len(windows):
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in windows.status.items())
            raise InputError(
                f"{self._input} has no position with a window without N ({reasons or 'it is empty'})"
            )
        return thinned(windows, self.sample, self.min_distance, self.seed)

    def _model(self, weights: Weights, chosen: ChosenWindows, genome: Genome) -> MIFM:
        if self.untrained is None:
            return weights.model()
        codes = chosen.codes(genome, slice(0, CALIBRATING), weights.config.window)
        return untrained(weights.config, self.untrained, codes)

    def _attribute(self, model: MIFM, weights: Weights) -> DeepLift | Mutagenesis:
        device = find_device(self.device)
        if self.method is Method.DEEPLIFT:
            return DeepLift(model, self.references, self.seed, device)
        return Mutagenesis(Predictor(model.to(device), path=weights.path))

    def _identity(self, weights: Weights, method: Mapping[str, Any]) -> dict[str, Any]:
        """What must be the same for the output to be the same."""
        return {
            "kind": KIND,
            "mifm_kipoi": __version__,
            "weights": {"name": Path(self.weights).name.removesuffix(".safetensors"), **weights.identity},
            "untrained": self.untrained,
            "attribution": dict(method),
            "device": find_device(self.device).type,
            "fasta": described(self.fasta),
            "variants": self.vcf and described(self.vcf),
            "intervals": self.bed and described(self.bed),
            "positions": self.positions and described(self.positions),
            "sample": {"windows": self.sample, "min_distance": self.min_distance, "seed": self.seed},
        }

    def _finished(self, journal: Journal) -> dict[str, Any] | None:
        """The manifest of an output that is there already, where the same run made it and it may be kept."""
        if not (self.resume and self.output.exists()):
            return None
        manifest = read_manifest(self.output)
        known = {key: manifest.get(key) for key in journal.identity}
        if differences(known, journal.identity) or manifest.get("output") != described(self.output):
            return None
        journal.remove()
        return manifest

    def _extend(
        self,
        journal: Journal,
        chosen: ChosenWindows,
        genome: Genome,
        window: int,
        attribute: Callable[[npt.NDArray[np.uint8]], Contributions],
        on_progress: Callable[[int, float], None] | None,
    ) -> None:
        """Attribute the windows that are not in the growing file yet."""
        windows = _codes(chosen, genome, window, journal.records)
        for contributions in ordered_map(attribute, windows, self.threads or usable_cpus()):
            count = len(contributions.logit)
            done = journal.records + count
            journal.append(to_bytes(contributions), done, {Status.OK.value: count})
            if on_progress:
                on_progress(done, done / len(chosen))

    def _finish(
        self, journal: Journal, chosen: ChosenWindows, genome: Genome, model: MIFM, folder: Path
    ) -> AttributionResult:
        window = model.config.window
        records = np.memmap(journal.partial, record_type(window), "r", shape=(len(chosen),))
        facts = {
            "windows": len(chosen),
            "status": {reason.value: count for reason, count in chosen.status.items()},
            "repeated": chosen.repeated,
            "left_out": chosen.left_out,
            "support": list(Predictor(model).network.receptive_field),
        }
        finished = folder / f"new{SUFFIX}"
        with writing(self.output):
            write_attributions(
                finished,
                records,
                _codes(chosen, genome, window),
                chosen.chroms,
                chosen.ids,
                chosen.centres,
                {**journal.identity, **facts},
            )
        seconds = journal.total_seconds
        manifest = {
            **journal.identity,
            **facts,
            "largest_delta": _largest(records["delta"]),
            "seconds": seconds,
            "windows_per_second": round(len(chosen) / max(seconds, 0.01), 2),
            "threads": self.threads or usable_cpus(),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        publish(finished, None, self.output, manifest)
        journal.remove()
        return AttributionResult(self.output, manifest)


def _codes(
    chosen: ChosenWindows, genome: Genome, window: int, first: int = 0
) -> Iterator[npt.NDArray[np.uint8]]:
    """The windows in blocks that begin at multiples of :data:`BLOCK`, from one of these on."""
    for start in range(first, len(chosen), BLOCK):
        yield chosen.codes(genome, slice(start, start + BLOCK), window)


def _largest(delta: npt.NDArray[np.float32]) -> float | None:
    known = delta[~np.isnan(delta)]
    return float(known.max()) if known.size else None


@dataclasses.dataclass(frozen=True)
class AttributionResult:
    """A file of attributions that is complete.

    Parameters
    ----------
    output : Path
        The file.
    manifest : dict
        As in ``OUTPUT.json``.
    """

    output: Path
    manifest: dict[str, Any]

    @property
    def windows(self) -> int:
        """How many it has."""
        return int(self.manifest["windows"])

    @property
    def status(self) -> dict[str, int]:
        """Records of the input without a window, by status."""
        return {name: count for name, count in self.manifest["status"].items() if name != Status.OK.value}

    @property
    def written(self) -> tuple[Path, ...]:
        """All files."""
        return self.output, manifest_path(self.output)
