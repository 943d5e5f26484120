"""Sequences of the design ``real``: sites of motifs planted at variants as a full factorial."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from benchmarks.known_truth.affinity import Judged, Rule, windows_at
from benchmarks.known_truth.motifs import FREE_BITS, Codes, Motif
from benchmarks.known_truth.rule import REACH
from benchmarks.known_truth.sequences import APART, MASKED, PlantingError, background, with_room
from benchmarks.known_truth.sizes import Binding, Simulation
from mifm_kipoi.sequence.encoding import BASES, reverse_complement

EDGE = 64
"""Base pairs at either end of a locus without variants: no window of 128 bp has bases of two loci."""

_TRIES, _DRAWS = 100, 50
"""Sequences, and alternative alleles of each, that are tried for a locus."""

Values = npt.NDArray[np.float64]
Cell = tuple[str, bool, bool]
"""Where the causal motif is, and whether there are the co-factor and the repressor."""

CAUSAL_CELL: Cell = ("informative", True, False)


@dataclasses.dataclass(frozen=True)
class BindingLocus:
    """The sequence of a locus, and what the rule makes of its variants.

    Parameters
    ----------
    sequence : numpy.ndarray of uint8, shape (length,)
        Codes; at variants the reference allele, which is the ancestral one.
    alternative : numpy.ndarray of uint8, shape (sites,)
        Codes of the derived alleles.
    judged : Judged
        The rule at the variants.
    """

    sequence: Codes
    alternative: Codes
    judged: Judged
    positions: npt.NDArray[np.int64]

    @property
    def causal(self) -> npt.NDArray[np.bool_]:
        """Which variants are causal: (sites,)."""
        return self.judged.causal_to(self.alternative)

    @property
    def change(self) -> Values:
        """Signed change of affinity from REF to ALT: (sites,)."""
        return self.judged.change_to(self.alternative)

    @property
    def kinds(self) -> list[str]:
        """See :meth:`benchmarks.known_truth.affinity.Judged.kinds`."""
        return self.judged.kinds(self.sequence[self.positions], self.alternative)

    @property
    def score_optimal(self) -> Values:
        """See :meth:`benchmarks.known_truth.affinity.Judged.score_optimal`: (sites,)."""
        return self.judged.score_optimal(self.alternative)

    @property
    def score_reference(self) -> Values:
        """See :meth:`benchmarks.known_truth.affinity.Judged.score_reference`: (sites,)."""
        return self.judged.score_reference()


def make_locus(
    simulation: Simulation, positions: npt.NDArray[np.int64], causal: int, generator: np.random.Generator
) -> BindingLocus:
    """Draw a sequence and alternative alleles with an exact number of causal variants, and decoys.

    Sites are planted at variants that are at least :data:`benchmarks.known_truth.sequences.APART` from any
    other. Alternative alleles are drawn with equal chances from the other three bases at all variants, and
    all anew where their causal variants are not as many as asked for: given the reference, the allele of no
    variant is more likely than another but by that number.

    Parameters
    ----------
    simulation : Simulation
        Length of a locus, seed of the motifs, :attr:`Simulation.binding`.
    positions : numpy.ndarray of int64, shape (sites,)
        0-based, rising, at least :data:`EDGE` from both ends.
    causal : int
        How many causal variants, planted or not.
    generator : numpy.random.Generator
        Draws sequence, sites and alleles.

    Raises
    ------
    PlantingError
        When the variants are too close to each other.
    """
    rule = Rule.of(simulation)
    binding = simulation.binding
    for _ in range(_TRIES):
        chosen = with_room(positions, simulation.length, generator)
        # As many where none is to be causal: its plantings have other alleles, as elsewhere.
        planted = max(1, round(binding.plantings_per_causal * max(1, causal) + generator.uniform(-0.5, 0.5)))
        if len(chosen) < planted:
            continue
        sequence = background(simulation.length, generator)
        decoys = _decoys(binding, round(binding.planted * len(chosen)) - planted, generator)
        cells = [CAUSAL_CELL] * planted + decoys
        for index, cell in zip(chosen, cells, strict=False):
            _plant(sequence, int(positions[index]), cell, rule, binding.gain_fraction, generator)
        judged = rule.judge(windows_at(sequence, positions), REACH)
        for _ in range(_DRAWS):
            others = generator.integers(1, len(BASES), len(positions), dtype=np.uint8)
            alternative = (sequence[positions] + others) % len(BASES)
            if int(judged.causal_to(alternative).sum()) == causal:
                return BindingLocus(sequence, alternative, judged, positions)
    raise PlantingError(
        f"no sequence of {simulation.length} bp with {causal} causal variants in {_TRIES} tries; expected "
        f"that many of its {len(positions)} variants {APART} bp from any other"
    )


def swap_centres(sequence: Codes, positions: npt.NDArray[np.int64], generator: np.random.Generator) -> Codes:
    """Give every variant the surroundings, :data:`MASKED` bp on either side, of another with the same base.

    Bases of variants stay; where the surroundings of two variants overlap, one of them has its own whole.

    Parameters
    ----------
    sequence : numpy.ndarray of uint8, shape (length,)
        Codes of a contig.
    positions : numpy.ndarray of int64, shape (n,)
        0-based positions of its variants, at least :data:`EDGE` from both ends.
    generator : numpy.random.Generator
        Draws the partners.
    """
    around = np.arange(-MASKED, MASKED + 1)
    swapped = sequence.copy()
    for base in range(len(BASES)):
        order = generator.permutation(np.flatnonzero(sequence[positions] == base))
        to, source = positions[order], positions[np.roll(order, 1)]
        swapped[to[:, None] + around] = sequence[source[:, None] + around]
    swapped[positions] = sequence[positions]
    return swapped


def _decoys(binding: Binding, count: int, generator: np.random.Generator) -> list[Cell]:
    """Draw cells, in random order, from the factorial without that of causal variants."""
    cells, chances = [], []
    for place, chance in binding.places.items():
        for cofactor, repressor in itertools.product((False, True), repeat=2):
            cell = (place, cofactor, repressor)
            if cell != CAUSAL_CELL:
                cells.append(cell)
                chances.append(
                    chance
                    * (binding.cofactor if cofactor else 1 - binding.cofactor)
                    * (binding.repressor if repressor else 1 - binding.repressor)
                )
    total = sum(chances)
    drawn = generator.choice(len(cells), max(0, count), p=[chance / total for chance in chances])
    return [cells[index] for index in drawn.tolist()]


def _plant(
    sequence: Codes,
    position: int,
    cell: Cell,
    rule: Rule,
    gain_fraction: float,
    generator: np.random.Generator,
) -> None:
    """Write the sites of a cell at a variant."""
    place, with_cofactor, with_repressor = cell
    motif = rule.causal[generator.integers(len(rule.causal))]
    free = [(-REACH, -MASKED - 1), (MASKED + 1, REACH)]
    if place == "beside":
        _write_beside(sequence, position, motif, free, generator)
    elif place != "absent":
        site, bits = motif.sample(generator), motif.bits
        chances = (bits < FREE_BITS) * 1.0 if place == "free" else np.where(bits < FREE_BITS, 0, bits)
        if generator.random() < 0.5:
            site, chances = reverse_complement(site), chances[::-1]
        offset = int(generator.choice(motif.width, p=chances / chances.sum()))
        sequence[position - offset : position - offset + motif.width] = site
        if generator.random() < gain_fraction:
            sequence[position] = (sequence[position] + generator.integers(1, len(BASES))) % len(BASES)
    if with_cofactor:
        _write_beside(sequence, position, rule.cofactor, free, generator)
    if with_repressor:
        _write_beside(sequence, position, rule.repressor, free, generator)


def _write_beside(
    sequence: Codes,
    position: int,
    motif: Motif,
    free: list[tuple[int, int]],
    generator: np.random.Generator,
) -> None:
    """Write a site, on either strand, into one of the free ranges, given relative to a variant."""
    width = motif.width
    starts = [
        (start, index) for index, (first, last) in enumerate(free) for start in range(first, last - width + 2)
    ]
    start, index = starts[generator.integers(len(starts))]
    first, last = free.pop(index)
    free += [(first, start - 1), (start + width, last)]
    site = motif.sample(generator)
    if generator.random() < 0.5:
        site = reverse_complement(site)
    sequence[position + start : position + start + width] = site
