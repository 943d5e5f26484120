"""Logistic regression against statsmodels and scipy."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, special, stats

from mifm_kipoi.statistics.linear import Basis, FitStatus
from mifm_kipoi.statistics.regression import (
    firth,
    firth_p,
    logistic,
    logistic_each,
    logistic_wald,
    slopes_of_bins,
)


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


def people(size: int = 1500, seed: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A design with a year and levels, variables of small and large effects, and cases."""
    generator = np.random.default_rng(seed)
    level = generator.integers(0, 5, size)
    design = np.column_stack(
        [np.ones(size), generator.normal(1955, 8, size), *(level == one for one in range(1, 5))]
    ).astype(float)
    variables = generator.normal(size=(size, 6)) * [1, 1, 1e3, 1, 1, 1]
    logit = -2 + 0.05 * (design[:, 1] - 1955) + 0.4 * design[:, 3] + 2.5 * variables[:, 0]
    cases = generator.random(size) < 1 / (1 + np.exp(-logit - 0.2 * variables[:, 1]))
    return design, variables, cases


def centred(design: np.ndarray) -> np.ndarray:
    """With the year less its mean, since statsmodels itself loses digits of what is far from 0."""
    return np.column_stack([design[:, 0], design[:, 1] - 1955, design[:, 2:]])


def test_wald_fits_are_those_of_statsmodels() -> None:
    design, _, cases = people()
    fit = logistic_wald(design, cases)
    oracle = sm.Logit(cases.astype(float), centred(design)).fit(disp=0, tol=1e-14)
    assert fit.status == FitStatus.FITTED
    assert fit.coefficients[1:] == pytest.approx(oracle.params[1:], abs=1e-9)
    assert fit.standard_errors[1:] == pytest.approx(oracle.bse[1:], rel=1e-9)
    assert fit.log_likelihood == pytest.approx(oracle.llf, rel=1e-12)
    again = logistic_wald(design, cases, start=fit.coefficients + 0.01)
    assert again.coefficients == pytest.approx(fit.coefficients, abs=1e-8)


def test_many_fits_on_shared_covariates_are_those_of_statsmodels() -> None:
    design, variables, cases = people()
    fits = logistic_each(Basis.of(design), variables, cases)
    assert set(fits.status) == {FitStatus.FITTED}
    for number in range(6):
        own = np.column_stack([centred(design), variables[:, number]])
        oracle = sm.Logit(cases.astype(float), own).fit(disp=0, tol=1e-14, maxiter=100)
        assert fits.slopes[number] == pytest.approx(oracle.params[-1], rel=1e-9, abs=1e-9)
        assert fits.standard_errors[number] == pytest.approx(oracle.bse[-1], rel=1e-8)
        assert fits.coefficients[1:, number] == pytest.approx(oracle.params[1:-1], abs=1e-8)
        assert fits.log_likelihoods[number] == pytest.approx(oracle.llf, rel=1e-11)
    assert fits.covariates.coefficients == pytest.approx(logistic_wald(design, cases).coefficients, abs=1e-7)


def test_a_variable_with_a_huge_effect_gets_a_hessian_of_its_own() -> None:
    generator = np.random.default_rng(6)
    design = np.column_stack([np.ones(4000), generator.normal(size=4000)])
    strong = generator.normal(size=4000)
    cases = generator.random(4000) < 1 / (1 + np.exp(-12 * strong))
    fits = logistic_each(Basis.of(design), strong[:, np.newaxis], cases)
    oracle = sm.Logit(cases.astype(float), np.column_stack([design, strong])).fit(disp=0, tol=1e-14)
    assert fits.slopes[0] == pytest.approx(oracle.params[-1], rel=1e-9)
    assert fits.standard_errors[0] == pytest.approx(oracle.bse[-1], rel=1e-7)


def test_separation_is_a_status() -> None:
    design, variables, cases = people(300)
    complete = np.where(cases, 1.0, -1.0) + 0.1 * variables[:, 3]
    # Rows with 1 are all cases; the others are mixed.
    quasi = (np.cumsum(cases) <= 4) & cases
    several = np.column_stack([complete, quasi, variables[:, 1], np.ones(300)])
    fits = logistic_each(Basis.of(design), several, cases)
    expected = [FitStatus.SEPARATED, FitStatus.SEPARATED, FitStatus.FITTED, FitStatus.CONSTANT]
    assert list(fits.status) == expected
    assert list(np.isnan(fits.slopes)) == [True, True, False, True]
    for column in (complete, quasi):
        assert logistic_wald(np.column_stack([design, column]), cases).status == FitStatus.SEPARATED
    assert logistic_wald(np.column_stack([design, design[:, 2]]), cases).status == FitStatus.COLLINEAR
    assert logistic_wald(design, cases & False).status == FitStatus.ONE_CLASS
    assert logistic_wald(design[:6], cases[:6] | (np.arange(6) == 1)).status == FitStatus.TOO_FEW
    alone = logistic_each(Basis.of(np.column_stack([design, quasi])), variables, cases)
    assert set(alone.status) == {alone.covariates.status} == {FitStatus.SEPARATED}


