"""Metrics of rankings against scikit-learn, brute force and closed forms."""

import itertools
import warnings
from fractions import Fraction
from math import comb

import hypothesis
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import strategies as st

from mifm_kipoi.statistics.ranking import (
    Curve,
    GroupedPrecision,
    Top,
    among_first,
    auroc,
    average_precision,
    expected_average_precision,
    top_k,
)
from tests.evaluation.ranking.ranked_rows import SETTINGS, Flags, Rows, Values, arrays, rows_of, with_positive

CASES = {
    "without ties": (300, 12, 0.1),
    "many ties": (400, 0, 0.2),
    "some ties": (400, 1, 0.03),
    "mostly positive": (200, 1, 0.9),
    "infinite scores": (200, 0, 0.3),
    "a constant": (50, -9, 0.2),
    "a single positive": (80, 1, 0.0),
    "a single negative": (80, 1, 1.0),
    "two rows": (2, 12, 0.0),
}
"""Rows, decimals that scores are rounded to, and the share of positives."""


def case(name: str, seed: int) -> tuple[Values, Flags, Values]:
    size, decimals, fraction = CASES[name]
    generator = np.random.default_rng([seed, size])
    score = np.round(generator.normal(size=size), decimals)
    positive = generator.uniform(size=size) < fraction
    positive[:2] = [True, False]
    if name == "infinite scores":
        score[generator.uniform(size=size) < 0.2] = 1e300
    # As of a bootstrap, and of any size.
    weights = generator.multinomial(size, np.full(size, 1 / size)) * generator.choice([1.0, 0.37], size)
    weights[:2] = [1.0, 2.5]
    return score, positive, weights


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", CASES)
def test_areas_are_those_of_scikit_learn(name: str, seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    score, positive, weights = case(name, seed)
    theirs = metrics.average_precision_score(positive, score), metrics.roc_auc_score(positive, score)
    assert (average_precision(score, positive), auroc(score, positive)) == pytest.approx(theirs, abs=1e-9)
    theirs = (
        metrics.average_precision_score(positive, score, sample_weight=weights),
        metrics.roc_auc_score(positive, score, sample_weight=weights),
    )
    ours = average_precision(score, positive, weights), auroc(score, positive, weights)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_weightings_at_once_are_those_one_by_one() -> None:
    score, positive, _ = case("some ties", 3)
    many = np.random.default_rng(1).poisson(1, (score.size, 7)).astype(np.float64)
    group = np.arange(score.size) % 5
    curve, grouped = Curve(score, positive), GroupedPrecision(score, positive, group)
    for found, single in (
        (curve.average_precision(many), curve.average_precision),
        (curve.auroc(many), curve.auroc),
        (grouped.mean(many), grouped.mean),
    ):
        assert found.shape == (7,)
        assert found.tolist() == pytest.approx([float(single(many[:, one])) for one in range(7)], rel=1e-12)
    recall, precision = curve.points(many)
    assert recall[:, 2].tolist() == curve.points(many[:, 2])[0].tolist()
    assert precision[:, 2].tolist() == curve.points(many[:, 2])[1].tolist()


def test_infinite_scores_come_first_and_last() -> None:
    score = np.array([np.inf, 0.0, -np.inf, 1.0])
    assert average_precision(score, np.array([True, False, False, False])) == 1
    assert average_precision(score, np.array([False, False, True, False])) == 1 / 4
    assert auroc(score, np.array([False, False, True, False])) == 0


def test_nan_is_refused() -> None:
    score, positive = np.array([1.0, np.nan]), np.array([True, False])
    with pytest.raises(ValueError, match="NaN cannot be ranked"):
        Curve(score, positive)
    with pytest.raises(ValueError, match="NaN cannot be ranked"):
        GroupedPrecision(score, positive, np.zeros(2, dtype=np.int64))


def test_one_class_alone_has_no_area() -> None:
    score = np.array([1.0, 2.0, 2.0])
    nothing, all_of_them = np.zeros(3, dtype=bool), np.ones(3, dtype=bool)
    assert np.isnan(
        [average_precision(score, nothing), auroc(score, nothing), auroc(score, all_of_them)]
    ).all()
    assert average_precision(score, all_of_them) == 1


def test_areas_of_a_constant_and_of_a_perfect_score() -> None:
    positive = np.arange(20) < 3
    for score, areas in (
        (np.zeros(20), (3 / 20, 0.5)),
        (positive.astype(float), (1, 1)),
        (-positive.astype(float), (3 / 20, 0)),
    ):
        assert (average_precision(score, positive), auroc(score, positive)) == pytest.approx(areas)


def test_the_points_by_hand() -> None:
    curve = Curve(np.array([1.0, 3, 2, 2]), np.array([True, True, False, True]))
    recall, precision = curve.points()
    assert recall.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert precision.tolist() == pytest.approx([1, 2 / 3, 3 / 4])
    false, true = curve.roc()
    assert false.tolist() == [0, 0, 1, 1]
    assert true.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_the_roc_curve_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    score, positive, _ = case("many ties", 1)
    theirs = metrics.roc_curve(positive, score, drop_intermediate=False)
    false, true = Curve(score, positive).roc()
    assert false.tolist() == pytest.approx(theirs[0].tolist())
    assert true.tolist() == pytest.approx(theirs[1].tolist())


@hypothesis.given(data=st.data(), rows=rows_of(12).filter(with_positive))
@SETTINGS
def test_weights_are_repeated_rows(data: st.DataObject, rows: Rows) -> None:
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    score, positive = arrays(rows)
    hypothesis.assume(positive[np.array(times) > 0].any())
    repeated = Curve(np.repeat(score, times), np.repeat(positive, times))
    found = Curve(score, positive).areas(np.array(times, dtype=np.float64))
    assert found == pytest.approx(repeated.areas(), rel=1e-12, nan_ok=True)


def by_chromosome(score: Values, positive: Flags, group: npt.NDArray[np.int64]) -> float:
    """TraitGym's formula, in its own words: scikit-learn's within each, weighted by numbers of rows."""
    metrics = pytest.importorskip("sklearn.metrics")
    table = pd.DataFrame({"score": score, "label": positive, "chrom": group})
    each = [
        (len(rows), metrics.average_precision_score(rows["label"], rows["score"]))
        for _, rows in table.groupby("chrom")
    ]
    total = sum(size for size, _ in each)
    return float(sum(size / total * found for size, found in each))


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.parametrize("seed", range(4))
def test_the_mean_of_chromosomes_is_that_of_traitgym(decimals: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    size = 600
    score, group = np.round(generator.normal(size=size), decimals), generator.integers(0, 9, size)
    positive = generator.uniform(size=size) < 0.15
    for number in range(9):
        positive[np.flatnonzero(group == number)[:2]] = [True, False]
    grouped = GroupedPrecision(score, positive, group)
    assert float(grouped.mean()) == pytest.approx(by_chromosome(score, positive, group), abs=1e-9)
    assert grouped.sizes.tolist() == np.bincount(group).tolist()
    assert grouped.positives.tolist() == np.bincount(group, positive).tolist()


def test_chromosomes_that_lack_a_class_are_left_out() -> None:
    """The reference formula gives 0 for one without positives, and 1 for one without negatives."""
    generator = np.random.default_rng(2)
    group = np.repeat(np.arange(5), 40)
    positive = generator.uniform(size=200) < 0.3
    positive[group == 1], positive[group == 3] = False, True
    score = generator.normal(size=200)
    inside = (group != 1) & (group != 3)
    grouped = GroupedPrecision(score, positive, group)
    expected = by_chromosome(score[inside], positive[inside], group[inside])
    assert float(grouped.mean()) == pytest.approx(expected, abs=1e-9)
    assert grouped.sizes.tolist() == [40, 40, 40]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of the chromosome without positives
        theirs = by_chromosome(score, positive, group)
    # Their sum has a 0 and a 1 more.
    assert theirs == pytest.approx((3 * expected + 0 + 1) / 5, abs=1e-9)


def test_chromosomes_that_lack_a_class_in_a_resample_are_left_out_of_it() -> None:
    score, positive = np.array([1.0, 2, 3, 1, 2]), np.array([True, False, False, False, True])
    group, weights = np.array([0, 0, 0, 1, 1]), np.array([0.0, 2, 1, 1, 1])
    grouped = GroupedPrecision(score, positive, group)
    assert float(grouped.mean(weights)) == 1
    assert float(grouped.mean()) == pytest.approx(3 / 5 * 1 / 3 + 2 / 5)
    assert np.isnan(grouped.mean(np.zeros(5)))


def test_no_chromosome_with_both_classes() -> None:
    grouped = GroupedPrecision(np.arange(4.0), np.array([True, True, False, False]), np.array([0, 0, 1, 1]))
    assert np.isnan(grouped.mean())
    assert np.isnan(grouped.mean(np.ones((4, 3)))).tolist() == [True] * 3
    assert np.isnan(grouped.expected())


@hypothesis.given(data=st.data(), rows=rows_of(14, 4))
@SETTINGS
def test_the_mean_of_groups_is_that_of_single_curves(data: st.DataObject, rows: Rows) -> None:
    score, positive = arrays(rows)
    numbers = st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))
    group, weights = np.array(data.draw(numbers)), np.array(data.draw(numbers), dtype=np.float64)
    total = size = 0.0
    for number in range(3):
        own = group == number
        good, bad = weights[own & positive].sum(), weights[own & ~positive].sum()
        if good and bad:
            total += average_precision(score[own], positive[own], weights[own]) * (good + bad)
            size += good + bad
    found = float(GroupedPrecision(score, positive, group).mean(weights))
    assert found == pytest.approx(total / size if size else np.nan, rel=1e-12, nan_ok=True)


