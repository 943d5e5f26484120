"""Scores of every position of a region."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import MAX_N_FRACTION
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.sequence.contig_blocks import contig_blocks


def region_logits(
    genome: Genome,
    contig: str,
    start: int,
    end: int,
    scan: Scan,
    max_n_fraction: float = MAX_N_FRACTION,
    threads: int = 1,
) -> npt.NDArray[np.float32]:
    """Logits of the reference windows of consecutive positions.

    Parameters
    ----------
    genome : Genome
        Reference genome.
    contig : str
        The FASTA's name.
    start, end : int
        0-based half-open; may reach past either end of the contig.
    scan : Scan
        Of the network.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.
    threads : int
        How many blocks of positions are computed side by side.

    Returns
    -------
    numpy.ndarray of float32, shape (end - start,)
        NaN where a position has no reference window.
    """
    logits = np.full(end - start, np.nan, dtype=np.float32)
    blocks = contig_blocks(genome, contig, max(start, 0), max(end, 0), max_n_fraction)
    for block, values in scan.logits_of((block for block in blocks if block.scorable.any()), threads):
        low, high = max(start, block.start), min(end, block.end)
        part = slice(low - block.start, high - block.start)
        logits[low - start : high - start] = np.where(block.scorable, values, np.nan)[part]
    return logits
