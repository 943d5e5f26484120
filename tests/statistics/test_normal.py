"""Logarithms of p-values, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from mifm_kipoi.statistics.normal import log_p_of_z, normal_scores, z_of_log_p


def test_log_p_of_z_is_exact_where_p_underflows() -> None:
    z = np.array([0.0, 0.5, -1.96, 10, 38.6, -1000])
    np.testing.assert_allclose(log_p_of_z(z), np.log(2) + special.log_ndtr(-np.abs(z)), rtol=1e-10)
    assert log_p_of_z(np.array([0.0])) == [0]
    assert np.isnan(log_p_of_z(np.array([np.nan]))).all()


@pytest.mark.parametrize("log_p", [-1e-9, -1e-3, -0.5, -3.0, -50.0, -744.0, -1e5, -1e12])
def test_z_of_log_p_is_its_inverse(log_p: float) -> None:
    expected = -special.ndtri_exp(log_p - np.log(2))
    np.testing.assert_allclose(z_of_log_p(np.array([log_p])), [expected], rtol=1e-6)
    np.testing.assert_allclose(log_p_of_z(z_of_log_p(np.array([log_p]))), [log_p], rtol=1e-6)


def test_z_of_the_ends() -> None:
    found = z_of_log_p(np.array([0, -np.inf, np.nan, 0.1]))
    np.testing.assert_array_equal(found, [0, np.inf, np.nan, np.nan])


def test_normal_scores_are_quantiles_of_ranks() -> None:
    values = np.array([30.0, np.nan, 10.0, 20.0, 20.0, -5.0])
    ranks = np.array([5, np.nan, 2, 3.5, 3.5, 1])
    np.testing.assert_allclose(normal_scores(values), special.ndtri((ranks - 0.375) / 5.25), rtol=1e-12)
    np.testing.assert_allclose(normal_scores(values, 0.5), special.ndtri((ranks - 0.5) / 5), rtol=1e-12)
