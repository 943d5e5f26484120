"""Score a file of variants with one baseline, in a process of its own and so that it can go on."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import logging
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mifm_kipoi.baselines.networks.background import read_background
from mifm_kipoi.baselines.networks.sequence import SequenceBaseline
from mifm_kipoi.baselines.protocol import Baseline, ComputeOptions, Declaration
from mifm_kipoi.baselines.specs import Spec
from mifm_kipoi.baselines.tables.looked_up import LookedUp
from mifm_kipoi.conventions import CHUNK, MAX_MISMATCH_FRACTION, Status
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.variant_lists import iter_variants, open_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.scoring.formats.parquet import Parquet
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.records import read_chunks
from mifm_kipoi.scoring.run import publish, read_manifest
from mifm_kipoi.scoring.workers import in_own_process, set_threads
from mifm_kipoi.sequence.windows import ReferenceCheck, check_beginning
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import sha256_of, writing
from mifm_kipoi.support.progress import Progress
from mifm_kipoi.support.provenance import described, differences
from mifm_kipoi.version import __version__

_log = logging.getLogger(__name__)


class ExactParquet(Parquet):
    """A table of scores with all digits."""

    number_type: ClassVar[str] = "float64"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelRun:
    """What all runs of models share: how they compute.

    Parameters
    ----------
    compute : ComputeOptions
        Device and batch size.
    threads : int, optional
        Threads of PyTorch; by default the CPUs that this process may use.
    max_mismatch_fraction : float
        Fraction of REF alleles that may differ from the FASTA, beyond the few
        (:func:`mifm_kipoi.stream_windows`).
    progress : bool, optional
        Show progress on standard error; by default where it is a terminal.
    """

    compute: ComputeOptions = dataclasses.field(default_factory=ComputeOptions)
    threads: int | None = None
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    progress: bool | None = None

    def set_threads(self) -> None:
        """Set the threads of PyTorch in this process."""
        set_threads(self.threads or usable_cpus())


@dataclasses.dataclass(frozen=True)
class FolderRun(ModelRun):
    """What runs of several models on the same variants share.

    Parameters
    ----------
    variants, fasta : Path
        VCF or BCF file, or a table of variants, that can be read again; reference genome.
    specs : sequence of Spec
        The models.
    folder : Path
        Of the outputs; made where it is missing.
    positions : Path, optional
        VCF or .bim file that knows the identifiers of a table without positions.
    compute, threads, max_mismatch_fraction, progress
        See :class:`ModelRun`.
    """

    variants: Path
    fasta: Path
    specs: Sequence[Spec]
    folder: Path
    positions: Path | None = None


@dataclasses.dataclass(frozen=True)
class BaselineResult:
    """A scored file.

    Parameters
    ----------
    label : str
        Of the baseline.
    output : Path
        The table of scores.
    declaration : Declaration
        What the baseline declares about itself.
    rows : int
        Variants.
    status : dict of str to int
        Variants by status, the most frequent first.
    seconds : float
        Time that it took in all runs, with reading weights and tables.
    peak_bytes : int
        The most memory that the process held at one time; 0 where that is not known.
    device : str
        Where it computed.
    manifest : dict of plain JSON types
        All of this and the identity of the run, as ``OUTPUT.json`` has it.
    """

    label: str
    output: Path
    declaration: Declaration
    rows: int
    status: dict[str, int]
    seconds: float
    peak_bytes: int
    device: str
    manifest: dict[str, Any]

    @property
    def summary(self) -> str:
        """What was done, in a line of text; for a table of a GWAS with what became of its rows."""
        scored = self.status.get(Status.OK, 0)
        rows = self.declaration.provenance.get("rows")
        of_table = f"; of its table {rows}" if rows else ""
        return f"{self.label}: {scored:,} of {self.rows:,} variants in {self.seconds:,.1f} s{of_table}"


@dataclasses.dataclass(frozen=True)
class BaselineRun(ModelRun):
    """What to score with which baseline, and into which file.

    Parameters
    ----------
    spec : Spec
        The baseline.
    variants, fasta : Path
        VCF or BCF file, or a table of variants, that can be read again; reference genome.
    output : Path
        Parquet file: ``chrom, pos, id, ref, alt``, the scores, ``status``, a row for each variant.
    inputs : dict of plain JSON types
        Names and checksums of the variants and the genome (:func:`described_inputs`).
    background : Path, optional
        Moments of the tracks, for a network (:mod:`mifm_kipoi.baselines.networks.background`).
    positions : Path, optional
        VCF or .bim file that knows the identifiers of a table without positions.
    chunk_size : int, optional
        Variants that are scored together, after which a run that is killed can go on; by default that of the
        baseline.
    compute, threads, max_mismatch_fraction, progress
        See :class:`ModelRun`.
    """

    spec: Spec
    variants: Path
    fasta: Path
    output: Path
    inputs: dict[str, Any]
    background: Path | None = None
    positions: Path | None = None
    chunk_size: int | None = None

    def run_apart(self) -> BaselineResult:
        """Run in a process of its own, so that memory is measured and given back.

        Raises
        ------
        MIFMError
            As :meth:`run` does.
        WorkerError
            When the process was killed.
        """
        return in_own_process(
            self.run,
            f"the process of {self.spec.label} was killed, most likely for the memory that it took; the same "
            "command goes on where it ended. Use a smaller --batch-size",
        )

    def run(self, on_progress: Callable[[str], None] | None = None) -> BaselineResult:
        """Score what is not scored yet; write the table and its manifest.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text when all is scored.

        Raises
        ------
        MIFMError
            When an input cannot be read, or the output cannot be written. What a network scored is kept, and
            the next run resumes from it.
        """
        result = self._result(self._manifest())
        if on_progress:
            on_progress(result.summary)
        return result

    def _result(self, manifest: dict[str, Any]) -> BaselineResult:
        return BaselineResult(
            label=self.spec.label,
            output=self.output,
            declaration=Declaration.from_dict(manifest["declaration"]),
            rows=manifest["rows"],
            status=manifest["status"],
            seconds=manifest["seconds"],
            peak_bytes=manifest["peak_bytes"],
            device=manifest["device"],
            manifest=manifest,
        )

    def _manifest(self) -> dict[str, Any]:
        """That of a finished run, or of this one."""
        began = time.monotonic()
        baseline = self._opened()
        if baseline.declaration.window:
            self.set_threads()
        identity = self._identity(baseline)
        # What a table is refused for is counted from its first variant on, so nothing is kept of it.
        again = bool(baseline.declaration.window)
        advice = "the same command resumes with them"
        journal = Journal(self.output, identity, 0, again=again, advice=advice, began=began)
        form = ExactParquet(baseline.declaration.columns, identity)
        with journal.locked() as folder:
            manifest = read_manifest(self.output)
            same = not differences({key: manifest.get(key) for key in identity}, identity)
            if same and self.output.exists() and manifest["output"]["sha256"] == sha256_of(self.output):
                journal.remove()
                return manifest
            journal.begin(form.start(()), resume=True)
            with journal.kept_on_error():
                self._score(baseline, form, journal)
                return self._finish(form, journal, folder)

    def _opened(self) -> Baseline:
        baseline = self.spec.open(self.compute)
        if self.background is None:
            return baseline
        if not isinstance(baseline, SequenceBaseline):
            raise OptionError(f"{self.spec} has no tracks, but {self.background} is meant for it; remove it")
        return baseline.with_background(read_background(self.background))

    def _identity(self, baseline: Baseline) -> dict[str, Any]:
        """What must be the same for the scores to be the same, as JSON gives it back."""
        identity = {
            "mifm_kipoi": __version__,
            "declaration": baseline.declaration.to_dict(),
            **self.inputs,
            "device": baseline.device,
        }
        plain: dict[str, Any] = json.loads(json.dumps(identity))
        return plain

    def _score(self, baseline: Baseline, form: ExactParquet, journal: Journal) -> None:
        genome = Genome(self.fasta)
        for warning in baseline.warnings(genome) if isinstance(baseline, LookedUp) else ():
            _log.warning("%s", warning)
        if baseline.declaration.window:
            variants = iter_variants(self.variants, genome, positions=self.positions)
            check_beginning(variants, genome, self.max_mismatch_fraction)
        # Chunks of few variants say little of the whole file, whose first variants were checked above.
        check = ReferenceCheck(genome, self.max_mismatch_fraction, journal.statuses, CHUNK)
        with (
            open_variants(self.variants, genome, positions=self.positions) as file,
            contextlib.closing(Progress(f"variants of {self.spec.label}", self.progress)) as progress,
        ):
            rows = 0
            size = self.chunk_size or baseline.chunk_size
            for chunk in read_chunks(file, start=journal.records, chunk_size=size):
                scored = baseline.score(chunk.variants, genome)
                check.add(scored.variants, scored.status)
                content = form.encode(chunk, scored)
                journal.append(content, chunk.read, scored.status)
                rows += len(scored)
                progress.update(rows, file.fraction_read)

    def _finish(self, form: ExactParquet, journal: Journal, folder: Path) -> dict[str, Any]:
        with writing(self.output):
            finished, index = form.finish(journal.partial, folder)
        manifest = {
            **journal.identity,
            "label": self.spec.label,
            "spec": str(self.spec),
            "rows": journal.statuses.total(),
            "status": {str(reason): count for reason, count in journal.statuses.most_common()},
            "seconds": journal.total_seconds,
            "peak_bytes": peak_bytes(),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        publish(finished, index, self.output, manifest)
        journal.remove()
        return manifest


def described_inputs(variants: Path, fasta: Path, positions: Path | None = None) -> dict[str, Any]:
    """Names and checksums of the variants and the genome, and of the file of positions where there is one."""
    inputs = {"variants": described(variants), "fasta": described(fasta)}
    return {**inputs, "positions": described(positions)} if positions else inputs


def peak_bytes() -> int:
    """The most memory that this process held at one time, in bytes.

    On Linux, what :mod:`resource` says begins with the peak of the process that started this one, so the
    system's own count is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists() and (line := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(line[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
