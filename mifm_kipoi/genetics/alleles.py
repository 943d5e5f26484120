"""Alleles of tables: how they fit those of a variant, and which of two is the reference allele."""

from __future__ import annotations

import collections
import enum
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import COMPLEMENT, FEW_MISMATCHES, MAX_N_FRACTION, VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genomics.contigs import build_of_lengths
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.sequence import encoding

_CHAINS = {"GRCh37": "hg38ToHg19.over.chain.gz", "GRCh38": "hg19ToHg38.over.chain.gz"}
"""UCSC's chain files that take variants of the other usual build to a build."""

_ROWS = 1 << 15
"""Windows that are fetched together: 16 MiB of bases."""


class Fit(enum.IntEnum):
    """How the alleles of a row fit those of a variant at its position; the lower, the better."""

    SAME = 0
    """The alleles are those of the variant."""

    FLIPPED = 1
    """The alleles are those of the variant, on the other strand."""

    AMBIGUOUS = 2
    """The alleles are swapped or on the other strand: for A/T and C/G the two look alike."""

    DIFFERENT = 3
    """The row describes another variant, or the opposite direction."""


class Orientation(enum.IntEnum):
    """What the FASTA says about a variant of two alleles: which is REF, or why neither is used."""

    FIRST = 0
    SECOND = 1
    CONTIG_NOT_IN_FASTA = 2
    POSITION_OUTSIDE_CONTIG = 3
    REF_MISMATCH = 4
    TOO_MANY_N = 5

    @property
    def status(self) -> Status:
        """The status that scoring gives such a variant; ok where one of the alleles is REF."""
        return Status.OK if self in (Orientation.FIRST, Orientation.SECOND) else Status[self.name]


def allele_fit(
    ref: str, alt: str, first: str, second: str, *, ordered: bool, either_strand: bool = True
) -> Fit:
    """How the alleles of a row fit those of a variant at the same position.

    Alleles are compared as written, in upper case: nothing is trimmed or shifted, and insertions and
    deletions that are not written as in VCF (``-``, ``D``, ``I``) fit nothing. Only SNVs are compared with
    the other strand, since the bases of a longer allele start at another position there.

    Parameters
    ----------
    ref, alt : str
        Alleles of the variant, of A, C, G and T in upper case.
    first, second : str
        Alleles of the row, in either case: reference and alternative allele where ``ordered``.
    ordered : bool
        Whether the row describes the change from its first allele to its second, and so says nothing about
        the opposite change. Otherwise it describes the pair, as a p-value does; then an insertion and the
        deletion of the same bases at one position are the same pair.
    either_strand : bool
        Whether the row may give the alleles of the other strand.

    Returns
    -------
    Fit
        The best fit of the two orders and strands that are allowed.
    """
    first, second = first.upper(), second.upper()
    if (first, second) == (ref, alt):
        return Fit.SAME
    swapped = (second, first) == (ref, alt)
    if swapped and not ordered:
        return Fit.SAME
    if not either_strand or len(ref) != 1 or len(alt) != 1:
        return Fit.DIFFERENT
    first, second = first.translate(COMPLEMENT), second.translate(COMPLEMENT)
    if (first, second) == (ref, alt):
        return Fit.AMBIGUOUS if swapped else Fit.FLIPPED
    if not ordered and (second, first) == (ref, alt):
        return Fit.FLIPPED
    return Fit.DIFFERENT


