"""The one reader of tables: text or Parquet, a batch of rows at a time, in bounded memory.

Every table of a user is read here: summary statistics, credible sets, LD blocks, PLINK's .bim and .fam,
scores, labels, measurements. How to use it::

    table = TableFile.of(path)                           # reads the header
    for batch in table.batches(["CHR", "POS", "P"]):     # rows in order, columns under their own names
        p_value = batch.within("P", 0, 1)                # float64, NaN where missing; errors name the line
        chrom = batch.optional_text("CHR")               # null where missing; text() is the text as it stands
        some = batch.filter(p_value < 1e-5)              # errors in other columns of other rows do not matter
        pos, known = some.positions("POS")
        frame = some.frame(["CHR"])                      # pandas, as text; the index is the line

    bim = TableFile.of(path, names=("chrom", "id", "cm", "pos", "allele1", "allele2"))    # without a header

Rules that hold for all tables:

- A file is text in UTF-8 (plain, gzip, bgzip or zstd) or Parquet; recognised by its content, not its name. It
  is read more than once, so it cannot be a pipe.
- Fields are separated by tabs where the header has one, else by commas, else by semicolons, else by white
  space (runs of blanks). Blanks around a field or a name are no part of it.
- Lines before the header that begin with ``##`` are comments, and so are those that begin with ``#``, but for
  the last of these where it is the header (``#CHROM``), which it is where the line after it has a number, or
  where it begins with ``#FID`` or ``#IID`` and the line after it has as many fields.
- Blank lines, of white space or separators alone, are skipped and counted: messages name lines as an editor
  does.
- Each line has as many fields as the header, empty ones included; a longer or a shorter one is an error that
  names it. Without a header (``names``) fields are separated by white space, and further ones of a line are
  passed over, as PLINK does.
- Between tabs and white space a quote is a letter like any other, but where every name of the header is
  quoted, as R's write.table does: then the quotes around whole fields are taken away. Between commas and
  semicolons a quoted field may hold these, and ends on its line; one that is not closed there is an error.
- What :data:`MISSING` lists, in any case, is a value that is not known; in columns of alleles ``-`` and ``.``
  are alleles, which are not of A, C, G and T. A number has a point, not a comma: 0,05 is an error.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import itertools
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import LARGEST_POS
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.text_files import (
    check_whole,
    first_lines,
    lines_of,
)
from mifm_kipoi.support.files import require_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MISSING = (
    "", ".", "-", "NA", "N/A", "#NA", "#N/A", "#N/A N/A", "<NA>", "NaN", "-NaN", "NULL", "None",
    "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
)  # fmt: skip
"""How tables write that a value is not known, in any case. See :meth:`Batch.alleles` for ``-`` and ``.``."""

BLOCK_BYTES = 1 << 22
"""Bytes of text that are parsed together: 4 MiB."""

_PARQUET_ROW_BYTES = 64
"""Bytes that a row of a Parquet file counts."""


_PARQUET = b"PAR1"
_UTF_16 = "text in UTF-16, as spreadsheets save it; save it as text in UTF-8, with tabs or commas"
_WORKBOOK = "a workbook of a spreadsheet, or a zip file; save the sheet as text, with tabs or commas"
_COMPRESSED = "compressed with {}; compress it with gzip or bgzip instead"
_OTHER_FORMATS = {
    b"\xff\xfe": _UTF_16, b"\xfe\xff": _UTF_16,
    b"PK\x03\x04": _WORKBOOK, b"\xd0\xcf\x11\xe0": _WORKBOOK,
    b"BZh": _COMPRESSED.format("bzip2"), b"\xfd7zXZ": _COMPRESSED.format("xz"),
}  # fmt: skip
"""How files begin that are not tables but are taken for them, and what they are."""

_HEADERS_OF_PEOPLE = ("#FID", "#IID")
"""How PLINK 2 begins the headers of tables of people, which may have no number: labels, for example."""

_DECIMAL_COMMA = r"^[-+]?[0-9]*,[0-9]+([eE][-+]?[0-9]+)?$"
_CSV = (",", ";")
_QUOTED = re.compile('"(?:[^"]|"")*"')
_NUMBER = re.compile(r'"?[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?"?')
_ROW_OF_ARROW = re.compile(r"^(?:CSV parse error: |.*?)Row #(\d+): (.*)$", re.DOTALL)
_FIELDS_OF_ARROW = re.compile(r"Expected (\d+) columns, got (\d+)")

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Lines = npt.NDArray[np.int64]

OnProgress = Callable[[int, float], None]
"""Is given the rows that were read so far, and the fraction of the file's bytes, from 0 to 1."""


