"""Write a bigWig file in a process of its own: libBigWig damages the memory of its process on a full disk."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.support.read_back import in_child, lost

_VALUES = 1 << 16
"""Values that are written or read together."""

_END = (0x888FFC26).to_bytes(4, sys.byteorder)
"""What libBigWig writes last, behind the levels of zoom."""

Run = tuple[str, int, int]
"""Contig, start and end of consecutive positions that have values, 0-based half-open."""


class BigWig:
    """A bigWig file with a value for each of some positions.

    The values are collected in a plain file, of which the bigWig file is made in the end.

    Parameters
    ----------
    path : Path
        The file; beside it, with ``.values`` added, lie the values until it is complete.
    contigs : sequence of (str, int)
        Names and lengths, in their order.

    Raises
    ------
    OSError
        When the values cannot be written.
    """

    def __init__(self, path: Path, contigs: Sequence[tuple[str, int]]) -> None:
        self._path = path
        self._contigs = list(contigs)
        self._values = Path(f"{path}.values")
        self._file: IO[bytes] = self._values.open("xb")
        self._runs: list[Run] = []
        self._digest = hashlib.sha256()

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
        has_value = np.concatenate([[False], ~np.isnan(values), [False]])
        edges = np.flatnonzero(has_value[1:] != has_value[:-1])
        for low, high in edges.reshape(-1, 2).tolist():
            content = values[low:high].astype("<f4").tobytes()
            self._file.write(content)
            self._digest.update(content)
            first = start + low
            if self._runs and self._runs[-1][::2] == (contig, first):
                first = self._runs.pop()[1]
            self._runs.append((contig, first, start + high))

    def finish(self) -> None:
        """Make the file of the values, and read it back.

        Raises
        ------
        OSError
            When the values cannot be written.
        OutputError
            When the file cannot be written, or does not hold the values.
        """
        self._file.close()
        in_child(_write, self._path, self._values, self._contigs, self._runs)
        self._values.unlink()
        with self._path.open("rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            if file.read() != _END:
                raise lost(self._path, "its end is missing")
        # In another process, as the memory of the first may be damaged.
        if self._runs and in_child(_checksum, self._path, self._runs) != self._digest.hexdigest():
            raise lost(self._path, "values are missing")

    def close(self) -> None:
        """Leave the file as it is."""
        self._file.close()


def _chunks(runs: Sequence[Run]) -> Iterator[Run]:
    for contig, start, end in runs:
        for begin in range(start, end, _VALUES):
            yield contig, begin, min(begin + _VALUES, end)


def _write(path: Path, values: Path, contigs: list[tuple[str, int]], runs: list[Run]) -> None:
    import pyBigWig

    file: Any = pyBigWig.open(str(path), "w")
    file.addHeader(contigs)
    with values.open("rb") as content:
        for contig, start, end in _chunks(runs):
            numbers = np.frombuffer(content.read(4 * (end - start)), "<f4").astype(float).tolist()
            # One by one, so that the values need no common step.
            file.addEntries(contig, start, values=numbers, span=1, step=1)
    file.close()


def _checksum(path: Path, runs: list[Run]) -> str:
    import pyBigWig

    digest = hashlib.sha256()
    with pyBigWig.open(str(path)) as file:
        for contig, start, end in _chunks(runs):
            digest.update(np.asarray(file.values(contig, start, end)).astype("<f4").tobytes())
    return digest.hexdigest()
