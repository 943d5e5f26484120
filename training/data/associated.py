"""Positions that tables associate, used or not: what is at them is never a negative."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genomics.contigs import contig_key

_WAITING = 1 << 20
"""Positions that are collected before they are united: 8 MB."""

_BASES = tuple("ACGT")

_UNDECIDED = {"25": ("X", "M"), "26": ("M",)}
"""What the contigs can be whose numbers mean one thing to some programs and another to others."""


class AssociatedPositions:
    """Positions of rows that a table associates with a trait, whatever became of the rows.

    A row that is refused, for a standard error of 0 say, is still of an associated variant: it is in no
    positive bag, and must not become a negative either. Memory grows with the different positions, not with
    the rows.

    Attributes
    ----------
    rows : int
        Rows that were added.
    rows_without_place : int
        Those of them whose chromosome or position cannot be read, so that no position can be kept free.
    """

    def __init__(self) -> None:
        self._united: dict[str, npt.NDArray[np.int64]] = {}
        self._parts: dict[str, list[npt.NDArray[np.int64]]] = {}
        self._waiting = 0
        self.rows = self.rows_without_place = 0

    def add(
        self,
        chrom: npt.NDArray[np.object_],
        pos: npt.NDArray[np.int64],
        effect_allele: npt.NDArray[np.object_],
        other_allele: npt.NDArray[np.object_],
    ) -> None:
        """Add rows, each with the position of its variant.

        Where the alleles begin with the same bases, the position of the first base in which they differ is
        added as well (of an indel, that of the base before it). Where an allele is not of bases, such as
        ``-``, ``I`` or ``D``, it is the position before, since the base before an indel may belong to its
        alleles or not.

        Parameters
        ----------
        chrom : numpy.ndarray of str objects, shape (n,)
            Contigs as :func:`mifm_kipoi.genomics.contigs.contig_key` names them; empty where they cannot be
            read. Those of which it is not known what they are (25, 26) count as each that they can be.
        pos : numpy.ndarray of int64, shape (n,)
            1-based positions; 0 where they cannot be read.
        effect_allele, other_allele : numpy.ndarray of str objects, shape (n,)
            The alleles in upper case, empty where they cannot be read.
        """
        readable = (chrom != "") & (pos > 0)
        self.rows += len(pos)
        self.rows_without_place += int((~readable).sum())
        places = pd.DataFrame({"chrom": chrom[readable], "pos": pos[readable]})
        elsewhere = _other_places(places, effect_allele[readable], other_allele[readable])
        for key, of_contig in pd.concat([places, elsewhere]).groupby("chrom")["pos"]:
            for contig in (str(key), *_UNDECIDED.get(str(key), ())):
                self._parts.setdefault(contig, []).append(of_contig.unique())
        self._waiting += len(places)
        if self._waiting > max(_WAITING, sum(map(len, self._united.values())) // 2):
            self._unite()

    def holds(self, chrom: str, pos: int, ref: str = "", alt: str = "") -> bool:
        """Whether a position is associated, or that of a variant without the bases that its alleles share.

        Parameters
        ----------
        chrom : str
            Name of the contig, as of a VCF file.
        pos : int
            1-based position.
        ref, alt : str
            Alleles of the variant; without them the position alone counts.
        """
        self._unite()
        positions = self._united.get(contig_key(chrom))
        if positions is None:
            return False
        wanted = {pos, pos + shared_bases(ref, alt)}
        indices = np.searchsorted(positions, list(wanted))
        return any(
            index < len(positions) and positions[index] == one
            for index, one in zip(indices.tolist(), wanted, strict=True)
        )

    def ranks(self, chrom: str, pos: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many associated positions of the contig are not after each position.

        Parameters
        ----------
        chrom : str
            Name of the contig, as of a VCF file.
        pos : numpy.ndarray of int64, shape (n,)
            1-based positions.
        """
        self._unite()
        positions = self._united.get(contig_key(chrom), np.empty(0, dtype=np.int64))
        return np.searchsorted(positions, pos, side="right")

    def counts(self) -> Mapping[str, int]:
        """The numbers of different positions, of rows, and of rows without a readable place."""
        self._unite()
        return {
            "positions": sum(map(len, self._united.values())),
            "rows": self.rows,
            "rows_without_a_readable_place": self.rows_without_place,
        }

    def _unite(self) -> None:
        if not self._waiting:
            return
        for key, parts in self._parts.items():
            before = [self._united[key]] if key in self._united else []
            self._united[key] = np.unique(np.concatenate([*before, *parts]))
        self._parts, self._waiting = {}, 0


def shared_bases(first: str, second: str) -> int:
    """How many bases two alleles have in common at their beginning, beside one that each keeps.

    Parameters
    ----------
    first, second : str
        Alleles in upper case.
    """
    shared = 0
    longest = min(len(first), len(second)) - 1
    while shared < longest and first[shared] == second[shared]:
        shared += 1
    return shared


def _other_places(
    places: pd.DataFrame, effect_allele: npt.NDArray[np.object_], other_allele: npt.NDArray[np.object_]
) -> pd.DataFrame:
    """Second positions at which variants that are not of one base each may be written."""
    one_base = [pd.Series(alleles).isin(_BASES) for alleles in (effect_allele, other_allele)]
    rows = np.flatnonzero(~(one_base[0] & one_base[1]))
    pairs = zip(effect_allele[rows].tolist(), other_allele[rows].tolist(), strict=True)
    offsets = np.fromiter((_other_offset(*pair) for pair in pairs), dtype=np.int64, count=len(rows))
    moved = places.iloc[rows]
    moved = moved.assign(pos=moved["pos"] + offsets)
    elsewhere: pd.DataFrame = moved[(offsets != 0) & (moved["pos"] > 0).to_numpy()]
    return elsewhere


def _other_offset(effect_allele: str, other_allele: str) -> int:
    """How far the second position of a variant is from its first; 0 where it has none."""
    if all(allele and not allele.strip("ACGT") for allele in (effect_allele, other_allele)):
        return shared_bases(effect_allele, other_allele)
    return -1
