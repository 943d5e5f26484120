"""Explained variance: published examples, statsmodels, simulations and the bootstrap."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.explained import (
    deviations,
    liability,
    log_losses,
    r_squared_difference,
    r_squared_interval,
    r_squared_variance,
    reduction,
    resampled_reduction,
    squared_errors,
)

# Correlations of y with the first two scores of r2redux's data set dat1 (1,000 people), and between the two.
# The numbers below are those of its manual (version 1.0.17).
FIRST, SECOND, BETWEEN = 0.1958635858047999, 0.19700596097178366, 0.9981002699643893


def test_variance_and_interval_of_r2_are_those_of_r2redux() -> None:
    r_squared = FIRST**2
    assert r_squared == pytest.approx(0.03836254, abs=5e-9)
    assert r_squared_variance(r_squared, 1000) == pytest.approx(0.0001436128, abs=5e-11)
    assert r_squared_variance(SECOND**2, 1000) == pytest.approx(0.0001451358, abs=5e-11)
    interval = r_squared_interval(r_squared, 1000)
    assert (interval.low, interval.high) == pytest.approx((0.01764252, 0.06433782), abs=5e-9)


def test_variance_of_the_r2_of_two_scores_together_is_that_of_r2redux() -> None:
    assert r_squared_variance(0.03896678, 1000, predictors=2) == pytest.approx(0.0001473686, rel=1e-6)


def test_difference_of_two_r2_is_that_of_r2redux() -> None:
    difference = r_squared_difference(FIRST, SECOND, BETWEEN, 1000)
    assert difference.value == pytest.approx(-0.0004488044, abs=5e-11)
    assert difference.standard_error**2 == pytest.approx(5.678517e-07, abs=5e-14)
    assert difference.p_value == pytest.approx(0.5514562, abs=5e-8)
    # r2redux has 1.96 for the quantile.
    assert (difference.low, difference.high) == pytest.approx((-0.001925781, 0.001028172), abs=5e-8)
    same = r_squared_difference(0.3, 0.3, 1.0, 1000)
    assert (same.value, same.p_value) == (0, 1)


def people(size: int = 2000, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariates with a constant, two scores, and an outcome."""
    generator = np.random.default_rng(seed)
    covariates = np.column_stack([np.ones(size), generator.normal(size=(size, 2))])
    genetic = generator.normal(size=size)
    scores = genetic[:, None] + generator.normal(size=(size, 2)) * [0.7, 0.9]
    return covariates, scores, covariates @ [0.4, 0.5, 0] + 0.5 * genetic + generator.normal(size=size)


def test_r2_of_fits_to_all_people_are_those_of_statsmodels() -> None:
    covariates, scores, outcome = people()
    base = sm.OLS(outcome, covariates).fit()
    full = [sm.OLS(outcome, np.column_stack([covariates, score])).fit() for score in scores.T]
    losses = squared_errors(np.column_stack([fit.fittedvalues for fit in full]), outcome)
    before, total = squared_errors(base.fittedvalues, outcome), deviations(outcome)
    rsquared = np.array([fit.rsquared for fit in full])
    assert reduction(total, losses, total).values == pytest.approx(rsquared, rel=1e-9)
    assert reduction(before, losses, total).values == pytest.approx(rsquared - base.rsquared, rel=1e-9)
    partial = [1 - fit.ssr / base.ssr for fit in full]
    assert reduction(before, losses, before).values == pytest.approx(partial, rel=1e-9)


def test_mcfadden_is_that_of_statsmodels() -> None:
    covariates, scores, outcome = people()
    cases = (outcome > 1).astype(float)
    base, full = (
        sm.Logit(cases, design).fit(disp=0, tol=1e-14)
        for design in (covariates, np.column_stack([covariates, scores[:, 0]]))
    )
    logits = [fit.fittedvalues for fit in (base, full)]
    before, after = (log_losses(logit, cases) for logit in logits)
    assert after.sum() == pytest.approx(-full.llf, rel=1e-12)
    assert reduction(before, after, before).values[0] == pytest.approx(1 - full.llf / base.llf, rel=1e-9)
    constant = log_losses(np.full(cases.size, np.log(cases.mean() / (1 - cases.mean()))), cases)
    assert reduction(constant, after, constant).values[0] == pytest.approx(full.prsquared, rel=1e-9)


def test_log_losses_neither_overflow_nor_underflow() -> None:
    assert log_losses(np.array([-800.0, 800.0, 0.0]), np.array([1, 1, 0])) == pytest.approx(
        [800, 0, np.log(2)]
    )


