"""bigWig files, written in pieces, each compressed by itself and appended, so that a file can grow.

The libraries that write them cannot append to a file; one keeps the levels of zoom in memory (pyBigWig), one
takes each value as a tuple of Python and makes larger files (pybigtools): docs/tasks/genome.md has the
figures. pyBigWig reads these files, here and in the tests.

The format is that of Kent et al., Bioinformatics 26 (2010), 2204-2207, and its supplement. While a file
grows, it consists of chunks: compressed sections of values, behind a list of them that readers pass over,
since they go where the index points. So chunks can be copied from file to file, and the index be made from
the lists. The levels of zoom are computed from the values in the end, since readers take each level in one
piece.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.threads import ordered_map

_MAGIC, _TREE_MAGIC, _INDEX_MAGIC = 0x888FFC26, 0x78CA8C91, 0x2468ACE0

_VERSION = 4

ZOOMS = (64, 512, 4096, 32768, 262144)
"""Positions of a record in each level of zoom. Smaller ones would take more room than the values."""

_SECTION_VALUES = 4096
"""Values of a section: a reader decompresses all of it to have one."""

_SECTION_RECORDS = 512
"""Records of a level of zoom in a section."""

_LEVEL = 1
"""Of zlib: the last bits of the values cannot be compressed, whatever time it is given."""

_FANOUT = 256
"""Entries of a node of the indices."""

_CHUNK = 1 << 20
"""Positions that :class:`BigWig` writes together; they begin at multiples of it."""

_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_ZOOM_HEADER = struct.Struct("<IIQQ")
_SUMMARY = struct.Struct("<Qdddd")
_VALUES_HEADER = struct.Struct("<IIIIIBBH")
_FIXED_STEP = 3

_TREE = _HEADER.size + len(ZOOMS) * _ZOOM_HEADER.size + _SUMMARY.size
"""Where the contigs are."""

_RECORD = np.dtype(
    [
        ("contig", "<u4"), ("start", "<u4"), ("end", "<u4"), ("count", "<u4"),
        ("least", "<f4"), ("largest", "<f4"), ("total", "<f4"), ("squares", "<f4"),
    ]
)  # fmt: skip
"""A record of a level of zoom, as it stands in the file."""

_SUMS = np.dtype(
    [
        ("contig", "<u4"), ("start", "<u4"), ("end", "<u4"), ("count", "<u4"),
        ("least", "<f4"), ("largest", "<f4"), ("total", "<f8"), ("squares", "<f8"),
    ]
)  # fmt: skip
"""The same while it is computed."""

_ENTRY = np.dtype([("contig", "<u4"), ("start", "<u4"), ("end", "<u4"), ("size", "<u4")])
"""A section in the list of a chunk."""

_BLOCK = np.dtype([("contig", "<u4"), ("start", "<u4"), ("end", "<u4"), ("offset", "<u8"), ("size", "<u8")])
"""A section, and where in the file it is."""

_NODE = struct.Struct("<BBH")
_TREE_HEADER = struct.Struct("<IIIIQQ")
_INDEX_HEADER = struct.Struct("<IIQ4IQII")
_LEAF = np.dtype([("bounds", "<u4", 4), ("offset", "<u8"), ("size", "<u8")])
_BRANCH = np.dtype([("bounds", "<u4", 4), ("offset", "<u8")])

_CHUNK_HEAD = struct.Struct("<4sIQ")
_CHUNK_MARK = b"mifm"


@dataclasses.dataclass(frozen=True)
class Section:
    """The compressed values of consecutive positions.

    Parameters
    ----------
    contig : int
        Number of the contig, in the order of the file.
    start, end : int
        0-based half-open.
    content : bytes
        As it stands in the file.
    """

    contig: int
    start: int
    end: int
    content: bytes


def encode_sections(contig: int, start: int, values: npt.NDArray[np.float32]) -> list[Section]:
    """Compress the values of consecutive positions; threads can do this side by side.

    Parameters
    ----------
    contig : int
        Number of the contig, in the order of the file.
    start : int
        Position of the first value, 0-based.
    values : numpy.ndarray of float32, shape (n,)
        NaN where there is none.
    """
    has_value = np.concatenate([[False], ~np.isnan(values), [False]])
    edges = np.flatnonzero(has_value[1:] != has_value[:-1])
    sections = []
    for low, high in edges.reshape(-1, 2).tolist():
        for begin in range(low, high, _SECTION_VALUES):
            end = min(begin + _SECTION_VALUES, high)
            head = _VALUES_HEADER.pack(contig, start + begin, start + end, 1, 1, _FIXED_STEP, 0, end - begin)
            content = head + values[begin:end].astype("<f4").tobytes()
            sections.append(Section(contig, start + begin, start + end, zlib.compress(content, _LEVEL)))
    return sections


def _first_records(contig: int, start: int, values: npt.NDArray[np.float32]) -> npt.NDArray[np.void]:
    """The first level of zoom, whose records begin at multiples of its positions, but for the first."""
    width = ZOOMS[0]
    before = start % width
    rows = -(-(before + len(values)) // width)
    flat = np.full(rows * width, np.nan, dtype=np.float32)
    flat[before : before + len(values)] = values
    padded = flat.reshape(rows, width)
    unknown = np.isnan(padded)
    count = width - np.count_nonzero(unknown, axis=1)
    known = np.where(unknown, np.float32(0), padded)
    records = np.zeros(rows, dtype=_SUMS)
    first = start - before + width * np.arange(rows)
    records["contig"] = contig
    records["start"] = np.maximum(first, start)
    records["end"] = np.minimum(first + width, start + len(values))
    records["count"] = count
    # NaN is neither the least nor the largest to these.
    records["least"] = np.fmin.reduce(padded, axis=1)
    records["largest"] = np.fmax.reduce(padded, axis=1)
    records["total"] = known.sum(axis=1, dtype=np.float64)
    records["squares"] = np.square(known, dtype=np.float64).sum(axis=1)
    known_records: npt.NDArray[np.void] = records[count > 0]
    return known_records


def _coarser(records: npt.NDArray[np.void], width: int) -> npt.NDArray[np.void]:
    """The records of one contig, joined into those of the next level."""
    bins = records["start"] // width
    first = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
    joined = records[first]
    joined["end"] = records["end"][np.concatenate([first[1:], [len(records)]]) - 1]
    for name, join in (
        ("count", np.add), ("least", np.minimum), ("largest", np.maximum),
        ("total", np.add), ("squares", np.add),
    ):  # fmt: skip
        joined[name] = join.reduceat(records[name], first)
    return joined


def chunk_of(sections: Sequence[Section]) -> bytes:
    """What sections add to a file.

    Parameters
    ----------
    sections : sequence of Section
        Of one contig, in their order, within some million positions: all of them are decompressed together
        for the levels of zoom.

    Returns
    -------
    bytes
        Empty where there is none.
    """
    if not sections:
        return b""
    listed = np.array(
        [(each.contig, each.start, each.end, len(each.content)) for each in sections], dtype=_ENTRY
    )
    body = b"".join(each.content for each in sections)
    return _CHUNK_HEAD.pack(_CHUNK_MARK, len(listed), len(body)) + listed.tobytes() + body


def begin_file(contigs: Sequence[tuple[str, int]]) -> bytes:
    """What a file begins with, before its chunks; it is no bigWig file before :func:`finish_file`.

    Parameters
    ----------
    contigs : sequence of (str, int)
        Names and lengths, in their order.
    """
    tree = _contig_tree(contigs, _TREE)
    return _unfinished(_TREE + len(tree)) + tree + bytes(8)


def _unfinished(values: int) -> bytes:
    """What stands before the contigs until the file is finished: where behind them the values are."""
    return _HEADER.pack(0, 0, 0, 0, values, 0, 0, 0, 0, 0, 0, 0).ljust(_TREE, b"\0")


def _chunk_offsets(file: IO[bytes], begin: int, end: int) -> Iterator[int]:
    """Where each chunk begins, and where the last one ends.

    Parameters
    ----------
    file : binary file
        One that grows, or a finished one of this module.
    begin, end : int
        Where the chunks begin and end.

    Raises
    ------
    InputError
        When what lies there are not chunks.
    """
    offset = begin
    yield offset
    while offset < end:
        file.seek(offset)
        head = file.read(_CHUNK_HEAD.size)
        mark, count, size = _CHUNK_HEAD.unpack(head) if len(head) == _CHUNK_HEAD.size else (b"", 0, 0)
        if mark != _CHUNK_MARK:
            raise InputError(f"{file.name} is damaged: there is no list of sections at byte {offset}")
        offset += _CHUNK_HEAD.size + count * _ENTRY.itemsize + size
        yield offset
    if offset != end:
        raise InputError(f"{file.name} is damaged: its values reach behind byte {end}")


def _chunk_range(file: IO[bytes]) -> tuple[int, int]:
    """Where the chunks of a finished file begin and end.

    Raises
    ------
    InputError
        When it is no bigWig file.
    """
    file.seek(0)
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size or (fields := _HEADER.unpack(head))[0] != _MAGIC:
        raise InputError(f"{file.name} is not a bigWig file of this program")
    return fields[4] + 8, fields[5]


def finish_file(path: Path, threads: int = 1) -> None:
    """Make a bigWig file of one that has grown: add the index and the levels of zoom, fill in the header.

    Parameters
    ----------
    path : Path
        What :func:`begin_file` gave, and any chunks behind it.
    threads : int
        Chunks that are read back side by side.

    Raises
    ------
    OSError
        When it cannot be written.
    InputError
        When it holds anything else.
    """
    with path.open("r+b") as file:
        begin = _HEADER.unpack(file.read(_HEADER.size))[4] + 8
        end = file.seek(0, os.SEEK_END)
        chunks = [_listed(file, offset) for offset in _chunk_offsets(file, begin, end) if offset < end]
        values = np.concatenate([np.empty(0, dtype=_BLOCK), *chunks])
        file.seek(end)
        file.write(_index(values, end))
        levels = [_Level() for _ in ZOOMS]
        summary = _Summary()
        first_at = file.tell()
        file.write(bytes(4))
        read = functools.partial(_records, file.fileno(), path)
        for records in ordered_map(read, chunks, threads):
            summary.add(records[0])
            for level, of_level in zip(levels, records, strict=True):
                level.add(of_level)
            # Those of the first level are too many to be kept.
            levels[0].write(file)
        zooms = []
        for number, (width, level) in enumerate(zip(ZOOMS, levels, strict=True)):
            at = first_at
            if number:
                at = file.tell()
                file.write(bytes(4))
            level.end()
            level.write(file)
            index_at = file.tell()
            file.write(_index(level.blocks, index_at))
            file.seek(at)
            file.write(struct.pack("<I", level.count))
            file.seek(0, os.SEEK_END)
            zooms.append(_ZOOM_HEADER.pack(width, 0, at, index_at))
        file.write(struct.pack("<I", _MAGIC))
        file.seek(begin - 8)
        file.write(struct.pack("<Q", len(values)))
        largest = max(_VALUES_HEADER.size + 4 * _SECTION_VALUES, _RECORD.itemsize * _SECTION_RECORDS)
        file.seek(0)
        file.write(
            _HEADER.pack(
                _MAGIC,
                _VERSION,
                len(ZOOMS),
                _TREE,
                begin - 8,
                end,
                0,
                0,
                0,
                _TREE - _SUMMARY.size,
                largest,
                0,
            )
            + b"".join(zooms)
            + summary.packed()
        )


def _listed(file: IO[bytes], offset: int) -> npt.NDArray[np.void]:
    """The sections of a chunk."""
    file.seek(offset)
    _, count, _ = _CHUNK_HEAD.unpack(file.read(_CHUNK_HEAD.size))
    listed = np.frombuffer(file.read(count * _ENTRY.itemsize), dtype=_ENTRY)
    blocks = np.empty(len(listed), dtype=_BLOCK)
    for name in ("contig", "start", "end", "size"):
        blocks[name] = listed[name]
    blocks["offset"] = file.tell() + np.cumsum(blocks["size"]) - blocks["size"]
    return blocks


def _records(file: int, path: Path, blocks: npt.NDArray[np.void]) -> list[npt.NDArray[np.void]]:
    """The records of all levels of zoom over the values of a chunk."""
    start = int(blocks["start"][0])
    values = np.full(int(blocks["end"][-1]) - start, np.nan, dtype=np.float32)
    for block in blocks:
        content = _decompressed(os.pread(file, int(block["size"]), int(block["offset"])), path)
        here = np.frombuffer(content, "<f4", offset=_VALUES_HEADER.size)
        values[int(block["start"]) - start : int(block["end"]) - start] = here
    records = [_first_records(int(blocks["contig"][0]), start, values)]
    for width in ZOOMS[1:]:
        records.append(_coarser(records[-1], width))
    return records


def _decompressed(content: bytes, path: Path) -> bytes:
    try:
        return zlib.decompress(content)
    except zlib.error as error:
        raise InputError(f"{path} is damaged: {error}") from error


class _Level:
    """The sections of a level of zoom, while they are made."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: npt.NDArray[np.void] = np.empty(0, dtype=_RECORD)
        self._sections: list[tuple[npt.NDArray[np.void], bytes]] = []
        self._blocks: list[tuple[int, int, int, int, int]] = []

    def add(self, records: npt.NDArray[np.void]) -> None:
        """Add records, which lie behind those before; a section has those of one contig."""
        if len(self._waiting) and self._waiting["contig"][0] != records["contig"][0]:
            self.end()
        self._waiting = np.concatenate([self._waiting, records.astype(_RECORD)])
        while len(self._waiting) >= _SECTION_RECORDS:
            self._pack(_SECTION_RECORDS)

    def end(self) -> None:
        """Make a section of what is left."""
        if len(self._waiting):
            self._pack(len(self._waiting))

    def _pack(self, count: int) -> None:
        some, self._waiting = self._waiting[:count], self._waiting[count:]
        self._sections.append((some[[0, -1]], zlib.compress(some.tobytes(), _LEVEL)))
        self.count += count

    def write(self, file: IO[bytes]) -> None:
        """Write the sections that were made to the end of a file."""
        for ends, content in self._sections:
            contig, start, end = int(ends["contig"][0]), int(ends["start"][0]), int(ends["end"][1])
            self._blocks.append((contig, start, end, file.tell(), len(content)))
            file.write(content)
        self._sections.clear()

    @property
    def blocks(self) -> npt.NDArray[np.void]:
        """All sections, and where they are."""
        return np.array(self._blocks, dtype=_BLOCK)


