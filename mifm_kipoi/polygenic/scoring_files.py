"""Scoring files: the variants of a polygenic score, their effect alleles and their weights.

Read are files of the PGS Catalog (format 2.0, as submitted or harmonised) and tables with the usual names of
columns, such as summary statistics, whose effects are the weights then. Written are files of the PGS Catalog,
which its own reader, ``pgscatalog-core``, takes, too.
"""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.row_variants import texts_of
from mifm_kipoi.genomics.columns import EFFECTS, Layout, columns_named, find_layout
from mifm_kipoi.genomics.contigs import ContigNames, build_named, build_of, contig_key, is_chromosome
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.support.files import written_whole

ROW_COLUMNS = ("chrom", "pos", "id", "effect_allele", "other_allele", "weight")
"""Columns of the rows of any scoring file."""

FURTHER_COLUMNS = (
    "locus_name", "variant_description", "inclusion_criteria", "OR", "HR", "allelefrequency_effect",
)  # fmt: skip
"""Columns of the PGS Catalog that may be written beside :data:`ROW_COLUMNS`; its reader refuses any other."""

ADDITIVE, DOMINANT, RECESSIVE = "additive", "dominant", "recessive"
"""How the copies of the effect allele count: as they are; as 1 from the first; as 1 with the second."""

COMPLEX = "complex"
"""The effect type of a row about a haplotype, a diplotype or an interaction of several variants."""

DOSAGE_WEIGHTS = "dosage weights"
"""The effect type of a row that has a weight for each number of copies instead of one weight."""

_SUFFIX = re.compile(r"(\.(txt|tsv|csv))?(\.b?gz)?$", re.IGNORECASE)

_CATALOG_COLUMNS = {
    "id": "rsID", "chrom": "chr_name", "pos": "chr_position", "effect_allele": "effect_allele",
    "other_allele": "other_allele", "weight": "effect_weight",
}  # fmt: skip
_COMPLEX_FLAGS = ("is_haplotype", "is_diplotype", "is_interaction")
_DOSAGE_WEIGHTS = ("dosage_0_weight", "dosage_1_weight", "dosage_2_weight")
_WEIGHTS = ("effect_weight", "weight", "posterior_effect", "score_weight")
"""Names of the column of weights in tables, before those of effects."""

_FIRST_LINE = (
    "###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/#dl_ftp_scoring for additional "
    "information"
)
_OF_SCORE = (
    "pgs_id", "pgs_name", "trait_reported", "trait_mapped", "trait_efo", "genome_build", "variants_number",
    "weight_type",
)  # fmt: skip
_OF_SOURCE = ("pgp_id", "citation", "license")
_OWN = ("format_version", "pgs_id", "pgs_name", "trait_reported", "genome_build", "variants_number")
"""Entries of the header that :func:`write_scoring_file` makes itself."""

_EQUALS = {">=": "\u2265", "<=": "\u2264", "=": ":"}


@dataclasses.dataclass(frozen=True)
class ScoringFile:
    """The variants and weights of one polygenic score.

    Parameters
    ----------
    path : Path
        Where it was read.
    name : str
        Name of the score: that of the file without ``.txt``, ``.tsv`` or ``.csv``, and ``.gz``.
    header : mapping of str to str
        Entries of the lines before the table, such as ``trait_reported``; empty for a table without them.
    rows : pandas.DataFrame
        One row for each row of the file, with its line (int) as the index: ``chrom`` (str, as
        :func:`mifm_kipoi.genomics.contigs.contig_key` names it, empty where not known), ``pos`` (int64,
        1-based, 0 where not known), ``id`` (str, empty without one), ``effect_allele`` (str, upper case),
        ``other_allele`` (str, upper case, empty where not known), ``weight`` (float64 for each copy of the
        effect allele, NaN where missing), ``effect_frequency`` (float64, NaN where not stated) and
        ``effect_type`` (:data:`ADDITIVE`, :data:`DOMINANT`, :data:`RECESSIVE`, :data:`COMPLEX` or
        :data:`DOSAGE_WEIGHTS`).
    build : str
        Genome build of the positions, such as ``GRCh37``; empty where the file does not say.
    harmonised : bool
        Whether places are those of the catalog's harmonisation, not those that were submitted.
    """

    path: Path
    name: str
    header: Mapping[str, str]
    rows: pd.DataFrame
    build: str = ""
    harmonised: bool = False


