"""Intervals of BED files: read one by one, or merged into regions."""

from __future__ import annotations

import bisect
import dataclasses
import gzip
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

from mifm_kipoi.errors import IntervalFileError
from mifm_kipoi.genomics.contigs import contig_aliases

_NUMBER = re.compile(r"-?[0-9]{1,30}")
"""What int() takes, too: 1_0, +10 and digits of other scripts, no program writes into a BED file."""

_LARGEST_POSITION = 2**31 - 1
"""As in VCF files."""


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
    """Stream a BED file, plain or gzipped, in its order.

    A start below 0, as programs write it for windows over the start of a contig, is taken as it is.

    Raises
    ------
    IntervalFileError
        When the file cannot be read, or a line is not BED; the message names the line.
    """
    path = Path(path)
    number = 0
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
        with (gzip.open if gzipped else open)(
            path, "rt", encoding="utf-8", errors="surrogateescape"
        ) as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - the errors below name it
                fields = line.rstrip("\r\n").split("\t")
                # Not strip(), for which control characters are blank: a gzip file cut to its first byte.
                if not line.strip(" \t\r\n") or fields[0].startswith(("#", "track", "browser")):
                    continue
                yield _interval(fields)
    except (OSError, EOFError, zlib.error) as error:
        raise IntervalFileError(f"cannot read the BED file {path} after line {number}: {error}") from error
    except ValueError as error:
        raise IntervalFileError(
            f"line {number} of {path} is not BED ({error}); expected chrom, start and end, separated by tabs"
        ) from error


def _interval(fields: list[str]) -> Interval:
    if len(fields) < 3:
        raise ValueError(f"it has {len(fields)} columns")
    start, end = map(_position, fields[1:3])
    if start >= end:
        raise ValueError(f"its start {start} is not before its end {end}")
    return Interval(fields[0], start, end, fields[3] if len(fields) > 3 else ".")


def _position(field: str) -> int:
    if not _NUMBER.fullmatch(field) or abs(int(field)) > _LARGEST_POSITION:
        raise ValueError(f"{field[:30]!r} is not a whole number up to {_LARGEST_POSITION}")
    return int(field)


class Regions:
    """Merged intervals of a BED file.

    Parameters
    ----------
    path : path-like
        BED file of three or more columns, plain or gzipped; 0-based half-open.

    Raises
    ------
    IntervalFileError
        When the file cannot be read or has no interval, or when bedtools is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for chrom, start, end in _merged_intervals(self.path):
            self._starts.setdefault(chrom, []).append(start)
            self._ends.setdefault(chrom, []).append(end)
        if not self._starts:
            raise IntervalFileError(f"{self.path} has no interval; expected BED lines: chrom, start, end")

    def overlap(self, chrom: str, start: int, end: int) -> bool:
        """Whether ``[start, end)`` of a contig, 0-based, shares a base with a region.

        Contig names match as :func:`mifm_kipoi.genomics.contigs.contig_aliases` says.
        """
        name = next((alias for alias in contig_aliases(chrom) if alias in self._starts), None)
        if name is None:
            return False
        index = bisect.bisect_right(self._ends[name], start)
        return index < len(self._starts[name]) and self._starts[name][index] < end

    def cover(self, chrom: str, start: int, end: int) -> bool:
        """Whether ``[start, end)`` of a contig, 0-based, lies wholly within one region.

        Contig names match as :func:`mifm_kipoi.genomics.contigs.contig_aliases` says.
        """
        name = next((alias for alias in contig_aliases(chrom) if alias in self._starts), None)
        if name is None:
            return False
        index = bisect.bisect_right(self._starts[name], start) - 1
        return index >= 0 and end <= self._ends[name][index]


def _merged_intervals(path: Path) -> Iterator[tuple[str, int, int]]:
    if not path.is_file():
        raise IntervalFileError(f"there is no BED file {path}")
    if shutil.which("bedtools") is None:
        raise IntervalFileError(
            "bedtools, which reads BED files, is not installed; install it (apt-get install bedtools, "
            "or conda install -c bioconda bedtools) or leave the regions out"
        )
    import pybedtools

    # bedtools takes 40x for 40, and a gzip file that is cut behind a whole line for all of it.
    for _ in read_intervals(path):
        pass
    try:
        for interval in pybedtools.BedTool(str(path)).sort().merge():
            yield interval.chrom, interval.start, interval.end
    except pybedtools.helpers.BEDToolsError as error:
        reason = str(error.msg).strip().splitlines()[-1]
        raise IntervalFileError(f"cannot read the BED file {path}: {reason}") from error
    finally:
        pybedtools.cleanup()
