"""What became of the rows of a table of a GWAS, and why: for the console, reports and errors."""

from __future__ import annotations

import collections
import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genetics.row_numbers import RowNumbers
from mifm_kipoi.genomics.columns import P_VALUES
from mifm_kipoi.genomics.contigs import ContigNames
from mifm_kipoi.genomics.tables import Batch

_log = logging.getLogger(__name__)

EXAMPLES = 3
"""Examples of a reason that are shown."""

SHOWN = 8
"""Names that a message has, at most."""

_WORDS = {
    "standard_error_of_ratio": "standard error", "effect_allele_frequency": "frequency", "maf": "frequency",
    **dict.fromkeys(P_VALUES, "p-value"), "pos": "position",
    "beta": "effect", "odds_ratio": "effect", "hazard_ratio": "effect", "standard_error": "standard error",
    "sample_size": "sample size", "pip": "PIP",
}  # fmt: skip
"""Fields in words."""


class Example(NamedTuple):
    """A row that was refused: the line of the table (or the row, in Parquet), the column and what it has."""

    line: int
    column: str
    value: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.column} is {self.value[:50]!r}"


@dataclasses.dataclass
class RowCounts:
    """What became of the rows of a table, for the console, reports and errors.

    Parameters
    ----------
    read : int
        All rows.
    kept : int
        Those that were handed on without a reason against them.
    above : int
        Those whose p-value is above ``max_p_value``, which are not handed on.
    refused : collections.Counter of str
        Those that were refused, by reason.
    left_out : collections.Counter of str
        Those that could be used and were not, by reason, such as a variant outside of all LD blocks.
    other_tests, other_phenotypes : collections.Counter of str
        Those of other tests than the additive one, and of other phenotypes than the chosen one, by name.
    examples : dict of str to list of Example
        The first few for each reason.
    without_log_bf, without_pip : int
        Of those that were kept, those without a Bayes factor, and those of credible sets without a PIP.
    too_small : int
        Of those that were kept, those whose p-value is written as 0.
    notes : list of str
        What a user must know of how the table was understood, a sentence each.
    contradictions : list of str
        What cannot be and was allowed; each is a note as well.
    contigs : ContigNames
        Names of contigs of the rows that were handed on, by which a caller finds those that match nothing.
    """

    read: int = 0
    kept: int = 0
    above: int = 0
    refused: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    left_out: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    other_tests: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    other_phenotypes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    examples: dict[str, list[Example]] = dataclasses.field(default_factory=dict)
    without_log_bf: int = 0
    without_pip: int = 0
    too_small: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)
    contradictions: list[str] = dataclasses.field(default_factory=list)
    contigs: ContigNames = dataclasses.field(default_factory=lambda: ContigNames("the table"))

    @property
    def of_the_test(self) -> int:
        """Rows of the additive test and the phenotype: those that could be kept or refused."""
        return self.read - self.other_tests.total() - self.other_phenotypes.total()

    def refuse(self, reason: str, number: int, examples: Iterable[Example] = ()) -> None:
        """Count rows that are refused for a reason.

        Parameters
        ----------
        reason : str
            Why, in words.
        number : int
            How many.
        examples : iterable of Example
            Some of them; the first few of each reason are kept.
        """
        self._count(self.refused, reason, number, examples)

    def leave_out(self, reason: str, number: int, examples: Iterable[Example] = ()) -> None:
        """Count rows that can be used, and were kept so far, but are not; parameters as of :meth:`refuse`."""
        self.kept -= number
        self._count(self.left_out, reason, number, examples)

    def _count(
        self, counts: collections.Counter[str], reason: str, number: int, examples: Iterable[Example]
    ) -> None:
        if number:
            counts[reason] += number
            known = self.examples.setdefault(reason, [])
            known += list(examples)[: EXAMPLES - len(known)]

    def note(self, text: str) -> None:
        """Remember a sentence, and log it as a warning, once."""
        if text not in self.notes:
            self.notes.append(text)
            _log.warning("%s", text)

    def to_dict(self) -> dict[str, int]:
        """The numbers by their names, those that are 0 left out but for ``read`` and ``kept``."""
        numbers = {
            "read": self.read,
            "kept": self.kept,
            "p-value above the limit": self.above,
            "of other tests": self.other_tests.total(),
            "not chosen": self.other_phenotypes.total(),
            **{f"refused: {reason}": number for reason, number in self.refused.most_common()},
            **{f"left out: {reason}": number for reason, number in self.left_out.most_common()},
            "kept without log_bf": self.without_log_bf,
            "kept without a PIP": self.without_pip,
            "kept with a p-value of 0": self.too_small,
        }
        return {name: number for name, number in numbers.items() if number or name in ("read", "kept")}

    def reasons_in_words(self) -> str:
        """The reasons for which rows were refused, the most frequent first, each with an example."""
        return self._in_words(self.refused)

    def _in_words(self, counts: collections.Counter[str]) -> str:
        words = []
        for reason, number in counts.most_common():
            example = next((f", such as {one}" for one in self.examples.get(reason, [])), "")
            words.append(f"{reason} ({number:,}{example})")
        return ", ".join(words)

    def in_words(self) -> str:
        """A sentence: rows that were read, kept, left out and refused, by reason."""
        parts = [f"{self.read:,} rows read", f"{self.kept:,} kept"]
        if self.above:
            parts.append(f"{self.above:,} with a p-value above the limit")
        for counts, what in ((self.other_tests, "of other tests"), (self.other_phenotypes, "not chosen")):
            if counts:
                parts.append(f"{counts.total():,} {what} ({listed(counts)})")
        if self.refused:
            parts.append(f"{self.refused.total():,} refused: {self.reasons_in_words()}")
        if self.left_out:
            parts.append(f"{self.left_out.total():,} left out: {self._in_words(self.left_out)}")
        if self.without_log_bf:
            parts.append(f"{self.without_log_bf:,} of those kept without a Bayes factor")
        return ", ".join(parts)


