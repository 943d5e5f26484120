"""Score every position of a genome: what ``mifm genome`` does."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.conventions import MAX_N_FRACTION, WINDOW
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genome_scan.browser import (
    igv_session_paths,
    ucsc_hub_path,
    write_igv_sessions,
    write_ucsc_hub,
)
from mifm_kipoi.genome_scan.formats import TRACKS, FormatOptions, ScanFormat, is_track, make_format
from mifm_kipoi.genome_scan.positions import PositionScores, scan_block
from mifm_kipoi.genome_scan.segments import SEGMENT_BLOCKS, Segment, segments_of
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import EMBEDDED, Weights, load_weights
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.run import check_output, manifest_path, publish, read_manifest
from mifm_kipoi.scoring.workers import threads_of_torch
from mifm_kipoi.sequence.contig_blocks import ContigBlock
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, require_file, writing
from mifm_kipoi.support.provenance import described, differences
from mifm_kipoi.support.threads import ordered_map
from mifm_kipoi.version import __version__

KIND = "genome scan"
"""How the manifest of a scan is told from that of scored variants."""

IDENTITY = (
    "kind", "mifm_kipoi", "weights", "background", "scan", "options", "columns", "fasta", "contigs",
    "regions", "segment_blocks", "shard",
)  # fmt: skip
"""Entries of a manifest that must be the same for the output to be the same."""

SCORED, WITHOUT_WINDOW = "scored", "without_window"
"""What becomes of a position: those without a window have N at or around them."""


@dataclasses.dataclass(frozen=True)
class GenomeRun:
    """What to scan, into which files, and how.

    Parameters
    ----------
    fasta : Path
        Reference genome, plain or bgzip.
    outputs : tuple of Path
        A bigWig file (``.bw``), a table (``.tsv.gz``), or both.
    weights : str
        A name or path.
    contigs : tuple of str, optional
        Those that are scanned; by default all.
    regions : Path, optional
        BED file; only positions within its regions are written.
    alleles : bool
        Score the three alternatives of each position, too; they go into the table.
    snvs : bool
        Give the table the layout of CADD: three rows a position, six columns.
    track : str
        What the bigWig file holds, one of :data:`mifm_kipoi.genome_scan.formats.TRACKS`.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.
    shard : (int, int), optional
        Scan part i of n, counted from 1: as many consecutive segments as in the other parts.
    resume : bool
        Go on with a run that was killed, or leave a finished one as it is.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    threads : int, optional
        Blocks that are scanned side by side; by default the CPUs that this process may use.
    igv_session : bool
        Write sessions of IGV and igv.js, too: ``OUT.bw.igv.xml`` and ``OUT.bw.igv.json``.
    ucsc_hub : str, optional
        The UCSC browser's name of the assembly, such as ``hg19``, for which a track hub is written, too:
        ``OUT.bw.hub.txt``.
    segment_blocks : int
        Blocks of 4,096 positions after which the note of what is complete is renewed.

    Raises
    ------
    OptionError
        When the options contradict each other, or an output is an input.
    """

    fasta: Path
    outputs: tuple[Path, ...]
    weights: str = EMBEDDED
    contigs: tuple[str, ...] | None = None
    regions: Path | None = None
    alleles: bool = False
    snvs: bool = False
    track: str = TRACKS[0]
    max_n_fraction: float = MAX_N_FRACTION
    shard: tuple[int, int] | None = None
    resume: bool = False
    device: str = "auto"
    threads: int | None = None
    igv_session: bool = False
    ucsc_hub: str | None = None
    segment_blocks: int = SEGMENT_BLOCKS

    def __post_init__(self) -> None:
        if not self.outputs:
            raise OptionError("no output is named; expected a .bw file, a .tsv.gz file, or both")
        for path in self.outputs:
            make_format(path, FormatOptions(()))
        tracks = [is_track(path) for path in self.outputs]
        if len(set(tracks)) < len(tracks):
            named = ", ".join(map(str, self.outputs))
            raise OptionError(f"{named} are of the same format; expected one .bw and one .tsv.gz at most")
        if (self.alleles or self.snvs) and all(tracks):
            option = "alleles" if self.alleles else "snvs"
            raise OptionError(
                f"{option} needs a table: a bigWig file holds one value a position; add a .tsv.gz"
            )
        if self.alleles and self.snvs:
            raise OptionError(
                "alleles and snvs exclude each other: the layout of CADD has no column for the alternative"
            )
        if self.track not in TRACKS:
            raise OptionError(f"track is {self.track!r}; expected one of {', '.join(TRACKS)}")
        if not 0 <= self.max_n_fraction <= 1:
            raise OptionError(f"max_n_fraction is {self.max_n_fraction}; expected a fraction from 0 to 1")
        if self.shard and not 1 <= self.shard[0] <= self.shard[1]:
            raise OptionError(f"shard is {self.shard[0]}/{self.shard[1]}; expected I/N with I from 1 to N")
        inputs = (self.fasta, self.regions, Path(self.weights))
        for path in self.outputs:
            check_output(path, inputs)
        if (self.igv_session or self.ucsc_hub) and self._track is None:
            raise OptionError("a session or hub shows a bigWig file; add a .bw to the outputs")
        if self._track is not None:
            check_outputs((*igv_session_paths(self._track), ucsc_hub_path(self._track)), inputs)

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> GenomeResult:
        """Scan; write the outputs, the index of a table, and a manifest of each.

        Parameters
        ----------
        on_progress : callable, optional
            Receives the positions that this run has scored, and which fraction of its blocks is done.

        Returns
        -------
        GenomeResult
            What was written, and the manifests.

        Raises
        ------
        MIFMError
            When an input cannot be read, an output cannot be written, or a run that did not end is in the
            way. What was done is kept for ``resume``.
        """
        if self.regions is not None:
            # Its checksum is taken, too.
            require_file(self.regions)
        genome = Genome(self.fasta)
        weights = load_weights(self.weights)
        if weights.config.window > WINDOW:
            raise OptionError(
                f"the network of {weights.path} reads windows of {weights.config.window} bp; "
                f"expected {WINDOW} at most"
            )
        scan = Scan(weights.model().to(find_device(self.device)), path=weights.path)
        regions = Regions(self.regions, genome) if self.regions else None
        segments = segments_of(genome, self.contigs, regions, self.segment_blocks)
        first, last = self._range(len(segments))
        with contextlib.ExitStack() as stack:
            # One for each block that is scanned: several of them in each are slower.
            stack.enter_context(threads_of_torch(1))
            outputs = []
            for path in self.outputs:
                output = _Output(path, self._format(path, genome, weights), first)
                output.journal.identity = self._identity(weights, scan, output.form)
                output.folder = stack.enter_context(output.journal.locked())
                outputs.append(output)
            growing = [each for each in outputs if not each.is_finished(self.resume)]
            for output in growing:
                output.journal.begin(output.form.head(), self.resume)
            for output in growing:
                stack.enter_context(output.journal.kept_on_error())
            self._scan(segments[:last], genome, regions, scan, growing, on_progress)
            for output in growing:
                self._finish(output, first)
        manifests = {each.path: each.manifest for each in outputs}
        return GenomeResult(self.outputs, manifests, self._browser_files(genome, manifests))

    @property
    def _track(self) -> Path | None:
        """The bigWig file."""
        return next(filter(is_track, self.outputs), None)

    def _browser_files(self, genome: Genome, manifests: Mapping[Path, dict[str, Any]]) -> tuple[Path, ...]:
        written: list[Path] = []
        if self._track is not None and self.igv_session:
            written += write_igv_sessions(self._track, genome, manifests[self._track])
        if self._track is not None and self.ucsc_hub:
            written.append(write_ucsc_hub(self._track, genome, self.ucsc_hub, manifests[self._track]))
        return tuple(written)

    def _format(self, path: Path, genome: Genome, weights: Weights) -> ScanFormat[Any]:
        return make_format(
            path,
            FormatOptions(
                contigs=tuple(genome.contigs.items()),
                background=weights.background,
                track=self.track,
                alleles=self.alleles,
                snvs=self.snvs,
            ),
        )

    def _identity(self, weights: Weights, scan: Scan, form: ScanFormat[Any]) -> dict[str, Any]:
        """What must be the same for an output to be the same."""
        background = weights.background
        return {
            "kind": KIND,
            "mifm_kipoi": __version__,
            "weights": [{"name": Path(self.weights).name.removesuffix(".safetensors"), **weights.identity}],
            "background": background and background.identity,
            "scan": scan.identity,
            "options": {"alleles": self.alleles, "max_n_fraction": self.max_n_fraction},
            "columns": list(form.columns),
            "fasta": described(self.fasta),
            "contigs": None if self.contigs is None else sorted(self.contigs),
            "regions": self.regions and described(self.regions),
            "segment_blocks": self.segment_blocks,
            "shard": self.shard and list(self.shard),
        }

    def _range(self, count: int) -> tuple[int, int]:
        """The first segment, and the one behind the last."""
        if self.shard is None:
            return 0, count
        part, parts = self.shard
        return count * (part - 1) // parts, count * part // parts

    @property
    def _threads(self) -> int:
        return self.threads or usable_cpus()

    def _scan(
        self,
        segments: Sequence[Segment],
        genome: Genome,
        regions: Regions | None,
        scan: Scan,
        growing: Sequence[_Output],
        on_progress: Callable[[int, float], None] | None,
    ) -> None:
        """Scan the segments that are not in all files yet; those that lack a segment get it."""
        has = [each.journal.records for each in growing]
        begun = min(has, default=len(segments))
        bases = sum(segment.end - segment.start for segment in segments[begun:])

        def work(task: tuple[int, ContigBlock]) -> tuple[int, PositionScores, list[Any]]:
            number, block = task
            scores = scan_block(scan, block, regions, alleles=self.alleles)
            return (
                number,
                scores,
                [
                    each.form.encode(scores) if records <= number else None
                    for each, records in zip(growing, has, strict=True)
                ],
            )

        def blocks() -> Iterator[tuple[int, ContigBlock]]:
            for number, segment in enumerate(segments[begun:], start=begun):
                for block in segment.blocks(genome, regions, self.max_n_fraction):
                    yield number, block

        scored = done = 0
        results = ordered_map(work, blocks(), self._threads)
        with _Appender() as appender:
            for number, of_segment in itertools.groupby(results, key=lambda result: result[0]):
                parts: list[list[Any]] = [[] for _ in growing]
                counts: collections.Counter[str] = collections.Counter()
                for _, scores, encoded in of_segment:
                    for of_output, part in zip(parts, encoded, strict=True):
                        of_output.append(part)
                    counts[SCORED] += len(scores)
                    counts[WITHOUT_WINDOW] += scores.asked - len(scores)
                    scored += len(scores)
                    done += scores.end - scores.start
                    if on_progress:
                        on_progress(scored, min(done / bases, 1))
                for output, of_output, records in zip(growing, parts, has, strict=True):
                    if records <= number:
                        appender.append(output, of_output, number + 1, counts)

    def _finish(self, output: _Output, first: int) -> None:
        """Give an output, its index and its manifest their names."""
        journal = output.journal
        with writing(output.path):
            finished, index = output.form.finish(journal.partial, output.folder)
        rows, seconds = journal.statuses[SCORED], journal.total_seconds
        output.manifest = {
            **journal.identity,
            "records": [first, journal.records],
            "rows": rows,
            "status": dict(journal.statuses.most_common()),
            "bytes": finished.stat().st_size,
            "threads": self._threads,
            "seconds": seconds,
            "rows_per_second": round(rows / max(seconds, 0.01), 1),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        publish(finished, index, output.path, output.manifest)
        journal.remove()


class _Appender:
    """Appends to outputs on a thread of its own, so that no other waits for the disk."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._waiting: collections.deque[concurrent.futures.Future[None]] = collections.deque()

    def append(self, output: _Output, parts: list[Any], records: int, counts: Mapping[str, int]) -> None:
        """Append a segment, when those before it are in the files; errors are those of earlier ones."""
        while len(self._waiting) > _WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(_append, output, parts, records, counts))

    def __enter__(self) -> _Appender:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for each in self._waiting:
                each.result()


