"""From variants to reference and alternative windows, with the reason where there can be none."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi import encoding
from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genome import Genome
from mifm_kipoi.intervals import Interval
from mifm_kipoi.variants import MISSING, Variant

WINDOW = 512
"""Length of a window in base pairs."""

VARIANT_INDEX = 255
"""0-based index in the window of the first base of the variant's allele."""

MAX_UNKNOWN_SHARE = 0.1
"""Largest share of N in a window that is scored. With a tenth of a window replaced by N, scores of the
published model keep a Spearman correlation of 0.98 with those of the full window; with a quarter 0.87,
with a half 0.28 (docs/conventions.md)."""

FEW_MISMATCHES = 5
"""REF alleles that may differ from the FASTA in any file, however small."""

MAX_MISMATCH_SHARE = 0.01
"""Share of REF alleles that may differ from the FASTA, beyond the few."""

CHUNK = 8192
"""Variants whose windows are cut at once."""

_BASES = re.compile(r"[ACGT]+")


class Status(enum.StrEnum):
    """Why a variant has a score, or has none."""

    OK = "ok"
    MISSING_ALT = "missing_alt"
    SPANNING_DELETION = "spanning_deletion"
    SYMBOLIC_ALT = "symbolic_alt"
    BREAKEND = "breakend"
    NON_ACGT_ALLELE = "non_acgt_allele"
    CONTIG_NOT_IN_FASTA = "contig_not_in_fasta"
    POSITION_OUTSIDE_CONTIG = "position_outside_contig"
    REF_MISMATCH = "ref_mismatch"
    TOO_MANY_N = "too_many_n"


@dataclasses.dataclass(frozen=True)
class VariantWindows:
    """The windows of a run of variants.

    Parameters
    ----------
    variants : sequence of Variant, length n
        In their order; none is left out.
    status : list of Status, length n
        ``Status.OK`` where there are windows, else the reason why not.
    ref, alt : numpy.ndarray of uint8, shape (n, 512)
        Coded windows (:func:`mifm_kipoi.encoding.codes`); all 4 where ``status`` is not ok.
    """

    variants: Sequence[Variant]
    status: list[Status]
    ref: npt.NDArray[np.uint8]
    alt: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.variants)

    def __getitem__(self, rows: slice) -> VariantWindows:
        return VariantWindows(self.variants[rows], self.status[rows], self.ref[rows], self.alt[rows])


def allele_status(variant: Variant) -> Status:
    """What the alleles alone say of a variant."""
    alt = variant.alt
    if alt in (MISSING, ""):
        return Status.MISSING_ALT
    if alt == "*":
        return Status.SPANNING_DELETION
    if "[" in alt or "]" in alt or (len(alt) > 1 and MISSING in (alt[0], alt[-1])):
        return Status.BREAKEND
    if alt.startswith("<"):
        return Status.SYMBOLIC_ALT
    if not _BASES.fullmatch(alt) or not _BASES.fullmatch(variant.ref):
        return Status.NON_ACGT_ALLELE
    return Status.OK


def cut_windows(
    variants: Sequence[Variant], genome: Genome, max_unknown_share: float = MAX_UNKNOWN_SHARE
) -> VariantWindows:
    """Cut the reference and alternative windows of variants.

    The reference window is ``[pos - 256, pos + 256)`` (0-based half-open), so that the first base
    of the allele, 0-based ``pos - 1``, is at index 255. The alternative window keeps the left
    flank: 255 bases, then ALT from index 255 on, then what follows REF, cut to 512. Windows over
    a contig's end are padded with N.

    Parameters
    ----------
    variants : sequence of Variant, length n
    genome : Genome
    max_unknown_share : float
        A variant whose reference or alternative window has a larger share of N than this has no
        windows.

    Returns
    -------
    VariantWindows
        One row per variant, in their order.
    """
    ref = np.full((len(variants), WINDOW), ord("N"), dtype=np.uint8)
    alt = ref.copy()
    status = [_fill_windows(variant, genome, ref[row], alt[row]) for row, variant in enumerate(variants)]
    ref, alt = encoding.codes(ref), encoding.codes(alt)
    _refuse_unknown(status, (ref, alt), max_unknown_share)
    return VariantWindows(variants, status, ref, alt)


def _refuse_unknown(
    status: list[Status], windows: tuple[npt.NDArray[np.uint8], ...], max_unknown_share: float
) -> None:
    """Mark the rows with too many N in any window, and blank the windows of all rows without a score."""
    unknown = np.max([(codes == encoding.NO_BASE).mean(axis=1) for codes in windows], axis=0)
    for row in np.flatnonzero(unknown > max_unknown_share):
        if status[row] is Status.OK:
            status[row] = Status.TOO_MANY_N
    for codes in windows:
        codes[[row for row, reason in enumerate(status) if reason is not Status.OK]] = encoding.NO_BASE


