"""Least squares of any rank, against statsmodels and numpy."""

import numpy as np
import pytest
import statsmodels.api as sm

from mifm_kipoi.statistics.linear import Basis, FitStatus, least_squares, least_squares_each


def data(size: int = 500, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A design with a year, whose mean is 250 standard deviations, and levels; an outcome."""
    generator = np.random.default_rng(seed)
    level = generator.integers(0, 4, size)
    design = np.column_stack(
        [np.ones(size), generator.normal(1955, 8, size), *(level == one for one in range(1, 4))]
    )
    outcome = design @ [1, 0.02, 0.3, -0.4, 0.1] + generator.normal(size=size)
    return design.astype(float), outcome


def test_coefficients_errors_and_p_are_those_of_statsmodels() -> None:
    design, outcome = data()
    fit, oracle = least_squares(design, outcome), sm.OLS(outcome, design).fit()
    assert fit.coefficients == pytest.approx(oracle.params, rel=1e-9, abs=1e-9)
    assert fit.standard_errors == pytest.approx(oracle.bse, rel=1e-9)
    assert fit.p_values == pytest.approx(oracle.pvalues, rel=1e-7)
    assert fit.r_squared == pytest.approx(oracle.rsquared, rel=1e-9)
    assert fit.freedom == oracle.df_resid


def test_columns_that_add_nothing_are_named_and_the_rest_is_as_without_them() -> None:
    design, outcome = data()
    reference_level = 1 - design[:, 2:].sum(axis=1)
    wide = np.column_stack([design[:, :2], np.zeros(len(design)), design[:, 2:], reference_level])
    wide = np.column_stack([wide, np.full(len(design), 7.0), wide[:, 1] * 1e-6 - 3])
    fit, expected = least_squares(wide, outcome), least_squares(design, outcome)
    assert fit.basis.dropped == {
        2: FitStatus.CONSTANT,
        6: FitStatus.COLLINEAR,
        7: FitStatus.CONSTANT,
        8: FitStatus.COLLINEAR,
    }
    assert fit.coefficients[fit.basis.kept] == pytest.approx(expected.coefficients, rel=1e-9)
    assert np.isnan(np.delete(fit.coefficients, fit.basis.kept)).all()
    assert fit.basis.rank == np.linalg.matrix_rank(wide / np.linalg.norm(wide, axis=0).clip(1))
    fitted = wide @ np.linalg.lstsq(wide, outcome, rcond=1e-10)[0]
    assert fit.residual_squares == pytest.approx(((outcome - fitted) ** 2).sum(), rel=1e-9)


def test_the_basis_is_orthonormal_and_gives_the_design_back() -> None:
    design, _ = data()
    basis = Basis.of(design)
    assert basis.q.T @ basis.q == pytest.approx(np.eye(5), abs=1e-12)
    assert basis.q @ basis.triangle == pytest.approx(design, rel=1e-12, abs=1e-12)
    assert basis.inverse() == pytest.approx(np.linalg.inv(design.T @ design), rel=1e-6)


def test_a_column_far_from_0_is_not_taken_for_the_constant() -> None:
    generator = np.random.default_rng(3)
    design = np.column_stack([np.ones(200), 1e6 + generator.normal(size=200)])
    assert Basis.of(design).rank == 2


def test_without_degrees_of_freedom_there_are_no_errors() -> None:
    generator = np.random.default_rng(4)
    fit = least_squares(generator.normal(size=(3, 5)), generator.normal(size=3))
    assert fit.basis.rank == 3
    assert np.isnan(fit.standard_errors).all()


def test_each_variable_alone_is_as_in_its_own_regression() -> None:
    design, outcome = data()
    generator = np.random.default_rng(5)
    variables = generator.normal(size=(500, 4)) * [1, 1e-6, 1e6, 1] + [0, 0, 0, 1e5]
    outcomes = np.column_stack([outcome, variables[:, 2] + generator.normal(size=500)])
    fits = least_squares_each(Basis.of(design), variables, outcomes)
    for number, trait in np.ndindex(4, 2):
        # Centred, since statsmodels itself loses digits of a variable far from 0.
        centred = variables[:, number] - variables[:, number].mean()
        oracle = sm.OLS(outcomes[:, trait], np.column_stack([design, centred])).fit()
        assert fits.slopes[number, trait] == pytest.approx(oracle.params[-1], rel=1e-9)
        assert fits.standard_errors[number, trait] == pytest.approx(oracle.bse[-1], rel=1e-7)
        assert fits.p_values[number, trait] == pytest.approx(oracle.pvalues[-1], rel=1e-6, abs=1e-300)
    alone = least_squares_each(Basis.of(design), variables, outcome)
    assert alone.slopes == pytest.approx(fits.slopes[:, 0], rel=1e-12)
    assert set(alone.status) == {FitStatus.FITTED}


def test_variables_without_a_coefficient_have_a_status() -> None:
    design, outcome = data()
    variables = np.column_stack([np.full(500, 0.3), design[:, 1] * 2 - design[:, 3], np.arange(500.0)])
    fits = least_squares_each(Basis.of(design), variables, outcome)
    assert list(fits.status) == [FitStatus.CONSTANT, FitStatus.COLLINEAR, FitStatus.FITTED]
    assert list(np.isnan(fits.slopes)) == [True, True, False]
    few = least_squares_each(Basis.of(design[:6]), variables[:6], outcome[:6])
    assert set(few.status) == {FitStatus.TOO_FEW}
