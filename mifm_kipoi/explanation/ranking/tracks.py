"""The score of every position of the regions that figures show."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import MAX_N_FRACTION, Status
from mifm_kipoi.explanation.ranking.candidates import SCORE, Candidates
from mifm_kipoi.genome_scan.region import region_logits
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import Weights
from mifm_kipoi.reports.regional import Track
from mifm_kipoi.scoring.scores import probability

LONGEST = 5_000_000
"""Base pairs of a region that is scanned for its figure."""

SAME_SCORE = 0.002
"""By how much scores of the input may differ from those of the weights: some formats round them."""

_COMPARED = 5
"""Variants of an input with scores by which it is seen whether these are those of the weights."""

TITLE = "MIFM, every position"


@dataclasses.dataclass
class Tracks:
    """Scans regions of a genome, what several of them share once.

    Parameters
    ----------
    genome : Genome
        Reference genome.
    weights : Weights
        Of the network.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.
    threads : int
        Blocks of positions that are computed side by side.
    """

    genome: Genome
    weights: Weights
    max_n_fraction: float = MAX_N_FRACTION
    threads: int = 1

    def __post_init__(self) -> None:
        self._scan = Scan(self.weights.model())
        self._scanned: dict[str, list[tuple[int, npt.NDArray[np.float32]]]] = {}

    def scan(self, regions: Iterable[Locus]) -> int:
        """Score all positions of some regions.

        Parameters
        ----------
        regions : iterable of Locus
            1-based, both ends inside; those longer than :data:`LONGEST`, and those on contigs that the FASTA
            lacks, are passed over.

        Returns
        -------
        int
            How many positions there were.
        """
        by_contig: dict[str, list[tuple[int, int]]] = {}
        for chrom, start, end in regions:
            contig = self.genome.find_contig(chrom)
            if contig is not None and end - start < LONGEST:
                by_contig.setdefault(contig, []).append((start - 1, min(end, self.genome.contigs[contig])))
        count = 0
        for contig, parts in by_contig.items():
            for start, end in _merged(parts):
                self._scanned.setdefault(contig, []).append((start, self._scores(contig, start, end)))
                count += end - start
        return count

    def of(self, region: Locus) -> Track | None:
        """The track of a region that was scanned; None of any other."""
        chrom, start, end = region
        contig = self.genome.find_contig(chrom)
        for first, values in self._scanned.get(contig or "", ()):
            if first < start <= first + len(values):
                return Track(TITLE, start - 1, values[start - 1 - first : end - first])
        return None

    def difference(self, candidates: Candidates) -> str:
        """Why scores of the input cannot stand beside these, in words; empty where they can.

        The first few variants of the input are compared.
        """
        if candidates.scored:
            return ""
        known = candidates.table[candidates.table["status"] == Status.OK].head(_COMPARED)
        for chrom, pos, own in known[["chrom", "pos", SCORE]].itertuples(index=False):
            contig = self.genome.find_contig(str(chrom))
            inside = contig is not None and 1 <= pos <= self.genome.contigs[contig]
            computed = float(self._scores(str(contig), pos - 1, pos)[0]) if inside else math.nan
            if not abs(computed - own) <= SAME_SCORE:
                return (
                    f"the scores of the input are not those of the weights {self.weights.name} on this FASTA "
                    f"({chrom}:{pos} has {own:.4f}, and not {computed:.4f}), so that figures do not show the "
                    "score of every position; name the weights of the input with --weights"
                )
        return ""

    def _scores(self, contig: str, start: int, end: int) -> npt.NDArray[np.float32]:
        return probability(
            region_logits(self.genome, contig, start, end, self._scan, self.max_n_fraction, self.threads)
        )


def _merged(regions: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Regions of a contig, those that overlap as one."""
    first, last = -1, -1
    for start, end in sorted(regions):
        if start > last:
            if last > first:
                yield first, last
            first, last = start, end
        else:
            last = max(last, end)
    if last > first:
        yield first, last


class ContigLengths(Mapping[str, int]):
    """Lengths of the contigs of a genome, under any of their names."""

    def __init__(self, genome: Genome) -> None:
        self._genome = genome

    def __getitem__(self, chrom: str) -> int:
        contig = self._genome.find_contig(chrom)
        if contig is None:
            raise KeyError(chrom)
        return self._genome.contigs[contig]

    def __iter__(self) -> Iterator[str]:
        return iter(self._genome.contigs)

    def __len__(self) -> int:
        return len(self._genome.contigs)
