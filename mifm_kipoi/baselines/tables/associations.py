"""P-values and Bayes factors of a GWAS as scores of its variants."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.baselines.tables.looked_up import ORDERED, UNORDERED, LookedUp
from mifm_kipoi.baselines.tables.variant_columns import (
    TableVariants,
    VariantColumns,
    find_variant_columns,
    one_column,
)
from mifm_kipoi.baselines.tables.variant_rows import RowsBuilder, VariantRows, largest, numbered
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.columns import ALIASES, EFFECTS, columns_named
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.statistics.bayes_factors import PRIOR_VARIANCE, log_bayes_factor
from mifm_kipoi.support.files import sha256_of

FREQUENCY = ("maf", "minor_allele_frequency", "eaf", "effect_allele_frequency", "af", "freq", "a1freq")
SAMPLE_SIZE = ("n", "sample_size", "samplesize", "n_samples", "n_total")
"""Lower-case names of what stands in for a missing standard error; of several, the first counts."""

BLOCK = ("block", "block_id", "ld_block", "locus", "region")
"""Lower-case names of the column of LD blocks or loci; of several, the first counts."""

STUDY = ("trait", "phenotype", "study", "study_id", "meta_id")
SIGNAL = ("primary", "signal", "lead_snp")
"""Lower-case names of columns that divide blocks: posteriors are of one study and one signal. In
CAUSALdb2 it is ``primary`` and ``lead_snp`` within a block over which the PIPs of its tools sum up to 1."""

TEST = "test"
"""Lower-case name of the column in which PLINK 2 and REGENIE have the term of the model that a row is of: the
variant or a covariate."""

ADDITIVE = "ADD"
"""Its value in the rows of the variant's additive effect."""

_SECONDARY = {"beta": "cojo_beta", "standard_error": "cojo_se"}
"""CAUSALdb2's statistics of secondary signals, given the primary one; used where ``primary`` is 0."""

_LEAKAGE = (
    "these numbers are those of the GWAS: labels that were made from the same association, such as its hits "
    "or the PIPs of its loci, are functions of them"
)

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class _Statistics:
    """The columns of a table of associations; empty where there is none."""

    table: TableFile
    variant_columns: VariantColumns
    fields: dict[str, str]
    blocks: tuple[str, ...]
    test: str
    """Of :data:`TEST` where only some rows count."""

    @classmethod
    def of(cls, path: Path) -> _Statistics:
        table = TableFile.of(path)
        names = {field: ALIASES[field] for field in (*EFFECTS, "standard_error", "z", "p_value")}
        names["neg_log_10_p_value"] = ALIASES["neg_log_10_p_value"]
        fields = {field: one_column(table, field, aliases) for field, aliases in names.items()}
        for field, aliases in (("frequency", FREQUENCY), ("sample_size", SAMPLE_SIZE)):
            fields[field] = next(iter(columns_named(table.columns, aliases)), "")
        if {"primary", *_SECONDARY.values()} <= set(table.columns):
            fields |= {"primary": "primary"}
            fields |= {f"secondary_{field}": name for field, name in _SECONDARY.items()}
        block = columns_named(table.columns, BLOCK)[:1]
        dividing = [name for aliases in (STUDY, SIGNAL) for name in columns_named(table.columns, aliases)]
        blocks = (*block, *dividing) if block else ()
        return cls(table, find_variant_columns(table), fields, blocks, _test_column(table))

    @property
    def columns(self) -> tuple[str, ...]:
        wanted = (*self.variant_columns.columns, *self.fields.values(), *self.blocks, self.test)
        return tuple(dict.fromkeys(filter(None, wanted)))

    @property
    def chosen(self) -> str:
        """Which rows count, in words for the formula."""
        return f"; only rows with {self.test} {ADDITIVE}" if self.test else ""

    def variants(self, batch: Batch) -> TableVariants:
        """The variants of the rows that count; the other rows are marked as not known."""
        import pyarrow.compute as pc

        rows = self.variant_columns.rows(batch)
        if not self.test:
            return rows
        counts = pc.equal(batch.text(self.test), ADDITIVE).to_numpy(zero_copy_only=False)
        return dataclasses.replace(rows, known=rows.known & counts)

    def has(self, *fields: str) -> bool:
        return all(self.fields.get(field) for field in fields)

    def numbers(self, batch: Batch, field: str, low: float = -math.inf, high: float = math.inf) -> Values:
        """A field, NaN where it has no column, or infinite."""
        name = self.fields.get(field)
        values = batch.within(name, low, high) if name else np.full(len(batch), np.nan)
        return np.where(np.isfinite(values), values, np.nan)

    def effect(self, batch: Batch) -> Values:
        """beta, or the logarithm of a ratio."""
        field = next((field for field in EFFECTS if self.has(field)), "beta")
        if field == "beta":
            return self.numbers(batch, field)
        with np.errstate(divide="ignore"):
            logarithm: Values = np.log(self.numbers(batch, field, low=0))
        return np.where(np.isfinite(logarithm), logarithm, np.nan)

    def z(self, batch: Batch) -> Values:
        """Effects over their standard errors, else the column of z."""
        with np.errstate(divide="ignore", invalid="ignore"):
            own = self.effect(batch) / self.numbers(batch, "standard_error", low=0)
        return np.where(np.isfinite(own), own, self.numbers(batch, "z"))


