"""Diagnostics of z and LD, against susieR, SLALOM's published columns, brute force and what is planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.finemapping.diagnostics import (
    MISFIT,
    Spectrum,
    adjusted_z,
    correlation_fault,
    dentist_s,
    diagnose,
    inconsistency,
    kriging,
)
from mifm_kipoi.finemapping.susie import SusieOptions, fit_single_effect
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from tests.finemapping import susier


def statistics(data, name):
    """z, R and n of a case of susieR."""
    z, R, n = data["z"], data["R"], len(data["y"])
    foreign = np.corrcoef(data["reference"], rowvar=False)
    if name == "flipped":
        flipped = z.copy()
        flipped[np.abs(z).argmax()] *= -1
        return flipped, 0.9 * R + 0.1 * np.eye(z.size), n
    return z, foreign, n if name == "reference" else None


def assert_equal_to_susier(data, name):
    z, R, n = statistics(data, name)
    spectrum = Spectrum.of(R)
    s = inconsistency(z, spectrum, n)
    np.testing.assert_allclose(s, data[f"kriging_{name}.s"][0], rtol=1e-5)
    found = kriging(z, spectrum, n)
    table = data[f"kriging_{name}.table"].T
    np.testing.assert_allclose(found.z, table[0], rtol=1e-9)
    np.testing.assert_allclose(found.expected, table[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.variance, table[2], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.standardised, table[3], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.log_ratio, table[4], rtol=1e-3, atol=1e-3)
    assert found.flipped().tolist() == np.flatnonzero((table[4] > 2) & (np.abs(table[0]) > 2)).tolist()
    return found


def test_lambda_and_kriging_equal_susier():
    data = susier.golden()
    for name in ("reference", "flipped", "without_n"):
        found = assert_equal_to_susier(data, name)
        # The planted one, and no other.
        planted = [int(np.abs(data["z"]).argmax())] if name == "flipped" else []
        assert found.flipped().tolist() == planted


def test_kriging_is_the_conditional_distribution():
    """Mean and variance of one z given the others, by the textbook's formula."""
    rng = np.random.default_rng(2)
    R = np.corrcoef(rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6)), rowvar=False)
    z, s = rng.normal(size=6), 0.3
    covariance = (1 - s) * R + s * np.eye(6)
    found = kriging(z, Spectrum.of(R), s=s)
    for row in range(6):
        others = np.arange(6) != row
        weights = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, row])
        assert found.expected[row] == pytest.approx(weights @ z[others])
        assert found.variance[row] == pytest.approx(1 - weights @ covariance[others, row])


def test_lambda_is_the_part_that_is_no_ld():
    """z of (1 - s) R + s I: its maximum-likelihood estimate is close to s, and 0 for R itself."""
    rng = np.random.default_rng(3)
    R = np.corrcoef(rng.normal(size=(3000, 400)) + rng.normal(size=(3000, 1)), rowvar=False)
    spectrum = Spectrum.of(R)
    for s in (0.0, 0.3, 0.7, 1.0):
        covariance = (1 - s) * R + s * np.eye(400)
        z = np.linalg.cholesky(covariance + 1e-9 * np.eye(400)) @ rng.normal(size=400)
        assert inconsistency(z, spectrum) == pytest.approx(s, abs=0.12)


def test_adjusted_z_is_that_of_the_correlation():
    """r sqrt(n - 1) of a regression whose t is z."""
    rng = np.random.default_rng(4)
    x, n = rng.normal(size=50), 50
    y = 0.5 * x + rng.normal(size=n)
    r = np.corrcoef(x, y)[0, 1]
    t = r * np.sqrt((n - 2) / (1 - r**2))
    assert adjusted_z(np.array([t, np.nan]), n)[0] == pytest.approx(r * np.sqrt(n - 1))
    assert np.isnan(adjusted_z(np.array([np.nan]), n)[0])


def test_dentist_s_on_literals():
    # r2 of 0.64, 0.64, 1, 1 and 0.25 with the lead, and one unknown.
    r = np.array([1.0, 0.8, -0.8, 1.0, -1.0, 0.5, np.nan])
    z = np.array([10.0, 8.0, -4.0, 10.0, 9.0, 9.0, 3.0])
    test = dentist_s(z, r, 0)
    expected = [np.nan, 0.0, 16 / 0.36, 0.0, np.inf, 16 / 0.75, np.nan]
    np.testing.assert_allclose(test.chi2, expected, atol=1e-12)
    assert test.in_ld.tolist() == [0, 1, 2, 3, 4]
    # chi2 of 44.4 has -log10 p of 10.6; 21.3 is beyond 4 as well, but not in LD.
    assert test.outliers.tolist() == [2, 4]
    scipy_stats = pytest.importorskip("scipy.stats", reason="scipy is the oracle")
    np.testing.assert_allclose(
        test.log10_p[[2, 5]], -scipy_stats.chi2.logsf([16 / 0.36, 16 / 0.75], 1) / np.log(10), rtol=1e-10
    )


@pytest.fixture
def slalom(reference_data):
    """The example locus of SLALOM, with its results."""
    return pd.read_csv(reference_data / "data" / "finemapping" / "slalom_example.txt.gz", sep="\t")


