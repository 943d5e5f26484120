"""P-values, Bayes factors and PIPs of a table of a GWAS as scores of its variants."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.baselines.specs import with_options
from mifm_kipoi.baselines.tables.looked_up import ORDERED, UNORDERED, LookedUp
from mifm_kipoi.baselines.tables.variant_columns import TableVariants
from mifm_kipoi.baselines.tables.variant_rows import RowsBuilder, VariantRows, largest, numbered
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.associations import AssociationRows, AssociationTable
from mifm_kipoi.genetics.conditional import given_primary
from mifm_kipoi.genetics.row_counts import RowCounts
from mifm_kipoi.genomics.columns import ALIASES, FIELDS, P_VALUES, columns_named
from mifm_kipoi.statistics.bayes_factors import (
    CASE_CONTROL_PRIOR_VARIANCE,
    PRIOR_VARIANCE,
    QUANTITATIVE_PRIOR_VARIANCE,
    Trait,
)
from mifm_kipoi.support.files import sha256_of

BLOCK = ALIASES["block"]
"""Names of the column of LD blocks or loci; of several, the first counts."""

STUDY = ("trait", "phenotype", "study", "study_id", "meta_id")
SIGNAL = ("primary", "signal", "lead_snp")
"""Names of columns that divide blocks: posteriors are of one study and one signal. In CAUSALdb2 it is
``primary`` and ``lead_snp`` within a block over which the PIPs of its tools sum up to 1."""

MOST_TRAITS = 50
"""Traits of which each has a score of its own, at most."""

SECONDARY = ("primary", "cojo_beta", "cojo_se")
"""CAUSALdb2's statistics of secondary signals, given the primary one; used where ``primary`` is 0."""

_LEAKAGE = (
    "these numbers are those of the GWAS: labels that were made from the same association, such as its hits "
    "or the PIPs of its loci, are functions of them"
)

Values = npt.NDArray[np.float64]


class _Source:
    """A table of a GWAS, as ``FILE[:NAME=VALUE ...]`` asks for it."""

    def __init__(
        self, argument: str, compute: ComputeOptions, traits: bool = False, effects: bool = False
    ) -> None:
        self._compute = compute
        name, options = with_options(argument)
        self.path, self.options = Path(name), options
        options = dict(options)
        self.highest = False
        if traits:
            kind = options.pop("traits", "each")
            if kind not in ("each", "highest"):
                raise OptionError(f"traits is {kind!r}; expected each (a score for each trait) or highest")
            self.highest = kind == "highest"
        given: dict[str, Any] = {key: options.pop(key) for key in _TEXTS if key in options}
        if "n" in options:
            given["sample_size"] = _number(options.pop("n"))
        if "allow_implausible" in options:
            given["allow_implausible"] = options.pop("allow_implausible") in ("", "true")
        of_effects = _EFFECTS if effects else ()
        given |= {key: _number(options.pop(key)) for key in of_effects[1:] if key in options}
        given |= {key: options.pop(key) for key in of_effects[:1] if key in options}
        unknown = sorted(set(options) - set(FIELDS))
        if unknown:
            known = (*_TEXTS, "n", "allow_implausible", *of_effects, *(("traits",) if traits else ()))
            raise OptionError(
                f"{', '.join(unknown)} in {argument!r} is not an option of a table of a GWAS; expected "
                f"{', '.join(known)}, or a field and its column: {', '.join(FIELDS)}"
            )
        try:
            self.table = AssociationTable(str(self.path), columns=options, directed=False, **given)
        except ValueError as error:
            raise OptionError(f"{argument}: {error}") from error
        self.counts = RowCounts()

    def add_to(
        self, builder: RowsBuilder, fields: tuple[str, ...], values: Callable[[AssociationRows], Values],
        extra: tuple[str, ...] = (), all_phenotypes: bool = False,
    ) -> None:  # fmt: skip
        """Put all rows into a builder; those that are refused have no values."""
        with self._compute.reading(self.path) as progress:
            for rows in self.table.batches(
                fields, counts=self.counts, extra=extra, on_progress=progress.update,
                all_phenotypes=all_phenotypes,
            ):  # fmt: skip
                numbers = values(rows)
                numbers[rows.reason != ""] = np.nan
                builder.add(self._variants(rows), numbers)
        if not self.counts.read:
            raise InputError(f"{self.path} has a header and no rows; expected rows of variants")

    def _variants(self, rows: AssociationRows) -> TableVariants:
        import pyarrow as pa

        first, second = rows.other_allele, rows.effect_allele
        if self.ordered:
            swapped = rows.ref == rows.effect_allele
            first, second = np.where(swapped, second, first), np.where(swapped, first, second)
        known = (rows.chrom != "") & (rows.pos > 0)
        chrom, first, second = (pa.array(texts, pa.string()) for texts in (rows.chrom, first, second))
        return TableVariants(chrom, rows.pos, first, second, known)

    @property
    def ordered(self) -> bool:
        """Whether the table says which allele is the reference."""
        return self.table.names_reference

    @property
    def alleles(self) -> str:
        """How alleles are compared, in words for a declaration."""
        return ORDERED if self.ordered else UNORDERED

    @property
    def chosen(self) -> str:
        """Which rows count, in words for the formula; known once all are read."""
        words = ""
        if self.counts.other_tests:
            words += f"; only rows with {self.table.layout.columns['test']} ADD"
        if self.table.phenotype:
            words += f"; only the phenotype {self.table.phenotype}"
        return words

    def provenance(self, **more: Any) -> dict[str, Any]:
        """What the scores depend on, and what became of the rows."""
        layout = self.table.layout
        files = {
            f"{name}_sha256": sha256_of(path)
            for name, used in (("positions", layout.needs_positions), ("lift_over", True))
            if used and (path := getattr(self.table, name))
        }
        return {
            "file": self.path.name,
            "sha256": sha256_of(self.path),
            **more,
            "format": layout.format,
            "columns": ", ".join(f"{field}: {column}" for field, column in layout.columns.items()),
            "options": ", ".join(f"{name}: {value}" for name, value in self.options.items()),
            **files,
            "rows": self.counts.in_words(),
            "notes": "; ".join(self.counts.notes),
        }


