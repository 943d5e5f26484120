"""Which alleles the reference genome has at their positions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genomics.genome import Genome

Texts = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]


def has_alleles(genome: Genome, contig: str, pos: npt.NDArray[np.int64], *alleles: Texts) -> list[Flags]:
    """Where the FASTA has alleles at their positions, each over its own length.

    Parameters
    ----------
    genome : Genome
        Reference genome.
    contig : str
        One of its contigs.
    pos : numpy.ndarray of int64, shape (n,)
        1-based positions, best in rising order; outside the contig there are no alleles.
    *alleles : numpy.ndarray of str objects, shape (n,)
        Alleles in upper case; symbols and nothing are not in the FASTA.

    Returns
    -------
    list of numpy.ndarray of bool, shape (n,)
        For each array of alleles.
    """
    bases = genome.fetch_windows(contig, pos - 1, 1)[:, 0]
    inside = (pos > 0) & (pos <= genome.contigs[contig])
    found = []
    for texts in alleles:
        first = np.array([ord(text[:1] or " ") for text in texts.tolist()], dtype=np.int64)
        has = inside & (first == bases)
        # Few alleles are longer, and the first base of most that are not there differs.
        for row in np.flatnonzero(has):
            if len(texts[row]) > 1:
                has[row] = _is_there(genome, contig, int(pos[row]) - 1, texts[row])
        found.append(has)
    return found


def _is_there(genome: Genome, contig: str, start: int, allele: str) -> bool:
    end = start + len(allele)
    if end > genome.contigs[contig] or not allele.isascii():
        return False
    return genome.fetch(contig, start, end).tobytes() == allele.encode()
