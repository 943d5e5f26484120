"""Corrections for many tests, by hand and by statsmodels."""

import numpy as np
import pytest

from mifm_kipoi.statistics.multiple_testing import benjamini_hochberg, holm

multitest = pytest.importorskip("statsmodels.stats.multitest")


def test_by_hand() -> None:
    p_values = np.array([0.02, np.nan, 0.01, 0.02])
    # Sorted 0.01 x 3, 0.02 x 2, 0.02 x 1: the last is no smaller than the one before.
    assert holm(p_values) == pytest.approx([0.04, np.nan, 0.03, 0.04], nan_ok=True)
    # 0.01 x 3/1, 0.02 x 3/2, 0.02 x 3/3: the first is no larger than the last.
    assert benjamini_hochberg(p_values) == pytest.approx([0.02, np.nan, 0.02, 0.02], nan_ok=True)
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
    assert holm(np.empty(0)).size == 0


def test_by_statsmodels() -> None:
    p_values = np.random.default_rng(1).uniform(0, 0.2, 20)
    for adjusted, method in (
        (holm(p_values), "holm"),
        (benjamini_hochberg(p_values), "fdr_bh"),
        (benjamini_hochberg(p_values, dependent=True), "fdr_by"),
    ):
        assert adjusted == pytest.approx(multitest.multipletests(p_values, method=method)[1], rel=1e-12)
