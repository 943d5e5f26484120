"""Rows of a table as text, made a column at a time.

That gives some million rows a second, where a loop over rows gives some hundred thousand.

:func:`table_rows` writes any Arrow table. Where numbers have a fixed number of decimals, :func:`rows_of` is
faster: a column is a matrix of letters, one row for each row of the table, in which 0 is no letter; rows are
what is left of the matrices side by side when these are taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Letters = npt.NDArray[np.uint8]
"""Letters of a column, shape (rows, width)."""

_GROUP = 10_000
"""Numbers of four digits, which are looked up together."""

_DIGITS = np.frombuffer("".join(f"{number:04d}" for number in range(_GROUP)).encode(), dtype=np.uint32)

_ZERO, _MINUS, _POINT, _TAB, _END = b"0-.\t\n"

_LARGEST = 10**15
"""A number times its decimals, up to which float64 has every whole one."""

_BLANKS = str.maketrans("\t\n\r", "   ")


def table_rows(table: pa.Table) -> bytes:
    """Rows of an Arrow table, with a tab between two fields and a line feed behind the last.

    Parameters
    ----------
    table : pyarrow.Table
        What is null has an empty field. Quotes stand as they are; tabs and line ends in a text, which no
        field can have, become blanks.

    Returns
    -------
    bytes
        UTF-8, without names of columns, around which Arrow would put quotes.
    """
    import pyarrow as pa
    from pyarrow import csv

    # Where the first chunk of a column is empty, Arrow 26 writes bytes of memory in front of the rows.
    whole_columns = table.combine_chunks()
    stream = pa.BufferOutputStream()
    try:
        csv.write_csv(  # noqa: TID251 - this is the place that all others use
            whole_columns,
            stream,
            csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none"),
        )
        written: bytes = stream.getvalue().to_pybytes()
    except pa.ArrowInvalid:
        # A quote, a tab or a line end in a text.
        written = _plain_rows(whole_columns)
    return written


def _plain_rows(table: pa.Table) -> bytes:
    """Rows as Arrow writes them, with quotes as they stand, and blanks for tabs and line ends."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = (
        [
            "" if value is None else value.translate(_BLANKS)
            for value in pc.cast(column, pa.string()).to_pylist()
        ]
        for column in table.columns
    )
    return "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True)).encode()


def whole(values: npt.NDArray[np.int64]) -> Letters:
    """Numbers from 0 up.

    Parameters
    ----------
    values : numpy.ndarray of int64, shape (n,)
        None of them negative.
    """
    width = len(str(int(values.max(initial=0))))
    return _without_zeros(_digits(values, width), 1)


def fixed(values: npt.NDArray[np.floating], decimals: int) -> Letters:
    """Numbers with some decimals; NaN is an empty field.

    Parameters
    ----------
    values : numpy.ndarray of floating point, shape (n,)
        Rounded to the nearest, ties to even digits, as Python's own formatting does but for the last bit of
        the product with the power of ten.
    decimals : int
        Digits behind the point, 1 or more.

    Raises
    ------
    ValueError
        When one is too large to have so many decimals, or infinite.
    """
    scaled = np.rint(np.asarray(values, dtype=np.float64) * 10.0**decimals)
    unknown = np.isnan(scaled)
    size = np.where(unknown, 0, np.abs(scaled))
    if not (size < _LARGEST).all():
        raise ValueError(f"{values[np.argmax(size)]} cannot be written with {decimals} decimals")
    digits = size.astype(np.int64)
    width = max(len(str(int(digits.max(initial=0)))), decimals + 1)
    letters = np.empty((len(digits), width + 2), dtype=np.uint8)
    written = _digits(digits, width)
    letters[:, 0] = np.where((scaled < 0) & (size > 0), _MINUS, 0)
    letters[:, 1 : -decimals - 1] = _without_zeros(written[:, :-decimals], 1)
    letters[:, -decimals - 1] = _POINT
    letters[:, -decimals:] = written[:, -decimals:]
    letters[unknown] = 0
    return letters


def text(word: str, rows: int) -> Letters:
    """The same word in all rows.

    Parameters
    ----------
    word : str
        Has no letter of code 0.
    rows : int
        How many there are.
    """
    letters = np.frombuffer(word.encode(errors="surrogateescape"), dtype=np.uint8)
    return np.broadcast_to(letters, (rows, len(letters)))


def rows_of(columns: Sequence[Letters]) -> bytes:
    """Rows of columns, with a tab between two of them and a line feed behind the last.

    Parameters
    ----------
    columns : sequence of numpy.ndarray of uint8, shape (n, width)
        One or more.
    """
    rows = len(columns[0])
    matrix = np.empty((rows, sum(column.shape[1] + 1 for column in columns)), dtype=np.uint8)
    start = 0
    for column in columns:
        end = start + column.shape[1]
        matrix[:, start:end] = column
        matrix[:, end] = _TAB
        start = end + 1
    matrix[:, -1] = _END
    written: bytes = matrix[matrix != 0].tobytes()
    return written


def _digits(values: npt.NDArray[np.int64], width: int) -> Letters:
    """The last digits of numbers, with zeros in front."""
    groups = -(-width // 4)
    letters = np.empty((len(values), groups), dtype=np.uint32)
    # The division of numbers of 32 bits takes a third of the time.
    rest = values.astype(np.uint32) if int(values.max(initial=0)) < 1 << 32 else values
    for group in range(groups - 1, -1, -1):
        quotient = rest // _GROUP
        letters[:, group] = _DIGITS[rest - quotient * _GROUP]
        rest = quotient
    return letters.view(np.uint8)[:, 4 * groups - width :]


def _without_zeros(digits: Letters, kept: int) -> Letters:
    """Digits without the zeros in front, of which the last ones stay."""
    letters = digits.copy()
    leading = np.ones(len(digits), dtype=bool)
    for place in range(digits.shape[1] - kept):
        leading &= digits[:, place] == _ZERO
        letters[leading, place] = 0
    return letters
