"""Read back what libraries have written that may hide the errors of writing, before it gets its name."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import OutputError

_log = logging.getLogger(__name__)


def lost(path: Path, what: object) -> OutputError:
    """The error for a file that is not whole.

    Parameters
    ----------
    path : Path
        The file.
    what : object
        What was met, in words.
    """
    return OutputError(f"{path} was not written whole: {what}; is the disk full?")


def parquet(path: Path, rows: int) -> None:
    """Read the end of an Apache Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    rows : int
        That were written.

    Raises
    ------
    OutputError
        When it cannot be read, or has another number of rows.
    """
    import pyarrow.parquet as pq

    try:
        # Arrow takes no name that is not UTF-8.
        with path.open("rb") as file:
            found = pq.read_metadata(file).num_rows
    # Arrow's errors are OSError and ValueError.
    except (OSError, ValueError) as error:
        raise lost(path, error) from error
    if found != rows:
        raise lost(path, f"it has {found} of {rows} rows")


def hdf5(path: Path) -> None:
    """Read every value of an HDF5 file.

    Raises
    ------
    OutputError
        When one cannot be read.
    """
    in_child(_read_hdf5, path)


def _read_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "r") as file:
        file.visititems(lambda _, entry: entry[()] if isinstance(entry, h5py.Dataset) else None)


def in_child(call: Callable[..., Any], path: Path, *arguments: object) -> Any:
    """Call something in a process of its own, which a library and a damaged file may end.

    Parameters
    ----------
    call : callable
        Of a module that is imported quickly.
    path : Path
        Its first argument: the file that it writes or reads.
    *arguments : object
        The others.

    Returns
    -------
    object
        What the call returns.

    Raises
    ------
    OutputError
        When it raises an error, or its process ends.
    """
    # Not by multiprocessing, which would run the script of the user once more.
    given = pickle.dumps(sys.path) + pickle.dumps((call, (path, *arguments)))
    command = [sys.executable, "-c", _CHILD]
    done = subprocess.run(command, input=given, capture_output=True, check=False)  # noqa: S603 - no shell
    _log.debug("the process for %s said: %s", path, done.stderr.decode(errors="replace"))
    if done.returncode:
        raise lost(path, f"the process that worked on it was ended ({done.returncode})")
    error, result = pickle.loads(done.stdout)  # noqa: S301 - from our own process
    if error:
        raise lost(path, error)
    return result


_CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
call, arguments = pickle.load(sys.stdin.buffer)
try:
    answer = "", call(*arguments)
except Exception as error:
    answer = str(error) or type(error).__name__, None
sys.stdout.buffer.write(pickle.dumps(answer))
"""
"""What the process runs: libraries have many errors for a full disk and a damaged file."""
