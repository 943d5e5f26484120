"""Logistic regression against statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm

from mifm_kipoi.statistics.regression import logistic, slopes_of_bins


def data(size: int = 900, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    cluster = generator.integers(0, 30, size)
    shared = generator.normal(size=30)[cluster]
    design = np.column_stack(
        [np.ones(size), generator.random(size) < 0.3, shared + generator.normal(size=size)]
    )
    odds = np.exp(-1 + 0.5 * design[:, 1] + 0.7 * design[:, 2] + shared)
    return design, generator.random(size) < odds / (1 + odds), cluster


def test_coefficients_and_cluster_robust_errors_are_those_of_statsmodels() -> None:
    design, outcome, cluster = data()
    fit = logistic(design, outcome, cluster)
    oracle = sm.Logit(outcome.astype(float), design).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": cluster}, tol=1e-12
    )
    assert fit.coefficients == pytest.approx(oracle.params, abs=1e-8)
    assert fit.standard_errors == pytest.approx(oracle.bse, rel=1e-6)
    assert fit.clusters == 30


def test_a_start_far_away_leads_to_the_same_fit() -> None:
    design, outcome, cluster = data(seed=3)
    expected = logistic(design, outcome, cluster)
    again = logistic(design, outcome, cluster, start=np.array([4.0, -3.0, 5.0]))
    assert again.coefficients == pytest.approx(expected.coefficients, abs=1e-7)


def test_without_both_classes_in_a_column_there_is_no_fit() -> None:
    design, outcome, cluster = data()
    outcome = outcome & (design[:, 1] == 0)
    fit = logistic(design, outcome, cluster)
    assert np.isnan(fit.coefficients).all()
    assert np.isnan(fit.standard_errors).all()


def test_slopes_of_bins_are_those_of_the_rows() -> None:
    generator = np.random.default_rng(2)
    x = np.linspace(-2, 2, 9)
    totals = generator.integers(5, 40, (2, 3, 9))
    hits = generator.binomial(totals, 1 / (1 + np.exp(1 - np.array([0.0, 0.8, -1.5])[:, None] * x)))
    slopes = slopes_of_bins(x, hits.astype(float), totals.astype(float))
    assert slopes.shape == (2, 3)
    for index in np.ndindex(2, 3):
        rows = np.repeat(x, totals[index])
        inside = np.concatenate([np.arange(n) < k for n, k in zip(totals[index], hits[index], strict=True)])
        oracle = sm.Logit(inside.astype(float), sm.add_constant(rows)).fit(disp=0, tol=1e-12)
        assert slopes[index] == pytest.approx(oracle.params[1], abs=1e-7)


def test_slopes_without_both_classes_or_with_separated_ones_are_unknown() -> None:
    totals = np.full((3, 4), 10.0)
    hits = np.array([[0, 0, 0, 0], [10, 10, 10, 10], [0, 0, 10, 10]], dtype=float)
    assert np.isnan(slopes_of_bins(np.arange(4.0), hits, totals)).all()
