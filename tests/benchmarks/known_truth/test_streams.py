"""Random numbers that nothing else has."""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.known_truth.streams import Stream, seeds


def state(seeds: np.random.SeedSequence) -> tuple[int, ...]:
    return tuple(seeds.generate_state(4).tolist())


def test_no_two_purposes_share_a_state() -> None:
    """Nor two numbers or seeds of one, nor any the state of bare words, to which zeros change nothing."""
    drawn = [
        state(seeds(seed, stream, number))
        for seed, stream, number in itertools.product((0, 1, 2), Stream, (*range(20), 2_000))
    ]
    assert len(set(drawn)) == len(drawn)
    words = [
        [seed, *rest]
        for seed in (0, 1, 2)
        for length in range(3)
        for rest in itertools.product(range(12), repeat=length)
    ]
    others = {state(np.random.SeedSequence(each)) for each in words}
    assert len(others) < len(words)
    assert not others & set(drawn)


def test_each_purpose_has_a_number_of_its_own() -> None:
    """Two names of one number would be one stream."""
    assert len(Stream) == len(Stream.__members__)


def test_a_stream_is_that_of_its_seed() -> None:
    first, again, other = (state(seeds(seed, Stream.LOCUS, 7)) for seed in (1, 1, 2))
    assert first == again != other
