"""Summary statistics of a GWAS as associations in blocks.

A table is GWAS-SSF (Hayhurst et al. 2022, bioRxiv 2022.07.15.500230) or any other with a header. The
columns are found by :data:`mifm_kipoi.genomics.columns.ALIASES` or named in the configuration. Blocks are LD
blocks from a table, or clumps on genotypes.
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

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS
from mifm_kipoi.genetics.clumping import clump
from mifm_kipoi.genetics.ld_blocks import LDBlocks
from mifm_kipoi.genomics.columns import ALIASES, EFFECTS, columns_named
from mifm_kipoi.genomics.contigs import PLINK_NUMBERS
from mifm_kipoi.genomics.text_tables import TextTable, numbers
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor

_log = logging.getLogger(__name__)

_REQUIRED = ("chrom", "pos", "effect_allele", "other_allele")


class SummaryStatisticsError(MIFMError):
    """Summary statistics without what is needed of them."""


@dataclasses.dataclass(frozen=True)
class LDBlocksConfig:
    """A table of LD blocks.

    Parameters
    ----------
    path : str
        Table with columns chr, start, stop (0-based, half-open) and pop.
    population : str
        The ``pop`` whose blocks are used.
    """

    path: str
    population: str = "EUR"


@dataclasses.dataclass(frozen=True)
class ClumpingConfig:
    """Clumps on genotypes, as ``plink --clump`` makes them.

    Parameters
    ----------
    genotypes : tuple of str
        PLINK filesets without ``.bed``; each chromosome in one of them.
    r2 : float
        Members have a higher squared correlation with the lead variant.
    kb : float
        Members are nearer to the lead variant than so many thousand base pairs.
    match : str
        Whether variants are found by chromosome, position and alleles (``variant``) or by ``id``.
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
    """Summary statistics, and how blocks are made of them: of LD blocks or by clumping.

    Parameters
    ----------
    path : str
        Table, plain or gzipped.
    columns : mapping of str to str
        From the names of :data:`ALIASES` to columns of the table, where the aliases do not find them.
    study : str
        Name of the study; empty for the name of the file.
    lead_p_value : float
        A block counts if it has a variant with a p-value so low: 5e-8 is genome-wide significance.
    member_p_value : float
        Variants with p-values up to this one belong to the bag of a block that counts. 1e-5, the usual
        limit of suggestive association, keeps those that are in strong LD with a lead variant (at r2
        0.66 and more to one with p = 5e-8, as z falls with r) and little else.
    ld_blocks : LDBlocksConfig, optional
    clumping : ClumpingConfig, optional
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
            raise ValueError("expected one of ld_blocks and clumping")
        unknown = sorted(set(self.columns) - set(ALIASES))
        if unknown:
            raise ValueError(f"columns has {', '.join(unknown)}; known are {', '.join(ALIASES)}")


def read_summary_statistics(
    config: SummaryStatisticsConfig, counts: collections.Counter[str] | None = None, rows: int = 200_000
) -> Iterator[pd.DataFrame]:
    """Associations of one GWAS, one table per chromosome.

    The file is read a chunk at a time; of its variants only those with p-values up to
    ``member_p_value`` are held.

    Parameters
    ----------
    config : SummaryStatisticsConfig
    counts : collections.Counter, optional
        Rows left out are counted here, each once, under the first reason that holds.
    rows : int
        Lines of a chunk.

    Yields
    ------
    pandas.DataFrame
        Columns of ASSOCIATION_COLUMNS; ``chrom`` as in the table but X and Y for 23 and 24, ``signal``
        ``all``, ``block`` the number of the LD block, or ``chrom:pos:other:effect`` of the lead variant of
        a clump.

    Raises
    ------
    SummaryStatisticsError
        When columns are missing or ambiguous, or there is no lead variant.
    TableError
        When a file cannot be read or has a malformed line.
    GenotypeError
        When genotypes cannot be used.
    """
    counts = collections.Counter() if counts is None else counts
    table = TextTable.of(config.path)
    columns = find_columns(table.columns, config.columns, config.path)
    parts = [
        _associations(chunk.rename(columns={name: field for field, name in columns.items()}), config, counts)
        for chunk in table.chunks(tuple(columns.values()), rows)
    ]
    found = pd.concat([part for part in parts if len(part)] or parts[:1] or [pd.DataFrame()])
    if not len(found) or found["p_value"].min() > config.lead_p_value:
        raise SummaryStatisticsError(
            f"no variant of {config.path} has a p-value up to {config.lead_p_value}; "
            "expected lead variants of bags (lead_p_value)"
        )
    found = _once(found, counts)
    found = _in_ld_blocks(found, config, counts) if config.ld_blocks else _in_clumps(found, config, counts)
    found["study"] = config.study or Path(config.path).name
    found = found[list(ASSOCIATION_COLUMNS)].astype(ASSOCIATION_COLUMNS)
    for _, rows_of_chromosome in found.groupby("chrom", sort=False):
        yield rows_of_chromosome.reset_index(drop=True)


def find_columns(header: Sequence[str], named: Mapping[str, str], path: str) -> dict[str, str]:
    """Which columns of a table hold what.

    Parameters
    ----------
    header : sequence of str
    named : mapping of str to str
        Columns that are known, which the aliases neither override nor use for something else.
    path : str
        For messages.

    Returns
    -------
    dict of str to str
        From names of :data:`ALIASES` to columns. Of several identifiers and of several measures of the
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
    found = dict(named)
    for field, aliases in ALIASES.items():
        if field in found:
            continue
        fitting = columns_named([name for name in header if name not in named.values()], aliases)
        if len(fitting) > 1 and field != "id":
            raise SummaryStatisticsError(
                f"{path}: each of the columns {', '.join(fitting)} could be {field}; name one in columns"
            )
        if fitting:
            found[field] = fitting[0]
    missing = [field for field in _REQUIRED if field not in found]
    if not {"p_value", "neg_log_10_p_value"} & set(found):
        missing.append("p_value")
    if missing:
        raise SummaryStatisticsError(
            f"{path} has no column for {', '.join(missing)} among {', '.join(header)}; "
            "expected one of the known aliases, or name the column in columns"
        )
    for chosen in ([*EFFECTS], ["p_value", "neg_log_10_p_value"]):
        for field in [field for field in chosen if field in found][1:]:
            del found[field]
    return found


