"""Which allele of a variant is the reference: the one that the FASTA has."""

from __future__ import annotations

import collections
import enum
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import FEW_MISMATCHES, MAX_N_FRACTION, VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.sequence import encoding

_ROWS = 1 << 15
"""Variants whose windows are looked at together: 16 MiB of bases."""


class Orientation(enum.IntEnum):
    """What the FASTA says of a variant of two alleles."""

    FIRST = 0
    SECOND = 1
    CONTIG_NOT_IN_FASTA = 2
    POSITION_OUTSIDE_CONTIG = 3
    REF_MISMATCH = 4
    TOO_MANY_N = 5

    @property
    def status(self) -> Status:
        """The same as for scoring; ok where an allele is the reference."""
        return Status.OK if self in (Orientation.FIRST, Orientation.SECOND) else Status[self.name]


def orient(variants: pd.DataFrame, genome: Genome) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Find the reference allele of variants.

    It is the allele that the FASTA has at the position, over the allele's length. It can have both alleles of
    an indel, since an insertion of what follows anyway looks like the deletion of it.

    Parameters
    ----------
    variants : pandas.DataFrame
        ``chrom``, ``pos`` (1-based), ``first`` and ``second``: alleles of A, C, G and T.
    genome : Genome

    Returns
    -------
    orientations : numpy.ndarray of int8, shape (n,)
        Values of :class:`Orientation`.
    both : numpy.ndarray of bool, shape (n,)
        Where the FASTA has both alleles, and the order given is as good as the other.
    """
    found = np.full(len(variants), Orientation.CONTIG_NOT_IN_FASTA, dtype=np.int8)
    places = variants["pos"].to_numpy(np.int64)
    both = np.zeros(len(variants), dtype=bool)
    for chrom, members in variants.groupby("chrom", sort=False).indices.items():
        contig = genome.find_contig(str(chrom))
        if contig is not None:
            # Sorted, so that the file is read but once.
            rows = np.asarray(members)[np.argsort(places[members], kind="stable")]
            found[rows], both[rows] = _orient_on(contig, variants.iloc[rows], genome)
    return found, both


def _orient_on(
    contig: str, variants: pd.DataFrame, genome: Genome
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """The same for sorted variants of one contig."""
    pos = variants["pos"].to_numpy(np.int64)
    first, second = (_match(variants[name].to_numpy(), pos, contig, genome) for name in ("first", "second"))
    found = np.select(
        [pos > genome.contigs[contig], first, second],
        [Orientation.POSITION_OUTSIDE_CONTIG, Orientation.FIRST, Orientation.SECOND],
        Orientation.REF_MISMATCH,
    ).astype(np.int8)
    usable = np.flatnonzero(found <= Orientation.SECOND)
    unknown = _unknown_share(pos[usable], contig, genome) > MAX_N_FRACTION
    found[usable[unknown]] = Orientation.TOO_MANY_N
    return found, first & second


def check_mismatches(
    variants: pd.DataFrame, orientations: npt.NDArray[np.int8], genome: Genome, max_share: float
) -> None:
    """Make sure that the variants are of the FASTA's genome build.

    Parameters
    ----------
    variants, orientations
        As of :func:`orient`.
    genome : Genome
    max_share : float
        Largest share of mismatches among the variants that are on the FASTA.

    Raises
    ------
    ReferenceMismatchError
        When more than a few, and more than this share, have no allele of the FASTA.
    """
    bad = orientations == Orientation.REF_MISMATCH
    compared = int((orientations != Orientation.CONTIG_NOT_IN_FASTA).sum())
    mismatches = int(bad.sum())
    if mismatches <= FEW_MISMATCHES or mismatches <= max_share * compared:
        return
    examples = "; ".join(
        f"{row.chrom}:{row.pos} {row.first}/{row.second}" for row in variants[bad].head(3).itertuples()
    )
    raise ReferenceMismatchError(
        f"{mismatches} of {compared} variants have no allele that is in {genome.path} at their position: "
        f"{examples}. Expected at most {max_share:.1%}: the table is most likely of another genome build. "
        "Use the FASTA of its build, or allow a larger share with data.max_mismatch_fraction"
    )


def count(orientations: npt.NDArray[np.int8]) -> collections.Counter[str]:
    """How many variants have each status."""
    numbers = collections.Counter(orientations.tolist())
    counts: collections.Counter[str] = collections.Counter()
    for value, number in numbers.items():
        counts[Orientation(value).status.value] += number
    return counts


def _match(
    alleles: npt.NDArray[np.object_], pos: npt.NDArray[np.int64], contig: str, genome: Genome
) -> npt.NDArray[np.bool_]:
    """Whether the FASTA has alleles at their positions."""
    text = alleles.astype("S")
    lengths = np.strings.str_len(text)
    matches = np.zeros(len(text), dtype=bool)
    for length in np.unique(lengths):
        for rows in _parts(np.flatnonzero(lengths == length), int(length)):
            bases = text[rows].astype(f"S{length}").view(np.uint8).reshape(len(rows), length)
            matches[rows] = (genome.fetch_windows(contig, pos[rows] - 1, int(length)) == bases).all(axis=1)
    return matches


def _unknown_share(pos: npt.NDArray[np.int64], contig: str, genome: Genome) -> npt.NDArray[np.float64]:
    """The share of N, and of what is past the contig's ends, in the reference windows."""
    fraction = np.zeros(len(pos))
    for rows in _parts(np.arange(len(pos)), WINDOW):
        windows = genome.fetch_windows(contig, pos[rows] - 1 - VARIANT_INDEX, WINDOW)
        fraction[rows] = (encoding.codes(windows) == encoding.NO_BASE).mean(axis=1)
    return fraction


def _parts(rows: npt.NDArray[np.int64], length: int) -> Iterator[npt.NDArray[np.int64]]:
    step = max(_ROWS * WINDOW // max(length, WINDOW), 1)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
