"""Motifs over variants: FIMO (Grant, Bailey and Noble 2011) on both alleles, by memelite."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.evaluation.motifs.known import Motif
from mifm_kipoi.explanation.variants.alignment import NOTHING
from mifm_kipoi.explanation.variants.readings import Allele, Reading
from mifm_kipoi.network.attribution import EXTRA
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support.packages import needed

THRESHOLD = 1e-4
"""p-values below it are hits, as in FIMO."""

_PSEUDOCOUNT = 1e-4
"""What memelite adds to probabilities before their logarithm."""

NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Hit:
    """A place where a motif fits one allele or both.

    Parameters
    ----------
    motif : Motif
        The motif.
    strand : str
        ``+`` or ``-``.
    columns : tuple of (int, int)
        Of the alignment, half-open: of REF where it has a hit, else of ALT.
    over_variant : bool
        Whether it covers a column of the alleles; elsewhere both have the same numbers.
    ref_score, alt_score : float
        Log2 odds against equal bases of what the allele has there, hit or not: from the same column on, or up
        to the same one, whichever fits better. NaN where it does not reach so far.
    ref_p, alt_p : float
        p-value of a hit; NaN where the allele has none there.
    ref_contribution, alt_contribution : float
        Sum of the contributions of its bases; NaN where the allele does not reach so far.
    """

    motif: Motif
    strand: str
    columns: tuple[int, int]
    over_variant: bool
    ref_score: float
    alt_score: float
    ref_p: float
    alt_p: float
    ref_contribution: float
    alt_contribution: float

    @property
    def p_value(self) -> float:
        """The lower of the p-values."""
        return float(np.nanmin([self.ref_p, self.alt_p]))

    @property
    def kind(self) -> str:
        """``lost`` with a hit in REF alone, ``gained`` in ALT alone, ``both``."""
        return "lost" if np.isnan(self.alt_p) else "gained" if np.isnan(self.ref_p) else "both"


def find_hits(
    readings: Sequence[Reading], motifs: Sequence[Motif], threshold: float = THRESHOLD
) -> list[list[Hit]]:
    """Hits of motifs in the columns shown of variants.

    Parameters
    ----------
    readings : sequence of Reading
        The variants.
    motifs : sequence of Motif
        With names of their own.
    threshold : float
        A hit has a lower p-value: the probability that equal, independent bases fit the motif as well.

    Returns
    -------
    list of list of Hit
        Of each variant: those over it first, then by p-value.

    Raises
    ------
    MissingPackageError
        When memelite is not installed.
    """
    if not readings or not motifs:
        return [[] for _ in readings]
    fimo = needed("memelite", EXTRA).fimo
    alleles = [allele for reading in readings for allele in (reading.ref, reading.alt)]
    texts = [allele.bases.replace("-", "") for allele in alleles]
    length = max(*map(len, texts), *(len(motif.matrix) for motif in motifs))
    codes = np.full((len(texts), length), encoding.NO_BASE, dtype=np.uint8)
    for row, text in enumerate(texts):
        codes[row, : len(text)] = encoding.codes(np.frombuffer(text.encode(), np.uint8))
    one_hot = np.ascontiguousarray(encoding.one_hot(codes))
    by_name = {motif.name: motif for motif in motifs}
    matrices = {name: np.ascontiguousarray(motif.matrix.T) for name, motif in by_name.items()}
    found: list[_Starts] = [{} for _ in alleles]
    for table in fimo(matrices, one_hot, threshold=threshold):
        for row in table.to_dict("records"):
            number, name, start = int(row["sequence_name"]), str(row["motif_name"]), int(row["start"])
            # What lies behind the sequence is N, which fits nothing and costs nothing.
            if start + len(by_name[name].matrix) <= len(texts[number]):
                found[number].setdefault((name, str(row["strand"])), {})[start] = float(row["p-value"])
    return [
        _hits(reading, by_name, *found[2 * number : 2 * number + 2])
        for number, reading in enumerate(readings)
    ]


_Starts = dict[tuple[str, str], dict[int, float]]
"""Where the hits of a motif on a strand begin in an allele's bases, with their p-values."""


