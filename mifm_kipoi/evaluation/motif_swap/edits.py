"""Edits of the bases of windows where a pattern was found: where, on which strand, and which bases."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.evaluation.motifs.patterns import Pattern, Seqlets, Values, sliding_products
from mifm_kipoi.sequence import encoding

LEAST_PROBABILITY = 0.4
"""The bases of a pattern whose probability is above this are written (Rakowski and Lippert 2026)."""

Codes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

_HIGHEST_CODE = encoding.NO_BASE - 1
"""The code of a base and that of its complement add up to this."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """Bases that take the place of those of a pattern.

    Parameters
    ----------
    positions : numpy.ndarray of int64, shape (m,)
        Of the pattern that is replaced, 0-based; below 0 or behind its end where the other is longer.
    bases : numpy.ndarray of uint8, shape (m,)
        Codes, on the strand of the pattern that is replaced.
    offset : int
        Position of the span of the pattern that is replaced at which the other's begins.
    reverse : bool
        Whether the other is written as its reverse complement.
    """

    positions: Indices
    bases: Codes
    offset: int
    reverse: bool


def alignment(one: Values, other: Values) -> tuple[int, bool]:
    """The offset and the strand at which two patterns have most in common.

    Parameters
    ----------
    one, other : numpy.ndarray of float64, shape (width, 4)
        Frequencies; they may differ in width.

    Returns
    -------
    offset : int
        Of the first position of ``other`` in ``one``: that with the highest sum of products of frequencies
        less 1/4, of at least one position in common; the first of equal ones.
    reverse : bool
        Whether ``other`` is the reverse complement there.
    """
    best, offset, reverse = -np.inf, 0, False
    for shift, turned, product in sliding_products(one - 0.25, other - 0.25):
        # Sums of the two strands of a palindrome differ by rounding.
        if product > best + 1e-9:
            best, offset, reverse = product, shift, turned
    return offset, reverse


def edit_of(replaced: Pattern, inserted: Pattern) -> Edit:
    """What writes one pattern in the place of another: its likely bases, at the aligned offset.

    Parameters
    ----------
    replaced : Pattern
        Found in windows.
    inserted : Pattern
        Its bases with a probability above :data:`LEAST_PROBABILITY` are written.
    """
    offset, reverse = alignment(replaced.trimmed, inserted.trimmed)
    frequencies = inserted.trimmed[::-1, ::-1] if reverse else inserted.trimmed
    columns = np.flatnonzero(frequencies.max(axis=1) > LEAST_PROBABILITY)
    bases = frequencies[columns].argmax(axis=1).astype(np.uint8)
    return Edit(replaced.span[0] + offset + columns, bases, offset, reverse)


@dataclasses.dataclass(frozen=True)
class Sites:
    """Windows in which a pattern was found, a row a seqlet.

    Parameters
    ----------
    codes : numpy.ndarray of uint8, shape (k, window)
        The window of each seqlet.
    seqlets : Seqlets
        Where the pattern is in it, and on which strand.
    fixed : int
        Index of the window that is never edited: that of the variant.
    """

    codes: Codes
    seqlets: Seqlets
    fixed: int

    def __len__(self) -> int:
        return len(self.codes)

    def read(self, positions: Indices) -> Codes:
        """The bases at positions of the pattern, on its strand.

        Parameters
        ----------
        positions : numpy.ndarray of int64, shape (m,)
            See :class:`Edit`.

        Returns
        -------
        numpy.ndarray of uint8, shape (k, m)
            Codes; :data:`mifm_kipoi.sequence.encoding.NO_BASE` outside the window.
        """
        indices, _ = self._indices(positions)
        bases = np.take_along_axis(self.codes, np.clip(indices, 0, self.codes.shape[1] - 1), axis=1)
        inside = (indices >= 0) & (indices < self.codes.shape[1])
        return np.where(inside, self._turned(bases), encoding.NO_BASE).astype(np.uint8)

    def written(self, positions: Indices, bases: Codes) -> Codes:
        """The windows with other bases.

        Parameters
        ----------
        positions : numpy.ndarray of int64, shape (m,)
            See :class:`Edit`. Those outside the window, without a base and at :attr:`fixed` stay.
        bases : numpy.ndarray of uint8, shape (m,) or (k, m)
            Codes, on the strand of the pattern.

        Returns
        -------
        numpy.ndarray of uint8, shape (k, window)
        """
        indices, editable = self._indices(positions)
        turned = self._turned(np.broadcast_to(bases, indices.shape))
        rows, columns = np.nonzero(editable)
        windows = self.codes.copy()
        windows[rows, indices[rows, columns]] = turned[rows, columns]
        return windows

    def substituted(self, edit: Edit, generator: np.random.Generator) -> Codes:
        """Random bases, other than those there, at the positions that an edit changes.

        Parameters
        ----------
        edit : Edit
            Says where.
        generator : numpy.random.Generator
            Draws one of the three other bases.

        Returns
        -------
        numpy.ndarray of uint8, shape (k, window)
        """
        own = self.read(edit.positions)
        steps = generator.integers(1, encoding.NO_BASE, own.shape)
        drawn = np.where(own == edit.bases, own, (own + steps) % encoding.NO_BASE)
        return self.written(edit.positions, drawn.astype(np.uint8))

    def _indices(self, positions: Indices) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """Where positions of the pattern are in each window, and which of them may be edited: (k, m)."""
        seqlets = self.seqlets
        forward = seqlets.starts[:, None] + positions
        backward = seqlets.ends[:, None] - 1 - positions
        indices = np.where(seqlets.reverse[:, None], backward, forward)
        width = self.codes.shape[1]
        inside = (indices >= 0) & (indices < width)
        bases = np.take_along_axis(self.codes, np.clip(indices, 0, width - 1), axis=1)
        return indices, inside & (indices != self.fixed) & (bases != encoding.NO_BASE)

    def _turned(self, bases: Codes) -> Codes:
        """Bases of the pattern's strand as the window has them, or the other way round: (k, m)."""
        complement = np.where(bases == encoding.NO_BASE, bases, _HIGHEST_CODE - bases)
        return np.where(self.seqlets.reverse[:, None], complement, bases).astype(np.uint8)
