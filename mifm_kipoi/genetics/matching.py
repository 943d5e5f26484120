"""Variants of tables, such as scoring files, and of genotypes: which is which, and why a variant has none.

Variants are compared by place and alleles; one without a place by its name and alleles. Alleles are compared
as written, in both orders. An SNV may have those of the other strand; for A/T and C/G that looks like the
other order, which is :data:`AMBIGUOUS <Outcome.AMBIGUOUS>` unless something says that the strand is the same.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import COMPLEMENT
from mifm_kipoi.genetics.genotypes.source import NO_ALLELE

if TYPE_CHECKING:
    import pyarrow as pa

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

KEYS = ("chrom", "pos", "id", "effect_allele", "other_allele")
"""Columns by which variants of scoring files are compared."""


class Outcome(enum.StrEnum):
    """What became of a row of a scoring file."""

    MATCHED = "matched"

    WEIGHT_MISSING = "weight_missing"
    """The row has no weight."""

    COMPLEX = "complex"
    """The row is about a haplotype, a diplotype or an interaction."""

    DOSAGE_WEIGHTS = "dosage_weights"
    """The row has a weight for each number of copies."""

    NOT_BASES = "not_bases"
    """An allele is not of A, C, G and T."""

    NO_PLACE = "no_place"
    """The row has neither a position nor a name."""

    NOT_COMPARED = "not_compared"
    """The file is of another genome build than the genotypes."""

    LOST_IN_LIFT_OVER = "lost_in_lift_over"
    """The other build has no such place."""

    AMBIGUOUS_IN_LIFT_OVER = "ambiguous_in_lift_over"
    """The other build has several such places."""

    NOT_IN_GENOTYPES = "not_in_genotypes"
    """The genotypes have no variant at the position, or of the name."""

    OTHER_POSITION = "other_position"
    """The genotypes have the name at another position only."""

    OTHER_ALLELES = "other_alleles"
    """The genotypes have the place, with other alleles."""

    AMBIGUOUS = "ambiguous"
    """A/T or C/G, and it is not known whether the strand is the same."""

    SEVERAL = "several"
    """Without the other allele, several variants of the genotypes fit."""

    REPEATED = "repeated"
    """Another row of the scoring file has the same variant of the genotypes."""

    ALL_MISSING = "all_missing"
    """Nobody whose frequency counts has a genotype."""


OUTCOMES = tuple(Outcome)
"""All outcomes; arrays hold places in this tuple, as int8."""

CODE = {outcome: np.int8(code) for code, outcome in enumerate(OUTCOMES)}
"""Places of outcomes in :data:`OUTCOMES`."""

_OTHER_STRAND = {base: base.translate(COMPLEMENT) for base in "ACGT"}
_NO_BASE = "\0"
"""Equal to no allele."""

_SAME, _MONOMORPHIC, _FLIPPED, _NO_FIT = range(4)
"""How the alleles of a pair fit; the lower, the better."""


@dataclasses.dataclass(frozen=True)
class Matches:
    """Variants of genotypes for variants of scoring files; all arrays have shape (n,).

    Parameters
    ----------
    row : numpy.ndarray of int64
        Row of the genotypes; -1 without one.
    counted : numpy.ndarray of bool
        Whether the effect allele is the one whose copies the genotypes count.
    other_strand : numpy.ndarray of bool
        Whether the alleles were those of the other strand.
    palindromic : numpy.ndarray of bool
        Whether the alleles are A/T or C/G, so that the strand cannot be told from them.
    outcome : numpy.ndarray of int8
        Codes of :data:`OUTCOMES`.
    other_pos : numpy.ndarray of int64
        Where the genotypes have the name at other positions only: the first of these; else 0.
    id_at_place : numpy.ndarray of bool
        Where the genotypes have the name at the position.
    """

    row: Rows
    counted: Flags
    other_strand: Flags
    palindromic: Flags
    outcome: npt.NDArray[np.int8]
    other_pos: Rows
    id_at_place: Flags

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: npt.NDArray[Any]) -> Matches:
        """Some of them, in the order of ``rows``."""
        return Matches(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    @property
    def matched(self) -> Flags:
        """Which have a variant."""
        return self.row >= 0


def candidates(
    chunks: Iterable[pd.DataFrame],
    variants: pd.DataFrame,
    on_progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Variants of genotypes that have the place or the name of one that is looked for.

    Parameters
    ----------
    chunks : iterable of pandas.DataFrame
        As of :meth:`mifm_kipoi.genetics.genotypes.Genotypes.variants`.
    variants : pandas.DataFrame
        ``chrom``, ``pos``, ``id``: what is looked for.
    on_progress : callable, optional
        Gets the number of variants that were read after each chunk.

    Returns
    -------
    pandas.DataFrame
        Some of the rows of the chunks, in their order.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    contigs = pa.array(pd.Index(variants["chrom"].unique()).difference([""]), pa.string())
    places = np.append(np.unique(_places(variants, contigs)), np.iinfo(np.int64).max)
    names = pa.array(pd.Index(variants["id"].unique()).difference(["", "."]), pa.string())
    kept, read = [], 0
    for chunk in chunks:
        place = _places(chunk, contigs)
        wanted = (place >= 0) & (places[np.searchsorted(places, place)] == place)
        if len(names):
            wanted |= np.asarray(pc.is_in(pa.array(chunk["id"], pa.string()), value_set=names))
        kept.append(chunk[wanted])
        read += len(chunk)
        if on_progress is not None:
            on_progress(read)
    columns = ["row", "chrom", "pos", "id", "counted", "other"]
    return pd.concat(kept)[columns] if kept else pd.DataFrame(columns=columns)


def match(variants: pd.DataFrame, genotyped: pd.DataFrame) -> Matches:
    """Find the variant of the genotypes for each variant of scoring files.

    Of several with the same alleles the first with the same name, else the first, is taken. A variant of
    which the genotypes have one allele only, since all people have the same, fits by that allele.

    Parameters
    ----------
    variants : pandas.DataFrame
        :data:`KEYS`, as :class:`mifm_kipoi.polygenic.scoring_files.ScoringFile` has them.
    genotyped : pandas.DataFrame
        ``row``, ``chrom``, ``pos``, ``id``, ``counted``, ``other``, such as :func:`candidates` gives.

    Returns
    -------
    Matches
        In the order of ``variants``. A palindromic variant has its row for the case that the strand is the
        same; whether it counts is decided by :func:`resolve`.
    """
    number = len(variants)
    wanted = variants[list(KEYS)].reset_index(drop=True)
    effect, other = (wanted[name].to_numpy(dtype=object) for name in ("effect_allele", "other_allele"))
    placed = (wanted["chrom"] != "").to_numpy()
    named = ~wanted["id"].isin(["", "."]).to_numpy()
    pairs = _pairs(wanted, placed, named, genotyped.reset_index(drop=True))
    best, counted_of, several = _best(pairs, effect, other)
    row = np.full(number, -1, dtype=np.int64)
    counted, other_strand, palindromic = (np.zeros(number, dtype=bool) for _ in range(3))
    at = best["wanted"].to_numpy()
    row[at] = best["row"].to_numpy()
    counted[at] = counted_of
    other_strand[at] = (best["fit"] == _FLIPPED).to_numpy()
    # The alleles of the genotypes say it where the file does not have the other one.
    palindromic[at] = _complementary(
        best["counted"].to_numpy(dtype=object), best["other"].to_numpy(dtype=object)
    )
    palindromic |= _complementary(effect, other)
    outcome = np.full(number, CODE[Outcome.NOT_IN_GENOTYPES])
    outcome[pairs["wanted"].unique()] = CODE[Outcome.OTHER_ALLELES]
    outcome[row >= 0] = CODE[Outcome.MATCHED]
    here, elsewhere = _names_found(wanted, placed & named, genotyped)
    outcome[(elsewhere > 0) & (outcome == CODE[Outcome.NOT_IN_GENOTYPES])] = CODE[Outcome.OTHER_POSITION]
    row[several] = -1
    outcome[several] = CODE[Outcome.SEVERAL]
    bases = np.array([bool(one) and not one.strip("ACGT") for one in effect.tolist()], dtype=bool)
    bases &= np.array([not one.strip("ACGT") for one in other.tolist()], dtype=bool)
    row[~bases] = -1
    outcome[~bases] = CODE[Outcome.NOT_BASES]
    outcome[~placed & ~named] = CODE[Outcome.NO_PLACE]
    return Matches(row, counted, other_strand, palindromic, outcome, elsewhere, here)


def resolve(matches: Matches, keep_ambiguous: bool | None) -> tuple[npt.NDArray[np.int8], bool]:
    """Outcomes of the rows of one scoring file, of which some are ambiguous, or have the same variant.

    Parameters
    ----------
    matches : Matches
        Those of the rows of the file, in order.
    keep_ambiguous : bool, optional
        Whether A/T and C/G variants are taken as of the same strand. By default where the file shows that it
        has the strand of the genotypes: another variant fits, and none by the other strand.

    Returns
    -------
    outcome : numpy.ndarray of int8, shape (n,)
        Codes of :data:`OUTCOMES`.
    kept : bool
        Whether ambiguous variants count.
    """
    outcome = matches.outcome.copy()
    clear = matches.matched & ~matches.palindromic
    if keep_ambiguous is None:
        keep_ambiguous = bool(clear.any() and not matches.other_strand[clear].any())
    if not keep_ambiguous:
        outcome[matches.matched & matches.palindromic] = CODE[Outcome.AMBIGUOUS]
    used = np.flatnonzero(outcome == CODE[Outcome.MATCHED])
    _, first = np.unique(matches.row[used], return_index=True)
    repeated = np.ones(len(used), dtype=bool)
    repeated[first] = False
    outcome[used[repeated]] = CODE[Outcome.REPEATED]
    return outcome, keep_ambiguous


def counts(outcome: npt.NDArray[np.int8]) -> collections.Counter[Outcome]:
    """How many rows have each outcome."""
    numbers = np.bincount(outcome, minlength=len(OUTCOMES))
    return collections.Counter({one: int(number) for one, number in zip(OUTCOMES, numbers, strict=True)})


def _places(variants: pd.DataFrame, contigs: pa.Array) -> Rows:
    """One number for each place; -1 on other contigs, and without a position."""
    import pyarrow as pa
    import pyarrow.compute as pc

    contig = pc.index_in(pa.array(variants["chrom"], pa.string()), value_set=contigs)
    number = contig.fill_null(-1).to_numpy().astype(np.int64)
    pos = variants["pos"].to_numpy(np.int64)
    return np.where((number >= 0) & (pos > 0), (number << 32) + pos, -1)


def _pairs(wanted: pd.DataFrame, placed: Flags, named: Flags, genotyped: pd.DataFrame) -> pd.DataFrame:
    """Each variant of scoring files with each of the genotypes at its place, or else of its name."""
    number = np.arange(len(wanted))
    right = genotyped.rename(columns={"id": "genotyped_id"})
    by_place = wanted.loc[placed, ["chrom", "pos", "id"]].assign(wanted=number[placed])
    by_name = wanted.loc[~placed & named, ["id"]].assign(wanted=number[~placed & named])
    some = [
        by_place.merge(right, on=["chrom", "pos"]),
        by_name.merge(right, left_on="id", right_on="genotyped_id"),
    ]
    columns = ["wanted", "id", "row", "genotyped_id", "counted", "other"]
    return pd.concat([pairs[columns] for pairs in some], ignore_index=True)


def _best(
    pairs: pd.DataFrame, effect: npt.NDArray[np.object_], other: npt.NDArray[np.object_]
) -> tuple[pd.DataFrame, Flags, Rows]:
    """The best pair of each variant that has one that fits.

    Returns them, whether the effect allele is counted, and the variants of which several pairs fit with
    different alleles.
    """
    at = pairs["wanted"].to_numpy()
    counted, uncounted = (pairs[name].to_numpy(dtype=object) for name in ("counted", "other"))
    fit, is_counted = _fits(effect[at], other[at], counted, uncounted)
    pairs = pairs.assign(fit=fit, is_counted=is_counted, renamed=pairs["id"] != pairs["genotyped_id"])
    fitting = pairs[pairs["fit"] < _NO_FIT].sort_values(["wanted", "fit", "renamed", "row"], kind="stable")
    best = fitting.drop_duplicates("wanted")
    # With both alleles of the file known, those of pairs that fit differ in their order alone.
    unclear = fitting[other[fitting["wanted"].to_numpy()] == ""]
    equal = unclear[unclear["fit"] == unclear.groupby("wanted")["fit"].transform("min")]
    different = equal.drop_duplicates(["wanted", "counted", "other"])["wanted"].value_counts()
    several = different.index[different > 1].to_numpy(np.int64)
    return best, best["is_counted"].to_numpy(bool), several


def _fits(
    effect: npt.NDArray[np.object_],
    other: npt.NDArray[np.object_],
    counted: npt.NDArray[np.object_],
    uncounted: npt.NDArray[np.object_],
) -> tuple[npt.NDArray[np.int8], Flags]:
    """How the alleles of pairs fit, and whether the effect allele is the counted one."""
    unknown = other == ""
    strands = [(effect, other)]
    # A longer allele begins at another position on the other strand.
    first, second = (
        np.array([_OTHER_STRAND.get(one, one and _NO_BASE) for one in some.tolist()], dtype=object)
        for some in (effect, other)
    )
    strands.append((first, second))
    fit = np.full(len(effect), _NO_FIT, dtype=np.int8)
    is_counted = np.zeros(len(effect), dtype=bool)

    def take(where: Flags, quality: int, counts: bool) -> None:
        new = where & (fit == _NO_FIT)
        fit[new], is_counted[new] = quality, counts

    for quality, (first, second) in zip((_SAME, _FLIPPED), strands, strict=True):
        take((first == counted) & ((second == uncounted) | unknown), quality, True)
        take((first == uncounted) & ((second == counted) | unknown), quality, False)
        if quality == _SAME:
            for one, another, counts in ((counted, uncounted, True), (uncounted, counted, False)):
                there = (one == NO_ALLELE) & (second == another) | (another == NO_ALLELE) & (first == one)
                take(there, _MONOMORPHIC, counts)
    return fit, is_counted


def _complementary(first: npt.NDArray[np.object_], second: npt.NDArray[np.object_]) -> Flags:
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return np.array([_OTHER_STRAND.get(one) == two for one, two in pairs], dtype=bool)


def _names_found(wanted: pd.DataFrame, asked: Flags, genotyped: pd.DataFrame) -> tuple[Flags, Rows]:
    """Where the genotypes have a variant's name at its place, and its position where only at others."""
    here, elsewhere = np.zeros(len(wanted), dtype=bool), np.zeros(len(wanted), dtype=np.int64)
    left = wanted.loc[asked, ["chrom", "pos", "id"]].assign(wanted=np.flatnonzero(asked))
    both = left.merge(genotyped[["chrom", "pos", "id"]], on="id", suffixes=("", "_genotyped"))
    same = (both["chrom"] == both["chrom_genotyped"]) & (both["pos"] == both["pos_genotyped"])
    here[both.loc[same, "wanted"].to_numpy(np.int64)] = True
    first = both[~same].drop_duplicates("wanted")
    elsewhere[first["wanted"].to_numpy(np.int64)] = first["pos_genotyped"].to_numpy(np.int64)
    elsewhere[here] = 0
    return here, elsewhere
