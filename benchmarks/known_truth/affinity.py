"""The rule of the design ``real``: what an allele changes at the sites of motifs, and what lies beside it.

A single-nucleotide variant changes the affinity of a causal motif at the placements that cover it. It is
causal when the largest change is at least ``min_change``, a site of the co-factor lies wholly within 60 bp of
it, and none of the repressor does. Sites of both count on both strands, wherever they are and whatever put
them there, but for those that cover the variant itself, so that both alleles have them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from benchmarks.known_truth.motifs import Codes, Motif, draw_motifs
from benchmarks.known_truth.rule import REACH
from benchmarks.known_truth.sizes import Simulation
from mifm_kipoi.sequence.encoding import BASES, NO_BASE

Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

PLACES = ("informative", "free", "other_allele", "beside", "absent")
"""Where a causal motif is, of a variant: at a placement that ALT changes; over the variant, with little
change; at a placement that another allele than ALT would change; within reach; nowhere."""

CAUSAL = "causal"


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the rule finds at variants.

    Parameters
    ----------
    change : numpy.ndarray of float64, shape (n, 4)
        Signed change of affinity from the reference base to each base, A, C, G, T: the one of the largest
        size over motifs, strands and placements; 0 for the reference base.
    over, beside, cofactor, repressor : numpy.ndarray of bool, shape (n,)
        Whether the reference has a site of a causal motif over the variant, or within reach and not over it;
        and sites of the other two within reach.
    over_with : numpy.ndarray of bool, shape (n, 4)
        Whether there is a site of a causal motif over the variant with each base.
    enough : numpy.ndarray of bool, shape (n, 4)
        Whether the change is at least the smallest one.
    """

    change: Values
    beside: Flags
    cofactor: Flags
    repressor: Flags
    over_with: Flags
    enough: Flags

    @property
    def gate(self) -> Flags:
        """Whether there is the co-factor and not the repressor: (n,)."""
        return self.cofactor & ~self.repressor

    @property
    def causal(self) -> Flags:
        """Whether a substitution by each base is causal: (n, 4)."""
        return self.enough & self.gate[:, None]

    def change_to(self, alternatives: Codes) -> Values:
        """Signed change from the reference to the alternative base: (n,) -> (n,)."""
        return self.change[np.arange(len(alternatives)), alternatives]

    def causal_to(self, alternatives: Codes) -> Flags:
        """Whether the substitution by the alternative base is causal: (n,) -> (n,)."""
        return self.causal[np.arange(len(alternatives)), alternatives]

    def score_optimal(self, alternatives: Codes) -> Values:
        """Of a scorer that knows the rule, REF and ALT: the size of the change if causal, else 0: (n,)."""
        return np.where(self.causal_to(alternatives), np.abs(self.change_to(alternatives)), 0.0)

    def score_reference(self) -> Values:
        """Probability of being causal given the reference window alone: (n,).

        Alternative alleles are drawn with equal chances from the three other bases, whatever the window has.
        """
        return np.asarray(self.causal.sum(axis=1) / 3)

    def kinds(self, references: Codes, alternatives: Codes) -> list[str]:
        """``causal``, or where the motif is, joined by ``+`` with the co-factor and the repressor.

        Parameters
        ----------
        references, alternatives : numpy.ndarray of uint8, shape (n,)
            Codes of the alleles.
        """
        rows = np.arange(len(alternatives))
        place = np.select(
            [
                self.enough[rows, alternatives],
                self.over_with[rows, references] | self.over_with[rows, alternatives],
                self.enough.any(axis=1),
                self.beside,
            ],
            PLACES[:-1],
            PLACES[-1],
        )
        causal = self.causal_to(alternatives)
        return [
            CAUSAL
            if is_causal
            else "+".join([where, *["cofactor"] * bool(with_cofactor), *["repressor"] * bool(with_repressor)])
            for where, is_causal, with_cofactor, with_repressor in zip(
                place.tolist(), causal, self.cofactor, self.repressor, strict=True
            )
        ]


