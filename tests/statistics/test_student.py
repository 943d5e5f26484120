"""Logarithms of p-values of Student's t, against scipy and, where these underflow, mpmath."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mifm_kipoi.statistics.student import log_p_of_t


@pytest.mark.parametrize("freedom", [1, 3, 40, 20_000, 1e6])
def test_log_p_is_that_of_scipy(freedom: float) -> None:
    t = np.array([0.0, 1e-9, 0.3, -1.96, 5.0, -30.0])
    expected = np.minimum(np.log(2) + stats.t.logsf(np.abs(t), freedom), 0)
    np.testing.assert_allclose(log_p_of_t(t, freedom), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(
    ("t", "freedom", "expected"),
    [
        # mpmath with 50 digits: log(betainc(f / 2, 1 / 2, 0, f / (f + t^2), regularized=True)).
        (37, 10_000, -645.299611385657726),
        (60, 10_000, -1541.59019483451499),
        (40, 488, -357.878737846374914),
        (-40, 1e6, -803.275177569782055),
        (1e6, 100, -1153.82342290595093),
        (1e200, 4, -1840.27631492600849),
    ],
)
def test_tails_that_underflow(t: float, freedom: float, expected: float) -> None:
    np.testing.assert_allclose(log_p_of_t(t, freedom), expected, rtol=1e-12)


def test_the_tail_joins_what_is_computed_directly() -> None:
    t = np.linspace(35.5, 37.5, 400)
    steps = np.diff(log_p_of_t(t, 30_000))
    assert (steps < 0).all()
    np.testing.assert_allclose(np.diff(steps), np.diff(steps).mean(), rtol=0.02)


def test_what_has_no_p_value() -> None:
    found = log_p_of_t([np.nan, 1.0, 1.0, np.inf], [10, 0, -1, 10])
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, -np.inf])