def open_p_values(argument: str, compute: ComputeOptions) -> LookedUp:  # noqa: ARG001 - nothing to compute on
    """``pvalue:FILE``: p-values of summary statistics.

    Columns are found by :data:`mifm_kipoi.genomics.columns.ALIASES`, those of the variants by
    :func:`mifm_kipoi.baselines.tables.variant_columns.find_variant_columns`. Of several rows of a variant the
    lowest p-value counts; those of CAUSALdb2 are marginal, in secondary signals too. Where a column
    :data:`TEST` has several values only rows with :data:`ADDITIVE` count. The table takes 32 bytes of memory
    for each of its variants, a few times that while it is read.

    Raises
    ------
    InputError
        When the table cannot be read, has no p-values, or one that is not a number from 0 to 1, or has rows
        of several tests and none is :data:`ADDITIVE`.
    """
    path = Path(argument)
    statistics = _Statistics.of(path)
    if not (statistics.has("p_value") or statistics.has("neg_log_10_p_value")):
        raise InputError(
            f"{path} has no column of p-values: its columns are {', '.join(statistics.table.columns)}; "
            f"expected one of {', '.join((*ALIASES['p_value'], *ALIASES['neg_log_10_p_value']))}"
        )
    builder = RowsBuilder(2, statistics.variant_columns.ordered, keep_largest=True)
    for batch in statistics.table.batches(statistics.columns):
        builder.add(statistics.variants(batch), _p_value_scores(statistics, batch))
    return LookedUp(
        path,
        builder.done(),
        _lowest_p_value,
        Declaration(
            name=f"p-values of {path.name}",
            scores=(
                Score(
                    "neg_log10_p",
                    "-log10 of the p-value: the order of 1 - p, which is rounded to 1 below 1e-16. A p-value "
                    "that is rounded to 0 is taken from its logarithm, or from beta and its standard error "
                    "or z, in the same row; without them the variant has no score",
                    evidence=Evidence.ASSOCIATION,
                ),
                Score("one_minus_p", "1 - p", ranks=False, evidence=Evidence.ASSOCIATION),
            ),
            alleles=ORDERED if statistics.variant_columns.ordered else UNORDERED,
            formula="-log10(p); of several rows of a variant (traits, studies, blocks) the lowest p"
            + statistics.chosen,
            citation="none: summary statistics of the user",
            provenance={"file": path.name, "sha256": sha256_of(path)},
            leakage=_LEAKAGE,
        ),
    )