def test_covariance_is_that_of_the_bootstrap() -> None:
    covariates, scores, outcome = people()
    design = np.column_stack([covariates, scores])
    # Predictions by models of other people.
    other = people(seed=2)
    base = np.linalg.lstsq(other[0], other[2])[0]
    after = np.column_stack(
        [
            design[:, [0, 1, 2, column]]
            @ np.linalg.lstsq(np.column_stack([other[0], other[1][:, column - 3]]), other[2])[0]
            for column in (3, 4)
        ]
    )
    before, losses = squared_errors(covariates @ base, outcome), squared_errors(after, outcome)
    total = deviations(outcome)
    measures = reduction(before, losses, total)
    drawn = resampled_reduction(before, losses, total, Bootstrap.of_clusters(np.arange(2000), 3, 4000))
    assert measures.covariance == pytest.approx(np.cov(drawn), rel=0.08)
    assert measures.estimate(0).low < measures.values[0] < measures.estimate(0).high
    difference = measures.difference(0, 1)
    assert difference.standard_error == pytest.approx((drawn[0] - drawn[1]).std(), rel=0.05)
    assert difference.value == pytest.approx(float(measures.values[0] - measures.values[1]))
    assert difference.p_value == pytest.approx(
        2 * stats.norm.sf(abs(difference.value) / difference.standard_error), rel=1e-9
    )
    assert measures.difference(0, 0).p_value == 1


def test_covariance_is_that_of_normal_theory_where_that_holds() -> None:
    generator = np.random.default_rng(5)
    score = generator.normal(size=100_000)
    outcome = 0.4 * score + np.sqrt(1 - 0.16) * generator.normal(size=100_000)
    loss, total = squared_errors(0.4 * score, outcome), deviations(outcome)
    variance = reduction(total, loss, total).covariance[0, 0]
    assert variance == pytest.approx(r_squared_variance(0.16, 100_000), rel=0.05)


def test_twice_the_same_people_are_no_more_people() -> None:
    covariates, scores, outcome = people(400)
    before, total = squared_errors(0.4 + 0.5 * covariates[:, 1], outcome), deviations(outcome)
    after = squared_errors(0.4 + 0.5 * covariates[:, 1] + 0.3 * scores[:, 0], outcome)
    once = reduction(before, after, total)
    twice = reduction(
        *(np.tile(part, 2) for part in (before, after, total)), cluster=np.tile(np.arange(400), 2)
    )
    assert twice.values == pytest.approx(once.values, rel=1e-12)
    assert twice.covariance == pytest.approx(once.covariance, rel=1e-9)


def test_a_model_without_a_fit_has_no_value() -> None:
    loss = np.column_stack([np.full(10, np.nan), np.arange(10.0)])
    measures = reduction(np.arange(10.0) + 1, loss, np.arange(10.0) + 1)
    assert np.isnan(measures.values[0])
    assert np.isfinite(measures.values[1])
    assert np.isfinite(measures.standard_errors[1])
    assert np.isnan(measures.difference(0, 1).p_value)


def test_liability_is_that_of_r2redux() -> None:
    # Its example cc_trf(0.06, 0.002, 0.05, 0.05).
    scale = liability(0.06, 0.05, 0.05)
    assert scale.r_squared == pytest.approx(0.2679337, abs=5e-8)
    assert 0.002 * scale.slope == pytest.approx(0.008931123, abs=5e-10)
    step = 1e-6
    ascertained = liability([0.1 - step, 0.1, 0.1 + step], 0.02, 0.4)
    numerical = (ascertained.r_squared[2] - ascertained.r_squared[0]) / (2 * step)
    assert ascertained.slope[1] == pytest.approx(numerical, rel=1e-6)


@pytest.mark.parametrize("cases", [0.02, 0.5])
def test_liability_gives_back_what_made_the_cases(cases: float) -> None:
    generator = np.random.default_rng(6)
    size = 2_000_000
    score = generator.normal(size=size)
    risk = 0.4 * score + np.sqrt(1 - 0.16) * generator.normal(size=size)
    case = risk > stats.norm.isf(0.02)
    number = int(case.sum() * (1 - cases) / cases)
    rows = np.append(np.flatnonzero(case), np.flatnonzero(~case)[:number])
    observed = np.corrcoef(score[rows], case[rows])[0, 1] ** 2
    assert liability(observed, 0.02, case[rows].mean()).r_squared == pytest.approx(0.16, abs=0.012)


def test_fractions_outside_0_and_1_are_refused() -> None:
    with pytest.raises(ValueError, match="prevalence is 0"):
        liability(0.1, 0, 0.5)
    with pytest.raises(ValueError, match="cases is 1"):
        liability(0.1, 0.1, 1)
