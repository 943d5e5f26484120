"""Fine-mapping with a prior: the formula in plain Python, and bags drawn from the model itself."""

import dataclasses
import math
from collections.abc import Sequence

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import strategies as st
from scipy.special import softmax

from benchmarks.known_truth.metrics import calibration, calibration_error
from mifm_kipoi.finemapping.prior import (
    FRACTION,
    Prior,
    Slope,
    fit_prior,
    fit_slope,
    slope_gains,
    uniform_pips,
)
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.ranking import top_k

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Bag = list[tuple[float, float]]

bags_of = st.lists(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-8, 20)), min_size=1, max_size=6), min_size=1, max_size=4
)
"""Logits and log Bayes factors of variants of bags."""

priors = st.builds(Prior, st.floats(-2, 2), st.sampled_from([0.01, 0.5, 0.95, 1.0]))

SETTINGS = hypothesis.settings(max_examples=60, deadline=None)


def arrays(bags: Sequence[Bag]) -> tuple[Values, Values, Numbers]:
    logits, log_bf = (np.array([row[column] for bag in bags for row in bag]) for column in (0, 1))
    return logits, log_bf, np.repeat(np.arange(len(bags)), [len(bag) for bag in bags])


def slow_pips(prior: Prior, bag: Bag) -> list[float]:
    """One product of prior and Bayes factor after the other."""
    weights = [math.exp(prior.slope * logit) for logit, _ in bag]
    factors = [math.exp(log_bf) for _, log_bf in bag]
    shares = [prior.fraction * weight / sum(weights) for weight in weights]
    products = [one * factor for one, factor in zip(shares, factors, strict=True)]
    total = (1 - prior.fraction) * sum(factors) / len(factors) + sum(products)
    return [product / total for product in products]


@hypothesis.given(bags=bags_of)
@SETTINGS
def test_uniform_pips_are_the_softmax_of_each_bag(bags: list[Bag]) -> None:
    _, log_bf, bag = arrays(bags)
    expected = np.concatenate([softmax([row[1] for row in one]) for one in bags])
    np.testing.assert_allclose(uniform_pips(log_bf, bag), expected, rtol=1e-12)


@hypothesis.given(bags=bags_of, prior=priors)
@SETTINGS
def test_pips_are_those_of_the_formula(bags: list[Bag], prior: Prior) -> None:
    found = prior.pips(*arrays(bags))
    expected = [pip for bag in bags for pip in slow_pips(prior, bag)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    sums = np.bincount(arrays(bags)[2], found)
    assert (sums <= 1 + 1e-12).all()
    if prior.fraction == 1:
        np.testing.assert_allclose(sums, 1, rtol=1e-12)


def test_pips_by_hand() -> None:
    """Priors of 1/2 and 1/4 with Bayes factors of 6 and 2, whose mean is 4, and 1/4 for none of them."""
    found = Prior(1.0, 0.75).pips(np.log([2, 1]), np.log([6, 2]), np.array([3, 3]))
    assert found.tolist() == pytest.approx([6 / 9, 1 / 9])
    assert uniform_pips(np.log([6.0, 2.0]), np.array([3, 3])).tolist() == pytest.approx([0.75, 0.25])


def test_a_bag_of_equal_statistics_has_the_prior() -> None:
    logits = np.array([0.5, -1.0, 2.0])
    found = Prior(0.7, 0.9).pips(logits, np.full(3, 11.0), np.zeros(3, dtype=np.int64))
    assert found.tolist() == pytest.approx((0.9 * softmax(0.7 * logits)).tolist())


@hypothesis.given(bags=bags_of, fraction=st.floats(0.01, 1))
@SETTINGS
def test_without_a_slope_pips_are_uniform_ones_times_the_fraction(bags: list[Bag], fraction: float) -> None:
    """Whatever the sizes of bags: a single variant has the fraction itself."""
    logits, log_bf, bag = arrays(bags)
    found = Prior(0.0, fraction).pips(logits, log_bf, bag)
    np.testing.assert_allclose(found, fraction * uniform_pips(log_bf, bag), rtol=1e-12)


@hypothesis.given(bags=bags_of, prior=priors, seed=st.integers(0, 1000))
@SETTINGS
def test_levels_of_bags_do_not_matter(bags: list[Bag], prior: Prior, seed: int) -> None:
    """Neither of logits nor of Bayes factors."""
    logits, log_bf, bag = arrays(bags)
    levels = np.random.default_rng(seed).normal(0, 30, (2, len(bags)))
    moved = prior.pips(logits + levels[0][bag], log_bf + levels[1][bag], bag)
    np.testing.assert_allclose(moved, prior.pips(logits, log_bf, bag), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, float("nan")])
