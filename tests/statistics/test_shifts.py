"""Circular shifts against plain rotations, and their error rate."""

import numpy as np
import pytest

from mifm_kipoi.statistics.shifts import largest_p, shifted_overlaps


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
