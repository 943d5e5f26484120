"""Read tables of saturation mutagenesis by reporter assays: the measured effects of substituted bases."""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import DECIDED, UNDECIDED, ContigNames, contig_keys
from mifm_kipoi.genomics.liftover import LiftOver, LiftStatus
from mifm_kipoi.genomics.tables import Batch, TableFile, Values

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

_SEPARATORS = re.compile(r"[\t\r\n]")
_ALLELE = "[ACGTN]+|-"


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
    LOST = "lost_in_lift_over"
    AMBIGUOUS = "ambiguous_in_lift_over"


NO_VARIANT = (Measured.OTHER_KIND, Measured.NON_ACGT, Measured.LOST, Measured.AMBIGUOUS)
"""Of rows that are no variant of the genome, so that no model is asked for a score."""


@dataclasses.dataclass(frozen=True)
class Measurements:
    """A table as it was read.

    Parameters
    ----------
    path : Path
        The file.
    original : pandas.DataFrame of str, n rows
        All columns under their own names, as text.
    rows : pandas.DataFrame, n rows
        ``element``, ``chrom`` (:func:`mifm_kipoi.genomics.contigs.contig_key`), ``pos`` (1-based), ``ref``,
        ``alt`` (upper case), ``coefficient``, ``barcodes``, ``p_value`` (float64, NaN where there is none),
        ``kind`` (:class:`Kind`) and ``measured`` (:class:`Measured`).
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
        See :mod:`mifm_kipoi.genomics.tables`. Columns are found by name (:data:`NAMES`). Without a column of
        elements the whole table is one, named like the file.
    min_barcodes : int
        Effects of fewer barcodes are not evaluated.
    need_p_values : bool
        Whether the column of p-values must be there.

    Raises
    ------
    InputError
        When the file or a row cannot be read, a cell holds a tab or line break, which the outputs cannot
        hold, a column is missing, an element has a substitution twice, an element lies on two
        contigs, or rows are of several genome builds.
    """
    table = TableFile.of(path)
    columns = _columns(table, min_barcodes, need_p_values)
    contigs = ContigNames(str(path))
    rows, cells = [pd.DataFrame()], []
    for batch in table.batches():
        cells.append(_cells(batch))
        rows.append(_rows(batch, columns, path.name.partition(".")[0], contigs))
    read = pd.concat(rows, ignore_index=True)
    if not len(read):
        raise InputError(f"{path} has no rows; expected the measured effects of substitutions")
    _check_once(path, read, "line" if table.separator else "row")
    read["measured"] = [
        _measured(kind, {ref, alt}, coefficient, barcodes, min_barcodes)
        for kind, ref, alt, coefficient, barcodes in zip(
            read["kind"], read["ref"], read["alt"], read["coefficient"], read["barcodes"], strict=True
        )
    ]
    _check_contigs(path, read)
    releases = sorted(set(read["release"]) - {""})
    if len(releases) > 1:
        raise InputError(f"{path} has rows of the releases {', '.join(releases)}; expected one of them")
    read = read.drop(columns=["line", "release"])
    return Measurements(path, pd.concat(cells, ignore_index=True), read, "".join(releases))


def lifted(measurements: Measurements, lift_over: LiftOver) -> Measurements:
    """The same effects in another genome build.

    Rows that the other build does not have, or has several times, stay with this as the reason why they are
    not evaluated.

    Raises
    ------
    InputError
        When an element then lies on two contigs.
    """
    rows = measurements.rows
    place, ref, alt = lift_over.lift_variants(
        *(rows[name].to_numpy() for name in ("chrom", "pos", "ref", "alt"))
    )
    reasons = {LiftStatus.LOST: Measured.LOST, LiftStatus.AMBIGUOUS: Measured.AMBIGUOUS}
    known = place.known
    there = rows.assign(
        chrom=contig_keys(pd.Series(np.where(known, place.chrom, rows["chrom"]), dtype="str")),
        pos=np.where(known, place.pos, rows["pos"]),
        ref=ref,
        alt=alt,
        kind=[kind if known else Kind.OTHER for kind, known in zip(rows["kind"], known, strict=True)],
        measured=[
            reasons.get(LiftStatus(status), measured)
            for status, measured in zip(place.status, rows["measured"], strict=True)
        ],
    )
    _check_contigs(measurements.path, there[known])
    return dataclasses.replace(measurements, rows=there)


def _columns(table: TableFile, min_barcodes: int, need_p_values: bool) -> dict[str, str]:
    """The column of each of :data:`NAMES` that the table has."""
    cleaned = {name: name.strip().lstrip("#").lower() for name in table.columns}
    columns: dict[str, str] = {}
    for field, names in NAMES.items():
        fitting = [column for column, name in cleaned.items() if name in names]
        if len(fitting) > 1:
            raise InputError(f"{table.path} has two columns {field}: {', '.join(fitting)}")
        if fitting:
            columns[field] = fitting[0]
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise InputError(
            f"{table.path} has no column {', '.join(missing)}; expected Chrom, Pos, Ref, Alt, Coefficient "
            f"and, as a rule, Element, Barcodes, pValue; it has {', '.join(table.columns)}"
        )
    if min_barcodes and "barcodes" not in columns:
        raise InputError(
            f"{table.path} has no column of barcodes; with a minimum of 0 (--min-barcodes 0) none is needed"
        )
    if need_p_values and "p_value" not in columns:
        raise InputError(f"{table.path} has no column of p-values, which --max-p needs")
    return columns


