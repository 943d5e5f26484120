"""The regions whose bases saturation mutagenesis substitutes, from BED files and from variants."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Iterable, Iterator

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION, VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.sequence.windows import stream_windows


class Centre(enum.StrEnum):
    """What is at the centre of the window, index 255, while bases are substituted."""

    VARIANT = "variant"
    """The variant, or the centre of the interval: one window, whose bases are substituted one by one."""

    POSITION = "position"
    """The substituted base itself: a window for each position."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A region of a contig whose bases are substituted.

    Parameters
    ----------
    number : int
        Its number in the input, from 1.
    id : str
        The fourth column of BED, or the variant's identifier; ``.`` where there is none.
    chrom : str
        Contig, named as in the input.
    start, end : int
        0-based half-open. Within the contig and, for ``Centre.VARIANT``, within the window; as in the
        input where the status says that it lies outside.
    centre : int or None
        0-based base at index 255 of the window; None for ``Centre.POSITION``.
    status : Status
        Why it can be scored, or not.
    """

    number: int
    id: str
    chrom: str
    start: int
    end: int
    centre: int | None
    status: Status

    @property
    def name(self) -> str:
        """How a person refers to it: 1-based positions, with the identifier where it has one."""
        region = f"{self.chrom}:{self.start + 1}-{self.end}"
        return region if self.id == "." else f"{self.id} {region}"


def interval_targets(intervals: Iterable[Interval], genome: Genome, centre: Centre) -> Iterator[Target]:
    """Targets of the intervals of a BED file.

    Parameters
    ----------
    intervals : iterable of Interval
        Intervals, 0-based half-open.
    genome : Genome
        Has the contigs to which regions are cut.
    centre : Centre
        For ``Centre.VARIANT`` the window's centre is the interval's, base
        ``start + (end - start - 1) // 2``, and what lies outside the window is left out.

    Yields
    ------
    Target
        One for each interval, in their order.
    """
    for number, interval in enumerate(intervals, start=1):
        middle = interval.start + (interval.end - interval.start - 1) // 2
        target = Target(
            number,
            interval.id,
            interval.chrom,
            interval.start,
            interval.end,
            middle if centre is Centre.VARIANT else None,
            Status.OK,
        )
        yield _fitted(target, genome)


def variant_targets(
    variants: Iterable[Variant],
    genome: Genome,
    centre: Centre,
    flank: int | None = None,
    max_n_fraction: float = MAX_N_FRACTION,
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION,
) -> Iterator[Target]:
    """Targets of the records of a variant file.

    The ALTs of a record share everything that is substituted, so neighbouring variants of one position,
    identifier and REF make one target. It can be scored when one of them can.

    Parameters
    ----------
    variants : iterable of Variant
        One for each ALT, in the order of the file.
    genome : Genome
        REF is compared with it.
    centre : Centre
        For ``Centre.VARIANT`` the window's centre is the first base of REF.
    flank : int, optional
        Bases on either side of REF that are substituted too; by default the whole window for
        ``Centre.VARIANT``, none for ``Centre.POSITION``.
    max_n_fraction, max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.

    Yields
    ------
    Target
        In the order of the variants.

    Raises
    ------
    ReferenceMismatchError
        When too many REF alleles differ from the FASTA.
    """
    rows = (
        row
        for chunk in stream_windows(variants, genome, max_n_fraction, max_mismatch_fraction)
        for row in zip(chunk.variants, chunk.status, strict=True)
    )
    records = itertools.groupby(rows, lambda row: record_of(row[0]))
    for number, ((chrom, pos, name, ref), alleles) in enumerate(records, start=1):
        reasons = [status for _, status in alleles]
        status = Status.OK if Status.OK in reasons else reasons[0]
        first = pos - 1
        start, end = first, first + len(ref)
        if status is Status.OK and (flank is not None or centre is Centre.VARIANT):
            start, end = start - (flank or 0), end + (flank or 0)
            if flank is None:
                start, end = first - VARIANT_INDEX, first - VARIANT_INDEX + WINDOW
        target = Target(number, name, chrom, start, end, first if centre is Centre.VARIANT else None, status)
        yield _fitted(target, genome)


def record_of(variant: Variant) -> tuple[str, int, str, str]:
    """What neighbouring variants of one record share: CHROM, 1-based POS, ID and REF."""
    return variant.chrom, variant.pos, variant.id, variant.ref


def _fitted(target: Target, genome: Genome) -> Target:
    """The part of a target that exists, with a status where there is none."""
    if target.status is not Status.OK:
        return target
    contig = genome.find_contig(target.chrom)
    if contig is None:
        return dataclasses.replace(target, status=Status.CONTIG_NOT_IN_FASTA)
    start, end = max(target.start, 0), min(target.end, genome.contigs[contig])
    if target.centre is not None:
        start = max(start, target.centre - VARIANT_INDEX)
        end = min(end, target.centre - VARIANT_INDEX + WINDOW)
    if start >= end or not 0 <= (target.centre or 0) < genome.contigs[contig]:
        return dataclasses.replace(target, status=Status.POSITION_OUTSIDE_CONTIG)
    return dataclasses.replace(target, start=start, end=end)
