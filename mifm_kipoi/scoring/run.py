"""Score a file of variants into a file of scores, so that a run that was killed can go on."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from mifm_kipoi.conventions import CHUNK, SCORED, Status
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.variant_lists import VariantList, open_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import STANDARD_INPUT, VariantFile
from mifm_kipoi.network.training_sets import KEY as TRAINED_ON
from mifm_kipoi.network.training_sets import training_sets
from mifm_kipoi.network.weights import Weights, load_weights
from mifm_kipoi.scoring.formats import OutputFormat, find_format
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.records import Chunk, ScoredVariants, next_run, read_chunks
from mifm_kipoi.scoring.scanning import ScanRule
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions, find_rule
from mifm_kipoi.scoring.workers import ScoreChunk, score_chunks
from mifm_kipoi.sequence.windows import ReferenceCheck
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, named, require_file, writing, written_whole
from mifm_kipoi.support.provenance import described, differences
from mifm_kipoi.version import __version__

IDENTITY = (
    "mifm_kipoi", "weights", "options", "scan", "scores", "variants", "positions", "fasta", "regions",
    "drop_samples", "shard",
)  # fmt: skip
"""Entries of a manifest that must be the same for the output to be the same."""


class ScoreSource(Protocol):
    """A file in which scores are looked up instead of being computed; it can be sent to worker processes."""

    path: Path

    def check(self, options: ScoringOptions, weights: Sequence[Weights], fasta: Path) -> None:
        """Refuse what the file is not of, as an error."""

    def scorer(self, genome: Genome, options: ScoringOptions, weights: Sequence[Weights]) -> ScoreChunk:
        """What gives the scores of chunks of variants."""


@dataclasses.dataclass(frozen=True)
class ScoringRun:
    """What to score, into which file, and how.

    Parameters
    ----------
    variants : str
        VCF or BCF file, ``-`` for standard input; or a table of variants
        (:mod:`mifm_kipoi.genetics.variant_lists`).
    fasta, output : Path
        Reference genome; the file of scores, whose suffix is its format.
    options : ScoringOptions
        What decides the numbers.
    regions : Path, optional
        BED file; only variants that overlap its regions are scored.
    positions : Path, optional
        VCF or .bim file that knows the identifiers of a table without positions.
    source : ScoreSource, optional
        Where scores are looked up instead of being computed.
    drop_samples : bool
        Leave the genotypes of the input out of VCF and BCF output.
    shard : (int, int), optional
        Score part i of n, counted from 1: as many consecutive records as in the other parts.
    resume : bool
        Go on with a run that was killed, or leave a finished one as it is.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    batch_size : int, optional
        Pairs of windows that the network reads together.
    threads : int, optional
        Threads of PyTorch in each process; by default the CPUs that this process may use, 1 with workers.
    workers : int
        Processes that score side by side; 0 scores in this one.
    chunk_size : int
        Variants that are read, cut and scored together, after which the note of what is complete is renewed.
    """

    variants: str
    fasta: Path
    output: Path
    options: ScoringOptions = dataclasses.field(default_factory=ScoringOptions)
    regions: Path | None = None
    positions: Path | None = None
    source: ScoreSource | None = None
    drop_samples: bool = False
    shard: tuple[int, int] | None = None
    resume: bool = False
    device: str = "auto"
    batch_size: int | None = None
    threads: int | None = None
    workers: int = 0
    chunk_size: int = CHUNK

    def __post_init__(self) -> None:
        find_format(self.output)
        if self.shard and not 1 <= self.shard[0] <= self.shard[1]:
            raise OptionError(f"shard is {self.shard[0]}/{self.shard[1]}; expected I/N with I from 1 to N")
        if (self.shard or self.resume) and not self._again:
            raise OptionError(
                f"{self.variants} is not a file that can be read twice, as --shard and --resume require"
            )
        weights = [Path(name) for name in self.options.weights]
        inputs = (Path(self.variants), self.fasta, self.regions, self.positions)
        source = self.source.path if self.source else None
        check_output(self.output, [*inputs, *weights, source])

    @property
    def _again(self) -> bool:
        """Whether the variants can be read more than once."""
        path = Path(self.variants)
        return self.variants != STANDARD_INPUT and (path.is_file() or not path.exists())

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> ScoringResult:
        """Score; write the output, its index and its manifest.

        Parameters
        ----------
        on_progress : callable, optional
            Receives after each chunk the rows that this run has scored, and which fraction of the records
            are done, 0 where that is not known.

        Returns
        -------
        ScoringResult
            What was written, and the manifest.

        Raises
        ------
        MIFMError
            When an input cannot be read, the output cannot be written, or a run that did not end is in the
            way. What was done is kept for ``resume``.
        """
        if self.regions is not None:
            # Their checksum is taken, too.
            require_file(self.regions)
        genome = Genome(self.fasta)
        with self._opened(genome, lines=find_format(self.output).needs_lines) as file:
            weights = [load_weights(name) for name in self.options.weights]
            regions = Regions(self.regions, genome) if self.regions else None
            open_file = functools.partial(self._opened, genome) if self._again else None
            make_scorer: Callable[[], ScoreChunk]
            if self.source is not None:
                self.source.check(self.options, weights, self.fasta)
                rule = None
                make_scorer = functools.partial(self.source.scorer, genome, self.options, weights)
            else:
                rule = find_rule(self.options, weights, self.device, open_file, regions)
                make_scorer = functools.partial(
                    Scorer, genome, self.options, self.device, self.batch_size, weights, rule
                )
            identity = self._identity(weights, rule)
            start, end = self._range(genome, whole_runs=rule is not None)
            journal = Journal(self.output, identity, start, again=self._again)
            form = find_format(self.output)(
                self.options.columns, provenance(identity), drop_samples=self.drop_samples
            )
            with journal.locked() as folder:
                if (finished := self._finished(journal)) is not None:
                    journal.remove()
                    return ScoringResult(self.output, finished)
                journal.begin(form.start(file.header), self.resume)
                with journal.kept_on_error():
                    chunks = read_chunks(
                        file, regions, journal.records, end, self.chunk_size, whole_runs=rule is not None
                    )
                    unknown = self._score(chunks, make_scorer, file, genome, form, journal, end, on_progress)
                    finished = self._finish(form, journal, folder, start, file, weights)
                    return ScoringResult(self.output, finished, unknown)

    def _opened(self, genome: Genome, *, lines: bool = False) -> VariantFile | VariantList:
        return open_variants(self.variants, genome, lines, self.positions)

    @property
    def _threads(self) -> int:
        """Threads of each process."""
        return self.threads or (1 if self.workers else usable_cpus())

    def _identity(self, weights: Sequence[Weights], rule: ScanRule | None) -> dict[str, Any]:
        """What must be the same for the scores to be the same."""
        from mifm_kipoi.network.inference import find_device

        options = dataclasses.asdict(self.options)
        # Weights stand beside them, what became of the method too, and a limit decides no number.
        del options["weights"], options["method"], options["max_mismatch_fraction"]
        named = [
            {
                "name": label,
                **each.identity,
                "background": each.background.identity if each.background else None,
            }
            for label, each in zip(self.options.labels, weights, strict=True)
        ]
        path = Path(self.variants)
        return {
            "mifm_kipoi": __version__,
            "weights": named,
            "options": options,
            "scan": rule and rule.to_dict(),
            "scores": self.source and described(self.source.path),
            "variants": described(path) if path.is_file() else {"name": path.name, "sha256": None},
            "positions": self.positions and described(self.positions),
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

    def _range(self, genome: Genome, whole_runs: bool) -> tuple[int, int | None]:
        """First record and the one behind the last."""
        if self.shard is None:
            return 0, None
        with self._opened(genome) as file:
            count = file.skip()
        part, parts = self.shard
        ends = [count * (part - 1) // parts, count * part // parts]
        for row, record in enumerate(ends):
            if whole_runs and record < count:
                with self._opened(genome) as file:
                    ends[row] = next_run(file, record)
        return ends[0], ends[1]

    def _score(
        self,
        chunks: Iterator[Chunk],
        make_scorer: Callable[[], ScoreChunk],
        file: VariantFile | VariantList,
        genome: Genome,
        form: OutputFormat,
        journal: Journal,
        end: int | None,
        on_progress: Callable[[int, float], None] | None,
    ) -> tuple[str, ...]:
        """Score what is not scored yet; the first contigs that the FASTA does not have."""
        check = ReferenceCheck(genome, self.options.max_mismatch_fraction, journal.statuses)
        rows, first = 0, journal.records
        unknown: dict[str, None] = {}
        for chunk, scored in score_chunks(chunks, make_scorer, self.workers, self._threads):
            check.add(scored.variants, scored.status)
            content = form.encode(chunk, scored)
            journal.append(content, chunk.read, scored.status)
            if len(unknown) < _NAMED_CONTIGS:
                unknown |= dict.fromkeys(_unknown_contigs(scored))
            rows += len(scored)
            if on_progress:
                of_shard = (chunk.read - first) / (end - first) if end and end > first else None
                on_progress(rows, file.fraction_read if of_shard is None else of_shard)
        return tuple(itertools.islice(unknown, _NAMED_CONTIGS))

    def _finish(
        self,
        form: OutputFormat,
        journal: Journal,
        folder: Path,
        start: int,
        file: VariantFile | VariantList,
        weights: Sequence[Weights],
    ) -> dict[str, Any]:
        """Give the output, its index and its manifest their names."""
        with writing(self.output):
            finished, index = form.finish(journal.partial, folder)
        rows, seconds = journal.statuses.total(), journal.total_seconds
        manifest = {
            **journal.identity,
            "records": [start, journal.records],
            "rows": rows,
            "status": dict(journal.statuses.most_common()),
            "columns": list(form.columns),
            TRAINED_ON: {
                label: [each.to_dict() for each in training_sets(one)]
                for label, one in zip(self.options.labels, weights, strict=True)
            },
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
        if form.not_indexed:
            manifest["not_indexed"] = form.not_indexed
        publish(finished, index, self.output, manifest)
        journal.remove()
        return manifest


@dataclasses.dataclass(frozen=True)
class ScoringResult:
    """A file of scores that is complete.

    Parameters
    ----------
    output : Path
        The file.
    manifest : dict of plain JSON types
        As in ``OUTPUT.json``: version, weights, options, checksums of the inputs, counts by status, rate.
    unknown_contigs : tuple of str
        The first contigs of the variants that the FASTA does not have, where this run met any.
    """

    output: Path
    manifest: dict[str, Any]
    unknown_contigs: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the file, one for each ALT."""
        return int(self.manifest["rows"])

    @property
    def status(self) -> dict[str, int]:
        """Rows by status, the most frequent first."""
        return dict(self.manifest["status"])

    @property
    def index(self) -> Path | None:
        """The index, where the format has one and the variants are sorted."""
        name = self.manifest["index"]
        return self.output.with_name(name) if name else None

    @property
    def written(self) -> tuple[Path, ...]:
        """All files: the scores, their index, the manifest."""
        return (self.output, *([self.index] if self.index else []), manifest_path(self.output))

    def check_any_scored(self, fasta: Path | None = None) -> None:
        """See that there is a score, if there are rows; the files stay as they are.

        A part of a run may have none, so only whole runs are looked at.

        Parameters
        ----------
        fasta : Path, optional
            The genome, whose contigs the message names where those of the variants are not among them.

        Raises
        ------
        InputError
            When no row has a score; the message has the reasons.
        """
        if self.manifest["shard"] or not self.rows or any(map(self.status.get, SCORED)):
            return
        reasons = ", ".join(f"{count} {status}" for status, count in self.status.items())
        message = f"none of the {self.rows} rows of {self.output} could be scored: {reasons}"
        if Status.CONTIG_NOT_IN_FASTA in self.status:
            message += f". {self._contigs(fasta)}"
        raise InputError(message)

    def _contigs(self, fasta: Path | None) -> str:
        named = ", ".join(self.unknown_contigs) if self.unknown_contigs else "of other names"
        text = f"The variants are on contigs {named}"
        if fasta is not None:
            contigs = list(Genome(fasta).contigs)
            text += f"; {fasta} has {', '.join(contigs[:_NAMED_CONTIGS])}"
            text += f" and {len(contigs) - _NAMED_CONTIGS} more" if len(contigs) > _NAMED_CONTIGS else ""
        return (
            f"{text}. Use the FASTA that has the contigs of the variants, or rename them with 'bcftools "
            "annotate --rename-chrs'; chr1 and 1, MT and chrM are taken for the same"
        )


