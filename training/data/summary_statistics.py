"""Summary statistics of a GWAS as associations in blocks.

The table is GWAS-SSF (Hayhurst et al. 2022, bioRxiv 2022.07.15.500230) or any other with a header. Its
columns are known by :data:`mifm_kipoi.genomics.columns.ALIASES` or named in the configuration. Blocks are
LD blocks from a table, or clumps on genotypes.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri_exp

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS
from mifm_kipoi.genetics.clumping import clump
from mifm_kipoi.genetics.ld_blocks import LDBlocks
from mifm_kipoi.genomics.columns import ALIASES, EFFECTS, columns_named
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.tables import LARGEST_POS, Batch, OnProgress, TableFile
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from training.data.associated import AssociatedPositions

_log = logging.getLogger(__name__)

_REQUIRED = ("chrom", "pos", "effect_allele", "other_allele")
_READ = (*_REQUIRED, *EFFECTS, "standard_error", "z", "p_value", "neg_log_10_p_value", "id")


class SummaryStatisticsError(InputError):
    """Summary statistics that lack a column or a lead variant."""


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
        The table: text (plain, gzip or bgzip) or Parquet.
    columns : mapping of str to str
        From fields of :data:`ALIASES` to columns of the table, for columns that have none of the aliases.
    study : str
        Name of the study; empty for the name of the file.
    lead_p_value : float
        A block makes a bag if a variant has a p-value up to this: 5e-8 is genome-wide significance.
    member_p_value : float
        The bag holds the variants of the block with p-values up to this. 1e-5, the usual limit of suggestive
        association, keeps those in strong LD with a lead variant (with r2 of 0.66 or more to one with
        p = 5e-8, as z falls with r) and few others.
    ld_blocks : LDBlocksConfig, optional
        The LD blocks; expected unless ``clumping`` is given.
    clumping : ClumpingConfig, optional
        The clumps; expected unless ``ld_blocks`` is given.
    """

    path: str
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    study: str = ""
    lead_p_value: float = 5e-8
    member_p_value: float = 1e-5
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
        unknown = sorted(set(self.columns) - set(ALIASES))
        if unknown:
            raise ValueError(f"columns has {', '.join(unknown)}; known are {', '.join(ALIASES)}")


def read_summary_statistics(
    config: SummaryStatisticsConfig,
    counts: collections.Counter[str] | None = None,
    on_progress: OnProgress | None = None,
    block_bytes: int | None = None,
    associated: AssociatedPositions | None = None,
) -> Iterator[pd.DataFrame]:
    """Associations of one GWAS, one table per chromosome.

    The file is read a batch of rows at a time; only variants with p-values up to ``member_p_value`` are
    held.

    Parameters
    ----------
    config : SummaryStatisticsConfig
        The table, its columns and its blocks.
    counts : collections.Counter, optional
        Receives the numbers of rows that are left out, each under the first reason that applies.
    on_progress : callable, optional
        Called after each batch, see :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.
    block_bytes : int, optional
        Size of a batch in bytes of text; by default that of the reader.
    associated : AssociatedPositions, optional
        Receives the positions of all rows whose p-value is not known to be above ``member_p_value``, those of
        refused rows too.

    Yields
    ------
    pandas.DataFrame
        Columns of :data:`mifm_kipoi.genetics.associations.ASSOCIATION_COLUMNS`. ``signal`` is ``all``, as
        there is no fine-mapping; ``block`` is the number of the LD block, or the lead variant of the clump.

    Raises
    ------
    SummaryStatisticsError
        When a column is missing, or no variant reaches ``lead_p_value``.
    InputError
        When the table cannot be read or has a malformed line, or genotypes cannot be used.
    """
    counts = collections.Counter() if counts is None else counts
    associated = AssociatedPositions() if associated is None else associated
    table = TableFile.of(config.path)
    columns = find_columns(table.columns, config.columns, config.path)
    parts = [
        _associations(batch, columns, config, counts, associated)
        for batch in table.batches(list(columns.values()), block_bytes, on_progress)
    ]
    kept = pd.concat([part for part in parts if len(part)] or parts[:1] or [pd.DataFrame()])
    if not len(kept) or kept["p_value"].min() > config.lead_p_value:
        raise SummaryStatisticsError(
            f"no variant of {config.path} has a p-value up to {config.lead_p_value}; "
            "expected lead variants (lead_p_value)"
        )
    kept = _once(kept, counts)
    kept = _in_ld_blocks(kept, config, counts) if config.ld_blocks else _in_clumps(kept, config, counts)
    kept["study"] = config.study or Path(config.path).name
    kept = kept[list(ASSOCIATION_COLUMNS)].astype(ASSOCIATION_COLUMNS)
    for _, of_chromosome in kept.groupby("chrom", sort=False):
        yield of_chromosome.reset_index(drop=True)


