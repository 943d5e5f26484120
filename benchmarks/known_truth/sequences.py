"""Sequences of loci: a background, and motifs planted at variants."""

from __future__ import annotations

import bisect
import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from benchmarks.known_truth.rule import (
    CAUSAL_MOTIFS,
    COFACTOR,
    REACH,
    REPRESSING_MOTIF,
    Codes,
    Kind,
    Motif,
    classify,
)
from benchmarks.known_truth.sizes import Simulation

DINUCLEOTIDES = np.array(
    [[98, 50, 70, 77], [73, 52, 10, 70], [59, 43, 52, 50], [66, 59, 73, 98]], dtype=np.float64
)
"""How often each base follows each other, A, C, G, T, in human DNA, per thousand."""

APART = REACH + 5
"""Base pairs from a variant with planted motifs to any other variant: its motifs lie over it alone."""

MASKED = 14
"""Base pairs on either side of a variant within which its causal motif lies, and its co-factor does not."""

_PIECE = 1000
"""Base pairs of the pieces of a background, which are drawn side by side."""

_TRIES = 1000


class PlantingError(RuntimeError):
    """A locus that cannot be made."""


@dataclasses.dataclass(frozen=True)
class Locus:
    """The sequence of a locus, and what each of its variants is.

    Parameters
    ----------
    sequence : numpy.ndarray of uint8, shape (length,)
        Codes; at variants the reference allele, which is the ancestral one.
    alternative : numpy.ndarray of uint8, shape (sites,)
        Codes of the derived alleles.
    kinds : list of Kind, length sites
        What each variant is under the rule.
    """

    sequence: Codes
    alternative: Codes
    kinds: list[Kind]


def background(length: int, generator: np.random.Generator) -> Codes:
    """A first-order Markov chain with the dinucleotides of human DNA: (length,)."""
    steps = np.cumsum(DINUCLEOTIDES / DINUCLEOTIDES.sum(1, keepdims=True), axis=1)
    pieces = -(-length // _PIECE)
    bases = np.empty((_PIECE, pieces), dtype=np.uint8)
    bases[0] = generator.choice(4, pieces, p=DINUCLEOTIDES.sum(1) / DINUCLEOTIDES.sum())
    drawn = generator.random((_PIECE, pieces, 1))
    for row in range(1, _PIECE):
        bases[row] = (drawn[row] >= steps[bases[row - 1], :3]).sum(1)
    return bases.T.ravel()[:length]


def make_locus(
    simulation: Simulation, positions: npt.NDArray[np.int64], causal: int, generator: np.random.Generator
) -> Locus:
    """Draw a sequence with an exact number of causal variants, and decoys.

    Motifs are planted at variants that are at least :data:`APART` from any other, and twice that from another
    with planted motifs. Where chance makes some variant another than it should be, all is drawn again.

    Parameters
    ----------
    simulation : Simulation
        Length of a locus, and fractions of decoys.
    positions : numpy.ndarray of int64, shape (sites,)
        0-based, rising.
    causal : int
        How many causal variants.
    generator : numpy.random.Generator
        Draws sequence, motifs and causal variants.

    Raises
    ------
    PlantingError
        When the variants are too close to each other.
    """
    for _ in range(_TRIES):
        chosen = with_room(positions, simulation.length, generator)
        if len(chosen) < causal:
            continue
        sequence = background(simulation.length, generator)
        counts = [
            causal,
            *(round(fraction * len(positions)) for fraction in simulation.decoy_shares.values()),
        ]
        wanted = list(
            itertools.chain.from_iterable(
                [kind] * count
                for kind, count in zip((Kind.CAUSAL, *simulation.decoy_shares), counts, strict=True)
            )
        )
        # Decoys are mixed, so that all of them become fewer where there is not room for all.
        wanted[causal:] = generator.permutation(np.array(wanted[causal:], dtype=object)).tolist()
        planned = dict(zip(chosen, (Kind(kind) for kind in wanted), strict=False))
        for index, kind in planned.items():
            _plant(sequence, int(positions[index]), kind, generator)
        kinds = classify(sequence, positions)
        causals = sum(kind is Kind.CAUSAL for kind in kinds)
        if causals == causal and all(kinds[index] is kind for index, kind in planned.items()):
            others = generator.integers(1, 4, len(positions), dtype=np.uint8)
            return Locus(sequence, (sequence[positions] + others) % 4, kinds)
    raise PlantingError(
        f"no sequence of {simulation.length} bp with {causal} causal variants in {_TRIES} tries; expected "
        f"that many of its {len(positions)} variants {APART} bp from any other"
    )


def mask_centres(sequence: Codes, positions: npt.NDArray[np.int64], generator: np.random.Generator) -> Codes:
    """Redraw what lies up to :data:`MASKED` bp from any variant, but for the variants' own bases."""
    around = positions[:, None] + np.arange(-MASKED, MASKED + 1)
    hidden = np.zeros(len(sequence), dtype=bool)
    hidden[around[(around >= 0) & (around < len(sequence))]] = True
    hidden[positions] = False
    return np.where(hidden, background(len(sequence), generator), sequence)


def with_room(positions: npt.NDArray[np.int64], length: int, generator: np.random.Generator) -> list[int]:
    """Variants, in random order, that have room for motifs."""
    padded = np.concatenate([[-APART], positions, [length + APART]])
    gaps = np.diff(padded)
    alone = np.flatnonzero((gaps[:-1] >= APART) & (gaps[1:] >= APART))
    inside = alone[(positions[alone] >= APART) & (positions[alone] < length - APART)]
    chosen: list[int] = []
    taken: list[int] = []
    for index in generator.permutation(inside).tolist():
        position = int(positions[index])
        before = bisect.bisect(taken, position)
        if (before == 0 or position - taken[before - 1] >= 2 * APART) and (
            before == len(taken) or taken[before] - position >= 2 * APART
        ):
            taken.insert(before, position)
            chosen.append(index)
    return chosen


def _plant(sequence: Codes, position: int, kind: Kind, generator: np.random.Generator) -> None:
    """Write the motifs that make a variant what it should be."""
    motif = CAUSAL_MOTIFS[generator.integers(len(CAUSAL_MOTIFS))]
    free = [(-REACH, -MASKED - 1), (MASKED + 1, REACH)]
    if kind is Kind.NEAR_MOTIF:
        _write_beside(sequence, position, motif, free, generator)
    else:
        offsets = motif.free if kind is Kind.UNINFORMATIVE_BASE else motif.informative
        motif.write(sequence, position - int(generator.choice(offsets)))
    if kind is not Kind.NO_COFACTOR:
        _write_beside(sequence, position, COFACTOR, free, generator)
    if kind is Kind.REPRESSOR:
        _write_beside(sequence, position, REPRESSING_MOTIF, free, generator)


def _write_beside(
    sequence: Codes,
    position: int,
    motif: Motif,
    free: list[tuple[int, int]],
    generator: np.random.Generator,
) -> None:
    """Write a motif into one of the free ranges, given relative to a variant; the rest stays free."""
    width = len(motif.bases)
    starts = [
        (start, index) for index, (first, last) in enumerate(free) for start in range(first, last - width + 2)
    ]
    start, index = starts[generator.integers(len(starts))]
    first, last = free.pop(index)
    free += [(first, start - 1), (start + width, last)]
    motif.write(sequence, position + start)
