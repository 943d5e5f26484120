import dataclasses
import functools
import itertools

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import expm

from benchmarks.known_truth import genealogies
from benchmarks.known_truth.sizes import Simulation

SIMULATION = Simulation(
    genealogies=3,
    contigs=3,
    redraws=1,
    length=20_000,
    diploids={"CEU": 21, "CEU_reference": 22, "YRI": 23, "CHB": 24},
)
POPULATION = {"CEU": "CEU", "CEU_reference": "CEU", "YRI": "YRI", "CHB": "CHB"}

Values = npt.NDArray[np.float64]


def generator_of_pairs(sizes: list[float], migration: Values) -> tuple[list[tuple[int, int]], Values]:
    """Rates among the places of two lineages: those that leave without a place to go to coalesce."""
    count = len(sizes)
    pairs = [(one, other) for one in range(count) for other in range(one, count)]
    rates = np.zeros((len(pairs), len(pairs)))
    for row, pair in enumerate(pairs):
        if pair[0] == pair[1]:
            rates[row, row] -= 1 / (2 * sizes[pair[0]])
        for moves, stays in (pair, pair[::-1]):
            for to in range(count):
                if to != moves:
                    there = (min(to, stays), max(to, stays))
                    rates[row, pairs.index(there)] += migration[moves, to]
                    rates[row, row] -= migration[moves, to]
    return pairs, rates


def symmetric(rates: dict[tuple[int, int], float], count: int) -> Values:
    found = np.zeros((count, count))
    for (one, other), rate in rates.items():
        found[one, other] = found[other, one] = rate
    return found


@functools.cache
def apart(first: str, second: str) -> tuple[float, list[float]]:
    """When two lineages meet, from table 1 of Gutenkunst et al. (2009).

    The time with growth is cut into steps of 2 generations of constant size; all else is exact. Gives the
    mean in generations, and the chances that they did not meet until 848, 5,600 and 8,800 generations ago.
    """
    names = ["YRI", "CEU", "CHB"]
    split, out, old = 21_200 / 25, 140_000 / 25, 220_000 / 25
    total = 0.0

    def spend(chances: Values, rates: Values, time: float) -> Values:
        """Chances after a time; what passes until then in the mean is added up."""
        nonlocal total
        left: Values = chances @ expm(rates * time)
        total += np.linalg.solve(rates.T, left - chances).sum()
        return left

    steps = 424
    recent = symmetric({(0, 1): 3e-5, (0, 2): 1.9e-5, (1, 2): 9.6e-5}, 3)
    pairs, _ = generator_of_pairs([1, 1, 1], recent)
    one, other = sorted((names.index(first), names.index(second)))
    chances = np.array([float(pair == (one, other)) for pair in pairs])
    for step in range(steps):
        since_split = split * (1 - (step + 0.5) / steps)
        sizes = [12_300, 1_000 * np.exp(0.004 * since_split), 510 * np.exp(0.0055 * since_split)]
        chances = spend(chances, generator_of_pairs(sizes, recent)[1], split / steps)
    merged = np.zeros(3)
    for pair, chance in zip(pairs, chances, strict=True):
        merged[sum(place > 0 for place in pair)] += chance
    two = generator_of_pairs([12_300, 2_100], symmetric({(0, 1): 25e-5}, 2))[1]
    left = spend(merged, two, out - split)
    (last,) = spend(np.array([left.sum()]), np.array([[-1 / (2 * 12_300)]]), old - out)
    return float(total + last * 2 * 7_300), [float(merged.sum()), float(left.sum()), float(last)]


PAIRS = list(itertools.combinations_with_replacement(("YRI", "CEU", "CHB"), 2))


def test_the_mean_times_are_those_of_msprime() -> None:
    """``demography().debug().mean_coalescence_time`` of ``{"CEU": 2}`` and of ``{"CEU": 1, "YRI": 1}``.

    Each took half a minute, so that they are not made here; their digits stop at a two-thousandth.
    """
    assert apart("CEU", "CEU")[0] == pytest.approx(12566.2, rel=1e-3)
    assert apart("CEU", "YRI")[0] == pytest.approx(17545.9, rel=1e-3)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_demography_is_that_of_the_paper(first: str, second: str) -> None:
    """By the chances that lineages did not meet until the populations change.

    They take a thousandth from those of msprime, which goes by the rate at the beginning of each step.
    """
    times = np.concatenate([np.linspace(0, 848, 424, endpoint=False), np.arange(848, 8801, 8)])
    lineages = {first: 2} if first == second else {first: 1, second: 1}
    _, found = genealogies.demography().debug().coalescence_rate_trajectory(times, lineages)
    expected = apart(first, second)[1]
    at = [int(np.flatnonzero(times == time)[0]) for time in (848, 5600, 8800)]
    np.testing.assert_allclose(found[at], expected, rtol=2e-3)


@pytest.fixture(scope="module")
def drawn() -> list[genealogies.Genealogy]:
    return [genealogies.simulate_all_sites(SIMULATION, number) for number in range(200)]