def find_columns(header: Sequence[str], named: Mapping[str, str], path: str) -> dict[str, str]:
    """The columns of a table, by their fields.

    Parameters
    ----------
    header : sequence of str
        All columns of the table.
    named : mapping of str to str
        Columns that the configuration names, by field; aliases neither override them nor use them for
        another field.
    path : str
        The file, for messages.

    Returns
    -------
    dict of str to str
        From fields of :data:`ALIASES` to columns. Of several identifiers and of several measures of the
        effect, the one that comes first in :data:`ALIASES`; ``p_value`` rather than its logarithm.

    Raises
    ------
    SummaryStatisticsError
        When a required column is missing, or two columns have aliases of the same field.
    """
    unknown = sorted(set(named.values()) - set(header))
    if unknown:
        raise SummaryStatisticsError(
            f"{path} has no column {', '.join(unknown)}, which the configuration names; "
            f"it has {', '.join(header)}"
        )
    columns = dict(named)
    for field in _READ:
        aliases = ALIASES[field]
        if field in columns:
            continue
        fitting = columns_named([name for name in header if name not in named.values()], aliases)
        if len(fitting) > 1 and field != "id":
            raise SummaryStatisticsError(
                f"{path}: each of the columns {', '.join(fitting)} could be {field}; name one in columns"
            )
        if fitting:
            columns[field] = fitting[0]
    missing = [field for field in _REQUIRED if field not in columns]
    if not {"p_value", "neg_log_10_p_value"} & set(columns):
        missing.append("p_value")
    if missing:
        raise SummaryStatisticsError(
            f"{path} has no column for {', '.join(missing)} among {', '.join(header)}; "
            "expected one of the known aliases, or name the column in columns"
        )
    for chosen in ([*EFFECTS], ["p_value", "neg_log_10_p_value"]):
        for field in [field for field in chosen if field in columns][1:]:
            del columns[field]
    return columns


def _associations(
    batch: Batch,
    columns: Mapping[str, str],
    config: SummaryStatisticsConfig,
    counts: collections.Counter[str],
    associated: AssociatedPositions,
) -> pd.DataFrame:
    """The rows with low p-values; columns as ASSOCIATION_COLUMNS without block and study."""
    if "p_value" in columns:
        p_value = batch.numbers(columns["p_value"])
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.log(p_value)
    else:
        log_p = -batch.numbers(columns["neg_log_10_p_value"]) * math.log(10)
        p_value = np.exp(log_p)
    # A p-value that cannot be read may be a low one.
    low = ~((p_value > config.member_p_value) & (p_value <= 1))
    counts["p-value above member_p_value"] += int((~low).sum())
    batch = batch.filter(low)
    table = pd.DataFrame({"p_value": p_value[low], "log_p": log_p[low]}, index=batch.lines)
    for field, column in columns.items():
        if field in ("pos", "standard_error", "z", *EFFECTS):
            table[field] = batch.numbers(column)
        elif field in ("effect_allele", "other_allele"):
            alleles = pd.Series(batch.alleles(column).to_pandas(), dtype="str")
            table[field] = alleles.set_axis(table.index)
        elif field in ("chrom", "id"):
            table[field] = batch.frame([column])[column]
    table["chrom"] = contig_keys(table["chrom"])
    associated.add(table["chrom"], table["pos"].to_numpy(), table["effect_allele"], table["other_allele"])
    table = _refuse(table, table["p_value"].isna(), "p-value missing", counts)
    table = _refuse(table, ~table["p_value"].between(0, 1), "p-value out of range", counts)
    table = _refuse(table, table["chrom"].isna() | table["pos"].isna(), "place missing", counts)
    outside = (table["pos"] < 1) | (table["pos"] > LARGEST_POS) | (table["pos"] % 1 != 0)
    table = _refuse(table, outside, "position out of range", counts)
    missing = table[["effect_allele", "other_allele"]].isna().any(axis=1)
    table = _refuse(table, missing, "allele missing", counts)
    of_bases = table["effect_allele"].str.fullmatch("[ACGT]+") & table["other_allele"].str.fullmatch(
        "[ACGT]+"
    )
    table = _refuse(table, ~of_bases, "allele is not of A, C, G and T", counts)
    same = table["effect_allele"] == table["other_allele"]
    table = _with_statistics(_refuse(table, same, "alleles are the same", counts), counts)
    identifiers = table["id"].fillna(".") if "id" in table else "."
    return table.assign(id=identifiers, pip=np.nan, signal="all", pos=table["pos"].astype("int64"))