def test_a_fraction_is_a_probability_above_zero(fraction: float) -> None:
    with pytest.raises(ValueError, match=rf"fraction is {fraction}; expected a number in \(0, 1\]"):
        Prior(1.0, fraction)


@pytest.mark.parametrize("scale", [1e3, -1e3])
def test_huge_bayes_factors_neither_over_nor_underflow(scale: float) -> None:
    """In one bag all are far from 1; in the other so are differences."""
    log_bf = np.array([scale, scale + 1, scale - 1, 0.0, scale])
    bag = np.array([0, 0, 0, 1, 1])
    winner = [1.0, 0.0] if scale < 0 else [0.0, 1.0]
    uniform = uniform_pips(log_bf, bag)
    np.testing.assert_allclose(uniform, [*softmax([0, 1, -1]), *winner], atol=1e-12)
    logits, prior = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), Prior(0.5, 0.8)
    found = prior.pips(logits, log_bf, bag)
    moved = np.array([0.0, 1.0, -1.0])
    np.testing.assert_allclose(found[:3], prior.pips(logits[:3], moved, bag[:3]), rtol=1e-9)
    # In the second bag the other explanation has half of the Bayes factor that is left.
    own = 0.8 * softmax(0.5 * logits[3:])[int(scale > 0)]
    np.testing.assert_allclose(found[3:], np.array(winner) * own / (own + 0.2 / 2), atol=1e-12)
    assert np.isfinite(fit_prior(logits, log_bf, bag).slope)


