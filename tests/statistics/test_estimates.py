"""Estimates: quantiles by hand, and when there is no interval."""

import numpy as np
import pytest
import scipy.stats

from mifm_kipoi.statistics.estimates import (
    Estimate,
    centred,
    estimate,
    mean_of_units,
    percentile_intervals,
    standard_error,
    two_sided_p,
)

VALUES = np.arange(101.0)


def test_quantiles_by_hand() -> None:
    assert estimate(0.4, VALUES, 9) == Estimate(0.4, 2.5, 97.5)


@pytest.mark.parametrize(
    ("value", "resampled", "clusters", "known"),
    [
        (50.0, VALUES, 5, True),
        (50.0, VALUES, 4, False),
        (50.0, np.append(VALUES, [np.nan] * 5), 9, True),
        (50.0, np.append(VALUES, [np.nan] * 6), 9, False),
        (50.0, np.append(VALUES, [np.inf] * 6), 9, False),
        (1.0, np.ones(100), 9, False),
        (1.0, np.append(np.ones(100), 2.0), 9, False),
        (1.0, np.append(np.ones(100), [2.0] * 10), 9, True),
        (np.nan, VALUES, 9, False),
        (50.0, VALUES[:0], 9, False),
    ],
)
def test_when_there_is_no_interval(value: float, resampled: np.ndarray, clusters: int, known: bool) -> None:
    found = estimate(value, resampled, clusters)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert np.isfinite([found.low, found.high]).tolist() == [known, known]


def test_undefined_resamples_are_left_out() -> None:
    found = estimate(50, np.append(VALUES, [np.nan] * 5), 9)
    assert (found.low, found.high) == (2.5, 97.5)


def test_many_intervals_are_those_of_each() -> None:
    generator = np.random.default_rng(1)
    value, resampled = generator.normal(size=(2, 3)), generator.normal(size=(2, 3, 200))
    resampled[generator.random(resampled.shape) < 0.02] = np.nan
    value[0, 1] = np.nan
    clusters = np.array([[7], [4]])
    low, high = percentile_intervals(value, resampled, clusters)
    for index in np.ndindex(2, 3):
        one = estimate(value[index], resampled[index], int(clusters[index[0], 0]))
        assert [low[index], high[index]] == pytest.approx([one.low, one.high], nan_ok=True)
    assert np.isnan(low).tolist() == [[False, True, False], [True] * 3]


def test_standard_errors_leave_nan_out() -> None:
    assert standard_error(np.array([1.0, np.nan, 2, 4])) == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert np.isnan(standard_error(np.array([1.0, np.nan])))


def test_centred_resamples_have_the_value_as_their_mean() -> None:
    found = centred(0.2, np.array([0.1, 0.4, np.nan, 0.7]))
    assert found.tolist() == pytest.approx([-0.1, 0.2, np.nan, 0.5], nan_ok=True)
    assert np.isnan(centred(0.2, np.full(3, np.nan))).all()


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0] * 99, 2 / 100),
        ([1.0] * 96 + [-1.0] * 3, 8 / 100),
        ([-1.0] * 96 + [1.0] * 3, 8 / 100),
        ([0.0] * 99, 1),
        ([0.0] * 9 + [1.0] * 90, 20 / 100),
        ([1.0] * 99 + [np.nan] * 5, 2 / 100),
    ],
)
def test_two_sided_p_values_by_hand(differences: list[float], p: float) -> None:
    assert two_sided_p(np.array(differences), 9) == pytest.approx(p)


def test_where_there_is_no_p_value() -> None:
    assert np.isnan(two_sided_p(np.array([np.nan]), 9))
    assert np.isnan(two_sided_p(np.array([1.0] * 94 + [np.nan] * 6), 9))
    assert np.isnan(two_sided_p(np.ones(99), 4))


def test_the_mean_of_units_has_the_interval_of_student() -> None:
    values = np.array([0.1, 0.4, np.nan, -0.2, 0.3])
    found = mean_of_units(values)
    known = values[np.isfinite(values)]
    low, high = scipy.stats.t.interval(0.95, 3, known.mean(), scipy.stats.sem(known))
    assert (found.value, found.low, found.high) == pytest.approx((known.mean(), low, high), abs=1e-12)
    single = mean_of_units(values[:1])
    assert single.value == 0.1
    assert np.isnan(single.low)
    assert np.isnan(mean_of_units(values[2:3]).value)
