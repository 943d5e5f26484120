"""From variants to reference and alternative windows, with the reason where there can be none."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import (
    CHUNK,
    CHUNK_BYTES,
    FEW_MISMATCHES,
    MAX_MISMATCH_FRACTION,
    MAX_N_FRACTION,
    VARIANT_INDEX,
    WINDOW,
    SourceStatus,
    Status,
)
from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval
from mifm_kipoi.genomics.variants import MISSING, Variant
from mifm_kipoi.sequence import encoding

_BASES = re.compile(r"[ACGT]+")


@dataclasses.dataclass(frozen=True)
class VariantWindows:
    """The windows of consecutive variants.

    Parameters
    ----------
    variants : sequence of Variant, length n
        In their order; none is left out.
    status : list of Status, length n
        ``Status.OK`` where there are windows, else the reason why not.
    ref, alt : numpy.ndarray of uint8, shape (n, window + 2 * margin)
        Coded windows (:func:`mifm_kipoi.sequence.encoding.codes`); all 4 where ``status`` is not ok.
    """

    variants: Sequence[Variant]
    status: list[Status]
    ref: npt.NDArray[np.uint8]
    alt: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.variants)

    def __getitem__(self, rows: slice) -> VariantWindows:
        return VariantWindows(self.variants[rows], self.status[rows], self.ref[rows], self.alt[rows])


def variant_index(window: int) -> int:
    """0-based index of the first base of the allele in a window: the centre, left of it in even lengths."""
    return (window - 1) // 2


def allele_status(variant: Variant) -> Status:
    """The status of a variant by its alleles alone."""
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
    variants: Sequence[Variant],
    genome: Genome,
    max_n_fraction: float = MAX_N_FRACTION,
    margin: int = 0,
    window: int = WINDOW,
) -> VariantWindows:
    """Cut the reference and alternative windows of variants.

    The reference window is ``[pos - 256, pos + 256)`` (0-based half-open), so that the first base
    of the allele, 0-based ``pos - 1``, is at index 255. The alternative window keeps the left
    flank: 255 bases, then ALT from index 255 on, then what follows REF, cut to 512. Windows over
    a contig's end are padded with N. In windows of another length the index is that of
    :func:`variant_index`.

    Parameters
    ----------
    variants : sequence of Variant, length n
        Of any contigs, in any order.
    genome : Genome
        Reference genome.
    max_n_fraction : float
        A variant whose reference or alternative window has a larger fraction of N than this has no
        windows.
    margin : int
        Bases that are cut on either side beyond the window; the allele then is at index
        ``255 + margin``. The fraction of N is that of the window without it.
    window : int
        Length of the windows.

    Returns
    -------
    VariantWindows
        One row per variant, in their order.
    """
    status = [allele_status(variant) for variant in variants]
    pos0 = np.array([variant.pos - 1 for variant in variants], dtype=np.int64)
    ends = pos0 + np.array([len(variant.ref) for variant in variants], dtype=np.int64)
    contigs = _locate([variant.chrom for variant in variants], pos0, ends, genome, status)
    index = variant_index(window) + margin
    ref = _cut(contigs, pos0 - index, genome, status, window + 2 * margin)
    alt = ref.copy()
    scored = [row for row, reason in enumerate(status) if reason is Status.OK]
    single = [row for row in scored if len(variants[row].ref) == 1 == len(variants[row].alt)]
    differs = ref[single, index] != _base_codes(variants[row].ref for row in single)
    alt[single, index] = _base_codes(variants[row].alt for row in single)
    for row in itertools.compress(single, differs):
        status[row] = Status.REF_MISMATCH
    for row in sorted(set(scored).difference(single)):
        status[row] = _write_allele(variants[row], contigs[row], genome, alt[row], index)
    _refuse_unknown(status, (ref, alt), max_n_fraction, margin)
    return VariantWindows(variants, status, ref, alt)


def _locate(
    chroms: Sequence[str],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    genome: Genome,
    status: list[Status],
) -> list[str]:
    """The FASTA's names of contigs, and a status for the rows that are not on one."""
    names = {chrom: genome.find_contig(chrom) for chrom in set(chroms)}
    contigs = []
    for row, (chrom, start, end) in enumerate(zip(chroms, starts.tolist(), ends.tolist(), strict=True)):
        contig = names[chrom]
        if chrom == MISSING:
            status[row] = Status.POSITION_UNKNOWN
        elif status[row] is Status.OK:
            if contig is None:
                status[row] = Status.CONTIG_NOT_IN_FASTA
            elif start < 0 or end > genome.contigs[contig]:
                status[row] = Status.POSITION_OUTSIDE_CONTIG
        contigs.append(contig or "")
    return contigs


