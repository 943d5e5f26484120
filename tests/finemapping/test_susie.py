"""SuSiE against susieR (a golden file, and R where installed), pysusie, closed forms and brute force."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.susie import (
    SusieOptions,
    fit_individual,
    fit_single_effect,
    fit_sufficient,
    fit_summary,
)
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from tests.finemapping import susier
from tests.finemapping.test_diagnostics import assert_equal_to_susier

CLOSE = 1e-6
"""Of PIPs, as susieR's."""


def case(data, name):
    """The fit that is to equal a case of susieR."""
    X, y, z, R, weights = (data[key] for key in ("X", "y", "z", "R", "weights"))
    n = len(y)
    fixed = SusieOptions(
        effects=5,
        estimate_prior_variance=False,
        scaled_prior_variance=0.1,
        estimate_residual_variance=True,
        coverage=0.8,
        min_abs_corr=0.9,
    )
    fits = {
        "individual": lambda: fit_individual(X, y),
        "individual_weights": lambda: fit_individual(X, y, weights),
        "covariates": lambda: fit_individual(X, y, covariates=data["covariates"]),
        "sufficient": lambda: fit_sufficient(data["XtX"], data["Xty"], float(data["yty"][0]), n, weights),
        "summary": lambda: fit_summary(z, R, n),
        "summary_weights": lambda: fit_summary(z, R, n, weights),
        "summary_without_n": lambda: fit_summary(z, R, prior_weights=weights),
        "summary_null": lambda: fit_summary(z, R, n, options=SusieOptions(null_weight=0.3)),
        "summary_one": lambda: fit_summary(z, R, n, weights, SusieOptions(effects=1)),
        "summary_fixed": lambda: fit_summary(z, R, n, options=fixed),
    }
    return fits[name]()


CASES = (
    "individual",
    "individual_weights",
    "covariates",
    "sufficient",
    "summary",
    "summary_weights",
    "summary_without_n",
    "summary_null",
    "summary_one",
    "summary_fixed",
)


