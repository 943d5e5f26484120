"""The windows of both alleles side by side: columns that an allele fills, or leaves open."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.genomics.variants import Variant

LEAST_FLANK = 8
"""Columns on the left of a long allele."""

NOTHING = -1
"""The index of a column that an allele leaves open."""

Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Columns around a variant: the left flank, as many as the longer allele has bases, the right flank.

    Parameters
    ----------
    ref_length, alt_length : int
        Bases of the alleles.
    pos : int
        1-based position of the first base of REF.
    span : int
        Columns in all; those behind it are left out, also of a long allele.
    """

    ref_length: int
    alt_length: int
    pos: int
    span: int

    @classmethod
    def of(cls, variant: Variant, span: int) -> Alignment:
        """That of a variant."""
        return cls(len(variant.ref), len(variant.alt), variant.pos, span)

    @property
    def allele(self) -> tuple[int, int]:
        """The columns of the alleles, half-open."""
        longest = max(self.ref_length, self.alt_length)
        first = max((self.span - longest) // 2, min(LEAST_FLANK, self.span // 2))
        return first, min(first + longest, self.span)

    @functools.cached_property
    def ref(self) -> Indices:
        """Index in the reference window of each column, or :data:`NOTHING`: (span,)."""
        return self._indices(self.ref_length)

    @functools.cached_property
    def alt(self) -> Indices:
        """The same of the alternative window."""
        return self._indices(self.alt_length)

    @property
    def positions(self) -> Indices:
        """1-based position of each column, 0 of what the reference does not have: (span,)."""
        return np.where(self.ref == NOTHING, 0, self.ref - VARIANT_INDEX + self.pos)

    def _indices(self, length: int) -> Indices:
        first, _ = self.allele
        columns = np.arange(self.span) - first
        longest = max(self.ref_length, self.alt_length)
        behind = columns >= longest
        index = VARIANT_INDEX + np.where(behind, columns - longest + length, columns)
        open_here = (columns >= length) & ~behind
        return np.where(open_here | (index < 0) | (index >= WINDOW), NOTHING, index)


def on_columns(values: npt.NDArray[np.float32], indices: Indices) -> npt.NDArray[np.float32]:
    """Numbers of a window on the columns of an alignment.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (window, ...)
        Of the bases of a window.
    indices : numpy.ndarray of int64, shape (span,)
        :attr:`Alignment.ref` or :attr:`Alignment.alt`.

    Returns
    -------
    numpy.ndarray of float32, shape (span, ...)
        NaN where the allele leaves a column open.
    """
    shown: npt.NDArray[np.float32] = values[np.clip(indices, 0, None)].astype(np.float32)
    shown[indices == NOTHING] = np.nan
    return shown
