"""Replication, power and equality of effects, against statsmodels and simulated effects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mifm_kipoi.statistics.replication import difference_p, equality_p, replicates, replication_power


def test_replication_needs_sign_and_p():
    log_p = np.log([0.001, 0.001, 0.02, np.nan])
    assert replicates([1, -1, 1, 1], [2, 2, 2, 2], log_p, 0.05 / 5).tolist() == [True, False, False, False]


def test_power_is_the_fraction_of_effects_that_replicate():
    rng = np.random.default_rng(3)
    drawn = 0.3 + 0.1 * rng.normal(size=200_000)
    log_p = np.log(2) + stats.norm.logsf(np.abs(drawn) / 0.1)
    fraction = replicates(np.full(len(drawn), 0.3), drawn, log_p, 0.01).mean()
    assert replication_power([-0.3], [0.1], 0.01)[0] == pytest.approx(fraction, abs=0.004)
    # Without an effect half of the level is left, for the sign must fit.
    assert replication_power([0], [0.1], 0.01)[0] == pytest.approx(0.005)


def test_differences_equal_a_z_test():
    assert difference_p([0.5], [0.3], [0.1], [0.4])[0] == pytest.approx(2 * stats.norm.sf(0.4 / 0.5))


def test_equality_is_two_one_sided_tests_of_a_ratio():
    weightstats = pytest.importorskip("statsmodels.stats.weightstats", reason="statsmodels is the oracle")
    rng = np.random.default_rng(4)
    one, other = rng.normal(1, 0.5, 40), rng.normal(0.9, 0.7, 40)
    errors = one.std(ddof=1) / np.sqrt(40), other.std(ddof=1) / np.sqrt(40)
    above = weightstats.CompareMeans.from_data(other, one / 2).ztest_ind("larger", usevar="unequal")[1]
    below = weightstats.CompareMeans.from_data(one * 2, other).ztest_ind("larger", usevar="unequal")[1]
    ours = equality_p([one.mean()], [errors[0]], [other.mean()], [errors[1]], 2)[0]
    assert ours == pytest.approx(max(above, below), rel=1e-9)
    assert equality_p([-1.0], [0.1], [-0.9], [0.1], 2) == equality_p([1.0], [0.1], [0.9], [0.1], 2)
    with pytest.raises(ValueError, match="factor is 1"):
        equality_p([1], [0.1], [1], [0.1], 1)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_equality_has_its_level_at_the_edge(ratio):
    rng = np.random.default_rng(6)
    one = rng.normal(1, 0.1, 40_000)
    other = rng.normal(ratio, 0.15, 40_000)
    rejected = (equality_p(one, np.full(40_000, 0.1), other, np.full(40_000, 0.15), 2) < 0.05).sum()
    low, high = stats.binom.interval(0.999, 40_000, 0.05)
    assert low <= rejected <= high
