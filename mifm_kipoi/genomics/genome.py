"""FASTA access: contig names, upper-case bases as bytes, padding past the ends of a contig."""

from __future__ import annotations

import bisect
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyfaidx
from numpy.lib.stride_tricks import sliding_window_view

from mifm_kipoi.errors import GenomeError
from mifm_kipoi.genomics.contigs import contig_aliases

_BLOCK = 1 << 16
"""Bases per block read from the file."""

_CACHED_BLOCKS = 64
"""Blocks kept in memory: 4 MiB, enough for sorted variants, little enough for unsorted ones."""

_LONGEST_NAME = 1 << 20
"""Bytes that may stand before a contig: its name, and comments."""


class Genome:
    """Random access to the bases of a FASTA file, plain or compressed with bgzip.

    The index (``.fai``, and ``.gzi`` where compressed) is made beside the file where it is missing.
    Each process opens the file for itself, so an instance can be handed to worker processes.

    Parameters
    ----------
    path : path-like
        FASTA file.

    Raises
    ------
    GenomeError
        When the file is missing, empty, not FASTA, compressed with plain gzip, or has no index, or an
        outdated one, and lies in a folder that cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._open()

    def _open(self) -> None:
        self._file = _open_fasta(self.path)
        self._process = os.getpid()
        self._blocks: OrderedDict[tuple[str, int], npt.NDArray[np.uint8]] = OrderedDict()
        self.contigs: dict[str, int] = {name: record.rlen for name, record in self._file.faidx.index.items()}
        if not self.contigs:
            raise GenomeError(f"{self.path} has no sequence; expected a FASTA file")
        _check_layout(self.path, self._file.faidx)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._open()

    def find_contig(self, chrom: str) -> str | None:
        """The FASTA's name of a contig, by :func:`mifm_kipoi.genomics.contigs.contig_aliases`, or None."""
        return next((name for name in contig_aliases(chrom) if name in self.contigs), None)

    def fetch(self, contig: str, start: int, end: int) -> npt.NDArray[np.uint8]:
        """Bases of a region of a contig.

        Parameters
        ----------
        contig : str
            A name in :attr:`contigs`.
        start, end : int
            0-based half-open; may reach past either end of the contig.

        Returns
        -------
        numpy.ndarray of uint8, shape (end - start,)
            Upper-case ASCII; N past the ends.

        Raises
        ------
        GenomeError
            When the file can no longer be read or is damaged.
        """
        bases = np.full(end - start, ord("N"), dtype=np.uint8)
        first, last = max(start, 0), min(end, self.contigs[contig])
        for block in range(first // _BLOCK, (last - 1) // _BLOCK + 1) if first < last else ():
            offset = block * _BLOCK
            low, high = max(first, offset), min(last, offset + _BLOCK)
            bases[low - start : high - start] = self._block(contig, block)[low - offset : high - offset]
        return bases

    def fetch_windows(self, contig: str, starts: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.uint8]:
        """Bases of many regions of one length on a contig.

        Parameters
        ----------
        contig : str
            A name in :attr:`contigs`.
        starts : numpy.ndarray of int64, shape (n,)
            0-based first bases, in any order; may lie before the contig.
        length : int
            Bases of each region.

        Returns
        -------
        numpy.ndarray of uint8, shape (n, length)
            As from :meth:`fetch`.
        """
        windows = np.empty((len(starts), length), dtype=np.uint8)
        order = np.argsort(starts, kind="stable")
        blocks = starts[order] // _BLOCK
        # The regions that begin in one block are cut from it together.
        for rows in np.split(order, np.flatnonzero(np.diff(blocks)) + 1) if len(order) else ():
            first = starts[rows[0]]
            bases = self.fetch(contig, int(first), int(starts[rows[-1]]) + length)
            windows[rows] = sliding_window_view(bases, length)[starts[rows] - first]
        return windows

    def _block(self, contig: str, number: int) -> npt.NDArray[np.uint8]:
        if self._process != os.getpid():
            # A forked process shares the parent's position in the file.
            self._open()
        key = (contig, number)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        start = number * _BLOCK
        end = min(start + _BLOCK, self.contigs[contig])
        try:
            bases = self._read_bases(contig, start, end)
        # A damaged file or a stale index can fail in any way inside bgzf.
        except Exception as error:
            raise GenomeError(_damaged(self.path, f"{contig}:{start + 1}-{end}: {error}")) from error
        self._blocks[key] = np.frombuffer(bases, dtype=np.uint8)
        if len(self._blocks) > _CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[key]

    def _read_bases(self, contig: str, start: int, end: int) -> bytes:
        """Upper-case bases of a region inside a contig, from lines that are as long as the index says.

        pyfaidx takes the line ends out wherever they are, so that a file with other lines than those
        of its index gives as many bases, and others.
        """
        record = self._file.faidx.index[contig]
        line_end = record.lenb - record.lenc
        column = start % record.lenc
        # The line end before a line that begins here is looked at too, or nobody would.
        before = line_end if start and not column else 0
        first = _offset(record, start) - before
        length = _offset(record, end - 1) + 1 - first
        raw = _read_bytes(self._file.faidx, first, length)
        if len(raw) < length:
            raise ValueError(f"the file ends {length - len(raw)} bytes too early")
        line_ends = np.arange(0 if before else record.lenc - column, length, record.lenb)
        line_ends = (line_ends[:, np.newaxis] + np.arange(line_end)).ravel()
        content = np.frombuffer(raw, dtype=np.uint8)
        bases = np.delete(content, line_ends).tobytes()
        if not np.isin(content[line_ends], (ord("\n"), ord("\r"))).all() or b"\n" in bases or b"\r" in bases:
            raise ValueError(f"its lines are not of {record.lenc} bases")
        if not bases.isascii():
            raise ValueError("it has a byte that is not a letter")
        return bases.upper()


def _offset(record: Any, position: int) -> int:
    """Where the index has the base at a 0-based position: an offset in the decompressed file."""
    line, column = divmod(position, record.lenc)
    return int(record.offset + line * record.lenb + column)


def _read_bytes(faidx: Any, start: int, length: int) -> bytes:
    """Bytes of the decompressed file; fewer at its end."""
    if not faidx._bgzf:
        faidx.file.seek(start)
        return bytes(faidx.file.read(length))
    blocks = faidx.gzi_index
    number = bisect.bisect_right(blocks, start, key=lambda block: block.ustart) - 1
    block = blocks[number]
    faidx.file.seek(pyfaidx.make_virtual_offset(block.cstart, start - block.ustart))
    # A wrong entry of the .gzi index would give other bases than those asked for.
    if number + 1 < len(blocks):
        behind = (block.cstart + faidx.file._block_raw_length, block.ustart + len(faidx.file._buffer))
        if behind != (blocks[number + 1].cstart, blocks[number + 1].ustart):
            raise ValueError(f"entry {number + 1} of the .gzi index is not where a block begins")
    return bytes(faidx.file.read(length))


def _damaged(path: Path, what: str) -> str:
    return (
        f"cannot read {path} at {what}; the file is damaged, its lines differ in length, or it changed after "
        f"its index was made: delete {path.name}.fai and {path.name}.gzi to have them made again"
    )


def _open_fasta(path: Path) -> pyfaidx.Fasta:
    """Open with pyfaidx, its many ways to fail turned into messages with a remedy."""
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
    if not gzipped and head[:1] not in (b">", b";", b"\n", b"\r"):
        raise GenomeError(f"{path} is not a FASTA file: it begins with {head[:1]!r}; expected '>'")
    index = [Path(f"{path}.fai"), *([Path(f"{path}.gzi")] if gzipped else [])]
    try:
        _renew_index(path, index)
        return pyfaidx.Fasta(str(path), as_raw=True, sequence_always_upper=True)
    except GenomeError:
        raise
    # pyfaidx and bgzf have no errors of their own for what they cannot read.
    except Exception as error:
        raise GenomeError(f"cannot index the FASTA file {path}: {error}") from error


def _check_layout(path: Path, faidx: Any) -> None:
    """Notice an index of another file: before each contig stands its name, and behind the last nothing.

    pyfaidx makes an index again when the FASTA is younger; a FASTA that was replaced by an older one, and
    a damaged index, escape it.
    """
    end = 0
    part = "its first contig"
    try:
        for name, record in sorted(faidx.index.items(), key=lambda item: int(item[1].offset)):
            part = f"the name of contig {name}"
            if not 0 <= record.offset - end <= _LONGEST_NAME or not _plausible(record):
                raise ValueError("the index and the file do not fit")
            *above, title, below = _read_bytes(faidx, end, record.offset - end).split(b"\n")
            comments = end == 0
            if any(line.strip() and not (comments and line.startswith(b";")) for line in above):
                raise ValueError("the text differs from what the index has")
            if below or title[:1] != b">" or title[1:].split()[:1] != [name.encode()]:
                raise ValueError(f"found {title[:50]!r}")
            end = _offset(record, record.rlen - 1) + 1 if record.rlen else record.offset
        part = "the end of its last contig"
        behind = _read_bytes(faidx, max(end - 1, 0), 2 * _BLOCK)
    # A damaged file or a stale index can fail in any way inside bgzf.
    except Exception as error:
        raise GenomeError(_damaged(path, f"{part} ({error})")) from error
    if not behind or behind[1:].strip():
        raise GenomeError(_damaged(path, part))


def _plausible(record: Any) -> bool:
    """Whether the sizes of an entry of the index are those of some file."""
    line_end = record.lenb - record.lenc
    if record.rlen == 0 or record.lenc < 1:
        return bool(record.rlen == 0)
    return bool(record.rlen > 0 and (line_end in (1, 2) or (line_end == 0 and record.rlen <= record.lenc)))


def _renew_index(path: Path, index: list[Path]) -> None:
    """Make a missing or outdated index; its files get their names when they are complete."""
    missing = [name.name for name in index if not name.exists()]
    outdated = [name.name for name in index if name.exists() and name.stat().st_mtime < path.stat().st_mtime]
    if not (missing or outdated):
        return
    if not os.access(path.parent, os.W_OK):
        what = "no index" if missing else "an index older than itself"
        raise GenomeError(
            f"{path} has {what} ({', '.join(missing or outdated)}) and its folder cannot be written to; copy "
            f"or link the file into a folder of your own, or have 'samtools faidx {path.name}' run there"
        )
    # Another process may be reading, or making, the same index.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = [Path(folder) / name.name for name in index]
        pyfaidx.Faidx(
            str(path), indexname=str(made[0]), gzi_indexname=str(made[1]) if made[1:] else None
        ).close()
        for temporary, name in zip(reversed(made), reversed(index), strict=True):
            temporary.replace(name)
