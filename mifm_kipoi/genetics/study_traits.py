"""What is known of each study of a table: its kind of trait, how many individuals, the trait's variance.

CAUSALdb's ``meta.txt`` tells the first two (:class:`StudyTraits`), the rows themselves the third
(:class:`TraitVariances`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.statistics.bayes_factors import Trait

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

COLUMNS = ("meta_id", "sample_size", "n_case", "n_control")
"""The columns of ``meta.txt`` that are read."""

ENOUGH_ROWS = 1_000
"""Rows of a study from which the variance of its trait is taken, at most: their median is then known to about
a twentieth of the standard deviation between rows."""


@dataclasses.dataclass(frozen=True)
class RowStudies:
    """The study of each of some rows.

    Parameters
    ----------
    codes : numpy.ndarray of int64, shape (n,)
        Which of the names it is.
    names : list of str
        Each once.
    """

    codes: Integers
    names: list[str]

    @classmethod
    def of(cls, batch: Batch, columns: Sequence[str]) -> RowStudies:
        """By columns that identify a study together, joined by colons; without any, all rows are of one."""
        if not columns:
            return cls(np.zeros(len(batch), dtype=np.int64), [""])
        parts = [batch.optional_text(name).to_pandas().astype("str").fillna("") for name in columns]
        codes, names = pd.factorize(functools.reduce(lambda joined, part: joined + ":" + part, parts))
        return cls(codes.astype(np.int64), [str(name) for name in names])

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Integers) -> RowStudies:
        return RowStudies(self.codes[rows], self.names)


@dataclasses.dataclass(frozen=True)
class Traits:
    """Trait and size of the study of each of some rows; all arrays have shape (n,).

    Parameters
    ----------
    kind : numpy.ndarray of int8
        Values of :class:`mifm_kipoi.statistics.bayes_factors.Trait`.
    sample_size : numpy.ndarray of float64
        Individuals, cases and controls together; NaN where unknown.
    case_fraction : numpy.ndarray of float64
        Cases over individuals; NaN where unknown, and of other traits.
    variance : numpy.ndarray of float64
        Of the trait, in squared units of effects; NaN where unknown
        (:func:`mifm_kipoi.statistics.bayes_factors.trait_variances`).
    """

    kind: npt.NDArray[np.int8]
    sample_size: Values
    case_fraction: Values
    variance: Values

    @classmethod
    def alike(cls, number: int, kind: Trait, sample_size: float, case_fraction: float) -> Traits:
        """The same of so many rows."""
        return cls(
            np.full(number, kind, dtype=np.int8),
            np.full(number, sample_size),
            np.full(number, case_fraction),
            np.full(number, np.nan),
        )

    def or_else(self, other: Traits) -> Traits:
        """These, with the others' where they are not known."""
        unknown = self.kind == Trait.UNKNOWN
        no_size, no_fraction = np.isnan(self.sample_size), np.isnan(self.case_fraction)
        return Traits(
            np.where(unknown, other.kind, self.kind),
            np.where(no_size, other.sample_size, self.sample_size),
            np.where(no_fraction, other.case_fraction, self.case_fraction),
            np.where(np.isnan(self.variance), other.variance, self.variance),
        )


