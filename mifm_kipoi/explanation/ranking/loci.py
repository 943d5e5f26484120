"""Loci of variants: by columns of the input, by LD blocks, or by the distance between neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.blocks import in_blocks, read_blocks
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.explanation.ranking.candidates import Candidates, key_column
from mifm_kipoi.genetics.ld_blocks import COLUMNS, LDBlocks
from mifm_kipoi.genomics.columns import column_named
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.loci import Locus, locus_name
from mifm_kipoi.genomics.tables import TableFile

GAP = 250_000
"""Base pairs between neighbouring variants above which they are in two loci, where nothing else says it."""

Numbers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Loci:
    """The loci of some variants.

    Parameters
    ----------
    of_rows : numpy.ndarray of int64, shape (n,)
        The locus of each row, from 0; -1 for a variant whose position is not known.
    labels : tuple of str
        What a locus is beside its place, such as its study and its block; may be empty.
    places : tuple of Locus
        From the first to the last of its variants.
    regions : numpy.ndarray of int64, shape (loci,)
        The region of each locus: loci that overlap, as those of several studies, are in one.
    are : str
        What the loci are, in words.
    """

    of_rows: Numbers
    labels: tuple[str, ...]
    places: tuple[Locus, ...]
    regions: Numbers
    are: str

    def __len__(self) -> int:
        return len(self.places)

    def name(self, number: int) -> str:
        """A locus in words: ``BMI, block 12, 1:2,000-9,000``."""
        return ", ".join(filter(None, [self.labels[number], locus_name(self.places[number])]))


@dataclasses.dataclass(frozen=True)
class LocusRule:
    """How variants are divided into loci.

    Parameters
    ----------
    blocks : Path, optional
        LD blocks: a BED file, or a table with the columns chr, start, stop and pop.
    population : str
        Whose blocks of such a table count.
    gap_bp : int, optional
        Loci by distance, whatever columns the input has, and what lies between two of them at least.
    """

    blocks: Path | None = None
    population: str = ""
    gap_bp: int | None = None

    def __post_init__(self) -> None:
        if self.blocks is not None and self.gap_bp is not None:
            raise OptionError("loci are given by blocks and by distance; leave out --blocks or --gap")
        if self.gap_bp is not None and self.gap_bp < 1:
            raise OptionError(f"gap is {self.gap_bp}; expected base pairs, one or more")
        if self.population and self.blocks is None:
            raise OptionError("the population of blocks is named, and no blocks are; name them with --blocks")

    def loci(self, candidates: Candidates) -> Loci:
        """Divide variants into loci.

        Rows of different studies are never in one locus. By columns of the input, a locus has one value of
        each, on one contig. Variants outside all blocks, and rows that lack a value, are divided by distance.

        Parameters
        ----------
        candidates : Candidates
            The variants.

        Raises
        ------
        InputError
            When blocks cannot be read.
        """
        table = candidates.table
        known = (table["pos"] > 0).to_numpy() & (table["chrom"] != ".").to_numpy()
        contig = _contig_numbers(table["chrom"])
        gap = self.gap_bp or GAP
        by_columns = self.blocks is None and self.gap_bp is None and candidates.has_loci
        keys = candidates.keys if by_columns else candidates.studies
        parts = [table[key_column(name)].to_numpy(object) for name in keys]
        labels = (
            [_label(names, keys, candidates.studies) for names in zip(*parts, strict=True)] if parts else []
        )
        group = pd.factorize(pd.MultiIndex.from_arrays([*parts, contig]))[0] if parts else contig
        if self.blocks is not None:
            block, names = self._in_blocks(table)
            labels = [
                ", ".join(filter(None, pair)) for pair in zip(labels or [""] * len(table), names, strict=True)
            ]
            group = pd.factorize(pd.MultiIndex.from_arrays([group, block]))[0]
            whole = block >= 0
            are = f"blocks of {self.blocks.name}{f' ({self.population})' if self.population else ''}"
        elif by_columns:
            whole = np.all([names != "" for names in parts], axis=0)
            are = f"rows with the same {_listed(keys)} on one contig"
        else:
            whole = np.zeros(len(table), dtype=bool)
            are = f"variants with no more than {gap:,} bp from one to the next"
            are += f", separately for each {_listed(keys)}" if keys else ""
        numbers = _split(group, table["pos"].to_numpy(np.int64), known, whole, gap)
        return _ordered(numbers, table, contig, labels, are)

    def _in_blocks(self, table: pd.DataFrame) -> tuple[Numbers, list[str]]:
        """The block of each variant, -1 outside, and its name."""
        assert self.blocks is not None
        if _is_table_of_blocks(self.blocks):
            if not self.population:
                raise OptionError(
                    f"{self.blocks} has the LD blocks of several populations; name one with "
                    "--blocks-population, such as EUR"
                )
            number = LDBlocks(str(self.blocks), self.population).of(table["chrom"], table["pos"])
            return np.where(number > 0, number, -1), [f"block {one}" if one > 0 else "" for one in number]
        if self.population:
            raise OptionError(f"{self.blocks} has no populations; leave out --blocks-population")
        # POS 0 lies before the first base.
        block, _ = in_blocks(table["chrom"], table["pos"].clip(lower=1), read_blocks(self.blocks))
        return block, [f"block {one + 1}" if one >= 0 else "" for one in block]


def _contig_numbers(chrom: pd.Series[str]) -> Numbers:
    """A number for each contig, those of numbers first, then by name."""
    codes, names = pd.factorize(contig_keys(chrom))
    order = sorted(range(len(names)), key=lambda code: _usual_order(str(names[code])))
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return np.asarray(rank[codes], dtype=np.int64)


def _usual_order(name: str) -> tuple[int, str]:
    if name.isdecimal():
        return int(name), ""
    return 1 << 32, name


def _is_table_of_blocks(path: Path) -> bool:
    """Whether blocks are a table with a header, and not BED."""
    try:
        header = TableFile.of(path).columns
    except InputError:
        # As of a BED file without a header, whose first region is taken for one.
        return False
    return all(column_named(header, name) for name in COLUMNS)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _label(names: Sequence[str], keys: Sequence[str], studies: Sequence[str]) -> str:
    """What a locus is beside its place, in words."""
    words = [
        name if key in studies else f"{key} {name}" for key, name in zip(keys, names, strict=True) if name
    ]
    return ", ".join(words)


def _split(
    group: npt.NDArray[np.integer], pos: Numbers, known: npt.NDArray[np.bool_],
    whole: npt.NDArray[np.bool_], gap: int,
) -> Numbers:  # fmt: skip
    """Groups, those that are not whole divided where neighbours are far apart; -1 where not known."""
    rows = np.flatnonzero(known)
    rows = rows[np.lexsort((pos[rows], whole[rows], group[rows]))]
    new = np.ones(len(rows), dtype=bool)
    same = (np.diff(group[rows]) == 0) & (np.diff(whole[rows].astype(np.int8)) == 0)
    near = whole[rows[1:]] | (np.diff(pos[rows]) <= gap)
    new[1:] = ~(same & near)
    numbers = np.full(len(group), -1, dtype=np.int64)
    numbers[rows] = np.cumsum(new) - 1
    return numbers


def _ordered(
    numbers: Numbers, table: pd.DataFrame, contig: npt.NDArray[np.integer], labels: Sequence[str], are: str
) -> Loci:
    """Loci in the order of the genome."""
    rows = np.flatnonzero(numbers >= 0)
    pos = table["pos"].to_numpy(np.int64)
    order = rows[np.lexsort((pos[rows], numbers[rows]))]
    first = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    start, end = order[first], order[last]
    by_place = np.lexsort((pos[end], pos[start], contig[start]))
    rank = np.empty(len(start), dtype=np.int64)
    rank[by_place] = np.arange(len(start))
    of_rows = np.full(len(numbers), -1, dtype=np.int64)
    of_rows[rows] = rank[numbers[rows]]
    start, end = start[by_place], end[by_place]
    # Sorted by their first positions, regions grow to the right.
    reach = pd.Series(pos[end]).groupby(contig[start]).cummax().to_numpy()
    new = np.ones(len(start), dtype=bool)
    new[1:] = (np.diff(contig[start]) != 0) | (pos[start[1:]] > reach[:-1])
    chroms = table["chrom"].to_numpy(object)
    return Loci(
        of_rows,
        tuple(labels[row] for row in start) if labels else ("",) * len(start),
        tuple(
            (str(chroms[one]), int(pos[one]), int(pos[other])) for one, other in zip(start, end, strict=True)
        ),
        np.cumsum(new) - 1,
        are,
    )
