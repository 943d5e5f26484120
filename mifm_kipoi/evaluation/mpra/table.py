"""Read tables of saturation mutagenesis by reporter assays: the measured effects of exchanged bases."""

from __future__ import annotations

import csv
import dataclasses
import enum
import gzip
import io
import itertools
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mifm_kipoi.errors import InputError

NAMES = {
    "chrom": ("chrom", "chromosome", "chr"),
    "pos": ("pos", "position"),
    "ref": ("ref",),
    "alt": ("alt",),
    "coefficient": ("coefficient", "value"),
    "barcodes": ("barcodes", "tags"),
    "p_value": ("pvalue", "p-value", "p_value"),
    "element": ("element",),
    "release": ("release",),
}
"""Columns that are read, and their names in tables, in any case."""

_NEEDED = ("chrom", "pos", "ref", "alt", "coefficient")

DELETED = "-"
"""ALT of a deletion of the base REF."""

MIN_BARCODES = 10
"""Barcodes below which Kircher et al. (2019) do not trust an effect."""

_LARGEST_POS = 2**31 - 1
_SEPARATORS = re.compile(r"[\t\r\n]")
_ALLELE = re.compile(r"[ACGTN]+|-")
_MISSING = ("", "na", "nan", ".")


class Kind(enum.StrEnum):
    """What a row measures."""

    SNV = "snv"
    DELETION = "deletion"
    OTHER = "other"


class Measured(enum.StrEnum):
    """Whether the effect of a row is evaluated, or why not."""

    OK = "ok"
    OTHER_KIND = "not_snv_or_deletion"
    """Neither a base for a base nor the deletion of one base."""

    NON_ACGT = "non_acgt_allele"
    MISSING = "coefficient_missing"
    FEW_BARCODES = "few_barcodes"


@dataclasses.dataclass(frozen=True)
class Measurements:
    """A table as it was read.

    Parameters
    ----------
    path : Path
    original : pandas.DataFrame of str, n rows
        All columns under their own names, as text.
    rows : pandas.DataFrame, n rows
        ``element``, ``chrom``, ``pos`` (1-based), ``ref``, ``alt`` (upper case), ``coefficient``,
        ``barcodes``, ``p_value`` (float64, NaN where there is none), ``kind`` (:class:`Kind`) and
        ``measured`` (:class:`Measured`).
    release : str
        Genome build, as the table names it; empty where it does not.
    """

    path: Path
    original: pd.DataFrame
    rows: pd.DataFrame
    release: str


def read_measurements(
    path: Path, min_barcodes: int = MIN_BARCODES, need_p_values: bool = False
) -> Measurements:
    """Read a table in the form of Kircher et al. (2019).

    Parameters
    ----------
    path : Path
        Text with tabs or commas, plain or gzip, or Parquet. Columns are found by name (:data:`NAMES`).
        Without a column of elements the whole table is one, named like the file.
    min_barcodes : int
        Effects of fewer barcodes are not evaluated.
    need_p_values : bool
        Whether the column of p-values must be there.

    Raises
    ------
    InputError
        When the file or a row cannot be read, a cell holds a tab or line break, which the outputs cannot
        hold, a column is missing, an exchange of an element is there twice,
        an element lies on two contigs, or rows are of several genome builds.
    """
    header, lines = _text(path)
    _check_cells(header, f"{path}, header")
    places = _places(path, header, min_barcodes, need_p_values)
    read, cells = [], []
    seen: dict[tuple[object, ...], str] = {}
    for where, line in lines:
        _check_cells(line, f"{path}, {where}")
        row = _row({name: line[index] for name, index in places.items()}, f"{path}, {where}")
        row.setdefault("element", path.name.partition(".")[0])
        key = (row["element"], row["pos"], row["ref"], row["alt"])
        if key in seen:
            raise InputError(
                f"{path}, {where}: {row['chrom']}:{row['pos']} {row['ref']}>{row['alt']} of element "
                f"{row['element']} is already in {seen[key]}; expected one row for each exchange"
            )
        seen[key] = where
        read.append(row)
        cells.append(line)
    if not read:
        raise InputError(f"{path} has no rows; expected the effects of exchanges")
    rows = pd.DataFrame(read)
    rows["measured"] = [_measured(row, min_barcodes) for row in read]
    _check_contigs(path, rows)
    releases = sorted(set(rows.pop("release")) - {""})
    if len(releases) > 1:
        raise InputError(f"{path} has rows of the releases {', '.join(releases)}; expected one of them")
    return Measurements(path, pd.DataFrame(cells, columns=header), rows, "".join(releases))


def _text(path: Path) -> tuple[list[str], Iterator[tuple[str, list[str]]]]:
    """The header, and each row with its place in the file; all cells as text."""
    try:
        content = path.read_bytes()
        if content[:4] == b"PAR1":
            return _parquet(path)
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read {path}: {error}; expected a table, plain or gzip, or Parquet"
        ) from error
    tabs = "\t" in text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
    )
    header = next(reader, [])
    return header, _lines(path, header, reader)


