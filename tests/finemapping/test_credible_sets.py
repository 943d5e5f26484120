"""Credible sets and sums over groups, by hand and against plain Python."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.special import logsumexp

from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.finemapping.groups import Groups

bags_of = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=8), min_size=1, max_size=6)
"""PIPs times 100, in each bag."""


def test_sets_by_hand() -> None:
    pip = np.array([0.5, 0.45, 0.05, 0.1, 0.2, 0.6, 0.0])
    bag = np.array([7, 7, 7, 2, 2, 2, 9])
    # 0.5 + 0.45 is the level; 0.6 + 0.2 is 0.89 of 0.9; a bag of one keeps it, whatever its PIP.
    assert in_credible_set(pip, bag).tolist() == [True, True, False, True, True, True, True]
    assert in_credible_set(pip, bag, 0.5).tolist() == [True, False, False, False, False, True, True]
    assert in_credible_set(pip, bag, 1.0).all()
    assert in_credible_set(np.empty(0), np.empty(0, dtype=np.int64)).size == 0


def test_of_equal_ones_the_first_are_taken() -> None:
    assert in_credible_set(np.full(4, 0.25), np.zeros(4, dtype=np.int64), 0.5).tolist() == [
        True,
        True,
        False,
        False,
    ]


@hypothesis.given(bags=bags_of, seed=st.integers(0, 100))
def test_sets_are_the_fewest_rows(bags: list[list[int]], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(sum(map(len, bags)))
    pip = np.array([value / 100 for bag in bags for value in bag])[order]
    bag = np.repeat(np.arange(len(bags)), [len(bag) for bag in bags])[order]
    chosen = in_credible_set(pip, bag, 0.95)
    for number in range(len(bags)):
        own, kept = pip[bag == number], chosen[bag == number]
        total = own.sum()
        assert kept.any()
        assert own[kept].sum() >= 0.95 * total * (1 - 1e-8)
        # Without its smallest member it would hold less; those outside are not larger.
        assert kept.sum() == 1 or own[kept].sum() - own[kept].min() < 0.95 * total
        assert kept.all() or own[~kept].max() <= own[kept].min()


@pytest.mark.parametrize("level", [0.0, 1.5, float("nan")])
def test_a_level_is_a_probability(level: float) -> None:
    with pytest.raises(ValueError, match=f"level is {level}"):
        in_credible_set(np.ones(1), np.zeros(1, dtype=np.int64), level)


@hypothesis.given(bags=bags_of, seed=st.integers(0, 100))
def test_sums_over_groups_in_any_order(bags: list[list[int]], seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = np.array([float(value) for bag in bags for value in bag])
    numbers = np.repeat(np.arange(len(bags)), [len(bag) for bag in bags])
    for order in (np.arange(values.size), generator.permutation(values.size)):
        groups = Groups(7 * numbers[order] - 3)
        np.testing.assert_allclose(groups.sum(values[order]), [sum(bag) for bag in bags])
        assert groups.max(values[order]).tolist() == [max(bag) for bag in bags]
        np.testing.assert_allclose(
            groups.log_sum(values[order]), [logsumexp(bag) for bag in bags], rtol=1e-12
        )
        assert groups.sizes.tolist() == [len(bag) for bag in bags]
