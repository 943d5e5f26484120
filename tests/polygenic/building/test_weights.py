"""Weights of picked variants, against closed forms and regressions on the people themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mifm_kipoi.polygenic.building.weights import (
    Weighting,
    joint_weights,
    mean_weights,
    pip_weights,
    shrinkage,
)

Values = npt.NDArray[np.float64]


def people(number: int = 400, variants: int = 6, seed: int = 3) -> tuple[Values, Values]:
    """Correlated allele counts, centred, shape (people, variants), and a trait, centred."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=(number, 1))
    own = random.normal(size=(number, variants))
    copies = (0.9 * shared + own > 0.4).astype(float) + (0.9 * shared + random.normal(size=own.shape) > 0.4)
    trait = copies @ random.normal(0, 0.3, variants) + random.normal(size=number)
    return copies - copies.mean(axis=0), trait - trait.mean()


def single_effects(copies: Values, trait: Values) -> Values:
    return (copies.T @ trait) / (copies**2).sum(axis=0)


def test_joint_effects_are_those_of_a_regression_on_all_variants() -> None:
    copies, trait = people()
    expected = np.linalg.lstsq(copies, trait, rcond=None)[0]
    found, rank = joint_weights(
        single_effects(copies, trait), np.corrcoef(copies, rowvar=False), copies.std(axis=0)
    )
    assert rank == 6
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_shrunken_joint_effects_are_posterior_means_of_a_normal_prior() -> None:
    copies, trait = people()
    noise, prior = 1.3, np.array([0.01, 0.02, 0.01, 0.5, 0.02, 0.03])
    precision = copies.T @ copies / noise + np.diag(1 / prior)
    expected = np.linalg.solve(precision, copies.T @ trait / noise)
    variance = noise / (copies**2).sum(axis=0)
    found, _ = joint_weights(
        single_effects(copies, trait),
        np.corrcoef(copies, rowvar=False),
        copies.std(axis=0),
        variance / prior,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_variant_alone_is_shrunken_as_without_ld() -> None:
    variance, prior = np.array([0.02]), np.array([0.04])
    found, _ = joint_weights(np.array([0.3]), np.eye(1), np.array([0.7]), variance / prior)
    np.testing.assert_allclose(found, 0.3 * shrinkage(variance, prior), rtol=1e-14)
    np.testing.assert_allclose(shrinkage(variance, prior), [2 / 3])


def test_variants_that_say_the_same_share_their_effect() -> None:
    r = np.array([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]])
    found, rank = joint_weights(np.array([0.5, 0.5, 0.0]), r, np.ones(3))
    alone, _ = joint_weights(np.array([0.5, 0.0]), r[1:, 1:], np.ones(2))
    assert rank == 2
    np.testing.assert_allclose(found, [alone[0] / 2, alone[0] / 2, alone[1]], rtol=1e-12)


def test_means_divide_by_the_number_that_is_there() -> None:
    effects, group = np.array([0.3, 0.6, 0.9]), np.array([0, 0, 1])
    np.testing.assert_allclose(mean_weights(effects, group), [0.15, 0.3, 0.9])
    assert mean_weights(np.empty(0), np.empty(0, dtype=np.int64)).shape == (0,)


def test_pips_are_made_to_sum_to_1_in_each_signal() -> None:
    effects = np.array([1.0, 2.0, 4.0, 8.0, 1.0])
    pip, group = np.array([0.1, 0.3, 0.0, 0.0, 0.2]), np.array([0, 0, 1, 1, 2])
    np.testing.assert_allclose(pip_weights(effects, pip, group), [0.25, 1.5, 2.0, 4.0, 1.0])


@pytest.mark.parametrize("kind", list(Weighting))
def test_weights_say_what_they_need(kind: Weighting) -> None:
    assert kind.is_joint == str(kind).startswith("joint")
    assert kind.uses_pips == (str(kind) in ("pip", "posterior"))


def test_joint_effects_are_those_of_cojo(caplog: pytest.LogCaptureFixture) -> None:
    cojopy = pytest.importorskip("cojopy", reason="cojopy is not installed")
    import pandas as pd

    copies, trait = people(variants=5)
    frequency = np.array([0.1, 0.25, 0.4, 0.3, 0.15])
    effects, r = single_effects(copies, trait), np.corrcoef(copies, rowvar=False)
    # COJO takes sample sizes from errors; with these all of them are the same.
    size, variance = 1e9, 2 * frequency * (1 - frequency)
    error = np.sqrt((trait.var() / variance - effects**2) / (size - 1))
    names = [f"s{number}" for number in range(5)]
    table = pd.DataFrame({
        "SNP": names, "A1": "A", "A2": "C", "b": effects, "se": error, "p": 0.5, "freq": frequency, "N": size,
    })  # fmt: skip
    cojo = cojopy.COJO()
    with caplog.at_level("ERROR"):
        cojo.load_sumstats(sumstats=table, ld_matrix=r)
        expected = cojo.run_joint_analysis()["joint_beta"].to_numpy()
    found, _ = joint_weights(effects, r, np.sqrt(variance), least_eigenvalue=1e-9)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_directions_that_hardly_vary_are_left_out_with_a_prior_too() -> None:
    """Two variants with r = 0.99 whose estimates disagree, as with a panel of others, do not explode."""
    r = np.array([[1.0, 0.99], [0.99, 1.0]])
    effects, ridge = np.array([0.10, 0.05]), np.full(2, 1e-4)
    found, rank = joint_weights(effects, r, np.ones(2), ridge)
    assert rank == 1
    np.testing.assert_allclose(found, np.full(2, 0.075 / (1.99 + 1e-4)), rtol=1e-12)
    all_directions, _ = joint_weights(effects, r, np.ones(2), ridge, least_eigenvalue=1e-6)
    assert np.abs(all_directions).max() > 2
