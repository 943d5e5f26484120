"""Correlations, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from mifm_kipoi.statistics.correlation import (
    Ranks,
    correlation_of_moments,
    moments,
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
    assert float(pearson(x, y)) == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-9)
    assert float(spearman(x, y)) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_sizes_of_values_do_not_matter(scale: float) -> None:
    x, y = effects(50, 3, ties=False)
    assert float(pearson(scale * x, y)) == pytest.approx(float(pearson(x, y)), abs=1e-12)


def test_products_of_float32_lose_no_digits() -> None:
    x, y = np.random.default_rng(4).normal(size=(2, 5000)).cumsum(axis=1).astype(np.float32)
    expected = np.corrcoef(x.astype(np.float64), y.astype(np.float64))[0, 1]
    assert float(pearson(x, y)) == pytest.approx(expected, abs=1e-12)


def test_sums_of_moments_are_those_of_rows() -> None:
    x, y = effects(40, 8, ties=True)
    weights = np.random.default_rng(1).integers(0, 3, size=(40, 7)).astype(float)
    found = correlation_of_moments(moments(x, y) @ weights)
    assert found.tolist() == pytest.approx(pearson(x, y, weights).tolist(), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_rows_that_are_there_several_times_are_those_rows(ties: bool) -> None:
    x, y = effects(60, 1, ties)
    weights = np.random.default_rng(2).integers(0, 4, size=(60, 250)).astype(float)
    found = pearson(x, y, weights), spearman(x, y, weights)
    for draw in (0, 99, 100, 249):
        times = weights[:, draw].astype(int)
        a, b = np.repeat(x, times), np.repeat(y, times)
        assert found[0][draw] == pytest.approx(scipy.stats.pearsonr(a, b).statistic, abs=1e-9)
        assert found[1][draw] == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-9)


def test_where_there_is_no_correlation() -> None:
    same, y = np.full(20, 0.1), np.arange(20.0)
    weights = np.random.default_rng(1).multinomial(20, np.full(20, 1 / 20), 200).T.astype(float)
    assert np.isnan(pearson(same, y, weights)).all()
    assert np.isnan(spearman(y, same, weights)).all()
    assert np.isnan(pearson(y[:0], y[:0], np.ones((0, 2)))).tolist() == [True, True]
    assert np.isnan(spearman(y[:0], y[:0], np.ones((0, 2)))).tolist() == [True, True]
    assert np.isnan(pearson(np.where(y == 3, np.inf, y), y))
    # One value in twenty differs: 0.95^20 of the draws are without it.
    rare = np.where(np.arange(20) == 3, 5.0, 0.1)
    lacking = weights[3] == 0
    assert 0.2 < lacking.mean() < 0.6
    assert (np.isnan(pearson(rare, y, weights)) == lacking).all()
    assert (np.isnan(spearman(rare, y, weights)) == lacking).all()


def test_ranks_among_a_subset_are_those_of_scipy() -> None:
    generator = np.random.default_rng(3)
    values = generator.integers(0, 5, 200).astype(float)
    values[generator.random(200) < 0.2] = np.nan
    rows = ~np.isnan(values) & (generator.random(200) < 0.5)
    found = Ranks(values).centred(rows.astype(float))[rows]
    assert (found == scipy.stats.rankdata(values[rows]) - (rows.sum() + 1) / 2).all()


def test_partial_correlation_is_that_of_residuals() -> None:
    random = np.random.default_rng(5)
    x, y, z = (scipy.stats.rankdata(values) for values in random.normal(size=(3, 50)).cumsum(axis=0))
    found = partial(*(spearman(a, b, np.ones((50, 1))) for a, b in ((x, y), (x, z), (y, z))))

    def rest(values: np.ndarray) -> np.ndarray:
        return values - np.polyval(np.polyfit(z, values, 1), z)

    assert found[0] == pytest.approx(scipy.stats.pearsonr(rest(x), rest(y)).statistic, abs=1e-9)
    assert np.isnan(partial(np.ones(1), np.ones(1), np.ones(1))[0])
