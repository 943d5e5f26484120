"""Reads traits, covariates and labels of people from tables with a row for each person.

How to use it::

    people = read_people(
        ["phenotypes.tsv", "covariates.tsv"],
        traits=["height", "diabetes"], covariates=["age", "sex", "centre"], categorical=["centre"],
        labels=["ancestry"], columns={"height": "50-0.0", "age": "p21003_i0"},
    )
    aligned = people.aligned(genotypes.samples)           # those who have genotypes, in their order
    trait = aligned.people.traits["diabetes"]             # 1 for cases, 0 for controls, NaN unknown
    rows = np.flatnonzero(trait.known & aligned.people.complete())
    design = aligned.people.design(rows)                  # intercept, covariates, indicators of levels

Rules that hold for all tables of people:

- A person is named by a column ``IID``, ``eid`` or ``sample`` (:data:`SAMPLE_COLUMNS`), and a family by
  ``FID`` or ``family``. Families count where all tables have them and they are not ``0``; otherwise the name
  alone tells people apart.
- A column is named as in the table. Fields of the UK Biobank have several spellings, which are the same
  here: ``21003-0.0``, ``f.21003.0.0``, ``p21003_i0`` and ``participant.p21003_i0``; ``p31`` is ``31-0.0``,
  and a bare ``21003`` is the one column of that field. ``columns`` gives a column another name. Where several
  tables have a column, the first counts.
- Besides what every table has for unknown values, numbers of ``missing_codes`` (-9, as to PLINK) are unknown.
- A trait is binary where its values are 0 and 1 (controls and cases), 1 and 2 (controls and cases, as to
  PLINK), or words such as ``control`` and ``case``; every other trait is quantitative. A trait with the three
  values 0, 1 and 2, where 0 is unknown to PLINK, must be said to be the one or the other.
- A covariate is categorical where it is said to be, and where none of its values is a number.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.people import (
    Covariate,
    Flags,
    People,
    Rows,
    Trait,
    Values,
    has_families,
    keys_of,
    repeated,
)
from mifm_kipoi.genomics.tables import Batch, TableFile

SAMPLE_COLUMNS = (
    "IID", "#IID", "eid", "f.eid", "n_eid", "participant.eid", "sample", "sample_id", "SampleID",
)  # fmt: skip
"""Columns that name a person; the first that a table has."""

FAMILY_COLUMNS = ("FID", "#FID", "family")
"""Columns that name a person's family; the first that a table has."""

MISSING_CODES = (-9.0,)
"""Numbers that mean an unknown value, as to PLINK."""

MOST_LEVELS = 1000
"""Levels of a categorical covariate beyond which it is taken for a number or an identifier."""

_FEW_VALUES = 30
"""Different whole numbers of a continuous covariate up to which they may be codes."""

_FEW_CODES = 4
"""Different negative whole numbers up to which they may be codes for unknown values, such as -1 and -3."""

_WORDS = {
    "control": 0.0, "case": 1.0, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0,
    "unaffected": 0.0, "affected": 1.0,
}  # fmt: skip

_FIELD = re.compile(
    r"(?:participant\.)?(?:f\.(\d+)\.(\d+)\.(\d+)|(\d+)-(\d+)\.(\d+)|p(\d+)(?:_i(\d+))?(?:_a(\d+))?)"
)
_BARE_FIELD = re.compile(r"\d+")


