"""Score a file of variants with one baseline, in a process of its own and so that it can go on."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import contextlib
import dataclasses
import datetime
import json
import multiprocessing
import os
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from mifm_kipoi.baselines.networks.background import read_background
from mifm_kipoi.baselines.networks.sequence import SequenceBaseline
from mifm_kipoi.baselines.protocol import Baseline, ComputeOptions
from mifm_kipoi.baselines.specs import Spec
from mifm_kipoi.conventions import CHUNK, MAX_MISMATCH_FRACTION
from mifm_kipoi.errors import OptionError, WorkerError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import VariantFile, read_variants
from mifm_kipoi.scoring.formats.parquet import Parquet
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.records import read_chunks
from mifm_kipoi.scoring.run import publish, read_manifest
from mifm_kipoi.scoring.workers import end_with_parent, set_threads
from mifm_kipoi.sequence.windows import ReferenceCheck, check_beginning
from mifm_kipoi.support.files import sha256_of, writing
from mifm_kipoi.support.progress import Progress
from mifm_kipoi.version import __version__


class ExactParquet(Parquet):
    """A table of scores with all digits."""

    number_type: ClassVar[str] = "float64"


@dataclasses.dataclass(frozen=True)
class BaselineRun:
    """What to score with which baseline, and into which file.

    Parameters
    ----------
    spec : Spec
    variants, fasta : Path
        VCF or BCF file that can be read again; reference genome.
    output : Path
        Parquet file: ``chrom, pos, id, ref, alt``, the scores, ``status``, a row for each variant.
    inputs : dict of plain JSON types
        Names and checksums of the variants and the genome (:func:`described_inputs`).
    compute : Machine
    background : Path, optional
        Moments of the tracks, for a network (:mod:`mifm_kipoi.baselines.networks.background`).
    threads : int, optional
        Threads of PyTorch; by default all cores.
    max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    progress : bool, optional
        Show progress; by default on a terminal.
    """

    spec: Spec
    variants: Path
    fasta: Path
    output: Path
    inputs: dict[str, Any]
    compute: ComputeOptions = dataclasses.field(default_factory=ComputeOptions)
    background: Path | None = None
    threads: int | None = None
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    progress: bool | None = None

    def apart(self) -> dict[str, Any]:
        """Run in a process of its own, so that memory is measured and given back.

        Returns
        -------
        dict of plain JSON types
            As from a call.

        Raises
        ------
        MIFMError
            As from a call.
        WorkerError
            When the process was killed.
        """
        context = multiprocessing.get_context("spawn")
        try:
            with concurrent.futures.ProcessPoolExecutor(
                1, mp_context=context, initializer=end_with_parent
            ) as pool:
                return pool.submit(self).result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise WorkerError(
                f"the process of {self.spec.label} was killed, most likely for the memory that it took; the "
                "same command goes on where it ended. Use a smaller --batch-size"
            ) from error

    def __call__(self) -> dict[str, Any]:
        """Score what is not scored yet; write the table and its manifest.

        Returns
        -------
        dict of plain JSON types
            The manifest: version, declaration, inputs, counts by status, time, memory.

        Raises
        ------
        MIFMError
            When an input cannot be read, or the output cannot be written. What a network scored is kept, and
            the next run goes on with it.
        """
        began = time.monotonic()
        baseline = self._opened()
        if baseline.declaration.window:
            set_threads(self.threads or os.cpu_count() or 1)
        identity = self._identity(baseline)
        # What a table is refused for is counted from its first variant on, so nothing is kept of it.
        again = bool(baseline.declaration.window)
        advice = "the same command goes on with them"
        journal = Journal(self.output, identity, 0, again=again, advice=advice, began=began)
        form = ExactParquet(baseline.declaration.columns, identity)
        with journal.locked():
            manifest = read_manifest(self.output)
            done = all(manifest.get(key) == value for key, value in identity.items())
            if done and self.output.exists() and manifest["output"]["sha256"] == sha256_of(self.output):
                journal.remove()
                return manifest
            journal.begin(form.start(()), resume=True)
            with journal.kept_on_error():
                self._score(baseline, form, journal)
                return self._finish(form, journal)

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
        found: dict[str, Any] = json.loads(json.dumps(identity))
        return found

    def _score(self, baseline: Baseline, form: ExactParquet, journal: Journal) -> None:
        genome = Genome(self.fasta)
        if baseline.declaration.window:
            check_beginning(read_variants(self.variants), genome, self.max_mismatch_fraction)
        # Runs of few variants say little of the whole file, of which the first were looked at before.
        check = ReferenceCheck(genome, self.max_mismatch_fraction, journal.statuses, CHUNK)
        with (
            VariantFile(self.variants) as file,
            contextlib.closing(Progress(f"variants of {self.spec.label}", self.progress)) as progress,
        ):
            rows = 0
            for chunk in read_chunks(file, start=journal.records, chunk_size=baseline.chunk_size):
                scored = baseline.score(chunk.variants, genome)
                check.add(scored.variants, scored.status)
                content = form.encode(chunk, scored)
                journal.append(content, chunk.read, scored.status)
                rows += len(scored)
                progress.update(rows, file.fraction_read)

    def _finish(self, form: ExactParquet, journal: Journal) -> dict[str, Any]:
        with writing(self.output):
            finished, index = form.finish(journal.partial)
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


def described_inputs(variants: Path, fasta: Path) -> dict[str, Any]:
    """Names and checksums of the variants and the genome."""
    return {
        name: {"name": path.name, "sha256": sha256_of(path)}
        for name, path in (("variants", variants), ("fasta", fasta))
    }


def peak_bytes() -> int:
    """The most memory that this process held at once.

    What :mod:`resource` says begins, on Linux, with the peak of the process that started this one, so the
    system's own count is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
