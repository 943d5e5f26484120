"""Tables of variants, text or Parquet, in parts of bounded size."""

from __future__ import annotations

import csv
import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key

VARIANT = ("chrom", "pos", "ref", "alt")
"""Columns that every table has."""

ROW = "row"
"""Name of the index: the line of a text file, or the row of a Parquet file, from 1."""

_CHUNK_SIZE = 1 << 17
"""Rows of a part."""

_LIMIT = 1 << 31
"""Positions are below it, as in VCF and BAM; above stand numbers such as ``inf`` and ``1e300``."""

_MISSING = (".",)
"""What stands for no value, beside what pandas takes for it: nothing, NA, NaN, null ..."""


def column_names(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises
    ------
    InputError
        When it cannot be read, or lacks one of :data:`VARIANT`.
    """
    return list(next(read_parts(path)).columns)


def read_parts(path: Path, columns: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
    """The rows of a table, in order, in one part or several.

    Parameters
    ----------
    path : Path
        Parquet where the name ends in ``.parquet``; else text, compressed where it ends in ``.gz``, with
        commas where it has ``.csv``, else with tabs. Quotes have a meaning beside commas alone.
    columns : collection of str, optional
        Those that are read beside :data:`VARIANT`; all by default.

    Yields
    ------
    pandas.DataFrame
        At least one, with all rows of the file counted by its index ``row``. ``chrom`` by
        :func:`mifm_kipoi.genomics.contigs.contig_key`, ``pos`` as int64 (1-based), alleles in upper case; in
        text all else is str or missing. Lines of text in which nothing of what is read stands are left out.

    Raises
    ------
    InputError
        When the file cannot be read, lacks a column, has two of one name, or a row has no variant.
    """
    reader = _parquet_parts if path.name.endswith(".parquet") else _text_parts
    # Damaged files raise many things inside of pandas, pyarrow and zlib.
    failures = (OSError, ValueError, EOFError, zlib.error, Warning)
    try:
        for part in reader(path, columns):
            yield _checked(part, path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; expected a table with {', '.join(VARIANT)}") from error
    except failures as error:
        text = str(error).replace("\n", " ")
        raise InputError(f"cannot read {path} as {_form(path)}: {text}") from error


def _form(path: Path) -> str:
    if path.name.endswith(".parquet"):
        return "Parquet"
    return f"text with {'commas' if _comma(path) else 'tabs'} between columns"


def _comma(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(".csv")


def _text_parts(path: Path, columns: Collection[str] | None) -> Iterator[pd.DataFrame]:
    compression: Literal["gzip"] | None = "gzip" if path.name.endswith(".gz") else None
    # A quote that begins a field with tabs around it would swallow all lines up to the next quote.
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if _comma(path) else csv.QUOTE_NONE
    separator = "," if _comma(path) else "\t"
    header = pd.read_csv(
        path, sep=separator, quoting=quoting, compression=compression, header=None, nrows=1, dtype=str,
        na_filter=False, skip_blank_lines=False,
    )  # fmt: skip
    names = header.iloc[0].tolist()
    _check_names(names, path)
    _variant_columns(names, path)
    with pd.read_csv(
        path, sep=separator, quoting=quoting, compression=compression, dtype=str, na_values=list(_MISSING),
        index_col=False, iterator=True, skip_blank_lines=False,
        usecols=None if columns is None else lambda name: _wanted(name, columns),
    ) as reader:  # fmt: skip
        first = 2
        while True:
            # Rows with more fields than columns are an error, and so is whatever else pandas warns of.
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    part = reader.read(_CHUNK_SIZE)
                except StopIteration:
                    return
            part.index = pd.RangeIndex(first, first + len(part), name=ROW)
            first += len(part)
            yield part[~_blank(part)]


def _blank(part: pd.DataFrame) -> pd.Series[bool]:
    """Lines without anything, or with white space alone, which pandas would skip without counting them."""
    found = part.iloc[:, 1:].isna().all(axis=1)
    first = part.iloc[:, 0][found]
    found[found] = first.isna() | first.str.isspace().eq(True)
    return found


def _check_names(names: Iterable[str], path: Path) -> None:
    """No two columns have one name, by which pandas would give one of them another."""
    twice = [name for name, times in Counter(names).items() if times > 1 and name]
    if twice:
        raise InputError(
            f"{path} has several columns {', '.join(map(repr, twice))}; expected each name once, for it is "
            "not known which of them is meant"
        )


def _wanted(name: str, columns: Collection[str]) -> bool:
    return name in columns or _plain(name) in VARIANT


def _parquet_parts(path: Path, columns: Collection[str] | None) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        _check_names(schema.names, path)
        names = [name for name in schema.names if columns is None or _wanted(name, columns)]
        first = 1
        for batch in file.iter_batches(_CHUNK_SIZE, columns=names):
            part = batch.to_pandas()
            part.index = pd.RangeIndex(first, first + len(part), name=ROW)
            first += len(part)
            yield part
        if first == 1:
            kept = pa.schema([schema.field(name) for name in names])
            yield kept.empty_table().to_pandas().rename_axis(ROW)


def _plain(name: str) -> str:
    """A column's name as it is compared with :data:`VARIANT`: ``#CHROM`` is ``chrom``."""
    return str(name).lstrip("#").lower()


def _checked(part: pd.DataFrame, path: Path) -> pd.DataFrame:
    part = part.rename(columns=_variant_columns(part.columns, path))
    for name in VARIANT:
        if part[name].isna().any():
            raise InputError(
                f"{place(path, part[name].isna())} has no {name}; expected a variant in each row"
            )
    chrom = part["chrom"].astype(str)
    keys = {name: contig_key(name) for name in chrom.unique()}
    position = pd.to_numeric(part["pos"], errors="coerce").to_numpy(np.float64)
    wrong = ~((position >= 1) & (position < _LIMIT) & (position == np.floor(position)))
    if wrong.any():
        found = part["pos"].to_numpy()[wrong][0]
        raise InputError(
            f"{place(path, wrong, part.index)} has pos {found!r}; expected 1, 2, 3 ... below {_LIMIT}"
        )
    return part.assign(
        chrom=chrom.map(keys).astype(str),
        pos=position.astype(np.int64),
        ref=part["ref"].astype(str).str.upper(),
        alt=part["alt"].astype(str).str.upper(),
    )


def _variant_columns(names: Iterable[str], path: Path) -> dict[str, str]:
    """What the columns of the variants are renamed to."""
    names, chosen = list(names), {}
    for wanted in VARIANT:
        fitting = [name for name in names if _plain(name) == wanted]
        if len(fitting) > 1:
            raise InputError(
                f"{path} has the columns {', '.join(map(repr, fitting))}; expected a single one that can be "
                f"{wanted!r}: rename or remove the others"
            )
        if not fitting:
            raise InputError(
                f"{path} has no column {wanted!r}; expected {', '.join(VARIANT)} in {_form(path)}, found: "
                f"{', '.join(map(str, names))}"
            )
        chosen[fitting[0]] = wanted
    return chosen


def place(path: Path, wrong: pd.Series[bool] | npt.NDArray[np.bool_], index: pd.Index | None = None) -> str:
    """Where the first row is that something is wrong with: ``FILE, line 7``."""
    rows = wrong.index if isinstance(wrong, pd.Series) else index
    assert rows is not None
    unit = "row" if path.name.endswith(".parquet") else "line"
    return f"{path}, {unit} {rows[np.flatnonzero(wrong)[0]]},"


def numbers(column: pd.Series, path: Path) -> pd.Series[float]:
    """A column as float64, NaN where it has no value.

    Raises
    ------
    InputError
        When something else than a number stands in it.
    """
    found = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = found.isna() & column.notna()
    # What is NaN in a Parquet file is none of these.
    wrong &= ~column.astype(str).str.lower().isin(["nan"])
    if wrong.any():
        raise InputError(
            f"{place(path, wrong)} has {column[wrong].iloc[0]!r} in {column.name!r}; expected a number"
        )
    return found


def variant_keys(table: pd.DataFrame) -> pd.Series[str]:
    """``chrom:pos:ref:alt`` of each row, by which tables are joined."""
    return table["chrom"] + ":" + table["pos"].astype(str) + ":" + table["ref"] + ":" + table["alt"]
