"""SuSiE against what is known in closed form, and where it fails."""

import numpy as np

from benchmarks.known_truth.susie import susie


def test_of_one_effect_the_posterior_is_that_of_the_single_effect_model() -> None:
    """Posteriors of Wang et al. 2020, eqs. 2.11-2.12, with the maximum-likelihood prior variance."""
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    sample_size = 10_000
    z = np.array([7.0, 6.1, -5.0, 1.0, 0.2])
    ld = np.eye(5)
    prior = np.array([1.0, 4.0, 1.0, 1.0, 1.0])
    # z is first made that of a model with residual variance 1.
    adjusted = z * np.sqrt((sample_size - 1) / (z**2 + sample_size - 2))

    def log_bf(ratio: float) -> np.ndarray:
        return -0.5 * np.log1p(ratio) + 0.5 * adjusted**2 * ratio / (1 + ratio)

    weights = prior / prior.sum()
    best = minimize_scalar(
        lambda log_ratio: -logsumexp(log_bf(np.exp(log_ratio)) + np.log(weights)),
        bounds=(-10, 15), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    posterior = log_bf(np.exp(best.x)) + np.log(weights)
    fit = susie(z, ld, sample_size, effects=1, prior=3 * prior)
    assert fit is not None
    np.testing.assert_allclose(fit.pip, np.exp(posterior - logsumexp(posterior)), atol=2e-6)


def test_two_effects_are_found_and_are_two_sets() -> None:
    ld = np.kron(np.eye(2), np.array([[1.0, 0.9, 0.3], [0.9, 1.0, 0.3], [0.3, 0.3, 1.0]]))
    effects = np.array([0.08, 0, 0, 0, 0, 0.08])
    fit = susie(np.sqrt(20_000) * ld @ effects, ld, 20_000)
    assert fit is not None
    assert fit.pip[0] > 0.95
    assert fit.pip[5] > 0.95
    assert sorted(members.tolist() for members in fit.sets) == [[0], [5]]
    assert fit.in_set.tolist() == [True, False, False, False, False, True]


def test_noise_has_no_sets() -> None:
    z = np.random.default_rng(1).standard_normal(50)
    fit = susie(z, np.eye(50), 5000)
    assert fit is not None
    assert fit.sets == ()
    assert not fit.in_set.any()


def test_variants_that_do_not_vary_in_the_panel_have_no_pip() -> None:
    ld = np.diag([1.0, 0.0, 1.0])
    fit = susie(np.array([1.0, 9.0, 8.0]), ld, 5000)
    assert fit is not None
    assert fit.pip[1] == 0
    assert fit.pip[2] > 0.99
    assert [members.tolist() for members in fit.sets] == [[2]]
    assert susie(np.ones(3), np.zeros((3, 3)), 5000) is None


def test_ld_that_contradicts_z_fails() -> None:
    """A strong association with the sign of the other allele, among variants in LD of 0.99."""
    ld = np.full((4, 4), 0.99) + 0.01 * np.eye(4)
    z = np.array([40.0, 39.0, 39.0, 38.0])
    assert susie(z, ld, 100_000) is not None
    assert susie(z * [1, 1, -1, 1], ld, 100_000) is None
