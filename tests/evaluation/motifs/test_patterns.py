"""Patterns: their spans, where they lie, and which are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.evaluation.motifs.patterns import (
    Pattern,
    Seqlets,
    bits,
    distinct_sites,
    matched_pairs,
    similarity,
)
from tests.evaluation.motifs.planted import codes_of


def pattern(
    bases: str, sign: str = "positive", number: int = 1, flank: int = 3, size: float = 1.0
) -> Pattern:
    """A certain motif between free positions that contribute little."""
    frequencies = np.full((len(bases) + 2 * flank, 4), 0.25)
    frequencies[flank : flank + len(bases)] = np.eye(4)[codes_of(bases)]
    contributions = 0.05 * size * frequencies
    contributions[flank : flank + len(bases)] = size * np.eye(4)[codes_of(bases)]
    seqlets = Seqlets(
        np.array([0, 4]), np.array([10, 50]), np.array([10, 50]) + len(frequencies), np.array([False, True])
    )
    return Pattern(sign, number, frequencies, contributions, seqlets)


def test_the_span_is_what_contributes_and_is_certain() -> None:
    one = pattern("GATTACA")
    assert one.span == (3, 10)
    assert one.consensus == "GATTACA"
    assert one.information == pytest.approx(14)
    assert not one.flat
    # An outer position that contributes, but has any base.
    contributions = one.contributions.copy()
    contributions[2] = [0.4, 0.1, 0, 0]
    assert Pattern("positive", 1, one.frequencies, contributions, one.seqlets).span == (3, 10)


def test_a_pattern_without_information_is_flat() -> None:
    one = pattern("GATTACA")
    frequencies = 0.9 * np.full_like(one.frequencies, 0.25) + 0.1 * one.frequencies
    flat = Pattern("positive", 1, frequencies, one.contributions, one.seqlets)
    assert flat.flat
    assert flat.span == (3, 10)
    assert flat.consensus == "gattaca"


def test_spans_in_windows_on_both_strands() -> None:
    # 13 positions, the span from 3 to 10; seqlets at 10 to 23, and at 50 to 63 reversed: 50 + 13 - 10.
    one = pattern("GATTACA")
    starts, ends = one.spans()
    assert starts.tolist() == [13, 53]
    assert ends.tolist() == [20, 60]


def test_bits() -> None:
    assert bits(np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4])) == pytest.approx([2, 1, 0], abs=1e-9)


@given(st.lists(st.tuples(st.sampled_from(["1", "2"]), st.integers(0, 60), st.integers(1, 9)), min_size=1))
def test_distinct_sites_are_connected_stretches(places: list[tuple[str, int, int]]) -> None:
    covered = {(chrom, base) for chrom, start, width in places for base in range(start, start + width)}
    # Intervals that only touch do not overlap: a border counts where one begins and no other passes.
    inner = {(chrom, base) for chrom, start, width in places for base in range(start + 1, start + width)}
    expected = len([base for base in covered if base not in inner])
    chroms, starts, widths = zip(*places, strict=True)
    got = distinct_sites(np.array(chroms, object), np.array(starts), np.array(starts) + np.array(widths))
    assert got == expected


def test_similarity_is_free_of_offset_strand_and_size() -> None:
    one = pattern("GATTACAG")
    assert similarity(one, pattern("GATTACAG", size=3.0, flank=5)) == pytest.approx(1)
    assert similarity(one, pattern("CTGTAATC")) == pytest.approx(1)
    assert similarity(one, pattern("GATTACAG", size=-1.0)) < 0.5
    # Seven of eight bases, at the best offset.
    assert similarity(one, pattern("ATTACAG")) == pytest.approx((7 / 8) ** 0.5)
    assert similarity(one, pattern("CCCCCCCC")) <= 0.25


def test_pairs_of_patterns_are_one_to_one_and_of_one_sign() -> None:
    ones = [pattern("GATTACAG"), pattern("CCGGTTAA", number=2), pattern("GATTACAG", "negative", size=-1)]
    others = [pattern("TTAACCGG"), pattern("ATTACAGT", number=2), pattern("GATTACAG", number=3)]
    # TTAACCGG is CCGGTTAA on the other strand.
    assert sorted((i, j) for i, j, _ in matched_pairs(ones, others, 0.9)) == [(0, 2), (1, 0)]
    assert [(i, j) for i, j, _ in matched_pairs(ones[:1], others[:2], 0.6)] == [(0, 1)]
