"""Names under which tables of a GWAS, and others with a row for each variant, have their columns.

:data:`FIELDS` are what a column can mean; :data:`ALIASES` the names by which it is known in a table that no
preset (:mod:`mifm_kipoi.genomics.gwas_formats`) fits. :func:`find_layout` says what the columns of a table
are. Names are compared without regard to case, to ``#`` before them, and to blanks, dots,
hyphens and underscores in them: ``P-value``, ``p.value`` and ``P_VALUE`` are one name.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS, Format
from mifm_kipoi.genomics.identifiers import IDENTIFIER, fields_of, hold_variants, split_identifiers
from mifm_kipoi.genomics.tables import TableFile

if TYPE_CHECKING:
    import pyarrow as pa

FIELDS: Mapping[str, str] = {
    "chrom": "contig",
    "pos": "1-based position",
    "effect_allele": "the allele whose effect the row has",
    "other_allele": "the allele that it is compared with",
    "ref": "reference allele; without other_allele, that is the one of ref and alt that lacks the effect",
    "alt": "alternative allele",
    "variant": "identifier that holds the contig, the position or the alleles that have no column",
    "id": "name of the variant, such as an rsid",
    "beta": "effect; of a binary trait the logarithm of the odds ratio",
    "odds_ratio": "odds ratio; its logarithm stands in for a missing beta",
    "hazard_ratio": "hazard ratio; its logarithm stands in for a missing beta",
    "standard_error": "standard error of beta, or of the logarithm of the ratio",
    "standard_error_of_ratio": "standard error of the ratio itself, where there is none of its logarithm",
    "z": "z-score of the effect allele",
    "p_value": "p-value",
    "neg_log_10_p_value": "-log10 of the p-value",
    "ln_p_value": "natural logarithm of the p-value",
    "log_10_p_value": "log10 of the p-value, which is below 0",
    "effect_allele_frequency": "frequency of the effect allele",
    "maf": "frequency of either allele",
    "sample_size": "number of samples",
    "info": "quality of the imputation",
    "test": "term of the model; rows of the additive effect (ADD) are those of the variant",
    "phenotype": "trait or study, where a table has several",
    "block": "LD block or locus",
    "primary": "1 in rows of the primary signal of a block, 0 in others",
    "signal": "name of the signal within a block",
    "pip": "posterior inclusion probability",
    "secondary_p_value": "p-value given the primary signal",
    "secondary_beta": "effect given the primary signal",
    "secondary_standard_error": "its standard error",
}
"""What a column of a table can mean, by the name under which a user names it."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "chrom": ("chromosome", "chrom", "chr"),
    "pos": ("base_pair_location", "pos", "bp", "position", "base_pair_position", "basepair"),
    "effect_allele": (
        "effect_allele", "ea", "a1", "allele1", "eff_allele", "tested_allele", "coded_allele",
    ),
    "other_allele": (
        "other_allele", "nea", "non_effect_allele", "a2", "a0", "allele0", "oa", "non_coded_allele",
    ),
    "ref": ("ref", "reference", "reference_allele", "ref_allele"),
    "alt": ("alt", "alternate", "alternative", "alternate_allele", "alternative_allele", "alt_allele"),
    "beta": ("beta", "b", "log_or", "log(or)", "ln_or", "log_odds", "effect", "effect_size"),
    "odds_ratio": ("odds_ratio", "or"),
    "hazard_ratio": ("hazard_ratio", "hr"),
    "standard_error": (
        "standard_error", "se", "sebeta", "se_beta", "beta_se", "stderr", "std_err", "log(or)_se",
        "log_or_se", "se_log_or",
    ),
    "standard_error_of_ratio": ("standard_error_of_ratio", "or_se", "se_or", "se(or)", "odds_ratio_se"),
    "z": ("z", "zscore", "z_score", "z_stat"),
    "p_value": ("p_value", "p", "pvalue", "pval", "p_val"),
    "neg_log_10_p_value": (
        "neg_log_10_p_value", "mlog10p", "mlogp", "log10p", "log10(p)", "neg_log10_p", "neg_log10_p_value",
        "neg_log10_pval", "minus_log10_p", "minus_log10_pval", "pvalue_neg_log10",
        "log10_p_value", "log10(p_value)", "nlog10p", "nlogp",
    ),
    "ln_p_value": ("ln_p_value", "ln_p", "ln(p)", "ln_pval"),
    "effect_allele_frequency": (
        "effect_allele_frequency", "effect_allele_freq", "eaf", "a1_freq", "af1", "freq1", "freq_a1",
    ),
    "maf": ("maf", "minor_allele_frequency", "af", "freq", "frq", "minor_af"),
    "sample_size": (
        "n", "sample_size", "n_samples", "n_total", "total_n", "total_sample_size", "obs_ct",
        "n_complete_samples",
    ),
    "info": ("info", "info_score", "imputation_info", "r2_imputation", "rsq"),
    "test": ("test",),
    "phenotype": ("trait", "phenotype", "pheno", "study", "study_id", "meta_id", "molecular_trait_id"),
    "block": ("block", "block_id", "ld_block", "locus", "region"),
    "primary": ("primary",),
    "signal": ("signal", "lead_snp"),
    "pip": ("pip", "pp", "posterior_inclusion_probability"),
    "id": (
        "rsid", "rsids", "rs_id", "rs", "rs_number", "variant_id", "snp", "snp_id", "id", "markername",
        "marker_id", "variant", "chr_pos", "chr:pos", "chr:position",
    ),
}  # fmt: skip
"""Names of columns, by field. A table may have one column for each field; of several for the identifier, the
frequency, the sample size, the phenotype or the block, the first of the list counts.

``allele1`` goes with ``allele0`` (BOLT-LMM, REGENIE): beside ``allele2`` programs differ in which is the
effect allele, so both must be named. So must ``ref`` and ``alt`` where the sign of the effect counts.
``genpos`` is a genetic position to BOLT-LMM and base pairs to REGENIE, so it is in their presets alone. A
column ``log10p`` is read as -log10 p, as of REGENIE and PLINK 2."""

