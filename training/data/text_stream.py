"""Columns of large text tables, streamed in bounded memory by Arrow; malformed lines are errors."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from mifm_kipoi.errors import InputError

MISSING = ("", "NA", "NaN", "nan", "N/A", "#N/A", "NULL", "null", "None", ".", "-")
"""How tables write that a value is not known."""

BLOCK_BYTES = 1 << 22
"""Bytes of text that are parsed at once: 4 MiB. Arrow reads up to 32 such blocks ahead."""

_GZIP = b"\x1f\x8b"


def read_header(path: str | os.PathLike[str]) -> tuple[list[str], str]:
    """The columns of a table, and what separates them: tabs if there is one in the header, else commas.

    Parameters
    ----------
    path : path-like
        Plain or gzipped text.

    Raises
    ------
    InputError
        When the file cannot be read, is empty, has but one column or a name twice.
    """
    try:
        with Path(path).open("rb") as file:
            opener = gzip.open if file.read(2) == _GZIP else open
        with opener(path, "rb") as text:
            header = text.readline(1 << 20).decode("utf-8-sig").rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    separator = "\t" if "\t" in header else ","
    columns = next(csv.reader([header], delimiter=separator), [])
    if len(columns) < 2:
        raise InputError(
            f"{path} begins with {header[:50]!r}; expected a header of columns with tabs or commas between"
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"{path} has more than one column {', '.join(twice)}; expected each name once")
    return columns, separator


def stream_columns(
    path: str | os.PathLike[str],
    columns: Collection[str],
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int, float], None] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Columns of a table with a header as text, null where :data:`MISSING`; blank lines are passed over.

    Parameters
    ----------
    path : path-like
        Plain or gzipped text, separated by tabs or commas.
    columns : collection of str
        Columns of the header.
    block_bytes : int
        Bytes of text that are parsed at once; a line must fit.
    on_progress : callable, optional
        Is given the rows so far and the share of the file's bytes that is read, after each batch.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged, or a line has another number of fields than the header;
        the message names the line.
    """
    header, separator = read_header(path)
    rows = 0
    try:
        with Path(path).open("rb") as file:
            size = max(os.fstat(file.fileno()).st_size, 1)
            zipped = file.read(2) == _GZIP
        # Read without Python, whose end a thread of Arrow that reads ahead would not survive.
        with pa.OSFile(os.fspath(path)) as raw:
            reader = pyarrow.csv.open_csv(
                pa.CompressedInputStream(raw, "gzip") if zipped else raw,
                # Line numbers are known where one thread parses.
                pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=block_bytes, column_names=header, skip_rows=1
                ),
                pyarrow.csv.ParseOptions(delimiter=separator),
                pyarrow.csv.ConvertOptions(
                    include_columns=list(columns),
                    column_types=dict.fromkeys(header, pa.string()),
                    null_values=list(MISSING),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
            for batch in reader:
                yield batch
                rows += batch.num_rows
                if on_progress is not None:
                    on_progress(rows, raw.tell() / size)
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        raise InputError(
            f"{path} has a malformed line: {_with_line(str(error))}; expected {len(header)} fields of UTF-8 "
            "text as in the header. Mend or remove the line (blank lines were not counted)"
        ) from error
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from error


def numbers(batch: pa.RecordBatch, column: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """A column of :func:`stream_columns` as numbers.

    Returns
    -------
    values : numpy.ndarray of float64, shape (rows,)
        NaN where missing or no number.
    unreadable : numpy.ndarray of bool, shape (rows,)
        Where there is something that is no number.
    """
    text = batch.column(column)
    try:
        values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        # Blanks around numbers, or something else somewhere.
        values = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    values = np.asarray(values, dtype=np.float64)
    return values, np.isnan(values) & text.is_valid().to_numpy(zero_copy_only=False)


def _with_line(message: str) -> str:
    """Arrow's message, with the line where it counts rows."""
    return message.removeprefix("CSV parse error: ").replace("Row #", "line ").strip()


def _unreadable(path: str | os.PathLike[str], error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"cannot read {path}: {reason}; expected text, plain or gzipped")