def orient(variants: pd.DataFrame, genome: Genome) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Find the reference allele of each variant: the one that the FASTA has at the position.

    An allele is compared over its own length. The FASTA can have both alleles of an indel: an insertion of
    the bases that follow anyway looks like their deletion.

    Parameters
    ----------
    variants : pandas.DataFrame
        ``chrom``, ``pos`` (1-based), ``first`` and ``second``: alleles of A, C, G and T.
    genome : Genome
        The reference genome; contigs are matched by their aliases.

    Returns
    -------
    orientations : numpy.ndarray of int8, shape (n,)
        Values of :class:`Orientation`; FIRST where the FASTA has both alleles.
    both : numpy.ndarray of bool, shape (n,)
        Where the FASTA has both alleles, so that either order is possible.
    """
    orientations = np.full(len(variants), Orientation.CONTIG_NOT_IN_FASTA, dtype=np.int8)
    pos = variants["pos"].to_numpy(np.int64)
    both = np.zeros(len(variants), dtype=bool)
    for chrom, members in variants.groupby("chrom", sort=False).indices.items():
        contig = genome.find_contig(str(chrom))
        if contig is not None:
            # Sorted, so that the file is read once from start to end.
            rows = np.asarray(members)[np.argsort(pos[members], kind="stable")]
            orientations[rows], both[rows] = _orient_on_contig(contig, variants.iloc[rows], genome)
    return orientations, both


def check_mismatches(
    variants: pd.DataFrame, orientations: npt.NDArray[np.int8], genome: Genome, max_mismatch_fraction: float
) -> None:
    """Make sure that the variants are of the FASTA's genome build, by its bases and its contigs' ends.

    Parameters
    ----------
    variants : pandas.DataFrame
        As for :func:`orient`.
    orientations : numpy.ndarray of int8, shape (n,)
        As returned by :func:`orient`.
    genome : Genome
        The reference genome, for the message.
    max_mismatch_fraction : float
        Largest fraction of mismatches, and of positions beyond the ends of contigs, among the variants whose
        contig the FASTA has.

    Raises
    ------
    ReferenceMismatchError
        When more than a few variants, and more than this fraction, have no allele of the FASTA, or lie beyond
        the end of their contig.
    """
    compared = int((orientations != Orientation.CONTIG_NOT_IN_FASTA).sum())
    for orientation, what in (
        (Orientation.POSITION_OUTSIDE_CONTIG, "lie beyond the end of their contig in {}"),
        (Orientation.REF_MISMATCH, "have neither allele at their position in {}"),
    ):
        bad = orientations == orientation
        number = int(bad.sum())
        if number <= FEW_MISMATCHES or number <= max_mismatch_fraction * compared:
            continue
        examples = "; ".join(
            f"{row.chrom}:{row.pos} {row.first}/{row.second}" for row in variants[bad].head(3).itertuples()
        )
        build = build_of_lengths(genome.contigs)
        chain = _CHAINS.get(build, "hg19ToHg38.over.chain.gz")
        of_build = f", which is {build} by its contigs" if build else ""
        raise ReferenceMismatchError(
            f"{number:,} of {compared:,} variants {what.format(genome.path)}{of_build}: {examples}. Expected "
            f"at most {max_mismatch_fraction:.1%}: the table is most likely of another genome build. Use the "
            f"FASTA of its build, or lift the table over with a chain file (lift_over, such as {chain}); if "
            "the FASTA is a part of a genome, or the table is right as it is, allow a larger fraction with "
            "max_mismatch_fraction"
        )


def status_counts(orientations: npt.NDArray[np.int8]) -> collections.Counter[str]:
    """Count the variants with each status.

    Parameters
    ----------
    orientations : numpy.ndarray of int8, shape (n,)
        As returned by :func:`orient`.

    Returns
    -------
    collections.Counter of str
        From values of :class:`mifm_kipoi.conventions.Status` to numbers of variants.
    """
    counts: collections.Counter[str] = collections.Counter()
    for value, number in collections.Counter(orientations.tolist()).items():
        counts[Orientation(value).status.value] += number
    return counts


def _orient_on_contig(
    contig: str, variants: pd.DataFrame, genome: Genome
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """As :func:`orient`, for variants of one contig sorted by position."""
    pos = variants["pos"].to_numpy(np.int64)
    first, second = (
        _is_in_fasta(variants[name].to_numpy(), pos, contig, genome) for name in ("first", "second")
    )
    orientations = np.select(
        [pos > genome.contigs[contig], first, second],
        [Orientation.POSITION_OUTSIDE_CONTIG, Orientation.FIRST, Orientation.SECOND],
        Orientation.REF_MISMATCH,
    ).astype(np.int8)
    oriented = np.flatnonzero(orientations <= Orientation.SECOND)
    too_many_n = _n_fraction(pos[oriented], contig, genome) > MAX_N_FRACTION
    orientations[oriented[too_many_n]] = Orientation.TOO_MANY_N
    return orientations, first & second


def _is_in_fasta(
    alleles: npt.NDArray[np.object_], pos: npt.NDArray[np.int64], contig: str, genome: Genome
) -> npt.NDArray[np.bool_]:
    """Whether the FASTA has each allele at its position."""
    text = alleles.astype("S")
    lengths = np.strings.str_len(text)
    matches = np.zeros(len(text), dtype=bool)
    for length in np.unique(lengths):
        for rows in _batches(np.flatnonzero(lengths == length), int(length)):
            bases = text[rows].astype(f"S{length}").view(np.uint8).reshape(len(rows), length)
            matches[rows] = (genome.fetch_windows(contig, pos[rows] - 1, int(length)) == bases).all(axis=1)
    return matches


def _n_fraction(pos: npt.NDArray[np.int64], contig: str, genome: Genome) -> npt.NDArray[np.float64]:
    """The fraction of N in the reference windows; positions beyond the contig's ends count as N."""
    fraction = np.zeros(len(pos))
    for rows in _batches(np.arange(len(pos)), WINDOW):
        windows = genome.fetch_windows(contig, pos[rows] - 1 - VARIANT_INDEX, WINDOW)
        fraction[rows] = (encoding.codes(windows) == encoding.NO_BASE).mean(axis=1)
    return fraction


def _batches(rows: npt.NDArray[np.int64], length: int) -> Iterator[npt.NDArray[np.int64]]:
    """Row numbers in batches, so that as many sequences of ``length`` bp take a bounded memory."""
    size = max(_ROWS * WINDOW // max(length, WINDOW), 1)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