EFFECTS = ("beta", "odds_ratio", "hazard_ratio")
"""Fields that hold an effect; in each row the first that has a number counts."""

P_VALUES = ("p_value", "neg_log_10_p_value", "log_10_p_value", "ln_p_value")
"""Fields that hold a p-value; in each row the first that has a number counts."""

_SCALES = {
    "neg_log_10_p_value": "-log10 of p",
    "log_10_p_value": "log10 of p",
    "ln_p_value": "the natural logarithm of p",
}

_FIRST_COUNTS = (
    "id", "effect_allele_frequency", "maf", "sample_size", "phenotype", "block", "signal", "info", "pip",
)  # fmt: skip
"""Fields of which a table may have several columns."""

_OF_VARIANTS = ("chrom", "pos", "effect_allele", "other_allele", "ref", "alt", "variant")
"""Fields that say which variant a row has."""

_PAIRS = (("alt", "ref"), ("allele2", "allele1"), ("alleleB", "alleleA"), ("minor_allele", "major_allele"))
"""Pairs of columns of alleles of which it is not known which one has the effect."""

_SHARED = ("ref", "alt", "variant", "id", "info", "phenotype", "block", "primary", "signal")
"""Fields that a user may name a column for which another field has as well."""

MOST = 0.5
"""If this fraction of the first identifiers hold variants, the column does."""

_FIRST_BYTES = 1 << 16