def _cut(
    contigs: Sequence[str],
    starts: npt.NDArray[np.int64],
    genome: Genome,
    status: Sequence[Status],
    length: int = WINDOW,
) -> npt.NDArray[np.uint8]:
    """Coded windows from their first bases, shape (n, length); all 4 where ``status`` is not ok."""
    windows = np.full((len(contigs), length), encoding.NO_BASE, dtype=np.uint8)
    rows: dict[str, list[int]] = {}
    for row, (contig, reason) in enumerate(zip(contigs, status, strict=True)):
        if reason is Status.OK:
            rows.setdefault(contig, []).append(row)
    for contig, on_contig in rows.items():
        windows[on_contig] = encoding.codes(genome.fetch_windows(contig, starts[on_contig], length))
    return windows


def _base_codes(alleles: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Codes of the bases of alleles, one after the other."""
    return encoding.codes(np.frombuffer("".join(alleles).encode(), dtype=np.uint8))


def _write_allele(
    variant: Variant, contig: str, genome: Genome, alt: npt.NDArray[np.uint8], index: int
) -> Status:
    """Compare REF with the FASTA, and write ALT and what then follows into a copy of the window."""
    start = variant.pos - 1
    behind_ref = len(variant.ref)
    bases = genome.fetch(contig, start, start + behind_ref + alt.size)
    if bases[:behind_ref].tobytes() != variant.ref.encode():
        return Status.REF_MISMATCH
    allele = _base_codes([variant.alt[: alt.size - index]])
    behind_alt = index + allele.size
    alt[index:behind_alt] = allele
    alt[behind_alt:] = encoding.codes(bases[behind_ref : behind_ref + alt.size - behind_alt])
    return Status.OK


def _refuse_unknown(
    status: list[Status], windows: Sequence[npt.NDArray[np.uint8]], max_n_fraction: float, margin: int = 0
) -> None:
    """Mark the rows with too many N in any window, and blank the windows of all rows without a score."""
    window = windows[0].shape[1] - 2 * margin
    inner = (codes[:, margin : margin + window] for codes in windows)
    unknown = np.max([np.count_nonzero(codes == encoding.NO_BASE, axis=1) for codes in inner], axis=0)
    for row in np.flatnonzero(unknown / window > max_n_fraction):
        if status[row] is Status.OK:
            status[row] = Status.TOO_MANY_N
    blank = [row for row, reason in enumerate(status) if reason is not Status.OK]
    for codes in windows:
        codes[blank] = encoding.NO_BASE


def cut_interval_windows(
    intervals: Sequence[Interval], genome: Genome, max_n_fraction: float = MAX_N_FRACTION
) -> tuple[npt.NDArray[np.uint8], list[Status]]:
    """Cut one window per interval, the interval's centre at index 255.

    The centre of ``[start, end)`` is base ``start + (end - start - 1) // 2``: an interval of 512 bp
    is the window itself, and the one base of an interval of 1 bp is at index 255.

    Parameters
    ----------
    intervals : sequence of Interval, length n
        Of any contigs, in any order.
    genome : Genome
        Reference genome.
    max_n_fraction : float
        See :func:`cut_windows`.

    Returns
    -------
    codes : numpy.ndarray of uint8, shape (n, 512)
        Coded windows; all 4 where ``status`` is not ok.
    status : list of Status, length n
    """
    status = [Status.OK] * len(intervals)
    centres = np.array(
        [interval.start + (interval.end - interval.start - 1) // 2 for interval in intervals], dtype=np.int64
    )
    contigs = _locate([interval.chrom for interval in intervals], centres, centres + 1, genome, status)
    windows = _cut(contigs, centres - VARIANT_INDEX, genome, status)
    _refuse_unknown(status, (windows,), max_n_fraction)
    return windows, status


def stream_windows(
    variants: Iterable[Variant],
    genome: Genome,
    max_n_fraction: float = MAX_N_FRACTION,
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION,
    chunk_size: int = CHUNK,
) -> Iterator[VariantWindows]:
    """Cut the windows of any number of variants, in chunks and in constant memory.

    Parameters
    ----------
    variants : iterable of Variant
        In the order in which they are read.
    genome : Genome
        Reference genome.
    max_n_fraction : float
        See :func:`cut_windows`.
    max_mismatch_fraction : float
        When more than five REF alleles, and more than this fraction of those seen so far, differ from
        the FASTA, the run ends; 1 turns the check off.
    chunk_size : int
        Variants that are read and cut together.

    Yields
    ------
    VariantWindows
        Of ``chunk_size`` variants each but for the last, and of fewer where their alleles are very long.

    Raises
    ------
    ReferenceMismatchError
        When too many REF alleles differ. The check runs before a chunk is handed out.
    """
    check = ReferenceCheck(genome, max_mismatch_fraction)
    for chunk in _chunks(variants, chunk_size):
        windows = cut_windows(chunk, genome, max_n_fraction)
        check.add(windows.variants, windows.status)
        yield windows


def _chunks(variants: Iterable[Variant], size: int) -> Iterator[list[Variant]]:
    """So many variants together, or as many as fill the memory of a chunk with their alleles."""
    chunk: list[Variant] = []
    bases = 0
    for variant in variants:
        chunk.append(variant)
        bases += len(variant.ref) + len(variant.alt)
        if len(chunk) >= size or bases >= CHUNK_BYTES:
            yield chunk
            chunk, bases = [], 0
    if chunk:
        yield chunk


def check_beginning(
    variants: Iterable[Variant], genome: Genome, max_mismatch_fraction: float, count: int = CHUNK
) -> None:
    """Compare the REF alleles of the first variants with the FASTA.

    Parameters
    ----------
    variants : iterable of Variant
        In the order in which they are read.
    genome : Genome
        Reference genome.
    max_mismatch_fraction : float
        See :func:`stream_windows`.
    count : int
        How many are compared.

    Raises
    ------
    ReferenceMismatchError
        When too many differ.
    """
    first = list(itertools.islice(variants, count))
    if first:
        alone = cut_windows(first, genome, max_n_fraction=1, window=1)
        ReferenceCheck(genome, max_mismatch_fraction).add(first, alone.status)


_COMPARED = (Status.OK, Status.TOO_MANY_N, Status.REF_MISMATCH, *SourceStatus)
"""Statuses of variants whose REF allele was compared with the FASTA."""


class ReferenceCheck:
    """Ends a run in which too many REF alleles differ from the FASTA, as the statuses of its rows say.

    Parameters
    ----------
    genome : Genome
        What the alleles were compared with.
    max_mismatch_fraction : float
        See :func:`stream_windows`.
    earlier : mapping of str to int, optional
        Rows by status of an earlier part of the run.
    at_least : int
        Alleles that are compared before the fraction of mismatches is judged.
    """

    def __init__(
        self,
        genome: Genome,
        max_mismatch_fraction: float,
        earlier: Mapping[str, int] | None = None,
        at_least: int = 0,
    ) -> None:
        self._genome = genome
        self._max_fraction = max_mismatch_fraction
        self._at_least = at_least
        self._rows = collections.Counter(earlier or {})
        self._examples: list[Variant] = []

    @property
    def compared(self) -> int:
        """REF alleles that were compared with the FASTA, of this run and its earlier part."""
        return sum(self._rows[status] for status in _COMPARED)

    @property
    def mismatches(self) -> int:
        """Those of them that differ."""
        return self._rows[Status.REF_MISMATCH]

    def add(self, variants: Sequence[Variant], status: Sequence[str]) -> None:
        """Count further rows.

        Parameters
        ----------
        variants : sequence of Variant, length n
            In the order of the file.
        status : sequence of str, length n
            Their statuses.

        Raises
        ------
        ReferenceMismatchError
            When the mismatches are more than a few, and more than the fraction.
        """
        self._rows.update(status)
        if len(self._examples) < 3:
            differing = (
                variant
                for variant, reason in zip(variants, status, strict=True)
                if reason == Status.REF_MISMATCH
            )
            self._examples += itertools.islice(differing, 3 - len(self._examples))
        too_many = self.mismatches > FEW_MISMATCHES and self.mismatches > self._max_fraction * self.compared
        if too_many and self.compared >= self._at_least:
            raise ReferenceMismatchError(self._message())

    def _message(self) -> str:
        examples = "; ".join(
            f"{variant.chrom}:{variant.pos} has REF {variant.ref[:20]}, the FASTA {self._in_fasta(variant)}"
            for variant in self._examples
        )
        return (
            f"{self.mismatches} of {self.compared} REF alleles differ from {self._genome.path}: "
            f"{examples}. Expected at most {self._max_fraction:.1%}: the variants are most likely of another "
            "genome build, or REF and ALT are swapped. Use the FASTA of the variants' build (or fix REF with "
            "bcftools norm --check-ref), or allow a larger fraction with max_mismatch_fraction, the option "
            "--max-mismatch-fraction (1 turns the check off)"
        )

    def _in_fasta(self, variant: Variant) -> str:
        contig = self._genome.find_contig(variant.chrom)
        assert contig is not None, "a mismatch was found on a contig of the FASTA"
        start = variant.pos - 1
        return self._genome.fetch(contig, start, start + len(variant.ref[:20])).tobytes().decode()
