"""Random subsets that are matched to a chosen one."""

from __future__ import annotations

import numpy as np
from scipy import stats

from mifm_kipoi.statistics.matched_draws import matched_subsets, strata, upper_tail_p


def test_strata_hold_neighbours():
    assert strata([0.9, 0.1, 0.2, 0.8, 0.7, 0.3, 0.4, 0.6], 4).tolist() == [1, 0, 0, 1, 1, 0, 0, 1]
    assert strata([3, 1, 2], 4).tolist() == [0, 0, 0]
    assert np.bincount(strata(np.arange(11), 4)).tolist() == [6, 5]
    assert strata([], 4).tolist() == []


def test_subsets_have_as_many_of_each_stratum_each_equally_likely():
    chosen = np.array([1, 1, 0, 0, 0, 1, 1, 0], dtype=bool)
    stratum = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    subsets = matched_subsets(chosen, stratum, np.random.default_rng(1).random((6000, 8)))
    assert subsets.shape == (6000, 4)
    assert (np.sort(stratum[subsets], axis=1) == [0, 0, 1, 2]).all()
    assert all(len(set(row)) == 4 for row in subsets.tolist())
    pairs = np.sort(subsets[:, :2], axis=1) @ [4, 1]
    _, counts = np.unique(pairs, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-4


def test_no_row_is_drawn_where_none_was_chosen():
    none = np.zeros(3, dtype=bool)
    assert matched_subsets(none, np.zeros(3, np.int64), np.ones((5, 3))).shape == (5, 0)


def test_the_p_value_counts_the_observed_value():
    assert upper_tail_p(3, np.array([1.0, 2.0, 3.0])) == 0.5
    assert upper_tail_p(4, np.array([1.0, 2.0, 3.0])) == 0.25
