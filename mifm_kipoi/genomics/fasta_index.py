"""Indices of FASTA files, as samtools makes them: made, read, and compared with their file.

``.fai`` has a line a contig: name, bases, offset of the first base, bases a line, bytes a line. ``.gzi``, of
a file that is compressed with bgzip, has the offsets of its blocks, compressed and not, all but the first.
A base is a letter, ``-`` or ``*``. Blanks and tabs may stand at the ends of lines, nowhere else.
"""

from __future__ import annotations

import bisect
import dataclasses
import gzip
import os
import struct
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import GenomeError
from mifm_kipoi.support.files import named, workspace

_BASES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-*"

_UPPER = bytes(byte if byte in _BASES.upper() else 0 for byte in bytes(range(256)).upper())
"""The base of each byte in upper case; 0 for a byte that is not a base."""

_BLANK = np.isin(np.arange(256), list(b" \t\r"))
"""Whether each byte may stand between the last base of a line and the line's end."""

_LONGEST_NAME = 1 << 20
"""Bytes that may stand before a contig: its name, and comments."""

_LONGEST_LINE_END = 256
"""Bytes of a line end, with blanks before it."""

_BEHIND = 1 << 17
"""Bytes after the last contig that are looked at."""


@dataclasses.dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where the bases of a contig lie.

    Parameters
    ----------
    name : str
        The contig.
    length : int
        Its bases.
    offset : int
        Byte of the first base in the decompressed file.
    line_bases, line_bytes : int
        Of each line but the last, the line's end included.
    """

    name: str
    length: int
    offset: int
    line_bases: int
    line_bytes: int

    def at(self, position: int) -> int:
        """The byte in the decompressed file of the base at a 0-based position."""
        line, column = divmod(position, self.line_bases)
        return self.offset + line * self.line_bytes + column

    @property
    def end(self) -> int:
        """The byte behind the last base."""
        return self.at(self.length - 1) + 1 if self.length else self.offset

    @property
    def is_plausible(self) -> bool:
        """Whether the sizes are those of some file."""
        if self.length <= 0 or self.line_bases < 1:
            return self.length == 0
        line_end = self.line_bytes - self.line_bases
        return 0 < line_end <= _LONGEST_LINE_END or (line_end == 0 and self.length <= self.line_bases)


class FastaFile:
    """An open FASTA file, plain or compressed with bgzip, and its index.

    Parameters
    ----------
    path : path-like
        The file. Its index is made where it is missing or empty, and where it is older than the file and
        the folder can be written to.

    Attributes
    ----------
    entries : dict of str to IndexEntry
        By name, in the order of the index.

    Raises
    ------
    GenomeError
        When the file or its index cannot be read, or they do not fit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.compressed = _check_beginning(path)
        self._fai = Path(f"{path}.fai")
        self._gzi = Path(f"{path}.gzi")
        _renew_index(path, [self._fai, *([self._gzi] if self.compressed else [])])
        self.entries = {entry.name: entry for entry in _read_fai(self._fai)}
        self._blocks = _read_gzi(self._gzi) if self.compressed else []
        self._raw = path.open("rb")
        weakref.finalize(self, self._raw.close)
        self._file: Any = self._opened()
        self._check_layout()

    def fileno(self) -> int:
        """The descriptor of the file."""
        return self._raw.fileno()

    def _opened(self) -> Any:
        """What reads the decompressed file."""
        if not self.compressed:
            return self._raw
        # Plain files need none of it: training and scoring on bare machines read those alone.
        from Bio import bgzf

        try:
            return bgzf.BgzfReader(fileobj=self._raw, mode="rb")  # type: ignore[no-untyped-call]
        # bgzf and zlib have many errors for what they cannot read.
        except Exception as error:
            self._fail(f"its beginning ({error})", error)

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the decompressed file; fewer at its end.

        Raises
        ------
        ValueError
            When the index of a compressed file does not fit.
        """
        if not self.compressed:
            self._file.seek(start)
            return bytes(self._file.read(length))
        blocks = self._blocks
        number = bisect.bisect_right(blocks, start, key=lambda block: block[1]) - 1
        packed, unpacked = blocks[number]
        from Bio import bgzf

        self._file.seek(bgzf.make_virtual_offset(packed, start - unpacked))  # type: ignore[no-untyped-call]
        # A wrong entry of the .gzi index would give other bases than those asked for.
        if number + 1 < len(blocks):
            behind = (packed + self._file._block_raw_length, unpacked + len(self._file._buffer))
            if behind != blocks[number + 1]:
                raise ValueError(f"entry {number + 1} of the .gzi index is not where a block begins")
        return bytes(self._file.read(length))

    def read_bases(self, contig: str, start: int, end: int) -> npt.NDArray[np.uint8]:
        """Upper-case bases of a region of a contig, every byte of which is looked at.

        Parameters
        ----------
        contig : str
            A name in :attr:`entries`.
        start, end : int
            0-based half-open, inside the contig, not empty.

        Returns
        -------
        numpy.ndarray of uint8, shape (end - start,)

        Raises
        ------
        GenomeError
            When the lines are not as the index says, or a byte is not a base.
        """
        entry = self.entries[contig]
        line_end = entry.line_bytes - entry.line_bases
        column = start % entry.line_bases
        # The line end before a line that begins here is looked at too, or nobody would.
        before = line_end if start and not column else 0
        first = entry.at(start) - before
        length = entry.at(end - 1) + 1 - first
        begin = 0 if before else entry.line_bases - column
        try:
            raw = self.read(first, length)
            if len(raw) < length:
                raise ValueError(f"the file ends {length - len(raw)} bytes too early")
            content = np.frombuffer(raw, dtype=np.uint8)
            ends = [content[begin + at :: entry.line_bytes] for at in range(line_end)]
            if ends and not ((ends[-1] == ord("\n")).all() and all(_BLANK[each].all() for each in ends[:-1])):
                raise ValueError(f"its lines are not of {entry.line_bases} bases")
        # A damaged file or a wrong index can fail in any way inside bgzf.
        except Exception as error:
            self._fail(f"{contig}:{start + 1}-{end}: {error}", error)
        # Of the line ends all bytes go; where more go than these have, a blank stands among the bases.
        bases = raw.translate(_UPPER, b" \t\r\n")
        if len(bases) < end - start or b"\0" in bases:
            self._fail_at(entry, start, np.delete(content, _places(begin, length, entry, line_end)))
        return np.frombuffer(bases, dtype=np.uint8)

    def _fail_at(self, entry: IndexEntry, start: int, bases: npt.NDArray[np.uint8]) -> NoReturn:
        """Name the first byte that is not a base; ``bases`` are those from ``start`` on."""
        position = start + int(np.argmin(np.frombuffer(_UPPER, dtype=np.uint8)[bases] > 0))
        byte = bytes(bases[position - start : position - start + 1])
        if byte in (b"\r", b"\n"):
            self._fail(f"{entry.name}:{position + 1}: its lines are not of {entry.line_bases} bases")
        line = self._count_lines(entry.at(position)) + 1
        self._fail(f"line {line} ({entry.name}:{position + 1}), which has {_named(byte)} among the bases")

    def _count_lines(self, end: int) -> int:
        """Ends of lines before a byte of the decompressed file."""
        count, start = 0, 0
        while start < end:
            content = self.read(start, min(end - start, _BEHIND))
            if not content:
                break
            count += content.count(b"\n")
            start += len(content)
        return count

    def _check_layout(self) -> None:
        """Notice an index of another file: before each contig stands its name, and behind the last nothing.

        A contig without bases may be missing in the index, as samtools leaves it out.
        """
        end = 0
        part = "its first contig"
        try:
            for entry in sorted(self.entries.values(), key=lambda entry: entry.offset):
                part = f"the name of contig {entry.name}"
                if not 0 <= entry.offset - end <= _LONGEST_NAME or not entry.is_plausible:
                    raise ValueError("the index and the file do not fit")
                *above, title, below = self.read(end, entry.offset - end).split(b"\n")
                self._check_empty(above, comments=end == 0)
                name = entry.name.encode(errors="surrogateescape")
                if below or title[:1] != b">" or title[1:].split()[:1] != [name]:
                    raise ValueError(f"found {_text(title[:50])!r}")
                end = entry.end
            part = "the end of its last contig"
            behind = self.read(max(end - 1, 0), _BEHIND)
            if not behind:
                raise ValueError("the file ends before it")
            self._check_empty(behind[1:].split(b"\n"))
        # A damaged file or a wrong index can fail in any way inside bgzf.
        except Exception as error:
            self._fail(f"{part} ({error})", error)

    @staticmethod
    def _check_empty(lines: Iterable[bytes], comments: bool = False) -> None:
        for line in lines:
            if line.strip() and not line.startswith((b">", b";") if comments else b">"):
                raise ValueError(f"the index does not have the line {_text(line[:50])!r}")

    def _fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        names = " and ".join(name.name for name in (self._fai, self._gzi)[: 1 + self.compressed])
        remedy = f"delete {names} to have the index made again, which names the line of any other fault"
        if not os.access(self.path.parent, os.W_OK):
            remedy = "copy or link the file, without its index, into a folder of your own"
        raise GenomeError(
            f"cannot read {self.path} at {what}; the file is damaged, its lines differ in length, or it "
            f"changed after its index was made: {remedy}"
        ) from cause


def _places(begin: int, length: int, entry: IndexEntry, line_end: int) -> npt.NDArray[np.int64]:
    """Where the line ends lie in a region of a file."""
    return (np.arange(begin, length, entry.line_bytes)[:, np.newaxis] + np.arange(line_end)).ravel()


def _named(byte: bytes) -> str:
    """A byte in words."""
    return {b" ": "a blank", b"\t": "a tab", b"\0": "a zero byte"}.get(byte, repr(byte)[1:])


_OTHER_TEXT = {
    b"\xef\xbb\xbf": "a byte order mark; save it as text without one",
    b"\xff\xfe": "UTF-16; save it as plain text (ASCII or UTF-8)",
    b"\xfe\xff": "UTF-16; save it as plain text (ASCII or UTF-8)",
}


def _check_beginning(path: Path) -> bool:
    """Refuse what is not a FASTA file with random access; whether it is compressed."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise GenomeError(
            f"the FASTA file {path} is a pipe and is read in any order; save it to a file first"
        )
    try:
        with path.open("rb") as file:
            head = file.read(18)
    except OSError as error:
        raise GenomeError(f"cannot read the FASTA file {path}: {error.strerror or error}") from error
    if not head:
        raise GenomeError(f"{path} is empty; expected a FASTA file")
    gzipped = head[:2] == b"\x1f\x8b"
    if gzipped and head[12:14] != b"BC":
        raise GenomeError(
            f"{path} is compressed with plain gzip, which allows no random access; compress it with "
            f"bgzip instead: gunzip -c {path.name} | bgzip -c > {path.stem}.bgz"
        )
    if gzipped and path.suffix not in (".gz", ".bgz"):
        raise GenomeError(
            f"{path} is compressed with bgzip; its name must end in .gz or .bgz for the index to be found"
        )
    for mark, what in _OTHER_TEXT.items():
        if head.startswith(mark):
            raise GenomeError(f"{path} is not a plain FASTA file: it begins with {what}")
    if not gzipped and head[:1] not in (b">", b";", b"\n", b"\r"):
        raise GenomeError(f"{path} is not a FASTA file: it begins with {_text(head[:1])!r}; expected '>'")
    return gzipped


