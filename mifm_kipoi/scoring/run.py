"""Score a file of variants into a file of scores, so that a run that was killed can go on."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.conventions import CHUNK
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import STANDARD_INPUT, VariantFile
from mifm_kipoi.network.weights import Weights, load_weights
from mifm_kipoi.scoring.formats import OutputFormat, find_format
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.records import read_chunks
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions
from mifm_kipoi.scoring.workers import score_chunks
from mifm_kipoi.sequence.windows import ReferenceCheck
from mifm_kipoi.support.files import writing, written_whole
from mifm_kipoi.support.progress import Progress
from mifm_kipoi.support.provenance import described, differences
from mifm_kipoi.version import __version__

IDENTITY = (
    "mifm_kipoi", "weights", "options", "variants", "fasta", "regions", "drop_samples", "shard",
)  # fmt: skip
"""Entries of a manifest that must be the same for the output to be the same."""


@dataclasses.dataclass(frozen=True)
class ScoringRun:
    """What to score, into which file, and how.

    Parameters
    ----------
    variants : str
        VCF or BCF file; ``-`` is standard input.
    fasta, output : Path
        Reference genome; the file of scores, whose suffix is its format.
    options : ScoringOptions
        What decides the numbers.
    regions : Path, optional
        BED file; only variants that overlap its regions are scored.
    drop_samples : bool
        Leave the genotypes of the input out of VCF and BCF output.
    shard : (int, int), optional
        Score part i of n, counted from 1: as many consecutive records as in the other parts.
    resume : bool
        Go on with a run that was killed, or leave a finished one as it is.
    device, batch_size, threads, workers
        See :func:`mifm_kipoi.scoring.workers.score_chunks` and :class:`mifm_kipoi.scoring.scorer.Scorer`.
    chunk_size : int
        Variants that are read, cut and scored together, after which the note of what is complete is renewed.
    progress : bool, optional
        Show progress; by default on a terminal.
    """

    variants: str
    fasta: Path
    output: Path
    options: ScoringOptions = dataclasses.field(default_factory=ScoringOptions)
    regions: Path | None = None
    drop_samples: bool = False
    shard: tuple[int, int] | None = None
    resume: bool = False
    device: str = "auto"
    batch_size: int | None = None
    threads: int | None = None
    workers: int = 0
    chunk_size: int = CHUNK
    progress: bool | None = None

    def __post_init__(self) -> None:
        find_format(self.output)
        if self.shard and not 1 <= self.shard[0] <= self.shard[1]:
            raise OptionError(f"shard is {self.shard[0]}/{self.shard[1]}; expected I/N with I from 1 to N")
        if (self.shard or self.resume) and not self._again:
            raise OptionError(
                f"{self.variants} is no file that can be read again, as --shard and --resume need it"
            )
        check_output(
            self.output, [Path(self.variants), self.fasta, *([self.regions] if self.regions else [])]
        )

    @property
    def _again(self) -> bool:
        """Whether the variants can be read more than once."""
        path = Path(self.variants)
        return self.variants != STANDARD_INPUT and (path.is_file() or not path.exists())

    def __call__(self) -> dict[str, Any]:
        """Score; write the output, its index and its manifest.

        Returns
        -------
        dict of plain JSON types
            The manifest: version, weights, options, checksums of the inputs, counts per status, rate.

        Raises
        ------
        MIFMError
            When an input cannot be read, the output cannot be written, or a run that did not end is in the
            way. What was done is kept for ``resume``.
        """
        with VariantFile(self.variants, find_format(self.output).needs_lines) as file:
            genome = Genome(self.fasta)
            weights = [load_weights(name) for name in self.options.weights]
            identity = self._identity(weights)
            start, end = self._range()
            journal = Journal(self.output, identity, start, again=self._again)
            form = find_format(self.output)(
                self.options.columns, provenance(identity), drop_samples=self.drop_samples
            )
            with journal.locked():
                if (finished := self._finished(journal)) is not None:
                    journal.remove()
                    return finished
                journal.begin(form.start(file.header), self.resume)
                with journal.kept_on_error():
                    self._score(file, genome, weights, form, journal, end)
                    return self._finish(form, journal, start, file)

    @property
    def _threads(self) -> int:
        """Threads of each process."""
        return self.threads or (1 if self.workers else os.cpu_count() or 1)

    def _identity(self, weights: Sequence[Weights]) -> dict[str, Any]:
        """What must be the same for the scores to be the same."""
        from mifm_kipoi.network.inference import find_device

        options = dataclasses.asdict(self.options)
        # These two decide no number.
        del options["weights"], options["max_mismatch_fraction"]
        named = [
            {"name": label, "tensors_sha256": each.sha256}
            for label, each in zip(self.options.labels, weights, strict=True)
        ]
        path = Path(self.variants)
        return {
            "mifm_kipoi": __version__,
            "weights": named,
            "options": options,
            "variants": described(path) if path.is_file() else {"name": path.name, "sha256": None},
            "fasta": described(self.fasta),
            "regions": self.regions and described(self.regions),
            "drop_samples": self.drop_samples,
            "shard": self.shard and list(self.shard),
            "device": find_device(self.device).type,
        }

    def _finished(self, journal: Journal) -> dict[str, Any] | None:
        """The manifest of a finished run, where the same was scored before and may be kept."""
        if not (self.resume and self.output.exists()):
            return None
        manifest = read_manifest(self.output)
        if differences({key: manifest.get(key) for key in journal.identity}, journal.identity):
            return None
        index = manifest.get("index")
        complete = manifest.get("output") == described(self.output)
        return manifest if complete and (not index or self.output.with_name(index).exists()) else None

    def _range(self) -> tuple[int, int | None]:
        """First record and the one behind the last."""
        if self.shard is None:
            return 0, None
        with VariantFile(self.variants) as file:
            count = sum(1 for _ in file)
        part, parts = self.shard
        return count * (part - 1) // parts, count * part // parts

    def _score(
        self,
        file: VariantFile,
        genome: Genome,
        weights: Sequence[Weights],
        form: OutputFormat,
        journal: Journal,
        end: int | None,
    ) -> None:
        regions = Regions(self.regions) if self.regions else None
        check = ReferenceCheck(genome, self.options.max_mismatch_fraction, journal.statuses)
        make_scorer = functools.partial(Scorer, genome, self.options, self.device, self.batch_size, weights)
        with contextlib.closing(Progress("variants", self.progress)) as progress:
            rows, first = 0, journal.records
            chunks = read_chunks(file, regions, journal.records, end, self.chunk_size)
            for chunk, scored in score_chunks(chunks, make_scorer, self.workers, self._threads):
                check.add(scored.variants, scored.status)
                content = form.encode(chunk, scored)
                journal.append(content, chunk.read, scored.status)
                rows += len(scored)
                fraction = (chunk.read - first) / (end - first) if end and end > first else file.fraction_read
                progress.update(rows, fraction)

    def _finish(self, form: OutputFormat, journal: Journal, start: int, file: VariantFile) -> dict[str, Any]:
        """Give the output, its index and its manifest their names."""
        with writing(self.output):
            finished, index = form.finish(journal.partial)
        rows, seconds = journal.statuses.total(), journal.total_seconds
        manifest = {
            **journal.identity,
            "records": [start, journal.records],
            "rows": rows,
            "status": dict(journal.statuses.most_common()),
            "columns": list(form.columns),
            "max_mismatch_fraction": self.options.max_mismatch_fraction,
            "threads": self._threads,
            "workers": self.workers,
            "batch_size": self.batch_size,
            "seconds": seconds,
            "rows_per_second": round(rows / max(seconds, 0.01), 1),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        if file.sha256:
            manifest["variants"]["sha256"] = file.sha256
        publish(finished, index, self.output, manifest)
        journal.remove()
        return manifest


def publish(finished: Path, index: Path | None, output: Path, manifest: dict[str, Any]) -> None:
    """Give a finished file its name, after its manifest and its index have theirs.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    manifest["output"] = {**described(finished), "name": output.name}
    manifest["index"] = index and output.name + index.suffix
    with writing(output):
        # Older files go first, so that none stands beside the manifest of another.
        for older in (output, Path(f"{output}.tbi"), Path(f"{output}.csi")):
            older.unlink(missing_ok=True)
        with written_whole(_manifest_path(output)) as temporary:
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")
        if index:
            index.replace(f"{output}{index.suffix}")
        finished.replace(output)


def check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Refuse an output that would replace an input, or that cannot be a file.

    Raises
    ------
    OptionError
        When it would.
    """
    for path in (output, _manifest_path(output), *(Path(f"{output}.partial{end}") for end in ("", ".json"))):
        if path.exists() and not path.is_file():
            raise OptionError(f"{path} exists and is no regular file; expected a name for a file")
        for given in inputs:
            if path.exists() and given.exists() and path.samefile(given):
                raise OptionError(f"writing {output} would replace the input {given}; name another output")


def read_manifest(output: Path) -> dict[str, Any]:
    """The manifest of an output; empty where there is none that can be read."""
    try:
        found = json.loads(_manifest_path(output).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _manifest_path(output: Path) -> Path:
    return Path(f"{output}.json")


def provenance(identity: dict[str, Any]) -> dict[str, Any]:
    """What the output itself says of its making."""
    return {key: identity[key] for key in ("mifm_kipoi", "weights", "options", "fasta")}