def _hits(reading: Reading, by_name: dict[str, Motif], ref_hits: _Starts, alt_hits: _Starts) -> list[Hit]:
    first, last = reading.alignment.allele
    ref, alt = _Sequence(reading.ref), _Sequence(reading.alt)
    hits = []
    for name, strand in sorted({*ref_hits, *alt_hits}):
        motif = by_name[name]
        odds = np.log2(motif.matrix + _PSEUDOCOUNT) + 2
        odds = odds[::-1, ::-1] if strand == "-" else odds
        of_ref, of_alt = (starts.get((name, strand), {}) for starts in (ref_hits, alt_hits))
        paired = [(start, alt.opposite(ref, start, odds)) for start in of_ref]
        taken = {other for _, other in paired}
        pairs: list[tuple[int | None, int | None]] = [*paired]
        pairs += [(ref.opposite(alt, start, odds), start) for start in of_alt if start not in taken]
        for start, other in pairs:
            there = ref.columns(start, odds) if start in of_ref else alt.columns(other, odds)
            over = there[0] < last and there[1] > first
            hits.append(
                Hit(
                    motif, strand, there, over,
                    ref.score(start, odds), alt.score(other, odds),
                    of_ref.get(start, NAN) if start is not None else NAN,
                    of_alt.get(other, NAN) if other is not None else NAN,
                    ref.contribution(start, odds), alt.contribution(other, odds),
                )
            )  # fmt: skip
    return sorted(hits, key=lambda hit: (not hit.over_variant, hit.p_value, hit.motif.name, hit.columns))


class _Sequence:
    """The bases of an allele that are shown, and what a motif makes of them; None is no place."""

    def __init__(self, allele: Allele) -> None:
        letters = np.array(list(allele.bases))
        self._filled = np.flatnonzero(letters != "-")
        self._codes = encoding.codes(np.frombuffer("".join(letters[self._filled]).encode(), np.uint8))
        self._contributions = np.nan_to_num(allele.contributions[self._filled])

    def opposite(self, other: _Sequence, start: int, odds: npt.NDArray[np.float64]) -> int | None:
        """Where a motif that begins at a base of the other allele would begin here."""
        first, last = other._filled[start], other._filled[start + len(odds) - 1]
        places = {
            int(np.searchsorted(self._filled, first)),
            int(np.searchsorted(self._filled, last, side="right")) - len(odds),
        }
        fitting = [place for place in sorted(places) if 0 <= place <= len(self._codes) - len(odds)]
        return max(fitting, key=lambda place: self.score(place, odds), default=None)

    def columns(self, start: int | None, odds: npt.NDArray[np.float64]) -> tuple[int, int]:
        """From the first to behind the last column of a motif."""
        assert start is not None, "a hit has a place"
        return int(self._filled[start]), int(self._filled[start + len(odds) - 1]) + 1

    def score(self, start: int | None, odds: npt.NDArray[np.float64]) -> float:
        """Log2 odds of the bases; N counts as 0."""
        if start is None:
            return NAN
        codes = self._codes[start : start + len(odds)]
        known = codes != encoding.NO_BASE
        return float(odds[known, codes[known]].sum())

    def contribution(self, start: int | None, odds: npt.NDArray[np.float64]) -> float:
        """Of all bases of a motif."""
        return NAN if start is None else float(self._contributions[start : start + len(odds)].sum())


def expected_by_chance(
    reading: Reading, motifs: Sequence[Motif], over_variant: bool, threshold: float = THRESHOLD
) -> float:
    """Hits that the shown bases of REF would have were all bases equal and independent.

    Parameters
    ----------
    reading : Reading
        The variant.
    motifs : sequence of Motif
        All that were looked for, on both strands.
    over_variant : bool
        Whether only those count that cover a base of REF.
    threshold : float
        Of p-values.
    """
    length = int(np.sum(reading.alignment.ref != NOTHING))
    places = 0
    for motif in motifs:
        width = len(motif.matrix)
        everywhere = max(length - width + 1, 0)
        over = min(everywhere, width + reading.alignment.ref_length - 1)
        places += over if over_variant else everywhere
    return 2 * threshold * places
