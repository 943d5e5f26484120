"""Intervals of BED files: read one by one, as arrays, or merged into regions."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import functools
import gzip
import io
import logging
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import LARGEST_POS
from mifm_kipoi.errors import IntervalFileError
from mifm_kipoi.genomics.contigs import build_of, contig_key

if TYPE_CHECKING:
    from mifm_kipoi.genomics.genome import Genome

_log = logging.getLogger(__name__)

_NUMBER = re.compile(r"-?[0-9]{1,30}")
"""What int() takes, too: 1_0, +10 and digits of other scripts, no program writes into a BED file."""

_GZIP = b"\x1f\x8b"

_NOT_INTERVALS = re.compile(r"#|(?:track|browser)(?=[ \t\r\n]|$)")
"""How lines begin that are comments, or are for genome browsers."""

_MARKS = (b"#", b"track", b"browser", b" ", b"\t")
"""How lines may begin that :data:`_OTHER_LINES` takes away: they are looked for first, which is faster."""

# What follows "track" is looked at, not taken: the end of a bare "track" line would take the next line along.
_OTHER_LINES = re.compile(rb"^(?:#|(?:track|browser)(?=[ \t]|$)|[ \t]+$)[^\n]*\n?", re.MULTILINE)

_NAMED_CONTIGS = 5
"""Contigs that a message names."""


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """One line of a BED file.

    Parameters
    ----------
    chrom : str
        Contig, named as in the file.
    start, end : int
        0-based half-open.
    id : str
        The fourth column, ``.`` where there is none.
    """

    chrom: str
    start: int
    end: int
    id: str


def read_intervals(path: str | os.PathLike[str]) -> Iterator[Interval]:
    """Stream a BED file, plain or gzipped, in its order; it is opened once, so that it may be a pipe.

    A start below 0, as programs write it for windows over the start of a contig, is taken as it is.

    Raises
    ------
    IntervalFileError
        When the file cannot be read, or a line is not BED; the message names the line.
    """
    path = Path(path)
    number = 0
    try:
        with _opened(path) as content:
            lines = io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape")
            for number, line in enumerate(lines, start=1):  # noqa: B007 - the errors below name it
                # Not strip(), for which control characters are blank: a gzip file cut to its first byte.
                if line.strip(" \t\r\n") and not _NOT_INTERVALS.match(line):
                    yield _interval(line.rstrip("\r\n").split("\t"))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        after = f" after line {number}" if number else ""
        raise IntervalFileError(f"cannot read the BED file {path}{after}: {reason}") from error
    except ValueError as error:
        raise IntervalFileError(
            f"line {number} of {path} is not BED ({error}); expected chrom, start and end, separated by tabs"
        ) from error


@dataclasses.dataclass(frozen=True)
class IntervalArrays:
    """All intervals of a BED file, in its order; :meth:`read` reads them.

    Parameters
    ----------
    path : Path
        The file.
    contigs, names : tuple of str
        Different contigs, and different entries of the fourth column (``.`` where there is none).
    contig, name : numpy.ndarray of int32, shape (n,)
        Index in ``contigs``, and in ``names``, of each interval.
    start, end : numpy.ndarray of int64, shape (n,)
        0-based half-open.
    """

    path: Path
    contigs: tuple[str, ...]
    names: tuple[str, ...]
    contig: npt.NDArray[np.int32]
    name: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> IntervalArrays:
        """Read a BED file, plain or gzipped, some ten times as fast as :func:`read_intervals`.

        Files that the fast way does not take, such as those with lines of different lengths, are read line by
        line; either way gives the same intervals.

        Raises
        ------
        IntervalFileError
            As of :func:`read_intervals`.
        """
        path = Path(path)
        try:
            with _opened(path) as content:
                text = content.read()
        except (OSError, EOFError, zlib.error):
            # What is wrong, and after which line, is said below.
            text = b""
        return _parsed(path, text) or _collected(path)


def _parsed(path: Path, text: bytes) -> IntervalArrays | None:
    """The intervals of a text, as Arrow parses them; None where something in it is not plain BED."""
    import pyarrow as pa
    from pyarrow import csv

    text = text.removeprefix(b"\xef\xbb\xbf")
    # Python ends a line at a carriage return, too; hexadecimal numbers are numbers to Arrow.
    if b"\r" in text or b"\t0x" in text or b"\t0X" in text:
        return None
    if text.startswith(_MARKS) or any(b"\n" + mark in text for mark in _MARKS):
        text = _OTHER_LINES.sub(b"", text)
    columns = text[: text.find(b"\n") if b"\n" in text else len(text)].count(b"\t") + 1
    if columns < 3:
        return None
    fields = [f"f{number}" for number in range(columns)]
    texts = pa.dictionary(pa.int32(), pa.string())
    try:
        rows = csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(column_names=fields, use_threads=False, block_size=max(len(text), 1)),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(
                include_columns=fields[:4],
                column_types={"f0": texts, "f1": pa.int64(), "f2": pa.int64(), "f3": texts},
                strings_can_be_null=False,
                null_values=[],
            ),
        ).combine_chunks()
    except pa.ArrowInvalid:
        return None
    start, end = rows["f1"].to_numpy(), rows["f2"].to_numpy()
    large = np.maximum(np.abs(start), np.abs(end)) > LARGEST_POS
    if not len(start) or (start >= end).any() or large.any():
        return None
    contigs, contig = _codes(rows["f0"])
    names, name = _codes(rows["f3"]) if columns > 3 else ((".",), np.zeros(len(start), np.int32))
    if any(contig != contig.strip() for contig in contigs):
        return None
    return IntervalArrays(path, contigs, names, contig, name, start, end)


def _codes(column: Any) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Different texts of a column of Arrow, and the index of each row's."""
    whole = column.chunk(0)
    return tuple(whole.dictionary.to_pylist()), whole.indices.to_numpy()


