"""Resamples against closed forms and plain Python."""

import numpy as np
import pytest

from mifm_kipoi.statistics import bootstrap
from mifm_kipoi.statistics.bootstrap import (
    RESAMPLES,
    Clusters,
    centred,
    estimate,
    resampled_within_classes,
    standard_error,
    two_sided_p,
)
from mifm_kipoi.statistics.ranking import Curve


def test_the_mean_has_the_interval_of_independent_values() -> None:
    values = np.random.default_rng(1).exponential(size=400)
    found = Clusters(np.arange(400)).mean(values)
    error = 1.96 * values.std() / 20
    assert found.value == values.mean()
    assert found.value - found.low == pytest.approx(error, rel=0.1)
    assert found.high - found.value == pytest.approx(error, rel=0.1)


def test_rows_of_one_cluster_count_once() -> None:
    values = np.random.default_rng(2).normal(size=150)
    repeated = np.repeat(values, 6)
    once = Clusters(np.arange(150)).mean(values)
    together = Clusters(np.repeat(np.arange(150) * 5 - 100, 6)).mean(repeated)
    apart = Clusters(np.arange(900)).mean(repeated)
    assert (together.low, together.high) == pytest.approx((once.low, once.high), rel=1e-9)
    # The ends of either are known to some percent, from a thousand resamples.
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(6**0.5, rel=0.2)


def test_the_interval_of_a_statistic_is_that_of_the_mean() -> None:
    generator = np.random.default_rng(3)
    cluster = generator.integers(0, 12, 200)
    values = generator.normal(size=200)
    clusters = Clusters(cluster)
    mean = clusters.mean(values)
    found = clusters.interval(lambda weights: values @ weights / weights.sum(axis=0))
    assert (found.value, found.low, found.high) == pytest.approx((mean.value, mean.low, mean.high), rel=1e-9)
    assert clusters.weights.shape == (RESAMPLES, 12)
    assert (clusters.weights.sum(axis=1) == 12).all()


def test_the_seed_decides_the_interval() -> None:
    values = np.arange(30.0)
    first, again, other = (Clusters(np.arange(30), seed).mean(values) for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert (first.low, first.high) != (other.low, other.high)


def test_the_order_of_rows_leaves_the_interval() -> None:
    generator = np.random.default_rng(4)
    cluster, values = generator.integers(0, 9, 60), generator.normal(size=60)
    order = generator.permutation(60)
    one, other = Clusters(cluster).mean(values), Clusters(cluster[order]).mean(values[order])
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)


def test_resamples_without_a_value_are_left_out() -> None:
    """The only causal row is in one of two clusters, which a quarter of the resamples lack."""
    causal = np.array([True, False])
    clusters = Clusters(np.array([4, 8]))
    found = clusters.interval(Curve(np.array([1.0, 0.0]), causal).average_precision)
    assert (found.value, found.low, found.high) == (1, 1, 1)
    nothing = clusters.interval(lambda weights: np.full(weights.shape[1], np.nan))
    assert np.isnan([nothing.low, nothing.high]).all()