_TEXTS = ("format", "phenotype", "population", "positions", "lift_over", "variant")
"""Options of :class:`AssociationTable` that are text."""

_EFFECTS = ("trait", "case_fraction", "prior_variance")
"""Options of :class:`AssociationTable` that decide which effects Bayes factors expect; all but the first are
numbers."""


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise OptionError(f"n is {text!r}; expected the number of samples")
    return number


def open_p_values(argument: str, compute: ComputeOptions) -> LookedUp:
    """``pvalue:FILE[:NAME=VALUE ...]``: p-values of summary statistics.

    Rows are read by :class:`mifm_kipoi.genetics.associations.AssociationTable`, whose options can follow the
    file. Of several rows of a variant the lowest p-value counts; those of CAUSALdb2 are marginal, in
    secondary signals too. The table takes 32 bytes of memory for each of its variants, a few times that while
    it is read.

    Raises
    ------
    OptionError
        When an option is unknown or impossible.
    InputError
        When the table cannot be read, has no p-values, or most of its rows are impossible.
    """
    source = _Source(argument, compute)
    table = source.table
    if not any(map(table.has, (*P_VALUES, "z"))):
        known = ", ".join(name for field in P_VALUES for name in ALIASES.get(field, ()))
        raise InputError(
            f"{source.path} has no column of p-values: its columns are {', '.join(table.file.columns)}; "
            f"expected one of {known}, or z"
        )
    builder = RowsBuilder(2, source.ordered, keep_largest=True)
    source.add_to(builder, ("p_value",), _p_value_scores)
    return LookedUp(
        source.path,
        builder.done(),
        _lowest_p_value,
        Declaration(
            name=f"p-values of {source.path.name}",
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
            alleles=source.alleles,
            formula="-log10(p); of several rows of a variant (traits, studies, blocks) the lowest p"
            + source.chosen,
            citation="none: summary statistics of the user",
            provenance=source.provenance(),
            leakage=_LEAKAGE,
        ),
        source.counts.contigs,
    )