def test_a_steep_but_finite_fit_is_not_separated() -> None:
    x = np.concatenate([np.linspace(-40, -1, 50), [0.4], [-0.4], np.linspace(1, 40, 50)])
    cases = np.concatenate([np.zeros(50), [0], [1], np.ones(50)]).astype(bool)
    design = np.column_stack([np.ones(x.size), x])
    fit = logistic_wald(design, cases)
    oracle = sm.Logit(cases.astype(float), design).fit(disp=0, tol=1e-14, maxiter=200)
    assert fit.status == FitStatus.FITTED
    assert fit.coefficients == pytest.approx(oracle.params, abs=1e-8)


def penalised(coefficients: np.ndarray, design: np.ndarray, cases: np.ndarray) -> float:
    logit = design @ coefficients
    weights = 1 / (2 + 2 * np.cosh(logit))
    information = design.T @ (design * weights[:, None])
    return (logit * cases - np.logaddexp(0, logit)).sum() + np.linalg.slogdet(information)[1] / 2


@pytest.mark.parametrize("separated", [False, True])
def test_firth_maximises_the_penalised_likelihood(separated: bool) -> None:
    generator = np.random.default_rng(7)
    design = np.column_stack([np.ones(80), generator.normal(size=80), np.arange(80) < 9]).astype(float)
    cases = generator.random(80) < 0.3
    cases[:9] = separated | (np.arange(9) % 2 == 0)
    fit = firth(design, cases)
    best = optimize.minimize(
        lambda b: -penalised(b, design, cases), np.zeros(3), method="BFGS", options={"gtol": 1e-9}
    )
    assert fit.status == FitStatus.FITTED
    assert fit.coefficients == pytest.approx(best.x, abs=1e-5)
    assert fit.penalised == pytest.approx(-best.fun, rel=1e-10)
    without = optimize.minimize(
        lambda b: -penalised(np.append(b, 0), design, cases), np.zeros(2), options={"gtol": 1e-9}
    )
    fixed = firth(design, cases, fixed=2)
    assert fixed.coefficients == pytest.approx([*without.x, 0], abs=1e-5)
    assert firth_p(fit, fixed) == pytest.approx(stats.chi2.sf(2 * (without.fun - best.fun), 1), rel=1e-6)
    weights = 1 / (2 + 2 * np.cosh(design @ best.x))
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * weights[:, None]))))
    assert fit.standard_errors == pytest.approx(errors, rel=1e-4)


def test_firth_of_a_two_by_two_table_adds_a_half_to_each_cell() -> None:
    # Of the saturated model, Jeffreys' prior is half an observation in each cell (Heinze and Schemper, 2002).
    exposed, cases = np.repeat([0, 0, 1, 1], [30, 10, 0, 7]), np.repeat([0, 1, 0, 1], [30, 10, 0, 7])
    fit = firth(np.column_stack([np.ones(47), exposed]), cases.astype(bool))
    assert fit.coefficients == pytest.approx(
        [np.log(10.5 / 30.5), np.log(7.5 / 0.5) - np.log(10.5 / 30.5)], rel=1e-8
    )


def test_few_cases_and_a_row_far_out_are_not_separated() -> None:
    generator = np.random.default_rng(8)
    x = generator.normal(size=3000)
    x[0] = 20.0
    design = np.column_stack([np.ones(3000), x, x**2])
    cases = np.zeros(3000, dtype=bool)
    cases[generator.choice(np.flatnonzero(np.abs(x) < 1), 4, replace=False)] = True
    fit = logistic_wald(design, cases)
    assert fit.status == FitStatus.FITTED
    # statsmodels overflows here; at the maximum, the scores are 0.
    expected = special.expit(design @ fit.coefficients)
    assert (cases - expected) @ design == pytest.approx(np.zeros(3), abs=1e-8)
    assert np.abs(design @ fit.coefficients).max() > 15