def mean_over_all_orders(size: int, positives: int) -> float:
    """Average precision of a perfectly sorted score, over all places of the positive rows."""
    every = [
        sum(Fraction(hit, place) for hit, place in enumerate(places, 1)) / positives
        for places in itertools.combinations(range(1, size + 1), positives)
    ]
    return float(sum(every) / len(every))


def test_what_a_random_order_has_on_average() -> None:
    cases = [(size, positives) for size in range(2, 9) for positives in range(1, size + 1)]
    sizes, positives = map(np.array, zip(*cases, strict=True))
    expected = [mean_over_all_orders(*case) for case in cases]
    assert expected_average_precision(positives, sizes).tolist() == pytest.approx(expected, abs=1e-12)
    assert float(expected_average_precision(3, 7)) == pytest.approx(mean_over_all_orders(7, 3))
    assert float(expected_average_precision(10_000, 1_000_000)) == pytest.approx(0.01, abs=2e-5)


def test_what_a_random_order_has_on_average_by_chromosome() -> None:
    """The third and fourth lack a class and do not count."""
    group = np.repeat(np.arange(4), [5, 8, 6, 2])
    positive = np.isin(np.arange(21), [0, 5, 6, 7, 19, 20])
    grouped = GroupedPrecision(np.zeros(21), positive, group)
    expected = (5 * mean_over_all_orders(5, 1) + 8 * mean_over_all_orders(8, 3)) / 13
    assert grouped.expected() == pytest.approx(expected, abs=1e-12)
    generator = np.random.default_rng(4)
    drawn = [float(GroupedPrecision(generator.random(21), positive, group).mean()) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(expected, abs=0.015)


def slow_top_k(rows: Rows, k: int) -> Fraction:
    """The mean over all orders of rows, each sorted so that ties stay in their order."""
    hits = [
        any(positive for _, positive in sorted(order, key=lambda row: -row[0])[:k])
        for order in itertools.permutations(rows)
    ]
    return Fraction(sum(hits), len(hits))


def chance(size: int, positive: int, k: int) -> float:
    drawn = min(k, size)
    return 1 - comb(size - positive, drawn) / comb(size, drawn)


@hypothesis.given(rows=rows_of(6).filter(with_positive), k=st.integers(1, 7))
@SETTINGS
def test_top_k_is_the_mean_over_all_orders_of_ties(rows: Rows, k: int) -> None:
    score, positive = arrays(rows)
    found = top_k(score, np.full(len(rows), 7), positive, k)
    assert found.index.tolist() == [7]
    assert found[7] == pytest.approx(float(slow_top_k(rows, k)), abs=1e-12)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize(("size", "positive"), [(1, 1), (5, 1), (6, 2), (40, 3), (2000, 1)])
def test_a_constant_score_gives_chance(size: int, positive: int, k: int) -> None:
    flags = np.arange(size) < positive
    found = top_k(np.zeros(size), np.zeros(size, dtype=np.int64), flags, k)
    # Logarithms of factorials are rounded.
    assert found.tolist() == pytest.approx([chance(size, positive, k)], abs=1e-10)


def test_top_k_by_hand() -> None:
    score = np.array([3.0, 2, 1, 1, 1, 5, 4, 9])
    positive = np.array([False, False, True, False, True, False, True, False])
    bag = np.array([2, 2, 2, 2, 2, 0, 0, 1])
    assert top_k(score, bag, positive, 1).to_dict() == {0: 0, 2: 0}
    assert top_k(score, bag, positive, 2).to_dict() == {0: 1, 2: 0}
    assert top_k(score, bag, positive, 3).to_dict() == pytest.approx({0: 1, 2: 2 / 3})
    assert top_k(score, bag, positive, 4).to_dict() == {0: 1, 2: 1}


@hypothesis.given(
    bags=st.lists(rows_of(6), min_size=1, max_size=5).filter(lambda bags: any(map(with_positive, bags))),
    k=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
@SETTINGS
def test_the_order_of_rows_does_not_matter(bags: list[Rows], k: int, seed: int) -> None:
    score, positive = arrays([row for rows in bags for row in rows])
    bag = np.repeat(np.arange(len(bags)) * 3, [len(rows) for rows in bags])
    order = np.random.default_rng(seed).permutation(len(bag))
    there = top_k(score, bag, positive, k)
    moved = top_k(score[order], bag[order], positive[order], k)
    pd.testing.assert_series_equal(there, moved)
    assert there.index.tolist() == [3 * number for number, rows in enumerate(bags) if with_positive(rows)]
    curve, other = Curve(score, positive), Curve(score[order], positive[order])
    assert curve.average_precision() == pytest.approx(other.average_precision(), rel=1e-12)
    assert curve.auroc() == pytest.approx(other.auroc(), rel=1e-12, nan_ok=True)


def test_no_bags_have_no_first() -> None:
    assert top_k(np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), 1).empty


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "values", [[3, 1, 2, 2, 2, 0], [1, 1, 1, 1, 1, 1], [5, 4, 3, 2, 1, 0], [0, 0, 0, 9, 9, 9]]
)
def test_members_of_the_top_are_those_of_all_orders_of_ties(values: list[float], k: int) -> None:
    members = np.zeros(6)
    orders = list(itertools.permutations(range(6)))
    for order in orders:
        ranked = sorted(range(6), key=lambda row: (-values[row], order[row]))
        members[ranked[:k]] += 1 / len(orders)
    array = np.array(values, dtype=float)
    assert Top(array, np.argsort(array)).membership(k) == pytest.approx(members, abs=1e-12)
    assert among_first(array, np.zeros(6, np.int64), k) == pytest.approx(members, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_members_of_the_first_of_bags_are_those_of_each_bag(k: int) -> None:
    generator = np.random.default_rng(k)
    bag, score = generator.integers(0, 4, 20) * 3, generator.integers(0, 3, 20).astype(float)
    found = among_first(score, bag, k)
    for each in np.unique(bag):
        own = score[bag == each]
        expected = Top(own, np.argsort(own)).membership(min(k, own.size))
        assert found[bag == each] == pytest.approx(expected, abs=1e-12)
    assert among_first(score[:0], bag[:0], k).size == 0


def test_nothing_has_no_metric() -> None:
    nothing = np.zeros(0)
    assert np.isnan([metric(nothing, nothing > 0) for metric in (auroc, average_precision)]).all()
