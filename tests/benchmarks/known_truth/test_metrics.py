"""Metrics against brute force, closed forms and another implementation."""

import itertools
from fractions import Fraction
from math import comb

import hypothesis
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_average_precision

from benchmarks.known_truth.metrics import (
    RESAMPLES,
    Curve,
    Genealogies,
    calibration,
    calibration_error,
    credible_set,
    top_k,
)

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = list[tuple[float, bool]]

SETTINGS = hypothesis.settings(max_examples=60, deadline=None)


def rows_of(largest: int, smallest: int = 1) -> st.SearchStrategy[Rows]:
    """Scores, many of them tied, and which rows are causal."""
    score = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    return st.lists(st.tuples(score, st.booleans()), min_size=smallest, max_size=largest)


def with_causal(rows: Rows) -> bool:
    return any(causal for _, causal in rows)


def arrays(rows: Rows) -> tuple[Values, Flags]:
    scores, causal = zip(*rows, strict=True)
    return np.array(scores), np.array(causal)


def slow_top_k(rows: Rows, k: int) -> Fraction:
    """The mean over all orders of rows, each sorted so that ties stay in their order."""
    hits = [
        any(causal for _, causal in sorted(order, key=lambda row: -row[0])[:k])
        for order in itertools.permutations(rows)
    ]
    return Fraction(sum(hits), len(hits))


def chance(size: int, causal: int, k: int) -> float:
    drawn = min(k, size)
    return 1 - comb(size - causal, drawn) / comb(size, drawn)


@hypothesis.given(rows=rows_of(6).filter(with_causal), k=st.integers(1, 7))
@SETTINGS
def test_top_k_is_the_mean_over_all_orders_of_ties(rows: Rows, k: int) -> None:
    score, causal = arrays(rows)
    found = top_k(score, np.full(len(rows), 7), causal, k)
    assert found.index.tolist() == [7]
    assert found[7] == pytest.approx(float(slow_top_k(rows, k)), abs=1e-12)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize(("size", "causal"), [(1, 1), (5, 1), (6, 2), (40, 3), (2000, 1)])
def test_a_constant_score_gives_chance(size: int, causal: int, k: int) -> None:
    flags = np.arange(size) < causal
    found = top_k(np.zeros(size), np.zeros(size, dtype=np.int64), flags, k)
    # Logarithms of factorials are rounded.
    assert found.tolist() == pytest.approx([chance(size, causal, k)], abs=1e-10)


def test_top_k_by_hand() -> None:
    score = np.array([3.0, 2, 1, 1, 1, 5, 4, 9])
    causal = np.array([False, False, True, False, True, False, True, False])
    bag = np.array([2, 2, 2, 2, 2, 0, 0, 1])
    assert top_k(score, bag, causal, 1).to_dict() == {0: 0, 2: 0}
    assert top_k(score, bag, causal, 2).to_dict() == {0: 1, 2: 0}
    assert top_k(score, bag, causal, 3).to_dict() == pytest.approx({0: 1, 2: 2 / 3})
    assert top_k(score, bag, causal, 4).to_dict() == {0: 1, 2: 1}