def _cells(batch: Batch) -> pd.DataFrame:
    """All cells as text, checked: the outputs hold them between tabs."""
    texts = []
    for name, column in zip(batch.table.columns, batch.rows.columns, strict=True):
        values = column.to_pylist()
        text = ["" if value is None else str(value) for value in values]
        bad = np.array([bool(_SEPARATORS.search(cell)) for cell in text])
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"{batch.where(row)}: {name} is {text[row]!r}, with a tab or a line break, which cells of "
                "the output cannot hold; replace it"
            )
        texts.append(text)
    return pd.DataFrame(dict(enumerate(texts)), dtype="str").set_axis(list(batch.table.columns), axis=1)


def _rows(batch: Batch, columns: dict[str, str], element: str, contigs: ContigNames) -> pd.DataFrame:
    """The rows, checked, with their lines."""
    text = {
        field: pc.utf8_trim_whitespace(batch.text(columns[field]))
        for field in ("chrom", "element", "release", "ref", "alt")
        if field in columns
    }
    for field in ("chrom", "element"):
        if field not in text:
            continue
        batch.refuse(~batch.known(columns[field]), columns[field], "a name")
    chrom = contigs.keys(pd.Series(text["chrom"].to_pylist(), dtype="str"))
    batch.refuse(chrom.isin(UNDECIDED).to_numpy(), columns["chrom"], DECIDED)
    pos, known = batch.positions(columns["pos"], lowest=1)
    batch.refuse(~known, columns["pos"], "a position")
    alleles = {field: pc.utf8_upper(text[field]) for field in ("ref", "alt")}
    for field, allele in alleles.items():
        good = pc.match_substring_regex(allele, f"^({_ALLELE})$").to_numpy(zero_copy_only=False)
        batch.refuse(~good, columns[field], "A, C, G, T, or - for a deletion")
    unknown = np.full(len(batch), np.nan)
    numbers: dict[str, Values] = {
        field: batch.finite(columns[field]) if field in columns else unknown
        for field in ("coefficient", "barcodes")
    }
    numbers["p_value"] = batch.within(columns["p_value"], 0, 1) if "p_value" in columns else unknown
    ref, alt = alleles["ref"].to_pylist(), alleles["alt"].to_pylist()
    names = text["element"].to_pylist() if "element" in text else element
    return pd.DataFrame(
        {
            "element": pd.Series(names, range(len(batch)), dtype="str"),
            "chrom": chrom,
            "pos": pos,
            "ref": pd.Series(ref, dtype="str"),
            "alt": pd.Series(alt, dtype="str"),
            **numbers,
            "kind": [_kind(*pair) for pair in zip(ref, alt, strict=True)],
            "release": text["release"].to_pylist() if "release" in text else "",
            "line": batch.lines,
        }
    )


def _check_once(path: Path, rows: pd.DataFrame, unit: str) -> None:
    key = ["element", "pos", "ref", "alt"]
    repeated = rows[rows.duplicated(key)]
    if len(repeated):
        second = repeated.iloc[0]
        first = rows[(rows[key] == second[key]).all(axis=1)].iloc[0]
        raise InputError(
            f"{unit} {second['line']} of {path}: {second['chrom']}:{second['pos']} "
            f"{second['ref']}>{second['alt']} of element {second['element']} is already in {unit} "
            f"{first['line']}; expected one row for each substitution"
        )


def _kind(ref: str, alt: str) -> Kind:
    if len(ref) != 1 or len(alt) != 1 or ref in (DELETED, alt):
        return Kind.OTHER
    return Kind.DELETION if alt == DELETED else Kind.SNV


def _measured(
    kind: Kind, alleles: set[str], coefficient: float, barcodes: float, min_barcodes: int
) -> Measured:
    if kind == Kind.OTHER:
        return Measured.OTHER_KIND
    if "N" in alleles:
        return Measured.NON_ACGT
    if math.isnan(coefficient):
        return Measured.MISSING
    # A number of barcodes that is missing is not at least the minimum.
    if min_barcodes and not barcodes >= min_barcodes:
        return Measured.FEW_BARCODES
    return Measured.OK


def _check_contigs(path: Path, rows: pd.DataFrame) -> None:
    contigs = rows.groupby("element", sort=False)["chrom"].unique()
    for element, names in contigs.items():
        if len(names) > 1:
            raise InputError(f"{path}: element {element} lies on {' and '.join(map(str, np.sort(names)))}")