def _associations(
    chunk: pd.DataFrame, config: SummaryStatisticsConfig, counts: collections.Counter[str]
) -> pd.DataFrame:
    """The rows with low p-values; columns as ASSOCIATION_COLUMNS without block and study."""
    if "p_value" in chunk:
        p_value = numbers(chunk, "p_value", config.path)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.log(p_value)
    else:
        log_p = -numbers(chunk, "neg_log_10_p_value", config.path) * math.log(10)
        p_value = np.exp(log_p)
    chunk = chunk.assign(p_value=p_value, log_p=log_p)
    chunk = _refuse(chunk, p_value.isna(), "p-value missing", counts)
    chunk = _refuse(chunk, ~chunk["p_value"].between(0, 1), "p-value out of range", counts)
    high = chunk["p_value"] > config.member_p_value
    chunk = _refuse(chunk, high, "p-value above member_p_value", counts).copy()
    chunk["chrom"] = chunk["chrom"].replace(PLINK_NUMBERS)
    for field in ("pos", "standard_error", "z", *EFFECTS):
        if field in chunk:
            chunk[field] = numbers(chunk, field, config.path)
    chunk = _refuse(chunk, chunk["chrom"].isna() | chunk["pos"].isna(), "place missing", counts)
    outside = (chunk["pos"] < 1) | (chunk["pos"] >= 2**31) | (chunk["pos"] % 1 != 0)
    chunk = _refuse(chunk, outside, "position out of range", counts)
    alleles = chunk[["effect_allele", "other_allele"]].apply(lambda column: column.str.upper())
    missing = alleles.isna().any(axis=1)
    chunk = _refuse(chunk.assign(**alleles), missing, "allele missing", counts)
    alleles = chunk[["effect_allele", "other_allele"]]
    sequence = alleles.apply(lambda column: column.str.fullmatch("[ACGT]+")).all(axis=1)
    chunk = _refuse(chunk, ~sequence, "allele is not of A, C, G and T", counts)
    same = chunk["effect_allele"] == chunk["other_allele"]
    chunk = _with_statistics(_refuse(chunk, same, "alleles are the same", counts), counts)
    identifiers = chunk["id"].fillna(".") if "id" in chunk else "."
    return chunk.assign(id=identifiers, pip=np.nan, signal="all", pos=chunk["pos"].astype("int64"))


