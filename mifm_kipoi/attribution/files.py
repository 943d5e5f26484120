"""The file of attributions: HDF5 with one row a window."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import InputError
from mifm_kipoi.network.attribution import Contributions
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support.hdf5 import created_hdf5
from mifm_kipoi.support.text import as_unicode

KIND = "attributions"
"""How the manifest and the file of attributions are told from others."""

_ROWS = 256
"""Windows that are copied or read together."""


def record_type(window: int) -> np.dtype[np.void]:
    """What the growing file holds of a window."""
    return np.dtype(
        [
            ("logit", "<f4"),
            ("reference_logit", "<f4"),
            ("delta", "<f4"),
            ("hypothetical", "<f4", (encoding.NO_BASE, window)),
        ]
    )


def to_bytes(contributions: Contributions) -> bytes:
    """Contributions as the bytes of records."""
    records = np.empty(len(contributions.logit), record_type(contributions.hypothetical.shape[2]))
    for name in records.dtype.names or ():
        records[name] = getattr(contributions, name)
    return records.tobytes()


def write_attributions(
    path: Path,
    records: npt.NDArray[np.void],
    codes: Iterator[npt.NDArray[np.uint8]],
    chroms: list[str],
    ids: list[str],
    centres: npt.NDArray[np.int64],
    provenance: Mapping[str, Any],
) -> None:
    """Write the file.

    Parameters
    ----------
    path : Path
        Must not exist.
    records : numpy.ndarray of :func:`record_type`, shape (n,)
        May lie on disk.
    codes : iterator of numpy.ndarray of uint8
        The windows, so many together as the iterator likes.
    chroms, ids : list of str
        Of the windows.
    centres : numpy.ndarray of int64, shape (n,)
        0-based position of the base at the centre.
    provenance : mapping of plain JSON types
        What made it.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    import h5py

    count, window = len(records), records.dtype["hypothetical"].shape[1]
    text = h5py.string_dtype()
    with created_hdf5(path) as (file, check):
        file.attrs["kind"] = KIND
        file.attrs["alphabet"] = encoding.BASES
        file.attrs["provenance"] = json.dumps(provenance)
        file["chrom"] = np.array([as_unicode(each, zero=False) for each in chroms], dtype=text)
        file["id"] = np.array([as_unicode(each, zero=False) for each in ids], dtype=text)
        file["pos"] = centres + 1
        for name in ("logit", "reference_logit", "delta"):
            file[name] = records[name]
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if count else {}
        chunk = {"chunks": (min(count, 32), encoding.NO_BASE, window)} if count else {}
        values = file.create_dataset(
            "hypothetical", (count, encoding.NO_BASE, window), np.float32, **chunk, **options
        )
        for first in range(0, count, _ROWS):
            values[first : first + _ROWS] = records[first : first + _ROWS]["hypothetical"]
            check()
        sequence = file.create_dataset(
            "sequence", (count, window), np.uint8, chunks=True if count else None, **options
        )
        row = 0
        for part in codes:
            sequence[row : row + len(part)] = part
            row += len(part)


@dataclasses.dataclass(frozen=True)
class Attributions:
    """A file of attributions, without its arrays.

    Parameters
    ----------
    path : Path
        The file.
    chroms, ids : list of str, length n
        Of the windows.
    pos : numpy.ndarray of int64, shape (n,)
        1-based position at the centre, index :attr:`centre`.
    window : int
        Length of the windows.
    logit, delta : numpy.ndarray of float32, shape (n,)
        See :class:`mifm_kipoi.network.attribution.Contributions`.
    provenance : dict
        What made it.
    """

    path: Path
    chroms: list[str]
    ids: list[str]
    pos: npt.NDArray[np.int64]
    window: int
    logit: npt.NDArray[np.float32]
    delta: npt.NDArray[np.float32]
    provenance: dict[str, Any]

    def __len__(self) -> int:
        return len(self.chroms)

    @property
    def centre(self) -> int:
        """Index of the position in its window."""
        return (self.window - 1) // 2

    @property
    def support(self) -> tuple[int, int]:
        """The part of the window that the network reads, 0-based half-open."""
        start, end = self.provenance["support"]
        return int(start), int(end)

    @property
    def status(self) -> dict[Status, int]:
        """Records of the input without a window, by status."""
        return {Status(name): int(count) for name, count in self.provenance["status"].items()}

    def arrays(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Sequences and contributions of some windows.

        Parameters
        ----------
        rows : numpy.ndarray of int64, shape (m,)
            Which, in any order.

        Returns
        -------
        codes : numpy.ndarray of uint8, shape (m, window)
        hypothetical : numpy.ndarray of float32, shape (m, 4, window)

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        import h5py

        codes = np.empty((len(rows), self.window), np.uint8)
        hypothetical = np.empty((len(rows), encoding.NO_BASE, self.window), np.float32)
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        try:
            with h5py.File(self.path, "r") as file:
                # From end to end: rows out of order would read each chunk again and again.
                for first in range(0, len(self), _ROWS):
                    low, high = np.searchsorted(ordered, (first, first + _ROWS))
                    if low < high:
                        within = ordered[low:high] - first
                        codes[order[low:high]] = file["sequence"][first : first + _ROWS][within]
                        hypothetical[order[low:high]] = file["hypothetical"][first : first + _ROWS][within]
        except (OSError, KeyError) as error:
            raise InputError(f"cannot read {self.path}: {error}") from error
        return codes, hypothetical


def read_attributions(path: str | os.PathLike[str]) -> Attributions:
    """Open a file of ``mifm attribute``.

    Raises
    ------
    InputError
        When it cannot be read, or is another file.
    """
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("kind") != KIND:
                raise InputError(
                    f"{path} is not a file of 'mifm attribute'; expected its output, such as A.h5"
                )
            return Attributions(
                path,
                [str(each) for each in file["chrom"].asstr()[:]],
                [str(each) for each in file["id"].asstr()[:]],
                file["pos"][:],
                int(file["sequence"].shape[1]),
                file["logit"][:],
                file["delta"][:],
                json.loads(file.attrs["provenance"]),
            )
    except (OSError, KeyError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path} as a file of 'mifm attribute': {reason}") from error
