"""Motifs of transcription factors as position weight matrices, drawn from a seed."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from benchmarks.known_truth.sequences import DINUCLEOTIDES
from benchmarks.known_truth.sizes import Simulation
from benchmarks.known_truth.streams import Stream, seeds
from mifm_kipoi.sequence.encoding import NO_BASE, reverse_complement

Codes = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

BACKGROUND = DINUCLEOTIDES.sum(1) / DINUCLEOTIDES.sum()
"""Frequencies of A, C, G, T in the background of loci."""

FREE_BITS = 0.3
"""A column with less information is a free one: a substitution there hardly changes the score."""

_PSEUDO = 0.01
_STEP = 0.01
"""Bits: resolution of the distribution of scores."""

_TRIES = 10_000


@dataclasses.dataclass(frozen=True)
class Motif:
    """A position weight matrix with the score from which on a sequence is a site.

    Parameters
    ----------
    name : str
        Name in ``motifs.meme``.
    probabilities : tuple of tuple of float
        Of A, C, G, T (all above 0) in each column.
    threshold : float
        Bits: the score of a site is at least this.
    """

    name: str
    probabilities: tuple[tuple[float, ...], ...]
    threshold: float

    @property
    def width(self) -> int:
        """Base pairs."""
        return len(self.probabilities)

    @functools.cached_property
    def matrix(self) -> Values:
        """The probabilities: (width, 4)."""
        return np.array(self.probabilities)

    @functools.cached_property
    def bits(self) -> Values:
        """Information of each column against equal bases, in bits: (width,)."""
        values: Values = 2 + (self.matrix * np.log2(self.matrix)).sum(axis=1)
        return values

    @functools.cached_property
    def highest(self) -> float:
        """The score of the best sequence, in bits."""
        return float(log_odds(self.matrix).max(axis=1).sum())

    @functools.cached_property
    def _tables(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Log-odds of codes on the forward and the reverse strand, minus infinity for no base: (width, 5)."""
        forward = log_odds(self.matrix)
        none = np.full((self.width, 1), -np.inf)
        tables = [np.hstack([each, none]).astype(np.float32) for each in (forward, forward[::-1, ::-1])]
        return tables[0], tables[1]

    def scores(self, codes: Codes) -> npt.NDArray[np.float32]:
        """Log-odds against the background, in bits, of every placement on both strands.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (..., length)
            Codes of bases; 4 is no base, and no placement over one has a finite score.

        Returns
        -------
        numpy.ndarray of float32, shape (2, ..., length - width + 1)
            Of the forward and the reverse strand; a placement is named by its leftmost base.
        """
        placements = codes.shape[-1] - self.width + 1
        scores = np.zeros((2, *codes.shape[:-1], max(0, placements)), dtype=np.float32)
        if placements > 0:
            for strand, table in enumerate(self._tables):
                for column, row in enumerate(table):
                    scores[strand] += row[codes[..., column : column + placements]]
        return scores

    def hits(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Which placements are sites, on either strand: (..., length) -> (..., length - width + 1)."""
        hits: npt.NDArray[np.bool_] = (self.scores(codes) >= self.threshold).any(axis=0)
        return hits

    def affinity(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``clip((S - threshold) / (highest - threshold), 0, 1)`` of scores in bits: any shape."""
        scaled = (scores - self.threshold) / (self.highest - self.threshold)
        values: npt.NDArray[np.float32] = np.clip(scaled, 0, 1).astype(np.float32)
        return values

    def sample(self, generator: np.random.Generator) -> Codes:
        """Draw a site of the forward strand from the matrix, given that its score reaches the threshold."""
        steps = np.cumsum(self.matrix, axis=1)[:, :3]
        for _ in range(_TRIES):
            drawn = (generator.random((64, self.width, 1)) >= steps).sum(axis=2).astype(np.uint8)
            sites = drawn[self.scores(drawn)[0, :, 0] >= self.threshold]
            if len(sites):
                site: Codes = sites[0]
                return site
        raise ValueError(f"{self.name} has no site that reaches its threshold of {self.threshold} bits")


def log_odds(matrix: Values) -> Values:
    """Bits of each base in each column against :data:`BACKGROUND`: (width, 4)."""
    values: Values = np.log2(matrix / BACKGROUND)
    return values


def threshold_of(matrix: Values, p_value: float) -> float:
    """The lowest score that a placement on random bases reaches with at most this probability.

    Bases are independent, of the frequencies of :data:`BACKGROUND`; scores are rounded to hundredths of bits.

    Parameters
    ----------
    matrix : numpy.ndarray of float64, shape (width, 4)
        Probabilities of bases.
    p_value : float
        Of one placement on one strand.
    """
    steps = np.round(log_odds(matrix) / _STEP).astype(int)
    distribution = np.ones(1)
    for column in steps:
        shifted = np.zeros(len(distribution) + int(np.ptp(column)))
        for base, step in enumerate(column - column.min()):
            shifted[step : step + len(distribution)] += BACKGROUND[base] * distribution
        distribution = shifted
    tail = np.cumsum(distribution[::-1])[::-1]
    reached = int((tail > p_value).sum())
    return float((steps.min(axis=1).sum() + reached) * _STEP)


def draw_matrix(bits: tuple[float, float], widths: tuple[int, int], generator: np.random.Generator) -> Values:
    """Draw a matrix like those of HOCOMOCO: columns of all degrees of certainty.

    Columns are Dirichlet with a concentration between 0.05 and 2 for each, which makes their information
    about uniform between 0 and 2 bits, as that of HOCOMOCO v11's columns is. Drawn until the information is
    in the range and an inner column is free.

    Parameters
    ----------
    bits : tuple of float
        Lowest and highest information, against equal bases.
    widths : tuple of int
        Smallest and largest width.
    generator : numpy.random.Generator
        Draws all.

    Returns
    -------
    numpy.ndarray of float64, shape (width, 4)
    """
    for _ in range(_TRIES):
        width = int(generator.integers(widths[0], widths[1] + 1))
        concentration = 10 ** generator.uniform(np.log10(0.05), np.log10(2), width)
        matrix = np.array([generator.dirichlet(np.full(4, each)) for each in concentration])
        matrix = (matrix + _PSEUDO) / (1 + 4 * _PSEUDO)
        columns = 2 + (matrix * np.log2(matrix)).sum(axis=1)
        if bits[0] <= columns.sum() <= bits[1] and columns[2:-2].min() < FREE_BITS:
            return matrix
    raise ValueError(f"no motif of {bits[0]} to {bits[1]} bits in {widths[0]} to {widths[1]} columns")


@functools.cache
def _drawn(
    seed: int,
    count: int,
    bits: tuple[float, float],
    gate_bits: tuple[float, float],
    widths: tuple[int, int],
    p_value: float,
) -> tuple[Motif, ...]:
    generator = np.random.default_rng(seeds(seed, Stream.MOTIFS))
    names = [*(f"causal_{number + 1}" for number in range(count)), "cofactor", "repressor"]
    motifs: list[Motif] = []
    for name in names:
        for _ in range(_TRIES):
            matrix = draw_matrix(bits if name.startswith("causal") else gate_bits, widths, generator)
            motif = Motif(name, tuple(map(tuple, matrix.tolist())), threshold_of(matrix, p_value))
            if motif.highest > motif.threshold and not any(_alike(motif, other) for other in motifs):
                motifs.append(motif)
                break
    return tuple(motifs)


def draw_motifs(simulation: Simulation) -> tuple[Motif, ...]:
    """The motifs of a simulation, from its seed: the causal ones, ``cofactor`` and ``repressor``."""
    binding = simulation.binding
    return _drawn(
        simulation.seed, binding.causal_motifs, binding.causal_bits, binding.gate_bits, binding.widths,
        binding.site_p_value,
    )  # fmt: skip


def _alike(one: Motif, other: Motif) -> bool:
    """Whether the best sequence of either is a site of the other, on any strand and with any overlap."""
    for first, second in ((one, other), (other, one)):
        best = first.matrix.argmax(axis=1).astype(np.uint8)
        sides = np.full(second.width, NO_BASE, dtype=np.uint8)
        for codes in (best, reverse_complement(best)):
            padded = np.concatenate([sides, codes, sides])
            # What is beyond the best sequence counts as nothing for or against.
            table = np.hstack([log_odds(second.matrix), np.zeros((second.width, 1))])
            windows = np.lib.stride_tricks.sliding_window_view(padded, second.width)
            if (table[np.arange(second.width), windows].sum(axis=1) >= 0.6 * second.threshold).any():
                return True
    return False


def meme(motifs: tuple[Motif, ...]) -> str:
    """Motifs in MEME's format."""
    lines = ["MEME version 4", "", "ALPHABET= ACGT", "", "strands: + -", "", "Background letter frequencies"]
    lines += [" ".join(f"{base} {chance:.4f}" for base, chance in zip("ACGT", BACKGROUND, strict=True)), ""]
    for motif in motifs:
        lines += [
            f"MOTIF {motif.name}",
            f"letter-probability matrix: alength= 4 w= {motif.width} nsites= 1000 E= 0",
            *(" ".join(f"{chance:.6f}" for chance in column) for column in motif.probabilities),
            "",
        ]
    return "\n".join(lines)