_NAMED_CONTIGS = 5
"""Contigs that a message names."""


def _unknown_contigs(scored: ScoredVariants) -> Iterator[str]:
    for variant, status in zip(scored.variants, scored.status, strict=True):
        if status == Status.CONTIG_NOT_IN_FASTA:
            yield variant.chrom


def publish(finished: Path, index: Path | None, output: Path, manifest: dict[str, Any]) -> None:
    """Give a finished file its name, after its manifest and its index have theirs.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    manifest["output"] = {**described(finished), "name": output.name}
    manifest["index"] = index and output.name + index.suffix
    manifest["index_sha256"] = index and described(index)["sha256"]
    with writing(output):
        # Older files go first, so that none stands beside the manifest of another.
        for older in (output, *_index_paths(output)):
            older.unlink(missing_ok=True)
        with written_whole(manifest_path(output)) as temporary:
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")
        if index:
            named(index, Path(f"{output}{index.suffix}"))
        named(finished, output)


def check_output(output: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse an output that would replace an input or a file that is not of this program.

    Parameters
    ----------
    output : Path
        A file of scores.
    inputs : iterable of Path or None
        All that is read; None for what is not given.

    Raises
    ------
    OptionError
        When it would, or cannot be a file.
    """
    journal, manifest = Journal(output, {}, 0), manifest_path(output)
    names = (output, *_index_paths(output), manifest, journal.partial, journal.note)
    for path in names:
        if os.path.lexists(path) and not path.is_file():
            raise OptionError(f"{path} exists and is not a regular file; name another output")
    for path in (journal.partial, journal.note):
        if path.is_symlink():
            raise OptionError(f"{path} is a link, and nothing is written through it; name another output")
    check_outputs(names, inputs)
    if manifest.exists() and "mifm_kipoi" not in read_manifest(output):
        raise OptionError(
            f"{manifest}, where the manifest of {output.name} would be, is another file; name another output"
        )


def _index_paths(output: Path) -> tuple[Path, ...]:
    """Where the indices of an output are, in the formats that have one; a report has none."""
    try:
        form = find_format(output)
    except OptionError:
        return ()
    if not form.indexed:
        return ()
    return Path(f"{output}.tbi"), Path(f"{output}.csi")


def read_manifest(output: Path) -> dict[str, Any]:
    """The manifest of an output; empty where there is none that can be read."""
    try:
        manifest = json.loads(manifest_path(output).read_text())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def manifest_path(output: Path) -> Path:
    """Where the manifest of an output is."""
    return Path(f"{output}.json")


def provenance(identity: dict[str, Any]) -> dict[str, Any]:
    """What the output itself says of its making."""
    return {key: identity[key] for key in ("mifm_kipoi", "weights", "options", "fasta")}
