"""Weight matrices: scores, thresholds, sites, and what is drawn."""

import dataclasses
import itertools
import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from benchmarks.known_truth.motifs import (
    BACKGROUND,
    Motif,
    draw_motifs,
    log_odds,
    meme,
    threshold_of,
)
from benchmarks.known_truth.sequences import background
from benchmarks.known_truth.sizes import SIMULATIONS
from mifm_kipoi.sequence.encoding import reverse_complement

SIMULATION = SIMULATIONS["real"]["small"]

COLUMNS = ((0.7, 0.1, 0.1, 0.1), (0.05, 0.05, 0.85, 0.05), (0.25, 0.25, 0.25, 0.25), (0.1, 0.6, 0.1, 0.2))


def motif_with(threshold: float) -> Motif:
    return Motif("one", COLUMNS, threshold)


def codes_of(text: str) -> npt.NDArray[np.uint8]:
    return np.array(["ACGTN".index(base) for base in text], dtype=np.uint8)


def score_of(text: str) -> float:
    """The definition, in plain Python."""
    return sum(
        float(np.log2(column["ACGT".index(base)] / BACKGROUND["ACGT".index(base)]))
        for column, base in zip(COLUMNS, text, strict=True)
    )


def test_scores_are_sums_of_log_odds_on_both_strands() -> None:
    text = "GTAGACCGTTAGNAGTC"
    forward, reverse = motif_with(2.0).scores(codes_of(text))
    turned = text[::-1].translate(str.maketrans("ACGT", "TGCA"))
    assert forward.shape == (14,)
    for start in range(14):
        placement, other = text[start : start + 4], turned[13 - start : 17 - start]
        if "N" in placement:
            assert np.isneginf([forward[start], reverse[start]]).all()
        else:
            assert forward[start] == pytest.approx(score_of(placement), abs=1e-5)
            assert reverse[start] == pytest.approx(score_of(other), abs=1e-5)


def test_the_strands_change_places_on_the_reverse_complement() -> None:
    motif = draw_motifs(SIMULATION)[0]
    codes = np.random.default_rng(1).integers(0, 4, (5, 60), dtype=np.uint8)
    here, there = motif.scores(codes), motif.scores(reverse_complement(codes))
    np.testing.assert_allclose(here[0], there[1][:, ::-1], atol=1e-4)
    np.testing.assert_allclose(here[1], there[0][:, ::-1], atol=1e-4)


def test_a_sequence_shorter_than_the_motif_has_no_placement() -> None:
    assert motif_with(0).scores(codes_of("ACG")).shape == (2, 0)
    assert not motif_with(0).hits(codes_of("ACG")).any()


@pytest.mark.parametrize("p_value", [0.3, 0.05, 0.01])
def test_the_threshold_has_the_probability(p_value: float) -> None:
    """Over all 256 sequences: at most the probability reaches it, and more than it a little below."""
    threshold = threshold_of(np.array(COLUMNS), p_value)
    words = list(itertools.product("ACGT", repeat=4))
    chances = np.array([np.prod([BACKGROUND["ACGT".index(base)] for base in word]) for word in words])
    scores = np.array([score_of("".join(word)) for word in words])
    # Rounding moves a score by half a hundredth for each column.
    assert chances[scores >= threshold + 0.02].sum() <= p_value
    assert chances[scores >= threshold - 0.03].sum() > p_value


def test_sites_are_drawn_from_the_matrix_above_the_threshold() -> None:
    threshold = 1.5
    generator = np.random.default_rng(2)
    drawn = ["".join("ACGT"[code] for code in motif_with(threshold).sample(generator)) for _ in range(4000)]
    words = ["".join(word) for word in itertools.product("ACGT", repeat=4)]
    chances = np.array([
        np.prod([column["ACGT".index(base)] for column, base in zip(COLUMNS, word, strict=True)])
        for word in words
    ])  # fmt: skip
    chances[[score_of(word) < threshold for word in words]] = 0
    counts = np.array([drawn.count(word) for word in words])
    possible = chances > 0
    assert counts[~possible].sum() == 0
    assert stats.chisquare(counts[possible], (chances / chances.sum() * len(drawn))[possible]).pvalue > 1e-4


