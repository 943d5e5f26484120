"""Random numbers that nothing else has."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from benchmarks.cohort.sizes import SIZES
from benchmarks.cohort.streams import Stream, seeds


def test_no_stream_is_that_of_another_or_of_a_simulation() -> None:
    """Simulations have ``[seed, ...]``, to which zeros may be appended without a change."""
    cohorts = [dataclasses.replace(SIZES["tiny"], seed=seed) for seed in (0, 1, 2)]
    drawn = [
        tuple(seeds(cohort, stream, number).generate_state(4).tolist())
        for cohort, stream, number in itertools.product(cohorts, Stream, range(3))
    ]
    assert len(set(drawn)) == len(drawn)
    words = [
        [seed, *rest]
        for seed in (0, 1, 2)
        for length in range(3)
        for rest in itertools.product(range(12), repeat=length)
    ]
    others = {tuple(np.random.SeedSequence(each).generate_state(4).tolist()) for each in words}
    assert len(others) < len(words)
    assert not others & set(drawn)


def test_a_stream_is_that_of_its_seed() -> None:
    cohort, same = SIZES["tiny"], dataclasses.replace(SIZES["small"], seed=SIZES["tiny"].seed)
    first, again = (seeds(each, Stream.SITES, 7).generate_state(2) for each in (cohort, same))
    assert first.tolist() == again.tolist()
