"""Correlations and their intervals, against scipy and plain resampling."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from mifm_kipoi.statistics.correlation import (
    Resamples,
    bootstrap_estimate,
    mean_estimate,
    partial,
    pearson,
    spearman,
)


def effects(n: int, seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    y = 0.5 * x + random.normal(size=n)
    return (np.round(x, 1), np.round(y, 0)) if ties else (x, 1e6 + 1e-3 * y)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [3, 17, 400])
def test_equal_to_scipy(n: int, ties: bool) -> None:
    x, y = effects(n, n, ties)
    once = np.ones((1, n))
    assert pearson(x, y, once)[0] == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-9)
    assert spearman(x, y, once)[0] == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_rows_that_are_there_several_times_are_those_rows(ties: bool) -> None:
    x, y = effects(60, 1, ties)
    weights = np.random.default_rng(2).integers(0, 4, size=(250, 60)).astype(float)
    found = pearson(x, y, weights), spearman(x, y, weights)
    for draw in (0, 99, 100, 249):
        times = weights[draw].astype(int)
        a, b = np.repeat(x, times), np.repeat(y, times)
        assert found[0][draw] == pytest.approx(scipy.stats.pearsonr(a, b).statistic, abs=1e-9)
        assert found[1][draw] == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-9)


def test_draws_keep_the_exchanges_of_a_base_together() -> None:
    positions = np.array([30, 10, 10, 20, 30, 30])
    draws = Resamples(positions, 500, np.random.default_rng(1))
    assert draws.size == 3
    assert draws.weights.shape == (501, 6)
    assert (draws.weights[0] == 1).all()
    assert (draws.weights[:, 0] == draws.weights[:, 4]).all()
    assert (draws.weights[:, 1] == draws.weights[:, 2]).all()
    assert (draws.weights[1:, [0, 1, 3]].sum(axis=1) == 3).all()
    # Each position comes once a draw on average; its count is binomial (3, 1/3).
    assert draws.weights[1:, [0, 1, 3]].mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    again = Resamples(positions, 500, np.random.default_rng(1))
    assert (again.weights == draws.weights).all()


def test_the_interval_is_that_of_plain_resampling() -> None:
    random = np.random.default_rng(3)
    positions = np.repeat(np.arange(80), 3)
    shared = random.normal(size=80)[positions]
    x = shared + 0.3 * random.normal(size=240)
    y = 0.4 * shared + random.normal(size=80)[positions]
    draws = Resamples(positions, 2000, np.random.default_rng(4))
    found = bootstrap_estimate(spearman(x, y, draws.weights), draws.size)
    plain = []
    for _ in range(2000):
        # Four stretches of a third of 80 positions, less than 50, around the end.
        chosen = [(start + step) % 80 for start in random.integers(0, 80, 4) for step in range(26)][:80]
        rows = np.concatenate([np.arange(3 * p, 3 * p + 3) for p in chosen])
        plain.append(scipy.stats.spearmanr(x[rows], y[rows]).statistic)
    low, high = np.percentile(plain, (2.5, 97.5))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)
    assert found.value == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)


@pytest.mark.parametrize(
    ("positions", "stretch"),
    [
        (np.arange(600), 50),
        (np.arange(151), 50),
        (np.arange(149), 49),
        (np.arange(30), 10),
        (np.arange(2), 1),
        # One of five bases was measured.
        (np.arange(0, 600, 5), 10),
        (np.array([1, 1000, 5000]), 1),
    ],
)
def test_stretches_of_positions_are_drawn(positions: np.ndarray, stretch: int) -> None:
    draws = Resamples(np.repeat(positions, 3), 300, np.random.default_rng(1))
    assert draws.stretch == stretch
    times = draws.weights[1:, ::3]
    assert (times.sum(axis=1) == len(positions)).all()
    # Counts change where a stretch begins or ends, and nowhere else.
    pieces = -(-len(positions) // stretch)
    changes = np.abs(times - np.roll(times, 1, axis=1)).sum(axis=1)
    assert changes.max() <= 2 * pieces
    assert times.mean(axis=0) == pytest.approx(np.ones(len(positions)), abs=0.35)


def test_no_draws() -> None:
    assert Resamples(np.array([4, 4, 9]), 0, np.random.default_rng(1)).weights.tolist() == [[1, 1, 1]]


def test_noise_that_is_alike_at_neighbours_seldom_seems_to_correlate() -> None:
    """Positions drawn one by one exclude 0 in half of such elements."""
    random = np.random.default_rng(6)
    excluded = 0
    for _ in range(60):
        x, y = (np.convolve(random.normal(size=309), np.ones(10), "valid") for _ in range(2))
        draws = Resamples(np.arange(300), 200, random)
        found = bootstrap_estimate(spearman(x, y, draws.weights), draws.size)
        excluded += not found.low <= 0 <= found.high
    assert excluded < 20


def test_where_there_is_no_correlation() -> None:
    same, y = np.full(20, 0.1), np.arange(20.0)
    draws = Resamples(np.arange(20), 50, np.random.default_rng(1))
    assert np.isnan(pearson(same, y, draws.weights)).all()
    assert np.isnan(spearman(y, same, draws.weights)).all()
    assert np.isnan(pearson(y[:0], y[:0], np.ones((2, 0)))).all()
    assert np.isnan(bootstrap_estimate(spearman(same, y, draws.weights), 20).value)
    # One value in twenty differs: a third of the draws are without it.
    rare = np.where(np.arange(20) == 3, 5.0, 0.1)
    assert 0.2 < np.isnan(pearson(rare, y, draws.weights)[1:]).mean() < 0.6
    few = bootstrap_estimate(spearman(y, y, draws.weights), 9)
    assert few.value == pytest.approx(1)
    assert np.isnan([few.low, few.high]).all()


def test_partial_correlation_is_that_of_residuals() -> None:
    random = np.random.default_rng(5)
    x, y, z = (scipy.stats.rankdata(values) for values in random.normal(size=(3, 50)).cumsum(axis=0))
    once = np.ones((1, 50))
    found = partial(*(spearman(a, b, once) for a, b in ((x, y), (x, z), (y, z))))

    def rest(values: np.ndarray) -> np.ndarray:
        return values - np.polyval(np.polyfit(z, values, 1), z)

    assert found[0] == pytest.approx(scipy.stats.pearsonr(rest(x), rest(y)).statistic, abs=1e-9)
    assert np.isnan(partial(np.ones(1), np.ones(1), np.ones(1))[0])


def test_mean_over_elements() -> None:
    values = np.array([0.1, 0.4, np.nan, -0.2, 0.3])
    found = mean_estimate(values)
    known = values[np.isfinite(values)]
    low, high = scipy.stats.t.interval(0.95, 3, known.mean(), scipy.stats.sem(known))
    assert (found.value, found.low, found.high) == pytest.approx((known.mean(), low, high), abs=1e-12)
    single = mean_estimate(values[:1])
    assert single.value == 0.1
    assert np.isnan(single.low)
    assert np.isnan(mean_estimate(values[2:3]).value)
