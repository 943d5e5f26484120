"""FASTA access: contig names, upper-case bases as bytes, padding past the ends of a contig."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyfaidx
from numpy.lib.stride_tricks import sliding_window_view

from mifm_kipoi.errors import GenomeError

_BLOCK = 1 << 16
"""Bases per block read from the file."""

_CACHED_BLOCKS = 64
"""Blocks kept in memory: 4 MiB, enough for sorted variants, little enough for unsorted ones."""

_MITOCHONDRION = ("chrM", "MT", "chrMT", "M")


def contig_aliases(chrom: str) -> tuple[str, ...]:
    """The names under which a contig is looked for, in order of preference.

    The name itself comes first; then, for the mitochondrion, chrM, MT, chrMT and M; for any other
    contig the name with ``chr`` removed or added. ``chr`` is matched in lower case only.
    """
    if chrom in _MITOCHONDRION:
        return (chrom, *(name for name in _MITOCHONDRION if name != chrom))
    return (chrom, chrom.removeprefix("chr") if chrom.startswith("chr") else f"chr{chrom}")


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
            raise GenomeError(f"{self.path} holds no sequence; expected a FASTA file")
        _check_length(self.path, self._file.faidx.index.values())

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._open()

    def find_contig(self, chrom: str) -> str | None:
        """The FASTA's name of a contig under the rule of :func:`contig_aliases`, or None."""
        return next((name for name in contig_aliases(chrom) if name in self.contigs), None)

    def fetch(self, contig: str, start: int, end: int) -> npt.NDArray[np.uint8]:
        """Bases of a stretch of a contig.

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
        """Bases of many stretches of one length on a contig.

        Parameters
        ----------
        contig : str
            A name in :attr:`contigs`.
        starts : numpy.ndarray of int64, shape (n,)
            0-based first bases, in any order; may lie before the contig.
        length : int

        Returns
        -------
        numpy.ndarray of uint8, shape (n, length)
            As from :meth:`fetch`.
        """
        windows = np.empty((len(starts), length), dtype=np.uint8)
        order = np.argsort(starts, kind="stable")
        blocks = starts[order] // _BLOCK
        # The stretches that begin in one block are cut from it at once.
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
            text = str(self._file.faidx.fetch(contig, start + 1, end)).encode("ascii")
        # A damaged file or a stale index can fail in any way inside pyfaidx and bgzf.
        except Exception as error:
            raise GenomeError(_damaged(self.path, f"{contig}:{start + 1}-{end}: {error}")) from error
        if len(text) != end - start:
            raise GenomeError(
                _damaged(
                    self.path, f"{contig}:{start + 1}-{end} gave {len(text)} bases instead of {end - start}"
                )
            )
        self._blocks[key] = np.frombuffer(text.upper(), dtype=np.uint8)
        if len(self._blocks) > _CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[key]


def _damaged(path: Path, what: str) -> str:
    return (
        f"cannot read {path} at {what}; the file is damaged, or it changed after its index was made: "
        f"delete {path.name}.fai and {path.name}.gzi to have them made anew"
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
    _check_index(path, index)
    try:
        return pyfaidx.Fasta(str(path), as_raw=True, sequence_always_upper=True)
    except Exception as error:
        raise GenomeError(f"cannot index the FASTA file {path}: {error}") from error


def _check_length(path: Path, records: Iterable[Any]) -> None:
    """Notice an index of another file by the end of the last contig, which must be that of the file.

    pyfaidx makes an index anew when the FASTA is younger; a FASTA that was replaced by an older one
    escapes it.
    """
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            return
        last = max(records, key=lambda record: int(record.offset))
        lines, rest = divmod(last.rlen, last.lenc) if last.lenc else (0, 0)
        end = last.offset + lines * last.lenb + rest
        file.seek(end)
        behind = file.read(2 * _BLOCK)
    # Without a line end behind its last line, a file is shorter by that than whole lines are.
    if behind.strip() or path.stat().st_size < end - (last.lenb - last.lenc):
        raise GenomeError(_damaged(path, "the end of its last contig"))


def _check_index(path: Path, index: list[Path]) -> None:
    """Refuse a missing or outdated index that cannot be made anew."""
    if os.access(path.parent, os.W_OK):
        return
    missing = [name.name for name in index if not name.exists()]
    outdated = [name.name for name in index if name.exists() and name.stat().st_mtime < path.stat().st_mtime]
    if missing or outdated:
        what = "no index" if missing else "an index older than itself"
        raise GenomeError(
            f"{path} has {what} ({', '.join(missing or outdated)}) and its folder cannot be written to; copy "
            f"or link the file into a folder of your own, or have 'samtools faidx {path.name}' run there"
        )