@dataclasses.dataclass(frozen=True)
class PeopleTable:
    """A table with a row for each person; :meth:`of` reads its header.

    Parameters
    ----------
    file : TableFile
        The table.
    sample, family : str
        Columns that name the person and the family; ``family`` is empty where there is none.
    """

    file: TableFile
    sample: str
    family: str = ""

    @classmethod
    def of(cls, path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> PeopleTable:
        """Read the header and find the columns of identifiers.

        Parameters
        ----------
        path : path-like
            See :class:`mifm_kipoi.genomics.tables.TableFile`.
        columns : mapping of str to str, optional
            ``sample`` and ``family``, where a column of another name has them.

        Raises
        ------
        InputError
            When the table cannot be read or does not name people.
        """
        file = TableFile.of(path)
        columns = columns or {}
        sample = _first_of(file, (columns.get("sample"), *SAMPLE_COLUMNS))
        if not sample:
            raise InputError(
                f"{path} does not say who its rows are; expected a column {', '.join(SAMPLE_COLUMNS)} (or "
                f"sample=COLUMN in the map of columns) among {_some(file.columns)}"
            )
        family = _first_of(file, (columns.get("family"), *FAMILY_COLUMNS))
        return cls(file, sample, family if family != sample else "")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns but those of identifiers."""
        return tuple(name for name in self.file.columns if name and name not in (self.sample, self.family))

    @functools.cached_property
    def _fields(self) -> dict[tuple[int, int, int], str]:
        fields: dict[tuple[int, int, int], str] = {}
        for name in self.columns:
            field = biobank_field(name)
            if field is not None:
                fields.setdefault(field, name)
        return fields

    def column(self, name: str) -> str | None:
        """The column of a name, which may be another spelling of a field of the UK Biobank.

        Raises
        ------
        InputError
            When it is the number of a field that has several columns.
        """
        if name in self.columns:
            return name
        if _BARE_FIELD.fullmatch(name):
            same = [column for field, column in self._fields.items() if field[0] == int(name)]
            if len(same) > 1:
                raise InputError(
                    f"field {name} has {len(same)} columns in {self.file.path}: {_some(same)}; name one"
                )
            return same[0] if same else None
        field = biobank_field(name)
        return self._fields.get(field) if field is not None else None

    def batches(self, columns: Sequence[str]) -> Iterable[tuple[pd.DataFrame, Batch]]:
        """The rows of some columns, a batch at a time, with ``family`` and ``sample`` of each.

        Raises
        ------
        InputError
            When the table cannot be read, or a row does not say who it is.
        """
        wanted = [self.sample, *filter(None, (self.family,)), *columns]
        for batch in self.file.batches(wanted):
            batch.refuse(~batch.known(self.sample), self.sample, "the name of a person")
            sample = batch.text(self.sample).to_pandas().astype(object)
            family: pd.Series | str = "0"
            if self.family:
                family = batch.optional_text(self.family).to_pandas().astype(object).fillna("0")
            yield pd.DataFrame({"family": family, "sample": sample}, index=range(len(batch))), batch


def biobank_field(name: str) -> tuple[int, int, int] | None:
    """Field, instance and array of a column of the UK Biobank, in any of its spellings; None for others."""
    match = _FIELD.fullmatch(name)
    if match is None:
        return None
    for first in (1, 4, 7):
        if match[first] is not None:
            return int(match[first]), int(match[first + 1] or 0), int(match[first + 2] or 0)
    return None


def read_people(
    tables: Sequence[str | os.PathLike[str]],
    traits: Sequence[str] = (),
    covariates: Sequence[str] = (),
    categorical: Sequence[str] = (),
    labels: Sequence[str] = (),
    *,
    binary: Sequence[str] = (),
    quantitative: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    missing_codes: Sequence[float] = MISSING_CODES,
) -> People:
    """Read traits, covariates and labels of people.

    Parameters
    ----------
    tables : sequence of path-like
        Tables as the module describes them, in any order of people; a person may be missing from some.
    traits, covariates, labels : sequence of str
        Names of columns, or of ``columns``.
    categorical : sequence of str
        Covariates that have levels although these are numbers, such as a centre's code; they are covariates
        whether ``covariates`` names them or not.
    binary, quantitative : sequence of str
        Traits whose kind is not to be guessed.
    columns : mapping of str to str, optional
        From a name of the caller's own to the column of the tables; ``sample`` and ``family`` may be among
        them.
    missing_codes : sequence of float
        Numbers that mean an unknown trait or covariate.

    Returns
    -------
    People
        Everyone who is in any table, in the order of the first table, then of the others.

    Raises
    ------
    OptionError
        When a name is in no table, or has two kinds.
    InputError
        When a table cannot be read or has a person twice, or a value is none of its column's kind.
    """
    columns = columns or {}
    both = [name for name in binary if name in quantitative]
    if both:
        raise OptionError(f"the trait {both[0]} is said to be binary and quantitative; say one")
    strange = [name for name in (*binary, *quantitative) if name not in traits]
    if strange:
        raise OptionError(f"{strange[0]} is said to be binary or quantitative, and is not among the traits")
    every = list(dict.fromkeys([*covariates, *categorical]))
    opened = [PeopleTable.of(path, columns) for path in tables]
    if not opened:
        raise OptionError("no table of people is given")
    wanted: list[dict[str, str]] = [{} for _ in opened]
    for name in dict.fromkeys([*traits, *every, *labels]):
        number, column = _column_of(name, columns.get(name, name), opened)
        wanted[number][name] = column
    parts = [_read(table, own) for table, own in zip(opened, wanted, strict=True)]
    ids, rows, by_family = _everyone(opened, [part.ids for part in parts])
    notes: list[str] = []
    gathered: dict[str, _Column] = {}
    for part, own, at in zip(parts, wanted, rows, strict=True):
        for name in own:
            gathered[name] = part.columns[name].spread(at, len(ids))
    found_traits = {}
    for name in traits:
        kind = "binary" if name in binary else "quantitative" if name in quantitative else ""
        found_traits[name] = _trait(name, gathered[name], kind, missing_codes, notes)
    found_covariates = {
        name: _covariate(name, gathered[name], name in categorical, missing_codes, notes) for name in every
    }
    found_labels = {name: gathered[name].text for name in labels}
    if len(opened) > 1:
        for table, at in zip(opened, rows, strict=True):
            if len(at) < len(ids):
                notes.append(f"{len(ids) - len(at):,} of {len(ids):,} people are not in {table.file.path}")
    return People(ids, found_traits, found_covariates, found_labels, by_family, tuple(notes))


def read_map(path: str | os.PathLike[str]) -> dict[str, str]:
    """A map of columns: a table with the columns ``name`` and ``column``.

    Raises
    ------
    InputError
        When the table cannot be read, lacks a column or has a name twice.
    """
    file = TableFile.of(path)
    lacking = [name for name in ("name", "column") if name not in file.columns]
    if lacking:
        raise InputError(
            f"{path} has no column {' and '.join(lacking)}; expected a map with the columns name and column"
        )
    columns: dict[str, str] = {}
    for batch in file.batches(["name", "column"]):
        for name in ("name", "column"):
            batch.refuse(~batch.known(name), name, "a name")
        for name, column in zip(
            batch.text("name").to_pylist(), batch.text("column").to_pylist(), strict=True
        ):
            if columns.setdefault(name, column) != column:
                raise InputError(f"{path} maps {name} to {columns[name]} and to {column}; expected one")
    return columns


@dataclasses.dataclass(frozen=True)
class _Column:
    """A column as text and as numbers; ``numeric`` are the values that are numbers, NaN elsewhere."""

    table: Path
    column: str
    text: npt.NDArray[np.object_]
    numeric: Values

    def spread(self, rows: Rows, size: int) -> _Column:
        """The column for everyone, unknown where the table does not have the person."""
        text = np.full(size, "", dtype=object)
        numeric = np.full(size, np.nan)
        text[rows], numeric[rows] = self.text, self.numeric
        return dataclasses.replace(self, text=text, numeric=numeric)

    def refuse(self, bad: Flags, expected: str) -> None:
        """An error that shows the first bad value."""
        if bad.any():
            value = self.text[int(bad.argmax())]
            raise InputError(
                f"{self.table}: {self.column} is {str(value)[:50]!r} for {int(bad.sum()):,} people; expected "
                f"{expected}"
            )


@dataclasses.dataclass(frozen=True)
class _Read:
    ids: pd.DataFrame
    columns: dict[str, _Column]


def _column_of(name: str, column: str, tables: Sequence[PeopleTable]) -> tuple[int, str]:
    for number, table in enumerate(tables):
        own = table.column(column)
        if own is not None:
            return number, own
    where = "; ".join(f"{table.file.path} has {_some(table.columns)}" for table in tables)
    called = f"{column!r}, which is called {name!r}," if column != name else repr(name)
    raise OptionError(f"no table has the column {called}: {where}")


def _read(table: PeopleTable, wanted: Mapping[str, str]) -> _Read:
    ids: list[pd.DataFrame] = []
    texts: dict[str, list[npt.NDArray[np.object_]]] = {name: [] for name in wanted}
    numbers: dict[str, list[Values]] = {name: [] for name in wanted}
    for who, batch in table.batches(list(dict.fromkeys(wanted.values()))):
        ids.append(who)
        for name, column in wanted.items():
            text = batch.optional_text(column).dictionary_encode()
            values = np.array([*text.dictionary.to_pylist(), ""], dtype=object)
            codes = text.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
            texts[name].append(values[codes])
            numbers[name].append(batch.parsed(column)[0])
    if not ids:
        raise InputError(f"{table.file.path} has no rows; expected one for each person")
    return _Read(
        pd.concat(ids, ignore_index=True),
        {
            name: _Column(table.file.path, column, np.concatenate(texts[name]), np.concatenate(numbers[name]))
            for name, column in wanted.items()
        },
    )


def _everyone(
    tables: Sequence[PeopleTable], ids: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, list[Rows], bool]:
    """All people, the row of each table's people among them, and whether families tell them apart."""
    by_family = all(map(has_families, ids))
    for table, one in zip(tables, ids, strict=True):
        twice = repeated(one, by_family)
        if twice:
            advice = "" if by_family else ", or families (FID) in all tables that tell them apart"
            raise InputError(f"{table.file.path} has {twice} more than once; expected a row a person{advice}")
    keys = [keys_of(one, by_family) for one in ids]
    known = pd.Index(keys[0])
    everyone = [ids[0]]
    for key, one in zip(keys[1:], ids[1:], strict=True):
        new = known.get_indexer(pd.Index(key)) < 0
        everyone.append(one[new])
        known = known.append(pd.Index(key[new]))
    rows = [known.get_indexer(pd.Index(key)).astype(np.int64) for key in keys]
    return pd.concat(everyone, ignore_index=True), rows, by_family


def _trait(name: str, read: _Column, kind: str, missing_codes: Sequence[float], notes: list[str]) -> Trait:
    values = np.where(np.isin(read.numeric, missing_codes), np.nan, read.numeric)
    words = np.isnan(read.numeric) & (read.text != "")
    if words.any():
        codes = {text: _WORDS.get(str(text).lower(), np.nan) for text in dict.fromkeys(read.text[words])}
        unknown = np.array([np.isnan(codes.get(text, 0.0)) for text in read.text])
        read.refuse(unknown & words, "a number, or case and control")
        if kind == "quantitative" or not np.isnan(values).all():
            read.refuse(words, "a number")
        return Trait(
            name, read.column, True, np.array([codes.get(text, np.nan) for text in read.text]), "words"
        )
    if np.isinf(values).any():
        read.refuse(np.isinf(values), "a finite number")
    different = np.unique(values[~np.isnan(values)])
    if not len(different):
        raise InputError(f"{read.table}: the trait {name} ({read.column}) is unknown for everyone")
    coded = set(different.tolist())
    if not kind and coded == {0.0, 1.0, 2.0}:
        raise InputError(
            f"{read.table}: {read.column} has the values 0, 1 and 2, which may be unknown, controls and "
            "cases as to PLINK, or counts; say whether the trait is binary or quantitative"
        )
    negative = sorted(value for value in coded if value < 0)
    others = coded - set(negative)
    if not kind and negative and others in ({0.0, 1.0}, {1.0, 2.0}) and all(one % 1 == 0 for one in negative):
        raise InputError(
            f"{read.table}: {read.column} has the values {_numbers(negative)} beside "
            f"{_numbers(sorted(others))}; name those that mean unknown among the missing codes, or say that "
            "the trait is quantitative"
        )
    if kind == "quantitative" or (not kind and coded not in ({0.0, 1.0}, {1.0, 2.0})):
        _note_codes(name, values, notes)
        return Trait(name, read.column, False, values)
    if coded <= {0.0, 1.0}:
        return Trait(name, read.column, True, values, "0/1")
    if coded <= {0.0, 1.0, 2.0}:
        if 0.0 in coded:
            notes.append(
                f"{name}: {int((values == 0).sum()):,} people with 0 are unknown, as 1 and 2 are controls "
                "and cases"
            )
        return Trait(name, read.column, True, np.where(values == 0, np.nan, values - 1), "1/2")
    read.refuse(
        ~np.isnan(values) & ~np.isin(values, (0.0, 1.0, 2.0)), "0 and 1, or 1 and 2, of a binary trait"
    )
    raise AssertionError("the values of a binary trait are known")


def _covariate(
    name: str, read: _Column, categorical: bool, missing_codes: Sequence[float], notes: list[str]
) -> Covariate:
    unknown = (read.text == "") | np.isin(read.numeric, missing_codes)
    numeric = ~np.isnan(read.numeric)
    if unknown.all():
        raise InputError(f"{read.table}: the covariate {name} ({read.column}) is unknown for everyone")
    if not categorical:
        words = ~unknown & ~numeric
        if not words.any():
            values = np.where(unknown, np.nan, read.numeric)
            read.refuse(np.isinf(values), "a finite number")
            _note_codes(name, values, notes)
            different = np.unique(values[~unknown])
            if 2 < len(different) <= _FEW_VALUES and (different % 1 == 0).all():
                notes.append(
                    f"the covariate {name} has {len(different)} different values, whole numbers, and counts "
                    "as continuous; if they are codes, say that it is categorical"
                )
            return Covariate(name, read.column, values)
        if (numeric & ~unknown).any():
            read.refuse(words, "a number, as others have; or say that the covariate is categorical")
    levels = sorted(set(read.text[~unknown].tolist()))
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"{read.table}: the categorical covariate {name} ({read.column}) has {len(levels):,} levels; "
            f"expected at most {MOST_LEVELS:,}"
        )
    codes = pd.Index(levels).get_indexer(pd.Index(read.text)).astype(np.float64)
    return Covariate(name, read.column, np.where(unknown, np.nan, codes), tuple(levels))


def _first_of(file: TableFile, names: Iterable[str | None]) -> str:
    return next((name for name in names if name and name in file.columns), "")


def _note_codes(name: str, values: Values, notes: list[str]) -> None:
    """Note a few negative whole numbers among numbers that are not negative: they may be codes."""
    negative = np.unique(values[values < 0])
    if 0 < len(negative) <= _FEW_CODES and (negative % 1 == 0).all():
        count = int((values < 0).sum())
        if count < int((values >= 0).sum()):
            notes.append(
                f"{name} is {_numbers(negative.tolist())} for {count:,} people and 0 or more for the others; "
                "if these are codes for unknown values, name them among the missing codes"
            )


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _some(names: Sequence[str], most: int = 12) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
