"""Rows of a GWAS: the one reader of summary statistics, and the form in which associations are handed on.

Training data, ``mifm compare``, ``mifm check-table``: whoever reads a table of a GWAS does it here::

    table = AssociationTable("gwas.tsv.gz")
    counts = RowCounts()
    for rows in table.batches(counts=counts):
        usable = rows.reason == ""
        rows.chrom[usable], rows.pos[usable], rows.log_p[usable]
    print(counts.in_words())

Rules that hold for all:

- What a column is, :func:`mifm_kipoi.genomics.columns.find_layout` decides. Of alternatives (``beta``, an
  odds or a hazard ratio; p, -log10 p, ln p) each row has the first that it has a value of.
- Of several tests of a variant (PLINK 2's and REGENIE's column TEST) only the additive one counts. Of several
  phenotypes one can be chosen; otherwise all rows count, and a warning says so.
- A row with an impossible or missing number, place or allele is refused with a reason, never dropped: it
  keeps its place, alleles and p-value as far as these can be read.
- Rows are ordered by the logarithm of p, then by |z| (:func:`order`). A p-value that is too small for a
  number, as 0 or as an infinite -log10 p, has the logarithm that its text or z gives it, else minus infinity.
- Before rows are handed on, some of them are examined: numbers that contradict each other
  (:mod:`mifm_kipoi.genetics.plausibility`), and in the end more refused rows than others, are an error.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.plausibility import (
    SAMPLE,
    SAMPLE_OF_BLOCK,
    Sample,
    contradictions,
    error_is_of_ratio,
    out_of_range_p_values,
)
from mifm_kipoi.genetics.positions import Positions
from mifm_kipoi.genetics.row_counts import SHOWN, RefusedRows, RowCounts, lines_of, listed
from mifm_kipoi.genetics.row_numbers import ERRORS, FREQUENCIES, FREQUENCY_ROUNDING, RATIOS, RowNumbers
from mifm_kipoi.genetics.row_variants import VariantReader, texts_of
from mifm_kipoi.genetics.study_traits import StudyTraits, Traits
from mifm_kipoi.genomics.columns import EFFECTS, P_VALUES, Layout, find_layout
from mifm_kipoi.genomics.contigs import ContigNames
from mifm_kipoi.genomics.gwas_vcf import gwas_table
from mifm_kipoi.genomics.liftover import LiftOver
from mifm_kipoi.genomics.tables import Batch, OnProgress, TableFile
from mifm_kipoi.statistics.bayes_factors import (
    Trait,
    log_bayes_factor,
    prior_variances,
    sampling_variance,
)
from mifm_kipoi.statistics.normal import z_of_log_p

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

ASSOCIATION_COLUMNS = {
    "chrom": "str",
    "pos": "int64",
    "effect_allele": "str",
    "other_allele": "str",
    "id": "str",
    "p_value": "float64",
    "log_p": "float64",
    "z": "float32",
    "pip": "float32",
    "log_bf": "float32",
    "block": "str",
    "signal": "str",
    "study": "str",
}
"""One row per variant, study, block and signal: names and pandas types of the columns. ``pos`` is 1-based;
alleles are in upper case; ``log_p`` is the natural logarithm of the p-value, by which rows are ordered, also
where ``p_value`` is too small for a number and 0; ``z`` is that of the effect allele; ``pip`` is a posterior
inclusion probability; ``log_bf`` the natural logarithm of Wakefield's approximate Bayes factor; ``block`` the
LD block or locus; ``signal`` primary, secondary or all. An unknown ``id`` is ``.``, an unknown number NaN."""

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

FAILED_PIP = -1.0
"""The PIP that CAUSALdb2 writes where a tool failed."""

PIP_ROUNDING = 1e-3
"""By so much a PIP may be above 1, to which it is cut."""

MAX_REFUSED_FRACTION = 0.5
"""More refused rows mean that the columns are not what their names say."""

_ENOUGH_LOW_P_VALUES = 20
_READ_AHEAD = 8
"""Blocks that are held, at most, until enough rows were examined to begin."""


Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class AssociationRows:
    """Some rows of a GWAS, in the order of the file; all arrays have shape (n,).

    Parameters
    ----------
    lines : numpy.ndarray of int64
        Line of the text file, or row of the Parquet file, from 1.
    chrom : numpy.ndarray of object
        Contigs as :func:`mifm_kipoi.genomics.contigs.contig_key` names them; empty where unknown.
    pos : numpy.ndarray of int64
        1-based; 0 where unknown.
    effect_allele, other_allele : numpy.ndarray of object
        In upper case, empty where unknown; not of bases alone in some refused rows.
    ref : numpy.ndarray of object
        Which of them the table says is the reference allele; empty where it does not.
    id : numpy.ndarray of object
        ``.`` where unknown.
    beta, standard_error, z : numpy.ndarray of float64
        Of the effect allele; the logarithm of a ratio and its error where the table has a ratio. z is beta
        over its error, else the table's z, else what p and the sign of beta give.
    log_p, neg_log_10_p, p_value : numpy.ndarray of float64
        The natural logarithm of p, minus infinity where all that is known is that p is too small for a
        number; -log10 p, as written where it is; p as written, 0 where it is.
    log_bf : numpy.ndarray of float64
        Natural logarithm of Wakefield's Bayes factor. The variance is that of the standard error, else of
        beta over z, else :func:`mifm_kipoi.statistics.bayes_factors.sampling_variance`.
    prior_variance : numpy.ndarray of float64
        The variance of effects that it assumes, in squared units of beta, never NaN
        (:func:`mifm_kipoi.statistics.bayes_factors.prior_variances`).
    trait : numpy.ndarray of int8
        :class:`mifm_kipoi.statistics.bayes_factors.Trait` of the row.
    frequency, sample_size, pip : numpy.ndarray of float64
        Frequency of the effect allele (or of the minor allele); NaN where unknown, as all numbers.
    reason : numpy.ndarray of object
        Why the row is refused; empty where it is not.
    batch : Batch
        The rows as the table has them, for further columns.
    """

    lines: Integers
    chrom: Texts
    pos: Integers
    effect_allele: Texts
    other_allele: Texts
    ref: Texts
    id: Texts
    beta: Values
    standard_error: Values
    z: Values
    log_p: Values
    neg_log_10_p: Values
    p_value: Values
    log_bf: Values
    prior_variance: Values
    trait: npt.NDArray[np.int8]
    frequency: Values
    sample_size: Values
    pip: Values
    reason: Texts
    batch: Batch

    def __len__(self) -> int:
        return len(self.lines)


def order(rows: AssociationRows) -> npt.NDArray[np.intp]:
    """The order of associations: by rising log p, then by falling |z|; rows without p come last.

    Parameters
    ----------
    rows : AssociationRows
        Of any table.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Indices; equal rows stay in their order.
    """
    return order_of(rows.log_p, rows.z)


def order_of(log_p: npt.ArrayLike, z: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """As :func:`order`, of log p and z, both of shape (n,)."""
    size = np.abs(np.asarray(z, dtype=np.float64))
    return np.lexsort((-np.where(np.isnan(size), -np.inf, size), np.asarray(log_p, dtype=np.float64)))


def read_pips(values: Values) -> tuple[Values, Flags]:
    """Posterior inclusion probabilities as tables write them.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        Numbers of a column; :data:`FAILED_PIP` is one that is not known.

    Returns
    -------
    pips : numpy.ndarray of float64, shape (n,)
        NaN where unknown or impossible; at most 1.
    impossible : numpy.ndarray of bool, shape (n,)
        Below 0, or above 1 by more than :data:`PIP_ROUNDING`.
    """
    with np.errstate(invalid="ignore"):
        known = np.where(values == FAILED_PIP, np.nan, values)
        impossible = (known < 0) | (known > 1 + PIP_ROUNDING)
    return np.where(impossible, np.nan, np.minimum(known, 1)), impossible


@dataclasses.dataclass(frozen=True)
class AssociationTable:
    """A table of a GWAS, and how it is read.

    Parameters
    ----------
    path : str
        Text (plain, gzip or bgzip), Parquet or GWAS-VCF.
    format : str
        One of the presets of :mod:`mifm_kipoi.genomics.columns`, or ``auto``.
    columns : mapping of str to str
        From fields to columns of the table; overrides what the format or the aliases say.
    phenotype : str
        Of several phenotypes in one table, the one whose rows count; empty for all.
    where : mapping of str to str or sequence of str
        From columns (or fields, such as ``phenotype``) to the value, or values, of the rows that count.
    population : str
        Of several populations with columns of their own, the one that is read.
    variant : str
        Pattern of the text in the column ``variant``, with fields in braces.
    positions : str
        PLINK's .bim, VCF or BCF (:class:`mifm_kipoi.genetics.positions.Positions`), from which a table whose
        layout lacks positions or alleles has them, by the names of its variants.
    lift_over : str
        A chain file (:class:`mifm_kipoi.genomics.liftover.LiftOver`) that takes places and alleles to another
        genome build; empty where they stay. Whether an allele is the reference there is left to the caller.
    sample_size : float, optional
        Of all rows of a table without a column for it.
    allow_implausible : bool
        Warn, and go on, where the numbers cannot be what the columns say.
    directed : bool
        Whether it must be known which allele has the effect. Where it need not, as for p-values and Bayes
        factors, either of a pair of which this is not known can be ``effect_allele``.
    trait : str
        ``quantitative`` or ``case_control``, of all rows that ``studies`` does not know; empty where it is
        not known. It decides which effects Bayes factors expect.
    case_fraction : float, optional
        Cases over individuals, of a case-control trait.
    prior_variance : float, optional
        The variance of effects that all Bayes factors assume, in squared units of beta, whatever the trait.
    studies : StudyTraits, optional
        Traits and sample sizes of the studies of the rows.

    Raises
    ------
    ValueError
        When trait, fraction or variance cannot be.
    """

    path: str
    format: str = "auto"
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    phenotype: str = ""
    where: Mapping[str, str | Sequence[str]] = dataclasses.field(default_factory=dict)
    population: str = ""
    variant: str = ""
    positions: str = ""
    lift_over: str = ""
    sample_size: float | None = None
    allow_implausible: bool = False
    directed: bool = True
    trait: str = ""
    case_fraction: float | None = None
    prior_variance: float | None = None
    studies: StudyTraits | None = None

    def __post_init__(self) -> None:
        Trait.of(self.trait)
        if self.case_fraction is not None and not 0 < self.case_fraction < 1:
            raise ValueError(f"case_fraction is {self.case_fraction}; expected more than 0 and less than 1")
        if self.prior_variance is not None and not 0 < self.prior_variance < math.inf:
            raise ValueError(f"prior_variance is {self.prior_variance}; expected a number above 0")

    @functools.cached_property
    def file(self) -> TableFile:
        """The table and its header.

        Raises
        ------
        InputError
            When it cannot be read.
        """
        return gwas_table(self.path, self.phenotype)

    @functools.cached_property
    def layout(self) -> Layout:
        """What its columns are.

        Raises
        ------
        InputError
            When the table cannot be read, or columns are missing or ambiguous.
        """
        needs = ("chrom", "pos", *(("effect_allele", "other_allele") if self.directed else ()))
        return find_layout(
            self.file,
            self.format,
            self.columns,
            self.population,
            needs,
            phenotype=self.phenotype,
            variant=self.variant,
        )

    @property
    def names_reference(self) -> bool:
        """Whether the table says which allele is the reference allele; in another build that may change."""
        if self.lift_over:
            return False
        return self.layout.ordered or "ref" in self.layout.columns

    def has(self, *fields: str) -> bool:
        """Whether the table has columns for all of these fields."""
        return all(field in self.layout.columns for field in fields)

    @property
    def has_p_values(self) -> bool:
        """Whether it has p-values, or z-scores from which they follow."""
        return any(map(self.has, P_VALUES)) or self.has_z

    @property
    def has_effects(self) -> bool:
        """Whether it has effects: beta, or an odds or hazard ratio."""
        return any(map(self.has, EFFECTS))

    @property
    def has_errors(self) -> bool:
        """Whether it has standard errors, of effects or of ratios."""
        return any(map(self.has, ERRORS))

    @property
    def has_z(self) -> bool:
        """Whether it has z-scores, or effects with their standard errors."""
        return self.has("z") or (self.has_effects and self.has_errors)

    @property
    def has_bayes_factors(self) -> bool:
        """Whether z and its variance follow from the columns, so that there can be Bayes factors."""
        has_p = any(map(self.has, P_VALUES))
        if self.has_effects and (self.has_z or has_p):
            return True
        sized = self.has("sample_size") or self.sample_size is not None
        return self.has("z") and (self.has("standard_error") or (any(map(self.has, FREQUENCIES)) and sized))

    def batches(
        self,
        fields: Sequence[str] | None = None,
        max_p_value: float | None = None,
        counts: RowCounts | None = None,
        on_progress: OnProgress | None = None,
        block_bytes: int | None = None,
        extra: Sequence[str] = (),
        may_lack_p_value: bool = False,
        others: bool = False,
        all_phenotypes: bool = False,
    ) -> Iterator[AssociationRows]:
        """The rows, in order, those of one block of the file at a time.

        Parameters
        ----------
        fields : sequence of str, optional
            The numbers that are used, and for which a row can be refused, of ``p_value``, ``z`` (effect,
            standard error and z) and ``pip``; by default all that the table has. Missing effects, errors, z
            and PIPs are no reason; a missing p-value is one. Without ``p_value``, nothing follows from it.
        max_p_value : float, optional
            Rows with known, higher p-values are only counted, and not read any further. A row that has a
            p-value which cannot be read, or one that is not above it, is none of these.
        counts : RowCounts, optional
            Receives what became of the rows.
        on_progress : callable, optional
            See :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.
        block_bytes : int, optional
            Size of a block in bytes of text; by default that of the reader.
        extra : sequence of str
            Further columns of the table that :attr:`AssociationRows.batch` has.
        may_lack_p_value : bool
            Whether a missing p-value is no reason to refuse a row, as in credible sets.
        others : bool
            Whether rows of other tests of the variant and of other phenotypes than the chosen one are handed
            on as well, behind those of their block, all with the reason :data:`OF_ANOTHER_TEST` or
            :data:`OF_ANOTHER_PHENOTYPE`. With ``max_p_value`` these are also the rows that the p-value of
            another phenotype, or population, in a column beside the chosen one associates.
        all_phenotypes : bool
            Whether the caller keeps several phenotypes apart, so that no warning is needed.

        Raises
        ------
        InputError
            When the table cannot be read, its numbers contradict each other, or more than half of the rows
            are refused; the message has the counts by reason.
        """
        counts = RowCounts() if counts is None else counts
        reader = _Reader(self, fields, max_p_value, counts, may_lack_p_value, others)
        reader.warns_of_phenotypes = not all_phenotypes
        names = dict.fromkeys((*self.layout.columns.values(), *reader.chosen_by, *reader.beside, *extra))
        if self.studies is not None:
            names |= dict.fromkeys(self.studies.columns)
        yield from reader.rows(self.file.batches(list(names), block_bytes, on_progress))


class _Reader:
    """Reads a table once: blocks in, rows out."""

    def __init__(
        self,
        table: AssociationTable,
        fields: Sequence[str] | None,
        max_p_value: float | None,
        counts: RowCounts,
        may_lack_p_value: bool,
        others: bool,
    ) -> None:
        self._may_lack_p_value, self._with_others = may_lack_p_value, others
        self._table, self._layout, self._counts = table, table.layout, counts
        self._columns = table.layout.columns
        self._wanted = self._find_wanted()
        self._fields = frozenset(("p_value", "z", "pip") if fields is None else fields)
        self._max_log_p = None if max_p_value is None else math.log(max_p_value) + 1e-12
        self._p_field = next((field for field in P_VALUES if field in self._columns), "")
        self._has_p = bool(self._p_field)
        self._error_of_ratio = self._layout.error_of_ratio
        self._sample: Sample | None = None
        self._judged = 0
        self._only_additive = False
        self._phenotypes: dict[str, None] = {}
        self.warns_of_phenotypes = True
        ending = f".{table.phenotype}".lower()
        beside = any(name.lower().endswith(ending) for name in self._columns.values())
        study = self._layout.format == "gwas-vcf"
        counts.contigs = ContigNames(table.path, self._layout.numbers, lifted=bool(table.lift_over))
        self._has_phenotypes = "phenotype" in self._columns or beside or study
        lift_over = LiftOver(table.lift_over) if table.lift_over else None
        self._variants = VariantReader(self._layout, counts.contigs, self._find_positions(), lift_over)
        self._p_above, self._p_below, self._p_known = 0, 0, 0

    @property
    def chosen_by(self) -> tuple[str, ...]:
        """Columns by whose values rows are chosen."""
        return tuple(self._wanted)

    @property
    def beside(self) -> tuple[str, ...]:
        """Columns of p-values of other phenotypes, where they are of use."""
        wanted = self._with_others and self._max_log_p is not None
        return tuple(column for _, column in self._layout.beside) if wanted else ()

    def rows(self, batches: Iterator[Batch]) -> Iterator[AssociationRows]:
        """The rows of all batches; some are held until enough rows were examined."""
        held: list[Batch] = []
        begun = False
        for batch in batches:
            if begun:
                yield from self._read(batch)
                continue
            held.append(batch)
            self._examine(self._of_the_test_so_far(batch))
            if len(held) < _READ_AHEAD and not self._is_full():
                continue
            begun = True
            yield from self._begin(held)
            held = []
        if not begun:
            yield from self._begin(held)
        self._finish()

    def _begin(self, held: Sequence[Batch]) -> Iterator[AssociationRows]:
        self._only_additive = self._find_test(held)
        self._judge()
        for batch in held:
            yield from self._read(batch, examine=False)

    def _find_positions(self) -> Positions | None:
        """The file of positions, where the table needs one."""
        table, missing = self._table, self._layout.missing
        if not missing:
            return None
        if not table.positions:
            raise InputError(
                f"{table.path} has no {' and no '.join(missing)}: they can be had by the names of the "
                f"variants ({self._columns.get('id', 'id')}) from PLINK's .bim or a VCF, with positions "
                "(--positions)"
            )
        column = self._columns["id"]
        names = (batch.optional_text(column) for batch in table.file.batches((column,)))
        return Positions.of(table.positions, names)

    # Rows of one test and one phenotype

    def _of_the_test_so_far(self, batch: Batch) -> Batch:
        """The rows of the additive test, or all where there are none; of the chosen phenotype."""
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

    def _find_test(self, held: Sequence[Batch]) -> bool:
        """Whether only rows of the additive test count: where there is one, or else only one test.

        Raises
        ------
        InputError
            When there are several tests, and none of them is the additive one.
        """
        column = self._columns.get("test", "")
        if not column:
            return False
        if any(self._is_additive(batch).any() for batch in held):
            return True
        tests: dict[str, None] = {}
        for batch in self._table.file.batches((column,)):
            tests |= dict.fromkeys(_distinct(batch, column))
            if ADDITIVE in map(str.upper, tests):
                return True
        if len(tests) > 1:
            raise InputError(
                f"{self._table.path} has rows of several tests: {column} is one of {listed(sorted(tests))}, "
                f"and never {ADDITIVE}, so the rows of the variants themselves cannot be selected; keep the "
                "rows of one test, or rename the column if it means something else"
            )
        return False

    def _chosen(self, batch: Batch) -> tuple[Batch, list[tuple[str, Batch]]]:
        """The rows of the test and the phenotype, and others of variants by reason; the rest is counted."""
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

    def _find_wanted(self) -> dict[str, tuple[str, ...]]:
        """The values, by column, of the rows that count.

        Raises
        ------
        InputError
            When the table has no such column.
        """
        wanted: dict[str, tuple[str, ...]] = {}
        if self._table.phenotype and "phenotype" in self._columns:
            wanted[self._columns["phenotype"]] = (self._table.phenotype,)
        for name, values in self._table.where.items():
            column = name if name in self._table.file.columns else self._columns.get(name, "")
            if not column:
                raise InputError(
                    f"{self._table.path} has no column {name}, whose values choose the rows (where); its "
                    f"columns are {', '.join(self._table.file.columns)}"
                )
            wanted[column] = (values,) if isinstance(values, str) else tuple(values)
        return wanted

    # Plausibility

    def _is_full(self) -> bool:
        return self._sample is not None and len(self._sample) >= SAMPLE

    def _examine(self, batch: Batch) -> None:
        """Take some rows into the sample, evenly over the batch."""
        if self._is_full() or not len(batch):
            return
        kept = np.zeros(len(batch), dtype=bool)
        evenly = np.linspace(0, len(batch) - 1, min(len(batch), SAMPLE_OF_BLOCK))
        kept[evenly.astype(np.int64)] = True
        some = batch.filter(kept)
        numbers = RowNumbers(some, self._columns)
        sample = Sample(
            lines_of(some),
            numbers.written_log_p[0],
            numbers.of("beta"),
            numbers.first_of(RATIOS),
            numbers.first_of(ERRORS),
            numbers.of("z"),
            numbers.first_of(FREQUENCIES),
        )
        self._sample = sample if self._sample is None else self._sample.plus(sample)

    def _judge(self) -> None:
        """Find the kind of standard error, and end where the numbers contradict each other."""
        if self._sample is None:
            return
        self._judged = len(self._sample)
        if any(field in self._columns for field in RATIOS) and any(
            field in self._columns for field in ERRORS
        ):
            of_ratio = error_is_of_ratio(self._sample)
            if of_ratio is not None and of_ratio != self._error_of_ratio:
                self._error_of_ratio = of_ratio
                what = "the ratio itself, not of its logarithm" if of_ratio else "the logarithm of the ratio"
                self._counts.note(
                    f"{self._table.path}: {self._name_of(ERRORS)} is taken for the standard error "
                    f"of {what}: this explains the p-values, the other does not"
                )
        names = {
            "p": self._name_of(P_VALUES), "effect": self._name_of(EFFECTS), "ratio": self._name_of(RATIOS),
            "error": self._name_of(ERRORS), "z": self._name_of(("z",)),
            "frequency": self._name_of(FREQUENCIES),
        }  # fmt: skip
        # P-values alone need no effects; of logarithms these tell which ones they are.
        matters = "z" in self._fields or self._p_field != "p_value"
        for what in contradictions(self._sample, names, self._error_of_ratio):
            if matters:
                self._implausible(what)
            else:
                self._counts.note(f"{self._table.path}: {what}")

    def _name_of(self, fields: Sequence[str]) -> str:
        """The column of the first of some fields that the table has."""
        return next((self._columns[field] for field in fields if field in self._columns), "")

    def _implausible(self, what: str) -> None:
        """Raise an error, or warn where the user insists."""
        if self._table.allow_implausible:
            if what not in self._counts.contradictions:
                self._counts.contradictions.append(what)
            self._counts.note(f"{self._table.path}: {what}")
            return
        raise InputError(
            f"{self._table.path}: {what}. Name the columns, or mend the table; if it is right as it is, "
            "insist with --allow-implausible (allow_implausible: true)"
        )

    def _finish(self) -> None:
        """Judge what is known only when all rows were read."""
        counts = self._counts
        if self._sample is not None and len(self._sample) > self._judged:
            self._judge()
        if self._table.phenotype and not self._has_phenotypes:
            raise InputError(
                f"{self._table.path} has no column of phenotypes, of which {self._table.phenotype} could be "
                "chosen; leave --phenotype out, or name the column (columns: {phenotype: ...})"
            )
        if counts.other_phenotypes and not counts.of_the_test:
            raise InputError(
                f"{self._table.path} has no rows in which "
                f"{' and '.join(f'{name} is {_either(values)}' for name, values in self._wanted.items())}: "
                f"there is {listed(counts.other_phenotypes)}"
            )
        if len(self._phenotypes) > 1 and self.warns_of_phenotypes:
            self._counts.note(
                f"{self._table.path} has rows of several phenotypes ({self._columns['phenotype']} is one of "
                f"{listed(self._phenotypes)}), and all are used; choose one with phenotype (--phenotype)"
            )
        refused = counts.refused.total()
        hint = out_of_range_p_values(self._p_field, self._p_above, self._p_below, self._p_known)
        if hint:
            self._implausible(
                f"{self._p_above + self._p_below:,} of {self._p_known:,} values of "
                f"{self._columns[self._p_field]} {hint}. {counts.in_words()}"
            )
        elif refused > MAX_REFUSED_FRACTION * counts.of_the_test:
            self._implausible(
                f"{refused:,} of {counts.of_the_test:,} rows cannot be used: {counts.reasons_in_words()}"
            )
        elif self._max_log_p is not None:
            self._judge_low_p_values()

    def _judge_low_p_values(self) -> None:
        """End where most of the rows with low p-values are refused, which are few of all."""
        counts = self._counts
        refused = sum(number for reason, number in counts.refused.items() if "p-value" not in reason)
        examined = counts.kept + refused
        if examined >= _ENOUGH_LOW_P_VALUES and refused > MAX_REFUSED_FRACTION * examined:
            self._implausible(
                f"{refused:,} of the {examined:,} rows with low p-values cannot be used: "
                f"{counts.reasons_in_words()}"
            )

    # Rows

    def _read(self, batch: Batch, examine: bool = True) -> Iterator[AssociationRows]:
        """The rows of a batch, then those of other tests and phenotypes where these are wanted."""
        counts = self._counts
        counts.read += len(batch)
        batch, others = self._chosen(batch)
        if examine:
            self._examine(batch)
        numbers = self._numbers(batch)
        if self._has_p:
            written = numbers.of(self._p_field)
            lowest, highest = {
                "p_value": (0, 1 + 1e-6), "neg_log_10_p_value": (-1e-6, np.inf)
            }.get(self._p_field, (-np.inf, 1e-6))  # fmt: skip
            self._p_above += int((written > highest).sum())
            self._p_below += int((written < lowest).sum())
            self._p_known += int((~np.isnan(written)).sum())
        if self._with_others:
            others = [(reason, self._associated(each, self._numbers(each))[0]) for reason, each in others]
        if self.beside:
            others.append((OF_ANOTHER_PHENOTYPE, self._associated_beside(batch, numbers)))
        batch, numbers, above = self._associated(batch, numbers)
        counts.above += above
        rows = self._associations(batch, numbers, counts)
        kept = rows.reason == ""
        counts.kept += int(kept.sum())
        if "z" in self._fields:
            counts.without_log_bf += int(np.isnan(rows.log_bf[kept]).sum())
        counts.too_small += int((rows.p_value[kept] == 0).sum())
        yield rows
        for reason, other in others if self._with_others else ():
            if len(other):
                strange = self._associations(other, self._numbers(other), RowCounts())
                strange.reason[:] = reason
                yield strange

    def _associated(self, batch: Batch, numbers: RowNumbers) -> tuple[Batch, RowNumbers, int]:
        """The rows whose p-values are not known to be above the limit, and the number of the others."""
        if self._max_log_p is None:
            return batch, numbers, 0
        low = ~numbers.is_above(self._max_log_p)
        if low.all():
            return batch, numbers, 0
        batch = batch.filter(low)
        return batch, self._numbers(batch), int((~low).sum())

    def _associated_beside(self, batch: Batch, numbers: RowNumbers) -> Batch:
        """The rows above the limit in which another phenotype beside this one is not; it may be missing."""
        assert self._max_log_p is not None
        batch = batch.filter(numbers.is_above(self._max_log_p))
        low = np.zeros(len(batch), dtype=bool)
        for field, column in self._layout.beside:
            other = RowNumbers(batch, {field: column})
            missing = np.isnan(other.of(field)) & ~other.unreadable(field)
            low |= ~missing & ~other.is_above(self._max_log_p)
        return batch.filter(low)

    def _numbers(self, batch: Batch) -> RowNumbers:
        return RowNumbers(batch, self._columns, self._error_of_ratio)

    def _associations(self, batch: Batch, numbers: RowNumbers, counts: RowCounts) -> AssociationRows:
        refused = RefusedRows(batch, self._columns, counts)
        if "p_value" in self._fields and self._has_p:
            self._refuse_p_values(numbers, refused)
        chrom, pos, effect_allele, other_allele, ref = self._variants.read(batch, numbers, refused)
        pip, impossible_pip = read_pips(numbers.of("pip"))
        if "z" in self._fields:
            self._refuse_effects(numbers, refused)
        if "p_value" in self._fields and not self._has_p and self._table.has_z:
            self._refuse_missing_p_values(numbers, refused)
        if "pip" in self._fields:
            refused.unless_numbers(numbers, "pip")
            refused.where(impossible_pip, "PIP out of range", "pip")
        traits = self._traits(batch, numbers)
        z, variance = self._z_and_variance(numbers, traits)
        prior_variance = self._prior_variance(numbers, traits, variance)
        return AssociationRows(
            lines=lines_of(batch),
            chrom=chrom,
            pos=pos,
            effect_allele=effect_allele,
            other_allele=other_allele,
            ref=ref,
            id=texts_of(batch, self._columns.get("id", ""), "."),
            beta=numbers.beta,
            standard_error=numbers.error,
            z=z,
            log_p=numbers.log_p,
            neg_log_10_p=numbers.neg_log_10_p,
            p_value=numbers.p_value,
            log_bf=log_bayes_factor(z, variance, prior_variance),
            prior_variance=prior_variance,
            trait=traits.kind,
            frequency=numbers.frequency,
            sample_size=traits.sample_size,
            pip=pip,
            reason=refused.reason,
            batch=batch,
        )

    def _refuse_p_values(self, numbers: RowNumbers, refused: RefusedRows) -> None:
        for field in P_VALUES:
            refused.unless_numbers(numbers, field)
        refused.where(numbers.p_is_impossible, "p-value out of range", self._p_field)
        self._refuse_missing_p_values(numbers, refused)

    def _refuse_missing_p_values(self, numbers: RowNumbers, refused: RefusedRows) -> None:
        if not self._may_lack_p_value:
            shown = next(one for one in (self._p_field, "z", *EFFECTS) if one in self._columns)
            refused.where(np.isnan(numbers.log_p), "p-value missing", shown)

    def _refuse_effects(self, numbers: RowNumbers, refused: RefusedRows) -> None:
        for field in (*EFFECTS, *ERRORS, "z", *FREQUENCIES, "sample_size"):
            refused.unless_numbers(numbers, field)
        for field in EFFECTS:
            refused.where(numbers.effect_is_impossible(field), "effect out of range", field)
        for field in ERRORS:
            error = numbers.of(field)
            bad = ~np.isnan(error) & ~((error > 0) & np.isfinite(error))
            refused.where(bad, "standard error out of range", field)
        for field in FREQUENCIES:
            frequency = numbers.of(field)
            bad = (frequency < 0) | (frequency > 1 + FREQUENCY_ROUNDING)
            refused.where(bad, "frequency out of range", field)
        size = numbers.of("sample_size")
        refused.where((size < 0) | np.isinf(size), "sample size out of range", "sample_size")

    def _traits(self, batch: Batch, numbers: RowNumbers) -> Traits:
        """Each row's trait and sample size: as the table says, else as of its study, else of all."""
        table = self._table
        of_all = Traits.alike(
            len(batch), Trait.of(table.trait), table.sample_size or np.nan, table.case_fraction or np.nan
        )
        traits = of_all if table.studies is None else table.studies.of(batch).or_else(of_all)
        size = numbers.of("sample_size")
        return dataclasses.replace(traits, sample_size=np.where(np.isnan(size), traits.sample_size, size))

    def _prior_variance(self, numbers: RowNumbers, traits: Traits, variance: Values) -> Values:
        if self._table.prior_variance is not None:
            return np.full(len(variance), self._table.prior_variance)
        return prior_variances(
            traits.kind, variance, traits.sample_size, numbers.frequency, traits.case_fraction
        )

    def _z_and_variance(self, numbers: RowNumbers, traits: Traits) -> tuple[Values, Values]:
        z = numbers.z
        missing = np.isnan(z) & np.isfinite(numbers.log_p) & ("p_value" in self._fields)
        if missing.any():
            size = np.full(len(z), np.nan)
            size[missing] = z_of_log_p(numbers.log_p[missing])
            z = np.where(missing, np.sign(numbers.beta) * size, z)
        with np.errstate(divide="ignore", invalid="ignore"):
            from_z = (numbers.beta / z) ** 2
            variance = numbers.error**2
        standardised = sampling_variance(
            traits.kind, traits.sample_size, numbers.frequency, traits.case_fraction
        )
        variance = np.where(np.isnan(variance), from_z, variance)
        variance = np.where(np.isnan(variance), standardised, variance)
        usable = (variance > 0) & np.isfinite(variance)
        return z, np.where(usable, variance, np.nan)


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
