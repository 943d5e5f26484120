"""Statistics of secondary signals, given the primary one."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from mifm_kipoi.genetics.conditional import given_primary
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor

NAN = float("nan")


def test_rows_of_secondary_signals_with_all_numbers_are_used() -> None:
    primary = np.array([1.0, 0.0, 0.0, 0.0, 0.0, NAN])
    beta = np.array([0.1, 0.2, NAN, 0.2, 0.2, 0.2])
    error = np.array([0.1, 0.05, 0.05, 0.0, np.inf, 0.05])
    found = given_primary(primary, beta, error, np.full(6, 0.04))
    assert found.used.tolist() == [False, True, False, False, False, False]
    np.testing.assert_allclose(found.z[1], 4.0)
    np.testing.assert_allclose(found.log_p[1], np.log(2 * norm.sf(4.0)))
    np.testing.assert_allclose(found.log_bf[1], log_bayes_factor(np.array([4.0]), np.array([0.0025]))[0])


def test_p_values_of_the_table_count_and_those_of_0_follow_from_z() -> None:
    ones = np.ones(3)
    p_value = np.array([0.01, 0.0, NAN])
    found = given_primary(0 * ones, 40 * ones, ones, 0.04 * ones, p_value)
    assert found.used.tolist() == [True, True, False]
    np.testing.assert_allclose(found.log_p[:2], [np.log(0.01), np.log(2) + norm.logsf(40)])
