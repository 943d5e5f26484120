"""Predictions out of fold, against statsmodels fold by fold."""

import numpy as np
import pytest
import statsmodels.api as sm

from mifm_kipoi.statistics.folds import Split, k_folds, random_splits
from mifm_kipoi.statistics.linear import FitStatus
from mifm_kipoi.statistics.out_of_fold import of_one_class, predict_out_of_fold


def people(size: int = 600, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A design with a year and levels, three scores, a quantitative outcome and cases."""
    generator = np.random.default_rng(seed)
    level = generator.integers(0, 4, size)
    design = np.column_stack(
        [np.ones(size), generator.normal(0, 8, size), *(level == one for one in range(1, 4))]
    ).astype(float)
    genetic = generator.normal(size=size)
    scores = genetic[:, None] * [1, 0.5, 0] + generator.normal(size=(size, 3))
    outcome = design @ [1, 0.05, 0.3, 0, -0.2] + 0.6 * genetic + generator.normal(size=size)
    return design, scores, outcome, outcome > 1.5


@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_each_split_is_fitted_as_statsmodels_does(model: str) -> None:
    design, scores, outcome, cases = people()
    target = outcome if model == "linear" else cases
    splits = k_folds(600, 4, 2, cases)
    result = predict_out_of_fold(design, scores, target, splits, model)
    assert sorted(result.rows) == list(range(600))
    assert set(result.status) == {FitStatus.FITTED}
    for number, split in enumerate(splits):
        own = result.split == number
        y = target[split.train].astype(float)
        for score in range(-1, 3):
            columns = design if score < 0 else np.column_stack([design, scores[:, score]])
            if model == "linear":
                coefficients = sm.OLS(y, columns[split.train]).fit().params
            else:
                coefficients = sm.Logit(y, columns[split.train]).fit(disp=0, tol=1e-14).params
            predicted = result.covariates[own] if score < 0 else result.scores[own, score]
            assert predicted == pytest.approx(columns[split.test] @ coefficients, abs=1e-9)
            if score >= 0:
                assert result.fits[number].slopes[score] == pytest.approx(coefficients[-1], abs=1e-9)
        constant = y.mean() if model == "linear" else np.log(y.mean() / (1 - y.mean()))
        assert result.constant[own] == pytest.approx(constant, abs=1e-12)


def test_losses_are_of_the_test_rows_in_their_order() -> None:
    design, scores, outcome, cases = people()
    splits = random_splits(600, 3, 0.33, 1, cases)
    linear = predict_out_of_fold(design, scores, outcome, splits, "linear")
    losses = linear.losses()
    assert losses.scores.shape == (linear.rows.size, 3)
    assert losses.covariates == pytest.approx((outcome[linear.rows] - linear.covariates) ** 2)
    logistic = predict_out_of_fold(design, scores, cases, splits, "logistic")
    odds = np.exp(logistic.scores[:, 1])
    likelihood = np.where(cases[logistic.rows], odds, 1) / (1 + odds)
    assert logistic.losses().scores[:, 1] == pytest.approx(-np.log(likelihood))


@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_levels_that_a_training_set_lacks_are_dropped_and_counted(model: str) -> None:
    design, scores, outcome, cases = people()
    test = np.append(np.flatnonzero(design[:, 3] == 1), np.arange(5))
    test = np.unique(test)
    splits = [Split(np.setdiff1d(np.arange(600), test), test)]
    target = outcome if model == "linear" else cases
    fit = predict_out_of_fold(design, scores, target, splits, model).fits[0]
    assert fit.dropped == {3: FitStatus.CONSTANT}
    assert fit.unseen == int(design[:, 3].sum())
    without = predict_out_of_fold(np.delete(design, 3, axis=1), scores, target, splits, model).fits[0]
    assert fit.scores == pytest.approx(without.scores, abs=1e-9)
    assert fit.covariates == pytest.approx(without.covariates, abs=1e-9)


def test_levels_without_cases_are_dropped_from_logistic_models_alone() -> None:
    design, scores, outcome, cases = people()
    cases = cases & (design[:, 2] == 0) | (design[:, 4] == 1)
    splits = k_folds(600, 3, 1, cases)
    result = predict_out_of_fold(design, scores, cases, splits, "logistic")
    for fit in result.fits:
        assert fit.dropped == {2: FitStatus.ONE_CLASS, 4: FitStatus.ONE_CLASS}
        assert fit.covariate_status == FitStatus.FITTED
        assert np.isfinite(fit.scores).all()
    assert predict_out_of_fold(design, scores, cases, splits, "linear").fits[0].dropped == {}
    assert of_one_class(design, cases) == [2, 4]
    assert of_one_class(np.column_stack([design, outcome]), outcome > 0) == []


def test_scores_that_cannot_be_fitted_have_a_status_and_no_predictions() -> None:
    design, scores, outcome, cases = people()
    splits = k_folds(600, 3, 1, cases)
    constant, determined = np.full(600, 2.0), design[:, 1] - 3 * design[:, 2]
    separating = np.where(cases, 1.0, -1.0)
    odd = np.column_stack([scores[:, 0], constant, determined, separating])
    linear = predict_out_of_fold(design, odd, outcome, splits, "linear")
    fitted, flat, collinear = FitStatus.FITTED, FitStatus.CONSTANT, FitStatus.COLLINEAR
    assert list(linear.status) == [fitted, flat, collinear, fitted]
    assert list(np.isnan(linear.losses().scores).all(axis=0)) == [False, True, True, False]
    logistic = predict_out_of_fold(design, odd, cases, splits, "logistic")
    assert list(logistic.status) == [fitted, flat, collinear, FitStatus.SEPARATED]
    assert list(np.isnan(logistic.losses().scores).all(axis=0)) == [False, True, True, True]


def test_a_training_set_without_cases_has_no_fit() -> None:
    design, scores, _, _ = people()
    cases = np.arange(600) < 10
    split = [Split(np.arange(100, 600), np.arange(100))]
    result = predict_out_of_fold(design, scores, cases, split, "logistic")
    assert set(result.status) == {result.fits[0].covariate_status} == {FitStatus.ONE_CLASS}
    assert np.isnan(result.covariates).all()
    assert np.isnan(result.scores).all()
