"""Sums of weights times copies of effect alleles, for many scores and people in one pass over variants."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.polygenic.scoring_files import ADDITIVE, DOMINANT, RECESSIVE
from mifm_kipoi.support.packages import needed

EFFECT_TYPES = (ADDITIVE, DOMINANT, RECESSIVE)
"""Kinds of effects, as :attr:`Entries.effect_type` numbers them."""

PEOPLE_TOGETHER = 8192
"""People whose sums lie together: with some hundred scores and variants they fit into a processor's cache."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Entries:
    """Weights of scores for variants, in the order of the variants; all arrays have shape (n,).

    Parameters
    ----------
    variant : numpy.ndarray of int64
        Number of the variant, rising.
    score : numpy.ndarray of int64
        Number of the score; each has one entry a variant at most.
    weight : numpy.ndarray of float64
        For each copy of the effect allele.
    counted : numpy.ndarray of bool
        Whether the effect allele is the one whose copies the dosages are.
    effect_type : numpy.ndarray of int8
        Places in :data:`EFFECT_TYPES`. Of a dominant effect the copies count up to 1, of a recessive one
        those above 1.
    """

    variant: Rows
    score: Rows
    weight: Floats
    counted: Flags
    effect_type: npt.NDArray[np.int8]

    def between(self, first: int, last: int) -> Entries:
        """Those of the variants from ``first`` to before ``last``, numbered from 0."""
        low, high = np.searchsorted(self.variant, [first, last])
        some = slice(int(low), int(high))
        return Entries(
            self.variant[some] - first, self.score[some], self.weight[some], self.counted[some],
            self.effect_type[some],
        )  # fmt: skip


