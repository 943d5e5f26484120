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
- Which rows count, of several tests of a variant and of several phenotypes, decides
  :mod:`mifm_kipoi.genetics.row_choice`.
- A row with an impossible or missing number, place or allele is refused with a reason, never dropped: it
  keeps its place, alleles and p-value as far as these can be read.
- Rows are ordered by the logarithm of p, then by |z| (:func:`order`). A p-value that is too small for a
  number, as 0 or as an infinite -log10 p, has the logarithm that its text or z gives it, else minus infinity.
- Before rows are handed on, some of them are examined: numbers that contradict each other
  (:mod:`mifm_kipoi.genetics.plausibility`), and in the end more refused rows than others, are an error.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.plausibility import Examination
from mifm_kipoi.genetics.positions import Positions
from mifm_kipoi.genetics.row_bayes_factors import RowBayesFactors
from mifm_kipoi.genetics.row_choice import OF_ANOTHER_PHENOTYPE, RowChoice
from mifm_kipoi.genetics.row_counts import RefusedRows, RowCounts, lines_of
from mifm_kipoi.genetics.row_numbers import ERRORS, FREQUENCIES, FREQUENCY_ROUNDING, RowNumbers, read_pips
from mifm_kipoi.genetics.row_variants import VariantReader, texts_of
from mifm_kipoi.genetics.study_traits import StudyTraits
from mifm_kipoi.genomics.columns import EFFECTS, P_VALUES, Layout, find_layout
from mifm_kipoi.genomics.contigs import ContigNames
from mifm_kipoi.genomics.gwas_vcf import gwas_table
from mifm_kipoi.genomics.liftover import LiftOver
from mifm_kipoi.genomics.tables import Batch, OnProgress, TableFile
from mifm_kipoi.statistics.bayes_factors import Trait

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
        The variance of effects that it assumes, in squared units of beta, never NaN, and the same in all rows
        of a study (:func:`mifm_kipoi.statistics.bayes_factors.prior_variances`).
    trait : numpy.ndarray of int8
        :class:`mifm_kipoi.statistics.bayes_factors.Trait` of the study.
    trait_variance : numpy.ndarray of float64
        Its variance in squared units of beta, the median over rows of the study; NaN where none of them says
        it (:class:`mifm_kipoi.genetics.study_traits.TraitVariances`).
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
    trait_variance: Values
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
    study_columns : tuple of str
        Columns of the table that identify the study of a row together: the rows of a study have effects in
        the same units. Without them it is the column of phenotypes, of which none is chosen; without one all
        rows are of one study.
    studies : StudyTraits, optional
        Traits and sample sizes of these studies.

    Raises
    ------
    ValueError
        When trait, fraction or variance cannot be, or there are ``studies`` and no columns that name them.
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
    study_columns: tuple[str, ...] = ()
    studies: StudyTraits | None = None

    def __post_init__(self) -> None:
        Trait.of(self.trait)
        if self.case_fraction is not None and not 0 < self.case_fraction < 1:
            raise ValueError(f"case_fraction is {self.case_fraction}; expected more than 0 and less than 1")
        if self.prior_variance is not None and not 0 < self.prior_variance < math.inf:
            raise ValueError(f"prior_variance is {self.prior_variance}; expected a number above 0")
        if self.studies is not None and not self.study_columns:
            raise ValueError("studies is given and study_columns is empty; expected the columns of the study")

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
    def has_trait_variances(self) -> bool:
        """Whether rows can show the units of effects: by standard error, frequency and sample size."""
        sized = self.has("sample_size") or self.sample_size is not None or self.studies is not None
        with_p = self.has_effects and (self.has("z") or any(map(self.has, P_VALUES)))
        return sized and any(map(self.has, FREQUENCIES)) and (self.has_errors or with_p)

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
            and PIPs are no reason; a missing p-value is one. Without ``p_value``, nothing follows from it;
            without ``z`` there are no Bayes factors.
        max_p_value : float, optional
            Rows with known, higher p-values are only counted, and not read any further, but for those that
            show the units of effects. A row that has a p-value which cannot be read, or one that is not above
            it, is none of these.
        counts : RowCounts, optional
            Receives what became of the rows.
        on_progress : callable, optional
            See :meth:`mifm_kipoi.genomics.tables.TableFile.batches`. A table of several studies that is read
            for the units of their effects first has twice as many rows, and bytes, for it.
        block_bytes : int, optional
            Size of a block in bytes of text; by default that of the reader.
        extra : sequence of str
            Further columns of the table that :attr:`AssociationRows.batch` has.
        may_lack_p_value : bool
            Whether a missing p-value is no reason to refuse a row, as in credible sets.
        others : bool
            Whether rows of other tests of the variant and of other phenotypes than the chosen one are handed
            on as well, behind those of their block, all with a reason of
            :mod:`mifm_kipoi.genetics.row_choice`. With ``max_p_value`` these are also the rows that the
            p-value of another phenotype, or population, in a column beside the chosen one associates.
        all_phenotypes : bool
            Whether the caller keeps several phenotypes apart, so that no warning is needed.

        Raises
        ------
        InputError
            When the table cannot be read, its numbers contradict each other, or more than half of the rows
            are refused; the message has the counts by reason.
        """
        counts = RowCounts() if counts is None else counts
        reader = _Reader(self, fields, max_p_value, counts, may_lack_p_value, others, on_progress)
        reader.notes_phenotypes = not all_phenotypes
        names = dict.fromkeys((*self.layout.columns.values(), *reader.columns, *extra))
        yield from reader.rows(self.file.batches(list(names), block_bytes, reader.progress.of_pass(-1)))


class _Progress:
    """Progress of a table that is read several times: all rows, and the fraction of all passes."""

    def __init__(self, on_progress: OnProgress | None, passes: int) -> None:
        self._on_progress, self._read = on_progress, [(0, 0.0)] * passes

    def of_pass(self, number: int) -> OnProgress | None:
        """What one of the passes calls."""
        if (on_progress := self._on_progress) is None:
            return None

        def update(rows: int, fraction: float) -> None:
            self._read[number] = (rows, fraction)
            all_rows, fractions = zip(*self._read, strict=True)
            on_progress(sum(all_rows), sum(fractions) / len(fractions))

        return update


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
        on_progress: OnProgress | None,
    ) -> None:
        self._may_lack_p_value, self._with_others = may_lack_p_value, others
        self._table, self._layout, self._counts = table, table.layout, counts
        self._columns = table.layout.columns
        self._choice = RowChoice(table.file, self._layout, table.phenotype, table.where, counts)
        self._fields = frozenset(("p_value", "z", "pip") if fields is None else fields)
        self._examination = Examination(
            table.path, self._layout, effects_matter="z" in self._fields,
            allow_implausible=table.allow_implausible, counts=counts,
        )  # fmt: skip
        phenotypes = () if table.phenotype else (self._columns.get("phenotype", ""),)
        self._bayes_factors = RowBayesFactors(
            table.study_columns or tuple(filter(None, phenotypes)), table.studies, Trait.of(table.trait),
            table.sample_size, table.case_fraction, table.prior_variance,
            use_p_values="p_value" in self._fields,
        )  # fmt: skip
        self._learns = "z" in self._fields and table.has_trait_variances
        self._learns_of_all = self._learns and self._bayes_factors.of_several_studies
        self.progress = _Progress(on_progress, 1 + self._learns_of_all)
        self._max_log_p = None if max_p_value is None else math.log(max_p_value) + 1e-12
        self._p_field = next((field for field in P_VALUES if field in self._columns), "")
        self._has_p = bool(self._p_field)
        self.notes_phenotypes = True
        counts.contigs = ContigNames(table.path, self._layout.numbers, lifted=bool(table.lift_over))
        lift_over = LiftOver(table.lift_over) if table.lift_over else None
        self._variants = VariantReader(self._layout, counts.contigs, self._find_positions(), lift_over)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns beside those of the layout: those that choose rows, those of the study, :attr:`beside`."""
        return (*self._choice.columns, *self._table.study_columns, *self.beside)

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
            self._examination.take(self._choice.so_far(batch))
            if len(held) < _READ_AHEAD and not self._examination.is_full:
                continue
            begun = True
            yield from self._begin(held)
            held = []
        if not begun:
            yield from self._begin(held)
        self._examination.judge_anew()
        self._choice.finish(self.notes_phenotypes)
        self._examination.finish(only_low_p_values=self._max_log_p is not None)

    def _begin(self, held: Sequence[Batch]) -> Iterator[AssociationRows]:
        self._choice.find_test(held)
        self._examination.judge()
        if self._learns:
            self._bayes_factors.learn(self._numbers_that_count())
        for batch in held:
            yield from self._read(batch, examine=False)

    def _numbers_that_count(self) -> Iterator[tuple[Batch, RowNumbers]]:
        """The rows of the test and the phenotype with their numbers, read apart from the others."""
        fields = (*EFFECTS, *ERRORS, "z", *P_VALUES, *FREQUENCIES, "sample_size", "test", "phenotype")
        named = (self._columns[field] for field in fields if field in self._columns)
        names = list(dict.fromkeys((*named, *self.columns)))
        # Of one study only some rows are read, so that this is no pass of its own.
        on_progress = self.progress.of_pass(0) if self._learns_of_all else None
        for batch in self._table.file.batches(names, on_progress=on_progress):
            chosen = self._choice.counting(batch)
            yield chosen, self._numbers(chosen)

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

    def _read(self, batch: Batch, examine: bool = True) -> Iterator[AssociationRows]:
        """The rows of a batch, then those of other tests and phenotypes where these are wanted."""
        counts = self._counts
        counts.read += len(batch)
        batch, others = self._choice.choose(batch)
        if examine:
            self._examination.take(batch)
        numbers = self._numbers(batch)
        self._examination.count_p_values(numbers)
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
        return RowNumbers(batch, self._columns, self._examination.error_of_ratio)

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
        evidence = self._bayes_factors.of(batch, numbers, counted=counts is self._counts)
        traits = evidence.traits
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
            z=evidence.z,
            log_p=numbers.log_p,
            neg_log_10_p=numbers.neg_log_10_p,
            p_value=numbers.p_value,
            log_bf=evidence.log_bf if "z" in self._fields else np.full(len(batch), np.nan),
            prior_variance=evidence.prior_variance,
            trait=traits.kind,
            trait_variance=traits.variance,
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