def score_name(path: str | os.PathLike[str]) -> str:
    """The name of the score of a file: see :class:`ScoringFile`."""
    return _SUFFIX.sub("", Path(path).name)


def read_scoring_file(
    path: str | os.PathLike[str],
    build: str = "",
    columns: Mapping[str, str] | None = None,
    name: str | None = None,
    choose: Callable[[pd.DataFrame], npt.NDArray[np.bool_]] | None = None,
) -> ScoringFile:
    """Read a scoring file of the PGS Catalog, or a table with effect alleles and weights.

    A harmonised file has places in two builds, perhaps: those of ``build`` are taken, else the harmonised
    ones. An other allele that only the harmonisation infers is taken where it is the only one. Of a table,
    the weight is the column ``effect_weight`` or ``weight``, else the effect, or the logarithm of the odds or
    hazard ratio. Rows that cannot be used later, such as haplotypes, are read as well: see ``effect_type``.

    Parameters
    ----------
    path : path-like
        Text, plain or compressed with gzip or bgzip, with a header of columns.
    build : str
        The build that is wanted, such as that of the genotypes; empty for any.
    columns : mapping of str to str, optional
        Columns of a table by field, as of :func:`mifm_kipoi.genomics.columns.find_layout`; ``beta`` is the
        weight.
    name : str, optional
        Name of the score, by default that of the file.
    choose : callable, optional
        Is given some rows and returns which of them to keep, bool; by default all.

    Raises
    ------
    InputError
        When it cannot be read, lacks columns, has no row, or has something else where a number, or the
        position of a single variant, belongs.
    """
    table = TableFile.of(path)
    header = _header(table.comments)
    wanted = build_named(build)
    stated = build_named(header.get("genome_build", ""))
    harmonised = False
    if not columns and {"effect_weight", "effect_allele"} <= set(table.columns):
        reader: _Reader
        reader, harmonised = _catalog_reader(table, header, wanted, stated)
        if harmonised:
            stated = build_named(header.get("HmPOS_build", ""))
    else:
        reader = _table_reader(table, columns or {})
    contigs = ContigNames(str(table.path))
    batches = []
    for batch in table.batches():
        rows = reader(batch).set_axis(np.asarray(batch.lines))
        rows["chrom"] = contigs.keys(rows["chrom"])
        batches.append(rows if choose is None else rows[choose(rows)])
    if not batches:
        raise InputError(f"{table.path} has no row; expected a variant in each")
    rows = pd.concat(batches)
    stated = stated or next(filter(None, map(build_of, contigs.rows)), "")
    return ScoringFile(
        table.path, score_name(path) if name is None else name, header, rows, stated, harmonised
    )


