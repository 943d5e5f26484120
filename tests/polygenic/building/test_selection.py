"""Which variants of a signal are picked."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.polygenic.building.selection import decided_by_ties, picked, ranks_within

NAN = float("nan")


def test_ranks_go_by_falling_score_within_signals_and_leave_out_what_has_none() -> None:
    scores = np.array([0.1, 0.9, NAN, 0.5, 2.0, 1.0])
    group = np.array([0, 0, 0, 0, 1, 1])
    ranks = ranks_within(scores, group, np.zeros(6))
    assert ranks.tolist() == [2, 0, -1, 1, 0, 1]
    assert picked(ranks, 1).tolist() == [1, 4]
    assert picked(ranks, 2).tolist() == [1, 3, 4, 5]
    assert picked(ranks, None).tolist() == [0, 1, 3, 4, 5]


def test_equal_scores_are_ordered_by_the_tie_breaks_alone() -> None:
    scores, group = np.ones(4), np.zeros(4, dtype=np.int64)
    assert ranks_within(scores, group, np.array([0.3, 0.1, 0.4, 0.2])).tolist() == [2, 0, 3, 1]


def test_ties_count_where_the_last_picked_score_is_that_of_one_left() -> None:
    scores = np.array([3.0, 2.0, 2.0, 5.0, 5.0, 1.0, 7.0])
    group = np.array([0, 0, 0, 1, 1, 1, 2])
    ranks = ranks_within(scores, group, np.arange(7.0))
    assert [decided_by_ties(scores, group, ranks, top) for top in (1, 2, 3)] == [1, 1, 0]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(-3, 3))), max_size=40),
    st.integers(1, 5),
)
def test_picks_are_the_best_of_each_signal(rows: list[tuple[int, int | None]], top: int) -> None:
    group = np.array([signal for signal, _ in rows], dtype=np.int64)
    scores = np.array([NAN if score is None else float(score) for _, score in rows])
    ranks = ranks_within(scores, group, np.random.default_rng(1).random(len(rows)))
    chosen = set(picked(ranks, top).tolist())
    for signal in set(group.tolist()):
        members = [row for row in range(len(rows)) if group[row] == signal and not np.isnan(scores[row])]
        own = [row for row in members if row in chosen]
        assert len(own) == min(top, len(members))
        left = [scores[row] for row in members if row not in chosen]
        assert not left or min(scores[row] for row in own) >= max(left)
