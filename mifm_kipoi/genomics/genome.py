"""FASTA access: contig names, upper-case bases as bytes, padding past the ends of a contig."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.contigs import contig_aliases
from mifm_kipoi.genomics.fasta_index import FastaFile

_BLOCK = 1 << 16
"""Bases per block read from the file."""

_CACHED_BLOCKS = 64
"""Blocks kept in memory: 4 MiB, enough for sorted variants, little enough for unsorted ones."""

_NAMED_CONTIGS = 5
"""Contigs that a message names."""


class Genome:
    """Random access to the bases of a FASTA file, plain or compressed with bgzip.

    The index (``.fai``, and ``.gzi`` where compressed) is made beside the file where it is missing. Bases are
    letters, ``-`` and ``*``; any other byte among them is an error, at indexing and at reading.
    Each process opens the file for itself, so an instance can be handed to worker processes.

    Parameters
    ----------
    path : path-like
        FASTA file.

    Raises
    ------
    GenomeError
        When the file is missing, empty, not FASTA, or compressed with plain gzip, holds what is not a base,
        or does not fit its index, or when it has no index and lies in a folder that cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._open()

    def _open(self) -> None:
        self._file = FastaFile(self.path)
        self._process = os.getpid()
        self._blocks: OrderedDict[tuple[str, int], npt.NDArray[np.uint8]] = OrderedDict()
        self.contigs: dict[str, int] = {name: entry.length for name, entry in self._file.entries.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._open()

    def find_contig(self, chrom: str) -> str | None:
        """The FASTA's name of a contig, or None.

        That is the name itself where the FASTA has it, else the one of
        :func:`mifm_kipoi.genomics.contigs.contig_aliases` that it has. Where it has several, as chrM and MT
        of hg19, which are not the same, none is meant.
        """
        if chrom in self.contigs:
            return chrom
        names = [name for name in contig_aliases(chrom) if name in self.contigs]
        return names[0] if len(names) == 1 else None

    def select(self, chroms: Sequence[str] | None) -> dict[str, int]:
        """The lengths of the contigs that are named, each once, in the order of the FASTA.

        Parameters
        ----------
        chroms : sequence of str, optional
            Names that :meth:`find_contig` understands; all contigs by default.

        Raises
        ------
        OptionError
            When the FASTA does not have one of them.
        """
        if chroms is None:
            return dict(self.contigs)
        names = {chrom: self.find_contig(chrom) for chrom in chroms}
        if missing := [chrom for chrom, name in names.items() if name is None]:
            some = ", ".join(list(self.contigs)[:_NAMED_CONTIGS])
            more = " ..." if len(self.contigs) > _NAMED_CONTIGS else ""
            raise OptionError(f"{self.path} has no contig {', '.join(missing)}; it has {some}{more}")
        wanted = set(names.values())
        return {name: length for name, length in self.contigs.items() if name in wanted}

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
            When the file can no longer be read or is damaged; the message names the line of a byte that
            is not a base.
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
        self._blocks[key] = self._file.read_bases(contig, start, end)
        if len(self._blocks) > _CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[key]