def write_scoring_file(
    path: str | os.PathLike[str],
    rows: pd.DataFrame,
    *,
    name: str,
    trait: str,
    build: str,
    header: Mapping[str, str] | None = None,
) -> None:
    """Write a scoring file in the format 2.0 of the PGS Catalog.

    Equals signs in the header are replaced, since the catalog's reader splits there. The same rows give the
    same bytes.

    Parameters
    ----------
    path : path-like
        The file; compressed where its name ends with ``.gz``.
    rows : pandas.DataFrame
        ``chrom`` (str), ``pos`` (int, 1-based, 0 where not known), ``id`` (str, may be empty),
        ``effect_allele``, ``other_allele`` (str; empty where not known) and ``weight`` (float); further
        columns of :data:`FURTHER_COLUMNS`. One row for each variant.
    name : str
        Name of the score.
    trait : str
        The trait in words.
    build : str
        Genome build of the positions; empty where it is not known.
    header : mapping of str to str, optional
        Further entries, such as ``weight_type``, ``trait_efo``, ``citation``, or any of the caller's own.

    Raises
    ------
    OptionError
        When there is no row, a column is missing or not known to the catalog, a weight is not a finite
        number, an effect allele is missing, a variant has neither a place nor a name, or has several rows.
    OutputError
        When the file cannot be written.
    """
    _check_rows(path, rows)
    entries = {
        "pgs_id": name,
        "pgs_name": name,
        "trait_reported": trait,
        "trait_mapped": trait,
        "trait_efo": "NR",
        "genome_build": build_named(build) or "NR",
        "variants_number": str(len(rows)),
        "weight_type": "NR",
        "citation": "NR",
    }
    further = {key: value for key, value in (header or {}).items() if key not in _OWN}
    entries |= further
    lines = [_FIRST_LINE, "#format_version=2.0", "##POLYGENIC SCORE (PGS) INFORMATION"]
    lines += [_entry(key, entries[key]) for key in _OF_SCORE]
    lines += ["##SOURCE INFORMATION", *(_entry(key, entries[key]) for key in _OF_SOURCE if key in entries)]
    own = [key for key in entries if key not in (*_OF_SCORE, *_OF_SOURCE)]
    lines += ["##CONSTRUCTION", *(_entry(key, entries[key]) for key in own)] if own else []
    shown = pd.DataFrame({
        column: rows[field].where(rows[field] != 0, "") if field == "pos" else rows[field]
        for field, column in _CATALOG_COLUMNS.items()
    })  # fmt: skip
    shown["effect_weight"] = [repr(float(weight)) for weight in rows["weight"]]
    for column in FURTHER_COLUMNS:
        if column in rows:
            shown[column] = rows[column]
    text = "\n".join(lines) + "\n" + shown.to_csv(sep="\t", index=False, lineterminator="\n")
    with written_whole(path) as temporary, temporary.open("wb") as file:
        if str(path).endswith(".gz"):
            with gzip.GzipFile("", "wb", 6, file, 0) as compressed:
                compressed.write(text.encode())
        else:
            file.write(text.encode())


_Reader = Callable[[Batch], pd.DataFrame]


def _header(comments: tuple[str, ...]) -> dict[str, str]:
    """The entries ``#key=value`` before a table; spreadsheets leave separators behind them."""
    entries = {}
    for line in comments:
        key, equals, value = line.lstrip("#").partition("=")
        if equals:
            entries[key.strip()] = value.strip(" \t,;")
    return entries


def _catalog_reader(
    table: TableFile, header: Mapping[str, str], wanted: str, stated: str
) -> tuple[_Reader, bool]:
    """What reads the rows of a file of the catalog, and whether it takes the harmonised places."""
    columns = set(table.columns)
    own = {"chr_name", "chr_position"} <= columns
    harmonised = {"hm_chr", "hm_pos"} <= columns
    if harmonised and own and wanted and wanted != build_named(header.get("HmPOS_build", "")):
        harmonised = wanted != stated
    chrom, pos = ("hm_chr", "hm_pos") if harmonised else ("chr_name", "chr_position") if own else ("", "")
    name = next((one for one in ("rsID", "rsid") if one in columns), "")

    def read(batch: Batch) -> pd.DataFrame:
        flags = {column: _flag(batch, column) for column in (*_COMPLEX_FLAGS, "is_dominant", "is_recessive")}
        complex_row = np.any([flags[column] for column in _COMPLEX_FLAGS], axis=0)
        weight = batch.finite("effect_weight")
        kind = np.full(len(batch), ADDITIVE, dtype=object)
        kind[flags["is_dominant"]] = DOMINANT
        kind[flags["is_recessive"]] = RECESSIVE
        kind[flags["is_dominant"] & flags["is_recessive"]] = COMPLEX
        if set(_DOSAGE_WEIGHTS) <= columns:
            kind[np.isnan(weight) & batch.known(_DOSAGE_WEIGHTS[0])] = DOSAGE_WEIGHTS
        kind[complex_row] = COMPLEX
        frequency = _frequency(batch, "allelefrequency_effect")
        names = texts_of(batch, name)
        if harmonised and "hm_rsID" in columns:
            now = texts_of(batch, "hm_rsID")
            names = np.where(now == "", names, now)
        other = _alleles(batch, "other_allele" if "other_allele" in columns else "")
        if "hm_inferOtherAllele" in columns:
            inferred = _alleles(batch, "hm_inferOtherAllele")
            single = np.array(["/" not in one for one in inferred.tolist()], dtype=bool)
            other = np.where((other == "") & single, inferred, other)
        return _frame(
            texts_of(batch, chrom), _positions(batch, pos, complex_row), names,
            _alleles(batch, "effect_allele"), other, weight, frequency, kind,
        )  # fmt: skip

    return read, harmonised


