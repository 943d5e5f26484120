"""Variants that occur twice in one pass over genotypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.genotypes.source import NO_ALLELE, GenotypeError

_Keys = npt.NDArray[np.uint64]
_Positions = npt.NDArray[np.int64]

_NOT_SEQUENCE = ("<", "*", NO_ALLELE)
"""How alleles begin that do not say which sequence they are, so that several variants can have them."""


class RefuseRepeats:
    """Refuses a variant that occurs twice: same contig, position and two alleles, whichever is counted.

    It takes chunks of variants in the order of one pass, before their genotypes are read: it serves as the
    ``choose`` of :meth:`mifm_kipoi.genetics.genotypes.Genotypes.blocks`, and chooses all. Variants without a
    position, or with an allele that is unknown or symbolic, are not compared. 8 bytes are kept for each.

    Parameters
    ----------
    paths : sequence of str
        Names of the files, for messages.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._named = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"
        self._contigs: dict[str, _Contig] = {}

    def __call__(self, variants: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Compare variants with each other and with those before.

        Parameters
        ----------
        variants : pandas.DataFrame
            ``chrom, pos, id, counted, other``.

        Returns
        -------
        numpy.ndarray of bool, shape (variants,)
            All True.

        Raises
        ------
        GenotypeError
            When one occurs twice.
        """
        told = variants["pos"].to_numpy() >= 1
        for name in ("counted", "other"):
            told &= ~variants[name].str.startswith(_NOT_SEQUENCE).to_numpy(dtype=bool)
        for chrom, some in variants[told].groupby("chrom", sort=False):
            pos = some["pos"].to_numpy(np.int64)
            contig = self._contigs.setdefault(str(chrom), _Contig())
            repeated = contig.repeated(pos, _keys(some))
            if repeated.any():
                row = some.iloc[int(repeated.argmax())]
                raise GenotypeError(
                    f"{self._named}: the variant {chrom}:{row['pos']} {row['counted']}/{row['other']} occurs "
                    f"more than once, here as {row['id']}; expected each variant once. Keep one row of it"
                )
        return np.ones(len(variants), dtype=bool)


class _Contig:
    """The variants of a contig so far, of which those before the last piece in order are sorted."""

    def __init__(self) -> None:
        self._sorted: _Keys = np.empty(0, dtype=np.uint64)
        self._parts: list[_Keys] = []
        self._last = 0
        self._at_last: _Keys = np.empty(0, dtype=np.uint64)

    def repeated(self, pos: _Positions, keys: _Keys) -> npt.NDArray[np.bool_]:
        """Which variants were there before, among these or earlier ones."""
        if pos.min() < self._last:
            self._sorted = np.sort(np.concatenate([self._sorted, *self._parts]), kind="stable")
            self._parts = []
        first = np.unique(keys, return_index=True)[1]
        repeated = np.ones(len(keys), dtype=bool)
        repeated[first] = False
        # Where positions ascend from piece to piece, only those at the last one can be there already.
        edge = pos == self._last
        repeated[edge] |= np.isin(keys[edge], self._at_last)
        if len(self._sorted):
            places = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
            repeated |= self._sorted[places] == keys
        last = int(pos.max())
        at_last = keys[pos == last]
        self._at_last = np.concatenate([self._at_last, at_last]) if last == self._last else at_last
        self._last = last
        self._parts.append(keys)
        return repeated


def _keys(variants: pd.DataFrame) -> _Keys:
    """A number of 64 bits for position and alleles in any order, shape (variants,).

    Two of ten million variants have the same by chance with a probability of 3 in a million.
    """
    counted, other, pos = (
        pd.util.hash_pandas_object(variants[name], index=False).to_numpy(np.uint64)
        for name in ("counted", "other", "pos")
    )
    return np.asarray((counted + other) ^ pos)