class _Summary:
    """Sums over all values."""

    def __init__(self) -> None:
        self._count, self._total, self._squares = 0, 0.0, 0.0
        self._least, self._largest = np.inf, -np.inf

    def add(self, records: npt.NDArray[np.void]) -> None:
        """Add records of the first level of zoom."""
        self._count += int(records["count"].sum())
        self._total += float(records["total"].sum())
        self._squares += float(records["squares"].sum())
        self._least = min(self._least, float(records["least"].min()))
        self._largest = max(self._largest, float(records["largest"].max()))

    def packed(self) -> bytes:
        """As it stands in the file."""
        if not self._count:
            return bytes(_SUMMARY.size)
        return _SUMMARY.pack(self._count, self._least, self._largest, self._total, self._squares)


def _index(blocks: npt.NDArray[np.void], at: int) -> bytes:
    """The R tree over sections that are sorted, to stand at a byte of the file."""
    bounds = np.stack([blocks[name].astype("<u4") for name in ("contig", "start", "contig", "end")], axis=1)
    # From the leaves to the root: the bounds of what each node has below it.
    levels = [bounds]
    while len(levels[-1]) > _FANOUT or len(levels) == 1:
        below = levels[-1]
        first = np.arange(0, max(len(below), 1), _FANOUT)
        last = np.minimum(first + _FANOUT, len(below)) - 1
        if not len(below):
            levels.append(np.zeros((1, 4), dtype="<u4"))
            break
        # Sections do not overlap, so that the last one ends last.
        levels.append(np.concatenate([below[first, :2], below[last, 2:]], axis=1))
    whole = levels[-1]
    root = np.concatenate([whole[0, :2], whole[-1, 2:]])
    head = _INDEX_HEADER.pack(_INDEX_MAGIC, _FANOUT, len(blocks), *root.tolist(), at, 1, 0)
    nodes = io.BytesIO()
    nodes.write(head)
    # From the root down, the nodes of a level one after the other.
    offset = at + len(head)
    for number in range(len(levels) - 1, -1, -1):
        entries = levels[number]
        item = 32 if number == 0 else 24
        groups = max(-(-len(entries) // _FANOUT), 1)
        offset += 4 * groups + item * len(entries)
        below_item = 32 if number == 1 else 24
        for group in range(groups):
            some = slice(group * _FANOUT, min((group + 1) * _FANOUT, len(entries)))
            rows = entries[some]
            table = np.empty(len(rows), dtype=_BRANCH if number else _LEAF)
            if number == 0:
                table["offset"], table["size"] = blocks["offset"][some], blocks["size"][some]
            else:
                # Each node below but the last of its level is full.
                table["offset"] = offset + np.arange(some.start, some.stop) * (4 + below_item * _FANOUT)
            table["bounds"] = rows
            nodes.write(_NODE.pack(number == 0, 0, len(rows)) + table.tobytes())
    return nodes.getvalue()


def _contig_tree(contigs: Sequence[tuple[str, int]], at: int) -> bytes:
    """The B+ tree from the names of contigs to their numbers and lengths, to stand at a byte of the file."""
    names = [name.encode() for name, _ in contigs]
    width = max(map(len, names), default=1)
    order = sorted(range(len(names)), key=lambda number: names[number])
    block = min(max(len(names), 1), _FANOUT)
    head = _TREE_HEADER.pack(_TREE_MAGIC, block, width, 8, len(names), 0)
    keys = [names[number].ljust(width, b"\0") for number in order]
    leaves = [
        key + struct.pack("<II", number, contigs[number][1]) for key, number in zip(keys, order, strict=True)
    ]
    levels = [list(range(len(leaves)))]
    while len(levels[-1]) > block:
        levels.append(levels[-1][::block])
    tree = head
    item = width + 8
    offset = at + len(head)
    for number in range(len(levels) - 1, -1, -1):
        entries = levels[number]
        groups = max(-(-len(entries) // block), 1)
        offset += 4 * groups + item * len(entries)
        for group in range(groups):
            some = entries[group * block : (group + 1) * block]
            tree += _NODE.pack(number == 0, 0, len(some))
            for place, entry in enumerate(some, start=group * block):
                below = struct.pack("<Q", offset + place * (4 + item * block))
                tree += leaves[entry] if number == 0 else keys[entry] + below
    return tree


class BigWig:
    """A bigWig file with a value for each of some positions.

    Parameters
    ----------
    path : Path
        The file.
    contigs : sequence of (str, int)
        Names and lengths, in their order.

    Raises
    ------
    OSError
        When it cannot be written.
    """

    def __init__(self, path: Path, contigs: Sequence[tuple[str, int]]) -> None:
        self._path = path
        self._numbers = {name: number for number, (name, _) in enumerate(contigs)}
        self._file: IO[bytes] = path.open("xb")
        self._file.write(begin_file(contigs))
        self._at = (0, 0)
        self._values = np.full(_CHUNK, np.nan, dtype=np.float32)

    def add(self, contig: str, start: int, values: npt.NDArray[np.float32]) -> None:
        """Add the values of consecutive positions, which lie behind those added before.

        Parameters
        ----------
        contig : str
            One of those of the file.
        start : int
            Position of the first value, 0-based.
        values : numpy.ndarray of float32, shape (n,)
            NaN where there is none.

        Raises
        ------
        OSError
            When they cannot be written.
        """
        number = self._numbers[contig]
        for low in range(start // _CHUNK * _CHUNK, start + len(values), _CHUNK):
            if (number, low) != self._at:
                self._write()
                self._at = (number, low)
            first, last = max(low, start), min(low + _CHUNK, start + len(values))
            self._values[first - low : last - low] = values[first - start : last - start]

    def _write(self) -> None:
        contig, start = self._at
        known = np.flatnonzero(~np.isnan(self._values))
        if len(known):
            first, last = int(known[0]), int(known[-1]) + 1
            self._file.write(chunk_of(encode_sections(contig, start + first, self._values[first:last])))
            self._values.fill(np.nan)

    def finish(self) -> None:
        """Make the file of the values.

        Raises
        ------
        OSError
            When they cannot be written.
        """
        self._write()
        self._file.close()
        finish_file(self._path, usable_cpus())

    def close(self) -> None:
        """Leave the file as it is."""
        self._file.close()


def join_files(parts: Sequence[Path], path: Path) -> None:
    """Write the values of finished files, one after the other, into a file for :func:`finish_file`.

    Parameters
    ----------
    parts : sequence of Path
        Finished files of this module, of the same contigs; those of each lie behind those of the one before.
    path : Path
        Does not exist.

    Raises
    ------
    InputError
        When a part is not of this module, or damaged.
    OSError
        When the file cannot be written.
    """
    with path.open("xb") as target:
        for number, part in enumerate(parts):
            with part.open("rb") as file:
                begin, end = _chunk_range(file)
                for _ in _chunk_offsets(file, begin, end):
                    # Looks at every list, so that a file of another program is an error.
                    pass
                if number == 0:
                    file.seek(_TREE)
                    target.write(_unfinished(begin - 8) + file.read(begin - 8 - _TREE) + bytes(8))
                file.seek(begin)
                left = end - begin
                while left:
                    content = file.read(min(left, 1 << 24))
                    if not content:
                        raise InputError(f"{part} is damaged: it ends before byte {end}")
                    target.write(content)
                    left -= len(content)


@dataclasses.dataclass(frozen=True)
class Outline:
    """What a finished file says of all its values.

    Parameters
    ----------
    least, largest : float
        Of the values; 0 where there is none.
    first : (int, int), optional
        Number of the contig and 0-based position of the first value.
    """

    least: float
    largest: float
    first: tuple[int, int] | None


def outline_of(path: Path) -> Outline:
    """Read what a finished file says of all its values.

    Raises
    ------
    InputError
        When it is no bigWig file.
    """
    with path.open("rb") as file:
        _, index = _chunk_range(file)
        file.seek(_TREE - _SUMMARY.size)
        _, least, largest, _, _ = _SUMMARY.unpack(file.read(_SUMMARY.size))
        file.seek(index)
        _, _, count, contig, start, *_ = _INDEX_HEADER.unpack(file.read(_INDEX_HEADER.size))
    return Outline(least, largest, (contig, start) if count else None)