def open_bayes_factors(argument: str, compute: ComputeOptions) -> LookedUp:
    """``abf:FILE[:NAME=VALUE ...]``: Wakefield's approximate Bayes factors of summary statistics.

    Rows are read by :class:`mifm_kipoi.genetics.associations.AssociationTable`, whose options can follow the
    file. z is beta (or the logarithm of a ratio) over its standard error, else the column z; the variance is
    the squared standard error, else that of beta over z, else ``sd_y^2 / (2 n f (1 - f))`` with the
    frequency of either allele and the variance of the trait, 1 unless other rows of the study show it.
    Columns of :data:`STUDY` say which study a row is of, and each has one prior variance: the options
    ``trait`` (quantitative or case_control), ``case_fraction`` and ``prior_variance`` say which effects are
    expected (:func:`mifm_kipoi.statistics.bayes_factors.prior_variances`). In secondary signals of CAUSALdb2
    (``primary`` 0) z and variance are of the effects given the primary signal, where these are known.

    With a column of :data:`BLOCK` there are posteriors too: of one causal variant in a block, which is made
    of that column, the contig and all columns of :data:`STUDY` and :data:`SIGNAL`. They are
    fractions of the sum over the rows that the table has of the block, each pair of alleles once.

    The table takes 32 bytes of memory a row, several times that while it is read.

    Raises
    ------
    OptionError
        When an option is unknown or impossible.
    InputError
        When the table cannot be read, lacks columns, or most of its rows are impossible.
    """
    source = _Source(argument, compute, effects=True)
    study = tuple(columns_named(source.table.file.columns, STUDY))
    source.table = table = dataclasses.replace(source.table, study_columns=study)
    sized = table.has("sample_size") or table.sample_size is not None
    by_frequency = sized and (table.has("effect_allele_frequency") or table.has("maf"))
    has_variance = table.has_errors or by_frequency or (table.has("z") and table.has_effects)
    if not (table.has_z and has_variance):
        raise InputError(
            f"{source.path} has too few statistics for Bayes factors: its columns are "
            f"{', '.join(table.file.columns)}; expected beta (or odds_ratio) and standard_error, or z and "
            "one of standard_error and both maf and n. Where all variants have the same sample size, give it "
            f"({argument}:n=10000) or add a column n"
        )
    block = columns_named(table.file.columns, BLOCK)[:1]
    dividing = [*study, *columns_named(table.file.columns, SIGNAL)]
    blocks = (*block, *dividing) if block else ()
    secondary = SECONDARY if set(SECONDARY) <= set(table.file.columns) else ()
    known: dict[str, int] = {}
    builder = RowsBuilder(2, source.ordered)
    source.add_to(
        builder,
        ("z",),
        lambda rows: np.column_stack([log_abf(rows, secondary), _blocks(rows, blocks, known)]),
        (*blocks, *secondary),
    )
    prior = _prior_in_words(table)
    found = _with_posteriors(builder.done(), blocked=bool(blocks))
    scores = [
        Score(
            "log_abf",
            "natural logarithm of Wakefield's Bayes factor for an effect against none, with a prior variance "
            f"of effects of {prior}",
            evidence=Evidence.ASSOCIATION,
        )
    ]
    if blocks:
        scores.append(
            Score(
                "abf_pip",
                f"exp(log_abf) over its sum in the contig's rows of the same {', '.join(blocks)}",
                evidence=Evidence.PIP,
            )
        )
    return LookedUp(
        source.path,
        found,
        largest,
        Declaration(
            name=f"Bayes factors of {source.path.name}",
            scores=tuple(scores),
            alleles=source.alleles,
            formula=(
                "-1/2 log(1 + W/V) + 1/2 z^2 W / (V + W); of several rows of a variant (traits, studies, "
                f"blocks) the largest{source.chosen}"
            ),
            citation="Wakefield J (2009) Genet Epidemiol 33: 79",
            provenance=source.provenance(prior_variance=prior),
            leakage=_LEAKAGE,
        ),
        source.counts.contigs,
    )