_NEEDS = ("chrom", "pos", "effect_allele", "other_allele", "p_value")


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the columns of a table are understood as.

    Parameters
    ----------
    format : str
        A name of :data:`GWAS_FORMATS`, or ``table`` where names of columns alone say it.
    reason : str
        Why, in words.
    columns : mapping of str to str
        From fields of :data:`FIELDS` to columns of the table. All alternatives that the table has are there:
        of :data:`EFFECTS`, and of :data:`P_VALUES`. Where ``ref`` and ``alt`` stand in the place of
        ``other_allele``, that is the one of the two that is not the effect allele.
    variant : str
        Pattern of the text of the column ``variant``.
    numbers : mapping of str to str
        What the chromosomes 25 and 26 are; empty where it is not known.
    missing : tuple of str
        Fields that a file of positions must give: ``chrom`` and ``pos``, ``other_allele``, or all.
    directed : bool
        Whether it is known which allele has the effect.
    beside : tuple of pairs of str
        Fields of :data:`P_VALUES` and their columns of the other phenotypes, or populations, side by side.
    """

    format: str
    reason: str
    columns: Mapping[str, str]
    variant: str = ""
    numbers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing: tuple[str, ...] = ()
    directed: bool = True
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def needs_positions(self) -> bool:
        """Whether the table lacks what only a file of positions can give."""
        return bool(self.missing)

    @property
    def ordered(self) -> bool:
        """Whether the other allele is known to be the reference."""
        if "other_allele" in self.columns:
            return bool(columns_named([self.columns["other_allele"]], ALIASES["ref"]))
        parts = fields_of(self.variant)
        return "effect_allele" in parts and parts.index("other_allele") < parts.index("effect_allele")

    @property
    def error_of_ratio(self) -> bool:
        """Whether the standard error is that of the ratio itself, not of its logarithm."""
        return "standard_error_of_ratio" in self.columns and "standard_error" not in self.columns

    def parse_variant(self, text: pa.StringArray) -> dict[str, pa.StringArray]:
        """The parts of the texts of the column ``variant``: see :func:`split_identifiers`."""
        return split_identifiers(text, self.variant)


def find_layout(
    table: TableFile,
    format: str = "auto",  # noqa: A002 - the option's name
    columns: Mapping[str, str] | None = None,
    population: str = "",
    needs: Sequence[str] = _NEEDS,
    *,
    phenotype: str = "",
    variant: str = "",
    options: bool = True,
) -> Layout:
    """What the columns of a table of a GWAS, or of variants, are.

    Parameters
    ----------
    table : TableFile
        The table; where no column holds the alleles, its first rows are read for identifiers that do.
    format : str
        A name of :data:`GWAS_FORMATS`; ``table`` for a table that only names of columns describe; ``auto``
        to recognise it.
    columns : mapping of str to str, optional
        Columns that the user names, by fields of :data:`FIELDS`; nothing else is taken for these fields, nor
        are these columns taken for others, but for fields that can share one, such as ``ref`` or ``block``.
        An empty name says that the table does not have the field.
    population : str
        Which of the populations, where a format has columns for each; not asked for without ``needs``.
    needs : sequence of str
        Fields that must be there. Any field of :data:`P_VALUES` stands in for ``p_value``, as does what it
        follows from: z, or an effect and its standard error. Without ``effect_allele`` among them, alleles of
        which none is known to have the effect are accepted (:attr:`Layout.directed`). Variants must be known
        in any case: by contig, position and alleles, or by an identifier, or by a name that a file of
        positions knows (:attr:`Layout.missing`).
    phenotype : str
        Which of the phenotypes, where a format has columns for each.
    variant : str
        Pattern of the text in the column ``variant``; by default that of the format.
    options : bool
        Whether the user can name the format and the columns. Where not, messages do not advise it, and of
        several columns for a field that does not say which variant a row has, the first counts.

    Raises
    ------
    InputError
        When columns are missing or ambiguous; the message lists the names that are known.
    OptionError
        When the format, a field or the population is unknown.
    """
    named = _named(table, columns or {})
    if format not in ("auto", "table", *GWAS_FORMATS):
        raise OptionError(f"format is {format!r}; expected one of auto, table, {', '.join(GWAS_FORMATS)}")
    name, reason = format, "named by the user"
    if format == "auto":
        name, reason = _recognise(table, options)
    elif others := [one for one in _fitting(table) if one != format]:
        reason += f", although the header is that of {' or '.join(map(_title, others))}"
    preset = GWAS_FORMATS.get(name)
    if population and (preset is None or "{population}" not in "".join(preset.columns.values())):
        raise OptionError(
            f"population is {population!r}, but {table.path} has no columns for each population, as Pan-UK "
            "Biobank has them; leave it out"
        )
    found = _Columns(table, named, options)
    if preset is not None:
        if needs:
            found.check_parts(preset, population, phenotype)
        found.take_preset(preset, population, phenotype)
    else:
        found.take_alleles(directed="effect_allele" in needs)
    found.take_aliases(() if preset is None else preset.columns)
    found.take_identifier(variant or (preset.variant if preset else ""))
    missing = found.check(needs)
    if preset is not None and preset.note:
        reason += f"; {preset.note}"
    for field, scale in _SCALES.items():
        if field in found.columns:
            reason += f"; {found.columns[field]} is {scale}"
    return Layout(
        name,
        reason,
        {field: found.columns[field] for field in FIELDS if field in found.columns},
        found.variant,
        preset.numbers if preset else {},
        missing,
        found.directed,
        found.p_values_beside(preset) if preset else (),
    )


def columns_named(header: Sequence[str], aliases: Sequence[str]) -> list[str]:
    """Columns whose names are among the aliases, in the order of the aliases.

    Parameters
    ----------
    header : sequence of str
        The columns of a table.
    aliases : sequence of str
        Names; case, ``#``, blanks, dots, hyphens and underscores do not count.
    """
    wanted = [_key(alias) for alias in aliases]
    names = [name for name in header if _key(name) in wanted]
    return sorted(names, key=lambda name: wanted.index(_key(name)))


def column_named(header: Sequence[str], name: str) -> str:
    """The column of a name: as it stands, else the only one of :func:`columns_named`; empty without one."""
    if name in header:
        return name
    fitting = columns_named(header, (name,))
    return fitting[0] if len(fitting) == 1 else ""


@functools.cache
def _key(name: str) -> str:
    """What two spellings of a name have in common."""
    return re.sub(r"[\s._-]+", "", name.lower()).lstrip("#")


def _title(name: str) -> str:
    return GWAS_FORMATS[name].title


def _named(table: TableFile, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns that the user names, as the table spells them; empty for a field that it does not have."""
    unknown = [field for field in columns if field not in FIELDS]
    if unknown:
        raise OptionError(f"columns has {', '.join(unknown)}; known are {', '.join(FIELDS)}")
    named = {}
    for field, column in columns.items():
        spelt = column_named(table.columns, column)
        if column and not spelt:
            raise InputError(
                f"{table.path} has no column {column!r}, which columns names for {field}; its columns are "
                f"{', '.join(table.columns)}"
            )
        named[field] = spelt if column else ""
    for one, other in itertools.combinations([field for field in named if field not in _SHARED], 2):
        if named[one] and named[one] == named[other]:
            raise OptionError(f"columns names {named[one]} for both {one} and {other}; expected two columns")
    return named


