"""Circular shifts against plain rotations, and their error rate."""

import numpy as np
import pytest
from scipy import stats

from mifm_kipoi.statistics.shifts import family_statistics, largest_p, rotated_sums, shifted_overlaps


def test_overlaps_are_those_of_rotated_flags() -> None:
    generator = np.random.default_rng(1)
    # Blocks of 7, 1 and 5 rows, which lie apart.
    block = np.array([2, 2, 0, 2, 2, 2, 2, 1, 0, 2, 0, 0, 0])
    selected, flags = generator.random((2, 13)) < 0.5, generator.random((3, 13)) < 0.5
    shifted = shifted_overlaps(selected, flags, block, draws=40, seed=5)
    assert shifted.seen.tolist() == (selected.astype(int) @ flags.astype(int).T).tolist()
    again = np.random.default_rng(5)
    expected = np.zeros((2, 3, 40))
    for one in range(3):
        rows = np.flatnonzero(block == one)
        for draw, shift in enumerate(again.integers(rows.size, size=40)):
            turned = np.roll(flags[:, rows], -shift, axis=1)
            expected[..., draw] += selected[:, rows].astype(int) @ turned.astype(int).T
    assert (shifted.drawn == expected).all()


def test_an_overlap_that_no_shift_has_is_as_rare_as_can_be() -> None:
    flags = np.zeros((1, 1000), dtype=bool)
    flags[0, np.random.default_rng(1).integers(0, 1000, 200)] = True
    shifted = shifted_overlaps(flags, flags, np.arange(1000) // 50, draws=199)
    assert shifted.p_value.item() == pytest.approx(1 / 200)
    assert largest_p(shifted.statistic, shifted.largest).item() == pytest.approx(1 / 200)


def test_flags_that_are_all_set_have_no_p_value() -> None:
    selected = np.random.default_rng(1).random((1, 100)) < 0.5
    flags = np.stack([np.ones(100, dtype=bool), selected[0]])
    shifted = shifted_overlaps(selected, flags, np.arange(100) // 10, draws=50)
    assert np.isnan(shifted.p_value[0]).tolist() == [True, False]
    assert np.isnan(largest_p(shifted.statistic, shifted.largest)[0]).tolist() == [True, False]


@pytest.mark.parametrize("run", [1, 20])
def test_type_1_error_of_clustered_selections_and_flags(run: int) -> None:
    generator = np.random.default_rng(3)
    block = np.arange(4000) // 200
    rejected = 0
    for _ in range(20):
        selected = np.repeat(generator.random((1, 4000 // run)) < 0.3, run, axis=1)
        flags = np.repeat(generator.random((30, 200)) < 0.2, 20, axis=1)
        # Runs of the two, and blocks, do not begin at the same rows, as they would in no genome.
        flags = np.stack([np.roll(each, generator.integers(4000)) for each in flags])
        selected = np.roll(selected, generator.integers(4000), axis=1)
        rejected += int((shifted_overlaps(selected, flags, block, draws=199).p_value <= 0.05).sum())
    # The binomial 99 % interval of 600 tests at 0.05.
    assert 17 <= rejected <= 44


def test_sums_over_rotated_flags_are_those_of_plain_rotations() -> None:
    generator = np.random.default_rng(1)
    # 480 is fast to transform, 487 is a prime.
    for size, used in ((480, 480), (487, 486)):
        values = generator.normal(size=(2, size)).astype(np.float32)
        flags = generator.random((3, size)) < 0.3
        sums = rotated_sums(values, flags, draws=2000, seed=5)
        assert sums.shape == (2, 3, 2001)
        turns = [values[:, :used] @ np.roll(flags[:, :used], -turn, axis=1).T for turn in range(used)]
        plain = np.stack(turns, axis=-1)
        assert sums[..., 0] == pytest.approx(plain[..., 0], abs=1e-3)
        # All rotations but none, each some four times; the same for all.
        places = np.abs(sums[0, 0, 1:, np.newaxis] - plain[0, 0]).argmin(axis=1)
        assert len(set(places.tolist())) > 0.9 * used
        assert 0 not in places
        assert sums[..., 1:] == pytest.approx(plain[..., places], abs=1e-3)


def test_a_family_counts_dependent_tests_once_and_independent_ones_each() -> None:
    generator = np.random.default_rng(2)
    value, flags = generator.normal(size=(1, 5000)), generator.random((20, 5000)) < 0.2
    single = family_statistics(rotated_sums(value, flags[:1], draws=5000))
    alike = family_statistics(rotated_sums(value, np.tile(flags[:1], (20, 1)), draws=5000))
    apart = family_statistics(rotated_sums(value, flags, draws=5000))
    seen = np.array([2.5])
    p_single, p_alike, p_apart = (
        largest_p(seen, each[..., 1:].reshape(-1, 5000).max(axis=0)).item() for each in (single, alike, apart)
    )
    assert p_alike == p_single == pytest.approx(2 * stats.norm.sf(2.5), rel=0.3)
    assert p_apart == pytest.approx(1 - (1 - p_single) ** 20, rel=0.15)


def test_what_no_rotation_changes_has_no_statistic() -> None:
    values, flags = np.ones((1, 100)), np.arange(100)[np.newaxis] < 30
    assert np.isnan(family_statistics(np.rint(rotated_sums(values, flags, draws=20)))).all()