@pytest.mark.reference
def test_dentist_s_equals_slaloms_published_columns(slalom):
    lead = int(np.flatnonzero(slalom["lead_variant"])[0])
    z = (slalom["beta"] / slalom["se"]).to_numpy()
    test = dentist_s(z, slalom["r"].to_numpy(), lead)
    theirs = slalom["t_dentist_s"].to_numpy()
    known = ~np.isnan(theirs) & (np.arange(len(z)) != lead)
    assert known.sum() == 638
    np.testing.assert_allclose(test.chi2[known], theirs[known], rtol=1e-6)
    np.testing.assert_allclose(test.log10_p[known], slalom["nlog10p_dentist_s"][known], rtol=1e-6)


@pytest.mark.reference
def test_a_single_effect_equals_slaloms_published_columns(slalom):
    z, variance = (slalom["beta"] / slalom["se"]).to_numpy(), (slalom["se"] ** 2).to_numpy()
    log_bf = log_bayes_factor(z, variance, 0.04)
    fit = fit_single_effect(log_bf)
    np.testing.assert_allclose(log_bf, slalom["lbf"], rtol=1e-6)
    np.testing.assert_allclose(fit.pip, slalom["prob"], rtol=1e-6)
    for coverage, column in ((0.95, "cs"), (0.99, "cs_99")):
        fit = fit_single_effect(log_bf, options=SusieOptions(coverage=coverage))
        assert np.sort(fit.sets[0].members).tolist() == np.flatnonzero(slalom[column]).tolist()


def test_faults_of_correlations_name_the_place():
    R = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]])
    assert correlation_fault(R) == ""
    assert correlation_fault(R + 1e-6) == ""
    asymmetric, outside, diagonal, missing = R.copy(), R.copy(), R.copy(), R.copy()
    asymmetric[0, 2] = 0.3
    outside[1, 0] = outside[0, 1] = -1.5
    diagonal[2, 2] = 0.9
    missing[1, 2] = np.nan
    assert "row 0, column 2 is 0.3 and row 2, column 0 0.2" in correlation_fault(asymmetric)
    assert "row 0, column 1 is -1.5" in correlation_fault(outside)
    assert "row 2 has 0.9 on the diagonal" in correlation_fault(diagonal)
    assert "row 1, column 2 is not a finite number" in correlation_fault(missing)
    assert "shape is (2, 3)" in correlation_fault(R[:2])


@pytest.fixture(scope="module")
def locus():
    """z of 3,000 people with a causal variant, their R, that of 500 others, and of another population."""
    rng = np.random.default_rng(11)

    def dosages(people, kept_fraction, seed):
        draws = np.random.default_rng(seed)
        haplotypes = draws.random((2 * people, 80)) < 0.3
        for variant in range(1, 80):
            kept = draws.random(2 * people) < kept_fraction[variant]
            haplotypes[kept, variant] = haplotypes[kept, variant - 1]
        return (haplotypes[::2] + haplotypes[1::2].astype(int)).astype(float)

    ld, other_ld = rng.uniform(0.9, 1.0, 80), rng.uniform(0.97, 1.0, 80)
    X = dosages(3000, ld, 1)
    y = 0.4 * X[:, 40] + rng.normal(size=3000)
    r = np.corrcoef(X, y, rowvar=False)[-1, :-1]
    z = r * np.sqrt(2998 / (1 - r**2))
    panels = X, dosages(500, ld, 2), dosages(3000, other_ld, 3)
    return z, *(np.corrcoef(panel, rowvar=False) for panel in panels)


def test_z_are_diagnosed(locus):
    z, own, panel, foreign = locus
    for R in (own, panel):
        fine = diagnose(z, R, 3000)
        assert (fine.reason, fine.flipped.tolist()) == ("", [])
        assert fine.inconsistency < MISFIT
        assert fine.lead_test.lead == int(np.abs(z).argmax())
        assert fine.lead_test.in_ld.size > 1
    assert fine.lead_test.outliers.size == 0
    wrong = diagnose(z, foreign, 3000)
    assert wrong.inconsistency > MISFIT
    assert f"z do not fit LD: lambda is {wrong.inconsistency:.3g}, expected 0.1 at most" in wrong.reason
    # Of the wrong variants.
    other = np.random.default_rng(1).permutation(z)
    assert diagnose(other, own, 3000).inconsistency > 0.5


def test_flipped_z_are_found_and_named(locus):
    z, own, _, _ = locus
    flips = np.flatnonzero(np.abs(z) > 6)[[2, 7]]
    wrong = z.copy()
    wrong[flips] *= -1
    found = diagnose(wrong, own, 3000)
    assert found.flipped.tolist() == flips.tolist()
    assert "2 variants look flipped, check their alleles" in found.reason
    kept = np.setdiff1d(np.arange(z.size), flips)
    assert diagnose(wrong[kept], own[np.ix_(kept, kept)], 3000).reason == ""


def test_a_matrix_that_is_not_positive_semidefinite_is_refused(locus):
    z, own, _, _ = locus
    rounded = np.round(own, 2)
    assert diagnose(z, rounded, 3000).reason == ""
    # Correlations of some pairs from elsewhere.
    broken = own.copy()
    broken[:20, 30:50] = broken[30:50, :20] = 0.9
    assert "not positive semidefinite: its smallest eigenvalue is -" in diagnose(z, broken, 3000).reason
    spectrum = Spectrum.of(own)
    assert diagnose(z, own, 3000, spectrum=spectrum).inconsistency == diagnose(z, own, 3000).inconsistency
