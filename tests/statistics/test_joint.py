"""Joint regressions from cross products, against statsmodels, cojopy and brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.statistics.joint import (
    added_test,
    dependent_sets,
    joint_fit,
    linear_products,
    prune,
    score_products,
    subset_fits,
    summary_products,
)

sm = pytest.importorskip("statsmodels.api", reason="statsmodels is the oracle")
from statsmodels.tools.sm_exceptions import SingularMatrixWarning  # noqa: E402 - it may be missing

CLOSE = {"rtol": 1e-8, "atol": 1e-12}


def genotypes(rng, people, variants, alike=0.95):
    """Copies of alleles that are alike, (variants, people)."""
    shared = rng.random((2, people)) < 0.3
    own = rng.random((variants, 2, people)) < 0.3
    return np.where(rng.random((variants, 2, people)) < alike, shared, own).sum(axis=1).astype(np.float32)


@pytest.fixture
def cohort():
    rng = np.random.default_rng(1)
    x = genotypes(rng, 800, 7)
    age = rng.normal(50, 8, 800)
    covariates = np.column_stack([np.ones(800), age, rng.random(800) < 0.5])
    trait = 0.2 * x[2] - 0.1 * x[5] + 0.02 * age + rng.normal(size=800)
    return x, covariates, trait


def products_of(x, covariates, trait):
    return linear_products(x, np.linalg.qr(covariates)[0], trait)


def test_linear_regressions_equal_statsmodels(cohort):
    x, covariates, trait = cohort
    products = products_of(x, covariates, trait)
    for rows in ([0], [2, 5], [6, 0, 3], list(range(7))):
        fit = joint_fit(products, rows)
        exog = np.column_stack([x[rows].T.astype(float), covariates])
        oracle = sm.OLS(trait, exog).fit()
        size = len(rows)
        np.testing.assert_allclose(fit.coefficients, oracle.params[:size], **CLOSE)
        np.testing.assert_allclose(fit.standard_errors, oracle.bse[:size], **CLOSE)
        np.testing.assert_allclose(np.exp(fit.log_p), oracle.pvalues[:size], rtol=1e-7)
        assert fit.freedom == oracle.df_resid
        np.testing.assert_allclose(fit.dispersion, oracle.mse_resid, **CLOSE)


def test_variance_inflation_factors_equal_statsmodels(cohort):
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    x, covariates, trait = cohort
    fit = joint_fit(products_of(x, covariates, trait))
    exog = np.column_stack([x.T.astype(float), covariates])
    np.testing.assert_allclose(fit.vif, [variance_inflation_factor(exog, i) for i in range(7)], **CLOSE)
    assert fit.vif.min() > 5


@pytest.mark.parametrize("added", [[5], [1, 5, 6]])
def test_the_partial_f_test_equals_statsmodels(cohort, added):
    x, covariates, trait = cohort
    test = added_test(products_of(x, covariates, trait), [2], added)
    small = sm.OLS(trait, np.column_stack([x[[2]].T.astype(float), covariates])).fit()
    large = sm.OLS(trait, np.column_stack([x[[2, *added]].T.astype(float), covariates])).fit()
    statistic, p_value, freedom = large.compare_f_test(small)
    np.testing.assert_allclose(test.statistic, statistic, rtol=1e-7)
    np.testing.assert_allclose(np.exp(test.log_p), p_value, rtol=1e-7)
    assert test.added == freedom == len(added)


def test_collinear_designs_have_the_rank_and_the_estimable_effects_of_statsmodels(cohort):
    x, covariates, trait = cohort
    x = np.vstack([x, 2 - x[3], x[0] + x[1], np.ones(800)]).astype(np.float64)
    products = products_of(x, covariates, trait)
    fit = joint_fit(products)
    exog = np.column_stack([x.T, covariates])
    with pytest.warns(SingularMatrixWarning):
        oracle = sm.OLS(trait, exog).fit(method="pinv")
    assert fit.rank + covariates.shape[1] == np.linalg.matrix_rank(exog) == 10
    assert fit.estimable.tolist() == [False, False, True, False, True, True, True, False, False, False]
    own = np.flatnonzero(fit.estimable)
    np.testing.assert_allclose(fit.coefficients[own], oracle.params[own], **CLOSE)
    np.testing.assert_allclose(fit.standard_errors[own], oracle.bse[own], **CLOSE)
    assert np.isinf(fit.vif[[3, 7]]).all()
    assert fit.freedom == oracle.df_resid
    np.testing.assert_allclose(fit.dispersion, oracle.mse_resid, **CLOSE)
    assert sorted(map(sorted, dependent_sets(products, range(10)))) == [[0, 1, 8], [3, 7], [9]]
    # What a repeated variable adds is nothing, which has no test.
    assert np.isnan(added_test(products, [3], [7]).log_p)
    assert added_test(products, [3], [7, 5]).added == 1


def test_a_variable_that_is_a_covariate_has_no_effect(cohort):
    x, covariates, trait = cohort
    fit = joint_fit(products_of(np.vstack([x[:2], covariates[:, 2]]), covariates, trait))
    assert fit.estimable.tolist() == [True, True, False]
    assert fit.rank == 2


def test_regressions_of_nearly_equal_variants_equal_statsmodels():
    rng = np.random.default_rng(5)
    x = genotypes(rng, 3000, 1)
    others = np.repeat(x, 3, axis=0)
    for row in range(3):
        others[row, rng.choice(3000, 2, replace=False)] = 1  # r2 of 0.999
    x = np.vstack([x, others])
    covariates = np.ones((3000, 1))
    trait = 0.1 * x[0] + rng.normal(size=3000)
    fit = joint_fit(products_of(x, covariates, trait))
    oracle = sm.OLS(trait, np.column_stack([x.T.astype(float), covariates])).fit()
    assert fit.vif.max() > 300
    np.testing.assert_allclose(fit.coefficients, oracle.params[:4], rtol=1e-8)
    np.testing.assert_allclose(fit.standard_errors, oracle.bse[:4], rtol=1e-8)


def test_one_newton_step_equals_the_first_step_of_statsmodels(cohort):
    x, covariates, trait = cohort
    cases = (trait > np.quantile(trait, 0.7)).astype(float)
    null = sm.Logit(cases, covariates).fit(disp=0, tol=1e-12)
    p = null.predict()
    weights = p * (1 - p)
    basis = np.linalg.qr(covariates * np.sqrt(weights)[:, None])[0]
    products = score_products(x, weights, basis, cases - p)
    rows = [1, 2, 5]
    model = sm.Logit(cases, np.column_stack([x[rows].T.astype(float), covariates]))
    start = np.concatenate([np.zeros(3), null.params])
    step = np.linalg.solve(-model.hessian(start), model.score(start))
    fit = joint_fit(products, rows)
    np.testing.assert_allclose(fit.coefficients, step[:3], rtol=1e-7)
    errors = np.sqrt(np.diag(np.linalg.inv(-model.hessian(start))))[:3]
    np.testing.assert_allclose(fit.standard_errors, errors, rtol=1e-8)
    full = model.fit(disp=0)
    np.testing.assert_allclose(fit.statistics, full.params[:3] / full.bse[:3], atol=0.1)


def test_subsets_have_the_fits_of_each(cohort):
    x, covariates, trait = cohort
    rng = np.random.default_rng(2)
    for extra in (x[:0], 2 - x[3:4]):  # the second: dependent
        products = products_of(np.vstack([x, extra]), covariates, trait)
        subsets = np.array(
            [rng.permutation(len(products))[:4] for _ in range(50)] + [[3, 1, 2, len(products) - 1]]
        )
        coefficients, errors, freedom = subset_fits(products, subsets)
        for rows, one, error, degrees in zip(subsets, coefficients, errors, freedom, strict=True):
            fit = joint_fit(products, rows)
            np.testing.assert_allclose(one, fit.coefficients, rtol=1e-9)
            np.testing.assert_allclose(error, fit.standard_errors, rtol=1e-9)
            assert degrees == fit.freedom


def test_joint_effects_of_summary_statistics_equal_cojo(cohort):
    cojopy = pytest.importorskip("cojopy", reason="cojopy is the oracle")
    x, _, trait = cohort
    fits = [sm.OLS(trait, np.column_stack([row.astype(float), np.ones(800)])).fit() for row in x]
    table = pd.DataFrame({
        "SNP": [f"v{i}" for i in range(7)], "A1": "A", "A2": "G", "b": [fit.params[0] for fit in fits],
        "se": [fit.bse[0] for fit in fits], "p": [fit.pvalues[0] for fit in fits], "freq": x.mean(axis=1) / 2,
        "N": np.linspace(780, 800, 7),
    })  # fmt: skip
    r = np.corrcoef(x)
    oracle = cojopy.COJO()
    oracle.load_sumstats(sumstats=table, ld_matrix=r)
    expected = oracle.run_joint_analysis()
    effects, errors, frequencies, sizes = (table[name].to_numpy() for name in ("b", "se", "freq", "N"))
    fit = joint_fit(summary_products(r, effects, errors, frequencies, sizes))
    np.testing.assert_allclose(fit.coefficients, expected["joint_beta"], rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, expected["joint_se"], rtol=1e-9)
    np.testing.assert_allclose(np.exp(fit.log_p), expected["joint_p"], rtol=1e-9)


def test_pruning_keeps_the_first_and_names_what_it_stands_for():
    r2 = np.array([[1, 0.995, 0.95, 0.2], [0.995, 1, 0.992, 0.2], [0.95, 0.992, 1, 0.2], [0.2, 0.2, 0.2, 1]])
    pruned = prune(r2, [0, 1, 2, 3], 0.99)
    assert pruned.kept.tolist() == [0, 2, 3]
    assert pruned.stands_for.tolist() == [0, 0, 2, 3]
    assert prune(r2, [1, 0, 2, 3], 0.99).stands_for.tolist() == [1, 1, 1, 3]
    assert prune(np.ones((2, 2)), [0, 1], 1.0).kept.tolist() == [0, 1]