def _recognise(table: TableFile, options: bool) -> tuple[str, str]:
    """The format of a table by its header, and why."""
    fitting = _fitting(table)
    if len(fitting) > 1:
        raise InputError(
            f"{table.path} could be {' or '.join(_title(name) for name in fitting)} by its columns "
            f"({', '.join(table.columns)}); "
            + ("name one (format, --gwas-format)" if options else "leave out or rename columns")
        )
    for name, marks in fitting.items():
        return name, f"it has the columns {', '.join(marks)} of {_title(name)}"
    return "table", "its header is of no known program, so the usual names of columns say what they are"


def _fitting(table: TableFile) -> dict[str, list[str]]:
    """The formats that a header fits, with the columns by which it does."""
    fitting = {name: _marks(table.columns, preset) for name, preset in GWAS_FORMATS.items()}
    return {name: marks for name, marks in fitting.items() if marks}


def _marks(header: Sequence[str], preset: Format) -> list[str]:
    """The columns by which a format is recognised, none where it is not that format."""
    if preset.only and len(header) != len(preset.marks.split()):
        return []
    own = (preset.columns.get("effect_allele", ""), preset.columns.get("other_allele", ""))
    others = [name for name in ALIASES["effect_allele"] if _key(name) not in map(_key, own)]
    # Another column of effect alleles says that the table is not, or no more, the program's own.
    if columns_named(header, [*preset.without.split(), *others]):
        return []
    found = []
    for mark in preset.marks.split():
        names = [name for option in mark.split("|") for name in _spelt(header, option)]
        if not names:
            return []
        found.append(names[0])
    return found