class StudyTraits:
    """Traits of studies by their identifiers.

    A study with cases and controls is a case-control study; one with a sample size and without cases or
    controls has a quantitative trait.

    Parameters
    ----------
    path : str
        CAUSALdb's ``meta.txt``, or any table with the columns of :data:`COLUMNS`; a study each row.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.unknown: set[str] = set()
        self.rows_of_unknown = 0

    @functools.cached_property
    def studies(self) -> dict[str, tuple[int, float, float]]:
        """Kind, sample size and fraction of cases of each study.

        Raises
        ------
        InputError
            When the table cannot be read, lacks a column, or has two rows of one study that differ.
        """
        file = TableFile.of(self.path)
        if absent := [name for name in COLUMNS if name not in file.columns]:
            raise InputError(
                f"{self.path} has no column {', '.join(absent)}; its columns are {', '.join(file.columns)}. "
                f"Expected those of CAUSALdb's meta.txt: {', '.join(COLUMNS)}"
            )
        studies: dict[str, tuple[int, float, float]] = {}
        for batch in file.batches(COLUMNS):
            names = batch.text(COLUMNS[0]).to_pylist()
            counts = (batch.parsed(name)[0].tolist() for name in COLUMNS[1:])
            for name, *numbers in zip(names, *counts, strict=True):
                found = _trait(*numbers)
                if name in studies and not np.array_equal(studies[name], found, equal_nan=True):
                    raise InputError(
                        f"{self.path} has two rows of the study {name} with other sample sizes; expected one"
                    )
                studies[name] = found
        return studies

    def of(self, studies: RowStudies) -> Traits:
        """The traits of rows, by their studies."""
        nothing = (int(Trait.UNKNOWN), np.nan, np.nan)
        known = [self.studies.get(name, nothing) for name in studies.names]
        kind, size, fraction = np.array(known).reshape(-1, 3)[studies.codes].T
        return Traits(kind.astype(np.int8), size, fraction, np.full(len(kind), np.nan))

    def count_unknown(self, studies: RowStudies) -> None:
        """Count the rows whose study is not known, and these studies."""
        absent = {number: name for number, name in enumerate(studies.names) if name not in self.studies}
        self.unknown.update(absent.values())
        self.rows_of_unknown += int(np.isin(studies.codes, list(absent)).sum())


class TraitVariances:
    """The variance of the trait of each study, in squared units of its effects: the median over its rows.

    Parameters
    ----------
    enough : int
        Rows of a study that are used, the first ones.
    """

    def __init__(self, enough: int = ENOUGH_ROWS) -> None:
        self._enough = enough
        self._number: dict[str, int] = {}
        self._used: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._parts: list[tuple[npt.NDArray[np.int32], Values]] = []

    def add(self, studies: RowStudies, variance: Values) -> None:
        """Note rows.

        Parameters
        ----------
        studies : RowStudies, of n rows
            Their studies.
        variance : numpy.ndarray of float64, shape (n,)
            What each row says of the variance, NaN where nothing.
        """
        numbers = self._numbers(studies, new=True)
        known = ~np.isnan(variance)
        numbers, variance = numbers[known], variance[known]
        before = np.zeros(len(self._number), dtype=np.int64)
        before[: len(self._used)] = self._used
        earlier = pd.Series(numbers).groupby(numbers).cumcount().to_numpy() + before[numbers]
        numbers, variance = numbers[earlier < self._enough], variance[earlier < self._enough]
        self._used = before + np.bincount(numbers, minlength=len(before))
        self._parts.append((numbers.astype(np.int32), variance))

    def has_enough(self) -> bool:
        """Whether no further row of the studies so far would be used."""
        return len(self._used) > 0 and bool((self._used >= self._enough).all())

    @functools.cached_property
    def _medians(self) -> Values:
        """By number of the study, NaN of those without a row and of one that is not known."""
        medians = np.full(len(self._number) + 1, np.nan)
        if self._parts:
            numbers, variances = map(np.concatenate, zip(*self._parts, strict=True))
            # The rows are not needed any more: of 13,709 studies they take 160 MB.
            self._parts.clear()
            known = pd.Series(variances).groupby(numbers).median()
            medians[known.index] = known
        return medians

    def of(self, studies: RowStudies) -> Values:
        """The variances of the rows' studies, NaN where unknown; no rows can be added from then on."""
        return self._medians[self._numbers(studies, new=False)]

    def _numbers(self, studies: RowStudies, new: bool) -> Integers:
        """Numbers of the rows' studies; -1 of those that are not known, unless they are made known."""
        numbers = [
            self._number.setdefault(name, len(self._number)) if new else self._number.get(name, -1)
            for name in studies.names
        ]
        codes: Integers = np.array(numbers, dtype=np.int64)[studies.codes]
        return codes


def _trait(size: float, cases: float, controls: float) -> tuple[int, float, float]:
    """Kind, sample size and fraction of cases; numbers that are not above 0 are not known."""
    if cases > 0 and controls > 0:
        return Trait.CASE_CONTROL, size if size > 0 else cases + controls, cases / (cases + controls)
    if size > 0 and not cases > 0 and not controls > 0:
        return Trait.QUANTITATIVE, size, np.nan
    return Trait.UNKNOWN, size if size > 0 else np.nan, np.nan
