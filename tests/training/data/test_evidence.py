"""Posteriors and weights of studies, against closed forms and a loop over pairs of studies."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.evidence import posteriors, study_weights

NAN = math.nan


def test_posteriors_are_of_bayes_factors_then_pips_then_alike() -> None:
    study = np.array([0, 0, 0, 2, 2, 3, 3, 5])
    log_bf = np.array([math.log(6), math.log(2), NAN, NAN, NAN, NAN, NAN, -math.inf])
    pip = np.array([0.1, 0.1, 0.8, 0.2, 0.6, NAN, NAN, 0.3])
    assert posteriors(study, log_bf, pip).tolist() == pytest.approx(
        [0.75, 0.25, 0, 0.25, 0.75, 0.5, 0.5, 1.0]
    )
    assert posteriors(np.empty(0, int), np.empty(0), np.empty(0)).size == 0


def test_huge_bayes_factors_do_not_overflow() -> None:
    found = posteriors(np.zeros(2, int), np.array([5000.0, 5000 - math.log(3)]), np.full(2, NAN))
    assert found.tolist() == pytest.approx([0.75, 0.25])


def test_weights_worked_out_by_hand() -> None:
    # Studies 0 and 1 share variant 7 wholly; study 2 halves its posterior between 7 and 8; 4 stands alone.
    study = np.array([0, 1, 2, 2, 4])
    instance = np.array([7, 7, 7, 8, 9])
    pip = np.array([1, 1, 0.5, 0.5, 1])
    half = math.sqrt(0.5)
    expected = [1 / (2 + half), 1 / (2 + half), 1 / (1 + 2 * half), 1]
    assert study_weights(study, instance, pip).tolist() == pytest.approx(expected)
    assert study_weights(np.empty(0, int), np.empty(0, int), np.empty(0)).size == 0


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 2**32))
def test_equal_studies_weigh_one_together(studies: int, variants: int, seed: int) -> None:
    pip = np.random.default_rng(seed).dirichlet(np.ones(variants))
    found = study_weights(
        np.repeat(np.arange(studies), variants), np.tile(np.arange(variants), studies), np.tile(pip, studies)
    )
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, 1 / studies)


def naive(
    study: npt.NDArray[np.int64], instance: npt.NDArray[np.int64], pip: npt.NDArray[np.float64]
) -> list[float]:
    rows = [
        dict(zip(instance[study == s].tolist(), pip[study == s].tolist(), strict=True))
        for s in np.unique(study)
    ]
    return [
        1 / sum(math.sqrt(one[j] * other[j]) for other in rows for j in one if j in other) for one in rows
    ]


@given(st.integers(1, 10), st.integers(1, 15), st.integers(0, 2**32))
def test_weights_are_those_of_the_double_sum(studies: int, variants: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    has = generator.random((studies, variants)) < 0.5
    has[np.arange(studies), generator.integers(0, variants, studies)] = True
    study, instance = np.nonzero(has)
    # Bags share neither studies nor instances: two bags in one call.
    study, instance = np.append(study, study + studies), np.append(instance, instance + variants)
    pip = posteriors(study, generator.normal(0, 5, len(study)), np.full(len(study), NAN))
    found = study_weights(study, instance, pip)
    np.testing.assert_allclose(found, naive(study, instance, pip), rtol=1e-12)
    assert ((found > 0) & (found <= 1 + 1e-12)).all()