def test_huge_logits_are_certain() -> None:
    found = Prior(1.0, 0.9).pips(np.array([2e3, -2e3, 0.0]), np.zeros(3), np.zeros(3, dtype=np.int64))
    assert found.tolist() == pytest.approx([0.9, 0, 0])


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Bags drawn from the model."""

    logits: Values
    log_bf: Values
    bag: Numbers
    causal: npt.NDArray[np.bool_]


TRUE = Prior(1.2, 0.95)


def draw(prior: Prior, bags: int, seed: int, wrong: float = 0.0) -> Drawn:
    """Bags in which a variant is causal by its prior, or none.

    The z of one variant, the causal one or any where it is none of the bag's, has the variance 1 + w of
    an effect, the others have 1; the Bayes factor is that of the two normal densities. In a fraction
    ``wrong`` of bags the logits are dealt anew.
    """
    generator = np.random.default_rng(seed)
    sizes = generator.integers(2, 25, bags)
    logits, log_bf, causal = [], [], []
    for size in sizes:
        own = generator.normal(0, 2, size)
        listed = generator.random() < prior.fraction
        chosen = int(generator.choice(size, p=softmax(prior.slope * own) if listed else None))
        w = 12.0
        deviation = np.ones(size)
        deviation[chosen] = math.sqrt(1 + w)
        z = generator.normal(0, deviation)
        logits.append(generator.permutation(own) if generator.random() < wrong else own)
        log_bf.append(-0.5 * math.log(1 + w) + z**2 / 2 * w / (1 + w))
        causal.append(listed & (np.arange(size) == chosen))
    bag = np.repeat(np.arange(bags), sizes)
    return Drawn(np.concatenate(logits), np.concatenate(log_bf), bag, np.concatenate(causal))


@pytest.fixture(scope="module")
def seen() -> Drawn:
    """Bags that the prior is fitted to."""
    return draw(TRUE, 3000, seed=1)


@pytest.fixture(scope="module")
def fitted(seen: Drawn) -> Prior:
    return fit_prior(seen.logits, seen.log_bf, seen.bag)


@pytest.fixture(scope="module")
def other() -> Drawn:
    """Bags of the same model that it is used on."""
    return draw(TRUE, 3000, seed=2)


def test_the_slope_is_found_again() -> None:
    """Of bags that all hold their causal variant."""
    some = draw(Prior(TRUE.slope, 1.0), 3000, seed=7)
    found = fit_prior(some.logits, some.log_bf, some.bag, fraction=1.0)
    assert found == Prior(fit_slope(some.logits, some.log_bf, some.bag).slope, 1.0)
    assert found.slope == pytest.approx(TRUE.slope, abs=0.12)


def test_bags_without_a_causal_variant_make_the_slope_less_steep(fitted: Prior) -> None:
    some = draw(Prior(TRUE.slope, 0.7), 3000, seed=7)
    found = fit_prior(some.logits, some.log_bf, some.bag, fraction=0.7)
    assert 0.3 * TRUE.slope < found.slope < fitted.slope - 0.1
    assert fitted.slope == pytest.approx(0.9 * TRUE.slope, abs=0.12)
    assert (found.fraction, fitted.fraction) == (0.7, FRACTION)


def test_logits_that_say_nothing_leave_uniform_pips(seen: Drawn, other: Drawn) -> None:
    generator = np.random.default_rng(8)
    noise, more = (generator.normal(0, 2, one.logits.size) for one in (seen, other))
    found = fit_prior(noise, seen.log_bf, seen.bag)
    assert found.slope == pytest.approx(0, abs=0.05)
    uniform = FRACTION * uniform_pips(other.log_bf, other.bag)
    pip = found.pips(more, other.log_bf, other.bag)
    assert np.abs(pip - uniform).mean() < 0.005
    assert calibration_error(pip[pip > 0.1], other.causal[pip > 0.1]) < 0.02


def test_logits_of_another_scale_give_the_same_pips(seen: Drawn, fitted: Prior, other: Drawn) -> None:
    """Half the logits have twice the slope; what is added to all does nothing."""
    found = fit_prior(seen.logits / 2 + 1, seen.log_bf, seen.bag)
    assert found.slope == pytest.approx(2 * fitted.slope, rel=1e-4)
    pip = found.pips(other.logits / 2 - 3, other.log_bf, other.bag)
    np.testing.assert_allclose(pip, fitted.pips(other.logits, other.log_bf, other.bag), atol=1e-4)


def test_fitted_pips_are_calibrated_on_other_bags(fitted: Prior, other: Drawn) -> None:
    pip = fitted.pips(other.logits, other.log_bf, other.bag)
    high = pip > 0.1
    assert calibration_error(pip[high], other.causal[high]) < 0.02
    assert pip.sum() / 3000 == pytest.approx(other.causal.sum() / 3000, abs=0.015)
    assert np.bincount(other.bag, pip).max() <= 1 + 1e-12


def test_pips_of_bags_that_all_hold_their_causal_variant_are_calibrated_in_every_bin() -> None:
    some, others = (draw(Prior(TRUE.slope, 1.0), 3000, seed) for seed in (1, 2))
    pip = fit_prior(some.logits, some.log_bf, some.bag, fraction=1.0).pips(
        others.logits, others.log_bf, others.bag
    )
    found = calibration(pip, others.causal, Bootstrap.of_clusters(others.bag))
    assert len(found) == 10
    assert found["predicted"].between(found["low"] - 0.02, found["high"] + 0.02).all()


def test_pips_of_networks_that_err_are_calibrated() -> None:
    """In three of ten bags logits say nothing: the slope is less steep, and PIPs are not too low.

    A fraction fitted with the slope would be 0.7 or less here, where 0.95 of bags hold a causal variant.
    """
    some, others = (draw(TRUE, 3000, seed, wrong=0.3) for seed in (1, 2))
    found = fit_prior(some.logits, some.log_bf, some.bag)
    assert 0.4 < found.slope < 0.8
    pip = found.pips(others.logits, others.log_bf, others.bag)
    high = pip > 0.1
    assert calibration_error(pip[high], others.causal[high]) < 0.03
    assert pip.sum() / 3000 == pytest.approx(others.causal.sum() / 3000, abs=0.02)


def test_fitted_pips_find_more_than_either_part(fitted: Prior, other: Drawn) -> None:
    pip = fitted.pips(other.logits, other.log_bf, other.bag)

    def top(score: Values) -> float:
        return float(top_k(score, other.bag, other.causal, 1).mean())

    def surprise(chance: Values) -> float:
        kept = np.clip(np.where(other.causal, chance, 1 - chance), 1e-12, None)
        return float(-np.log(kept).mean())

    uniform = uniform_pips(other.log_bf, other.bag)
    assert top(pip) > max(top(uniform), top(other.logits)) + 0.05
    assert surprise(pip) < surprise(uniform) - 0.01
    np.testing.assert_allclose(
        surprise(TRUE.pips(other.logits, other.log_bf, other.bag)), surprise(pip), 0.01
    )


@hypothesis.given(bags=bags_of, prior=priors, seed=st.integers(0, 1000))
@SETTINGS
def test_order_of_rows_and_numbers_of_bags_do_not_matter(bags: list[Bag], prior: Prior, seed: int) -> None:
    logits, log_bf, bag = arrays(bags)
    generator = np.random.default_rng(seed)
    order = generator.permutation(bag.size)
    numbers = generator.permutation(1000)[: len(bags)] - 500
    moved = prior.pips(logits[order], log_bf[order], numbers[bag[order]])
    np.testing.assert_allclose(moved, prior.pips(logits, log_bf, bag)[order], rtol=1e-12)
    uniform = uniform_pips(log_bf[order], numbers[bag[order]])
    np.testing.assert_allclose(uniform, uniform_pips(log_bf, bag)[order], rtol=1e-12)


def test_the_order_of_rows_leaves_the_fit(seen: Drawn, fitted: Prior) -> None:
    order = np.random.default_rng(6).permutation(seen.bag.size)
    found = fit_prior(seen.logits[order], seen.log_bf[order], 7 - seen.bag[order])
    assert found.slope == pytest.approx(fitted.slope, rel=1e-6)


def test_a_weight_of_two_is_a_bag_that_stands_twice() -> None:
    some = draw(TRUE, 40, seed=4)
    weights = np.where(np.arange(40) < 10, 2.0, 1.0)
    twice = np.concatenate([np.arange(some.bag.size), np.flatnonzero(some.bag < 10)])
    numbers = np.concatenate([some.bag, some.bag[some.bag < 10] + 100])
    weighted = fit_prior(some.logits, some.log_bf, some.bag, weights)
    repeated = fit_prior(some.logits[twice], some.log_bf[twice], numbers)
    assert weighted.slope == pytest.approx(repeated.slope, rel=1e-6)
    slope = fit_slope(some.logits, some.log_bf, some.bag, weights)
    expected = fit_slope(some.logits[twice], some.log_bf[twice], numbers)
    assert slope.gain == pytest.approx(expected.gain, rel=1e-6)
    assert fit_prior(some.logits, some.log_bf, some.bag, np.ones(40)) == fit_prior(
        some.logits, some.log_bf, some.bag
    )
    with pytest.raises(ValueError, match=r"shape \(7,\); expected \(40,\)"):
        fit_prior(some.logits, some.log_bf, some.bag, np.ones(7))


def slow_gain(slope: float, bags: Sequence[Bag], weights: Sequence[float]) -> float:
    gains = []
    for bag in bags:
        prior = softmax([slope * logit for logit, _ in bag])
        factors = np.exp([log_bf for _, log_bf in bag])
        gains.append(math.log(float(prior @ factors) / float(factors.mean())))
    return float(np.average(gains, weights=weights))


@hypothesis.given(bags=bags_of, seed=st.integers(0, 1000))
@SETTINGS
def test_the_slope_has_the_gain_of_the_formula_and_none_tried_has_more(bags: list[Bag], seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(0.1, 2, len(bags))
    found = fit_slope(*arrays(bags), weights)
    assert found.slope >= 0
    assert found.gain == pytest.approx(slow_gain(found.slope, bags, weights.tolist()), abs=1e-9)
    for slope in (0.0, 0.05, 0.2, 0.5, 1.0):
        gains = slope_gains(slope, *arrays(bags))
        expected = [slow_gain(slope, [bag], [1.0]) for bag in bags]
        np.testing.assert_allclose(gains, expected, atol=1e-9)
        # Between the slopes that are tried the gain may rise a little above that of its neighbours.
        assert slow_gain(slope, bags, weights.tolist()) <= found.gain + 0.1


def test_the_slope_of_bags_in_which_one_is_causal() -> None:
    """Bags drawn with prior softmax(0.8 f): the slope is found, and noise has none."""
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 2, (2000, 12))
    prior = softmax(0.8 * logits, axis=1)
    causal = (prior.cumsum(1) > generator.random((2000, 1))).argmax(1)
    z = generator.normal(0, np.where(np.arange(12) == causal[:, None], math.sqrt(13), 1.0))
    log_bf = -0.5 * math.log(13) + z**2 / 2 * 12 / 13
    bag = np.repeat(np.arange(2000), 12)
    found = fit_slope(logits.ravel(), log_bf.ravel(), bag)
    assert found.slope == pytest.approx(0.8, abs=0.06)
    assert found.gain > 0.3
    # The scale of the logits and their level in each bag do not count.
    moved = fit_slope(
        100 * logits.ravel() + np.repeat(generator.normal(0, 50, 2000), 12), log_bf.ravel(), bag
    )
    assert moved.gain == pytest.approx(found.gain, rel=1e-6)
    noise = fit_slope(generator.permutation(logits.ravel()), log_bf.ravel(), bag)
    assert 0 <= noise.gain < 0.003
    wrong = fit_slope(-logits.ravel(), log_bf.ravel(), bag)
    assert (wrong.slope, wrong.gain) == pytest.approx((0, 0), abs=1e-6)


def test_slopes_that_need_no_search() -> None:
    bag = np.array([0, 0, 1])
    assert fit_slope(np.full(3, 2.0), np.array([1.0, 2.0, 3.0]), bag) == Slope(0.0, 0.0)
    assert math.isnan(fit_slope(np.ones(3), np.ones(3), bag, np.zeros(2)).gain)
    empty = np.empty(0)
    assert math.isnan(fit_slope(empty, empty, np.empty(0, dtype=np.int64)).gain)
    # A logit that always picks the best: the gain of certainty, log(max BF / mean BF), but for rounding.
    certain = fit_slope(np.array([1.0, 0.0]), np.log([9.0, 1.0]), np.array([4, 4]))
    assert certain.gain == pytest.approx(math.log(9 / 5), abs=1e-6)
