"""Columns of large tables, text or Parquet, in bounded memory; errors name the line."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.variants import BGZF_END

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NAN", "NULL", "null", "None", ".", "-")
"""How tables write that a number is not known."""

_BLOCK_BYTES = 1 << 22
"""Bytes of text that are parsed at once; Arrow reads up to 32 such blocks ahead."""

_PARQUET_ROWS = 1 << 16
"""Rows of a Parquet file that are read at once."""

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_LARGEST_POS = 2**31 - 1

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class TableFile:
    """A table with a header: text with tabs or commas between fields, plain or gzipped, or Parquet.

    Parameters
    ----------
    path : Path
    columns : tuple of str
    separator : str
        Empty for Parquet.
    comments : tuple of str
        The lines before the header, which begin with ``##``.
    """

    path: Path
    columns: tuple[str, ...]
    separator: str = ""
    comments: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> TableFile:
        """Read the header; the separator is a tab if there is one in it, else a comma.

        Raises
        ------
        InputError
            When the file cannot be read, is empty, has but one column or a name twice, or is compressed with
            bgzip and cut.
        """
        try:
            with path.open("rb") as file:
                head = file.read(4)
            _check_whole(path)
            if head == _PARQUET:
                table = cls(path, _parquet_columns(path))
            else:
                comments, header = _header(path, zipped=head[:2] == _GZIP)
                separator = "\t" if "\t" in header else ","
                columns = next(csv.reader([header], delimiter=separator), [])
                table = cls(path, tuple(columns), separator, comments)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from error
        if len(table.columns) < 2:
            raise InputError(
                f"{path} begins with {''.join(table.columns)[:50]!r}; expected a header of columns with tabs "
                "or commas between, or a Parquet file"
            )
        twice = sorted({name for name in table.columns if table.columns.count(name) > 1})
        if twice:
            raise InputError(f"{path} has more than one column {', '.join(twice)}; expected each name once")
        return table

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The rows of some columns, a part at a time.

        Raises
        ------
        InputError
            When the file cannot be read, is damaged, or a line has another number of fields than the header.
        """
        import pyarrow as pa

        rows = 0
        try:
            for batch in self._text(columns) if self.separator else self._parquet(columns):
                yield Batch(self, batch, rows)
                rows += batch.num_rows
        except pa.ArrowInvalid as error:
            raise self._malformed(str(error)) from error
        except (OSError, EOFError) as error:
            raise _unreadable(self.path, error) from error

    def where(self, row: int) -> str:
        """The place of a row, by its number from 0, in words for a message.

        The file is read anew up to there: a batch does not know of blank lines.
        """
        if not self.separator:
            return f"row {row + 1} of {self.path}"
        number = len(self.comments) + 1
        with gzip.open(self.path) if _is_gzip(self.path) else self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                row -= number > len(self.comments) + 1 and bool(line.rstrip(b"\r\n"))
                if row < 0:
                    break
        return f"line {number} of {self.path}"

    def _text(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyarrow import csv as arrow

        # Read without Python, whose end a thread of Arrow that reads ahead would not survive.
        with pa.OSFile(str(self.path)) as raw:
            try:
                reader = arrow.open_csv(
                    pa.CompressedInputStream(raw, "gzip") if _is_gzip(self.path) else raw,
                    # Rows are counted in errors where one thread parses.
                    arrow.ReadOptions(
                        use_threads=False,
                        block_size=_BLOCK_BYTES,
                        column_names=list(self.columns),
                        skip_rows=len(self.comments) + 1,
                    ),
                    arrow.ParseOptions(delimiter=self.separator),
                    arrow.ConvertOptions(
                        include_columns=list(columns),
                        column_types=dict.fromkeys(self.columns, pa.string()),
                        strings_can_be_null=False,
                    ),
                )
            except pa.ArrowInvalid as error:
                if "Empty CSV file" in str(error):
                    return
                raise
            yield from reader

    def _parquet(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        from pyarrow import parquet

        with parquet.ParquetFile(self.path) as file:
            yield from file.iter_batches(_PARQUET_ROWS, columns=list(columns))

    def _malformed(self, message: str) -> InputError:
        """Arrow's words on a line, with its number in the file."""
        if not self.separator:
            return InputError(f"{self.path} is damaged: {message}")
        words = message.removeprefix("CSV parse error: ").strip()
        number, colon, rest = words.removeprefix("Row #").partition(": ")
        if colon and number.isdecimal():
            words = f"{self.where(int(number) - len(self.comments) - 2)}: {rest}"
        return InputError(
            f"{self.path} has a malformed line: {words}; expected {len(self.columns)} fields of UTF-8 text "
            "as in the header. Mend or remove the line"
        )


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Parameters
    ----------
    table : TableFile
    rows : pyarrow.RecordBatch
    first : int, optional
        Number of its first row in the table, from 0; None where the rows were picked.
    """

    table: TableFile
    rows: pa.RecordBatch
    first: int | None

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def text(self, column: str) -> pa.StringArray:
        """A column as text, empty where there is nothing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.fill_null(pc.cast(self.rows.column(column), pa.string()), "")

    def numbers(self, column: str) -> Values:
        """A column as float64, shape (rows,); NaN where there is none of :data:`MISSING`.

        Raises
        ------
        InputError
            When a value is no number.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self.rows.column(column)
        kind = found.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            return np.array(found.to_pandas().to_numpy(np.float64, na_value=np.nan))
        text = self.text(column)
        known = pc.invert(pc.is_in(text, value_set=pa.array(MISSING)))
        text = pc.if_else(known, text, pa.scalar(None, pa.string()))
        try:
            values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            # Blanks around numbers, or something else somewhere.
            values = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        values = np.array(values, dtype=np.float64)
        known = known.to_numpy(zero_copy_only=False)
        self.refuse(np.isnan(values) & known, column, "a number, or nothing")
        return values

    def finite(self, column: str) -> Values:
        """As :meth:`numbers`, of finite numbers.

        Raises
        ------
        InputError
            When a value is no number or infinite.
        """
        values = self.numbers(column)
        self.refuse(np.isinf(values), column, "a finite number")
        return values

    def within(self, column: str, low: float, high: float, rounding: float = 0.0) -> Values:
        """As :meth:`numbers`, of numbers in a closed range; those past its upper end by rounding are cut.

        Raises
        ------
        InputError
            When a value is no number or lies outside.
        """
        values = self.numbers(column)
        with np.errstate(invalid="ignore"):
            self.refuse(
                (values < low) | (values > high + rounding), column, f"a number from {low:g} to {high:g}"
            )
        return np.minimum(values, high)

    def positions(self, column: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """A column as positions, and where there are any.

        Raises
        ------
        InputError
            When a value is no whole number from 0 to 2^31 - 1.
        """
        values = self.numbers(column)
        there = ~np.isnan(values)
        bad = there & ~((values >= 0) & (values <= _LARGEST_POS) & (values % 1 == 0))
        self.refuse(bad, column, f"a whole number from 0 to {_LARGEST_POS}")
        return np.where(there, values, 0).astype(np.int64), there

    def refuse(self, bad: npt.NDArray[np.bool_], column: str, expected: str) -> None:
        """Raise an error that names the first bad row, if there is one.

        Raises
        ------
        InputError
        """
        if bad.any():
            row = int(bad.argmax())
            found = str(self.rows.column(column)[row].as_py())
            raise InputError(
                f"{self._where(row)}: {column} is {found[:50]!r}; expected {expected}. Mend or remove the row"
            )

    def _where(self, row: int) -> str:
        if self.first is not None:
            return self.table.where(self.first + row)
        fields = ", ".join(f"{name} {self.rows.column(name)[row]}" for name in self.rows.schema.names[:4])
        return f"the row of {self.table.path} with {fields}"


def is_bgzip(path: Path) -> bool:
    """Whether a file is compressed with bgzip.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(18)
    return head[:4] == BGZF_END[:4] and head[12:14] == b"BC"


def _check_whole(path: Path) -> None:
    """Find that a bgzip file is cut at the end of a block, where it reads like a whole one."""
    if not is_bgzip(path):
        return
    with path.open("rb") as file:
        file.seek(-min(len(BGZF_END), path.stat().st_size), os.SEEK_END)
        if file.read() != BGZF_END:
            raise InputError(
                f"{path} is cut short: bgzip's end-of-file mark is missing; copy or download it again"
            )


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _header(path: Path, zipped: bool) -> tuple[tuple[str, ...], str]:
    """The lines with ``##`` and the one after them."""
    comments: list[str] = []
    with gzip.open(path) if zipped else path.open("rb") as file:
        while True:
            line = file.readline(1 << 20).decode("utf-8-sig").rstrip("\r\n")
            if not line.startswith("##"):
                return tuple(comments), line
            comments.append(line)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            return tuple(file.schema_arrow.names)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no whole Parquet file: {error}; copy or make it again") from error


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"cannot read {path}: {reason}; expected a table, text (plain or gzipped) or Parquet")