def _with_statistics(chunk: pd.DataFrame, counts: collections.Counter[str]) -> pd.DataFrame:
    """Add z and log_bf; what the table lacks of effect, standard error and z follows from the p-value."""
    field = next((field for field in EFFECTS if field in chunk), None)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = chunk[field] if field else pd.Series(np.nan, index=chunk.index)
        beta = np.log(effect) if field in ("odds_ratio", "hazard_ratio") else effect
        bad = effect.notna() & ~np.isfinite(beta)
        chunk = _refuse(chunk.assign(beta=beta), bad, "effect out of range", counts)
        error = chunk.get("standard_error", pd.Series(np.nan, index=chunk.index))
        bad = error.notna() & ~((error > 0) & np.isfinite(error))
        chunk = _refuse(chunk.assign(standard_error=error), bad, "standard error out of range", counts)
        z = chunk["z"] if "z" in chunk else pd.Series(np.nan, index=chunk.index)
        z = z.fillna(chunk["beta"] / chunk["standard_error"])
        size = -ndtri_exp(np.minimum(chunk["log_p"], 0) - math.log(2))
        z = z.fillna(np.sign(chunk["beta"]) * size).replace([np.inf, -np.inf], np.nan)
        variance = (chunk["standard_error"].fillna(chunk["beta"] / z)) ** 2
        log_bf = log_bayes_factor(z.to_numpy(), variance.to_numpy())
    return chunk.assign(z=z, log_bf=log_bf)


def _refuse(
    table: pd.DataFrame, bad: pd.Series, reason: str, counts: collections.Counter[str]
) -> pd.DataFrame:
    """The rows that are not bad; the others are counted."""
    number = int(bad.sum())
    if number:
        counts[reason] += number
    return table[~bad]


def _once(found: pd.DataFrame, counts: collections.Counter[str]) -> pd.DataFrame:
    """Each variant once, with its lowest p-value."""
    one, two = found["effect_allele"], found["other_allele"]
    keys = found.assign(first=one.where(one <= two, two), second=two.where(one <= two, one))
    keys = keys.sort_values("p_value", kind="stable")
    repeated = keys.duplicated(["chrom", "pos", "first", "second"]).reindex(found.index)
    return _refuse(found, repeated, "repeated variant", counts)


def _in_ld_blocks(
    found: pd.DataFrame, config: SummaryStatisticsConfig, counts: collections.Counter[str]
) -> pd.DataFrame:
    assert config.ld_blocks is not None
    blocks = LDBlocks(config.ld_blocks.path, config.ld_blocks.population)
    found = found.assign(block=blocks.of(found["chrom"], found["pos"]))
    found = _refuse(found, found["block"] == 0, "outside the LD blocks", counts)
    lowest = found.groupby("block")["p_value"].transform("min")
    return _refuse(found, lowest > config.lead_p_value, "block without a lead variant", counts).copy()


def _in_clumps(
    found: pd.DataFrame, config: SummaryStatisticsConfig, counts: collections.Counter[str]
) -> pd.DataFrame:
    clumping = config.clumping
    assert clumping is not None
    found = found.reset_index(drop=True)
    missing: collections.Counter[str] = collections.Counter()
    members = clump(
        found,
        clumping.genotypes,
        p1=config.lead_p_value,
        p2=config.member_p_value,
        r2=clumping.r2,
        kb=clumping.kb,
        match=clumping.match,
        counts=missing,
    )
    missing["in no clump"] = len(found) - len(members) - missing.total()
    counts += missing
    leads = found.loc[members["row"][members["lead"]]]
    names = leads["chrom"] + ":" + leads["pos"].astype(str)
    names = names + ":" + leads["other_allele"] + ":" + leads["effect_allele"]
    blocks = names.to_numpy()[members["clump"].to_numpy() - 1]
    return found.loc[members["row"]].assign(block=blocks)
