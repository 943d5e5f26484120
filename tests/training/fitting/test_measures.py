"""Measures of validation: how far logits of instances agree with the evidence of studies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.training.bag_tables import make_dataset
from tests.training.study_tables import random_studies, with_studies
from training.data.dataset import DataSet
from training.fitting.measures import StudyRows
from training.mil.evidence import Evidence


def rows_of(dataset: DataSet) -> StudyRows:
    return StudyRows.of(Evidence.of(dataset, "per_study"))


@pytest.fixture
def two() -> StudyRows:
    """PIPs of 0.6, 0.3 and 0.1 in one study, of 0.5 and 0.5 in the other, in the order of the instances."""
    bags = [
        (1, "validation", [("1", pos, "A", "C") for pos in (10, 20, 30)]),
        (0, "validation", [("2", 5, "A", "C")]),
    ]
    studies = [(0.25, [0, 1, 2], np.log([6, 3, 1]).tolist()), (0.75, [2, 0], [4.0, 4.0])]
    return rows_of(with_studies(make_dataset(bags), [studies]))


def test_the_top_of_a_set_is_held_against_its_mean(two: StudyRows) -> None:
    gains, weights = two.top_pip_gains(np.array([1.0, 2.0, 0.0, 9.0]))
    assert gains.tolist() == pytest.approx([0.3 - 1 / 3, 0.0])
    assert weights.tolist() == pytest.approx([0.25, 0.75])
    assert two.top_pip(np.array([2.0, 1.0, 0.0, 9.0])) == pytest.approx(0.25 * (0.6 - 1 / 3))
    # Equal logits share the first place.
    assert two.top_pip(np.array([2.0, 2.0, 0.0, 9.0])) == pytest.approx(0.25 * (0.45 - 1 / 3), abs=1e-7)
    assert math.isnan(two.top_pip(np.array([np.nan, 2.0, 0.0, 9.0])))


def test_sets_of_one_variant_say_nothing() -> None:
    bags = [(1, "validation", [("1", pos, "A", "C") for pos in (10, 20)])]
    sure = rows_of(with_studies(make_dataset(bags), [[(1.0, [0, 1], [20.0, 0.0])]]))
    assert math.isnan(sure.top_pip(np.array([1.0, 2.0])))
    # The likelihood has them all the same.
    assert sure.likelihood(np.array([2.0, 1.0])) == pytest.approx(math.log(2), abs=1e-6)


def test_the_likelihood_is_that_of_the_best_slope(two: StudyRows) -> None:
    logits = np.array([2.0, 1.0, 0.0, 9.0])

    def gain(slope: float) -> float:
        prior = np.exp(slope * logits[:3])
        # In the other study any prior has the mean Bayes factor.
        return 0.25 * math.log(float(prior @ [6, 3, 1] / prior.sum() / (10 / 3)))

    found = two.likelihood(logits)
    slopes = np.linspace(0, 40, 4001)
    assert found == pytest.approx(max(map(gain, slopes)), abs=1e-5)
    assert two.likelihood(-logits) == 0
    assert two.likelihood(5 * logits - 3) == pytest.approx(found, abs=1e-6)
    assert math.isnan(two.likelihood(np.array([np.inf, 1.0, 0.0, 9.0])))


def test_pips_stand_for_bayes_factors_that_are_missing() -> None:
    """PIPs that sum to 1 are those of one effect: Bayes factors up to a number common to the study."""
    data = random_studies(2)
    evidence = Evidence.of(data, "per_study")
    known = rows_of(data)
    without = DataSet(
        data.bags, data.instances, data.studies,
        data.evidence.assign(log_bf=np.float32("nan")), {},
    )  # fmt: skip
    by_pip = rows_of(without)
    assert by_pip.instance.tolist() == known.instance.tolist() == data.evidence["instance"].tolist()
    logits = np.random.default_rng(0).normal(size=len(data.instances))
    # PIPs below 1e-6 count as 1e-6.
    assert by_pip.likelihood(logits) == pytest.approx(known.likelihood(logits), abs=1e-3)
    assert by_pip.top_pip(logits) == pytest.approx(known.top_pip(logits), abs=1e-3)
    some = StudyRows.of(evidence, np.array([2, 4]))
    assert set(evidence.bag[evidence.label == 1][np.isin(evidence.bag[evidence.label == 1], [2, 4])]) == set(
        data.instances["bag"].to_numpy()[some.instance]
    )


def test_without_evidence_nothing_is_measured() -> None:
    data = random_studies(2)
    nan = np.float32("nan")
    nothing = rows_of(
        DataSet(data.bags, data.instances, data.studies, data.evidence.assign(log_bf=nan, pip=nan), {})
    )
    assert not nothing.several
    assert math.isnan(nothing.likelihood(np.zeros(len(data.instances))))
    assert math.isnan(nothing.top_pip(np.zeros(len(data.instances))))
