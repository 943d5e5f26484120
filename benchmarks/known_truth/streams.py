"""Streams of random numbers of simulations and cohorts, each for one purpose."""

from __future__ import annotations

import enum

import numpy as np


class Stream(enum.IntEnum):
    """What random numbers are drawn for. A number that has been used is never given to another purpose."""

    COHORT_SITES = 0
    COHORT_SEQUENCE = 1
    COHORT_PEOPLE = 2
    COHORT_TRAITS = 3
    COHORT_EFFECTS = 4
    GENEALOGY = 5
    LOCUS = 6
    MASKING = 7
    PHENOTYPES = 8
    TRACK = 9
    MOTIFS = 10
    STUDIES = 11
    STATES = 12
    SILENCERS = 13
    SHUFFLED = 14
    DEALT = 15
    FEWER = 16
    MERGED = 17


def seeds(seed: int, stream: Stream, number: int = 0) -> np.random.SeedSequence:
    """The seeds of a stream, which no other stream has, nor the same one with another number or seed.

    Stream and number are a spawn key. As further words of the entropy, ``[seed, stream, number]``, they
    would not do: it is padded with zeros, so that ``[1, 8, 0]`` gives the numbers of ``[1, 8]``.

    Parameters
    ----------
    seed : int
        Of the simulation or the cohort.
    stream : Stream
        What the numbers are for.
    number : int
        Of the genealogy, locus, contig or track, where each has its own.
    """
    return np.random.SeedSequence(seed, spawn_key=(stream, number))
