import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from benchmarks.known_truth import sequences
from benchmarks.known_truth.rule import Kind
from benchmarks.known_truth.sizes import Simulation
from tests.benchmarks.known_truth.conftest import CAUSAL, slow_kinds

SPARSE = np.arange(300, 100_000, 500)
"""200 variants, all with room for motifs."""

SIMULATION = Simulation(genealogies=3, contigs=3, redraws=1, length=100_000, diploids={})


def text_of(sequence: npt.NDArray[np.uint8]) -> str:
    return "".join("ACGT"[code] for code in sequence)


def test_the_table_of_dinucleotides_is_that_of_both_strands() -> None:
    """Chargaff's second rule: a dinucleotide is as frequent as its reverse complement."""
    table = sequences.DINUCLEOTIDES
    assert table.sum() == pytest.approx(1000, abs=5)
    turned = table[::-1, ::-1].T
    np.testing.assert_array_equal(table, turned)
    # The end of a chain has the bases of its beginning, whatever its length.
    np.testing.assert_allclose(table.sum(0), table.sum(1), atol=1)


def test_a_background_has_the_dinucleotides_of_the_table() -> None:
    sequence = sequences.background(300_000, np.random.default_rng(1)).astype(np.int64)
    counts = np.bincount(4 * sequence[:-1] + sequence[1:], minlength=16).reshape(4, 4)
    chances = sequences.DINUCLEOTIDES / sequences.DINUCLEOTIDES.sum(1, keepdims=True)
    expected = counts.sum(1, keepdims=True) * chances
    # Given the first bases, each row is multinomial: 4 times 3 degrees of freedom.
    assert stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), 12) > 1e-4
    assert counts[1, 2] / counts.sum() == pytest.approx(0.010, abs=0.001)
    shares = np.bincount(sequence, minlength=4) / sequence.size
    np.testing.assert_allclose(shares, sequences.DINUCLEOTIDES.sum(1) / 1000, atol=0.005)


