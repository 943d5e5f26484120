"""Summary statistics of a GWAS as associations in blocks: LD blocks from a table, or clumps on genotypes.

What the columns of the table are, and which of its rows cannot be used, is found out by
:class:`mifm_kipoi.genetics.associations.AssociationTable`.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS, AssociationRows, AssociationTable, order_of
from mifm_kipoi.genetics.clumping import clump
from mifm_kipoi.genetics.ld_blocks import LDBlocks
from mifm_kipoi.genetics.row_counts import EXAMPLES, Example, RowCounts
from mifm_kipoi.genomics.columns import ALIASES, FIELDS, P_VALUES
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS
from mifm_kipoi.genomics.tables import OnProgress
from training.data.associated import AssociatedPositions
from training.data.effects import EffectCounts

_log = logging.getLogger(__name__)

FORMATS = ("auto", "table", *GWAS_FORMATS)
"""Names of formats of tables; ``auto`` recognises them, ``table`` is any with the usual names of columns."""

_ROUNDING = 1e-12
"""By so much the logarithm of a p-value may be above that of a limit."""


@dataclasses.dataclass(frozen=True)
class LDBlocksConfig:
    """A table of LD blocks.

    Parameters
    ----------
    path : str
        A table with the columns chr, start, stop (0-based, half-open) and pop.
    population : str
        Value of ``pop`` in the rows that are used.
    """

    path: str
    population: str = "EUR"


@dataclasses.dataclass(frozen=True)
class ClumpingConfig:
    """Clumps on genotypes, as of ``plink --clump``.

    Parameters
    ----------
    genotypes : tuple of str
        Paths of PLINK filesets without ``.bed``; each chromosome is in one of them.
    r2 : float
        Members have a higher squared correlation with the lead variant than this.
    kb : float
        Members are nearer to the lead variant than this, in thousands of base pairs.
    match : str
        Whether variants are looked up by chromosome, position and alleles (``variant``) or by ``id``.
    """

    genotypes: tuple[str, ...]
    r2: float = 0.1
    kb: float = 250.0
    match: Literal["variant", "id"] = "variant"

    def __post_init__(self) -> None:
        if not self.genotypes:
            raise ValueError("genotypes is empty; expected prefixes of PLINK files")
        if not 0 <= self.r2 < 1:
            raise ValueError(f"r2 is {self.r2}; expected at least 0 and less than 1")
        if not (self.kb > 0 and math.isfinite(self.kb)):
            raise ValueError(f"kb is {self.kb}; expected more than 0")


@dataclasses.dataclass(frozen=True)
class SummaryStatisticsConfig:
    """Summary statistics of a GWAS, and their blocks: LD blocks or clumps.

    Parameters
    ----------
    path : str
        The table: text (plain, gzip or bgzip), Parquet, or GWAS-VCF.
    format : str
        The program or database that made it, one of :data:`mifm_kipoi.genomics.gwas_formats.GWAS_FORMATS`;
        ``auto`` to recognise it from the header, ``table`` for any other.
    columns : mapping of str to str
        From fields of :data:`mifm_kipoi.genomics.columns.FIELDS` to columns of the table, where the format
        and the usual names do not say it.
    variant : str
        Pattern of the text in the column ``variant``, with fields in braces, such as
        ``{chrom}:{pos}:{other_allele}:{effect_allele}``.
    where : mapping of str to str or tuple of str
        Columns of the table, and the values, one or several, of the rows that are used, such as
        ``{trait: MPV}``. Other rows make no bags, but no negatives either.
    phenotype, population : str
        Which of several phenotypes in one table, or of several populations with columns of their own.
    positions : str
        A .bim or VCF file that has the positions or alleles which the table lacks, by identifier.
    lift_over : str
        A chain file that takes the table to the genome build of ``fasta``.
    sample_size : float, optional
        Of all rows of a table without a column for it.
    allow_implausible : bool
        Whether to go on, with a warning, where numbers contradict each other or most rows are refused.
    study : str
        Name of the study; empty for the phenotype or the name of the file.
    lead_p_value : float
        A block makes a bag if a variant has a p-value up to this: 5e-8 is genome-wide significance.
    member_p_value : float
        The bag holds the variants of the block with p-values up to this. 1e-5, the usual limit of suggestive
        association, keeps those in strong LD with a lead variant (with r2 of 0.66 or more to one with
        p = 5e-8, as z falls with r) and few others.
    trait : str
        ``quantitative`` or ``case_control``; empty where it is not known. Bayes factors expect effects of a
        standard deviation of 0.15 of that of a quantitative trait, and of 0.2 of log odds ratios; where the
        trait is not known of 0.2 in the units of beta.
    case_fraction : float, optional
        Cases over individuals, of a case-control study.
    prior_variance : float, optional
        The variance of effects that Bayes factors expect, in squared units of beta, whatever the trait.
    ld_blocks : LDBlocksConfig, optional
        The LD blocks; expected unless ``clumping`` is given.
    clumping : ClumpingConfig, optional
        The clumps; expected unless ``ld_blocks`` is given.
    """

    path: str
    format: str = "auto"
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    variant: str = ""
    where: Mapping[str, str | tuple[str, ...]] = dataclasses.field(default_factory=dict)
    phenotype: str = ""
    population: str = ""
    positions: str = ""
    lift_over: str = ""
    sample_size: float | None = None
    allow_implausible: bool = False
    study: str = ""
    lead_p_value: float = 5e-8
    member_p_value: float = 1e-5
    trait: str = ""
    case_fraction: float | None = None
    prior_variance: float | None = None
    ld_blocks: LDBlocksConfig | None = None
    clumping: ClumpingConfig | None = None

    def __post_init__(self) -> None:
        if not 0 < self.lead_p_value <= self.member_p_value <= 1:
            raise ValueError(
                f"lead_p_value is {self.lead_p_value} and member_p_value {self.member_p_value}; "
                "expected 0 < lead_p_value <= member_p_value <= 1"
            )
        if (self.ld_blocks is None) == (self.clumping is None):
            raise ValueError("expected one of ld_blocks and clumping, not both or neither")
        if self.format not in FORMATS:
            raise ValueError(f"format is {self.format!r}; expected one of {', '.join(FORMATS)}")
        unknown = sorted(set(self.columns) - set(FIELDS))
        if unknown:
            raise ValueError(f"columns has {', '.join(unknown)}; known are {', '.join(FIELDS)}")
        if self.sample_size is not None and not self.sample_size > 0:
            raise ValueError(f"sample_size is {self.sample_size}; expected a number above 0")
        self.table()

    def table(self) -> AssociationTable:
        """The table and how it is read."""
        return AssociationTable(
            self.path,
            format=self.format,
            columns=self.columns,
            phenotype=self.phenotype,
            where=self.where,
            population=self.population,
            variant=self.variant,
            positions=self.positions,
            lift_over=self.lift_over,
            sample_size=self.sample_size,
            allow_implausible=self.allow_implausible,
            trait=self.trait,
            case_fraction=self.case_fraction,
            prior_variance=self.prior_variance,
        )


def read_summary_statistics(
    config: SummaryStatisticsConfig,
    counts: RowCounts | None = None,
    on_progress: OnProgress | None = None,
    block_bytes: int | None = None,
    associated: AssociatedPositions | None = None,
    effects: EffectCounts | None = None,
) -> Iterator[pd.DataFrame]:
    """Associations of one GWAS, one table per chromosome.

    The file is read a batch of rows at a time; only variants with p-values up to ``member_p_value`` are
    held.

    Parameters
    ----------
    config : SummaryStatisticsConfig
        The table, its columns and its blocks.
    counts : RowCounts, optional
        Receives what became of the rows, each that is left out under the first reason that applies.
    on_progress : callable, optional
        Called after each batch, see :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.
    block_bytes : int, optional
        Size of a batch in bytes of text; by default that of the reader.
    associated : AssociatedPositions, optional
        Receives the positions of all rows whose p-value is not known to be above ``member_p_value``, those of
        refused rows too.
    effects : EffectCounts, optional
        Receives which effects Bayes factors assume.

    Yields
    ------
    pandas.DataFrame
        Columns of :data:`mifm_kipoi.genetics.associations.ASSOCIATION_COLUMNS`. ``signal`` is ``all``, as
        there is no fine-mapping; ``block`` is the number of the LD block, or the lead variant of the clump.

    Raises
    ------
    InputError
        When the table cannot be read, a column is missing, no variant reaches ``lead_p_value``, or genotypes
        cannot be used. The message has the counts of rows by reason.
    """
    counts = RowCounts() if counts is None else counts
    associated = AssociatedPositions() if associated is None else associated
    effects = EffectCounts() if effects is None else effects
    table = config.table()
    _log.info("%s is read as the format %s: %s", config.path, table.layout.format, table.layout.reason)
    if not table.has_p_values:
        names = ", ".join(alias for field in P_VALUES for alias in ALIASES.get(field, ()))
        raise InputError(
            f"{config.path} has no column of p-values, nor z-scores or effects with standard errors, from "
            f"which they follow; its columns are {', '.join(table.file.columns)}. Names that are known are "
            f"{names}. Name the column in data.summary_statistics.columns"
        )
    parts = []
    for rows in table.batches(None, config.member_p_value, counts, on_progress, block_bytes, others=True):
        associated.add(rows.chrom, rows.pos, rows.effect_allele, rows.other_allele)
        usable = rows.reason == ""
        effects.add(rows.trait[usable], rows.prior_variance[usable])
        if config.prior_variance is None:
            used = usable & ~np.isnan(rows.log_bf)
            effects.add_units(np.where(used, config.path, "").astype(object), rows)
        parts.append(_frame(rows)[usable])
    if not parts:
        raise InputError(f"{config.path} has a header and no rows; expected a variant per row")
    kept = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    high = kept["log_p"] > math.log(config.member_p_value) + _ROUNDING
    kept = _leave_out(kept, high, "p-value above member_p_value", counts)
    if not len(kept) or kept["log_p"].min() > math.log(config.lead_p_value) + _ROUNDING:
        lowest = f", but {math.exp(kept['log_p'].min()):.3g} at least" if len(kept) else ""
        raise InputError(
            f"no variant of {config.path} that can be used has a p-value up to {config.lead_p_value:g}"
            f"{lowest}: {counts.in_words()}. Expected lead variants (data.summary_statistics.lead_p_value)"
        )
    kept = _once(kept, counts)
    kept = _in_ld_blocks(kept, config, counts) if config.ld_blocks else _in_clumps(kept, config, counts)
    counts.without_log_bf = int(kept["log_bf"].isna().sum())
    counts.too_small = int((kept["p_value"] == 0).sum())
    if not len(kept):
        what = "LD blocks" if config.ld_blocks else "clumps"
        raise InputError(f"no variant of {config.path} is in {what}: {counts.in_words()}")
    kept["study"] = config.study or config.phenotype or Path(config.path).name
    kept = kept[list(ASSOCIATION_COLUMNS)].astype(ASSOCIATION_COLUMNS)
    for _, of_chromosome in kept.groupby("chrom", sort=False):
        yield of_chromosome.reset_index(drop=True)


def _frame(rows: AssociationRows) -> pd.DataFrame:
    """Columns as ASSOCIATION_COLUMNS without block and study, and the line of each row."""
    names = (
        "chrom", "pos", "effect_allele", "other_allele", "id", "p_value", "log_p", "z", "log_bf",
    )  # fmt: skip
    columns = {name: getattr(rows, name) for name in names}
    return pd.DataFrame({"line": rows.lines, **columns, "pip": np.nan, "signal": "all"})


def _leave_out(
    table: pd.DataFrame, bad: pd.Series[bool] | npt.NDArray[np.bool_], reason: str, counts: RowCounts
) -> pd.DataFrame:
    """The other rows; those that are bad are counted under the reason."""
    some = table[bad].head(EXAMPLES)
    names = some["chrom"] + ":" + some["pos"].astype(str)
    names += ":" + some["other_allele"] + ":" + some["effect_allele"]
    lines: list[int] = some["line"].tolist()
    examples = [Example(*one) for one in zip(lines, ["the variant"] * len(lines), names, strict=True)]
    counts.leave_out(reason, int(bad.sum()), examples)
    return table[~bad].copy()


def _once(table: pd.DataFrame, counts: RowCounts) -> pd.DataFrame:
    """Each variant once, with its lowest p-value."""
    one, two = table["effect_allele"], table["other_allele"]
    keys = table.assign(first=one.where(one <= two, two), second=two.where(one <= two, one))
    keys = keys.iloc[order_of(table["log_p"], table["z"])]
    repeated = keys.duplicated(["chrom", "pos", "first", "second"]).reindex(table.index)
    return _leave_out(table, repeated, "repeated variant", counts)


def _in_ld_blocks(table: pd.DataFrame, config: SummaryStatisticsConfig, counts: RowCounts) -> pd.DataFrame:
    assert config.ld_blocks is not None
    blocks = LDBlocks(config.ld_blocks.path, config.ld_blocks.population)
    if strange := counts.contigs.unmatched(blocks.contigs, config.ld_blocks.path):
        counts.note(strange)
    table = table.assign(block=blocks.of(table["chrom"], table["pos"]))
    table = _leave_out(table, table["block"] == 0, "outside the LD blocks", counts)
    lowest = table.groupby("block")["log_p"].transform("min")
    without_lead = lowest > math.log(config.lead_p_value) + _ROUNDING
    return _leave_out(table, without_lead, "block without a lead variant", counts)


def _in_clumps(table: pd.DataFrame, config: SummaryStatisticsConfig, counts: RowCounts) -> pd.DataFrame:
    clumping = config.clumping
    assert clumping is not None
    table = table.reset_index(drop=True)
    absent: list[int] = []
    members = clump(
        table,
        clumping.genotypes,
        p1=config.lead_p_value,
        p2=config.member_p_value,
        r2=clumping.r2,
        kb=clumping.kb,
        match=clumping.match,
        absent=absent,
    )
    without_genotypes = table.index.isin(absent)
    _leave_out(table, without_genotypes, "not in the genotypes", counts)
    _leave_out(table, ~without_genotypes & ~table.index.isin(members["row"]), "in no clump", counts)
    leads = table.loc[members["row"][members["lead"]]]
    names = leads["chrom"] + ":" + leads["pos"].astype(str)
    names = names + ":" + leads["other_allele"] + ":" + leads["effect_allele"]
    blocks = names.to_numpy()[members["clump"].to_numpy() - 1]
    return table.loc[members["row"]].assign(block=blocks)