def _with_statistics(table: pd.DataFrame, counts: collections.Counter[str]) -> pd.DataFrame:
    """Add z and log_bf; where effect, standard error or z is missing, it is derived from the p-value."""
    field = next((field for field in EFFECTS if field in table), None)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = table[field] if field else pd.Series(np.nan, index=table.index)
        beta = np.log(effect) if field in ("odds_ratio", "hazard_ratio") else effect
        bad = effect.notna() & ~np.isfinite(beta)
        table = _refuse(table.assign(beta=beta), bad, "effect out of range", counts)
        error = table.get("standard_error", pd.Series(np.nan, index=table.index))
        bad = error.notna() & ~((error > 0) & np.isfinite(error))
        table = _refuse(table.assign(standard_error=error), bad, "standard error out of range", counts)
        z = table["z"] if "z" in table else pd.Series(np.nan, index=table.index)
        z = z.fillna(table["beta"] / table["standard_error"])
        size = -ndtri_exp(np.minimum(table["log_p"], 0) - math.log(2))
        z = z.fillna(np.sign(table["beta"]) * size).replace([np.inf, -np.inf], np.nan)
        variance = (table["standard_error"].fillna(table["beta"] / z)) ** 2
        log_bf = log_bayes_factor(z.to_numpy(), variance.to_numpy())
    return table.assign(z=z, log_bf=log_bf)


def _refuse(
    table: pd.DataFrame, bad: pd.Series, reason: str, counts: collections.Counter[str]
) -> pd.DataFrame:
    """The rows that are not bad; those that are bad are counted under the reason."""
    number = int(bad.sum())
    if number:
        counts[reason] += number
    return table[~bad]


def _once(table: pd.DataFrame, counts: collections.Counter[str]) -> pd.DataFrame:
    """Each variant once, with its lowest p-value."""
    one, two = table["effect_allele"], table["other_allele"]
    keys = table.assign(first=one.where(one <= two, two), second=two.where(one <= two, one))
    keys = keys.sort_values("p_value", kind="stable")
    repeated = keys.duplicated(["chrom", "pos", "first", "second"]).reindex(table.index)
    return _refuse(table, repeated, "repeated variant", counts)


def _in_ld_blocks(
    table: pd.DataFrame, config: SummaryStatisticsConfig, counts: collections.Counter[str]
) -> pd.DataFrame:
    assert config.ld_blocks is not None
    blocks = LDBlocks(config.ld_blocks.path, config.ld_blocks.population)
    table = table.assign(block=blocks.of(table["chrom"], table["pos"]))
    table = _refuse(table, table["block"] == 0, "outside the LD blocks", counts)
    lowest = table.groupby("block")["p_value"].transform("min")
    return _refuse(table, lowest > config.lead_p_value, "block without a lead variant", counts).copy()


def _in_clumps(
    table: pd.DataFrame, config: SummaryStatisticsConfig, counts: collections.Counter[str]
) -> pd.DataFrame:
    clumping = config.clumping
    assert clumping is not None
    table = table.reset_index(drop=True)
    missing: collections.Counter[str] = collections.Counter()
    members = clump(
        table,
        clumping.genotypes,
        p1=config.lead_p_value,
        p2=config.member_p_value,
        r2=clumping.r2,
        kb=clumping.kb,
        match=clumping.match,
        counts=missing,
    )
    missing["in no clump"] = len(table) - len(members) - missing.total()
    counts += missing
    leads = table.loc[members["row"][members["lead"]]]
    names = leads["chrom"] + ":" + leads["pos"].astype(str)
    names = names + ":" + leads["other_allele"] + ":" + leads["effect_allele"]
    blocks = names.to_numpy()[members["clump"].to_numpy() - 1]
    return table.loc[members["row"]].assign(block=blocks)
