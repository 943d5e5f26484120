"""HDF5 files whose errors of writing are raised, instead of ending the process."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def created_hdf5(path: Path) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A new HDF5 file.

    HDF5 cannot bear an error of writing: it ends the process when it meets the next. So it meets none.

    Parameters
    ----------
    path : Path
        Must not exist.

    Yields
    ------
    h5py.File
        Open for writing.
    callable
        Raises the first error of writing, if there was one; call it where much follows.

    Raises
    ------
    OSError
        When the file cannot be written; at the end at the latest.
    """
    import h5py

    with path.open("x+b", buffering=0) as file:
        storage = _Storage(file)
        try:
            with h5py.File(storage, "w") as arrays:
                yield arrays, storage.check
        finally:
            # What could not be written cannot be read again either, which is an error of HDF5 then.
            storage.check()


class _Storage:
    """A file for HDF5, which takes everything and keeps the first error.

    Parameters
    ----------
    file : io.FileIO
        Open for writing and reading.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the error, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, content: memoryview) -> int:
        """Write all of some bytes, or note the error."""
        rest = memoryview(content).cast("B")
        try:
            while rest and self._error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or note the error."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def read(self, size: int = -1) -> bytes:
        """Read; h5py asks whether there is such a method, and calls :meth:`readinto`."""
        return self._file.read(size)

    def readinto(self, buffer: memoryview) -> int:
        """Read; what was not written is zeros."""
        count = self._file.readinto(buffer) or 0
        buffer[count:] = bytes(len(buffer) - count)
        return len(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._file.tell()

    def flush(self) -> None:
        """Nothing is held back."""
