"""Sign flips: against all signs, draws, tilted draws where p is small, and closed forms."""

import itertools

import numpy as np
import pytest
from scipy import stats

from mifm_kipoi.statistics.sign_flip import pairwise_swaps, sign_flip, sign_flip_draws


def brute_force(differences: np.ndarray) -> float:
    """Fraction of all signs with which the sum is at least as large, in size."""
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    sums = np.abs(signs @ differences)
    return float((sums >= abs(differences.sum()) - 1e-9).mean())


def tilted_draws(differences: np.ndarray, t: float, draws: int = 40_000) -> tuple[float, float]:
    """Tail from draws of signs that make large sums likely, each with its weight; and its standard error."""
    sizes = np.abs(differences)
    generator = np.random.default_rng(5)
    likely = 1 / (1 + np.exp(-2 * t * sizes))
    log_mean = np.log(np.cosh(t * sizes)).sum()
    values = []
    for _ in range(draws // 100):
        sums = np.where(generator.random((100, sizes.size)) < likely, 1.0, -1.0) @ sizes
        values.append(np.where(sums >= abs(differences.sum()), np.exp(log_mean - t * sums), 0))
    weights = 2 * np.concatenate(values)
    return float(weights.mean()), float(weights.std() / np.sqrt(weights.size))


@pytest.mark.parametrize("seed", range(6))
def test_few_differences_are_counted(seed: int) -> None:
    generator = np.random.default_rng(seed)
    differences = generator.standard_t(3, size=3 + 2 * seed) + 0.5
    test = sign_flip(differences)
    assert test.method == "exact"
    assert test.p_value == pytest.approx(brute_force(differences), rel=1e-12)
    assert test.total == differences.sum()


def test_ties_count_as_reached_and_zeros_do_not_matter() -> None:
    differences = np.array([0.1, 0.2, 0.3, -0.1, 0.0, 0.0])
    test = sign_flip(differences)
    assert test.p_value == pytest.approx(brute_force(differences[:4]), rel=1e-12)
    assert test.units == 4
    assert sign_flip(np.zeros(7)).p_value == 1
    assert sign_flip(np.array([1.0, -1.0])).p_value == 1


def test_all_of_one_sign_is_one_of_two_in_all() -> None:
    for size in (1, 5, 40, 60, 900):
        test = sign_flip(np.random.default_rng(size).random(size) + 0.1)
        assert test.log_p == pytest.approx((1 - size) * np.log(2), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("shape", ["normal", "skewed", "heavy"])
@pytest.mark.parametrize("shift", [0.0, 0.4, 0.9])
def test_the_saddlepoint_is_as_good_as_counting(shape: str, shift: float) -> None:
    generator = np.random.default_rng(3)
    draw = {
        "normal": generator.normal(size=36),
        "skewed": generator.gamma(0.5, size=36) - 0.5,
        "heavy": generator.standard_t(2, size=36),
    }
    differences = draw[shape] + shift * np.abs(draw[shape]).mean()
    counted, approximated = sign_flip(differences), sign_flip(differences, exact_up_to=0)
    assert (counted.method, approximated.method) == ("exact", "saddlepoint")
    assert approximated.p_value == pytest.approx(counted.p_value, rel=0.001)


def test_the_saddlepoint_on_a_lattice_is_the_binomial_tail() -> None:
    for size, more in ((101, 3), (400, 40), (3000, 200)):
        differences = np.where(np.arange(size) < (size + more) // 2, 2.5, -2.5)
        greater = int((differences > 0).sum())
        assert sign_flip(differences).p_value == pytest.approx(
            stats.binomtest(greater, size).pvalue, rel=0.001
        )
    mixed = np.array([1.0] * 14 + [-1.0] * 6 + [3.0] * 12 + [-3.0] * 6)
    assert sign_flip(mixed, exact_up_to=0).p_value == pytest.approx(sign_flip(mixed).p_value, rel=0.001)


def test_a_difference_that_outweighs_the_others() -> None:
    differences = np.append(np.random.default_rng(4).normal(size=37), [60.0, 25.0])
    counted = sign_flip(differences)
    assert sign_flip(differences, exact_up_to=0).p_value == pytest.approx(counted.p_value, rel=0.001)


def all_sums(sizes: np.ndarray) -> np.ndarray:
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums


@pytest.mark.parametrize("negative", [1, 2, 3])
@pytest.mark.parametrize("noise", [0.02, 1e-3, 0.0])
def test_large_differences_that_are_nearly_equal_beside_thousands_of_small(
    negative: int, noise: float
) -> None:
    # Every sum of the large ones, each with the binomial tail of the small ones.
    generator = np.random.default_rng(negative)
    large = 1 + noise * generator.normal(size=15)
    large[:negative] *= -1
    small = 0.002 * np.where(generator.permutation(3000) < 1520, 1, -1)
    wanted = abs(large.sum() + small.sum()) - all_sums(large) - 1e-9
    positive = np.ceil((wanted / 0.002 + 3000) / 2)
    expected = 2 * stats.binom.sf(positive - 1, 3000, 0.5).mean()
    test = sign_flip(np.append(large, small))
    assert test.method == "saddlepoint"
    assert 0.9999 < test.p_value / expected < 1.006


@pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("deviations", [0, 2, 5])
@pytest.mark.parametrize("size", [200, 2000])
def test_a_lattice_with_noise(size: int, deviations: int, noise: float) -> None:
    # Given how many are positive, what noise adds is a sum without replacement: normal in so many.
    generator = np.random.default_rng(2)
    positive = generator.permutation(size) < (size + deviations * np.sqrt(size)) / 2 + 1
    differences = np.where(positive, 1, -1) * (1 + noise * generator.normal(size=size))
    mean = np.abs(differences).mean()
    number = np.arange(1, size)
    variance = np.abs(differences).var() * 4 * number * (size - number) / (size - 1)
    above = stats.norm.sf((abs(differences.sum()) - (2 * number - size) * mean) / np.sqrt(variance))
    expected = 2 * (stats.binom.pmf(number, size, 0.5) * above).sum()
    assert sign_flip(differences).p_value == pytest.approx(expected, rel=0.005)


def test_what_cannot_be_told_apart_counts_as_reached() -> None:
    generator = np.random.default_rng(2)
    differences = np.where(generator.permutation(200) < 116, 1, -1) * (1 + 1e-7 * generator.normal(size=200))
    assert sign_flip(differences).p_value == pytest.approx(stats.binomtest(116, 200).pvalue, rel=0.001)


@pytest.mark.parametrize("size", [300, 20_000])
def test_p_values_near_1e_8_are_those_of_tilted_draws(size: int) -> None:
    generator = np.random.default_rng(size)
    differences = generator.standard_t(4, size=size)
    differences += (5.7 * np.sqrt((differences**2).sum()) - differences.sum()) / size
    test = sign_flip(differences)
    t = differences.sum() / (differences**2).sum()
    expected, error = tilted_draws(differences, t, 40_000 if size < 1000 else 4_000)
    assert 1e-9 < test.p_value < 1e-7
    assert abs(test.p_value - expected) < 4 * error + 0.01 * expected


def test_draws_agree_and_never_give_0() -> None:
    differences = np.random.default_rng(6).normal(0.25, 1, size=100)
    expected = sign_flip(differences).p_value
    drawn = sign_flip_draws(differences, 1_000_000, seed=7)
    assert 1e-4 < expected < 0.1
    assert drawn.p_value == pytest.approx(expected, abs=4 * np.sqrt(expected / 1e6) + 0.001 * expected)
    assert drawn.method == "draws"
    assert sign_flip_draws(np.ones(200), 999).p_value == 1 / 1000


def test_scale_and_order_do_not_matter() -> None:
    differences = np.random.default_rng(8).normal(0.2, 1, size=100)
    expected = sign_flip(differences).p_value
    for scale in (1e-200, 1e200, -3.0):
        assert sign_flip(differences[::-1] * scale).p_value == pytest.approx(expected, rel=1e-9)


def test_signs_of_a_cluster_flip_together() -> None:
    generator = np.random.default_rng(9)
    cluster = generator.integers(0, 11, 300)
    differences = generator.normal(size=300) + generator.normal(size=11)[cluster]
    sums = np.bincount(cluster, differences)
    test = sign_flip(differences, np.array(list("abcdefghijk"))[cluster])
    assert test.p_value == pytest.approx(brute_force(sums), rel=1e-12)
    assert test.units == 11


def test_log_p_does_not_underflow() -> None:
    differences = np.random.default_rng(10).normal(3, 1, size=5000)
    test = sign_flip(differences)
    assert test.p_value == 0
    assert -5000 * np.log(2) < test.log_p < -2500


def test_differences_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="2 of 4 differences"):
        sign_flip(np.array([0.1, np.nan, np.inf, 2]))


def test_pairs_of_swapped_models_are_those_of_all_pairs() -> None:
    generator = np.random.default_rng(11)
    first = [generator.random(40), generator.random(35)]
    second = [losses + generator.normal(0, 0.05, losses.size) for losses in first]
    totals = [20.0, 18.0]
    p_value = pairwise_swaps(first, second, totals, models=3000, seed=12)
    models = np.empty(1500)
    for number in range(models.size):
        r_squared = []
        for one, other, total in zip(first, second, totals, strict=True):
            swapped = np.where(generator.random(one.size) < 0.5, one, other)
            r_squared.append(1 - swapped.sum() / total)
        models[number] = np.mean(r_squared)
    observed = np.mean([(b.sum() - a.sum()) / t for a, b, t in zip(first, second, totals, strict=True)])
    pairs = np.abs(models[:, None] - models)[np.triu_indices(models.size, 1)]
    assert p_value == pytest.approx((pairs >= abs(observed)).mean(), abs=0.02)
    assert pairwise_swaps(first, first, totals, models=10) == 1