class RefusedRows:
    """Which rows of a batch are refused, each for the first reason that applies."""

    def __init__(self, batch: Batch, columns: Mapping[str, str], counts: RowCounts) -> None:
        self._batch, self._columns, self._counts = batch, columns, counts
        self._good = np.ones(len(batch), dtype=bool)
        self.reason: npt.NDArray[np.object_] = np.full(len(batch), "", dtype=object)

    def where(self, bad: npt.NDArray[np.bool_], reason: str, field: str) -> None:
        """Refuse those rows that were good so far; the field is the one that is shown."""
        newly = bad & self._good
        if not newly.any():
            return
        self._good &= ~newly
        self.reason[newly] = reason
        rows = np.flatnonzero(newly)
        column, lines = self._columns[field], lines_of(self._batch)
        self._counts.refuse(
            reason,
            len(rows),
            [Example(int(lines[row]), column, _value(self._batch, column, row)) for row in rows[:EXAMPLES]],
        )

    def unless_numbers(self, numbers: RowNumbers, field: str) -> None:
        """Refuse the rows in which something other than a number stands."""
        if field in self._columns:
            self.where(numbers.unreadable(field), f"{_WORDS.get(field, field)} is not a number", field)


def lines_of(batch: Batch) -> npt.NDArray[np.int64]:
    """Lines of rows, or their numbers from 1 where these were picked through an index; shape (n,)."""
    return np.arange(1, len(batch) + 1) if batch.lines is None else batch.lines


def _value(batch: Batch, column: str, row: int) -> str:
    return str(batch.rows.column(column)[int(row)].as_py())


def listed(names: Iterable[str]) -> str:
    """Some names for a message."""
    every = list(names)
    return ", ".join(every[:SHOWN]) + (", ..." if len(every) > SHOWN else "")
