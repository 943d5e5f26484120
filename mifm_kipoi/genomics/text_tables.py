"""Text tables with a header, read a chunk at a time; malformed lines are errors that name them."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import itertools
import os
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from mifm_kipoi.errors import MIFMError

MISSING = ("", "NA", "#NA", "N/A", "NaN", "nan", "NULL", ".")
"""How tables write that a value is not known."""

_GZIP = b"\x1f\x8b"


class TableError(MIFMError):
    """A text table that cannot be read."""


@dataclasses.dataclass(frozen=True)
class TextTable:
    """A table, plain or gzipped, and its header.

    Parameters
    ----------
    path : str
    columns : tuple of str
    separator : str
        A tab, a comma, or a blank for any run of white space.
    """

    path: str
    columns: tuple[str, ...]
    separator: str

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> TextTable:
        """Read the header; the separator is a tab if there is one, else a comma, else white space.

        Raises
        ------
        TableError
            When the file cannot be read, is empty, or two columns have the same name.
        """
        path = os.fspath(path)
        header = next((line for _, line in _lines(path)), "")
        separator = next((mark for mark in "\t," if mark in header), " ")
        columns = _fields(header.strip(), separator)
        if not header.strip():
            raise TableError(f"{path} is empty; expected a header")
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise TableError(f"{path} has more than one column {', '.join(twice)}; expected each name once")
        return cls(path, tuple(columns), separator)

    def chunks(self, columns: Collection[str], rows: int = 200_000) -> Iterator[pd.DataFrame]:
        """The rows of some columns as text, at most ``rows`` at a time; the index is the line in the file.

        What :data:`MISSING` lists is NaN. Blank lines are passed over.

        Raises
        ------
        TableError
            When a line has another number of fields than the header, or the file is damaged.
        """
        lines = itertools.islice(_lines(self.path), 1, None)
        while chunk := list(itertools.islice(lines, rows)):
            self._check(chunk)
            table = pd.read_csv(
                io.StringIO("".join(line for _, line in chunk)),
                sep=r"\s+" if self.separator == " " else self.separator,
                header=None,
                names=list(self.columns),
                index_col=False,
                usecols=list(columns),
                dtype=str,
                keep_default_na=False,
                na_values=list(MISSING),
            )
            yield table.set_axis([number for number, _ in chunk], axis=0)

    def _check(self, chunk: list[tuple[int, str]]) -> None:
        expected = len(self.columns)
        for number, line in chunk:
            if self.separator == " ":
                found = len(line.split())
            elif '"' in line:
                found = len(_fields(line, self.separator))
            else:
                found = line.count(self.separator) + 1
            if found != expected:
                raise TableError(
                    f"line {number} of {self.path} has {found} fields; expected {expected} as in the header"
                )


def numbers(table: pd.DataFrame, column: str, path: str) -> pd.Series:
    """A column of :meth:`TextTable.chunks` as float64, NaN where missing.

    Raises
    ------
    TableError
        When a value is no number; the message names the line.
    """
    found = pd.to_numeric(table[column], errors="coerce").astype("float64")
    bad = found.isna() & table[column].notna()
    if bad.any():
        row = int(bad.argmax())
        raise TableError(
            f"line {table.index[row]} of {path}: {column} is {table[column].iloc[row]!r}; "
            f"expected a number or one of {', '.join(filter(None, MISSING))}"
        )
    return found


def _fields(line: str, separator: str) -> list[str]:
    if separator == " ":
        return [field.strip('"') for field in line.split()]
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


def _lines(path: str) -> Iterator[tuple[int, str]]:
    """Numbers from 1 and lines, without blank ones."""
    try:
        with Path(path).open("rb") as file:
            zipped = file.read(len(_GZIP)) == _GZIP
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if zipped
            else Path(path).open(encoding="utf-8-sig") as text
        ):
            for number, line in enumerate(text, start=1):
                if not line.isspace():
                    yield number, line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise TableError(f"cannot read {path}: {error}; expected text, plain or gzipped") from error