def _collected(path: Path) -> IntervalArrays:
    """The intervals of a file, read line by line."""
    contigs: dict[str, int] = {}
    names: dict[str, int] = {}
    rows = [
        (
            contigs.setdefault(one.chrom, len(contigs)),
            names.setdefault(one.id, len(names)),
            one.start,
            one.end,
        )
        for one in read_intervals(path)
    ]
    contig, name, start, end = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    codes = contig.astype(np.int32), name.astype(np.int32)
    return IntervalArrays(path, tuple(contigs), tuple(names), *codes, start, end)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file or pipe, decompressed where they are gzip."""
    with path.open("rb") as file:
        head = file.read(len(_GZIP))
        content: IO[bytes] = io.BufferedReader(_Rejoined(head, file))
        if head == _GZIP:
            content = cast(IO[bytes], gzip.GzipFile(fileobj=content))
        yield content


class _Rejoined(io.RawIOBase):
    """The first bytes of a file, which were read already, and the rest of it."""

    def __init__(self, head: bytes, rest: io.BufferedReader) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content, self._head = self._head or self._rest.read1(len(buffer)), b""
        buffer[: len(content)] = content
        return len(content)


def on_known_contigs(
    intervals: Iterable[Interval], genome: Genome, path: str | os.PathLike[str]
) -> Iterator[Interval]:
    """Pass intervals on, and warn at their end where the FASTA has none of their contigs.

    Parameters
    ----------
    intervals : iterable of Interval
        Of a BED file.
    genome : Genome
        The FASTA.
    path : path-like
        The BED file, for the warning.
    """
    contigs: dict[str, None] = {}
    for interval in intervals:
        contigs[interval.chrom] = None
        yield interval
    _warn_unknown(contigs, genome, path)


def _warn_unknown(contigs: Collection[str], genome: Genome, path: str | os.PathLike[str]) -> None:
    if contigs and not any(map(genome.find_contig, contigs)):
        _log.warning(
            "%s has none of the contigs of %s (%s), but %s; chr1 and 1, MT and chrM are taken for the same",
            genome.path,
            path,
            _named(contigs),
            _named(genome.contigs),
        )


def _named(contigs: Collection[str]) -> str:
    first = ", ".join(list(contigs)[:_NAMED_CONTIGS])
    return first if len(contigs) <= _NAMED_CONTIGS else f"{first} and {len(contigs) - _NAMED_CONTIGS} more"


def _interval(fields: list[str]) -> Interval:
    if len(fields) < 3:
        raise ValueError(f"it has {len(fields)} columns")
    start, end = map(_position, fields[1:3])
    if start >= end:
        raise ValueError(f"its start {start} is not before its end {end}")
    return Interval(fields[0].strip(" "), start, end, fields[3] if len(fields) > 3 else ".")


def _position(field: str) -> int:
    if not _NUMBER.fullmatch(field) or abs(int(field)) > LARGEST_POS:
        raise ValueError(f"{field[:30]!r} is not a whole number up to {LARGEST_POS}")
    return int(field)


class Regions:
    """Merged intervals of a BED file.

    Contigs are compared by :func:`mifm_kipoi.genomics.contigs.contig_key`, so that one file may name a contig
    in several ways. What reaches over the start of a contig is cut there.

    Parameters
    ----------
    path : path-like
        BED file of three or more columns, plain or gzipped; 0-based half-open. It is opened once.
    genome : Genome, optional
        A FASTA; a warning is logged where it has none of the contigs of the file.

    Raises
    ------
    IntervalFileError
        When the file cannot be read, has no interval or names contigs of another build than the FASTA, or
        when bedtools is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], genome: Genome | None = None) -> None:
        self.path = Path(path)
        self.contigs: tuple[str, ...] = ()
        """Names of the contigs, as in the file."""
        self._merged: dict[str, tuple[list[int], list[int]]] = {}
        self._merge()
        if not self.contigs:
            raise IntervalFileError(f"{self.path} has no interval; expected BED lines: chrom, start, end")
        self._check_build(genome.contigs if genome is not None else {})
        if genome is not None:
            _warn_unknown(self.contigs, genome, self.path)

    def _check_build(self, fasta: Mapping[str, int]) -> None:
        """Accessions state the build; those of another one would match by their chromosome."""
        builds = {build_of(name): name for name in (*fasta, *self.contigs) if build_of(name)}
        if len(builds) > 1:
            named = ", ".join(f"{name} of {build}" for build, name in builds.items())
            raise IntervalFileError(
                f"{self.path} and the FASTA, or {self.path} alone, name contigs of several builds: {named}; "
                "use regions and a FASTA of one build"
            )

    def overlap(self, chrom: str, start: int, end: int) -> bool:
        """Whether ``[start, end)`` of a contig, 0-based, shares a base with a region."""
        starts, ends = self._merged.get(_key(chrom), ((), ()))
        index = bisect.bisect_right(ends, start)
        return index < len(starts) and starts[index] < end

    def cover(self, chrom: str, start: int, end: int) -> bool:
        """Whether ``[start, end)`` of a contig, 0-based, lies wholly within one region."""
        starts, ends = self._merged.get(_key(chrom), ((), ()))
        index = bisect.bisect_right(starts, start) - 1
        return index >= 0 and end <= ends[index]

    def mask(self, chrom: str, start: int, end: int) -> npt.NDArray[np.bool_]:
        """Which positions of ``[start, end)`` of a contig, 0-based, lie in a region, shape (end - start,)."""
        starts, ends = self._merged.get(_key(chrom), ((), ()))
        mask = np.zeros(end - start, dtype=np.bool_)
        for region in range(bisect.bisect_right(ends, start), bisect.bisect_left(starts, end)):
            mask[max(starts[region] - start, 0) : max(ends[region] - start, 0)] = True
        return mask

    def warn_no_match(self, variants: str | os.PathLike[str]) -> None:
        """Say that no record of a variant file overlaps a region."""
        _log.warning(
            "no record of %s overlaps a region of %s, whose contigs are %s",
            variants,
            self.path,
            _named(self.contigs),
        )

    def _merge(self) -> None:
        """Read the file, and let bedtools merge its intervals, contigs that are one under one number."""
        if shutil.which("bedtools") is None:
            raise IntervalFileError(
                "bedtools, which reads BED files, is not installed; install it (apt-get install bedtools, "
                "or conda install -c bioconda bedtools) or leave the regions out"
            )
        import pybedtools

        contigs: dict[str, None] = {}
        numbers: dict[str, int] = {}
        try:
            with tempfile.TemporaryDirectory(prefix="mifm-") as folder:
                numbered = Path(folder) / "numbered.bed"
                with numbered.open("w") as file:
                    for interval in read_intervals(self.path):
                        contigs[interval.chrom] = None
                        number = numbers.setdefault(_key(interval.chrom), len(numbers))
                        if interval.end > 0:
                            file.write(f"{number}\t{max(interval.start, 0)}\t{interval.end}\n")
                keys = list(numbers)
                for merged in pybedtools.BedTool(str(numbered)).sort().merge():
                    starts, ends = self._merged.setdefault(keys[int(merged.chrom)], ([], []))
                    starts.append(merged.start)
                    ends.append(merged.end)
        except pybedtools.helpers.BEDToolsError as error:
            reason = str(error.msg).strip().splitlines()[-1]
            raise IntervalFileError(f"cannot merge the intervals of {self.path}: {reason}") from error
        except OSError as error:
            raise IntervalFileError(
                f"cannot sort {self.path} in the temporary folder {tempfile.gettempdir()}: "
                f"{error.strerror or error}; name another in TMPDIR"
            ) from error
        finally:
            pybedtools.cleanup()
        self.contigs = tuple(contigs)


_key = functools.lru_cache(maxsize=1 << 12)(contig_key)
