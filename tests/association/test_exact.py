"""Exact fits of chosen variants, against statsmodels."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm

from mifm_kipoi.association import exact
from mifm_kipoi.association.models import logistic_model
from mifm_kipoi.association.scan import Scan


def test_chosen_variants_have_the_estimates_of_their_own_people() -> None:
    generator = np.random.default_rng(3)
    people = 600
    design = np.column_stack([np.ones(people), generator.normal(size=(people, 2))])
    dosages = generator.binomial(2, 0.3, (6, people)).astype(np.float32)
    dosages[generator.random(dosages.shape) < 0.1] = np.nan
    known = generator.random(people) < 0.8
    liability = generator.logistic(size=people) + np.nan_to_num(dosages[2]) + design[:, 1]
    sick = (liability > 1).astype(np.float64)
    model = logistic_model("sick", known, sick[known], design[known])
    _, (found,) = Scan([model]).test(dosages)
    fitted, fit = exact.with_exact_fits(model, found, dosages, np.array([2, 5]))
    assert fit.tolist() == ["score", "score", "logistic", "score", "score", "logistic"]
    np.testing.assert_array_equal(fitted.beta[[0, 1, 3, 4]], found.beta[[0, 1, 3, 4]])
    for row in (2, 5):
        some = known & ~np.isnan(dosages[row])
        whole = np.column_stack([design, dosages[row].astype(np.float64)])[some]
        expected = sm.Logit(sick[some], whole).fit(disp=0, tol=1e-14)
        np.testing.assert_allclose(fitted.beta[row], expected.params[-1], rtol=1e-8)
        np.testing.assert_allclose(fitted.standard_error[row], expected.bse[-1], rtol=1e-8)
        np.testing.assert_allclose(fitted.statistic[row], expected.tvalues[-1], rtol=1e-8)
        np.testing.assert_allclose(np.exp(fitted.log_p[row]), expected.pvalues[-1], rtol=1e-6)


def test_carriers_who_are_all_cases_have_firths_estimate() -> None:
    generator = np.random.default_rng(4)
    people = 300
    everyone = np.ones(people, dtype=bool)
    sick = (np.arange(people) < 90).astype(np.float64)
    design = np.column_stack([np.ones(people), generator.normal(size=people)])
    carriers = np.zeros((1, people), dtype=np.float32)
    carriers[0, :7] = 1
    model = logistic_model("sick", everyone, sick, design)
    _, (found,) = Scan([model]).test(carriers)
    fitted, fit = exact.with_exact_fits(model, found, carriers, np.array([0]))
    assert fit.tolist() == ["firth"]
    assert 0 < fitted.beta[0] < 6
    assert 0 < fitted.standard_error[0] < 3
    # The penalised scores are 0: X'(y - mu + h (1/2 - mu)), by definition.
    whole = np.column_stack([design, carriers[0].astype(np.float64)])
    offset = fitted.beta[0] * whole[:, 2]
    coefficients = np.zeros(2)
    for _ in range(50):
        mu = 1 / (1 + np.exp(-(whole[:, :2] @ coefficients + offset)))
        weight = mu * (1 - mu)
        information = whole.T @ (whole * weight[:, np.newaxis])
        leverage = weight * np.einsum("ij,jk,ik->i", whole, np.linalg.inv(information), whole)
        scores = whole.T @ (sick - mu + leverage * (0.5 - mu))
        coefficients += np.linalg.solve(information[:2, :2], scores[:2])
    np.testing.assert_allclose(scores, 0, atol=1e-5)


def test_probabilities_that_are_0_or_1_but_for_rounding() -> None:
    generator = np.random.default_rng(6)
    people = 500
    everyone = np.ones(people, dtype=bool)
    risk = generator.normal(size=people)
    sick = (generator.logistic(size=people) + 2 * risk > 0).astype(np.float64)
    # Someone far out, whose probability is 1.
    risk[0], sick[0] = 60, 1
    design = np.column_stack([np.ones(people), risk])
    dosages = generator.binomial(2, 0.4, (3, people)).astype(np.float32)
    model = logistic_model("sick", everyone, sick, design)
    _, (found,) = Scan([model]).test(dosages)
    fitted, fit = exact.with_exact_fits(model, found, dosages, np.arange(3))
    assert fit.tolist() == ["logistic"] * 3
    for row in range(3):
        whole = np.column_stack([design, dosages[row].astype(np.float64)])
        expected = sm.Logit(sick, whole).fit(disp=0, tol=1e-14)
        np.testing.assert_allclose(fitted.beta[row], expected.params[-1], rtol=1e-7)
        np.testing.assert_allclose(fitted.standard_error[row], expected.bse[-1], rtol=1e-7)
        mu = sm.Logit(sick, design).fit(disp=0, tol=1e-14).predict()
        information = whole.T @ (whole * (mu * (1 - mu))[:, np.newaxis])
        statistic = whole[:, 2] @ (sick - mu) * np.sqrt(np.linalg.inv(information)[2, 2])
        np.testing.assert_allclose(found.statistic[row], statistic, rtol=1e-7)
