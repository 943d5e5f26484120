"""Read back what libraries have written that may hide the errors of writing, before it gets its name."""

from __future__ import annotations

from pathlib import Path

from mifm_kipoi.errors import OutputError


def lost(path: Path, what: object) -> OutputError:
    """The error for a file that is not whole although its library said nothing.

    Parameters
    ----------
    path : Path
        The file.
    what : object
        What was met in it, in words.
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
        found = pq.read_metadata(path).num_rows
    # Arrow's errors are OSError and ValueError.
    except (OSError, ValueError) as error:
        raise lost(path, error) from error
    if found != rows:
        raise lost(path, f"it has {found} of {rows} rows")