class ScoreSums:
    """Adds up scores while blocks of variants pass by.

    Each person's score is the sum of weight times dosage of the effect allele over its variants. A missing
    dosage counts as what is expected in Hardy-Weinberg proportions, which is twice the frequency f of the
    effect allele (1 - (1 - f)^2 where it is dominant, f^2 where it is recessive), or as nothing. Sums are
    float64; they take 8 bytes a score and person.

    Parameters
    ----------
    entries : Entries
        All weights.
    scores : int
        Number of scores.
    variants : int
        Number of variants.
    founders : numpy.ndarray of bool, shape (people,)
        Whose dosages make the frequencies.
    male : numpy.ndarray of bool, shape (people,)
        Who has one X; counts half in the frequencies of its variants.
    impute : bool
        Whether missing dosages count as what is expected; otherwise as nothing.
    frequencies : numpy.ndarray of float64, shape (variants,), optional
        Frequencies of the counted alleles that take the place of those of the founders; NaN for none.

    Attributes
    ----------
    people : int
        Number of people.
    frequency : numpy.ndarray of float64, shape (variants,)
        Of the counted allele in the founders, after the variant has passed; NaN where no founder has a
        genotype.
    missing : numpy.ndarray of int64, shape (variants,)
        People without a genotype.
    unusable : numpy.ndarray of bool, shape (variants,)
        Variants without a frequency, which count nothing.
    """

    def __init__(
        self,
        entries: Entries,
        scores: int,
        variants: int,
        founders: Flags,
        male: Flags,
        impute: bool = True,
        frequencies: Floats | None = None,
    ) -> None:
        self._entries, self._impute = entries, impute
        self._founders = None if founders.all() else np.flatnonzero(founders)
        self._copies = np.where(male, 0.5, 1.0)[founders]
        self._given = np.full(variants, np.nan) if frequencies is None else frequencies
        self._constant = np.zeros(scores)
        self.people = len(founders)
        bounds = range(0, self.people, PEOPLE_TOGETHER)
        self._tiles = [np.zeros((scores, min(PEOPLE_TOGETHER, self.people - start))) for start in bounds]
        self._dgemm = needed("scipy.linalg.blas", "polygenic").dgemm
        self.frequency = np.full(variants, np.nan)
        self.missing = np.zeros(variants, dtype=np.int64)
        self.unusable = np.zeros(variants, dtype=bool)

    def add(self, first: int, dosages: npt.NDArray[np.float32], one_x: Flags) -> None:
        """Add what some variants give.

        Parameters
        ----------
        first : int
            Number of the first variant; the others follow it.
        dosages : numpy.ndarray of float32, shape (n, people)
            Copies of the counted allele, 0 to 2; NaN where missing.
        one_x : numpy.ndarray of bool, shape (n,)
            Variants of which males have one copy, as 0 or 2 in the dosages.
        """
        last = first + len(dosages)
        incomplete = np.isnan(np.add.reduce(dosages, axis=1, dtype=np.float64))
        self.missing[first:last][incomplete] = np.isnan(dosages[incomplete]).sum(axis=1)
        frequency = self._frequencies(dosages, incomplete, one_x)
        self.frequency[first:last] = frequency
        frequency = np.where(np.isnan(self._given[first:last]), frequency, self._given[first:last])
        unusable = np.isnan(frequency) & incomplete
        self.unusable[first:last] = unusable
        entries = self._entries.between(first, last)
        weight = np.where(unusable[entries.variant], 0.0, entries.weight)
        additive = entries.effect_type == 0
        # 2 - d copies of the allele that is not counted: the weight changes its sign, and 2 are added to all.
        opposite = additive & ~entries.counted
        weights = np.zeros((len(self._constant), len(dosages)))
        weights[entries.score[additive], entries.variant[additive]] = np.where(opposite, -weight, weight)[
            additive
        ]
        np.add.at(self._constant, entries.score[opposite], 2 * weight[opposite])
        corrections = None
        if not self._impute and incomplete.any():
            # Who has no genotype gets nothing of what was added to all.
            corrections = np.zeros_like(weights)
            corrections[entries.score[opposite], entries.variant[opposite]] = -2 * weight[opposite]
            corrections = corrections[:, incomplete]
        other = _Other.of(entries, weight, ~additive, len(self._constant))
        filling = np.where(np.isnan(frequency), 0.0, 2 * frequency)[incomplete, None]
        start = 0
        for tile in self._tiles:
            some = dosages[:, start : start + tile.shape[1]].astype(np.float64)
            absent = np.isnan(some[incomplete])
            some[incomplete] = np.where(absent, filling if self._impute else 0.0, some[incomplete])
            self._multiply(weights, some, tile)
            if corrections is not None:
                self._multiply(corrections, absent.astype(np.float64), tile)
            if other is not None:
                gone = np.zeros(some.shape, dtype=bool)
                gone[incomplete] = absent
                copies = other.copies(some)
                expected = other.expected(frequency) if self._impute else np.zeros(len(copies))
                copies = np.where(gone[other.variant], expected[:, None], copies)
                self._multiply(other.weights, copies, tile)
            start += tile.shape[1]

    def finished(self) -> list[Floats]:
        """The scores, once all variants have passed.

        Returns
        -------
        list of numpy.ndarray of float64, shape (scores, some people)
            People in their order, :data:`PEOPLE_TOGETHER` in each array but the last.
        """
        for tile in self._tiles:
            np.add(tile, self._constant[:, None], out=tile)
        self._constant[:] = 0.0
        return self._tiles

    def _multiply(self, weights: Floats, copies: Floats, tile: Floats) -> None:
        """Add weights times copies to the sums in place, without an array of their size."""
        self._dgemm(1.0, copies.T, weights.T, beta=1.0, c=tile.T, overwrite_c=1)

    def _frequencies(self, dosages: npt.NDArray[np.float32], incomplete: Flags, one_x: Flags) -> Floats:
        """Frequencies of the counted alleles in the founders."""
        some = dosages if self._founders is None else dosages[:, self._founders]
        frequency: Floats
        with np.errstate(invalid="ignore"):
            frequency = np.add.reduce(some, axis=1, dtype=np.float64) / (2 * max(some.shape[1], 1))
        for row in np.flatnonzero(incomplete | one_x):
            known = ~np.isnan(some[row])
            copies = self._copies[known] if one_x[row] else np.ones(int(known.sum()))
            total = 2 * copies.sum()
            frequency[row] = (copies * some[row, known]).sum() / total if total else np.nan
        return frequency


@dataclasses.dataclass(frozen=True)
class _Other:
    """Effects that are not additive: variants as often as they have different ones, with their weights.

    ``weights`` has shape (scores, rows); ``variant``, ``counted`` and ``dominant`` have shape (rows,).
    """

    variant: Rows
    counted: Flags
    dominant: Flags
    weights: Floats

    @classmethod
    def of(cls, entries: Entries, weight: Floats, which: Flags, scores: int) -> _Other | None:
        if not which.any():
            return None
        dominant = entries.effect_type[which] == EFFECT_TYPES.index(DOMINANT)
        kinds = np.stack([entries.variant[which], entries.counted[which], dominant])
        different, row = np.unique(kinds, axis=1, return_inverse=True)
        weights = np.zeros((scores, different.shape[1]))
        weights[entries.score[which], row.ravel()] = weight[which]
        return cls(different[0], different[1].astype(bool), different[2].astype(bool), weights)

    def copies(self, dosages: Floats) -> Floats:
        """What counts of the copies of the effect alleles, shape (rows, people)."""
        copies = dosages[self.variant]
        copies = np.where(self.counted[:, None], copies, 2 - copies)
        return np.where(self.dominant[:, None], np.minimum(copies, 1), np.maximum(copies - 1, 0))

    def expected(self, frequency: Floats) -> Floats:
        """What counts on average, in Hardy-Weinberg proportions, shape (rows,); 0 without a frequency."""
        effect = np.where(self.counted, frequency[self.variant], 1 - frequency[self.variant])
        return np.nan_to_num(np.where(self.dominant, 1 - (1 - effect) ** 2, effect**2))