def _fill_windows(
    variant: Variant, genome: Genome, ref: npt.NDArray[np.uint8], alt: npt.NDArray[np.uint8]
) -> Status:
    """Write the ASCII windows of one variant into ``ref`` and ``alt``; say what came of it."""
    status = allele_status(variant)
    if status is not Status.OK:
        return status
    contig = genome.find_contig(variant.chrom)
    if contig is None:
        return Status.CONTIG_NOT_IN_FASTA
    pos0 = variant.pos - 1
    ref_end = pos0 + len(variant.ref)
    if pos0 < 0 or ref_end > genome.contigs[contig]:
        return Status.POSITION_OUTSIDE_CONTIG
    start = pos0 - VARIANT_INDEX
    # One look at the genome serves all that lies in the reference window.
    bases = genome.fetch(contig, start, max(start + WINDOW, ref_end))
    if bases[VARIANT_INDEX : ref_end - start].tobytes() != variant.ref.encode():
        return Status.REF_MISMATCH
    ref[:] = bases[:WINDOW]
    allele = np.frombuffer(variant.alt.encode()[: WINDOW - VARIANT_INDEX], dtype=np.uint8)
    behind = VARIANT_INDEX + allele.size
    alt[:VARIANT_INDEX] = ref[:VARIANT_INDEX]
    alt[VARIANT_INDEX:behind] = allele
    if allele.size == len(variant.ref):
        alt[behind:] = ref[behind:]
    else:
        alt[behind:] = genome.fetch(contig, ref_end, ref_end + WINDOW - behind)
    return Status.OK


def cut_interval_windows(
    intervals: Sequence[Interval], genome: Genome, max_unknown_share: float = MAX_UNKNOWN_SHARE
) -> tuple[npt.NDArray[np.uint8], list[Status]]:
    """Cut one window per interval, the interval's centre at index 255.

    The centre of ``[start, end)`` is base ``start + (end - start - 1) // 2``: an interval of 512 bp
    is the window itself, and the one base of an interval of 1 bp is at index 255.

    Parameters
    ----------
    intervals : sequence of Interval, length n
    genome : Genome
    max_unknown_share : float
        See :func:`cut_windows`.

    Returns
    -------
    codes : numpy.ndarray of uint8, shape (n, 512)
        Coded windows; all 4 where ``status`` is not ok.
    status : list of Status, length n
    """
    windows = np.full((len(intervals), WINDOW), ord("N"), dtype=np.uint8)
    status = []
    for row, interval in enumerate(intervals):
        contig = genome.find_contig(interval.chrom)
        centre = interval.start + (interval.end - interval.start - 1) // 2
        if contig is None:
            status.append(Status.CONTIG_NOT_IN_FASTA)
        elif not 0 <= centre < genome.contigs[contig]:
            status.append(Status.POSITION_OUTSIDE_CONTIG)
        else:
            start = centre - VARIANT_INDEX
            windows[row] = genome.fetch(contig, start, start + WINDOW)
            status.append(Status.OK)
    codes = encoding.codes(windows)
    _refuse_unknown(status, (codes,), max_unknown_share)
    return codes, status


def stream_windows(
    variants: Iterable[Variant],
    genome: Genome,
    max_unknown_share: float = MAX_UNKNOWN_SHARE,
    max_mismatch_share: float = MAX_MISMATCH_SHARE,
) -> Iterator[VariantWindows]:
    """Cut the windows of any number of variants, in chunks and in constant memory.

    Parameters
    ----------
    variants : iterable of Variant
    genome : Genome
    max_unknown_share : float
        See :func:`cut_windows`.
    max_mismatch_share : float
        When more than five REF alleles, and more than this share of those seen so far, differ from
        the FASTA, the run ends; 1 turns the check off.

    Yields
    ------
    VariantWindows
        Up to 8,192 variants each.

    Raises
    ------
    ReferenceMismatchError
        When too many REF alleles differ. The check runs before a chunk is handed out.
    """
    check = _ReferenceCheck(genome, max_mismatch_share)
    rest = iter(variants)
    while chunk := list(itertools.islice(rest, CHUNK)):
        windows = cut_windows(chunk, genome, max_unknown_share)
        check.add(windows)
        yield windows


class _ReferenceCheck:
    """Counts REF alleles that differ from the FASTA, and ends the run when they are too many."""

    def __init__(self, genome: Genome, max_mismatch_share: float) -> None:
        self._genome = genome
        self._max_share = max_mismatch_share
        self._compared = 0
        self._examples: list[Variant] = []
        self._mismatches = 0

    def add(self, windows: VariantWindows) -> None:
        compared = (Status.OK, Status.TOO_MANY_N, Status.REF_MISMATCH)
        self._compared += sum(status in compared for status in windows.status)
        for variant, status in zip(windows.variants, windows.status, strict=True):
            if status is Status.REF_MISMATCH:
                self._mismatches += 1
                if len(self._examples) < 3:
                    self._examples.append(variant)
        if self._mismatches > FEW_MISMATCHES and self._mismatches > self._max_share * self._compared:
            raise ReferenceMismatchError(self._message())

    def _message(self) -> str:
        examples = "; ".join(
            f"{variant.chrom}:{variant.pos} has REF {variant.ref[:20]}, the FASTA {self._in_fasta(variant)}"
            for variant in self._examples
        )
        return (
            f"{self._mismatches} of {self._compared} REF alleles differ from {self._genome.path}: "
            f"{examples}. "
            f"Expected at most {self._max_share:.1%}: the variants are most likely of another genome build, "
            "or REF and ALT are exchanged. Use the FASTA of the variants' build (or fix REF with bcftools "
            "norm --check-ref), or allow a larger share with max_mismatch_share (1 turns the check off)"
        )

    def _in_fasta(self, variant: Variant) -> str:
        contig = self._genome.find_contig(variant.chrom)
        assert contig is not None, "a mismatch was found on a contig of the FASTA"
        start = variant.pos - 1
        return self._genome.fetch(contig, start, start + len(variant.ref[:20])).tobytes().decode()