def frequencies(one: genealogies.Genealogy, sample: str) -> Values:
    """Counted, one genotype after the other."""
    rows = one.dosages[sample].tolist()
    return np.array([sum(row) / (2 * len(row)) for row in rows])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("CEU", "CEU"),
        ("CEU_reference", "CEU_reference"),
        ("YRI", "YRI"),
        ("CHB", "CHB"),
        ("CEU", "CEU_reference"),
        ("CEU", "YRI"),
        ("CEU", "CHB"),
        ("YRI", "CHB"),
    ],
)
def test_pairs_differ_as_often_as_the_demography_says(
    drawn: list[genealogies.Genealogy], first: str, second: str
) -> None:
    """Two haplotypes differ at 2 mu T sites per base pair, T the mean time to their common ancestor.

    Sites that mutated twice are left out: in 86 haplotypes of each about 1 in 200, far below the noise.
    """
    shares = []
    for one in drawn:
        p, q = frequencies(one, first), frequencies(one, second)
        differ = p * (1 - q) + q * (1 - p)
        if first == second:
            haplotypes = 2 * SIMULATION.diploids[first]
            differ *= haplotypes / (haplotypes - 1)
        shares.append(differ.sum() / SIMULATION.length)
    expected = 2 * 2.35e-8 * apart(POPULATION[first], POPULATION[second])[0]
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert error < 0.07 * expected
    assert abs(np.mean(shares) - expected) < 4 * error


def test_sites_are_within_the_region_and_rise(drawn: list[genealogies.Genealogy]) -> None:
    for one in drawn:
        assert one.positions.dtype == np.int64
        assert (np.diff(one.positions) > 0).all()
        assert one.positions[0] >= 0
        assert one.positions[-1] < SIMULATION.length
        shapes = {name: dosages.shape for name, dosages in one.dosages.items()}
        assert shapes == {name: (len(one.positions), size) for name, size in SIMULATION.diploids.items()}
        assert {dosage for each in one.dosages.values() for dosage in np.unique(each)} <= {0, 1, 2}


def test_every_site_varies_in_some_sample(drawn: list[genealogies.Genealogy]) -> None:
    for one in drawn:
        copies = sum(dosages.sum(axis=1, dtype=np.int64) for dosages in one.dosages.values())
        assert (copies > 0).all()
        assert (copies < 2 * sum(SIMULATION.diploids.values())).all()


def test_frequencies_are_counted(drawn: list[genealogies.Genealogy]) -> None:
    by_hand = genealogies.Genealogy(
        np.array([3, 7, 9]), {"CEU": np.array([[0, 1, 2], [2, 2, 2], [0, 0, 1]], dtype=np.uint8)}
    )
    assert by_hand.frequency("CEU").tolist() == pytest.approx([1 / 2, 1, 1 / 6])
    for name in SIMULATION.diploids:
        np.testing.assert_allclose(drawn[0].frequency(name), frequencies(drawn[0], name))


def test_some_of_the_sites() -> None:
    dosages = {"CEU": np.array([[0, 1], [2, 2], [0, 2]], dtype=np.uint8), "YRI": np.zeros((3, 5), np.uint8)}
    found = genealogies.Genealogy(np.array([3, 7, 9]), dosages).where(np.array([True, False, True]))
    assert found.positions.tolist() == [3, 9]
    assert found.dosages["CEU"].tolist() == [[0, 1], [0, 2]]
    assert found.dosages["YRI"].shape == (2, 5)


def same(one: genealogies.Genealogy, other: genealogies.Genealogy) -> bool:
    return np.array_equal(one.positions, other.positions) and all(
        np.array_equal(one.dosages[name], other.dosages[name]) for name in one.dosages
    )


def test_seed_and_number_decide(drawn: list[genealogies.Genealogy]) -> None:
    assert same(drawn[1], genealogies.simulate_all_sites(SIMULATION, 1))
    assert not same(drawn[1], drawn[2])
    other = dataclasses.replace(SIMULATION, seed=2)
    assert not same(drawn[1], genealogies.simulate_all_sites(other, 1))
    # Neither is the next seed's first genealogy this seed's second.
    assert not same(drawn[1], genealogies.simulate_all_sites(other, 0))


@pytest.mark.parametrize("min_maf", [0.01, 0.1, 0.4])
def test_rare_sites_are_left_out(drawn: list[genealogies.Genealogy], min_maf: float) -> None:
    """By the discovery sample alone, of 42 haplotypes."""
    total = left = 0
    for number, genealogy in enumerate(drawn[:20]):
        found = genealogies.simulate(dataclasses.replace(SIMULATION, min_maf=min_maf), number)
        copies = genealogy.dosages["CEU"].sum(axis=1, dtype=np.int64)
        kept = np.minimum(copies, 42 - copies) >= min_maf * 42
        assert same(found, genealogy.where(kept))
        total, left = total + len(copies), left + int(kept.sum())
    assert 0 < left < total
