"""Means of clusters against statsmodels, Holm's correction against statsmodels and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.statistics.means import holm, mean_of_clusters

pytest.importorskip("scipy")


def test_mean_of_clusters_is_that_of_statsmodels() -> None:
    api = pytest.importorskip("statsmodels.api")
    generator = np.random.default_rng(0)
    cluster = generator.integers(0, 12, 60)
    values = 0.4 + generator.normal(size=12)[cluster] + generator.normal(size=60)
    found = mean_of_clusters(values, cluster)
    fit = api.OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    assert found.estimate.value == pytest.approx(fit.params[0], rel=1e-12)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(fit.conf_int()[0], rel=1e-9)
    assert found.p_value == pytest.approx(fit.pvalues[0], rel=1e-9)
    assert found.clusters == 12


def test_without_an_interval() -> None:
    few = mean_of_clusters(np.arange(8.0), np.arange(8) // 2)
    assert few.estimate.value == 3.5
    assert np.isnan([few.estimate.low, few.p_value]).all()
    same = mean_of_clusters(np.full(8, 0.1), np.arange(8))
    assert same.estimate.value == pytest.approx(0.1)
    assert np.isnan([same.estimate.high, same.p_value]).all()
    none = mean_of_clusters(np.empty(0), np.empty(0, np.int64))
    assert np.isnan(none.estimate.value)
    assert none.clusters == 0


def test_holm_by_hand_and_by_statsmodels() -> None:
    # Sorted 0.01 x 3, 0.02 x 2, 0.02 x 1: the last is no smaller than the one before.
    assert holm(np.array([0.02, np.nan, 0.01, 0.02])) == pytest.approx(
        [0.04, np.nan, 0.03, 0.04], nan_ok=True
    )
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = np.random.default_rng(1).uniform(0, 0.2, 20)
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1], rel=1e-12)
