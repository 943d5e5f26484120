"""Sequences of the design ``real``: the factorial, alternative alleles and swapped centres."""

import collections
import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmarks.known_truth.factorial import make_locus, swap_centres
from benchmarks.known_truth.sequences import MASKED, PlantingError
from benchmarks.known_truth.sizes import SIMULATIONS

SIMULATION = dataclasses.replace(SIMULATIONS["real"]["small"], length=30_000)
SPARSE = np.arange(300, 29_700, 300)
"""98 variants, all with room for motifs."""


@pytest.mark.parametrize("causal", [0, 1, 3])
def test_a_locus_has_exactly_the_causal_variants(causal: int) -> None:
    generator = np.random.default_rng(causal)
    positions = np.sort(generator.choice(np.arange(64, SIMULATION.length - 64), 80, replace=False))
    locus = make_locus(SIMULATION, positions, causal, generator)
    assert locus.causal.sum() == causal
    assert (np.abs(locus.change[locus.causal]) >= SIMULATION.binding.min_change).all()
    assert locus.sequence.shape == (30_000,)
    assert max(locus.sequence.max(), locus.alternative.max()) < 4
    assert (locus.alternative != locus.sequence[positions]).all()
    assert (locus.score_optimal > 0).tolist() == locus.causal.tolist()
    assert (locus.score_reference[locus.causal] > 0).all()


@pytest.fixture(scope="module")
def kinds() -> collections.Counter[str]:
    """Of the variants of 60 loci with one causal variant each."""
    generator = np.random.default_rng(3)
    loci = [make_locus(SIMULATION, SPARSE, 1, generator) for _ in range(60)]
    return collections.Counter(kind for locus in loci for kind in locus.kinds)


def test_every_cell_of_the_factorial_is_there(kinds: collections.Counter[str]) -> None:
    for place in ("informative", "free", "beside", "absent"):
        for gate in ("", "+cofactor", "+repressor", "+cofactor+repressor"):
            if (place, gate) != ("informative", "+cofactor"):
                assert kinds[place + gate] > 0.4 * 60, place + gate
    assert kinds["causal"] == 60


def test_the_cofactor_is_as_frequent_with_each_place(kinds: collections.Counter[str]) -> None:
    """So that it says nothing of the motif; but for background, where nothing is planted."""
    fractions = []
    for place in ("free", "beside", "informative"):
        with_it = sum(count for kind, count in kinds.items() if kind.startswith(place) and "cofactor" in kind)
        # The cell of causal variants is that of the informative ones.
        with_it += kinds["causal"] + kinds["other_allele+cofactor"] if place == "informative" else 0
        fractions.append(with_it / (with_it + sum(kinds[place + gate] for gate in ("", "+repressor"))))
    assert np.ptp(fractions) < 0.2


def test_gain_and_loss_are_about_equal() -> None:
    generator = np.random.default_rng(4)
    changes = []
    for _ in range(80):
        locus = make_locus(SIMULATION, SPARSE, 2, generator)
        changes += locus.change[locus.causal].tolist()
    assert stats.binomtest(sum(change > 0 for change in changes), len(changes)).proportion_ci(0.999).low < 0.5
    assert 0.35 < np.mean(np.array(changes) > 0) < 0.65


def test_alternative_alleles_do_not_depend_on_the_window() -> None:
    """Given the number of causal variants: the alleles of variants that cannot be causal are uniform."""
    generator = np.random.default_rng(5)
    moved = np.zeros(4, dtype=int)
    for _ in range(20):
        locus = make_locus(SIMULATION, SPARSE, 1, generator)
        other = locus.score_reference == 0
        reference = locus.sequence[SPARSE[other]].astype(int)
        moved += np.bincount((locus.alternative[other] - reference) % 4, minlength=4)
    assert moved[0] == 0
    assert stats.chisquare(moved[1:]).pvalue > 1e-4


@pytest.mark.parametrize("positions", [[], [500, 520]])
def test_a_locus_that_cannot_be_made(positions: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.known_truth.factorial._TRIES", 3)
    simulation = dataclasses.replace(SIMULATION, length=2000)
    with pytest.raises(PlantingError, match=r"2000 bp with 1 causal variants in 3 tries"):
        make_locus(simulation, np.array(positions, dtype=np.int64), 1, np.random.default_rng(6))


def test_centres_are_those_of_others_with_the_same_base() -> None:
    generator = np.random.default_rng(7)
    sequence = generator.integers(0, 4, 30_000, dtype=np.uint8)
    swapped = swap_centres(sequence, SPARSE, generator)
    np.testing.assert_array_equal(swapped[SPARSE], sequence[SPARSE])
    around = np.arange(-MASKED, MASKED + 1)
    outside = np.ones(sequence.size, dtype=bool)
    outside[SPARSE[:, None] + around] = False
    np.testing.assert_array_equal(swapped[outside], sequence[outside])
    before = {sequence[position + around].tobytes(): position for position in SPARSE.tolist()}
    sources = [before[swapped[position + around].tobytes()] for position in SPARSE.tolist()]
    assert sorted(sources) == SPARSE.tolist()
    assert not any(source == position for source, position in zip(sources, SPARSE.tolist(), strict=True))


def test_overlapping_centres_keep_the_bases_of_variants() -> None:
    generator = np.random.default_rng(8)
    sequence = generator.integers(0, 4, 5000, dtype=np.uint8)
    positions = np.sort(generator.choice(np.arange(64, 4900), 400, replace=False))
    swapped = swap_centres(sequence, positions, generator)
    np.testing.assert_array_equal(swapped[positions], sequence[positions])
