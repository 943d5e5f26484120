"""What kind of trait each study of a table has, and of how many individuals: CAUSALdb's ``meta.txt``."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.statistics.bayes_factors import Trait

Values = npt.NDArray[np.float64]

COLUMNS = ("meta_id", "sample_size", "n_case", "n_control")
"""The columns of ``meta.txt`` that are read."""


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
    """

    kind: npt.NDArray[np.int8]
    sample_size: Values
    case_fraction: Values

    @classmethod
    def alike(cls, number: int, kind: Trait, sample_size: float, case_fraction: float) -> Traits:
        """The same of so many rows."""
        return cls(
            np.full(number, kind, dtype=np.int8),
            np.full(number, sample_size),
            np.full(number, case_fraction),
        )

    def or_else(self, other: Traits) -> Traits:
        """These, with the others' where they are not known."""
        unknown = self.kind == Trait.UNKNOWN
        no_size, no_fraction = np.isnan(self.sample_size), np.isnan(self.case_fraction)
        return Traits(
            np.where(unknown, other.kind, self.kind),
            np.where(no_size, other.sample_size, self.sample_size),
            np.where(no_fraction, other.case_fraction, self.case_fraction),
        )


class StudyTraits:
    """Traits of studies by their identifiers.

    A study with cases and controls is a case-control study; one with a sample size and without cases or
    controls has a quantitative trait.

    Parameters
    ----------
    path : str
        CAUSALdb's ``meta.txt``, or any table with the columns of :data:`COLUMNS`; a study each row.
    columns : tuple of str
        The columns of the rows of associations that identify their study, joined by colons.
    """

    def __init__(self, path: str, columns: tuple[str, ...] = ("meta_id",)) -> None:
        self.path, self.columns = path, columns
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

    def of(self, batch: Batch) -> Traits:
        """The traits of rows of associations; studies that are not known are counted.

        Parameters
        ----------
        batch : Batch
            Rows with the columns that identify their study.
        """
        joined: pd.Series[str] | None = None
        for name in self.columns:
            part: pd.Series[str] = batch.optional_text(name).to_pandas().astype("str").fillna("")
            joined = part if joined is None else joined + ":" + part
        assert joined is not None
        codes, unique = pd.factorize(joined)
        absent = [name for name in unique if name not in self.studies]
        if absent:
            self.unknown.update(absent)
            self.rows_of_unknown += int(np.isin(codes, np.flatnonzero(unique.isin(absent))).sum())
        nothing = (int(Trait.UNKNOWN), np.nan, np.nan)
        facts = np.array([self.studies.get(name, nothing) for name in unique]).reshape(-1, 3)[codes]
        return Traits(facts[:, 0].astype(np.int8), facts[:, 1], facts[:, 2])


def _trait(size: float, cases: float, controls: float) -> tuple[int, float, float]:
    """Kind, sample size and fraction of cases; numbers that are not above 0 are not known."""
    if cases > 0 and controls > 0:
        return Trait.CASE_CONTROL, size if size > 0 else cases + controls, cases / (cases + controls)
    if size > 0 and not cases > 0 and not controls > 0:
        return Trait.QUANTITATIVE, size, np.nan
    return Trait.UNKNOWN, size if size > 0 else np.nan, np.nan
