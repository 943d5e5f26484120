"""Which rows of a table of a GWAS count: those of one test of the variant, and of the chosen phenotype.

Of several tests of a variant (PLINK 2's and REGENIE's column TEST) only the additive one counts. Of several
phenotypes one can be chosen; otherwise all rows count, and a note says so.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.row_counts import SHOWN, RowCounts, listed
from mifm_kipoi.genomics.columns import Layout
from mifm_kipoi.genomics.tables import Batch, TableFile

if TYPE_CHECKING:
    import pyarrow as pa

ADDITIVE = "ADD"
"""The test whose rows count, where a table has rows of several tests."""

TESTS_OF_THE_VARIANT = re.compile(
    "(ADD|DOM|REC|HET|HOM|DOMDEV|GENO|GENO_2DF|HETHOM|HETONLY|TREND|ALLELIC)(-(?!INT_VAR$).*)?", re.IGNORECASE
)
"""Tests of the variant's genotype, additive or not, as PLINK and REGENIE name them; others are of covariates,
or of their interactions with it."""

OF_ANOTHER_TEST = "of another test of the variant"
"""The reason of rows whose test is not the additive one."""

OF_ANOTHER_PHENOTYPE = "of another phenotype"
"""The reason of rows that are not of the chosen phenotype."""

Flags = npt.NDArray[np.bool_]


class RowChoice:
    """The choice of rows of a table that is read once.

    Parameters
    ----------
    file : TableFile
        The table.
    layout : Layout
        What its columns are.
    phenotype : str
        Of several phenotypes in one table, the one whose rows count; empty for all.
    where : mapping of str to str or sequence of str
        From columns (or fields, such as ``phenotype``) to the value, or values, of the rows that count.
    counts : RowCounts
        Receives the rows of other tests and phenotypes, and a note of several phenotypes.

    Raises
    ------
    InputError
        When the table has no such column.
    """

    def __init__(
        self,
        file: TableFile,
        layout: Layout,
        phenotype: str,
        where: Mapping[str, str | Sequence[str]],
        counts: RowCounts,
    ) -> None:
        self._file, self._columns, self._phenotype, self._counts = file, layout.columns, phenotype, counts
        self._wanted = self._find_wanted(where)
        self._only_additive = False
        self._phenotypes: dict[str, None] = {}
        ending = f".{phenotype}".lower()
        beside = any(name.lower().endswith(ending) for name in self._columns.values())
        study = layout.format == "gwas-vcf"
        self._has_phenotypes = "phenotype" in self._columns or beside or study

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns by whose values rows are chosen, that of tests not among them."""
        return tuple(self._wanted)

    def _find_wanted(self, where: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """The values, by column, of the rows that count."""
        wanted: dict[str, tuple[str, ...]] = {}
        if self._phenotype and "phenotype" in self._columns:
            wanted[self._columns["phenotype"]] = (self._phenotype,)
        for name, values in where.items():
            column = name if name in self._file.columns else self._columns.get(name, "")
            if not column:
                raise InputError(
                    f"{self._file.path} has no column {name}, whose values choose the rows (where); its "
                    f"columns are {', '.join(self._file.columns)}"
                )
            wanted[column] = (values,) if isinstance(values, str) else tuple(values)
        return wanted

    def so_far(self, batch: Batch) -> Batch:
        """The rows that count as far as it is known before :meth:`find_test`.

        Those of the additive test, or all where there are none; of the chosen phenotype.
        """
        counting = self._is_additive(batch)
        batch = batch.filter(counting) if counting.any() else batch
        for column, wanted in self._wanted.items():
            counting = _has_one_of(batch, column, wanted)
            batch = batch.filter(counting) if counting.any() else batch
        return batch

    def _is_additive(self, batch: Batch) -> Flags:
        """Which rows are of the additive test; all where the table has no column of tests."""
        column = self._columns.get("test", "")
        if not column:
            return np.ones(len(batch), dtype=bool)
        additive = [name for name in _distinct(batch, column) if name.upper() == ADDITIVE]
        return _has_one_of(batch, column, additive)

    def find_test(self, first: Sequence[Batch]) -> None:
        """Find whether only rows of the additive test count: where there is one, or else only one test.

        Parameters
        ----------
        first : sequence of Batch
            The first rows; the others are read where these do not have the additive test.

        Raises
        ------
        InputError
            When there are several tests, and none of them is the additive one.
        """
        column = self._columns.get("test", "")
        if column:
            additive = any(self._is_additive(batch).any() for batch in first)
            self._only_additive = additive or self._has_additive_among_several(column)

    def _has_additive_among_several(self, column: str) -> bool:
        tests: dict[str, None] = {}
        for batch in self._file.batches((column,)):
            tests |= dict.fromkeys(_distinct(batch, column))
            if ADDITIVE in map(str.upper, tests):
                return True
        if len(tests) > 1:
            raise InputError(
                f"{self._file.path} has rows of several tests: {column} is one of {listed(sorted(tests))}, "
                f"and never {ADDITIVE}, so the rows of the variants themselves cannot be selected; keep the "
                "rows of one test, or rename the column if it means something else"
            )
        return False

    def counting(self, batch: Batch) -> Batch:
        """The rows of the test and the phenotype, after :meth:`find_test`; nothing is counted."""
        if self._only_additive:
            batch = batch.filter(self._is_additive(batch))
        for column, wanted in self._wanted.items():
            batch = batch.filter(_has_one_of(batch, column, wanted))
        return batch

    def choose(self, batch: Batch) -> tuple[Batch, list[tuple[str, Batch]]]:
        """The rows of the test and the phenotype, and others of variants by reason; the rest is counted.

        Parameters
        ----------
        batch : Batch
            All rows, after :meth:`find_test`.
        """
        others = []
        if self._only_additive:
            column = self._columns["test"]
            counting = self._is_additive(batch)
            _count(batch, column, ~counting, self._counts.other_tests)
            if not counting.all():
                strange = batch.filter(~counting)
                names = [name for name in _distinct(strange, column) if TESTS_OF_THE_VARIANT.fullmatch(name)]
                others.append((OF_ANOTHER_TEST, strange.filter(_has_one_of(strange, column, names))))
                batch = batch.filter(counting)
        column = self._columns.get("phenotype", "")
        if column and column not in self._wanted and len(self._phenotypes) <= SHOWN:
            self._phenotypes |= dict.fromkeys(_distinct(batch, column))
        if not self._wanted:
            return batch, others
        chosen = np.ones(len(batch), dtype=bool)
        for name, wanted in self._wanted.items():
            fitting = _has_one_of(batch, name, wanted)
            _count(batch, name, chosen & ~fitting, self._counts.other_phenotypes)
            chosen &= fitting
        return batch.filter(chosen), [*others, (OF_ANOTHER_PHENOTYPE, batch.filter(~chosen))]

    def finish(self, notes_phenotypes: bool) -> None:
        """Judge the choice when all rows were read.

        Parameters
        ----------
        notes_phenotypes : bool
            Whether a note says that rows of several phenotypes are used.

        Raises
        ------
        InputError
            When there is no column of phenotypes to choose from, or no row is chosen.
        """
        path, counts = self._file.path, self._counts
        if self._phenotype and not self._has_phenotypes:
            raise InputError(
                f"{path} has no column of phenotypes, of which {self._phenotype} could be "
                "chosen; leave --phenotype out, or name the column (columns: {phenotype: ...})"
            )
        if counts.other_phenotypes and not counts.of_the_test:
            raise InputError(
                f"{path} has no rows in which "
                f"{' and '.join(f'{name} is {_either(values)}' for name, values in self._wanted.items())}: "
                f"there is {listed(counts.other_phenotypes)}"
            )
        if len(self._phenotypes) > 1 and notes_phenotypes:
            counts.note(
                f"{path} has rows of several phenotypes ({self._columns['phenotype']} is one of "
                f"{listed(self._phenotypes)}), and all are used; choose one with phenotype (--phenotype)"
            )


def _stripped(batch: Batch, column: str) -> pa.StringArray:
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(batch.text(column))


def _count(batch: Batch, column: str, chosen: Flags, counts: collections.Counter[str]) -> None:
    """Count the texts of a column in the rows that are chosen."""
    import pyarrow.compute as pc

    if chosen.any():
        for each in pc.value_counts(_stripped(batch.filter(chosen), column)).to_pylist():
            counts[each["values"]] += each["counts"]


def _has_one_of(batch: Batch, column: str, wanted: Sequence[str]) -> Flags:
    """Where a column has one of some texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pa.array(wanted, pa.string())
    return np.array(pc.is_in(_stripped(batch, column), value_set=values).to_numpy(zero_copy_only=False))


def _either(values: Sequence[str]) -> str:
    return " or ".join(values)


def _distinct(batch: Batch, column: str) -> list[str]:
    import pyarrow.compute as pc

    return [str(name) for name in pc.unique(_stripped(batch, column)).to_pylist()]