@dataclasses.dataclass(frozen=True)
class TableFile:
    """A table and its header; :meth:`of` reads them.

    Parameters
    ----------
    path : Path
        The file.
    columns : tuple of str
        Names of all columns, in order.
    separator : str
        A tab, a comma, a semicolon, or a blank for white space; empty for Parquet.
    comments : tuple of str
        The lines before the header that begin with ``#``.
    lines_before : int
        Lines before the first row: comments, blank lines and the header.
    quoted : bool
        Whether quotes around whole fields between tabs or blanks are taken away, as every name of the header
        has them.
    """

    path: Path
    columns: tuple[str, ...]
    separator: str = ""
    comments: tuple[str, ...] = ()
    lines_before: int = 0
    quoted: bool = False

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        names: Sequence[str] | None = None,
        min_columns: int = 2,
        first: Sequence[str] = (),
    ) -> TableFile:
        """Read the header.

        Parameters
        ----------
        path : path-like
            Text, plain, gzip, bgzip or zstd, or Parquet.
        names : sequence of str, optional
            Names of the first columns of a table without a header, such as PLINK's .bim and .fam.
        min_columns : int
            Columns that the table must have: one for a list.
        first : sequence of str
            Names of a first column, such as ``#IID``, by which a header that begins with ``#`` is known
            whatever the next line has; a table that does not begin so has no header, and ``names``.

        Raises
        ------
        InputError
            When the file cannot be read or is a pipe, has too few columns or a name twice, or is compressed
            with bgzip and cut. A table without a header may be empty.
        """
        path = Path(path)
        require_file(path)
        try:
            with path.open("rb") as file:
                head = file.read(5)
            for beginning, what in _OTHER_FORMATS.items():
                if head.startswith(beginning):
                    raise InputError(f"{path} is {what}")
            check_whole(path)
            if head.startswith(_PARQUET):
                table = cls(path, _parquet_columns(path))
            else:
                table = cls._of_text(path, names, first)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from error
        if len(table.columns) < min_columns:
            what = f"begins with {''.join(table.columns)[:50]!r}" if table.columns else "is empty"
            raise InputError(
                f"{path} {what}; expected a header of columns with tabs, commas or blanks between, or a "
                "Parquet file"
            )
        repeated = sorted({name for name in table.columns if name and table.columns.count(name) > 1})
        if repeated:
            raise InputError(
                f"{path} has more than one column {', '.join(repeated)}; expected each name once"
            )
        return table

    @classmethod
    def _of_text(cls, path: Path, names: Sequence[str] | None, first: Sequence[str]) -> TableFile:
        if names is not None and not first:
            return cls(path, tuple(names), " ")
        comments: list[tuple[int, str]] = []
        number, line = 1, ""
        for number, text in first_lines(path):
            if not text.startswith("#"):
                line = text
                break
            comments.append((number, text))
        if first:
            above = tuple(line for _, line in comments)
            header = above[-1] if above else ""
            columns = _split(header, mark := _separator(header))
            if columns[:1] and columns[0] in first:
                return cls(path, tuple(columns), mark, above[:-1], comments[-1][0])
            return cls(path, tuple(names or ()), " ", above, comments[-1][0] if comments else 0)
        if comments and not comments[-1][1].startswith("##"):
            header = _commented_header(comments[-1][1], line)
            if header:
                (number, _), line = comments.pop(), header
        mark = _separator(line)
        if mark in _CSV and not _is_row(mark).fullmatch(line.encode() + b"\n"):
            raise _open_quote(path, number)
        columns = _split(line, mark)
        quoted = mark not in _CSV and all(_QUOTED.fullmatch(name) for name in columns)
        if quoted:
            columns = [name[1:-1].replace('""', '"').strip() for name in columns]
        return cls(path, tuple(columns), mark, tuple(line for _, line in comments), number, quoted)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        block_bytes: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Batch]:
        """The rows, in order, a batch at a time.

        Parameters
        ----------
        columns : sequence of str, optional
            Names of the columns that are read; by default all.
        block_bytes : int, optional
            Bytes of text that are parsed together, :data:`BLOCK_BYTES` by default; of Parquet, a row counts
            64 bytes. A batch has the rows of one block.
        on_progress : callable, optional
            Is called after each batch.

        Raises
        ------
        InputError
            When the file cannot be read or is damaged, or a line has another number of fields than the
            header.
        """
        import pyarrow as pa

        wanted = None if columns is None else list(dict.fromkeys(columns))
        rows = 0
        try:
            for batch, fraction in (self._text if self.separator else self._parquet)(
                wanted, block_bytes or BLOCK_BYTES
            ):
                yield batch
                rows += len(batch)
                if on_progress is not None:
                    on_progress(rows, fraction)
        except pa.ArrowInvalid as error:
            raise InputError(f"{self.path} is damaged: {error}") from error
        except (OSError, EOFError) as error:
            raise _unreadable(self.path, error) from error

    def _text(self, columns: list[str] | None, block_bytes: int) -> Iterator[tuple[Batch, float]]:
        import pyarrow as pa
        from pyarrow import csv as arrow

        # Arrow must be able to tell columns without a name.
        names = [name or f"\x00{number}" for number, name in enumerate(self.columns)]
        for block in _blocks(self, block_bytes):
            try:
                rows = arrow.read_csv(
                    pa.BufferReader(block.text),
                    # Arrow counts rows in its errors where one thread parses.
                    arrow.ReadOptions(
                        use_threads=False,
                        # All in one block.
                        block_size=len(block.text) + 1,
                        column_names=names,
                    ),
                    arrow.ParseOptions(
                        delimiter=self.separator, quote_char='"' if self.separator in _CSV else False
                    ),
                    arrow.ConvertOptions(
                        include_columns=columns,
                        column_types=dict.fromkeys(names, pa.string()),
                        strings_can_be_null=False,
                    ),
                )
            except pa.ArrowInvalid as error:
                raise self._malformed(str(error), block) from error
            if rows.num_rows != len(block.lines):
                raise InputError(
                    f"{self.path} cannot be read between lines {block.lines[0]} and {block.lines[-1]}: they "
                    f"make {rows.num_rows} rows"
                )
            (batch,) = rows.combine_chunks().to_batches()
            batch = batch.rename_columns(columns or self.columns)
            yield Batch(self, self.cleaned(batch) if block.unclean else batch, block.lines), block.fraction

    def _parquet(self, columns: list[str] | None, block_bytes: int) -> Iterator[tuple[Batch, float]]:
        from pyarrow import parquet

        first = 1
        with parquet.ParquetFile(self.path) as file:
            total = max(file.metadata.num_rows, 1)
            for rows in file.iter_batches(max(block_bytes // _PARQUET_ROW_BYTES, 1), columns=columns):
                lines = np.arange(first, first + rows.num_rows)
                first += rows.num_rows
                yield Batch(self, self.cleaned(rows), lines), (first - 1) / total

    def cleaned(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows without blanks around their texts, and without quotes where the table is :attr:`quoted`."""
        import pyarrow as pa

        columns = [_clean(column, self.quoted) for column in rows.columns]
        return pa.RecordBatch.from_arrays(columns, rows.schema.names)

    def _malformed(self, message: str, block: _Block) -> InputError:
        """Arrow's words on a row of a block, with its line in the file."""
        words = _ROW_OF_ARROW.match(message)
        where, what, row = str(self.path), message, -1
        if words is not None and 0 < int(words[1]) <= len(block.lines):
            row = int(words[1]) - 1
            where, what = f"line {block.lines[row]} of {self.path}", words[2]
        fields = _FIELDS_OF_ARROW.search(what)
        if fields is None:
            return InputError(f"{where} is malformed: {what}; expected UTF-8 text. Mend or remove the line")
        named = "as in the header" if self.lines_before else f"({', '.join(self.columns)})"
        advice = "Mend or remove the line"
        if (
            self.lines_before
            and row == 0
            and block.lines[0] == self.lines_before + 1
            and int(fields[2]) == int(fields[1]) + 1
        ):
            line = block.text.partition(b"\n")[0]
            advice = (
                "The last one is empty: end the header with a separator, too, or leave it out of the rows"
                if line.endswith(self.separator.encode())
                else "Give each column a name in the header: R's write.table writes names of rows without "
                "one (row.names=FALSE leaves them out)"
            )
        return InputError(f"{where} has {fields[2]} fields; expected {fields[1]} {named}. {advice}")


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Parameters
    ----------
    table : TableFile
        The table that they are of.
    rows : pyarrow.RecordBatch
        Columns under their names in the table; text, or in Parquet of any kind.
    lines : numpy.ndarray of int64, shape (n,), optional
        The line of each row in a text file, or its row in a Parquet file; both from 1. None where the rows
        were picked through an index.
    """

    table: TableFile
    rows: pa.RecordBatch
    lines: Lines | None = None

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def text(self, column: str) -> pa.StringArray:
        """A column as text, as it stands; empty where Parquet has null."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.fill_null(pc.cast(self.rows.column(column), pa.string()), "")

    def known(self, column: str) -> Flags:
        """Where a column has a value: not one of :data:`MISSING`, nor NaN or null in Parquet; shape (n,)."""
        return np.array(~_is_missing(self.text(column)).to_numpy(zero_copy_only=False))

    def optional_text(self, column: str) -> pa.StringArray:
        """A column as text, null where it has no value (:data:`MISSING`)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        text = self.text(column)
        return pc.if_else(_is_missing(text), pa.scalar(None, pa.string()), text)

    def alleles(self, column: str) -> pa.StringArray:
        """A column of alleles in upper case, null where it has none; ``-`` and ``.`` are alleles."""
        import pyarrow as pa
        import pyarrow.compute as pc

        text = self.text(column)
        missing = pc.and_not(_is_missing(text), pc.is_in(text, value_set=pa.array(["-", "."])))
        return pc.utf8_upper(pc.if_else(missing, pa.scalar(None, pa.string()), text))

    def parsed(self, column: str) -> tuple[Values, Flags]:
        """A column as numbers, without an error where there are none.

        Returns
        -------
        values : numpy.ndarray of float64, shape (n,)
            NaN where missing or not a number.
        unreadable : numpy.ndarray of bool, shape (n,)
            Where something stands that is neither a number nor one of :data:`MISSING`.

        Raises
        ------
        InputError
            When a number has a decimal comma.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = self.rows.column(column).type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            numbers = self.rows.column(column).to_pandas().to_numpy(np.float64, na_value=np.nan)
            return np.array(numbers), np.zeros(len(self), dtype=bool)
        text = self.optional_text(column)
        try:
            values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            # A plus sign, or not a number somewhere.
            values = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        values = np.array(values, dtype=np.float64)
        unreadable = np.isnan(values) & text.is_valid().to_numpy(zero_copy_only=False)
        if unreadable.any():
            commas = pc.match_substring_regex(pc.fill_null(text, ""), _DECIMAL_COMMA)
            self.refuse(
                np.asarray(commas), column, "a number with a decimal point, not a comma", "Write the table so"
            )
        return values, unreadable

    def numbers(self, column: str) -> Values:
        """A column as float64, shape (n,); NaN where it has no value (:data:`MISSING`).

        Raises
        ------
        InputError
            When a value is not a number.
        """
        values, unreadable = self.parsed(column)
        self.refuse(unreadable, column, "a number, or nothing")
        return values

    def finite(self, column: str) -> Values:
        """As :meth:`numbers`, of finite numbers.

        Raises
        ------
        InputError
            When a value is not a number, or infinite.
        """
        values = self.numbers(column)
        self.refuse(np.isinf(values), column, "a finite number")
        return values

    def within(self, column: str, low: float, high: float, rounding: float = 0.0) -> Values:
        """As :meth:`numbers`, of numbers in a closed range.

        Parameters
        ----------
        column : str
            Name of the column.
        low, high : float
            The range, with its ends.
        rounding : float
            By how much a number may be above ``high``, to which it is cut.

        Raises
        ------
        InputError
            When a value is not a number, or lies outside.
        """
        values = self.numbers(column)
        with np.errstate(invalid="ignore"):
            self.refuse(
                (values < low) | (values > high + rounding), column, f"a number from {low:g} to {high:g}"
            )
        return np.minimum(values, high)

    def positions(self, column: str, lowest: int = 0) -> tuple[npt.NDArray[np.int64], Flags]:
        """A column as positions, however they are written (597, 597.0, 5.97e2).

        Parameters
        ----------
        column : str
            Name of the column.
        lowest : int
            The lowest position that may stand there. PLINK writes 0 where a variant has no position.

        Returns
        -------
        positions : numpy.ndarray of int64, shape (n,)
            0 where there is none.
        known : numpy.ndarray of bool, shape (n,)
            Where there is one.

        Raises
        ------
        InputError
            When a value is not a whole number from ``lowest`` to 2^31 - 1.
        """
        values = self.numbers(column)
        known = ~np.isnan(values)
        whole = values == np.floor(values)
        bad = known & ~((values >= lowest) & (values <= LARGEST_POS) & whole)
        self.refuse(bad, column, f"a whole number from {lowest} to {LARGEST_POS}")
        return np.where(known, values, 0).astype(np.int64), known

    def refuse(self, bad: Flags, column: str, expected: str, advice: str = "Fix or remove the row") -> None:
        """Raise an error that names the first bad row, if there is one.

        Parameters
        ----------
        bad : numpy.ndarray of bool, shape (n,)
            Which rows are bad.
        column : str
            Name of the column that makes them so.
        expected : str
            What was expected, in words.
        advice : str
            What to do.

        Raises
        ------
        InputError
        """
        if bad.any():
            row = int(bad.argmax())
            value = str(self.rows.column(column)[row].as_py())
            raise InputError(f"{self.where(row)}: {column} is {value[:50]!r}; expected {expected}. {advice}")

    def where(self, row: int) -> str:
        """Where a row stands, by its number in the batch from 0, in words for a message."""
        if self.lines is not None:
            return f"{'line' if self.table.separator else 'row'} {self.lines[row]} of {self.table.path}"
        fields = ", ".join(f"{name} {self.rows.column(name)[row]}" for name in self.rows.schema.names[:4])
        return f"the row of {self.table.path} with {fields}"

    def filter(self, kept: npt.NDArray[np.bool_]) -> Batch:
        """Some of the rows; ``kept`` has shape (n,)."""
        import pyarrow as pa

        lines = None if self.lines is None else self.lines[kept]
        return Batch(self.table, self.rows.filter(pa.array(kept)), lines)

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Columns as text in pandas, missing where they have no value (:data:`MISSING`).

        Parameters
        ----------
        columns : sequence of str, optional
            Names of columns; by default all of the batch.

        Returns
        -------
        pandas.DataFrame of str
            The index is ``lines``.
        """
        import pandas as pd

        names = self.rows.schema.names if columns is None else columns
        series = {name: pd.Series(self.optional_text(name).to_pandas(), dtype="str") for name in names}
        return pd.DataFrame(series).set_axis(range(len(self)) if self.lines is None else self.lines)


class _Block(NamedTuple):
    """Some rows as text, a line each, none blank.

    With the lines where they stand, the fraction of the file, and whether fields may have blanks around them,
    or quotes.
    """

    text: bytes
    lines: Lines
    fraction: float
    unclean: bool


def _blocks(table: TableFile, block_bytes: int) -> Iterator[_Block]:
    """The rows of a text table, in blocks of whole rows."""
    separator = table.separator.encode()
    blank = b" \t" + separator
    number = 1
    for read, fraction in lines_of(table.path, block_bytes):
        text = read
        if table.separator == " ":
            text = _single_blanks(read)
            if not table.lines_before:
                text = _first_fields(text, len(table.columns))
        characters = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(characters == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        lines = np.arange(number, number + len(starts))
        number += len(starts)
        kept = lines > table.lines_before
        # Only a line that begins with white space or a separator can be blank.
        for row in np.flatnonzero(kept & np.isin(characters[starts], list(b"\n" + blank))):
            kept[row] = bool(text[starts[row] : ends[row]].strip(blank))
        if not kept.all():
            text = characters[np.repeat(kept, ends + 1 - starts)].tobytes()
            lines = lines[kept]
        quotes = b'"' in text
        if quotes and table.separator in _CSV:
            text = _with_closed_quotes(table, text, lines)
        if text:
            unclean = quotes and (table.quoted or table.separator in _CSV)
            if table.separator != " " and not unclean and b" " in text:
                characters = np.frombuffer(text, dtype=np.uint8)
                blanks = np.flatnonzero(characters == ord(" "))
                # Before the first character stands the last one, a line end.
                around = characters[np.concatenate([blanks - 1, blanks + 1])]
                unclean = bool(np.isin(around, list(separator + b"\n")).any())
            yield _Block(text, lines, fraction, unclean)


def _single_blanks(text: bytes) -> bytes:
    """White space as one blank between fields, and none around lines."""
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text.replace(b"\n ", b"\n").replace(b" \n", b"\n").removeprefix(b" ")


def _first_fields(text: bytes, number: int) -> bytes:
    """The first fields of each line, with one blank between; shorter lines as they are."""
    characters = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    if not (np.add.reduceat(characters == ord(" "), starts, dtype=np.int32) >= number).any():
        return text
    longer = rb"^((?:[^ \n]++ ){%d}[^ \n]++) [^\n]*+$" % (number - 1)
    return re.sub(longer, rb"\1", text, flags=re.MULTILINE)


def _with_closed_quotes(table: TableFile, text: bytes, lines: Lines) -> bytes:
    """Rows between commas or semicolons, of which each quoted field is closed on its line and begins it."""
    row, at = _is_row(table.separator), 0
    while at < len(text):
        match = row.match(text, at)
        if match is None:
            raise _open_quote(table.path, int(lines[text.count(b"\n", 0, at)]))
        at = match.end()
    if b' "' not in text:
        return text
    # To Arrow a quote after a blank is a letter.
    quoted, other = _fields(table.separator)
    return re.sub(b"%s|%s" % (quoted, other), lambda field: field[0].lstrip(b" "), text)


def _fields(separator: str) -> tuple[bytes, bytes]:
    """Expressions for a quoted field that is closed on its line, and for one that is not quoted."""
    rest = b"[^%s\n]*+" % separator.encode()
    return rb' *+"(?:[^"\n]|"")*+"' + rest, rb'(?! *+")' + rest


@functools.cache
def _is_row(separator: str) -> re.Pattern[bytes]:
    """Rows of which every quoted field is closed on its line."""
    field = b"(?:%s|%s)" % _fields(separator)
    return re.compile(b"(?:%s(?:%s%s)*+\n)++" % (field, separator.encode(), field))


def _separator(line: str) -> str:
    """What stands between the fields of a header."""
    return next((mark for mark in ("\t", *_CSV) if mark in line), " ")


def _commented_header(comment: str, line: str) -> str:
    """A line that begins with ``#``, where the line after it says that it is the header; else nothing."""
    mark = _separator(comment)
    columns, fields = _split(comment, mark), _split(line, mark)
    of_people = columns[0] in _HEADERS_OF_PEOPLE and len(columns) == len(fields)
    if len(columns) < 2 or (line and not of_people and not any(map(_NUMBER.fullmatch, fields))):
        return ""
    if columns[0] == "#" and len(columns) == len(fields) + 1:
        return "#" + comment[1:].lstrip()
    return comment


def _split(line: str, separator: str) -> list[str]:
    """The fields of a line, as they stand between tabs and blanks."""
    if separator == " ":
        return [field for field in line.replace("\t", " ").split(" ") if field]
    if separator == "\t":
        fields = line.split("\t")
    else:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [field.strip(" ") for field in fields]


def _clean(column: pa.Array, quoted: bool) -> pa.Array:
    """Text without blanks around it and, if ``quoted``, quotes around all of it; numbers as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if not (pa.types.is_string(text.type) or pa.types.is_large_string(text.type)):
        return text
    text = pc.ascii_trim(text, " ")
    if not quoted:
        return text
    bare = pc.replace_substring(pc.utf8_slice_codeunits(text, 1, -1), '""', '"')
    whole = pc.match_substring_regex(text, f"^{_QUOTED.pattern}$")
    return pc.if_else(whole, pc.ascii_trim(bare, " "), text)


@functools.cache
def _spellings() -> pa.StringArray:
    """:data:`MISSING` in every case of its letters."""
    import pyarrow as pa

    spellings = dict.fromkeys(
        "".join(letters)
        for word in MISSING
        for letters in itertools.product(*({letter.lower(), letter.upper()} for letter in word))
    )
    return pa.array(spellings, pa.string())


def _is_missing(text: pa.StringArray) -> pa.BooleanArray:
    """Where text is null or one of :data:`MISSING`."""
    import pyarrow.compute as pc

    return pc.or_(pc.is_null(text), pc.is_in(text, value_set=_spellings()))


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            return tuple(file.schema_arrow.names)
    except pa.ArrowInvalid as error:
        raise InputError(f"cannot read {path} as Parquet: {error}; copy or make it again") from error


def _open_quote(path: Path, line: int) -> InputError:
    return InputError(
        f"line {line} of {path} has a quote that is not closed; close it on its line or remove it"
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(
        f"cannot read {path}: {reason}; expected a table, text (plain, gzip or zstd) or Parquet"
    )
