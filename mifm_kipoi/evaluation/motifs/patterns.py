"""Patterns that TF-MoDISco finds in attributions, and what is measured of each."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mifm_kipoi.sequence import encoding

SIGNS = ("positive", "negative")
"""Patterns whose bases raise the logit, and those whose bases lower it."""

TRIMMED = 0.3
"""Outer positions whose contributions are smaller than this part of the largest are cut off a pattern."""

FREE_BITS = 0.25
"""Outer positions with less information than this are cut off as well."""

FLAT_BITS = 3.0
"""A pattern with less information is flat: TOMTOM's p-values of such queries are small without a motif."""

_BASES = np.array(list(encoding.BASES))

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Seqlets:
    """Where a pattern was found.

    Parameters
    ----------
    rows : numpy.ndarray of int64, shape (k,)
        Windows, by their row in the file of attributions.
    starts, ends : numpy.ndarray of int64, shape (k,)
        In the window, 0-based half-open.
    reverse : numpy.ndarray of bool, shape (k,)
        Whether the pattern is its reverse complement.
    """

    rows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    reverse: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A pattern of TF-MoDISco.

    Parameters
    ----------
    sign : str
        Of :data:`SIGNS`.
    number : int
        From 1, those of most seqlets first.
    frequencies : numpy.ndarray of float64, shape (length, 4)
        Of A, C, G, T in the seqlets (PFM).
    contributions : numpy.ndarray of float64, shape (length, 4)
        Mean contributions of the bases (CWM).
    seqlets : Seqlets
        All as long as the pattern.
    """

    sign: str
    number: int
    frequencies: Values
    contributions: Values
    seqlets: Seqlets

    @property
    def name(self) -> str:
        """Such as ``positive.3``."""
        return f"{self.sign}.{self.number}"

    @functools.cached_property
    def span(self) -> tuple[int, int]:
        """What is compared with motifs, 0-based half-open: see :data:`TRIMMED` and :data:`FREE_BITS`."""
        size = np.abs(self.contributions).sum(axis=1)
        start, end = _outermost(size >= TRIMMED * size.max())
        informative = bits(self.frequencies[start:end]) >= FREE_BITS
        if not informative.any():
            return start, end
        first, last = _outermost(informative)
        return start + first, start + last

    @property
    def trimmed(self) -> Values:
        """Frequencies within :attr:`span`: (width, 4)."""
        return self.frequencies[slice(*self.span)]

    @property
    def information(self) -> float:
        """Bits within :attr:`span`."""
        return float(bits(self.trimmed).sum())

    @property
    def flat(self) -> bool:
        """Whether it has too little information to be compared with motifs."""
        return self.information < FLAT_BITS

    @property
    def consensus(self) -> str:
        """The most frequent bases within :attr:`span`, in lower case where below one half."""
        best = self.trimmed.argmax(axis=1)
        sure = self.trimmed.max(axis=1) >= 0.5
        letters = _BASES[best].tolist()
        return "".join(
            letter if certain else letter.lower()
            for letter, certain in zip(letters, sure.tolist(), strict=True)
        )

    def spans(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where :attr:`span` lies in the windows of the seqlets: starts and ends, 0-based half-open."""
        seqlets, (start, end) = self.seqlets, self.span
        starts = np.where(seqlets.reverse, seqlets.ends - end, seqlets.starts + start)
        return starts, starts + (end - start)


def bits(frequencies: Values) -> Values:
    """Information of each position against equal bases: (length, 4) -> (length,)."""
    information: Values = 2 + (frequencies * np.log2(np.maximum(frequencies, 1e-12))).sum(axis=1)
    return np.maximum(information, 0)


def _outermost(kept: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """The span from the first to behind the last that is kept."""
    indices = np.flatnonzero(kept)
    return int(indices[0]), int(indices[-1]) + 1


def distinct_sites(
    chroms: npt.NDArray[np.object_], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> int:
    """How many places of the genome intervals cover that overlap no other place.

    Windows of neighbouring variants overlap, so that one site can have many seqlets.

    Parameters
    ----------
    chroms : numpy.ndarray of str, shape (k,)
        Contigs.
    starts, ends : numpy.ndarray of int64, shape (k,)
        0-based half-open.
    """
    sites = 0
    for chrom in set(chroms.tolist()):
        on_contig = chroms == chrom
        order = np.argsort(starts[on_contig], kind="stable")
        first, last = starts[on_contig][order], np.maximum.accumulate(ends[on_contig][order])
        sites += 1 + int(np.count_nonzero(first[1:] >= last[:-1]))
    return sites


def similarity(one: Pattern, other: Pattern) -> float:
    """Highest cosine of the contributions of two patterns, over offsets and both strands.

    Parameters
    ----------
    one, other : Pattern
        Compared within their spans; what one does not cover counts as 0.

    Returns
    -------
    float
        From -1 to 1; 1 for patterns whose contributions are proportional.
    """
    a = one.contributions[slice(*one.span)]
    b = other.contributions[slice(*other.span)]
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not norm:
        return 0.0
    return max(-1.0, *(product / norm for _, _, product in sliding_products(a, b)))


def sliding_products(one: Values, other: Values) -> Iterator[tuple[int, bool, float]]:
    """Sums of products of two matrices at every offset with a position in common, on both strands.

    Parameters
    ----------
    one, other : numpy.ndarray of floating point, shape (width, 4)
        They may differ in width.

    Yields
    ------
    (int, bool, float)
        The position in ``one`` of the first of ``other``, ascending; whether ``other`` is the reverse
        complement, which follows; the sum.
    """
    for reverse, oriented in ((False, other), (True, other[::-1, ::-1])):
        for shift in range(1 - len(oriented), len(one)):
            first, last = max(shift, 0), min(shift + len(oriented), len(one))
            yield shift, reverse, float((one[first:last] * oriented[first - shift : last - shift]).sum())


def matched_pairs(ones: list[Pattern], others: list[Pattern], least: float) -> list[tuple[int, int, float]]:
    """Pairs of patterns of one sign, each pattern in one pair at most, the most similar first.

    Parameters
    ----------
    ones, others : list of Pattern
        Of two runs.
    least : float
        The lowest similarity of a pair.

    Returns
    -------
    list of (int, int, float)
        Index in ``ones``, index in ``others``, similarity.
    """
    pairs: list[tuple[float, int, int]] = [
        (similarity(one, other), i, j)
        for i, one in enumerate(ones)
        for j, other in enumerate(others)
        if one.sign == other.sign
    ]
    matched = list[tuple[int, int, float]]()
    used_ones, used_others = set[int](), set[int]()
    pairs.sort(reverse=True)
    for value, i, j in pairs:
        if value >= least and i not in used_ones and j not in used_others:
            matched.append((i, j, value))
            used_ones.add(i)
            used_others.add(j)
    return matched
