"""Bayes factors and the effects that they expect, against coloc's formulas and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mifm_kipoi.statistics.bayes_factors import (
    Trait,
    log_bayes_factor,
    prior_variances,
    sampling_variance,
    trait_variances,
)

NAN = math.nan
QUANTITATIVE, CASE_CONTROL, UNKNOWN = Trait.QUANTITATIVE, Trait.CASE_CONTROL, Trait.UNKNOWN


def coloc(p_value: float, f: float, n: float, s: float | None) -> float:
    """``approx.bf.p`` of coloc 5: log ABF of a p-value; s is the fraction of cases, None if quantitative."""
    sd_prior, variance = (0.15, 1 / (2 * n * f * (1 - f))) if s is None else (
        0.2, 1 / (2 * n * f * (1 - f) * s * (1 - s))
    )  # fmt: skip
    z = stats.norm.isf(p_value / 2)
    r = sd_prior**2 / (sd_prior**2 + variance)
    return float(0.5 * (math.log(1 - r) + r * z**2))


@given(
    st.floats(1e-300, 0.9), st.floats(0.001, 0.999), st.floats(100, 1e6), st.none() | st.floats(0.001, 0.999)
)
def test_p_value_frequency_and_size_give_the_bayes_factor_of_coloc(
    p_value: float, f: float, n: float, s: float | None
) -> None:
    trait, fraction = (QUANTITATIVE, NAN) if s is None else (CASE_CONTROL, s)
    variance = sampling_variance([trait], [n], [f], [fraction])
    # The sampling variance is on the scale of log odds, or the trait has a variance of 1.
    prior = prior_variances([trait], trait_variances(variance, [n], [f]), [fraction])
    z = np.array([stats.norm.isf(p_value / 2)])
    assert log_bayes_factor(z, variance, prior)[0] == pytest.approx(
        coloc(p_value, f, n, s), rel=1e-9, abs=1e-9
    )


def test_numbers_of_coloc_by_hand() -> None:
    # p = 5e-8 (z = 5.4513), f = 0.3, n = 10,000: V = 1/4200, r = 0.0225 / (0.0225 + V) = 0.989528.
    variance = sampling_variance([QUANTITATIVE], [10_000], [0.3], [NAN])
    assert variance[0] == pytest.approx(1 / 4200)
    found = log_bayes_factor(np.array([5.451310]), variance, np.array([0.0225]))
    assert found[0] == pytest.approx(0.5 * (math.log(0.010472) + 0.989528 * 29.716785), rel=1e-4)
    # With a fifth of cases V = 1 / (4200 0.16) and r = 0.04 / (0.04 + V) = 0.964132.
    variance = sampling_variance([CASE_CONTROL], [10_000], [0.3], [0.2])
    assert variance[0] == pytest.approx(1 / 672)
    found = log_bayes_factor(np.array([5.451310]), variance, np.array([0.04]))
    assert found[0] == pytest.approx(0.5 * (math.log(0.035868) + 0.964132 * 29.716785), rel=1e-4)


@given(st.floats(0.01, 100), st.floats(0.01, 0.99), st.floats(100, 1e6), st.floats(-8, 8))
def test_units_of_a_quantitative_trait_do_not_matter(unit: float, f: float, n: float, z: float) -> None:
    variance = unit**2 / (2 * n * f * (1 - f))
    prior = prior_variances([QUANTITATIVE], trait_variances([variance], [n], [f]), [NAN])
    assert prior[0] == pytest.approx((0.15 * unit) ** 2)
    own = log_bayes_factor(np.array([z]), np.array([variance]), prior)
    direct = 0.0225 / (0.0225 + 1 / (2 * n * f * (1 - f)))
    assert own[0] == pytest.approx(0.5 * (math.log1p(-direct) + direct * z**2), rel=1e-6, abs=1e-9)


def test_prior_variances_of_each_kind() -> None:
    n, f, phi = 10_000.0, 0.25, 0.1
    information = 2 * n * f * (1 - f)
    rows = [
        (QUANTITATIVE, 4 / information, n, f, NAN, 0.0225 * 4),
        (QUANTITATIVE, 4 / information, NAN, f, NAN, 0.0225),  # a variance of 1 is all that can be said
        (QUANTITATIVE, 4 / information, n, 0.0, NAN, 0.0225),
        (QUANTITATIVE, NAN, n, f, NAN, 0.0225),
        (CASE_CONTROL, 1 / (0.09 * information), n, f, phi, 0.04),
        (CASE_CONTROL, 0.09 / information, n, f, phi, 0.04 * 0.09**2),  # of a linear model
        (CASE_CONTROL, 0.09 / information, n, f, NAN, 0.04 * 0.09**2),
        (CASE_CONTROL, 0.01, NAN, f, phi, 0.04),
        (UNKNOWN, 4 / information, n, f, NAN, 0.04),
        (UNKNOWN, NAN, NAN, NAN, NAN, 0.04),
    ]
    trait, variance, size, frequency, fraction, expected = map(np.array, zip(*rows, strict=True))
    of_trait = trait_variances(variance, size, frequency)
    np.testing.assert_allclose(prior_variances(trait, of_trait, fraction), expected)


def test_a_linear_model_of_cases_has_the_bayes_factor_of_the_logistic_one() -> None:
    n, f, phi, z = 50_000.0, 0.2, 0.05, np.array([6.0, 6.0])
    information, spread = 2 * n * f * (1 - f), phi * (1 - phi)
    variance = np.array([1 / (spread * information), spread / information])
    of_trait = trait_variances(variance, [n] * 2, [f] * 2)
    np.testing.assert_allclose(of_trait, [1 / spread, spread])
    prior = prior_variances([CASE_CONTROL] * 2, of_trait, [phi] * 2)
    logistic, linear = log_bayes_factor(z, variance, prior)
    assert linear == pytest.approx(logistic)


def test_the_fraction_of_cases_of_a_linear_model_follows_from_its_variance() -> None:
    """At most 1/4; a fraction that is given counts first, and log odds ratios need none."""
    found = prior_variances([CASE_CONTROL] * 5, [0.1, 0.5, 0.1, 16, NAN], [NAN, NAN, 0.05, NAN, NAN])
    np.testing.assert_allclose(found, 0.04 * np.array([0.1, 0.25, 0.0475, 1, 1]) ** 2)


def test_variances_that_are_not_known() -> None:
    found = sampling_variance([CASE_CONTROL, UNKNOWN, UNKNOWN], [100, 100, NAN], [0.5, 0.5, 0.5], [NAN] * 3)
    np.testing.assert_allclose(found, [NAN, 1 / 50, NAN])
    found = trait_variances(
        [0.01, NAN, np.inf, 0.01, 0.01, 0], [100, 100, 100, 0, 100, 100], [0.5] * 4 + [1, 0.5]
    )
    np.testing.assert_allclose(found, [0.5, NAN, NAN, NAN, NAN, NAN])


@pytest.mark.parametrize("trait", list(Trait))
def test_a_missing_standard_error_is_in_the_units_of_the_study(trait: Trait) -> None:
    variance = np.array([0.04, 0.4])
    of_trait = trait_variances(variance, [1000] * 2, [0.2, 0.5])
    # Without and with the fraction of cases, which the study's own variance makes unnecessary.
    found = sampling_variance([trait] * 2, [1000] * 2, [0.2, 0.5], [NAN, 0.1], of_trait)
    np.testing.assert_allclose(found, variance)


def test_kinds_by_name() -> None:
    assert [Trait.of(name) for name in ("", "quantitative", "case_control")] == [0, 1, 2]
    with pytest.raises(ValueError, match="trait is 'unknown'; expected quantitative or case_control"):
        Trait.of("unknown")
