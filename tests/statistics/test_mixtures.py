"""Weights of mixtures, against the conditions of the optimum and a closed form."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.statistics.mixtures import mixture_weights


def normal_log_densities(values, deviations):
    return -0.5 * (values[:, None] / deviations) ** 2 - np.log(deviations)


@pytest.mark.parametrize("seed", range(4))
def test_no_weight_can_be_moved_for_the_better(seed):
    """Optimum: each component in use adds as much as the mean of all, and no other adds more."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=700) * rng.choice([0.7, 1.0, 3.0], 700)
    log_likelihoods = normal_log_densities(values, 1.05 ** np.arange(-20, 60))
    weights = mixture_weights(log_likelihoods)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0)
    likelihoods = np.exp(log_likelihoods)
    gains = (likelihoods / (likelihoods @ weights)[:, None]).mean(axis=0)
    assert gains.max() < 1 + 1e-5
    np.testing.assert_allclose(gains[weights > 1e-3], 1.0, atol=1e-5)


def test_components_that_do_not_overlap_have_their_frequencies():
    log_likelihoods = np.full((10, 3), -800.0)
    log_likelihoods[:7, 0] = -3.0
    log_likelihoods[7:, 2] = 5.0
    np.testing.assert_allclose(mixture_weights(log_likelihoods), [0.7, 0.0, 0.3], atol=1e-6)


def test_a_constant_of_a_row_does_not_matter():
    rng = np.random.default_rng(1)
    log_likelihoods = rng.normal(size=(50, 6))
    shifted = log_likelihoods + rng.normal(0, 900, (50, 1))
    np.testing.assert_allclose(mixture_weights(shifted), mixture_weights(log_likelihoods), atol=1e-6)
