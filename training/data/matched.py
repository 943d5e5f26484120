"""Negative bags of the size of positive ones: common variants of one region, matched to a study's set.

A bag of dozens of variants is told from a single one by its size alone: the highest of many scores is higher,
whatever the score is. Bags of one size leave only what the variants are.

A region is a run of common variants of one contig and split with no associated position between the first and
the last. It lies outside the blocks of positive bags, where variants that no table lists are in LD with those
listed, or causal themselves. For a set of k variants some regions are drawn, in each a run of up to 4 k
candidates; of these k are taken without replacement, each the nearest to a variant of the set in minor allele
frequency, GC and CpG of the window, and LD score, in units of their standard deviation; in a feature that is
not known of a candidate, it is as far as two candidates are on average. The region that fits best becomes the
bag. A candidate is used once.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.genome import Genome
from training.data.associated import AssociatedPositions
from training.data.negatives import NEGATIVE_COLUMNS, CommonVariant, NegativesConfig, accepted_variants
from training.data.splits import ACROSS, SplitsConfig, split_indices

log = logging.getLogger(__name__)

FEATURES = ("maf", "gc", "cpg", "ld_score")
"""What negatives are matched on: minor allele frequency; fractions of the window's bases that are G or C, and
that begin the pair CG; LD score."""

_POOL = 4
"""Candidates of a region for each variant of a set."""

_REGIONS = 5
"""Regions that are tried for a set."""

_DRAWS = 50
"""Regions that are drawn at most, of which others may have used the candidates."""

_UNKNOWN_DISTANCE = 2.0
"""Expected squared difference of two independent values, in units of their variance."""

_LARGEST_GAP = 1_000_000
"""Positions of a block that are further apart, in bp, do not span what lies between: a block so named may
hold whole chromosomes, and LD blocks are mostly shorter."""

_WINDOWS = 1 << 14
"""Windows whose composition is computed together: 8 MiB."""

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class MatchedNegatives:
    """Negative bags, and how well they match.

    Parameters
    ----------
    instances : pandas.DataFrame
        :data:`training.data.negatives.NEGATIVE_COLUMNS` and ``set``, the number of the set that a bag is
        matched to; ordered by set and position.
    counts : collections.Counter
        ALT alleles of the VCF files by reason (:func:`training.data.negatives.find_negatives`).
    matching : dict
        ``sets``: how many were to be matched; ``bags``: how many are; ``candidates``: variants outside of
        blocks; ``in_blocks``: those that were left out as inside; ``block_margin``; ``lacking``: by feature,
        how many negatives lack what the variants that they are matched with have; ``features``: for each of
        :data:`FEATURES` that is known in some variants of the sets, how many these are, the means of them,
        of all candidates, and of the negatives that they were matched with, and the standard deviation of
        the candidates.
    """

    instances: pd.DataFrame
    counts: Counter[str]
    matching: dict[str, Any]


def matched_negatives(
    config: NegativesConfig,
    positives: pd.DataFrame,
    members: pd.DataFrame,
    set_of_member: Integers,
    splits: SplitsConfig,
    window: int,
    genome: Genome | None,
    associated: AssociatedPositions,
    build: str = "",
    blocks: pd.DataFrame | None = None,
) -> MatchedNegatives:
    """Draw a negative bag for each of some sets of positives.

    Parameters
    ----------
    config : NegativesConfig
        The VCF files, and which of their variants are common.
    positives : pandas.DataFrame
        ``chrom``, ``pos`` (1-based), ``ref`` and ``alt`` of all variants of positives.
    members : pandas.DataFrame
        The same columns of the variants of the sets.
    set_of_member : numpy.ndarray of int64, shape (number of members,)
        The set of each, from 0 in rising order; the windows of a set lie in one split.
    splits : SplitsConfig
        The held-out regions: a bag lies in the split of its set, and no window crosses a border.
    window : int
        Length of windows in bp that must not cross the border of a split.
    genome : Genome, optional
        Where given, REF must be its bases, and the composition of windows is matched.
    associated : AssociatedPositions
        Positions of all rows that the tables associate: none lies between the variants of a bag.
    build : str
        The genome build, where it is known.
    blocks : pandas.DataFrame, optional
        ``bag``, ``chrom`` and ``pos`` of all variants of positive bags, whose spans are excluded
        (``config.block_margin``); None excludes none.

    Raises
    ------
    VariantFileError, ReferenceMismatchError, InputError
        As of :func:`training.data.negatives.find_negatives`.
    """
    counts: Counter[str] = Counter()
    of_positives: list[CommonVariant] = []
    parts = [
        _frame(some)
        for some in accepted_variants(
            config, positives, genome, associated, build, counts, None, of_positives
        )
    ]
    candidates = pd.concat(parts, ignore_index=True) if parts else _frame([])
    candidates = candidates.assign(split=split_indices(candidates, splits, window))
    candidates = candidates[candidates["split"] != ACROSS]
    inside = np.zeros(len(candidates), dtype=bool)
    if blocks is not None and config.block_margin is not None:
        inside = _in_blocks(candidates, blocks, config.block_margin)
    if len(candidates) and inside.all():
        raise InputError(
            f"no matched negatives can be drawn: all {len(candidates):,} common variants of "
            f"{', '.join(config.vcf)} lie in the blocks of positive bags (first to last position of a block "
            f"and signal, and data.negatives.block_margin, {config.block_margin} bp, on either side). Name "
            "VCF files of other regions too, or a smaller block_margin (null: only associated positions are "
            "kept out); or choose negatives.bags: single"
        )
    candidates = candidates[~inside]
    candidates = candidates.sort_values(["chrom", "pos"], kind="stable", ignore_index=True)
    runs = _runs(candidates, associated)
    values = _features(candidates, genome)
    known = _frame(of_positives).drop_duplicates(["chrom", "pos", "ref", "alt"])
    wanted = _features(_with_frequencies(members, known), genome)
    split = split_indices(members, splits, window)
    scale = np.array([_spread(column) for column in values.T])
    chosen = _draw(
        wanted / scale,
        set_of_member,
        split,
        values / scale,
        candidates["split"].to_numpy(),
        runs,
        np.random.default_rng(config.seed),
    )
    if not chosen:
        raise InputError(
            f"no matched negatives can be drawn: of {', '.join(config.vcf)} {len(candidates):,} common "
            f"variants are left, in {len(runs):,} regions without associated positions, and no set of "
            f"{int(set_of_member.max(initial=-1)) + 1:,} fits into one in its split. Expected common "
            f"variants in regions of their own ({int(inside.sum()):,} are in blocks of positive bags: see "
            "negatives.block_margin); or choose negatives.bags: single"
        )
    rows = np.concatenate([rows for _, rows in chosen])
    numbers, sizes = [number for number, _ in chosen], [len(own) for _, own in chosen]
    instances = candidates.iloc[rows][list(NEGATIVE_COLUMNS)].astype(NEGATIVE_COLUMNS)
    instances = instances.assign(set=np.repeat(numbers, sizes))
    instances = instances.iloc[np.lexsort((rows, instances["set"]))]
    used = np.isin(set_of_member, numbers)
    matching = {
        "sets": int(set_of_member.max(initial=-1)) + 1,
        "bags": len(chosen),
        "candidates": len(candidates),
        "in_blocks": int(inside.sum()),
        "block_margin": config.block_margin,
        "lacking": _lacking(wanted[used], values[rows]),
        "features": _means(wanted[used], values, values[rows], scale),
    }
    log.info("matched negatives: %d bags of %d sets", len(chosen), matching["sets"])
    return MatchedNegatives(instances.reset_index(drop=True), counts, matching)


def _frame(variants: Iterable[CommonVariant]) -> pd.DataFrame:
    """Variants as a table, with ``maf`` and ``ld_score``."""
    rows = [
        (
            each.variant.chrom, each.variant.pos, each.variant.ref, each.variant.alt, each.variant.id,
            min(each.frequency, 1 - each.frequency), each.ld_score,
        )
        for each in variants
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=[*NEGATIVE_COLUMNS, "maf", "ld_score"]).astype(
        {**NEGATIVE_COLUMNS, "maf": "float64", "ld_score": "float64"}
    )


def _with_frequencies(members: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The members with what the VCF files say of them, whichever of their alleles is called REF there."""

    def keyed(table: pd.DataFrame) -> pd.DataFrame:
        one, two = table["ref"], table["alt"]
        return table.assign(first=one.where(one <= two, two), second=two.where(one <= two, one))

    keys = ["chrom", "pos", "first", "second"]
    facts = keyed(known)[[*keys, "maf", "ld_score"]].drop_duplicates(keys)
    members = keyed(members[["chrom", "pos", "ref", "alt"]])
    return members.merge(facts, on=keys, how="left", validate="many_to_one")


