"""Scores of consecutive positions, and how they are computed."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.scoring.scores import probability
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.contig_blocks import ContigBlock


@dataclasses.dataclass(frozen=True)
class PositionScores:
    """The logits of positions of a contig that have a reference window.

    Parameters
    ----------
    contig : str
        The FASTA's name.
    start, end : int
        What the positions lie in, 0-based half-open.
    positions : numpy.ndarray of int64, shape (n,)
        0-based, ascending.
    bases : numpy.ndarray of uint8, shape (n,)
        Codes of the bases there, 0 to 3.
    ref_logit : numpy.ndarray of float32, shape (n,)
        Logits of the reference windows.
    alt_logit : numpy.ndarray of float32, shape (n, 4), optional
        Logits of the windows with each of A, C, G and T at the position; that of the base that is there is
        ``ref_logit``.
    asked : int
        Positions that were asked for, with a window or without one.
    """

    contig: str
    start: int
    end: int
    positions: npt.NDArray[np.int64]
    bases: npt.NDArray[np.uint8]
    ref_logit: npt.NDArray[np.float32]
    alt_logit: npt.NDArray[np.float32] | None = None
    asked: int = 0

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def ref_score(self) -> npt.NDArray[np.float32]:
        """The MIFM scores, shape (n,)."""
        return probability(self.ref_logit)

    def dense(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Values of the positions, with NaN between them, shape (end - start,)."""
        dense = np.full(self.end - self.start, np.nan, dtype=np.float32)
        dense[self.positions - self.start] = values
        return dense


def scan_block(scan: Scan, block: ContigBlock, regions: Regions | None, *, alleles: bool) -> PositionScores:
    """Score the positions of a block.

    The whole block is evaluated, so that the numbers of a position do not depend on what is asked for.

    Parameters
    ----------
    scan : Scan
        The network.
    block : ContigBlock
        The block.
    regions : Regions, optional
        The positions that are asked for; without them, all that can be scored.
    alleles : bool
        Whether the alternatives are scored, too.
    """
    asked = np.ones(len(block), dtype=np.bool_)
    if regions is not None:
        asked = regions.mask(block.contig, block.start, block.end)
    rows = np.flatnonzero(asked & block.scorable)
    bases = block.bases[rows]
    alt_logit = None
    if not len(rows):
        ref_logit = np.empty(0, dtype=np.float32)
        alt_logit = np.empty((0, 4), dtype=np.float32) if alleles else None
    elif alleles:
        substituted = encoding.OTHER_BASES[bases]
        ref_logit, alt = scan.substituted(
            block.windows_of(scan.window),
            np.repeat(rows, 3).astype(np.int64),
            substituted.ravel(),
        )
        ref_logit = ref_logit[rows]
        alt_logit = np.repeat(ref_logit[:, None], 4, axis=1)
        np.put_along_axis(alt_logit, substituted.astype(np.int64), alt.reshape(-1, 3), axis=1)
    else:
        ref_logit = scan.logits(block.windows_of(scan.window))[rows]
    return PositionScores(
        block.contig, block.start, block.end, block.start + rows, bases, ref_logit, alt_logit,
        int(np.count_nonzero(asked)),
    )  # fmt: skip