_WAITING = 2
"""Outputs of segments that may wait for the disk."""


def _append(output: _Output, parts: list[Any], records: int, counts: Mapping[str, int]) -> None:
    output.journal.append(output.form.joined(parts), records, counts)


class _Output:
    """An output while it grows."""

    def __init__(self, path: Path, form: ScanFormat[Any], first: int) -> None:
        self.path = path
        self.form = form
        self.journal = Journal(path, {}, first)
        self.folder = Path()
        self.manifest: dict[str, Any] = {}

    def is_finished(self, resume: bool) -> bool:
        """Whether the same was scanned before and may be kept."""
        if not (resume and self.path.exists()):
            return False
        manifest = read_manifest(self.path)
        identity = self.journal.identity
        if differences({key: manifest.get(key) for key in identity}, identity):
            return False
        index = manifest.get("index")
        complete = manifest.get("output") == described(self.path)
        if not complete or (index and not self.path.with_name(index).exists()):
            return False
        self.manifest = manifest
        self.journal.remove()
        return True


@dataclasses.dataclass(frozen=True)
class GenomeResult:
    """Files of a scan that are complete.

    Parameters
    ----------
    outputs : tuple of Path
        The files.
    manifests : dict of Path to dict
        Of each, as in ``OUTPUT.json``.
    browser_files : tuple of Path
        A session or a hub, where they were asked for.
    """

    outputs: tuple[Path, ...]
    manifests: dict[Path, dict[str, Any]]
    browser_files: tuple[Path, ...] = ()

    @property
    def manifest(self) -> dict[str, Any]:
        """That of the first output."""
        return self.manifests[self.outputs[0]]

    @property
    def rows(self) -> int:
        """Positions that have a score."""
        return int(self.manifest["rows"])

    def check_any_scored(self) -> None:
        """See that a position has a score; the files stay as they are. A part of a run may have none.

        Raises
        ------
        InputError
            When none has.
        """
        if self.manifest["shard"] is None and not self.rows:
            raise InputError(
                f"no position of {self.manifest['fasta']['name']} that was asked for has a window with at "
                f"most {self.manifest['options']['max_n_fraction']:g} of N: {self.outputs[0]} has no score"
            )

    @property
    def written(self) -> tuple[Path, ...]:
        """All files: the outputs, their indices, the manifests."""
        files: list[Path] = []
        for path in self.outputs:
            index = self.manifests[path]["index"]
            files += [path, *([path.with_name(index)] if index else []), manifest_path(path)]
        return (*files, *self.browser_files)