@hypothesis.given(
    bags=st.lists(rows_of(6), min_size=1, max_size=5).filter(lambda bags: any(map(with_causal, bags))),
    k=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
@SETTINGS
def test_the_order_of_rows_does_not_matter(bags: list[Rows], k: int, seed: int) -> None:
    score, causal = arrays([row for rows in bags for row in rows])
    bag = np.repeat(np.arange(len(bags)) * 3, [len(rows) for rows in bags])
    order = np.random.default_rng(seed).permutation(len(bag))
    there = top_k(score, bag, causal, k)
    moved = top_k(score[order], bag[order], causal[order], k)
    pd.testing.assert_series_equal(there, moved)
    assert there.index.tolist() == [3 * number for number, rows in enumerate(bags) if with_causal(rows)]
    curve, other = Curve(score, causal), Curve(score[order], causal[order])
    assert curve.average_precision() == pytest.approx(other.average_precision(), rel=1e-12)
    assert curve.power(0.2) == other.power(0.2)


@hypothesis.given(rows=rows_of(30).filter(with_causal))
@SETTINGS
def test_average_precision_is_that_of_torchmetrics(rows: Rows) -> None:
    score, causal = arrays(rows)
    theirs = binary_average_precision(torch.from_numpy(score), torch.from_numpy(causal).int())
    assert Curve(score, causal).average_precision() == pytest.approx(float(theirs), abs=1e-6)


def test_average_precision_of_scores_without_ties() -> None:
    generator = np.random.default_rng(3)
    score, causal = generator.uniform(size=500), generator.uniform(size=500) < 0.1
    theirs = binary_average_precision(torch.from_numpy(score), torch.from_numpy(causal).int())
    assert Curve(score, causal).average_precision() == pytest.approx(float(theirs), abs=1e-5)


def test_average_precision_of_a_constant_and_of_a_perfect_score() -> None:
    causal = np.arange(20) < 3
    assert Curve(np.zeros(20), causal).average_precision() == pytest.approx(3 / 20)
    assert Curve(causal.astype(float), causal).average_precision() == 1
    assert Curve(-causal.astype(float), causal).average_precision() == pytest.approx(3 / 20)


def test_the_points_by_hand() -> None:
    recall, precision = Curve(np.array([1.0, 3, 2, 2]), np.array([True, True, False, True])).points()
    assert recall.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert precision.tolist() == pytest.approx([1, 2 / 3, 3 / 4])


@hypothesis.given(data=st.data(), rows=rows_of(12).filter(with_causal))
@SETTINGS
def test_weights_are_repeated_rows(data: st.DataObject, rows: Rows) -> None:
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    score, causal = arrays(rows)
    hypothesis.assume(causal[np.array(times) > 0].any())
    repeated = Curve(np.repeat(score, times), np.repeat(causal, times))
    curve, weights = Curve(score, causal), np.array(times, dtype=np.float64)
    assert curve.average_precision(weights) == pytest.approx(repeated.average_precision(), rel=1e-12)
    for fdr in (0.05, 0.2, 0.5):
        assert curve.power(fdr, weights) == repeated.power(fdr)


def slow_power(rows: Rows, fdr: Fraction) -> Fraction:
    every = sum(causal for _, causal in rows)
    powers = [Fraction(0)]
    for threshold, _ in rows:
        chosen = [causal for score, causal in rows if score >= threshold]
        if Fraction(chosen.count(False), len(chosen)) <= fdr:
            powers.append(Fraction(sum(chosen), every))
    return max(powers)


@hypothesis.given(
    rows=st.lists(st.tuples(st.integers(0, 8).map(float), st.booleans()), min_size=1, max_size=40).filter(
        with_causal
    ),
    fdr=st.sampled_from(["0.05", "0.1", "0.2", "0.5"]),
)
@SETTINGS
def test_power_is_that_of_plain_python(rows: Rows, fdr: str) -> None:
    found = Curve(*arrays(rows)).power(float(fdr))
    assert found == pytest.approx(float(slow_power(rows, Fraction(fdr))), abs=1e-12)


@pytest.mark.parametrize(("fdr", "causal"), [(0.05, 19), (0.1, 9), (0.2, 4)])
def test_a_share_of_just_the_fdr_is_allowed(fdr: float, causal: int) -> None:
    """One of twenty, ten, five is false; the last causal one comes with many false ones."""
    score = np.repeat([2.0, 1, 0], [1, causal, 100])
    flags = (score == 1) | (np.arange(score.size) == score.size - 1)
    assert Curve(score, flags).power(fdr) == causal / (causal + 1)
    assert Curve(score, flags).power(fdr - 0.001) == 0


def test_the_mean_has_the_interval_of_independent_values() -> None:
    values = np.random.default_rng(1).exponential(size=400)
    found = Genealogies(np.arange(400)).mean(values)
    error = 1.96 * values.std() / 20
    assert found.value == values.mean()
    assert found.value - found.low == pytest.approx(error, rel=0.1)
    assert found.high - found.value == pytest.approx(error, rel=0.1)


def test_rows_of_one_genealogy_count_once() -> None:
    values = np.random.default_rng(2).normal(size=150)
    repeated = np.repeat(values, 6)
    once = Genealogies(np.arange(150)).mean(values)
    together = Genealogies(np.repeat(np.arange(150) * 5 - 100, 6)).mean(repeated)
    apart = Genealogies(np.arange(900)).mean(repeated)
    assert (together.low, together.high) == pytest.approx((once.low, once.high), rel=1e-9)
    # The ends of either are known to some percent, from a thousand resamples.
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(6**0.5, rel=0.2)


def test_the_interval_of_a_statistic_is_that_of_the_mean() -> None:
    generator = np.random.default_rng(3)
    genealogy = generator.integers(0, 12, 200)
    values = generator.normal(size=200)
    genealogies = Genealogies(genealogy)
    mean = genealogies.mean(values)
    found = genealogies.interval(lambda weights: float(weights @ values / weights.sum()))
    assert (found.value, found.low, found.high) == pytest.approx((mean.value, mean.low, mean.high), rel=1e-9)
    assert genealogies.weights.shape == (RESAMPLES, 12)
    assert (genealogies.weights.sum(axis=1) == 12).all()


def test_the_seed_decides_the_interval() -> None:
    values = np.arange(30.0)
    first, again, other = (Genealogies(np.arange(30), seed).mean(values) for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert (first.low, first.high) != (other.low, other.high)


def test_the_order_of_rows_leaves_the_interval() -> None:
    generator = np.random.default_rng(4)
    genealogy, values = generator.integers(0, 9, 60), generator.normal(size=60)
    order = generator.permutation(60)
    one, other = Genealogies(genealogy).mean(values), Genealogies(genealogy[order]).mean(values[order])
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)


def test_resamples_without_a_value_are_left_out() -> None:
    """The only causal row is in one of two genealogies, which a quarter of the resamples lack."""
    causal = np.array([True, False])
    genealogies = Genealogies(np.array([4, 8]))
    found = genealogies.interval(Curve(np.array([1.0, 0.0]), causal).average_precision)
    assert (found.value, found.low, found.high) == (1, 1, 1)
    nothing = genealogies.interval(lambda weights: float("nan"))
    assert np.isnan([nothing.low, nothing.high]).all()


def test_calibration_by_hand() -> None:
    pip = np.array([0.0, 0.05, 0.1, 0.19, 0.95, 1.0])
    causal = np.array([False, False, True, False, True, True])
    found = calibration(pip, causal, Genealogies(np.arange(6)))
    assert found["bin_low"].tolist() == pytest.approx([0, 0.1, 0.9])
    assert found["bin_high"].tolist() == pytest.approx([0.1, 0.2, 1])
    assert found["count"].tolist() == [2, 2, 2]
    assert found["predicted"].tolist() == pytest.approx([0.025, 0.145, 0.975])
    assert found["observed"].tolist() == [0, 0.5, 1]
    assert found[["low", "high"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 1]]
    error = (2 * 0.025 + 2 * (0.5 - 0.145) + 2 * 0.025) / 6
    assert calibration_error(pip, causal) == pytest.approx(error)
    # In one bin the gaps cancel out.
    assert calibration_error(pip, causal, bins=1) == pytest.approx(abs(causal.mean() - pip.mean()))


def test_a_bin_is_as_wide_as_its_genealogies_are_apart() -> None:
    """Of ten genealogies each is wholly causal, or not at all."""
    genealogy = np.repeat(np.arange(10), 30)
    causal = genealogy < 5
    pip = np.full(300, 0.55)
    (together,) = calibration(pip, causal, Genealogies(genealogy)).itertuples()
    (apart,) = calibration(pip, causal, Genealogies(np.arange(300))).itertuples()
    assert together.observed == apart.observed == 0.5
    assert together.high - together.low == pytest.approx(2 * 1.96 * 0.5 / 10**0.5, rel=0.15)
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * 0.5 / 300**0.5, rel=0.15)


