"""Blocks of consecutive positions of a contig, with the bases of all their windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import MAX_N_FRACTION, VARIANT_INDEX, WINDOW
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.sequence import encoding

BLOCK = 4096
"""Positions of a block. Blocks begin at multiples of it on their contig, whatever is asked for, so that the
numbers of a position do not depend on what else is computed."""


@dataclasses.dataclass(frozen=True)
class ContigBlock:
    """Consecutive positions of a contig, each with the window that has it at index 255.

    Parameters
    ----------
    contig : str
        The FASTA's name.
    start, end : int
        0-based half-open.
    codes : numpy.ndarray of uint8, shape (end - start + 511,)
        Coded bases; the window of position ``start + i`` is ``codes[i : i + 512]``. 4 past the contig's ends.
    scorable : numpy.ndarray of bool, shape (end - start,)
        Positions with a base of A, C, G, T whose window has no larger fraction of N than the limit: those
        of which :func:`mifm_kipoi.cut_windows` makes reference windows.
    """

    contig: str
    start: int
    end: int
    codes: npt.NDArray[np.uint8]
    scorable: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def bases(self) -> npt.NDArray[np.uint8]:
        """Codes of the positions themselves, shape (end - start,)."""
        return self.codes[VARIANT_INDEX : VARIANT_INDEX + len(self)]

    def windows_of(self, window: int) -> npt.NDArray[np.uint8]:
        """The bases that a network with shorter windows reads: the middle of each window of 512.

        Parameters
        ----------
        window : int
            Length of the network's windows: even, at most 512.

        Returns
        -------
        numpy.ndarray of uint8, shape (end - start + window - 1,)
        """
        margin = (WINDOW - window) // 2
        return self.codes[margin : len(self.codes) - margin]


def cut_block(
    genome: Genome, contig: str, start: int, end: int, max_n_fraction: float = MAX_N_FRACTION
) -> ContigBlock:
    """Cut the windows of consecutive positions.

    Parameters
    ----------
    genome : Genome
        Reference genome.
    contig : str
        The FASTA's name.
    start, end : int
        0-based half-open, inside the contig.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.
    """
    codes = encoding.codes(genome.fetch(contig, start - VARIANT_INDEX, end - VARIANT_INDEX + WINDOW - 1))
    unknown = np.concatenate([[0], np.cumsum(codes == encoding.NO_BASE)])
    scorable = (unknown[WINDOW:] - unknown[:-WINDOW]) / WINDOW <= max_n_fraction
    scorable &= codes[VARIANT_INDEX : VARIANT_INDEX + end - start] != encoding.NO_BASE
    return ContigBlock(contig, start, end, codes, scorable)


def contig_blocks(
    genome: Genome,
    contig: str,
    start: int = 0,
    end: int | None = None,
    max_n_fraction: float = MAX_N_FRACTION,
) -> Iterator[ContigBlock]:
    """The blocks that a region of a contig touches, each of them whole.

    Parameters
    ----------
    genome : Genome
        Reference genome.
    contig : str
        The FASTA's name.
    start, end : int
        0-based half-open; the whole contig by default.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.

    Yields
    ------
    ContigBlock
        Of :data:`BLOCK` positions, the last of a contig of what is left.
    """
    length = genome.contigs[contig]
    for low in range(start // BLOCK * BLOCK, length if end is None else min(end, length), BLOCK):
        yield cut_block(genome, contig, low, min(low + BLOCK, length), max_n_fraction)
