"""What variants differ in beside their scores: composition of the sequence, distance to genes, columns.

Scores of a sequence follow its composition, and annotations do so too; GWAS variants of a frequency, and with
an LD score, are not those of another. An enrichment that is gone once these are held fixed is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.genes import read_features
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import read_intervals

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

GC, CPG, TSS = "gc", "cpg", "log10_tss_distance"
"""Covariates that are computed: fractions of G and C, and of CpG, and the distance to a gene's start."""

FLANK = 250
"""Bases on either side of a variant that its composition is of."""

_TILE = 1 << 20
"""Positions of a contig of which composition is computed together."""

BINS = 5
"""Quantile bins of a covariate, in which variants count as alike."""

_MOST_STRATA = 4096
"""Strata at most: with more covariates, each has fewer bins."""


def composition(genome: Genome, contigs: Sequence[str], contig: Rows, pos: Rows) -> dict[str, Values]:
    """GC and CpG around variants.

    Parameters
    ----------
    genome : Genome
        The FASTA of the variants' build.
    contigs : sequence of str
        Keys of contigs.
    contig, pos : numpy.ndarray of int64, shape (n,)
        Index in ``contigs``, rising, and 1-based position, rising within a contig.

    Returns
    -------
    dict of str to numpy.ndarray of float64, shape (n,)
        :data:`GC`, the fraction of G and C among the bases that are known within :data:`FLANK` bp, and
        :data:`CPG`, that of their pairs of neighbours that are CpG; NaN where the FASTA lacks the contig or
        has N alone.
    """
    gc, cpg = np.full(len(pos), np.nan), np.full(len(pos), np.nan)
    cuts = np.searchsorted(contig, np.arange(len(contigs) + 1))
    for code, chrom in enumerate(contigs):
        name = genome.find_contig(chrom)
        rows = np.arange(cuts[code], cuts[code + 1])
        if name is None or not rows.size:
            continue
        for part in np.split(rows, np.flatnonzero(np.diff(pos[rows] // _TILE)) + 1):
            first = int(pos[part[0]]) - 1 - FLANK
            bases = genome.fetch(name, first, int(pos[part[-1]]) + FLANK)
            is_c, is_g = bases == ord("C"), bases == ord("G")
            known = is_c | is_g | (bases == ord("A")) | (bases == ord("T"))
            start = pos[part] - 1 - FLANK - first
            inside, c_or_g = (_within(each, start) for each in (known, is_c | is_g))
            pairs = _within(np.append(is_c[:-1] & is_g[1:], False), start)
            with np.errstate(invalid="ignore"):
                gc[part], cpg[part] = c_or_g / inside, pairs / inside
    return {GC: gc, CPG: cpg}


def _within(flags: npt.NDArray[np.bool_], start: Rows) -> Values:
    """How many flags are set in windows of ``2 FLANK + 1`` bases."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    counts: Values = (sums[start + 2 * FLANK + 1] - sums[start]).astype(np.float64)
    return counts


def read_starts(path: Path) -> dict[str, Rows]:
    """Transcription start sites.

    Parameters
    ----------
    path : Path
        GTF, of which the starts of transcripts count, or of genes where it has no transcripts; or BED, of
        which the first base of each interval counts. Plain or gzip.

    Returns
    -------
    dict of str to numpy.ndarray of int64
        0-based positions, sorted, by the key of the contig.

    Raises
    ------
    InputError
        When the file cannot be read, is neither, or has no start.
    """
    is_gtf = path.name.removesuffix(".gz").endswith((".gtf", ".gff"))
    starts = _starts_of_gtf(path) if is_gtf else _starts_of_bed(path)
    if not starts:
        raise InputError(
            f"{path} has no transcription start site; expected a GTF (.gtf, .gtf.gz) with transcripts or "
            "genes, or BED"
        )
    return {contig: np.unique(np.array(each, dtype=np.int64)) for contig, each in starts.items()}


def _starts_of_gtf(path: Path) -> dict[str, list[int]]:
    of_kind: dict[str, dict[str, list[int]]] = {"transcript": {}, "gene": {}}
    for feature in read_features(path, of_kind):
        of_kind[feature.kind].setdefault(feature.contig, []).append(feature.first)
    return of_kind["transcript"] or of_kind["gene"]


def _starts_of_bed(path: Path) -> dict[str, list[int]]:
    starts: dict[str, list[int]] = {}
    for one in read_intervals(path):
        starts.setdefault(contig_key(one.chrom), []).append(one.start)
    return starts


def distance_to_start(starts: Mapping[str, Rows], contigs: Sequence[str], contig: Rows, pos: Rows) -> Values:
    """``log10(1 + bp)`` to the nearest transcription start site, shape (n,); NaN on contigs without one.

    Parameters
    ----------
    starts : mapping of str to numpy.ndarray of int64
        See :func:`read_starts`.
    contigs, contig, pos
        See :func:`composition`.
    """
    distance = np.full(len(pos), np.nan)
    cuts = np.searchsorted(contig, np.arange(len(contigs) + 1))
    for code, chrom in enumerate(contigs):
        if chrom in starts:
            rows = slice(cuts[code], cuts[code + 1])
            sites, pos0 = starts[chrom], pos[rows] - 1
            after = np.searchsorted(sites, pos0)
            right = np.abs(sites[np.minimum(after, len(sites) - 1)] - pos0)
            left = np.abs(pos0 - sites[np.maximum(after - 1, 0)])
            distance[rows] = np.log10(1 + np.minimum(left, right))
    return distance


def strata(covariates: Mapping[str, Values]) -> Rows:
    """Strata of variants that are alike in all covariates: the product of their quantile bins.

    Parameters
    ----------
    covariates : mapping of str to numpy.ndarray of float64, shape (n,)
        At least one.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        -1 where a covariate is NaN.
    """
    bins = max(2, min(BINS, int(_MOST_STRATA ** (1 / len(covariates)) + 1e-9)))
    values = list(covariates.values())
    known = ~np.isnan(np.array(values)).any(axis=0)
    stratum = np.zeros(values[0].size, dtype=np.int64)
    for each in values:
        some = each[known] if known.any() else np.zeros(1)
        edges = np.unique(np.quantile(some, np.arange(1, bins) / bins))
        stratum = stratum * bins + np.searchsorted(edges, each, side="left")
    return np.where(known, stratum, -1)


def design(covariates: Mapping[str, Values]) -> Values:
    """Columns for a regression, shape (n, 2 k): each covariate in standard deviations, and its square.

    Parameters
    ----------
    covariates : mapping of str to numpy.ndarray of float64, shape (n,)
        Without NaN. One that does not vary is left out.
    """
    columns = []
    for values in covariates.values():
        spread = values.std() if values.size else 0.0
        if spread > 0:
            scaled = (values - values.mean()) / spread
            columns += [scaled, scaled**2]
    return np.column_stack(columns) if columns else np.empty((len(next(iter(covariates.values()))), 0))