def _table_reader(table: TableFile, named: Mapping[str, str]) -> _Reader:
    """What reads the rows of a table by the usual names of columns."""
    weights = [] if "beta" in named else columns_named(table.columns, _WEIGHTS)
    if weights:
        named = {**named, "beta": weights[0]}
    if "id" in named and "variant" not in named:
        # Who names the column of names has said what it holds.
        named = {**named, "variant": ""}
    layout = find_layout(table, columns=named, needs=("effect_allele",))
    effect = next((field for field in EFFECTS if field in layout.columns), "")
    if not effect:
        raise InputError(
            f"{table.path} has no column of weights; its columns are {', '.join(table.columns)}. Expected "
            "effect_weight, weight, beta or odds_ratio, or a column that you name for beta"
        )

    def read(batch: Batch) -> pd.DataFrame:
        parts = _parts(batch, layout)
        nothing = np.full(len(batch), "", dtype=object)
        columns = layout.columns
        ref, alt = (_alleles(batch, columns.get(field, "")) for field in ("ref", "alt"))
        first = (
            _alleles(batch, columns["effect_allele"])
            if "effect_allele" in columns
            else parts.get("effect_allele", alt)
        )
        if "other_allele" in columns:
            second = _alleles(batch, columns["other_allele"])
        else:
            second = parts.get("other_allele", np.where(first == ref, alt, np.where(first == alt, ref, "")))
        place = columns.get("pos", "")
        pos = (
            _positions(batch, place, np.zeros(len(batch), dtype=bool))
            if place
            else np.array([int(text or 0) for text in parts.get("pos", nothing).tolist()], dtype=np.int64)
        )
        chrom = texts_of(batch, columns["chrom"]) if "chrom" in columns else parts.get("chrom", nothing)
        weight = batch.finite(columns[effect])
        if effect != "beta":
            batch.refuse(weight <= 0, columns[effect], "a ratio above 0, whose logarithm is the weight")
            weight = np.log(weight)
        kind = np.full(len(batch), ADDITIVE, dtype=object)
        frequency = _frequency(batch, columns.get("effect_allele_frequency", ""))
        return _frame(
            chrom, pos, texts_of(batch, columns.get("id", "")), first, second, weight, frequency, kind
        )

    return read


def _parts(batch: Batch, layout: Layout) -> dict[str, npt.NDArray[np.object_]]:
    """What a column of identifiers says of rows, by field."""
    if not layout.variant:
        return {}
    text = batch.text(layout.columns["variant"])
    parts = {
        field: np.array(part.fill_null("").to_pylist(), dtype=object)
        for field, part in layout.parse_variant(text).items()
    }
    if "chrom" in parts and layout.columns["variant"] == layout.columns.get("id"):
        # A name such as v0_331 looks like a place on a contig v0.
        known = {one: is_chromosome(contig_key(one)) for one in set(parts["chrom"].tolist())}
        named = ~np.array([known[one] for one in parts["chrom"].tolist()], dtype=bool)
        for values in parts.values():
            values[named] = ""
    return parts


