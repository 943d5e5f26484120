"""What the loss is told: studies with their own rows, or bags with the rows of lowest p."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from tests.training.bag_tables import make_dataset
from tests.training.study_tables import random_studies, with_studies
from training.data.dataset import DataSet
from training.mil.evidence import Evidence, ranges


@pytest.fixture
def dataset() -> DataSet:
    """A negative bag between two positive ones, of two studies and of one."""
    bags = [
        (1, "train", [("1", pos, "A", "C") for pos in (10, 20, 30)]),
        (0, "train", [("2", 5, "A", "C"), ("2", 6, "A", "C")]),
        (1, "train", [("1", pos, "A", "C") for pos in (110, 120)]),
    ]
    first = [(0.5, [2, 0], [math.log(8), math.log(2)]), (1.0, [1, 0, 2], [0.0, 3.0, 1.0])]
    return with_studies(make_dataset(bags), [first, [(1.5, [0, 1], [math.log(99), 0.0])]])


def test_each_study_is_a_group_with_its_own_rows(dataset: DataSet) -> None:
    found = Evidence.of(dataset, "per_study")
    assert found.bag.tolist() == [0, 0, 1, 2]
    assert found.label.tolist() == [1, 1, 0, 1]
    assert found.size.tolist() == [2, 3, 2, 2]
    assert found.bag_size.tolist() == [3, 2, 2]
    assert found.instance.tolist() == [2, 0, 1, 0, 2, 3, 4, 5, 6]
    # Three units in two positive bags.
    np.testing.assert_allclose(found.weight, [0.5 / 1.5, 1 / 1.5, 1, 1.5 / 1.5], rtol=1e-6)
    expected = [math.log(8), math.log(2), 0, 3, 1, np.nan, np.nan, math.log(99), 0]
    np.testing.assert_allclose(found.log_bf, expected, rtol=1e-6)
    assert np.isnan(found.pip[5:7]).all()
    assert found.pip[:2] == pytest.approx([0.8, 0.2])
    assert found.bag_label.tolist() == [1, 0, 1]
    assert found.bag_start.tolist() == [0, 2, 3]


def test_united_bags_have_the_statistics_of_their_instances(dataset: DataSet) -> None:
    found = Evidence.of(dataset)
    assert found.bag.tolist() == [0, 1, 2]
    assert found.size.tolist() == found.bag_size.tolist() == [3, 2, 2]
    assert found.instance.tolist() == list(range(7))
    np.testing.assert_array_equal(found.log_bf, dataset.instances["log_bf"])
    assert found.weight.tolist() == [1, 1, 1]


def test_studies_that_stand_in_the_order_of_their_bags_are_those_that_do_not() -> None:
    """Negative bags before, between and behind the positive ones."""
    data = random_studies(3)
    found = Evidence.of(data, "per_study")
    assert (np.diff(found.bag) >= 0).all()
    for group, bag in enumerate(found.bag.tolist()):
        rows = slice(found.start[group], found.start[group] + found.size[group])
        assert set(data.instances["bag"].to_numpy()[found.instance[rows]]) == {bag}
    positive = found.label[found.group] == 1
    np.testing.assert_array_equal(found.instance[positive], data.evidence["instance"])
    np.testing.assert_array_equal(found.log_bf[positive], data.evidence["log_bf"])
    np.testing.assert_array_equal(found.size[found.label == 1], data.studies["size"])
    totals = np.bincount(found.bag, found.weight)[np.flatnonzero(found.bag_label)]
    assert totals.mean() == pytest.approx(1)


def test_credible_sets_are_those_of_each_study(dataset: DataSet) -> None:
    """PIPs of 0.8 and 0.2; of exp(0, 3, 1), 0.84 and 0.11 and 0.04; of 99 and 1, 0.99 and 0.01."""
    found = Evidence.of(dataset, "per_study", 0.95)
    assert found.size.tolist() == [2, 2, 2, 1]
    assert found.instance.tolist() == [2, 0, 0, 2, 3, 4, 5]
    narrow = Evidence.of(dataset, "per_study", 0.79)
    assert narrow.instance[narrow.label[narrow.group] == 1].tolist() == [2, 0, 5]
    # Of the united bag: log Bayes factors 3, 2 and 1 are PIPs of 0.67, 0.24 and 0.09; 3 and 2, 0.73 and 0.27.
    assert Evidence.of(dataset, "lowest_p", 0.9).instance.tolist() == [0, 1, 3, 4, 5, 6]


def test_credible_sets_are_by_pips_where_bayes_factors_are_missing(dataset: DataSet) -> None:
    log_bf = dataset.evidence["log_bf"].copy()
    log_bf.iloc[3] = np.nan
    pip = np.array([0.5, 0.5, 0.97, 0.02, 0.01, 0.5, 0.5], dtype=np.float32)
    data = DataSet(
        dataset.bags, dataset.instances, dataset.studies,
        dataset.evidence.assign(log_bf=log_bf, pip=pip), {},
    )  # fmt: skip
    found = Evidence.of(data, "per_study", 0.95)
    # Only the second study goes by its PIPs.
    assert found.size[found.label == 1].tolist() == [2, 1, 1]
    assert found.instance[found.label[found.group] == 1].tolist() == [2, 0, 1, 5]
    pip[4] = np.nan
    neither = DataSet(
        dataset.bags, dataset.instances, dataset.studies,
        dataset.evidence.assign(log_bf=log_bf, pip=pip), {},
    )  # fmt: skip
    left = Evidence.of(neither, "per_study", 0.95)
    assert left.left_out == 1
    assert left.instance[left.label[left.group] == 1].tolist() == [2, 0, 5]


def test_studies_without_what_is_needed_are_left_out(dataset: DataSet) -> None:
    """The second study of the first bag lacks a Bayes factor; the weights of the others take its place."""
    log_bf = dataset.evidence["log_bf"].copy()
    log_bf.iloc[3] = np.nan
    data = dataclasses.replace(dataset, evidence=dataset.evidence.assign(log_bf=log_bf))
    assert Evidence.of(data, "per_study", needs=["pip"]).left_out == 0
    found = Evidence.of(data, "per_study", needs=["log_bf"])
    assert found.left_out == 1
    assert found.bag.tolist() == [0, 1, 2]
    assert found.instance.tolist() == [2, 0, 3, 4, 5, 6]
    np.testing.assert_allclose(found.weight, [0.5, 1, 1.5])
    # What is not read is not needed.
    assert Evidence.of(data, "per_study", rows="lead", needs=["log_bf"]).left_out == 0


def test_without_p_and_z_the_lead_has_the_highest_pip(dataset: DataSet) -> None:
    nan = np.float32("nan")
    pip = np.array([0.1, 0.9, 0.2, 0.3, 0.5, nan, 0.5], dtype=np.float32)
    known = dataset.evidence.assign(pip=pip, log_p=nan)
    by_z = dataclasses.replace(dataset, evidence=known)
    leads = Evidence.of(by_z, "per_study", rows="lead")
    assert leads.instance[leads.label == 1].tolist() == [2, 1, 5]
    by_pip = dataclasses.replace(dataset, evidence=known.assign(z=nan))
    leads = Evidence.of(by_pip, "per_study", rows="lead")
    assert leads.instance[leads.label == 1].tolist() == [0, 2]
    assert leads.left_out == 1


@pytest.mark.parametrize("narrow", [{"credible_set": 0.95}, {"rows": "lead"}])
def test_negative_bags_are_as_large_as_narrowed_positive_ones(narrow: dict[str, Any]) -> None:
    """Positive bags of 20 whose sets hold 1 to 4, beside negative bags of 20."""
    bags = [(1, "train", [("1", 100 * bag + row, "A", "C") for row in range(20)]) for bag in range(60)]
    bags += [(0, "train", [("2", 100 * bag + row, "A", "C") for row in range(20)]) for bag in range(60)]
    sets = [[(1.0, list(range(20)), [50.0] * (1 + bag % 4) + [0.0] * (19 - bag % 4))] for bag in range(60)]
    data = with_studies(make_dataset(bags), sets)
    found = Evidence.of(data, "per_study", **narrow)
    of = [np.bincount(found.size[found.label == label], minlength=6)[1:5] / 60 for label in (1, 0)]
    assert of[0].tolist() == ([1, 0, 0, 0] if narrow.get("rows") else [0.25] * 4)
    assert of[1].sum() == 1
    # Of 60 draws: standard deviation 0.056.
    np.testing.assert_allclose(of[1], of[0], atol=0.2)
    if narrow.get("rows"):
        places = found.instance[(found.label == 0)[found.group]] % 20
        assert len(set(places.tolist())) > 10
    again = Evidence.of(data, "per_study", **narrow)
    np.testing.assert_array_equal(again.instance, found.instance)


def test_the_lead_is_the_first_row_of_each_study(dataset: DataSet) -> None:
    found = Evidence.of(dataset, "per_study", rows="lead")
    assert found.size.tolist() == [1, 1, 1, 1]
    assert found.instance[found.label == 1].tolist() == [2, 1, 5]
    united = Evidence.of(dataset, "lowest_p", rows="lead")
    assert united.instance[united.label == 1].tolist() == [0, 5]


def test_ranges() -> None:
    assert ranges(np.array([5, 0, 7]), np.array([2, 0, 3])).tolist() == [5, 6, 7, 8, 9]
    assert ranges(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)).tolist() == []