def _spelt(header: Sequence[str], name: str) -> list[str]:
    """The columns of a name, which may have a part in braces."""
    if "{" not in name:
        return columns_named(header, (name,))
    return list(_parts(header, name).values())


def _parts(header: Iterable[str], name: str) -> dict[str, str]:
    """The columns of a name with a part in braces, by that part."""
    before, after = re.split("{.*}", name)
    expression = re.compile(f"{re.escape(before)}(.+){re.escape(after)}", re.IGNORECASE)
    return {match[1]: match[0] for column in header if (match := expression.fullmatch(column))}


class _Columns:
    """The columns of a table on their way to a layout."""

    def __init__(self, table: TableFile, named: Mapping[str, str], options: bool) -> None:
        self._table, self._named, self._options = table, named, options
        self.columns = {field: column for field, column in named.items() if column}
        self.directed, self.variant = True, ""
        used = [column for field, column in named.items() if field not in _SHARED]
        self._left = [name for name in table.columns if name and name not in used]

    def check_parts(self, preset: Format, population: str, phenotype: str) -> None:
        """Make sure that it is known which of several populations and phenotypes is meant."""
        for name in preset.columns.get("beta", "").split("|"):
            self._check_part(name, population, phenotype)

    def take_preset(self, preset: Format, population: str, phenotype: str) -> None:
        """The columns of a preset that the user has not named."""
        for field, names in preset.columns.items():
            if field in self._named:
                continue
            for name in names.split("|"):
                fitting = self._of_part(name, population, phenotype)
                if fitting:
                    self._take(field, fitting[0])
                    break
        if {"effect_allele", "other_allele"} <= set(self.columns):
            self.columns.pop("ref", None)
            self.columns.pop("alt", None)
            return
        for field in ("effect_allele", "other_allele", "ref", "alt"):
            own = [name for name in preset.columns.get(field, "").split("|") if name]
            other = next((one for one in self._named if columns_named([self._named[one]], own)), field)
            if other != field:
                raise InputError(
                    f"{self._named[other]} is a column of alleles of {preset.title} ({field}), and columns "
                    f"names it for {other}; name the columns of both effect_allele and other_allele"
                )

    def p_values_beside(self, preset: Format) -> tuple[tuple[str, str], ...]:
        """Fields and columns of p-values of the other populations or phenotypes.

        Where effects stand side by side, too, what has none is no population, but a test of heterogeneity.
        """
        effects = [name for name in preset.columns.get("beta", "").split("|") if "{" in name]
        parts = {part.lower() for name in effects for part in _parts(self._left, name)}
        return tuple(
            (field, column)
            for field in P_VALUES
            for name in preset.columns.get(field, "").split("|")
            if "{" in name
            for part, column in _parts(self._left, name).items()
            if part.lower() in parts or not effects
        )

    def take_alleles(self, *, directed: bool) -> None:
        """The alleles of a table without a preset."""
        if {"effect_allele", "other_allele"} <= set(self._named):
            return
        # Of the columns that are left, or named as an allele.
        named = [self._named.get(field, "") for field in ("effect_allele", "other_allele", "ref", "alt")]
        header = [name for name in self._table.columns if name in self._left or name in named]
        pairs, unclear = [], []
        for one_name, other_name in _PAIRS:
            one, other = (
                columns_named(header, ALIASES.get(name, (name,))) for name in (one_name, other_name)
            )
            if one and other:
                pairs.append((one[0], other[0]))
                unclear += [] if one_name == "alt" else [*one, *other]
        both = ("effect_allele", "other_allele")
        for field in both:
            self._take_alias(field, [name for name in self._left if name not in unclear])
        half = [field for field in both if field in self._named]
        lacking = [field for field in both if field not in self.columns]
        if half and lacking and any(self._named[half[0]] in pair for pair in pairs):
            pair = next(pair for pair in pairs if self._named[half[0]] in pair)
            raise self._ask(pair, f"columns names {half[0]} alone; name {lacking[0]} too")
        if "effect_allele" in self.columns:
            if lacking and pairs and set(pairs[0]) <= set(self._left):
                self._take("alt", pairs[0][0])
                self._take("ref", pairs[0][1])
            elif lacking:
                # The effect allele and the reference allele.
                self._take_names("other_allele", ALIASES["ref"])
            return
        if not pairs or "other_allele" in self.columns or half:
            return
        if directed:
            raise self._ask(pairs[0], "name effect_allele and other_allele (columns)")
        self.directed = False
        self._take("effect_allele", pairs[0][0])
        self._take("other_allele", pairs[0][1])

    def take_aliases(self, fields_of_preset: Iterable[str]) -> None:
        """Columns of the usual names; in a table of a preset, those that say nothing of the effect."""
        of_preset = set(fields_of_preset)
        harmless = ("chrom", "pos", "id", "info", "sample_size", "phenotype", "block", "pip")
        for field in ALIASES:
            if field in ("effect_allele", "other_allele", "ref", "alt"):
                continue
            if of_preset and (field in of_preset or field not in harmless):
                continue
            self._take_alias(field, self._left)

    def take_identifier(self, pattern: str) -> None:
        """The pattern of the column of identifiers; the column itself where nothing else has the variant."""
        lacking = [field for field in ("chrom", "pos", "effect_allele") if field not in self.columns]
        if "variant" in self.columns:
            self.variant = pattern or (IDENTIFIER if "effect_allele" in lacking else "{chrom}:{pos}")
        elif lacking and "variant" not in self._named:
            names = (
                [self.columns["id"], *columns_named(self._left, ALIASES["id"])]
                if "id" in self.columns
                else []
            )
            wanted = "{chrom}:{pos}" if "effect_allele" in self.columns else IDENTIFIER
            held = first_identifiers(self._table, names, wanted)
            if held:
                self.columns["variant"], self.variant = held, wanted
                self.directed = self.directed and "effect_allele" in self.columns

    def check(self, needs: Sequence[str]) -> tuple[str, ...]:
        """Fields that a file of positions must give; an error where it cannot, or others are missing."""
        there = {*self.columns, *(fields_of(self.variant) if self.variant else ())}
        if {"ref", "alt"} <= there:
            there.add("other_allele")
        if not self.directed and "effect_allele" in needs:
            raise InputError(
                f"{self._table.path}: it is not known which of the two alleles in "
                f"{self.columns['variant']} has the effect; name that column variant (columns) if it is the "
                "second one, and give a pattern too, such "
                "as {chrom}:{pos}:{effect_allele}:{other_allele} if it is the first"
            )
        if there & {*P_VALUES, "z"} or ("standard_error" in there and there & set(EFFECTS)):
            there.add("p_value")
        lacking = [field for field in ("chrom", "pos") if field not in there]
        lacking += [field for field in ("effect_allele", "other_allele") if field not in there]
        self.directed = self.directed and "effect_allele" in there
        absent = [field for field in needs if field not in (*there, *lacking)]
        by_name = "id" in there or not {"chrom", "pos"} & set(lacking)
        if lacking and (not by_name or ("effect_allele" in lacking and "effect_allele" in needs)):
            absent = [*lacking, *absent]
        if absent:
            known = "; ".join(f"{field}: {', '.join(ALIASES[field])}" for field in absent if field in ALIASES)
            raise InputError(
                f"{self._table.path} has no column for {', '.join(absent)}; its columns are "
                f"{', '.join(self._table.columns)}. Names that are known are {known}. Name the columns "
                "(columns), or the program that made the table (format, --gwas-format)"
            )
        return tuple(lacking)

    def _take(self, field: str, column: str) -> None:
        self.columns[field] = column
        self._left = [name for name in self._left if name != column]

    def _take_alias(self, field: str, header: Sequence[str]) -> None:
        self._take_names(field, ALIASES[field], header)

    def _take_names(self, field: str, names: Sequence[str], header: Sequence[str] | None = None) -> None:
        """The column of a field among those that are left."""
        if field in self._named:
            return
        fitting = columns_named(self._left if header is None else header, names)
        counts = self._options or field in _OF_VARIANTS
        if len(fitting) > 1 and counts and field not in _FIRST_COUNTS:
            raise InputError(
                f"{self._table.path}: each of the columns {', '.join(fitting)} could be {field}; "
                + (
                    "name one (columns), or the program that made the table (format, --gwas-format)"
                    if self._options
                    else "leave out or rename all but one"
                )
            )
        if fitting:
            self._take(field, fitting[0])

    def _check_part(self, name: str, population: str, phenotype: str) -> None:
        """Make sure that it is known which of several populations or phenotypes side by side is meant."""
        what = re.findall("{(.*)}", name)
        parts = _parts(self._left, name) if what else {}
        wanted = population if what == ["population"] else phenotype
        if parts and wanted.lower() not in map(str.lower, parts):
            asked = f"{what[0]} is {wanted!r}" if wanted else f"no {what[0]} is named"
            raise InputError(
                f"{self._table.path} has columns for each {what[0]}, and {asked}. Name one of "
                f"{', '.join(parts)} with {what[0]} (--{what[0]})"
            )

    def _of_part(self, name: str, population: str, phenotype: str) -> list[str]:
        """The columns of a preset's name that are left, of one population or phenotype."""
        if "{" not in name:
            return columns_named(self._left, (name,))
        wanted = (population if "{population}" in name else phenotype).lower()
        return [column for part, column in _parts(self._left, name).items() if part.lower() == wanted]

    def _ask(self, names: Sequence[str], what: str) -> InputError:
        """The error of columns of alleles of which it is not known which has the effect."""
        programs = [
            f"{name} ({preset.columns['effect_allele']})"
            for name, preset in GWAS_FORMATS.items()
            if "effect_allele" in preset.columns
            and columns_named(names, (preset.columns["effect_allele"],))
            and columns_named(names, (preset.columns.get("other_allele", ""),))
        ]
        hint = f", or the program (format, --gwas-format): {', '.join(programs)}" if programs else ""
        return InputError(
            f"{self._table.path}: programs differ in which of {', '.join(names)} has the effect; {what}{hint}"
        )


def first_identifiers(table: TableFile, names: Sequence[str], pattern: str = IDENTIFIER) -> str:
    """The first of some columns whose first rows hold variants, most of them.

    Parameters
    ----------
    table : TableFile
        The table, whose first rows are read.
    names : sequence of str
        The columns, in order of preference.
    pattern : str
        As of :func:`mifm_kipoi.genomics.identifiers.split_identifiers`.

    Returns
    -------
    str
        Its name; empty where there is none.
    """
    for batch in table.batches(names, _FIRST_BYTES) if names else ():
        for name in names:
            text = batch.optional_text(name).drop_null()
            if len(text) and hold_variants(text, pattern).mean() >= MOST:
                return name
        break
    return ""