def _renew_index(path: Path, index: Sequence[Path]) -> None:
    """Make a missing or outdated index aside; its files get their names when they are complete.

    Where the folder cannot be written to, an index that is older than the file, as copies may be, is kept:
    like any other, it is compared with the file.
    """
    missing = [name.name for name in index if not name.exists()]
    empty = [name.name for name in index if name.exists() and not name.stat().st_size]
    outdated = [name for name in index if name.exists() and name.stat().st_mtime < path.stat().st_mtime]
    if not (missing or empty or outdated):
        return
    if not os.access(path.parent, os.W_OK):
        if missing or empty:
            raise GenomeError(
                f"{path} has {'no' if missing else 'an empty'} index ({', '.join(missing or empty)}) and its "
                "folder cannot be written to; copy or link the file into a folder of your own, or have "
                f"'samtools faidx {path.name}' run there"
            )
        return
    try:
        # Another process may be reading, or making, the same index.
        with workspace(index[0]) as folder:
            made = [folder / name.name for name in index]
            with gzip.open(path) if made[1:] else path.open("rb") as lines:
                write_fai(find_contigs(lines), made[0])
            if made[1:]:
                _write_gzi(path, made[1])
            for temporary, name in zip(reversed(made), reversed(index), strict=True):
                _make_younger(temporary, path)
                named(temporary, name)
    # gzip and bgzf have many errors for what they cannot read.
    except Exception as error:
        raise GenomeError(f"cannot index the FASTA file {path}: {error}") from error


