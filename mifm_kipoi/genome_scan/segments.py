"""Which positions of a genome are scanned, in runs of blocks after each of which a scan can go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.sequence.contig_blocks import BLOCK, ContigBlock, cut_block

SEGMENT_BLOCKS = 256
"""Blocks of a segment: a million positions, after which the note of what is complete is renewed."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """Consecutive blocks of a contig.

    Parameters
    ----------
    contig : str
        The FASTA's name.
    start, end : int
        0-based half-open; the start is that of a block.
    """

    contig: str
    start: int
    end: int

    def blocks(self, genome: Genome, regions: Regions | None, max_n_fraction: float) -> Iterator[ContigBlock]:
        """The blocks of which any position is asked for.

        Parameters
        ----------
        genome : Genome
            Reference genome.
        regions : Regions, optional
            What is asked for; without them, everything.
        max_n_fraction : float
            See :func:`mifm_kipoi.cut_windows`.
        """
        for start in range(self.start, self.end, BLOCK):
            end = min(start + BLOCK, self.end)
            if regions is None or regions.overlap(self.contig, start, end):
                yield cut_block(genome, self.contig, start, end, max_n_fraction)


def segments_of(
    genome: Genome,
    contigs: Sequence[str] | None = None,
    regions: Regions | None = None,
    blocks: int = SEGMENT_BLOCKS,
) -> list[Segment]:
    """The segments of a genome in the order of the FASTA, however the contigs are listed.

    Parameters
    ----------
    genome : Genome
        Reference genome.
    contigs : sequence of str, optional
        Those that are scanned, by any name that :meth:`Genome.find_contig` understands; by default all.
    regions : Regions, optional
        Segments without any of their positions are left out.
    blocks : int
        Blocks of a segment.

    Raises
    ------
    OptionError
        When the FASTA does not have a contig, or there is no position to scan.
    """
    size = blocks * BLOCK
    segments = [
        Segment(contig, start, min(start + size, length))
        for contig, length in genome.select(contigs).items()
        for start in range(0, length, size)
    ]
    if regions is not None:
        segments = [each for each in segments if regions.overlap(each.contig, each.start, each.end)]
    if not segments:
        where = f" within {regions.path}" if regions else ""
        raise OptionError(f"there is no position to scan on the contigs of {genome.path}{where}")
    return segments