def open_pips(argument: str, compute: ComputeOptions) -> LookedUp:
    """``pip:FILE[:NAME=VALUE ...]``: posterior inclusion probabilities of any table of fine-mapping.

    Rows are read by :class:`mifm_kipoi.genetics.associations.AssociationTable`, whose options can follow the
    file. Of several rows of a variant (blocks, signals) the largest PIP counts. ``pip`` is the largest of all
    traits; where the table has several, there is a score for each as well, unless ``traits=highest``.

    Raises
    ------
    OptionError
        When an option is unknown or impossible.
    InputError
        When the table cannot be read, has no PIPs, too many traits, or most of its rows are impossible.
    """
    source = _Source(argument, compute, traits=True)
    table = source.table
    if not table.has("pip"):
        raise InputError(
            f"{source.path} has no column of PIPs: its columns are {', '.join(table.file.columns)}; expected "
            f"one of {', '.join(ALIASES['pip'])}, or its name ({argument}:pip=COLUMN)"
        )
    column = table.layout.columns.get("phenotype", "")
    traits = _traits(table, column, argument) if column and not table.phenotype and not source.highest else []
    if len(traits) < 2:
        traits = []
    names = {"pip": "", **_named_traits(traits)}
    numbers = {trait: number for number, trait in enumerate(names.values())}
    builder = RowsBuilder(len(names), source.ordered, keep_largest=True)

    def values(rows: AssociationRows) -> Values:
        pips = np.full((len(rows), len(names)), np.nan)
        if traits:
            texts = rows.batch.optional_text(column).to_pylist()
            of_trait = [numbers[(text or "").strip()] for text in texts]
            pips[np.arange(len(rows)), of_trait] = rows.pip
        pips[:, 0] = rows.pip
        return pips

    source.add_to(builder, ("pip",), values, all_phenotypes=True)
    return LookedUp(
        source.path,
        builder.done(),
        largest,
        Declaration(
            name=f"PIPs of {source.path.name}",
            scores=tuple(
                Score(
                    name,
                    "posterior inclusion probability"
                    + (f" of {column} {trait}" if trait else ", the highest of all traits" if column else ""),
                    evidence=Evidence.PIP,
                )
                for name, trait in names.items()
            ),
            alleles=source.alleles,
            formula=f"the largest PIP over the rows of a variant: blocks, signals{source.chosen}",
            citation="none: fine-mapping of the user",
            provenance=source.provenance(),
            leakage="labels that are made of PIPs are these scores",
        ),
        source.counts.contigs,
    )  # fmt: skip


def open_associations(argument: str, compute: ComputeOptions) -> LookedUp:
    """``FILE[:NAME=VALUE ...]``: the associations of a study, all numbers of a variant from one row.

    Rows are read by :class:`mifm_kipoi.genetics.associations.AssociationTable`, whose options can follow the
    file, as those of :func:`open_bayes_factors`. Of several rows of a variant the one counts that is best by
    p-value, else by Bayes factor, else by PIP. The scores are those of ``neg_log10_p``, ``log_abf`` and
    ``pip`` that the table has.

    Raises
    ------
    OptionError
        When an option is unknown or impossible.
    InputError
        When the table cannot be read, has none of these numbers, or most of its rows are impossible.
    """
    source = _Source(argument, compute, effects=True)
    study = tuple(columns_named(source.table.file.columns, STUDY))
    source.table = table = dataclasses.replace(source.table, study_columns=study)
    meanings = {
        name: (meaning, field, evidence)
        for name, there, meaning, field, evidence in (
            ("neg_log10_p", table.has_p_values, "-log10 of the p-value", "p_value", Evidence.ASSOCIATION),
            (
                "log_abf",
                table.has_bayes_factors,
                "natural logarithm of Wakefield's Bayes factor, with a prior variance of effects of "
                f"{_prior_in_words(table)}",
                "z",
                Evidence.ASSOCIATION,
            ),
            ("pip", table.has("pip"), "posterior inclusion probability", "pip", Evidence.PIP),
        )
        if there
    }
    if not meanings:
        raise InputError(
            f"{source.path} has no p-values, no effects with their errors and no PIPs: its columns are "
            f"{', '.join(table.file.columns)}; name them ({argument}:p_value=COLUMN)"
        )
    secondary = SECONDARY if set(SECONDARY) <= set(table.file.columns) and "log_abf" in meanings else ()
    numbers: dict[str, Callable[[AssociationRows], Values]] = {
        "neg_log10_p": lambda rows: rows.neg_log_10_p,
        "log_abf": lambda rows: log_abf(rows, secondary),
        "pip": lambda rows: rows.pip,
    }
    builder = RowsBuilder(len(meanings), source.ordered)
    source.add_to(
        builder,
        tuple(field for _, field, _ in meanings.values()),
        lambda rows: np.column_stack([numbers[name](rows) for name in meanings]),
        secondary,
    )
    return LookedUp(
        source.path,
        builder.done(),
        _best_row,
        Declaration(
            name=f"associations of {source.path.name}",
            scores=tuple(
                Score(name, meaning, evidence=evidence) for name, (meaning, _, evidence) in meanings.items()
            ),
            alleles=source.alleles,
            formula=f"of several rows of a variant the best by {next(iter(meanings))}{source.chosen}",
            citation="none: summary statistics of the user",
            provenance=source.provenance(),
            leakage=_LEAKAGE,
        ),
        source.counts.contigs,
    )