@dataclasses.dataclass(frozen=True)
class Rule:
    """The rule with its motifs.

    Parameters
    ----------
    causal : tuple of Motif
        An allele that changes the affinity of one of them may be causal.
    cofactor, repressor : Motif
        Needed within reach, and excluded there.
    min_change : float
        The smallest change of affinity that counts.
    """

    causal: tuple[Motif, ...]
    cofactor: Motif
    repressor: Motif
    min_change: float

    @classmethod
    def of(cls, simulation: Simulation) -> Rule:
        """The rule of a simulation."""
        *causal, cofactor, repressor = draw_motifs(simulation)
        return cls(tuple(causal), cofactor, repressor, simulation.binding.min_change)

    def judge(self, windows: Codes, index: int) -> Judged:
        """Apply the rule to windows, each by itself.

        Parameters
        ----------
        windows : numpy.ndarray of uint8, shape (n, length)
            Codes of the reference; where a window ends within reach, nothing lies beyond.
        index : int
            Where in every window the variant's base is, from 0.

        Returns
        -------
        Judged
        """
        around = _around(windows, index)
        change = np.zeros((len(windows), len(BASES)), dtype=np.float32)
        over_with = np.zeros(change.shape, dtype=bool)
        beside = np.zeros(len(windows), dtype=bool)
        for motif in self.causal:
            beside |= _beside(motif, around)
            centre = around[:, REACH - motif.width + 1 : REACH + motif.width]
            alleles = np.repeat(centre[:, None], len(BASES), axis=1)
            alleles[..., motif.width - 1] = np.arange(len(BASES))
            scores = motif.scores(alleles)
            over_with |= (scores >= motif.threshold).any(axis=(0, 3))
            affinity = motif.affinity(scores)
            at_reference = np.take_along_axis(
                affinity, np.minimum(around[:, REACH], 3)[None, :, None, None].astype(np.intp), axis=2
            )
            moved = np.concatenate(list(affinity - at_reference), axis=-1)
            largest = np.abs(moved).argmax(axis=-1)[..., None]
            moved = np.take_along_axis(moved, largest, axis=-1)[..., 0]
            change = np.where(np.abs(moved) > np.abs(change), moved, change)
        return Judged(
            change.astype(np.float64),
            beside,
            _beside(self.cofactor, around),
            _beside(self.repressor, around),
            over_with,
            np.abs(change) >= self.min_change,
        )

    def visible(self, windows: Codes, index: int) -> npt.NDArray[np.int64]:
        """What is left of the rule where the centre of windows says nothing, as one number for each.

        It holds the best co-factor in steps of a bit above its threshold (0 for none), and whether there are
        the repressor and, beside the variant, a causal motif.

        Parameters
        ----------
        windows : numpy.ndarray of uint8, shape (n, length)
            Codes.
        index : int
            Where in every window the variant's base is, from 0.

        Returns
        -------
        numpy.ndarray of int64, shape (n,)
        """
        around = _around(windows, index)
        over = _best_beside(self.cofactor, around) - self.cofactor.threshold
        steps = np.where(over >= 0, 1 + np.floor(np.maximum(over, 0)), 0).astype(np.int64)
        motif = np.any([_beside(motif, around) for motif in self.causal], axis=0)
        return steps * 4 + 2 * _beside(self.repressor, around) + motif


def windows_at(sequence: Codes, positions: npt.NDArray[np.int64]) -> Codes:
    """What the rule reads around variants: (length,), (n,) -> (n, 2 * 60 + 1), the variant in the middle."""
    padded = np.pad(sequence, REACH, constant_values=NO_BASE)
    return padded[positions[:, None] + np.arange(2 * REACH + 1)]


def _around(windows: Codes, index: int) -> Codes:
    """What is within reach of the variant, no bases where a window ends before."""
    before, after = max(0, REACH - index), max(0, index + REACH + 1 - windows.shape[1])
    padded = np.pad(windows, ((0, 0), (before, after)), constant_values=NO_BASE)
    start = index + before - REACH
    return padded[:, start : start + 2 * REACH + 1]


def _beside(motif: Motif, around: Codes) -> Flags:
    """Whether a site lies wholly in each region and does not cover its middle: (n, length) -> (n,)."""
    beside: Flags = _best_beside(motif, around) >= motif.threshold
    return beside


def _best_beside(motif: Motif, around: Codes) -> npt.NDArray[np.float32]:
    """The highest score in each region of a placement that does not cover its middle: (n,)."""
    scores = motif.scores(around).max(axis=0)
    middle = around.shape[1] // 2
    scores[:, max(0, middle - motif.width + 1) : middle + 1] = -np.inf
    best: npt.NDArray[np.float32] = scores.max(axis=1)
    return best