@pytest.mark.parametrize("length", [1, 999, 1000, 1001, 2500])
def test_the_length_of_a_background(length: int) -> None:
    one, same, other = (sequences.background(length, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (length,)
    assert one.dtype == np.uint8
    assert one.max() < 4
    np.testing.assert_array_equal(one, same)
    assert length == 1 or not np.array_equal(one, other)


@pytest.mark.parametrize("causal", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_locus_has_exactly_the_causal_variants(causal: int, seed: int) -> None:
    """Among variants that are as close to each other as real ones."""
    generator = np.random.default_rng(seed)
    simulation = dataclasses.replace(SIMULATION, length=30_000)
    positions = np.sort(generator.choice(simulation.length, 90, replace=False))
    locus = sequences.make_locus(simulation, positions, causal, generator)
    kinds = slow_kinds(text_of(locus.sequence), positions.tolist())
    assert [one.value for one in locus.kinds] == kinds
    assert kinds.count("causal") == causal
    assert locus.sequence.shape == (30_000,)
    assert locus.alternative.shape == positions.shape
    assert max(locus.sequence.max(), locus.alternative.max()) < 4
    assert (locus.alternative != locus.sequence[positions]).all()


def test_all_three_other_bases_are_alternatives() -> None:
    locus = sequences.make_locus(SIMULATION, SPARSE, 1, np.random.default_rng(3))
    reference = locus.sequence[SPARSE].astype(int)
    moved = np.bincount((locus.alternative - reference) % 4, minlength=4)
    assert moved[0] == 0
    assert stats.chisquare(moved[1:]).pvalue > 1e-4


def test_the_shares_of_decoys() -> None:
    """Where there is room for all, chance adds some and takes none.

    A motif of 12 certain bases is near a variant by chance with 4 * 108 / 4 ** 12, once in 40,000.
    """
    shares = {"near_motif": 0.15, "uninformative_base": 0.05, "no_cofactor": 0.06, "repressor": 0.04}
    simulation = dataclasses.replace(SIMULATION, decoy_shares=shares)
    locus = sequences.make_locus(simulation, SPARSE, 2, np.random.default_rng(4))
    counts = {name: locus.kinds.count(Kind(name)) for name in ("causal", *shares)}
    assert counts.pop("causal") == 2
    for name, fraction in shares.items():
        assert 0 <= counts[name] - round(fraction * 200) <= 1, name


def test_decoys_of_all_kinds_become_fewer_where_there_is_no_room() -> None:
    simulation = dataclasses.replace(
        SIMULATION,
        length=20_000,
        decoy_shares=dict.fromkeys(("near_motif", "uninformative_base", "no_cofactor", "repressor"), 0.25),
    )
    # Three variants in a row 70 bp apart: motifs are planted at no two neighbours.
    positions = (np.arange(300, 19_700, 400)[:, None] + np.array([0, 70, 140])).ravel()
    locus = sequences.make_locus(simulation, positions, 3, np.random.default_rng(5))
    counts = [locus.kinds.count(kind) for kind in (Kind.UNINFORMATIVE_BASE, Kind.NO_COFACTOR, Kind.REPRESSOR)]
    assert locus.kinds.count(Kind.CAUSAL) == 3
    assert min(counts) > 10
    assert max(counts) < round(0.25 * len(positions))


def test_only_variants_with_room_become_causal() -> None:
    crowded = np.arange(500, 1500, 20)
    positions = np.concatenate([crowded, [1800], np.arange(1990, 2000)])
    simulation = dataclasses.replace(SIMULATION, length=2000, decoy_shares={})
    locus = sequences.make_locus(simulation, positions, 1, np.random.default_rng(6))
    assert [index for index, kind in enumerate(locus.kinds) if kind is Kind.CAUSAL] == [len(crowded)]


@pytest.mark.parametrize("positions", [[], [30], [500, 520], [500, 620, 1000]])
def test_a_locus_that_cannot_be_made(positions: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without variants, at the end, too close to each other, and too few for all of three motifs."""
    monkeypatch.setattr(sequences, "_TRIES", 3)
    simulation = dataclasses.replace(SIMULATION, length=2000)
    wanted = 3 if len(positions) == 3 else 1
    with pytest.raises(sequences.PlantingError, match=rf"2000 bp with {wanted} causal variants in 3 tries"):
        sequences.make_locus(
            simulation, np.array(positions, dtype=np.int64), wanted, np.random.default_rng(7)
        )


def test_what_is_masked_holds_a_causal_motif_wherever_it_lies_over_the_variant() -> None:
    longest = max(len(motif) for motif in CAUSAL)
    assert longest - 1 <= sequences.MASKED < 20


def test_the_surroundings_of_variants_are_masked() -> None:
    generator = np.random.default_rng(8)
    sequence = sequences.background(5000, generator)
    positions = np.array([0, 5, 700, 712, 2000, 4990, 4999])
    masked = sequences.mask_centres(sequence, positions, generator)
    distance = np.abs(np.arange(5000)[:, None] - positions).min(axis=1)
    outside = (distance > sequences.MASKED) | (distance == 0)
    np.testing.assert_array_equal(masked[outside], sequence[outside])
    # Two draws of a base are equal with a chance of 0.26.
    changed = (masked != sequence)[~outside]
    assert stats.binomtest(int(changed.sum()), changed.size, 0.74).pvalue > 1e-4
    assert (masked != sequence)[distance == sequences.MASKED].any()


def test_masked_variants_lose_their_motif_and_keep_their_cofactor() -> None:
    generator = np.random.default_rng(9)
    locus = sequences.make_locus(SIMULATION, SPARSE, 20, generator)
    causal = [index for index, kind in enumerate(locus.kinds) if kind is Kind.CAUSAL]
    assert len(causal) == 20
    masked = text_of(sequences.mask_centres(locus.sequence, SPARSE, generator))
    assert "causal" not in slow_kinds(masked, SPARSE.tolist())
    for position in SPARSE[causal].tolist():
        masked = masked[:position] + CAUSAL[1].replace("N", "A") + masked[position + len(CAUSAL[1]) :]
    kinds = slow_kinds(masked, SPARSE.tolist())
    assert [index for index, kind in enumerate(kinds) if kind == "causal"] == causal