def _features(table: pd.DataFrame, genome: Genome | None) -> Values:
    """FEATURES of variants, shape (n, 4); NaN where unknown."""
    gc, cpg = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if genome is not None:
        pos = table["pos"].to_numpy(np.int64)
        for chrom, rows in table.groupby("chrom", sort=False).indices.items():
            contig = genome.find_contig(str(chrom))
            if contig is not None:
                for start in range(0, len(rows), _WINDOWS):
                    some = np.asarray(rows)[start : start + _WINDOWS]
                    gc[some], cpg[some] = composition(genome, contig, pos[some])
    return np.column_stack([table["maf"], gc, cpg, table["ld_score"]])


def composition(genome: Genome, contig: str, pos: Integers) -> tuple[Values, Values]:
    """Fractions of the bases of reference windows that are G or C, and that begin a CG.

    Parameters
    ----------
    genome : Genome
    contig : str
        A name in its contigs.
    pos : numpy.ndarray of int64, shape (n,)
        1-based positions of the variants.

    Returns
    -------
    gc, cpg : numpy.ndarray of float64, shape (n,)
        Over the 512 bases of a window, N among them.
    """
    windows = genome.fetch_windows(contig, pos - 1 - VARIANT_INDEX, WINDOW)
    is_c, is_g = windows == ord("C"), windows == ord("G")
    return (is_c | is_g).mean(axis=1), (is_c[:, :-1] & is_g[:, 1:]).sum(axis=1) / WINDOW


