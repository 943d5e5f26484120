"""Folds and random splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.statistics.folds import k_folds, random_splits


@given(st.integers(5, 60), st.integers(2, 5), st.floats(0.05, 0.95), st.integers(0, 1000))
def test_each_row_is_tested_once_and_classes_are_spread_evenly(
    size: int, folds: int, fraction: float, seed: int
) -> None:
    positive = np.random.default_rng(seed).random(size) < fraction
    splits = k_folds(size, folds, seed, positive)
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(size))
    for split in splits:
        assert sorted(np.concatenate([split.train, split.test])) == list(range(size))
    for rows in (np.ones(size, bool), positive, ~positive):
        counts = [int(rows[split.test].sum()) for split in splits]
        assert max(counts) - min(counts) <= 1


def test_the_seed_decides() -> None:
    first, again, other = (k_folds(50, 5, seed) for seed in (1, 1, 2))
    assert all((a.test == b.test).all() for a, b in zip(first, again, strict=True))
    assert any((a.test != b.test).any() for a, b in zip(first, other, strict=True))


def test_families_stay_together_and_cases_are_spread() -> None:
    generator = np.random.default_rng(3)
    family = generator.integers(0, 150, 400)
    positive = generator.random(400) < 0.2
    splits = k_folds(400, 5, 4, positive, family)
    for split in splits:
        assert not set(family[split.train]) & set(family[split.test])
        assert split.test.size == pytest.approx(80, abs=2)
        assert positive[split.test].sum() == pytest.approx(positive.sum() / 5, abs=2)


def test_more_folds_than_there_can_be() -> None:
    with pytest.raises(ValueError, match="5 folds of 4 rows: there must be from 2 to 4"):
        k_folds(4, 5)
    with pytest.raises(ValueError, match="3 folds of 2 clusters"):
        k_folds(6, 3, cluster=[1, 1, 1, 2, 2, 2])


def test_random_splits_keep_classes_and_overlap() -> None:
    positive = np.arange(300) < 30
    splits = random_splits(300, 5, 0.33, 1, positive)
    assert len(splits) == 5
    for split in splits:
        assert (split.test.size, positive[split.test].sum()) == (90 + 10, 10)
        assert not set(split.train) & set(split.test)
    assert np.unique(np.concatenate([split.test for split in splits])).size < 300
