"""Rows of a table in memory, by variant."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifm_kipoi.baselines.protocol import LookupStatus
from mifm_kipoi.baselines.tables.variant_columns import TableVariants
from mifm_kipoi.conventions import COMPLEMENT, Status
from mifm_kipoi.genetics.alleles import Fit, allele_fit
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.sequence.windows import allele_status

if TYPE_CHECKING:
    import pyarrow as pa


Values = npt.NDArray[np.float64]

Combine = Callable[[Values], Values | None]
"""From the values of the rows of one variant, (rows, k), to those of the variant, (k,); None in conflict."""

_FIRST_MERGE = 1 << 22
"""Rows after which those of the same variant are first made one."""


def agreed(values: Values) -> Values | None:
    """The values that all rows have, those without one left aside; None where there are two."""
    lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
    return None if (lowest < highest).any() else highest


def largest(values: Values) -> Values:
    """The largest value of each column, NaN where there is none."""
    highest: Values = np.fmax.reduce(values)
    return highest


class Site(NamedTuple):
    """A variant and the rows at its position, compared to recognise another genome build.

    Parameters
    ----------
    variant : Variant
        The variant.
    own : str
        What of the variant was compared, in words.
    other : str
        What the first of the rows has instead where none fits; else empty.
    """

    variant: Variant
    own: str
    other: str


@dataclasses.dataclass(frozen=True)
class Lookup:
    """What a table says of variants.

    Parameters
    ----------
    status : list of str, length n
        ``ok``, or why there is no value: that of the alleles alone, or one of :class:`LookupStatus`.
    values : numpy.ndarray of float64, shape (n, k)
        NaN where there is none.
    sites : list of Site
        In the order of the variants: of an ordered table those at whose position it has a row, which fits
        where its reference base does; of one without order the SNVs at whose position it has an SNV, which
        fits where the pair of alleles does.
    """

    status: list[str]
    values: Values
    sites: list[Site] = dataclasses.field(default_factory=list)


class _Part(NamedTuple):
    """Columns of rows; see :class:`VariantRows`."""

    locus: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    values: Values

    def rows(self, chosen: npt.NDArray[Any]) -> _Part:
        """Some of the rows."""
        return _Part(*(column[chosen] for column in self))


@dataclasses.dataclass(frozen=True)
class VariantRows:
    """Rows sorted by position; each takes 16 + 8 k bytes.

    Parameters
    ----------
    contigs : dict of str to int
        Numbers of contigs (:func:`mifm_kipoi.genomics.contigs.contig_key`).
    alleles : list of str
        Alleles by their numbers, in upper case.
    locus : numpy.ndarray of int64, shape (n,)
        Number of the contig times 2^32, plus the 1-based position; ascending.
    first, second : numpy.ndarray of int32, shape (n,)
        Numbers of the alleles.
    values : numpy.ndarray of float64, shape (n, k)
        The numbers of each row, NaN where it has none.
    ordered, either_strand : bool
        See :func:`mifm_kipoi.genetics.alleles.allele_fit`.
    """

    contigs: dict[str, int]
    alleles: list[str]
    locus: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    values: Values
    ordered: bool
    either_strand: bool = True

    def look_up(self, variants: Sequence[Variant], combine: Combine) -> Lookup:
        """Find variants.

        Where rows have exactly the alleles of a variant, only these count, else those that fit it on the
        other strand.

        Parameters
        ----------
        variants : sequence of Variant, length n
            The variants, in the order of the result.
        combine : callable
            What several rows of one variant give.
        """
        status: list[str] = [allele_status(variant) for variant in variants]
        values = np.full((len(variants), self.values.shape[1]), np.nan)
        loci = np.array([self._locus(variant) for variant in variants], dtype=np.int64)
        starts = np.searchsorted(self.locus, loci, side="left").tolist()
        ends = np.searchsorted(self.locus, loci, side="right").tolist()
        sites: list[Site | None] = []
        for number, (variant, start, end) in enumerate(zip(variants, starts, ends, strict=True)):
            if status[number] is not Status.OK:
                continue
            if start == end:
                status[number] = LookupStatus.NOT_IN_TABLE
                continue
            fits = [self._fit(variant, row) for row in range(start, end)]
            best = min(fits)
            sites.append(self._site(variant, start, end, best))
            if best > Fit.FLIPPED:
                status[number] = (
                    LookupStatus.STRAND_AMBIGUOUS if best is Fit.AMBIGUOUS else LookupStatus.ALLELES_DIFFER
                )
                continue
            rows = [row for row, fit in enumerate(fits, start) if fit is best]
            one = combine(self.values[rows])
            if one is None:
                status[number] = LookupStatus.CONFLICTING_ROWS
            elif np.isnan(one).all():
                status[number] = LookupStatus.VALUE_MISSING
            else:
                values[number] = one
        return Lookup(status, values, [site for site in sites if site is not None])

    def beyond(self, lengths: Mapping[str, int]) -> tuple[int, int]:
        """How many rows lie beyond the ends of contigs, and how many lie on contigs that are known.

        Parameters
        ----------
        lengths : mapping of str to int
            Contigs of a genome, under any of their names.
        """
        by_key = {contig_key(name): length for name, length in lengths.items()}
        limits = np.array([by_key.get(key, 0) for key in self.contigs], dtype=np.int64)
        if not len(limits) or not len(self.locus):
            return 0, 0
        limit, pos = limits[self.locus >> 32], self.locus & (2**32 - 1)
        return int(((limit > 0) & (pos > limit)).sum()), int((limit > 0).sum())

    def _locus(self, variant: Variant) -> int:
        contig = self.contigs.get(contig_key(variant.chrom), -1)
        return -1 if contig < 0 else (contig << 32) + variant.pos

    def _fit(self, variant: Variant, row: int) -> Fit:
        first, second = self.alleles[self.first[row]], self.alleles[self.second[row]]
        return allele_fit(
            variant.ref,
            variant.alt,
            first,
            second,
            ordered=self.ordered,
            either_strand=self.either_strand,
        )

    def _site(self, variant: Variant, start: int, end: int, best: Fit) -> Site | None:
        """What rows tell of their genome build, None where they tell nothing."""
        if self.ordered:
            strange = best is Fit.DIFFERENT and not self._knows(variant, start, end)
            other = f"reference {self.alleles[self.first[start]][:20]}" if strange else ""
            return Site(variant, f"reference {variant.ref[:20]}", other)
        # Of longer alleles there are many at one position, and many ways to write them.
        if len(variant.ref) != 1 or len(variant.alt) != 1:
            return None
        pairs = ((self.alleles[self.first[row]], self.alleles[self.second[row]]) for row in range(start, end))
        snvs = [f"{first}/{second}" for first, second in pairs if {first, second} <= set("ACGT")]
        if not snvs:
            return None
        return Site(variant, f"{variant.ref}/{variant.alt}", "" if best <= Fit.FLIPPED else snvs[0])

    def _knows(self, variant: Variant, start: int, end: int) -> bool:
        """Whether a row has the reference base of a variant, or does not name it."""
        base = variant.ref[0]
        complement = base.translate(COMPLEMENT) if self.either_strand else base
        bases = {self.alleles[row][:1] for row in self.first[start:end]}
        return base in bases or complement in bases or not bases <= set("ACGT")


class RowsBuilder:
    """Takes the rows of a table, a part at a time.

    Parameters
    ----------
    columns : int
        Values of a row.
    ordered, either_strand : bool
        See :class:`VariantRows`.
    keep_largest : bool
        Whether of rows with the same alleles only the largest values are held (:func:`largest`), so that
        memory grows with the variants, not with the rows.
    """

    def __init__(
        self, columns: int, ordered: bool, either_strand: bool = True, keep_largest: bool = False
    ) -> None:
        self._ordered, self._either_strand, self._keep_largest = ordered, either_strand, keep_largest
        self._contigs: dict[str, int] = {}
        self._alleles: dict[str, int] = {}
        nothing = np.empty(0, np.int32)
        self._parts = [_Part(np.empty(0, np.int64), nothing, nothing, np.empty((0, columns)))]
        self._rows, self._merge_at = 0, _FIRST_MERGE

    def add(self, variants: TableVariants, values: Values) -> None:
        """Take rows.

        Parameters
        ----------
        variants : TableVariants
            Where they lie, with which alleles.
        values : numpy.ndarray of float64, shape (rows, columns)
            The numbers of each row.
        """
        contig = numbered(variants.chrom, self._contigs, contig_key).astype(np.int64)
        first = numbered(variants.first, self._alleles, str.upper)
        second = numbered(variants.second, self._alleles, str.upper)
        if not self._ordered:
            first, second = np.minimum(first, second), np.maximum(first, second)
        part = _Part((contig << 32) + variants.pos, first, second, values).rows(variants.known)
        self._parts.append(part)
        self._rows += len(part.locus)
        if self._keep_largest and self._rows >= self._merge_at:
            self._parts = [_merged(self._whole())]
            self._rows = len(self._parts[0].locus)
            self._merge_at = max(_FIRST_MERGE, 2 * self._rows)

    def done(self) -> VariantRows:
        """The rows, sorted; for a moment they take twice their memory."""
        whole = self._whole()
        alleles = list(self._alleles)
        order = None if self._keep_largest else np.argsort(whole.locus, kind="stable")
        whole = _merged(whole) if order is None else whole.rows(order)
        return VariantRows(self._contigs, alleles, *whole, self._ordered, self._either_strand)

    def _whole(self) -> _Part:
        parts, self._parts = self._parts, []
        return _Part(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def numbered(
    text: pa.StringArray, known: dict[str, int], name: Callable[[str], str] = str
) -> npt.NDArray[np.int32]:
    """Numbers for texts, in the order in which they first came.

    Parameters
    ----------
    text : pyarrow.StringArray, length n
        The texts.
    known : dict of str to int
        Numbers so far; new ones are added.
    name : callable
        Gives the name under which a text has its number.

    Returns
    -------
    numpy.ndarray of int32, shape (n,)
    """
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(text)
    numbers = [known.setdefault(name(one), len(known)) for one in coded.dictionary.to_pylist()]
    codes: npt.NDArray[np.int32] = np.array(numbers, dtype=np.int32)[coded.indices.to_numpy()]
    return codes


def _merged(part: _Part) -> _Part:
    """One row for each locus and pair of alleles, with the largest values, sorted by locus."""
    order = np.lexsort((part.second, part.first, part.locus))
    locus, first, second = part.locus[order], part.first[order], part.second[order]
    new = np.ones(len(locus), dtype=bool)
    new[1:] = (np.diff(locus) != 0) | (np.diff(first) != 0) | (np.diff(second) != 0)
    starts = np.flatnonzero(new)
    values = np.fmax.reduceat(part.values[order], starts, axis=0) if starts.size else part.values
    return _Part(locus[starts], first[starts], second[starts], values)