def _make_younger(index: Path, path: Path) -> None:
    """Give an index a time behind that of its file, which may lie in the future on a file server."""
    modified = path.stat().st_mtime
    if index.stat().st_mtime < modified:
        # Two seconds, as some file systems round the time of one file and not of the other.
        os.utime(index, (time.time(), modified + 2))


def find_contigs(lines: Iterable[bytes]) -> Iterator[IndexEntry]:
    """The contigs of a FASTA file, each of whose bytes is looked at.

    Parameters
    ----------
    lines : iterable of bytes
        All of the file, each line with its end.

    Yields
    ------
    IndexEntry
        In the order of the file, contigs without bases included.

    Raises
    ------
    ValueError
        When a line is not of a FASTA file with lines of one length; the message names the line.
    """
    seen: dict[bytes, int] = {}
    name, line_end = b"", b""
    size = offset = length = bases = width = last = 0
    for number, line in enumerate(lines, start=1):
        size += len(line)
        if len(line) == width and not last and line[:bases].isalpha() and line[bases:] == line_end:
            length += bases
            continue
        if line.startswith(b">"):
            if seen:
                yield IndexEntry(_text(name), length, offset, bases, width)
            name = _name(line, number)
            if name in seen:
                raise ValueError(f"lines {seen[name]} and {number} have the same name, {_text(name)!r}")
            seen[name] = number
            offset, length, bases, width, last = size, 0, 0, 0, 0
            continue
        letters = line.rstrip(b" \t\r\n")
        if not seen:
            if letters and not line.startswith(b";"):
                raise ValueError(f"line {number} begins with {_text(line[:1])!r}; expected '>' and a name")
            continue
        if not letters:
            last = last or number
            continue
        _check_bases(letters, number)
        if not bases:
            bases, width, line_end = len(letters), len(line), line[len(letters) :]
        if last or len(letters) > bases:
            found = f"follows line {last}, which is shorter" if last else f"is longer, with {len(letters)}"
            raise ValueError(
                f"all lines of a contig but its last must be of one length: those of {_text(name)!r} have "
                f"{bases} bases, and line {number} {found}; write the file anew, for example with "
                "'seqkit seq -w 60'"
            )
        if len(letters) < bases or len(line) != width:
            # No base may follow.
            last = number
        length += len(letters)
    if not seen:
        raise ValueError("it has no line that begins with '>'")
    yield IndexEntry(_text(name), length, offset, bases, width)


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _name(line: bytes, number: int) -> bytes:
    """The name in the line before a contig."""
    text = line.rstrip(b"\r\n")
    if b"\r" in text:
        raise ValueError(
            f"line {number} has a carriage return within it, the line end of old Macs; write the file anew, "
            "for example with \"tr '\\r' '\\n'\""
        )
    words = text[1:].split()
    if not words:
        raise ValueError(f"line {number} has '>' and no name")
    return words[0]


