"""Statistics of single variants, against statsmodels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from mifm_kipoi.association.models import NullModel, linear_model, logistic_model
from mifm_kipoi.association.scan import Associations, Scan
from mifm_kipoi.errors import InputError

PEOPLE, VARIANTS = 700, 150


class Cohort:
    """People with covariates (two of them about 10,000), a quantitative and a binary trait, and genotypes."""

    def __init__(self, missing: float, seed: int = 7) -> None:
        generator = np.random.default_rng(seed)
        centre = generator.integers(0, 3, PEOPLE)
        self.design = np.column_stack(
            [np.ones(PEOPLE), 1e4 + 50 * generator.normal(size=(PEOPLE, 2)), centre == 1, centre == 2]
        )
        frequency = generator.uniform(0.02, 0.98, VARIANTS)
        self.dosages = generator.binomial(2, frequency, (PEOPLE, VARIANTS)).T.astype(np.float32)
        # Dosages between whole numbers, as of imputation.
        self.dosages[:20] = np.clip(self.dosages[:20] + generator.normal(0, 0.1, (20, PEOPLE)), 0, 2)
        effect = np.nan_to_num(self.dosages[30], nan=0.5)
        self.height = generator.normal(size=PEOPLE) + 0.5 * effect + self.design[:, 1] / 40
        liability = generator.normal(size=PEOPLE) + 0.4 * effect + 0.4 * (centre == 1)
        self.sick = (liability > 1).astype(np.float64)
        self.dosages[generator.random(self.dosages.shape) < missing] = np.nan
        self.centre = centre
        self.known = generator.random(PEOPLE) > 0.1

    def linear(self, known: np.ndarray | None = None) -> NullModel:
        known = np.ones(PEOPLE, dtype=bool) if known is None else known
        return linear_model("height", known, self.height[known], self.design[known])

    def logistic(self, known: np.ndarray | None = None) -> NullModel:
        known = np.ones(PEOPLE, dtype=bool) if known is None else known
        return logistic_model("sick", known, self.sick[known], self.design[known])


def least_squares(cohort: Cohort, variant: int, known: np.ndarray) -> tuple[float, float, float, float]:
    """Coefficient, its error, t and the degrees of freedom, by statsmodels."""
    genotype = cohort.dosages[variant].astype(np.float64)
    some = known & ~np.isnan(genotype)
    fit = sm.OLS(cohort.height[some], np.column_stack([cohort.design[some], genotype[some]])).fit()
    return fit.params[-1], fit.bse[-1], fit.tvalues[-1], fit.df_resid


def assert_least_squares(cohort: Cohort, found: Associations, known: np.ndarray) -> None:
    expected = np.array([least_squares(cohort, variant, known) for variant in range(VARIANTS)])
    np.testing.assert_allclose(found.beta, expected[:, 0], rtol=1e-8)
    np.testing.assert_allclose(found.standard_error, expected[:, 1], rtol=1e-8)
    np.testing.assert_allclose(found.statistic, expected[:, 2], rtol=1e-8)
    np.testing.assert_array_equal(found.freedom, expected[:, 3])
    log_p = np.log(2) + stats.t.logsf(np.abs(expected[:, 2]), expected[:, 3])
    np.testing.assert_allclose(found.log_p, log_p, rtol=1e-8)


@pytest.mark.parametrize("missing", [0.0, 0.02, 0.4])
def test_linear_regression_is_that_of_statsmodels(missing: float) -> None:
    cohort = Cohort(missing)
    everyone = np.ones(PEOPLE, dtype=bool)
    # Traits that different people have, in one pass.
    models = [cohort.linear(), cohort.linear(cohort.known)]
    _, (all_of_them, some) = Scan(models).test(cohort.dosages)
    assert_least_squares(cohort, all_of_them, everyone)
    assert_least_squares(cohort, some, cohort.known)


def test_the_statistic_is_bolts() -> None:
    """BOLT-LMM: CHISQ = (N - C) r^2 with C covariates and an intercept, SE = |beta| / sqrt(CHISQ)."""
    cohort = Cohort(0.0)
    _, (found,) = Scan([cohort.linear()]).test(cohort.dosages)
    projected = [sm.OLS(each, cohort.design).fit().resid for each in (cohort.height, *cohort.dosages)]
    correlation = np.corrcoef(projected)[0, 1:]
    chi_square = (PEOPLE - 5) * correlation**2
    np.testing.assert_allclose(
        (found.freedom + 1) * found.statistic**2 / (found.statistic**2 + found.freedom), chi_square, rtol=1e-8
    )


def test_genotyped_people_are_counted() -> None:
    cohort = Cohort(0.05)
    genotyped, (found, sick) = Scan([cohort.linear(cohort.known), cohort.logistic()]).test(cohort.dosages)
    has = ~np.isnan(cohort.dosages)
    np.testing.assert_array_equal(genotyped.observed, has.sum(axis=1))
    np.testing.assert_allclose(genotyped.total, np.nansum(cohort.dosages, axis=1, dtype=np.float64))
    np.testing.assert_allclose(genotyped.squares, np.nansum(cohort.dosages.astype(np.float64) ** 2, axis=1))
    np.testing.assert_allclose(genotyped.frequency, np.nanmean(cohort.dosages, axis=1) / 2, rtol=1e-5)
    own = has & cohort.known
    np.testing.assert_array_equal(found.observed, own.sum(axis=1))
    means = [cohort.dosages[row, own[row]].mean(dtype=np.float64) / 2 for row in range(VARIANTS)]
    np.testing.assert_allclose(found.frequency, means, rtol=1e-12)
    np.testing.assert_array_equal(sick.cases, (has & (cohort.sick > 0)).sum(axis=1))


def test_the_score_test_is_that_of_statsmodels() -> None:
    cohort = Cohort(0.0)
    _, (found,) = Scan([cohort.logistic(cohort.known)]).test(cohort.dosages)
    known = cohort.known
    null = sm.Logit(cohort.sick[known], _standardised(cohort.design[known])).fit(disp=0, tol=1e-14)
    mu = null.predict()
    glm = sm.GLM(cohort.sick[known], _standardised(cohort.design[known]), family=sm.families.Binomial()).fit(
        tol=1e-14
    )
    for variant in range(0, VARIANTS, 7):
        genotype = cohort.dosages[variant, known].astype(np.float64)
        # statsmodels has the square of z.
        square = np.asarray(glm.score_test(exog_extra=genotype[:, np.newaxis])[0]).item()
        np.testing.assert_allclose(found.statistic[variant] ** 2, square, rtol=1e-7)
        np.testing.assert_allclose(
            found.statistic[variant] * found.standard_error[variant], found.beta[variant], rtol=1e-12
        )
        score = genotype @ (cohort.sick[known] - mu)
        assert np.sign(found.beta[variant]) == np.sign(score)
    np.testing.assert_allclose(found.log_p, np.log(2) + stats.norm.logsf(np.abs(found.statistic)), rtol=1e-9)


def test_without_covariates_the_score_test_is_the_trend_test() -> None:
    """Armitage (1955): chi-squared is n r^2 of dosage and case status."""
    cohort = Cohort(0.0)
    everyone = np.ones(PEOPLE, dtype=bool)
    _, (found,) = Scan([logistic_model("sick", everyone, cohort.sick, np.ones((PEOPLE, 1)))]).test(
        cohort.dosages
    )
    p = cohort.sick.mean()
    for variant in range(VARIANTS):
        moments = np.cov(cohort.dosages[variant].astype(np.float64), cohort.sick, ddof=0)
        square = PEOPLE * moments[0, 1] ** 2 / (moments[0, 0] * moments[1, 1])
        assert found.statistic[variant] ** 2 == pytest.approx(square, rel=1e-9)
        assert found.beta[variant] == pytest.approx(moments[0, 1] / (p * (1 - p) * moments[0, 0]), rel=1e-9)


def test_score_tests_with_missing_genotypes_are_close_to_those_of_their_people() -> None:
    cohort = Cohort(0.03)
    everyone = np.ones(PEOPLE, dtype=bool)
    _, (found,) = Scan([cohort.logistic()]).test(cohort.dosages)
    own = []
    for variant in range(VARIANTS):
        some = everyone & ~np.isnan(cohort.dosages[variant])
        _, (alone,) = Scan([cohort.logistic(some)]).test(cohort.dosages[[variant]])
        own.append(alone.statistic[0])
    # The intercept alone moves by a step; without that step the statistics differ ten times as much.
    np.testing.assert_allclose(found.statistic, own, atol=0.01, rtol=0.01)


def test_variants_without_an_estimate() -> None:
    cohort = Cohort(0.0)
    dosages = cohort.dosages[:6].copy()
    dosages[0] = 2
    dosages[1] = np.nan
    dosages[2] = cohort.centre == 1
    dosages[3, 5:] = np.nan
    dosages[4, cohort.sick > 0] = np.nan
    _, (height, sick) = Scan([cohort.linear(), cohort.logistic()]).test(dosages)
    np.testing.assert_array_equal(np.isnan(height.beta), [True, True, True, True, False, False])
    np.testing.assert_array_equal(np.isnan(sick.beta), [True, True, True, True, True, False])
    np.testing.assert_array_equal(np.isnan(height.log_p), np.isnan(height.beta))
    np.testing.assert_array_equal(np.isnan(sick.standard_error), np.isnan(sick.beta))


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_a_variant_that_explains_a_trait_wholly_has_the_smallest_p(missing: float) -> None:
    """statsmodels has its effect, and an error and a p-value that are rounding."""
    cohort = Cohort(missing)
    genotype = np.nan_to_num(cohort.dosages[25], nan=1.0).astype(np.float64)
    cohort.height = 1 + 2 * genotype + 0.01 * cohort.design[:, 1]
    beta, error, _, freedom = least_squares(cohort, 25, cohort.known)
    assert error < 1e-12
    _, (found,) = Scan([cohort.linear(cohort.known)]).test(cohort.dosages[20:30])
    np.testing.assert_allclose(found.beta[5], beta, rtol=1e-8)
    assert error <= found.standard_error[5] < 1e-4
    assert found.explains_wholly.tolist() == [number == 5 for number in range(10)]
    # t^2 = f r^2 / (1 - r^2), of which 1 - r^2 is 1e-12.
    np.testing.assert_allclose(found.statistic[5] ** 2, freedom * 1e12, rtol=1e-6)
    assert found.log_p.argmin() == 5
    assert -np.inf < found.log_p[5] < -10 * freedom
    # What hardly differs from it is not wholly explained.
    cohort.height = cohort.height + 1e-4 * np.random.default_rng(1).normal(size=PEOPLE)
    _, (found,) = Scan([cohort.linear(cohort.known)]).test(cohort.dosages[25:26])
    assert not found.explains_wholly.any()
    _, error, statistic, _ = least_squares(cohort, 25, cohort.known)
    np.testing.assert_allclose([found.standard_error[0], found.statistic[0]], [error, statistic], rtol=1e-6)


def test_a_trait_that_is_constant_among_those_with_the_genotype_has_no_estimate() -> None:
    cohort = Cohort(0.0)
    cohort.height = np.where(np.arange(PEOPLE) < 30, cohort.height, 1.3) + 0.01 * cohort.design[:, 1]
    dosages = cohort.dosages[20:22].copy()
    dosages[0, :30] = np.nan
    _, (found,) = Scan([cohort.linear()]).test(dosages)
    np.testing.assert_array_equal(np.isnan(found.beta), [True, False])
    np.testing.assert_array_equal(np.isnan(found.log_p), [True, False])


def test_a_level_that_only_people_without_a_genotype_have() -> None:
    cohort = Cohort(0.0)
    dosages = cohort.dosages[:3].copy()
    dosages[0, cohort.centre == 2] = np.nan
    _, (found,) = Scan([cohort.linear()]).test(dosages)
    some = cohort.centre != 2
    fit = sm.OLS(
        cohort.height[some], np.column_stack([cohort.design[some, :4], dosages[0, some].astype(np.float64)])
    ).fit()
    np.testing.assert_allclose(found.beta[0], fit.params[-1], rtol=1e-8)
    np.testing.assert_allclose(found.standard_error[0], fit.bse[-1], rtol=1e-8)
    assert found.freedom[0] == fit.df_resid


def test_traits_that_cannot_be_tested_are_refused() -> None:
    everyone = np.ones(6, dtype=bool)
    ones = np.ones((6, 1))
    with pytest.raises(InputError, match=r"height is constant.* 6 people"):
        linear_model("height", everyone, np.full(6, 3.1), ones)
    with pytest.raises(InputError, match=r"sick has no controls among the 6"):
        logistic_model("sick", everyone, np.ones(6), ones)
    with pytest.raises(InputError, match=r"sick has no cases among the 6"):
        logistic_model("sick", everyone, np.zeros(6), ones)
    with pytest.raises(InputError, match=r"height has 6 people .* at least 7"):
        linear_model("height", everyone, np.arange(6.0), np.random.default_rng(1).normal(size=(6, 5)))
    half = np.array([0, 0, 0, 1, 1, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=r"covariates tell the 3 cases of sick from its 3 controls"):
            logistic_model("sick", everyone, half, np.column_stack([np.ones(6), half]))


def _standardised(design: np.ndarray) -> np.ndarray:
    """The same space in units in which statsmodels converges."""
    return np.column_stack(
        [np.ones(len(design)), (design[:, 1:] - design[:, 1:].mean(0)) / design[:, 1:].std(0)]
    )


@pytest.mark.parametrize("level", [0.05, 0.005])
def test_the_size_of_the_tests_is_their_level(level: float) -> None:
    """Of 20,000 variants without an effect, as many are below it as a binomial interval of 99 % has."""
    generator = np.random.default_rng(11)
    people, variants = 400, 20_000
    design = np.column_stack([np.ones(people), generator.normal(size=(people, 3))])
    everyone = np.ones(people, dtype=bool)
    sick = (generator.normal(size=people) + design[:, 1] > 0.3).astype(np.float64)
    # A heavy tail, which the central limit theorem takes care of.
    models = [
        linear_model("height", everyone, generator.standard_t(5, people) + design[:, 1], design),
        logistic_model("sick", everyone, sick, design),
    ]
    frequency = generator.uniform(0.1, 0.5, (variants, 1))
    dosages = generator.binomial(2, frequency, (variants, people)).astype(np.float32)
    dosages[:, :8] = np.nan
    _, found = Scan(models).test(dosages)
    low, high = stats.binom.interval(0.99, variants, level)
    for one in found:
        assert low <= (one.log_p < np.log(level)).sum() <= high
