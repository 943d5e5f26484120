"""Tests of single variants against whole regressions and closed forms."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.cohort.association import LinearModel, ScoreTest, with_intercept

PEOPLE = 400


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dosages of ten variants, the last of which never varies, two covariates, two traits."""
    generator = np.random.default_rng(1)
    dosages = generator.binomial(2, generator.uniform(0.1, 0.9, (10, 1)), (10, PEOPLE)).astype(np.uint8)
    dosages[-1] = 1
    covariates = np.column_stack([generator.normal(50, 8, PEOPLE), generator.integers(0, 2, PEOPLE)])
    traits = generator.normal(size=(PEOPLE, 2)) + 0.3 * dosages[0][:, None] + 0.02 * covariates[:, :1]
    return dosages, covariates, traits


def test_linear_estimates_are_those_of_the_whole_regression(
    people: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    dosages, covariates, traits = people
    found = LinearModel(traits, covariates).test(dosages)
    for trait, own in enumerate(found):
        for variant in range(9):
            X = np.column_stack([dosages[variant], with_intercept(covariates)])
            inverse = np.linalg.inv(X.T @ X)
            weights = inverse @ X.T @ traits[:, trait]
            freedom = PEOPLE - 4
            residual = ((traits[:, trait] - X @ weights) ** 2).sum() / freedom
            error = np.sqrt(residual * inverse[0, 0])
            assert own.beta[variant] == pytest.approx(weights[0], rel=1e-9)
            assert own.standard_error[variant] == pytest.approx(error, rel=1e-9)
            p_value = 2 * stats.t.sf(abs(weights[0] / error), freedom)
            assert np.exp(own.log_p[variant]) == pytest.approx(p_value, rel=1e-8)
        assert np.isnan([own.beta[9], own.standard_error[9], own.log_p[9]]).all()


def test_without_covariates_the_score_test_is_the_trend_test() -> None:
    """Armitage (1955): chi-squared is n r^2 of dosage and case status.

    U / V is their covariance over p (1 - p) times the variance of the dosage.
    """
    generator = np.random.default_rng(2)
    dosages = generator.binomial(2, 0.3, (5, PEOPLE)).astype(np.uint8)
    cases = (generator.random(PEOPLE) < 0.2 + 0.1 * dosages[0]).astype(int)
    found = ScoreTest(cases, np.empty((PEOPLE, 0))).test(dosages)
    p = cases.mean()
    for variant in range(5):
        r = np.corrcoef(dosages[variant], cases)[0, 1]
        assert found.z[variant] ** 2 == pytest.approx(PEOPLE * r**2, rel=1e-9)
        covariance = np.cov(dosages[variant], cases, ddof=0)
        assert found.beta[variant] == pytest.approx(
            covariance[0, 1] / (p * (1 - p) * covariance[0, 0]), rel=1e-9
        )
        assert np.exp(found.log_p[variant]) == pytest.approx(stats.chi2.sf(PEOPLE * r**2, 1), rel=1e-8)


def test_score_tests_come_near_the_maximum_likelihood_estimate() -> None:
    generator = np.random.default_rng(3)
    count = 20_000
    dosages = generator.binomial(2, 0.4, (1, count)).astype(np.uint8)
    covariates = generator.normal(size=(count, 1))
    logit = -1 + 0.1 * dosages[0] + 0.5 * covariates[:, 0]
    cases = (generator.random(count) < 1 / (1 + np.exp(-logit))).astype(int)
    X = np.column_stack([dosages[0], with_intercept(covariates)]).astype(float)
    weights = np.zeros(3)
    for _ in range(30):
        fitted = 1 / (1 + np.exp(-(X @ weights)))
        information = (X * (fitted * (1 - fitted))[:, None]).T @ X
        weights += np.linalg.solve(information, X.T @ (cases - fitted))
    error = np.sqrt(np.linalg.inv(information)[0, 0])
    found = ScoreTest(cases, covariates).test(dosages)
    assert found.beta[0] == pytest.approx(weights[0], rel=0.01)
    assert found.standard_error[0] == pytest.approx(error, rel=0.01)
    assert found.z[0] == pytest.approx(weights[0] / error, rel=0.005)


def test_p_values_of_noise_are_uniform() -> None:
    generator = np.random.default_rng(4)
    dosages = generator.binomial(2, 0.3, (2000, PEOPLE)).astype(np.uint8)
    covariates = generator.normal(size=(PEOPLE, 2))
    linear = LinearModel(generator.normal(size=(PEOPLE, 1)), covariates).test(dosages)[0]
    binary = ScoreTest(generator.integers(0, 2, PEOPLE), covariates).test(dosages)
    for found in (linear, binary):
        assert stats.kstest(np.exp(found.log_p), "uniform").pvalue > 0.001


def test_what_cannot_be_fitted_is_an_error() -> None:
    generator = np.random.default_rng(5)
    cases = generator.integers(0, 2, PEOPLE)
    one = generator.normal(size=PEOPLE)
    for dependent in (np.column_stack([one, 2 * one]), np.ones((PEOPLE, 1))):
        with pytest.raises(ValueError, match="linearly dependent"):
            LinearModel(one[:, None], dependent)
        with pytest.raises(ValueError, match="linearly dependent"):
            ScoreTest(cases, dependent)
    with pytest.raises(ValueError, match="without cases"):
        ScoreTest(np.zeros(PEOPLE, dtype=int), one[:, None])
    # A covariate that separates cases from controls.
    with pytest.raises(ValueError, match="does not converge"):
        ScoreTest(cases, (cases + 0.0)[:, None])
