"""Do scores put the variants with the highest PIPs of their block first? Blood traits of UK Biobank.

The table has ``SNP PP region CHR POS MAF p.value ZSCORE trait``, ``SNP`` as ``chrom:pos_REF_ALT``; a block is
one region of one trait. Blocks of several traits lie over the same bases, so intervals resample loci: blocks
whose variants overlap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi import Genome
from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.errors import InputError
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.estimates import Estimate, estimate
from mifm_kipoi.statistics.ranking import among_first
from mifm_kipoi.support.files import written_whole

KEYS = ["chrom", "pos", "ref", "alt"]

TOPS = (1, 5)
"""Numbers of first variants of a block."""


def read_rows(table: Path, fasta: Path) -> pd.DataFrame:
    """The rows whose variants have a full window in the genome.

    Parameters
    ----------
    table : Path
        PIPs, p-values and z-scores of blocks, tab-separated.
    fasta : Path
        Genome of the same build.

    Returns
    -------
    pandas.DataFrame
        ``chrom, pos, ref, alt, pip, p_value, z``, and ``block`` and ``locus``, numbers from 0; blocks that
        overlap are one locus.

    Raises
    ------
    InputError
        When no row has a full window.
    """
    rows = pd.read_csv(table, sep="\t", dtype={"CHR": str, "region": str, "trait": str})
    genome = Genome(fasta)
    alleles = rows["SNP"].str.extract(r"^[^:]+:\d+_(?P<ref>[ACGT]+)_(?P<alt>[ACGT]+)$")
    lengths = {name: genome.contigs.get(genome.find_contig(name) or "", 0) for name in rows["CHR"].unique()}
    length = rows["CHR"].map(lengths)
    behind = rows["POS"] + WINDOW - VARIANT_INDEX - 1
    inside = (rows["POS"] > VARIANT_INDEX) & (behind <= length) & alleles.notna().all(axis=1)
    if not inside.any():
        raise InputError(
            f"no row of {table} has a full window in {fasta}; expected some of the same genome build"
        )
    kept = pd.DataFrame({
        "chrom": rows["CHR"], "pos": rows["POS"], "ref": alleles["ref"], "alt": alleles["alt"],
        "pip": rows["PP"], "p_value": rows["p.value"], "z": rows["ZSCORE"],
        "block": rows.groupby(["trait", "CHR", "region"]).ngroup(),
    })[inside].reset_index(drop=True)  # fmt: skip
    kept["block"] = pd.factorize(kept["block"])[0]
    ends = kept.groupby("block").agg(chrom=("chrom", "first"), start=("pos", "min"), end=("pos", "max"))
    ends = ends.sort_values(["chrom", "start"])
    reached = ends.groupby("chrom")["end"].cummax().shift(fill_value=0)
    begins = (ends["chrom"] != ends["chrom"].shift()) | (ends["start"] > reached)
    return kept.assign(locus=kept["block"].map(begins.cumsum() - 1))


def write_variants(rows: pd.DataFrame, vcf: Path, associations: Path) -> int:
    """Write each variant once as VCF, and the rows as summary statistics.

    Returns
    -------
    int
        Number of variants.
    """
    once = rows.drop_duplicates(KEYS).sort_values(["chrom", "pos"])
    with written_whole(vcf) as temporary:
        lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
        lines += [
            f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t."
            for chrom, pos, ref, alt in once[KEYS].itertuples(index=False)
        ]
        temporary.write_text("\n".join(lines) + "\n")
    named = rows.rename(columns={"ref": "other_allele", "alt": "effect_allele"})
    with written_whole(associations) as temporary:
        named[["chrom", "pos", "effect_allele", "other_allele", "p_value", "z", "block"]].to_csv(
            temporary, sep="\t", index=False
        )
    return len(once)


@dataclasses.dataclass(frozen=True)
class Enrichment:
    """PIP of the first variants of blocks under a score, over that of all variants of the blocks.

    Parameters
    ----------
    score : str
        Name of the score.
    top : int
        How many variants of each block; ties count by their expectation.
    blocks, variants : int
        Blocks with two variants or more that have a score, and their variants.
    ratio : Estimate
        ``sum over blocks of the mean PIP of the first / sum of the mean PIP of all``; 1 is chance.
    p_value : float
        Fraction of permutations of scores between the variants of a locus that give as much, one added to
        both counts.
    """

    score: str
    top: int
    blocks: int
    variants: int
    ratio: Estimate
    p_value: float


def enrichment(
    rows: pd.DataFrame,
    score: npt.NDArray[np.float64],
    name: str,
    top: int,
    permutations: int = 9999,
    seed: int = 1,
) -> Enrichment:
    """Enrichment of PIP in the variants that a score puts first.

    Parameters
    ----------
    rows : pandas.DataFrame
        With ``pip, block, locus`` and, where variants are in several blocks, their keys (:func:`read_rows`).
    score : numpy.ndarray of float64, shape (n,)
        NaN where a variant has no score.
    name : str
        Of the score.
    top : int
        How many first variants of each block; all of a block that has fewer.
    permutations, seed : int
        For the p-value; the seed is that of the resamples too.
    """
    scored = np.isfinite(score)
    size = rows[scored].groupby("block")["pip"].transform("size")
    table = rows[scored].assign(score=score[scored])[size > 1]
    pip, block = table["pip"].to_numpy(), pd.factorize(table["block"])[0]
    mean = np.bincount(block, pip) / np.bincount(block)
    per_variant = pip / np.minimum(top, np.bincount(block))[block]
    first = np.bincount(block, per_variant * among_first(table["score"].to_numpy(), block, top))
    loci = Bootstrap.of_clusters(table.groupby(block)["locus"].first().to_numpy(), seed=seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = loci.means(first) / loci.means(mean)
    # Blocks of several traits share variants, so scores are permuted between the variants of a locus.
    keys = [key for key in KEYS if key in table]
    variant = table.groupby(keys, sort=False).ngroup().to_numpy() if keys else np.arange(len(table))
    locus, values = np.empty(variant.max() + 1, np.int64), np.empty(variant.max() + 1)
    locus[variant], values[variant] = table["locus"], table["score"]
    generator = np.random.default_rng(seed)
    by_locus = np.argsort(locus, kind="stable")
    as_much = 0
    for _ in range(permutations):
        shuffled = np.empty_like(values)
        shuffled[by_locus] = values[np.lexsort((generator.random(len(values)), locus))]
        drawn = (per_variant * among_first(shuffled[variant], block, top)).sum()
        as_much += bool(drawn >= first.sum() - 1e-12)
    return Enrichment(
        name, top, len(first), len(table),
        estimate(float(first.sum() / mean.sum()), resampled, loci.blocks), (1 + as_much) / (1 + permutations),
    )  # fmt: skip


def enrichments(
    rows: pd.DataFrame, scores: pd.DataFrame, columns: Sequence[str], seed: int = 1
) -> list[Enrichment]:
    r"""Enrichment under several scores, the block's own p-values (by \|z\|) and a random score of variants.

    Parameters
    ----------
    rows : pandas.DataFrame
        From :func:`read_rows`.
    scores : pandas.DataFrame
        ``chrom, pos, ref, alt`` and the columns, as ``mifm compare`` joins them.
    columns : sequence of str
        Scores to evaluate.
    seed : int
        Of the random score, permutations and resamples.
    """
    merged = rows[KEYS].merge(scores[[*KEYS, *columns]], how="left", on=KEYS)
    merged["own p-value"] = rows["z"].abs().to_numpy()
    variant = rows.groupby(KEYS).ngroup().to_numpy()
    merged["random"] = np.random.default_rng(seed).random(variant.max() + 1)[variant]
    return [
        enrichment(rows, merged[column].to_numpy(np.float64), column, top, seed=seed)
        for column in [*columns, "own p-value", "random"]
        for top in TOPS
    ]
