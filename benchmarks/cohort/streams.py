"""Streams of random numbers of a cohort, each for one purpose."""

from __future__ import annotations

import enum

import numpy as np

from benchmarks.cohort.sizes import Cohort


class Stream(enum.IntEnum):
    """What random numbers are drawn for."""

    SITES = 0
    SEQUENCE = 1
    PEOPLE = 2
    TRAITS = 3
    EFFECTS = 4


def seeds(cohort: Cohort, stream: Stream, number: int = 0) -> np.random.SeedSequence:
    """The seeds of a stream, which no other stream has, nor any simulation of the same seed.

    Stream and number are a spawn key. As further words of the entropy, ``[seed, stream, number]``, they
    would not do: it is padded with zeros, so that ``[1, 8, 0]`` gives the numbers of ``[1, 8]``.

    Parameters
    ----------
    cohort : Cohort
        Its seed.
    stream : Stream
        What the numbers are for.
    number : int
        Of the locus, where each has its own.
    """
    return np.random.SeedSequence(cohort.seed, spawn_key=(stream, number))