def _in_blocks(candidates: pd.DataFrame, blocks: pd.DataFrame, margin: int) -> npt.NDArray[np.bool_]:
    """Which candidates lie within the first and last position of a bag, or the margin beside them.

    Where neighbouring positions of a bag are more than :data:`_LARGEST_GAP` apart, it has several spans.
    """
    inside = np.zeros(len(candidates), dtype=bool)
    pos = candidates["pos"].to_numpy(np.int64)
    rows_of = {contig_key(str(name)): rows for name, rows in candidates.groupby("chrom").indices.items()}
    ordered = blocks.sort_values(["bag", "pos"], kind="stable")
    for chrom, own in ordered.groupby("chrom", sort=False):
        rows = rows_of.get(contig_key(str(chrom)))
        if rows is None:
            continue
        bag, place = own["bag"].to_numpy(np.int64), own["pos"].to_numpy(np.int64)
        cut = np.flatnonzero((np.diff(bag) != 0) | (np.diff(place) > _LARGEST_GAP)) + 1
        starts = np.sort(place[np.append(0, cut)] - margin)
        ends = np.sort(place[np.append(cut, len(place)) - 1] + margin)
        # More spans have begun than have ended before the position.
        inside[rows] |= np.searchsorted(starts, pos[rows], "right") > np.searchsorted(ends, pos[rows], "left")
    return inside


def _runs(candidates: pd.DataFrame, associated: AssociatedPositions) -> Integers:
    """First row, and the one behind the last, of each region, shape (number of regions, 2)."""
    chrom, pos = candidates["chrom"].to_numpy(object), candidates["pos"].to_numpy(np.int64)
    split = candidates["split"].to_numpy()
    gap = np.empty(len(candidates), dtype=np.int64)
    for name, rows in candidates.groupby("chrom", sort=False).indices.items():
        gap[rows] = associated.ranks(contig_key(str(name)), pos[rows])
    new = np.ones(len(candidates), dtype=bool)
    new[1:] = (chrom[1:] != chrom[:-1]) | (split[1:] != split[:-1]) | (gap[1:] != gap[:-1])
    starts = np.flatnonzero(new)
    return np.column_stack([starts, np.append(starts[1:], len(candidates))])