def _best_row(values: Values) -> Values:
    """Of the rows of a variant, that with the highest first number that any of them has."""
    for column in values.T:
        if not np.isnan(column).all():
            return np.asarray(values[int(np.nanargmax(column))])
    return np.asarray(values[0])


def _traits(table: AssociationTable, column: str, argument: str) -> list[str]:
    """The traits of a table, in the order in which they first come."""
    import pyarrow.compute as pc

    traits: dict[str, None] = {}
    for batch in table.file.batches((column,)):
        names = pc.unique(batch.optional_text(column)).to_pylist()
        traits |= dict.fromkeys(name.strip() for name in names if name)
        if len(traits) > MOST_TRAITS:
            raise InputError(
                f"{table.path} has PIPs of more than {MOST_TRAITS} values of {column}, too many for a score "
                f"each; take the highest of all ({argument}:traits=highest) or one of them "
                f"({argument}:phenotype={next(iter(traits))})"
            )
    return list(traits)


def _named_traits(traits: list[str]) -> dict[str, str]:
    """Names of scores, and the traits that they are of; names that would be the same get a number."""
    names: dict[str, str] = {}
    for trait in traits:
        name = f"pip_{_word(trait)}"
        number = 2
        while name.lower() in map(str.lower, names):
            name, number = f"pip_{_word(trait)}_{number}", number + 1
        names[name] = trait
    return names


def _word(text: str) -> str:
    """A text as part of a name of a column."""
    return re.sub(r"[^A-Za-z0-9_+-]+", "_", text).strip("_") or "_"


def _p_value_scores(rows: AssociationRows) -> Values:
    """-log10(p), infinite where all that is known is that p is very small, and 1 - p: (rows, 2)."""
    return np.column_stack([rows.neg_log_10_p, 1 - rows.p_value])


def _lowest_p_value(values: Values) -> Values:
    """Of the rows of a variant, nothing where one has a p-value too small to be known."""
    highest = largest(values)
    return np.full_like(highest, np.nan) if np.isinf(highest[0]) else highest


def _prior_in_words(table: AssociationTable) -> float | str:
    """The prior variance of effects: a number, or what it follows from."""
    if table.prior_variance is not None:
        return table.prior_variance
    words: dict[Trait, float | str] = {
        Trait.UNKNOWN: PRIOR_VARIANCE,
        Trait.CASE_CONTROL: CASE_CONTROL_PRIOR_VARIANCE,
        Trait.QUANTITATIVE: f"{QUANTITATIVE_PRIOR_VARIANCE:g} times that of the trait",
    }
    return words[Trait.of(table.trait)]


def log_abf(rows: AssociationRows, secondary: tuple[str, ...] = ()) -> Values:
    """Natural logarithms of Bayes factors, of secondary signals given the primary one.

    Parameters
    ----------
    rows : AssociationRows
        Of a table, read with the field ``z``.
    secondary : tuple of str
        :data:`SECONDARY` where the table has these columns and the rows hold them; else empty.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        NaN where unknown.
    """
    if not secondary:
        return rows.log_bf.copy()
    primary, beta, error = (rows.batch.parsed(name)[0] for name in secondary)
    given = given_primary(primary, beta, error, rows.prior_variance)
    return np.where(given.used, given.log_bf, rows.log_bf)


def _blocks(rows: AssociationRows, blocks: tuple[str, ...], known: dict[str, int]) -> Values:
    """Numbers of the rows' blocks without their contigs, NaN where a part of the name is missing."""
    import pyarrow.compute as pc

    if not blocks:
        return np.full(len(rows), np.nan)
    names = pc.binary_join_element_wise(*(rows.batch.text(name) for name in blocks), "\t")
    complete = np.all([rows.batch.known(name) for name in blocks], axis=0)
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