def _frame(
    chrom: Any, pos: Any, names: Any, effect: Any, other: Any, weight: Any, frequency: Any, kind: Any
) -> pd.DataFrame:
    """Rows as :class:`ScoringFile` has them; half a place is none."""
    placed = (chrom != "") & (pos > 0)
    texts = {
        "chrom": np.where(placed, chrom, ""),
        "id": names,
        "effect_allele": effect,
        "other_allele": other,
    }
    frame = pd.DataFrame({field: pd.Series(text, dtype="str") for field, text in texts.items()})
    frame.insert(1, "pos", np.where(placed, pos, 0).astype(np.int64))
    return frame.assign(weight=weight, effect_frequency=frequency, effect_type=pd.Series(kind, dtype="str"))


def _flag(batch: Batch, column: str) -> npt.NDArray[np.bool_]:
    """A column of True and False; False without the column, or a value."""
    if column not in batch.rows.schema.names:
        return np.zeros(len(batch), dtype=bool)
    return np.array([text.lower() in ("true", "t", "1", "yes") for text in texts_of(batch, column).tolist()])


def _alleles(batch: Batch, column: str) -> npt.NDArray[np.object_]:
    """A column of alleles in upper case, empty without one."""
    if not column:
        return np.full(len(batch), "", dtype=object)
    return np.array(batch.alleles(column).fill_null("").to_pylist(), dtype=object)


def _positions(batch: Batch, column: str, complex_row: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """1-based positions, 0 without one; a row about several variants may have any text there."""
    if not column:
        return np.zeros(len(batch), dtype=np.int64)
    positions = np.zeros(len(batch), dtype=np.int64)
    positions[~complex_row] = batch.filter(~complex_row).positions(column)[0]
    return positions


def _frequency(batch: Batch, column: str) -> npt.NDArray[np.float64]:
    """Stated frequencies of the effect allele; NaN where there is none from 0 to 1."""
    if not column or column not in batch.rows.schema.names:
        return np.full(len(batch), np.nan)
    values, _ = batch.parsed(column)
    with np.errstate(invalid="ignore"):
        return np.where((values >= 0) & (values <= 1), values, np.nan)


def _check_rows(path: str | os.PathLike[str], rows: pd.DataFrame) -> None:
    """Refuse rows that are no scoring file."""
    if not len(rows):
        raise OptionError(f"{path} would have no variant; a scoring file needs one or more")
    lacking = [column for column in ROW_COLUMNS if column not in rows]
    strange = [column for column in rows if column not in (*ROW_COLUMNS, *FURTHER_COLUMNS)]
    if lacking or strange:
        raise OptionError(
            f"rows for {path} lack the columns {lacking} and have {strange}; expected "
            f"{', '.join(ROW_COLUMNS)}, and beside them {', '.join(FURTHER_COLUMNS)} at most"
        )
    bad = {
        "a weight that is not a finite number": ~np.isfinite(rows["weight"].to_numpy(np.float64)),
        "no effect allele": (rows["effect_allele"] == "").to_numpy(),
        "neither a place nor a name": (
            ((rows["chrom"] == "") | (rows["pos"] <= 0)) & (rows["id"] == "")
        ).to_numpy(),
    }
    pairs = np.sort(rows[["effect_allele", "other_allele"]].to_numpy(dtype=object), axis=1)
    placed = (rows["pos"] > 0).to_numpy()
    keys = pd.DataFrame({
        "chrom": rows["chrom"], "pos": rows["pos"], "first": pairs[:, 0], "second": pairs[:, 1],
        "id": rows["id"].where(~placed, ""),
    })  # fmt: skip
    bad["a variant that another row has as well"] = keys.duplicated(keep="first").to_numpy()
    for what, where in bad.items():
        if where.any():
            row = rows.iloc[int(np.argmax(where))]
            raise OptionError(
                f"rows for {path} have {what}: {row['chrom']}:{row['pos']} {row['id']} "
                f"{row['effect_allele']}/{row['other_allele']} ({int(where.sum()):,} of {len(rows):,} rows)"
            )


def _entry(key: str, value: object) -> str:
    """A line of the header."""
    text = " ".join(str(value).split())
    for signs, instead in _EQUALS.items():
        text = text.replace(signs, instead)
    return f"#{key}={text}"