def open_bayes_factors(argument: str, compute: ComputeOptions) -> LookedUp:  # noqa: ARG001 - nothing to compute on
    """``abf:FILE``: Wakefield's approximate Bayes factors of summary statistics.

    z is beta (or the logarithm of a ratio) over its standard error, else the column z; the variance is the
    squared standard error, else ``1 / (2 n f (1 - f))`` of a standardised trait, with the frequency of either
    allele. In secondary signals of CAUSALdb2 (``primary`` 0) both are of the effects given the primary
    signal, where these are known.

    With a column of :data:`BLOCK` there are posteriors too: of one causal variant in a block, which is made
    of that column, the contig and all columns of :data:`STUDY` and :data:`SIGNAL`. They are
    fractions of the sum over the rows that the table has of the block, each pair of alleles once.

    Where a column :data:`TEST` has several values only rows with :data:`ADDITIVE` count. The table takes 32
    bytes of memory a row, several times that while it is read.

    Raises
    ------
    InputError
        When the table cannot be read, lacks columns, has an impossible number, or rows of several tests and
        none is :data:`ADDITIVE`.
    """
    path = Path(argument)
    statistics = _Statistics.of(path)
    has_z = statistics.has("z") or any(statistics.has(field, "standard_error") for field in EFFECTS)
    if not has_z or not (statistics.has("standard_error") or statistics.has("frequency", "sample_size")):
        raise InputError(
            f"{path} has too few statistics for Bayes factors: its columns are "
            f"{', '.join(statistics.table.columns)}; expected beta (or odds_ratio) and standard_error, or z "
            "and one of standard_error and both maf and n. Where all variants have the same sample size, add "
            "a column n"
        )
    builder = RowsBuilder(2, statistics.variant_columns.ordered)
    blocks: dict[str, int] = {}
    for batch in statistics.table.batches(statistics.columns):
        values = np.column_stack([_log_abf(statistics, batch), _blocks(statistics, batch, blocks)])
        builder.add(statistics.variants(batch), values)
    rows = _with_posteriors(builder.done(), blocked=bool(statistics.blocks))
    scores = [
        Score(
            "log_abf",
            "natural logarithm of Wakefield's Bayes factor for an effect against none, with a prior variance "
            f"of effects of {PRIOR_VARIANCE}",
            evidence=Evidence.ASSOCIATION,
        )
    ]
    if statistics.blocks:
        named = ", ".join(statistics.blocks)
        scores.append(
            Score(
                "abf_pip",
                f"exp(log_abf) over its sum in the contig's rows of the same {named}",
                evidence=Evidence.PIP,
            )
        )
    return LookedUp(
        path,
        rows,
        largest,
        Declaration(
            name=f"Bayes factors of {path.name}",
            scores=tuple(scores),
            alleles=ORDERED if statistics.variant_columns.ordered else UNORDERED,
            formula=(
                "-1/2 log(1 + W/V) + 1/2 z^2 W / (V + W); of several rows of a variant (traits, studies, "
                f"blocks) the largest{statistics.chosen}"
            ),
            citation="Wakefield J (2009) Genet Epidemiol 33: 79",
            provenance={"file": path.name, "sha256": sha256_of(path), "prior_variance": PRIOR_VARIANCE},
            leakage=_LEAKAGE,
        ),
    )


def _test_column(table: TableFile) -> str:
    """The column of :data:`TEST` where it has several values, else nothing."""
    import pyarrow.compute as pc

    column = one_column(table, TEST, (TEST,))
    tests: set[str] = set()
    for batch in table.batches((column,)) if column else ():
        tests.update(pc.unique(batch.text(column)).to_pylist())
    if len(tests) < 2:
        return ""
    if ADDITIVE not in tests:
        some = ", ".join(sorted(tests)[:8]) + (", ..." if len(tests) > 8 else "")
        raise InputError(
            f"{table.path} has rows of several tests: {column} is one of {some}, and never {ADDITIVE}, so "
            "the rows of the variants themselves cannot be selected; keep the rows of one test, or rename "
            "the column if it means something else"
        )
    return column


def _p_value_scores(statistics: _Statistics, batch: Batch) -> Values:
    """-log10(p), infinite where all that is known is that p is very small, and 1 - p: (rows, 2)."""
    p_value = statistics.numbers(batch, "p_value", 0, 1)
    logarithm = statistics.numbers(batch, "neg_log_10_p_value", 0)
    zero = p_value == 0
    with np.errstate(divide="ignore"):
        neg_log10_p = np.where(np.isnan(p_value), logarithm, 0 - np.log10(p_value))
    if zero.any():
        known = np.where(np.isnan(logarithm), _neg_log10_p(statistics.z(batch)), logarithm)
        neg_log10_p = np.where(zero & ~np.isnan(known), known, neg_log10_p)
    return np.column_stack([neg_log10_p, 1 - np.where(np.isnan(p_value), 10**-logarithm, p_value)])


