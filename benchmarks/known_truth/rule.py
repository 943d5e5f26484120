"""The rule that makes a variant causal, decided from the reference sequence around it alone.

A variant is causal when its base is an informative base of a causal motif, the co-factor's motif lies wholly
within 60 bp of it, and the repressor's does not. Motifs are read on the forward strand. Their bases are
certain (informative) or free, so that the rule is decided without a threshold.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from mifm_kipoi.sequence.encoding import BASES, NO_BASE

REACH = 60
"""Base pairs on either side of a variant within which co-factor and repressor count."""

FREE = "N"
"""A base of a motif that may be any."""

Codes = npt.NDArray[np.uint8]


class Kind(enum.StrEnum):
    """What the rule makes of a variant; all but the first are not causal."""

    CAUSAL = "causal"
    NO_COFACTOR = "no_cofactor"
    REPRESSOR = "repressor"
    UNINFORMATIVE_BASE = "uninformative_base"
    NEAR_MOTIF = "near_motif"
    BACKGROUND = "background"


@dataclasses.dataclass(frozen=True)
class Motif:
    """A sequence of certain and free bases.

    Parameters
    ----------
    name : str
        Name in ``motifs.meme``.
    bases : str
        A, C, G, T, or N for a free base.
    """

    name: str
    bases: str

    @property
    def informative(self) -> tuple[int, ...]:
        """Offsets of the certain bases."""
        return tuple(offset for offset, base in enumerate(self.bases) if base != FREE)

    @property
    def free(self) -> tuple[int, ...]:
        """Offsets of the free bases."""
        return tuple(offset for offset, base in enumerate(self.bases) if base == FREE)

    def find(self, sequence: Codes) -> npt.NDArray[np.bool_]:
        """Where the motif begins: (length,) -> (length,)."""
        begins = np.zeros(len(sequence), dtype=bool)
        starts = len(sequence) - len(self.bases) + 1
        if starts > 0:
            inner = begins[:starts]
            inner[:] = True
            for offset in self.informative:
                inner &= sequence[offset : offset + starts] == BASES.index(self.bases[offset])
        return begins

    def write(self, sequence: Codes, start: int) -> None:
        """Put the motif into a sequence; free bases stay as they are."""
        for offset in self.informative:
            sequence[start + offset] = BASES.index(self.bases[offset])


CAUSAL_MOTIFS = (
    Motif("causal_1", "TGACGNTCANCTGA"),
    Motif("causal_2", "CCATTNGGANATGC"),
    Motif("causal_3", "GATAANCGCNTTAC"),
    Motif("causal_4", "ACGTTNACCNGGAA"),
)
COFACTOR = Motif("cofactor", "TTGCANAATNCGGT")
REPRESSING_MOTIF = Motif("repressor", "GGCATNCTGNTCAA")
MOTIFS = (*CAUSAL_MOTIFS, COFACTOR, REPRESSING_MOTIF)


def classify(sequence: Codes, positions: npt.NDArray[np.int64]) -> list[Kind]:
    """Apply the rule to variants.

    Parameters
    ----------
    sequence : numpy.ndarray of uint8, shape (length,)
        Codes of the reference (:func:`mifm_kipoi.sequence.encoding.codes`).
    positions : numpy.ndarray of int64, shape (n,)
        0-based positions of the variants.

    Returns
    -------
    list of Kind, length n
        Of a variant to which several apply, the first in the order of :class:`Kind`; a variant over an
        informative base without the co-factor is of that kind whether there is a repressor or not.
    """
    informative = np.zeros(len(sequence), dtype=bool)
    free = np.zeros(len(sequence), dtype=bool)
    near = np.zeros(len(positions), dtype=bool)
    for motif in CAUSAL_MOTIFS:
        starts = motif.find(sequence)
        for offset in motif.informative:
            informative |= _moved(starts, offset)
        for offset in motif.free:
            free |= _moved(starts, offset)
        near |= _within(starts, len(motif.bases), positions)
    cofactor = _within(COFACTOR.find(sequence), len(COFACTOR.bases), positions)
    repressor = _within(REPRESSING_MOTIF.find(sequence), len(REPRESSING_MOTIF.bases), positions)
    over = informative[positions]
    return [
        Kind(name)
        for name in np.select(
            [over & cofactor & ~repressor, over & ~cofactor, over, free[positions], near],
            [Kind.CAUSAL, Kind.NO_COFACTOR, Kind.REPRESSOR, Kind.UNINFORMATIVE_BASE, Kind.NEAR_MOTIF],
            Kind.BACKGROUND,
        ).tolist()
    ]


def classify_windows(windows: Codes, index: int) -> list[Kind]:
    """Apply the rule to windows, each by itself.

    Parameters
    ----------
    windows : numpy.ndarray of uint8, shape (n, length)
        Codes of the reference.
    index : int
        Where in every window the variant's base is.

    Returns
    -------
    list of Kind, length n
    """
    # So many codes of no base that no motif and no reach goes over from one window to the next.
    apart = np.pad(windows, ((0, 0), (0, 2 * REACH)), constant_values=NO_BASE)
    return classify(apart.ravel(), np.arange(len(windows)) * apart.shape[1] + index)


def _moved(starts: npt.NDArray[np.bool_], offset: int) -> npt.NDArray[np.bool_]:
    return np.concatenate([np.zeros(offset, dtype=bool), starts[: len(starts) - offset]])


def _within(
    starts: npt.NDArray[np.bool_], width: int, positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether a motif lies wholly within ``REACH`` of each position."""
    before = np.concatenate([[0], np.cumsum(starts)])
    first = np.clip(positions - REACH, 0, len(starts))
    last = np.clip(positions + REACH - width + 2, first, len(starts))
    inside: npt.NDArray[np.bool_] = before[last] > before[first]
    return inside