def assert_equal(fit, data, name):
    expected = {key.partition(".")[2]: values for key, values in data.items() if key.startswith(f"{name}.")}
    p = fit.pip.size
    np.testing.assert_allclose(fit.pip, expected["pip"], rtol=0, atol=CLOSE)
    np.testing.assert_allclose(fit.alpha, expected["alpha"][:, :p], rtol=0, atol=CLOSE)
    np.testing.assert_allclose(fit.prior_variance, expected["V"], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(fit.log_bf, expected["lbf"], rtol=1e-6, atol=1e-6)
    for field, mine in (
        ("lbf_variable", fit.log_bf_variable),
        ("mu", fit.mean),
        ("mu2", fit.second_moment),
    ):
        if field in expected:
            np.testing.assert_allclose(mine, expected[field][:, :p], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fit.sigma2, expected["sigma2"][0], rtol=1e-7)
    np.testing.assert_allclose(fit.objective, expected["elbo"][0], rtol=1e-9)
    assert fit.iterations == expected["niter"][0]
    assert fit.converged
    ends = np.cumsum(expected["sizes"]).astype(int)
    members = [np.sort(part).astype(int) - 1 for part in np.split(expected["members"], ends[:-1])]
    assert [np.sort(each.members).tolist() for each in fit.sets] == [part.tolist() for part in members]
    assert [each.effect + 1 for each in fit.sets] == expected["effects"].tolist()
    purity = [(each.min_abs_corr, each.mean_abs_corr, each.median_abs_corr) for each in fit.sets]
    np.testing.assert_allclose(purity, expected["purity"], rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def golden():
    return susier.golden()


@pytest.mark.parametrize("name", CASES)
def test_fits_equal_those_that_susier_gave(golden, name):
    fit = case(golden, name)
    assert_equal(fit, golden, name)
    # The cases differ, and say something.
    assert fit.pip.max() > 0.9
    assert fit.sets


@pytest.mark.skipif(bool(susier.missing()), reason=susier.missing() or "susieR is installed")
def test_susier_gives_the_golden_file():
    found = susier.fits(susier.simulated())
    for key, values in susier.golden().items():
        np.testing.assert_allclose(found[key], values, rtol=1e-6, atol=1e-7, err_msg=key)


@pytest.mark.skipif(bool(susier.missing()), reason=susier.missing() or "susieR is installed")
def test_fits_equal_susier_on_its_own_data():
    data = susier.n3_finemapping()
    assert data["X"].shape == (574, 1001)
    for name in CASES:
        fit = case(data, name)
        if any(each.members.size > 100 for each in fit.sets):
            pytest.fail(
                "susieR draws members of sets of over 100 variants; the comparison needs smaller ones"
            )
        assert_equal(fit, data, name)


@pytest.mark.skipif(bool(susier.missing()), reason=susier.missing() or "susieR is installed")
def test_diagnostics_equal_susier_on_its_own_data():
    for name in ("reference", "flipped", "without_n"):
        assert_equal_to_susier(susier.n3_finemapping(), name)


def test_fits_equal_pysusie(golden):
    pysusie = pytest.importorskip("pysusie", reason="pysusie is the oracle")
    z, R, n = golden["z"], golden["R"], len(golden["y"])
    theirs = pysusie.susie_rss(z, R, n)
    mine = fit_summary(z, R, n)
    np.testing.assert_allclose(mine.pip, theirs["pip"], rtol=0, atol=CLOSE)
    with warnings.catch_warnings():
        # Without n it warns.
        warnings.simplefilter("ignore")
        theirs = pysusie.susie_rss(z, R)
    np.testing.assert_allclose(fit_summary(z, R).pip, theirs["pip"], rtol=0, atol=CLOSE)


def test_individual_and_summary_data_give_the_same_fit(golden):
    X, y, z, R = (golden[key] for key in "XyzR")
    options = SusieOptions(estimate_residual_variance=True)
    people, summary = fit_individual(X, y, options=options), fit_summary(z, R, len(y), options=options)
    np.testing.assert_allclose(people.pip, summary.pip, atol=1e-9)
    np.testing.assert_allclose(people.sigma2 / y.var(ddof=1), summary.sigma2, rtol=1e-9)


def test_one_effect_has_the_posterior_of_the_bayes_factors():
    """L = 1: the closed form, and the evidence of brute force over variants and none."""
    rng = np.random.default_rng(3)
    p, n, variance, null = 20, 1000, 0.1, 0.4
    z, weights = rng.normal(size=p) * 2, rng.random(p)
    options = SusieOptions(
        effects=1, scaled_prior_variance=variance, estimate_prior_variance=False, null_weight=null
    )
    fit = fit_summary(z, np.eye(p), n, weights, options)
    adjusted = z * np.sqrt((n - 1) / (z**2 + n - 2))
    bayes_factors = np.exp(log_bayes_factor(adjusted, np.full(p, 1 / (n - 1)), variance))
    joint = weights / weights.sum() * (1 - null) * bayes_factors
    np.testing.assert_allclose(fit.pip, joint / (joint.sum() + null), rtol=1e-9)
    np.testing.assert_allclose(fit.log_bf, np.log(joint.sum() + null), rtol=1e-12)
    np.testing.assert_allclose(np.exp(fit.log_bf_variable[0]), bayes_factors, rtol=1e-12)
    # An effect of no variant has no set, unless the variants have the coverage without it.
    assert not fit_summary(np.full(p, 0.1), np.eye(p), n, weights, options).sets
    strong = fit_summary(np.append(z[1:], 12.0), np.eye(p), n, options=options)
    assert [each.members.tolist() for each in strong.sets] == [[p - 1]]


def test_two_causal_variants_have_the_pips_of_brute_force():
    """All pairs of variants, where LD leaves no doubt that there are two."""
    rng = np.random.default_rng(8)
    people, p = 4000, 8
    haplotypes = rng.random((2 * people, p)) < 0.4
    # Two groups of variants that are alike.
    for variant in (1, 2, 3, 5, 6, 7):
        kept = rng.random(2 * people) < 0.9
        haplotypes[kept, variant] = haplotypes[kept, 4 * (variant // 4)]
    dosages = (haplotypes[::2] + haplotypes[1::2].astype(int)).astype(float)
    X = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0, ddof=1)
    y = 0.12 * X[:, 1] - 0.14 * X[:, 6] + rng.normal(size=people)
    y -= y.mean()
    variance, residual = 0.02, 1.0
    log_evidence = {}
    for pair in itertools.product(range(4), range(4, 8)):
        columns = X[:, pair]
        precision = columns.T @ columns / residual + np.eye(2) / variance
        projected = columns.T @ y / residual
        log_evidence[pair] = (
            0.5 * projected @ np.linalg.solve(precision, projected)
            - 0.5 * np.linalg.slogdet(precision * variance)[1]
        )
    top = max(log_evidence.values())
    total = sum(np.exp(value - top) for value in log_evidence.values())
    exact = np.zeros(p)
    for pair, value in log_evidence.items():
        exact[list(pair)] += np.exp(value - top) / total
    scaled = variance / y.var(ddof=1)
    options = SusieOptions(
        effects=2,
        scaled_prior_variance=scaled,
        estimate_prior_variance=False,
        estimate_residual_variance=False,
    )
    fit = fit_individual(X, y, options=options)
    np.testing.assert_allclose(fit.pip, exact, atol=0.02)
    assert 0.05 < exact.max() < 0.999  # there is something to tell


def test_duplicates_share_the_probability_of_their_effect(golden):
    z, R, n = golden["z"], golden["R"], len(golden["y"])
    twice = np.append(np.arange(z.size), z.argmax())
    # As many variants in the prior of both fits.
    flat, weights = np.full(z.size, 1.0), np.ones(twice.size)
    weights[[z.argmax(), -1]] = 0.5
    one = fit_summary(z, R, n, flat)
    two = fit_summary(z[twice], R[np.ix_(twice, twice)], n, weights)
    np.testing.assert_allclose(two.alpha[:, -1], two.alpha[:, z.argmax()], atol=1e-12)
    np.testing.assert_allclose(
        two.alpha[:, z.argmax()] + two.alpha[:, -1], one.alpha[:, z.argmax()], atol=1e-6
    )


def test_one_variant_is_its_own_set():
    fit = fit_summary(np.array([7.0]), np.eye(1), 5000)
    assert fit.alpha.shape == (1, 1)
    assert fit.pip[0] == pytest.approx(1.0)
    assert [(each.members.tolist(), each.coverage, each.min_abs_corr) for each in fit.sets] == [
        ([0], 1.0, 1.0)
    ]
    # And nothing, where there is no evidence.
    none = fit_summary(np.array([0.1]), np.eye(1), 5000)
    assert (none.pip[0], none.sets) == (0.0, ())


def test_no_evidence_gives_no_effect():
    fit = fit_summary(np.full(30, 0.2), np.eye(30), 5000)
    assert not fit.prior_variance.any()
    assert not fit.pip.any()
    assert fit.sets == ()


def test_the_order_of_variants_does_not_matter(golden):
    z, R, n, weights = golden["z"], golden["R"], len(golden["y"]), golden["weights"]
    order = np.random.default_rng(5).permutation(z.size)
    fit = fit_summary(z, R, n, weights)
    other = fit_summary(z[order], R[np.ix_(order, order)], n, weights[order])
    np.testing.assert_allclose(other.pip, fit.pip[order], atol=1e-8)
    # Nor which allele is counted.
    sign = np.where(np.random.default_rng(6).random(z.size) < 0.5, -1.0, 1.0)
    np.testing.assert_allclose(
        fit_summary(z * sign, R * np.outer(sign, sign), n, weights).pip, fit.pip, atol=1e-8
    )


def test_prior_weights_of_any_sum_and_of_zero(golden):
    z, R, n = golden["z"], golden["R"], len(golden["y"])
    weights = np.ones(z.size)
    weights[z.argmax()] = 0.0
    fit = fit_summary(z, R, n, weights)
    assert fit.pip[z.argmax()] == 0.0
    np.testing.assert_allclose(fit_summary(z, R, n, 7 * weights).pip, fit.pip, atol=1e-9)


def test_a_single_effect_without_ld():
    rng = np.random.default_rng(9)
    p, prior_variance = 12, 0.04
    beta, error = rng.normal(0, 0.05, p), rng.uniform(1e-4, 4e-4, p)
    weights = rng.random(p)
    weights[3] = 0.0
    log_bf = log_bayes_factor(beta / np.sqrt(error), error, prior_variance)
    fit = fit_single_effect(log_bf, weights, effects=(beta, error, prior_variance))
    joint = weights * np.exp(log_bf)
    np.testing.assert_allclose(fit.pip, joint / joint.sum(), rtol=1e-12)
    assert fit.pip[3] == 0.0
    np.testing.assert_allclose(fit.log_bf, np.log(joint.sum() / weights.sum()), rtol=1e-12)
    np.testing.assert_allclose(fit.mean[0], beta * 0.04 / (0.04 + error), rtol=1e-12)
    variance = 1 / (1 / error + 1 / 0.04)
    np.testing.assert_allclose(fit.second_moment[0] - fit.mean[0] ** 2, variance, rtol=1e-9)
    only = fit.sets[0]
    assert np.isnan(only.min_abs_corr)
    assert np.all(np.diff(fit.pip[only.members]) <= 0)
    assert only.coverage == pytest.approx(fit.pip[only.members].sum())
    assert only.coverage >= 0.95 > only.coverage - fit.pip[only.members[-1]]
    assert np.isnan(fit_single_effect(log_bf).mean).all()
    # A null weight: no variant's Bayes factor is 1.
    null = fit_single_effect(log_bf, weights, SusieOptions(null_weight=0.25))
    joint *= 0.75 / weights.sum()
    np.testing.assert_allclose(null.pip, joint / (joint.sum() + 0.25), rtol=1e-12)


def test_a_single_effect_without_evidence_does_not_count():
    log_bf = np.array([-1.0, 0.3, -2.0])
    # The mean Bayes factor is 0.62: less evidence than of no effect.
    assert fit_single_effect(log_bf).sets
    none = fit_single_effect(log_bf, options=SusieOptions(min_log_bf=0.1))
    assert (none.pip.tolist(), none.sets) == ([0.0, 0.0, 0.0], ())
    np.testing.assert_allclose(none.log_bf, np.log(np.exp(log_bf).mean()))
    some = fit_single_effect(log_bf + 2, options=SusieOptions(min_log_bf=0.1))
    np.testing.assert_allclose(some.pip, fit_single_effect(log_bf).pip)
    assert some.sets
    # Nor does one with LD, of which no PIP is -0.
    flat = fit_summary(np.full(5, 0.2), np.eye(5), 5000)
    assert not np.signbit(flat.pip).any()


def test_what_cannot_be_fitted_says_why(golden):
    X, y, z, R = (golden[key] for key in "XyzR")
    p, n = z.size, len(y)
    flat = np.zeros(p)

    def with_(array, index, value):
        changed = np.array(array, dtype=float)
        changed[index] = value
        return changed

    constant, products = with_(X, (slice(None), 4), 1.0), golden["XtX"]
    cases = (
        (lambda: fit_summary(np.empty(0), np.empty((0, 0)), n), "there is no variant"),
        (lambda: fit_summary(z, R[:-1], n), r"R \(59, 60\); expected \(p,\) and \(p, p\)"),
        (lambda: fit_summary(with_(z, 7, np.nan), R, n), "z is missing .*1 in all, the first of number 7"),
        (
            lambda: fit_summary(z, with_(R, (2, slice(None)), np.nan), n),
            "in R is missing .*constant variants",
        ),
        (lambda: fit_summary(z, with_(R, (2, 5), 0.9), n), "row 2, column 5 is 0.9 and row 5, column 2"),
        (lambda: fit_summary(z, 2 * R, n), "row 0 has 2 on the diagonal; expected 1"),
        (lambda: fit_summary(z, with_(R, ([2, 5], [5, 2]), 1.2), n), "is 1.2; expected numbers from -1"),
        (lambda: fit_summary(z, R, 2), "n is 2; expected the number of people"),
        (lambda: fit_summary(z, R, float("nan")), "n is nan"),
        (lambda: fit_summary(z, R, n, np.ones(3)), r"prior_weights has the shape \(3,\); expected \(60,\)"),
        (lambda: fit_summary(z, R, n, flat), "prior_weights has numbers that are negative .* or only 0"),
        (lambda: fit_summary(z, R, n, with_(flat + 1, 0, -1)), "prior_weights has numbers that are negative"),
        (lambda: fit_individual(constant, y), r"are constant, .*: 1 \(the first is number 4"),
        (lambda: fit_individual(X, y, covariates=X[:, [9]]), "covariates explain: 1 .the first is number 9"),
        (lambda: fit_individual(with_(X, (0, 0), np.nan), y), "a dosage is missing .*number 0.*impute"),
        (lambda: fit_individual(X, with_(y, 3, np.inf)), "value of the trait is missing .*number 3"),
        (lambda: fit_individual(X, np.ones(n)), "yty is 0; .*constant trait"),
        (lambda: fit_individual(X, y[1:]), r"X has the shape \(500, 60\) and y \(499,\)"),
        (lambda: fit_individual(X, y, covariates=X[1:]), r"covariates have the shape \(499, 60\)"),
        (lambda: fit_sufficient(with_(products, (3, 3), 0), golden["Xty"], 1.0, n), "the first is number 3"),
        (lambda: fit_single_effect(with_(z, 1, np.nan)), "log_bf is missing or not finite .*number 1"),
        (lambda: fit_single_effect(np.empty(0)), "one or more"),
    )
    for fit, message in cases:
        with pytest.raises(InputError, match=message):
            fit()


def test_z_that_cannot_be_of_ld_do_not_pass_as_a_fit():
    """Two variants that are all but one, with opposite z: no effects explain them."""
    R = np.array([[1.0, 0.9999], [0.9999, 1.0]])
    with pytest.raises(InputError, match="z and LD are not of the same variants"):
        fit_summary(np.array([30.0, -30.0]), R, options=SusieOptions(estimate_residual_variance=True))


def test_options_are_checked():
    for name, value in (
        ("effects", 0),
        ("coverage", 1.0),
        ("min_abs_corr", -0.1),
        ("scaled_prior_variance", 0.0),
        ("null_weight", 1.0),
        ("min_log_bf", -0.1),
        ("max_iterations", 0),
        ("tolerance", 0.0),
    ):
        with pytest.raises(ValueError, match=f"{name} is {value}; expected"):
            SusieOptions(**{name: value})


def test_iterations_end(golden):
    fit = fit_summary(golden["z"], golden["R"], 500, options=SusieOptions(max_iterations=1))
    assert (fit.converged, fit.iterations) == (False, 1)


def test_effects_without_evidence_do_not_count_once_they_are_fitted():
    z = np.where(np.arange(30) % 2, 1.05, -1.05)
    z[3] = 9.0
    every = fit_summary(z, np.eye(30), 5000)
    counted = fit_summary(z, np.eye(30), 5000, options=SusieOptions(min_log_bf=0.1))
    np.testing.assert_array_equal(every.alpha, counted.alpha)
    there = every.log_bf >= 0.1
    assert there.sum() == 1 < (every.prior_variance > 0).sum()
    np.testing.assert_allclose(counted.pip, every.alpha[there][0], atol=1e-12)
    assert [one.members.tolist() for one in counted.sets] == [[3]]