def test_a_threshold_that_nothing_reaches() -> None:
    with pytest.raises(ValueError, match=r"one has no site .* 20.0 bits"):
        motif_with(20.0).sample(np.random.default_rng(1))


def test_affinity_is_nothing_at_the_threshold_and_one_at_the_best() -> None:
    motif = motif_with(1.0)
    best = log_odds(motif.matrix).max(axis=1).sum()
    assert motif.highest == pytest.approx(best)
    scores = np.array([-np.inf, 0.5, 1.0, (1 + best) / 2, best], dtype=np.float32)
    np.testing.assert_allclose(motif.affinity(scores), [0, 0, 0, 0.5, 1], atol=1e-6)


def test_the_motifs_of_a_simulation() -> None:
    motifs = draw_motifs(SIMULATION)
    assert [motif.name for motif in motifs] == [
        *(f"causal_{k}" for k in (1, 2, 3, 4)),
        "cofactor",
        "repressor",
    ]
    binding = SIMULATION.binding
    for motif in motifs:
        low, high = binding.causal_bits if motif.name.startswith("causal") else binding.gate_bits
        assert low <= motif.bits.sum() <= high
        assert binding.widths[0] <= motif.width <= binding.widths[1]
        assert (motif.bits < 0.3).any()
        np.testing.assert_allclose(motif.matrix.sum(axis=1), 1)
    assert draw_motifs(dataclasses.replace(SIMULATION, contigs=10, genealogies=20)) == motifs
    assert draw_motifs(dataclasses.replace(SIMULATION, seed=2)) != motifs


def test_background_hits_are_as_rare_as_the_threshold_says() -> None:
    """Neighbours of human dinucleotides change what independent bases would have, not the size of it."""
    sequence = background(1_000_000, np.random.default_rng(3))
    for motif in draw_motifs(SIMULATION):
        rate = motif.hits(sequence).mean() / 2
        assert 0.25e-4 < rate < 3e-4


def test_the_file_of_motifs() -> None:
    motifs = draw_motifs(SIMULATION)
    lines = meme(motifs).splitlines()
    assert lines[0] == "MEME version 4"
    assert "strands: + -" in lines
    heads = [number for number, line in enumerate(lines) if line.startswith("MOTIF")]
    assert [lines[head].split()[1] for head in heads] == [motif.name for motif in motifs]
    for head, motif in zip(heads, motifs, strict=True):
        assert f"w= {motif.width} " in lines[head + 1]
        matrix = np.loadtxt(lines[head + 2 : head + 2 + motif.width])
        np.testing.assert_allclose(matrix, motif.matrix, atol=1e-6)


@pytest.mark.skipif(
    "HOCOMOCO_MEME" not in os.environ, reason="HOCOMOCO_MEME names no file of HOCOMOCO's motifs"
)
def test_drawn_motifs_are_like_those_of_hocomoco() -> None:
    """Information of the core of real motifs, and of their columns."""
    matrices: list[list[list[float]]] = []
    for line in Path(os.environ["HOCOMOCO_MEME"]).read_text().splitlines():
        if line.startswith("MOTIF"):
            matrices.append([])
        elif matrices and re.match(r"^\s*[\d.]+\s", line):
            matrices[-1].append([float(value) for value in line.split()])
    columns = [2 + sum(p * np.log2(p) for p in column if p > 0) for matrix in matrices for column in matrix]
    totals = [
        2 * len(matrix) + sum(p * np.log2(p) for c in matrix for p in c if p > 0) for matrix in matrices
    ]
    low, high = SIMULATION.binding.causal_bits
    inside = np.mean([low <= total <= high for total in totals])
    assert inside > 0.5
    drawn = []
    for seed in range(20):
        *causal, _, _ = draw_motifs(dataclasses.replace(SIMULATION, seed=seed))
        drawn += [bits for motif in causal for bits in motif.bits]
    for quantile in (0.25, 0.5, 0.75):
        assert np.quantile(drawn, quantile) == pytest.approx(np.quantile(columns, quantile), abs=0.35)