def _check_bases(letters: bytes, number: int) -> None:
    """See that a line holds bases and nothing else."""
    if others := letters.translate(None, _BASES):
        column = letters.index(others[:1]) + 1
        raise ValueError(
            f"line {number} has {_named(others[:1])} among the bases, in column {column}; only letters, - "
            "and * are bases, and only blanks and tabs may follow them on a line: remove it, or get the file "
            "again"
        )


def write_fai(entries: Iterable[IndexEntry], path: Path) -> None:
    """Write an index of contigs."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for entry in entries:
            numbers = (entry.length, entry.offset, entry.line_bases, entry.line_bytes)
            file.write("\t".join([entry.name, *map(str, numbers)]) + "\n")


def _read_fai(path: Path) -> Iterator[IndexEntry]:
    """The contigs of an index."""
    number = 0
    seen: set[str] = set()
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - the error below names it
                name, *numbers = line.rstrip("\r\n").split("\t")
                length, offset, bases, width = map(int, numbers)
                if name in seen:
                    raise ValueError(f"the contig {name!r} occurs twice")
                seen.add(name)
                yield IndexEntry(name, length, offset, bases, width)
    except (OSError, ValueError) as error:
        raise GenomeError(
            f"cannot read the index {path}, line {number} ({error}); expected a name and four numbers, as "
            f"'samtools faidx' writes them: delete it to have it made again"
        ) from error


def _write_gzi(path: Path, index: Path) -> None:
    """Write the offsets of the blocks of a file that is compressed with bgzip."""
    from Bio import bgzf

    with path.open("rb") as file:
        blocks = [(start, unpacked, size) for start, _, unpacked, size in bgzf.BgzfBlocks(file)]  # type: ignore[no-untyped-call]
    if blocks.pop()[2]:
        raise ValueError("it is truncated: bgzip's end-of-file mark is missing")
    offsets = [offset for start, unpacked, _ in blocks[1:] for offset in (start, unpacked)]
    index.write_bytes(struct.pack(f"<{1 + len(offsets)}Q", len(offsets) // 2, *offsets))


def _read_gzi(path: Path) -> list[tuple[int, int]]:
    """Offsets of all blocks, in the file and in what it holds."""
    try:
        content = path.read_bytes()
        count, *offsets = struct.unpack(f"<{len(content) // 8}Q", content)
        if 2 * count != len(offsets):
            raise ValueError(f"it has {len(content)} bytes for {count} blocks")
    except (OSError, ValueError, struct.error) as error:
        raise GenomeError(
            f"cannot read the index {path} ({error}); delete it to have it made again"
        ) from error
    return [(0, 0), *zip(offsets[::2], offsets[1::2], strict=True)]
