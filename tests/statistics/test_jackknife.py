"""The jackknife against plain recomputation."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from mifm_kipoi.statistics.jackknife import effective_blocks, jackknife, left_out

Values = npt.NDArray[np.float64]


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(1)


def test_a_ratio_of_sums_is_computed_with_each_block_left_out(generator: np.random.Generator) -> None:
    x, y, block = generator.random(300), generator.random(300), generator.integers(0, 12, 300)
    sums = np.stack([np.bincount(block, each, 12) for each in (x, y)])
    rest = left_out(sums)
    plain = np.array([x[block != one].sum() / y[block != one].sum() for one in range(12)])
    assert rest[0] / rest[1] == pytest.approx(plain)
    result = jackknife(x.sum() / y.sum(), rest[0] / rest[1])
    error = np.sqrt(11 / 12 * ((plain - plain.mean()) ** 2).sum())
    assert float(result.standard_error) == pytest.approx(error)
    ratio = x.sum() / y.sum()
    assert float(result.p_value) == pytest.approx(2 * stats.t.sf(ratio / error, 11))
    assert float(result.high - result.low) == pytest.approx(2 * stats.t.ppf(0.975, 11) * error)


def test_of_means_of_equal_blocks_it_is_the_usual_standard_error(generator: np.random.Generator) -> None:
    means = generator.normal(size=40)
    without = (means.sum() - means) / 39
    result = jackknife(means.mean(), without)
    assert float(result.standard_error) == pytest.approx(means.std(ddof=1) / np.sqrt(40))
    assert float(result.p_value) == pytest.approx(stats.ttest_1samp(means, 0).pvalue)


def test_there_is_no_interval_without_enough_blocks_or_variation() -> None:
    assert np.isnan(jackknife(0.5, np.array([0.4, 0.5, 0.5, 0.6])).standard_error)
    assert np.isnan(jackknife(0.5, np.full(20, 0.5)).standard_error)
    some = np.array([0.4, 0.5, 0.5, 0.6, 0.5, 0.45])
    assert np.isfinite(jackknife(0.5, some).low)
    assert np.isnan(jackknife(0.5, some, effective=4.0).low)
    some[2] = np.inf
    assert np.isnan(jackknife(0.5, some).low)


def test_effective_blocks() -> None:
    assert effective_blocks(np.array([[1.0] * 8, [1.0] * 2 + [0.0] * 6, [0.0] * 8])).tolist() == [8, 2, 0]