def _draw(
    wanted: Values,
    set_of_member: Integers,
    split: npt.NDArray[np.int8],
    values: Values,
    split_of_candidate: npt.NDArray[np.int8],
    runs: Integers,
    generator: np.random.Generator,
) -> list[tuple[int, Integers]]:
    """The candidates of each set that can be matched, one for each member, by rising number of the set."""
    free = np.ones(len(values), dtype=bool)
    bounds = np.searchsorted(set_of_member, np.arange(int(set_of_member.max(initial=-1)) + 2))
    sizes = np.diff(bounds)
    split_of_run = split_of_candidate[runs[:, 0]]
    lengths = runs[:, 1] - runs[:, 0]
    chosen: dict[int, Integers] = {}
    # The largest first, which fit into few regions.
    for number in np.argsort(-sizes, kind="stable").tolist():
        size, first = int(sizes[number]), int(bounds[number])
        eligible = np.flatnonzero((lengths >= size) & (split_of_run == split[first]))
        if not size or not len(eligible):
            continue
        weights = lengths[eligible] / lengths[eligible].sum()
        best: tuple[float, Integers] | None = None
        tried = 0
        for run in generator.choice(eligible, _DRAWS, p=weights).tolist():
            start, end = runs[run]
            pool = start + np.flatnonzero(free[start:end])
            if len(pool) < size or tried == _REGIONS:
                continue
            tried += 1
            width = min(_POOL * size, len(pool))
            offset = int(generator.integers(0, len(pool) - width, endpoint=True))
            pool = pool[offset : offset + width]
            distance, nearest = _nearest(wanted[first : first + size], values[pool], generator)
            if best is None or distance < best[0]:
                best = (distance, pool[nearest])
        if best is not None:
            chosen[number] = best[1]
            free[best[1]] = False
    return sorted(chosen.items())


def _nearest(wanted: Values, values: Values, generator: np.random.Generator) -> tuple[float, Integers]:
    """The mean squared distance, and for each of the wanted rows another of the values that is near it."""
    left = np.arange(len(values))
    known = np.isfinite(wanted)
    found, total = np.empty(len(wanted), dtype=np.int64), 0.0
    for row in generator.permutation(len(wanted)).tolist():
        squares = (values[left][:, known[row]] - wanted[row, known[row]]) ** 2
        distance = np.where(np.isnan(squares), _UNKNOWN_DISTANCE, squares).sum(axis=1)
        nearest = int(np.argmin(distance))
        total += float(distance[nearest])
        found[row] = left[nearest]
        left = np.delete(left, nearest)
    return total / len(wanted), found


def _spread(column: Values) -> float:
    """The standard deviation, 1 where there is none."""
    known = column[np.isfinite(column)]
    spread = float(known.std()) if len(known) else 0.0
    return spread if spread > 0 else 1.0


def _lacking(wanted: Values, chosen: Values) -> dict[str, int]:
    """How many of the chosen lack each feature that is known of what they are matched with, where any do."""
    numbers = (np.isfinite(wanted) & ~np.isfinite(chosen)).sum(axis=0).tolist()
    return {name: number for name, number in zip(FEATURES, numbers, strict=True) if number}


def _means(wanted: Values, values: Values, chosen: Values, scale: Values) -> list[dict[str, Any]]:
    """Means of each feature that is known, of members and the candidates that are matched with them."""
    found = []
    for column, name in enumerate(FEATURES):
        one, every, own = (table[:, column] for table in (wanted, values, chosen))
        both = np.isfinite(one) & np.isfinite(own)
        if both.any():
            found.append(
                {
                    "feature": name,
                    "known": int(both.sum()),
                    "positives": float(one[both].mean()),
                    "candidates": float(np.nanmean(every)),
                    "negatives": float(own[both].mean()),
                    "sd": float(scale[column]),
                }
            )
    return found
