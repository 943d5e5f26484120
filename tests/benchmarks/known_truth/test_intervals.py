"""Intervals hold the truth as often as they say, where the variances are known."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.known_truth.intervals import Sampled, clipped, difference, over_networks, ratio
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.estimates import Estimate, estimate


def sampled(values: np.ndarray, bootstrap: Bootstrap) -> Sampled:
    return Sampled(float(values.mean()), bootstrap.means(values))


def coverage(of_genealogies: float, of_training: float, networks: int, interval: object) -> float:
    """How often an interval holds 0.3: values are 0.3 + genealogy + network + noise."""
    generator = np.random.default_rng(7)
    bootstrap = Bootstrap.of_clusters(np.arange(40), resamples=150)
    held = 0
    for _ in range(400):
        genealogies = generator.normal(0.3, of_genealogies, 40)
        own = genealogies + generator.normal(0, of_training, (networks, 1))
        samples = [sampled(one, bootstrap) for one in own + generator.normal(0, 0.05, own.shape)]
        found = interval(samples)
        held += found.low <= 0.3 <= found.high
    return held / 400


@pytest.mark.parametrize("of_training", [0.005, 0.03, 0.1])
def test_the_interval_holds_the_truth_whichever_variance_is_larger(of_training: float) -> None:
    """400 draws have a standard error of 0.011 at 0.95."""
    assert 0.92 <= coverage(0.2, of_training, 3, lambda samples: over_networks(samples, 40)) <= 0.99


def test_without_the_variance_of_training_it_does_not() -> None:
    def of_genealogies_alone(samples: list[Sampled]) -> Estimate:
        value = float(np.mean([one.value for one in samples]))
        return estimate(value, np.mean([one.resampled for one in samples], axis=0), 40)

    assert coverage(0.2, 0.1, 3, of_genealogies_alone) < 0.7


def test_by_hand() -> None:
    """Two networks, resamples with a variance of 2/3 x 4/3: Welch's degrees of freedom."""
    resampled = np.array([-1.0, 1.0, -1.0, 1.0])
    found = over_networks([Sampled(1.0, resampled), Sampled(2.0, resampled)], 9)
    drawn, trained = resampled.var(ddof=1), 0.5 / 2
    freedom = (drawn + trained) ** 2 / (trained**2 / 1 + drawn**2 / 8)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(drawn + trained)
    assert (found.value, found.low, found.high) == pytest.approx((1.5, 1.5 - half, 1.5 + half))


def test_a_single_network_has_the_interval_of_its_resamples() -> None:
    bootstrap = Bootstrap.of_clusters(np.arange(30))
    values = np.random.default_rng(1).uniform(size=30)
    assert over_networks([sampled(values, bootstrap)], 30) == bootstrap.mean(values)


def test_few_genealogies_and_undefined_resamples_have_no_interval() -> None:
    resampled = np.random.default_rng(2).normal(size=100)
    few = over_networks([Sampled(0.0, resampled), Sampled(1.0, resampled)], 4)
    undefined = np.where(np.arange(100) < 20, np.nan, resampled)
    gone = over_networks([Sampled(0.0, undefined), Sampled(1.0, undefined)], 50)
    assert np.isnan([few.low, few.high, gone.low, gone.high]).all()


def test_a_difference_to_a_baseline_is_paired() -> None:
    """Networks that are the baseline plus a number have no variance of genealogies in their difference."""
    base = Sampled(0.2, np.random.default_rng(3).uniform(0.1, 0.3, 50))
    shifted = [Sampled(0.2 + by, base.resampled + by) for by in (0.1, 0.2)]
    found = difference(shifted, [base], 20)
    half = stats.t.ppf(0.975, 1) * np.sqrt(0.005 / 2)
    assert (found.value, found.low) == pytest.approx((0.15, 0.15 - half))


@pytest.mark.parametrize(("one", "other"), [(3, 3), (5, 3)])
def test_a_difference_of_trained_arms_holds_the_truth(one: int, other: int) -> None:
    """Whatever the numbers of networks; 400 draws have a standard error of 0.011 at 0.95."""
    generator = np.random.default_rng(8)
    bootstrap = Bootstrap.of_clusters(np.arange(40), resamples=150)
    held = 0
    for _ in range(400):
        genealogies = generator.normal(0.3, 0.2, 40)
        arms = [
            [
                sampled(genealogies + generator.normal(0, 0.03) + generator.normal(0, 0.05, 40), bootstrap)
                for _ in range(count)
            ]
            for count in (one, other)
        ]
        found = difference(*arms, 40)
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 400 <= 0.99


def test_a_ratio_is_that_of_the_means() -> None:
    base = Sampled(0.2, np.random.default_rng(3).uniform(0.1, 0.3, 50))
    networks = [Sampled(0.2 * times, base.resampled * times) for times in (1.5, 2.5)]
    found = ratio(networks, base, 20)
    assert found.value == pytest.approx(2)
    # The logarithm's standard error is that of the mean over the mean.
    half = stats.t.ppf(0.975, 1) * np.sqrt(0.5 / 2) / 2
    assert (found.low, found.high) == pytest.approx((2 * np.exp(-half), 2 * np.exp(half)))
    single = ratio([Sampled(0.4, base.resampled * 2)], base, 20)
    assert single.value == pytest.approx(2)


def test_a_ratio_to_nothing_has_no_interval() -> None:
    zero = Sampled(0.0, np.zeros(10))
    found = ratio([Sampled(0.1, np.full(10, 0.1))], zero, 20)
    assert np.isnan([found.low, found.high]).all()


def test_proportions_end_at_0_and_1() -> None:
    assert clipped(Estimate(0.9, 0.7, 1.2)) == Estimate(0.9, 0.7, 1.0)
    assert np.isnan(clipped(Estimate(0.9)).low)