def _neg_log10_p(z: Values) -> Values:
    """-log10 of two-sided p-values of z-scores."""
    import torch

    log_p = math.log(2) + torch.special.log_ndtr(torch.from_numpy(-np.abs(z))).numpy()
    return np.asarray(-log_p / math.log(10))


def _lowest_p_value(values: Values) -> Values:
    """Of the rows of a variant, nothing where one has a p-value too small to be known."""
    highest = largest(values)
    return np.full_like(highest, np.nan) if np.isinf(highest[0]) else highest


def _log_abf(statistics: _Statistics, batch: Batch) -> Values:
    z, error = statistics.z(batch), statistics.numbers(batch, "standard_error", low=0)
    if statistics.has("primary"):
        given = statistics.numbers(batch, "secondary_standard_error", low=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            z_given = statistics.numbers(batch, "secondary_beta") / given
        secondary = (statistics.numbers(batch, "primary", 0, 1) == 0) & np.isfinite(z_given)
        z, error = np.where(secondary, z_given, z), np.where(secondary, given, error)
    variance = error**2
    if np.isnan(error).any() and statistics.has("frequency", "sample_size"):
        frequency = statistics.numbers(batch, "frequency", 0, 1)
        with np.errstate(divide="ignore"):
            other = 1 / (2 * statistics.numbers(batch, "sample_size", 0) * frequency * (1 - frequency))
        variance = np.where(np.isnan(error), other, variance)
    usable = (variance > 0) & np.isfinite(variance)
    return log_bayes_factor(z, np.where(usable, variance, np.nan))


def _blocks(statistics: _Statistics, batch: Batch, known: dict[str, int]) -> Values:
    """Numbers of the rows' blocks without their contigs, NaN where a part of the name is missing."""
    import pyarrow.compute as pc

    if not statistics.blocks:
        return np.full(len(batch), np.nan)
    parts = [batch.text(name) for name in statistics.blocks]
    names = pc.binary_join_element_wise(*parts, "\t")
    complete = np.all([batch.known(name) for name in statistics.blocks], axis=0)
    return np.where(~complete, np.nan, numbered(names, known).astype(np.float64))


def _with_posteriors(rows: VariantRows, blocked: bool) -> VariantRows:
    """Replace the numbers of the blocks by posteriors; without blocks, drop them."""
    log_abf, block = rows.values.T
    if not blocked:
        return dataclasses.replace(rows, values=log_abf[:, np.newaxis])
    used = np.flatnonzero(~np.isnan(log_abf) & ~np.isnan(block))
    contig = rows.locus >> 32
    # Blocks one after the other, and in them pairs of alleles, the larger Bayes factor first.
    keys = (-log_abf, rows.second, rows.first, rows.locus, block, contig)
    used = used[np.lexsort([key[used] for key in keys])]
    new_block = _changes(block[used], contig[used])
    # A pair of alleles that a block has twice counts once.
    counted = _changes(block[used], rows.locus[used], rows.first[used], rows.second[used])
    number = np.cumsum(new_block) - 1
    highest = np.maximum.reduceat(log_abf[used], np.flatnonzero(new_block)) if used.size else np.empty(0)
    fraction = np.exp(log_abf[used] - highest[number])
    pip = np.full(len(log_abf), np.nan)
    pip[used] = fraction / np.bincount(number, fraction * counted, len(highest))[number]
    return dataclasses.replace(rows, values=np.column_stack([log_abf, pip]))


def _changes(*columns: npt.NDArray[np.number]) -> npt.NDArray[np.bool_]:
    """Where one of the columns is another than in the row before; in the first row, too."""
    new = np.ones(len(columns[0]), dtype=bool)
    new[1:] = np.any([np.diff(column) != 0 for column in columns], axis=0)
    return new