def _lines(path: Path, header: Sequence[str], reader: Iterator[list[str]]) -> Iterator[tuple[str, list[str]]]:
    for number in itertools.count(2):
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}, line {number}: {error}") from error
        if len(cells) == len(header):
            yield f"line {number}", cells
        elif cells:
            raise InputError(
                f"{path}, line {number}: it has {len(cells)} columns, the header {len(header)}; is it cut?"
            )


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[str, list[str]]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}; expected a Parquet file") from error
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table]
    rows = (
        (f"row {number}", list(cells)) for number, cells in enumerate(zip(*columns, strict=True), start=1)
    )
    return list(table.column_names), rows


def _places(path: Path, header: Sequence[str], min_barcodes: int, need_p_values: bool) -> dict[str, int]:
    """Where each column is."""
    cleaned = [name.strip().lstrip("#").lower() for name in header]
    found: dict[str, int] = {}
    for column, names in NAMES.items():
        places = [index for index, name in enumerate(cleaned) if name in names]
        if len(places) > 1:
            raise InputError(f"{path} has two columns {column}: {', '.join(header[i] for i in places)}")
        if places:
            found[column] = places[0]
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; expected Chrom, Pos, Ref, Alt, Coefficient and, as "
            f"a rule, Element, Barcodes, pValue; found {', '.join(header) or 'nothing'}"
        )
    if min_barcodes and "barcodes" not in found:
        raise InputError(
            f"{path} has no column of barcodes; with a minimum of 0 (--min-barcodes 0) none is needed"
        )
    if need_p_values and "p_value" not in found:
        raise InputError(f"{path} has no column of p-values, which --max-p needs")
    return found


def _check_cells(cells: Sequence[str], where: str) -> None:
    for cell in cells:
        if _SEPARATORS.search(cell):
            raise InputError(
                f"{where}: the cell {cell!r} holds a tab or a line break, which cells of the output cannot; "
                "replace it"
            )


def _row(cells: dict[str, str], where: str) -> dict[str, object]:
    """One row, checked; ``where`` begins messages."""
    text = {name: cell.strip() for name, cell in cells.items()}
    for name in ("chrom", "element"):
        if not text.get(name, "."):
            raise InputError(f"{where}: {name} is empty")
    pos = text["pos"]
    if not (pos.isascii() and pos.isdigit() and 1 <= int(pos) <= _LARGEST_POS):
        raise InputError(f"{where}: the position is {pos!r}; expected a whole number from 1")
    ref, alt = text["ref"].upper(), text["alt"].upper()
    for name, allele in (("Ref", ref), ("Alt", alt)):
        if not _ALLELE.fullmatch(allele):
            raise InputError(f"{where}: {name} is {allele!r}; expected A, C, G, T, or - for a deletion")
    row: dict[str, object] = {"element": text["element"]} if "element" in text else {}
    p_value = _number(text.get("p_value", ""), "the p-value", where)
    if not math.isnan(p_value) and not 0 <= p_value <= 1:
        raise InputError(f"{where}: the p-value is {p_value:g}; expected 0 to 1")
    return row | {
        "chrom": text["chrom"],
        "pos": int(pos),
        "ref": ref,
        "alt": alt,
        "coefficient": _number(text["coefficient"], "the coefficient", where),
        "barcodes": _number(text.get("barcodes", ""), "the number of barcodes", where),
        "p_value": p_value,
        "kind": _kind(ref, alt),
        "release": text.get("release", ""),
    }


def _number(text: str, what: str, where: str) -> float:
    if text.lower() in _MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError(f"{where}: {what} is {text!r}; expected a number, or NA where there is none")
    return value


def _kind(ref: str, alt: str) -> Kind:
    if len(ref) != 1 or len(alt) != 1 or ref in (DELETED, alt):
        return Kind.OTHER
    return Kind.DELETION if alt == DELETED else Kind.SNV


def _measured(row: dict[str, object], min_barcodes: int) -> Measured:
    barcodes, coefficient = row["barcodes"], row["coefficient"]
    assert isinstance(barcodes, float)
    assert isinstance(coefficient, float)
    if row["kind"] is Kind.OTHER:
        return Measured.OTHER_KIND
    if "N" in (row["ref"], row["alt"]):
        return Measured.NON_ACGT
    if math.isnan(coefficient):
        return Measured.MISSING
    # A number of barcodes that is missing is not at least the minimum.
    if min_barcodes and not barcodes >= min_barcodes:
        return Measured.FEW_BARCODES
    return Measured.OK


def _check_contigs(path: Path, rows: pd.DataFrame) -> None:
    contigs = rows.groupby("element", sort=False)["chrom"].unique()
    for element, found in contigs.items():
        if len(found) > 1:
            raise InputError(f"{path}: element {element} lies on {' and '.join(map(str, np.sort(found)))}")