def test_resamples_are_those_of_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a cluster are there as often as it was drawn, whatever is in memory at once."""
    generator = np.random.default_rng(6)
    cluster, values = generator.integers(3, 9, 40), generator.normal(size=40)
    clusters = Clusters(cluster, seed=4, resamples=57)
    expected = []
    for drawn in clusters.weights:
        times = dict(zip(clusters.names.tolist(), drawn.tolist(), strict=True))
        expected.append(
            sum(value * times[name] for name, value in zip(cluster.tolist(), values, strict=True))
        )

    def total(weights: bootstrap.Values) -> bootstrap.Values:
        return np.stack([values @ weights, weights.sum(axis=0)])

    for chunk_size in (1, 40 * 10, 1 << 20):
        monkeypatch.setattr(bootstrap, "_AT_ONCE", chunk_size)
        found = clusters.resampled(total)
        assert found.shape == (2, 57)
        assert found[0].tolist() == pytest.approx(expected)
        sizes = clusters.weights @ np.bincount(cluster)[3:]
        assert found[1].tolist() == sizes.tolist()


def test_values_that_are_drawn_with_some_rows() -> None:
    """Of groups whose rows are in clusters: one value of each group, drawn with one of its rows."""
    clusters = Clusters(np.array([5, 5, 8, 8, 9]), seed=2, resamples=200)
    found = clusters.means(np.array([1.0, 4.0]), np.array([1, 4]))
    fives, _, nines = clusters.weights.T
    with np.errstate(invalid="ignore"):
        expected = (1 * fives + 4 * nines) / (fives + nines)
    assert found.tolist() == pytest.approx(expected.tolist(), nan_ok=True)
    assert np.isnan(found).any()


def test_classes_are_drawn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    positive = np.arange(50) % 5 == 0

    def sums(weights: bootstrap.Values) -> bootstrap.Values:
        return np.stack([weights[positive].sum(axis=0), weights[~positive].sum(axis=0), weights[0]])

    monkeypatch.setattr(bootstrap, "_AT_ONCE", 50 * 7)
    found = resampled_within_classes(positive, sums, seed=3, resamples=300)
    assert found.shape == (3, 300)
    assert set(found[0]) == {10}
    assert set(found[1]) == {40}
    # Binomial with 10 draws of 1/10 each.
    assert found[2].mean() == pytest.approx(1, abs=0.2)
    assert found[2].var() == pytest.approx(0.9, rel=0.3)
    again = resampled_within_classes(positive, sums, seed=3, resamples=300)
    assert (again == found).all()
    assert (resampled_within_classes(positive, sums, seed=4, resamples=300) != found).any()


def test_the_standard_error_within_classes_is_that_of_the_mean() -> None:
    generator = np.random.default_rng(7)
    positive, values = np.arange(900) < 400, generator.normal(size=900)
    found = resampled_within_classes(positive, lambda w: values[positive] @ w[positive] / 400, resamples=2000)
    assert standard_error(found) == pytest.approx(values[positive].std() / 20, rel=0.08)


def test_standard_errors_leave_nan_out() -> None:
    assert standard_error(np.array([1.0, np.nan, 2, 4])) == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert np.isnan(standard_error(np.array([1.0, np.nan])))


def test_quantiles_leave_nan_out() -> None:
    found = estimate(0.4, np.append(np.arange(101.0), [np.nan] * 30))
    assert (found.value, found.low, found.high) == (0.4, 2.5, 97.5)


def test_centred_resamples_have_the_value_as_their_mean() -> None:
    found = centred(0.2, np.array([0.1, 0.4, np.nan, 0.7]))
    assert found.tolist() == pytest.approx([-0.1, 0.2, np.nan, 0.5], nan_ok=True)
    assert np.isnan(centred(0.2, np.full(3, np.nan))).all()


def test_centred_intervals_hold_the_truth_more_often() -> None:
    """Of a score that is no better than chance, in matched groups of one positive and nine others."""
    generator = np.random.default_rng(8)
    plain = better = 0
    for seed in range(120):
        score, positive = generator.normal(size=200), np.arange(200) % 10 == 0
        curve = Curve(score, positive)
        resampled = Clusters(np.arange(200) // 10, seed, 300).resampled(curve.average_precision)
        value = float(curve.average_precision())
        found, moved = estimate(value, resampled), estimate(value, centred(value, resampled))
        plain += found.low <= 0.1 <= found.high
        better += moved.low <= 0.1 <= moved.high
    assert plain / 120 < 0.92
    assert better / 120 > 0.93


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0] * 99, 2 / 100),
        ([1.0] * 96 + [-1.0] * 3, 8 / 100),
        ([-1.0] * 96 + [1.0] * 3, 8 / 100),
        ([0.0] * 99, 1),
        ([0.0] * 9 + [1.0] * 90, 20 / 100),
        ([1.0] * 99 + [np.nan] * 50, 2 / 100),
    ],
)
def test_two_sided_p_values_by_hand(differences: list[float], p: float) -> None:
    assert two_sided_p(np.array(differences)) == pytest.approx(p)


def test_no_differences_have_no_p_value() -> None:
    assert np.isnan(two_sided_p(np.array([np.nan])))


def test_p_values_are_even_where_nothing_differs() -> None:
    generator = np.random.default_rng(9)
    found = [
        two_sided_p(Clusters(np.arange(60), seed, 400).means(generator.normal(size=60)))
        for seed in range(300)
    ]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.09)