@pytest.fixture(scope="module")
def calibrated() -> tuple[Values, Flags, npt.NDArray[np.int64]]:
    """Bags of which the PIPs say the truth: one variant is causal, or none, by their probabilities."""
    generator = np.random.default_rng(5)
    bags, size = 3000, 8
    pip = generator.dirichlet(np.full(size + 1, 0.25), bags)
    chosen = (generator.uniform(size=(bags, 1)) > pip.cumsum(axis=1)).sum(axis=1)
    causal = np.arange(size) == chosen[:, None]
    return pip[:, :size].ravel(), causal.ravel(), np.repeat(np.arange(bags) // 6, size)


def test_calibrated_probabilities_are_within_the_interval(
    calibrated: tuple[Values, Flags, npt.NDArray[np.int64]],
) -> None:
    pip, causal, genealogy = calibrated
    found = calibration(pip, causal, Genealogies(genealogy))
    assert len(found) == 10
    assert found["count"].sum() == pip.size
    assert found["predicted"].between(found["low"], found["high"]).sum() >= 9
    assert found["observed"].between(found["low"], found["high"]).all()
    assert calibration_error(pip, causal) < 0.006
    assert calibration_error(pip**0.5, causal) > 0.1


def test_credible_sets_cover_what_they_say(
    calibrated: tuple[Values, Flags, npt.NDArray[np.int64]],
) -> None:
    pip, causal = (values.reshape(-1, 8) for values in calibrated[:2])
    reached = pip.sum(axis=1) >= 0.8
    sets = [credible_set(one, 0.8) for one in pip]
    covered = np.array([own[chosen].any() for own, chosen in zip(causal, sets, strict=True)])
    held = np.array([own[chosen].sum() for own, chosen in zip(pip, sets, strict=True)])
    assert (held[reached] >= 0.8).all()
    assert {len(chosen) for chosen, whole in zip(sets, reached, strict=True) if not whole} == {8}
    error = np.sqrt((held * (1 - held)).sum()) / held.size
    assert abs(covered.mean() - held.mean()) < 3 * error


@hypothesis.given(
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=7).filter(any),
    level=st.sampled_from([0.5, 0.8, 0.95]),
)
@SETTINGS
def test_no_smaller_set_has_the_level(weights: list[int], level: float) -> None:
    pip = np.array(weights) / sum(weights)
    chosen = credible_set(pip, level)
    assert len(set(chosen.tolist())) == len(chosen)
    assert pip[chosen].sum() >= level - 1e-9
    smaller = itertools.combinations(pip, len(chosen) - 1)
    assert all(sum(one) < level - 1e-9 for one in smaller)


def test_credible_sets_by_hand() -> None:
    assert credible_set(np.array([0.2, 0.5, 0.3])).tolist() == [1, 2, 0]
    assert credible_set(np.array([0.01, 0.96, 0.03])).tolist() == [1]
    assert credible_set(np.array([0.1, 0.3, 0.2])).tolist() == [1, 2, 0]
    # Twenty of 0.05 have a sum of a bit less than one.
    assert len(credible_set(np.full(20, 0.05))) == 19
