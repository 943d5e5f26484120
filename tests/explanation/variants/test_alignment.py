"""Both alleles of a variant on common columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.explanation.variants.alignment import NOTHING, Alignment, on_columns
from mifm_kipoi.genomics.variants import Variant


def aligned(ref: str, alt: str, span: int, pos: int = 1000) -> Alignment:
    return Alignment.of(Variant("1", pos, ".", ref, alt), span)


def test_of_an_snv_is_the_middle_of_the_window() -> None:
    alignment = aligned("A", "G", 32)
    assert alignment.allele == (15, 16)
    expected = np.arange(VARIANT_INDEX - 15, VARIANT_INDEX + 17)
    np.testing.assert_array_equal(alignment.ref, expected)
    np.testing.assert_array_equal(alignment.alt, expected)
    np.testing.assert_array_equal(alignment.positions, np.arange(985, 1017))


def test_of_an_insertion_leaves_columns_of_ref_open() -> None:
    alignment = aligned("A", "ATTG", 21)
    assert alignment.allele == (8, 12)
    i = VARIANT_INDEX
    assert alignment.ref.tolist() == [*range(i - 8, i + 1), NOTHING, NOTHING, NOTHING, *range(i + 1, i + 10)]
    np.testing.assert_array_equal(alignment.alt, np.arange(i - 8, i + 13))
    assert alignment.positions.tolist() == [*range(992, 1001), 0, 0, 0, *range(1001, 1010)]


def test_of_a_deletion_leaves_columns_of_alt_open() -> None:
    alignment = aligned("ACG", "A", 19)
    i = VARIANT_INDEX
    assert alignment.allele == (8, 11)
    assert alignment.alt.tolist() == [*range(i - 8, i + 1), NOTHING, NOTHING, *range(i + 1, i + 9)]
    np.testing.assert_array_equal(alignment.ref, np.arange(i - 8, i + 11))
    assert alignment.positions.tolist() == list(range(992, 1011))


def test_numbers_are_nan_in_open_columns() -> None:
    alignment = aligned("A", "AC", 18)
    values = np.arange(WINDOW, dtype=np.float32)
    shown = on_columns(values, alignment.ref)
    i = VARIANT_INDEX
    np.testing.assert_array_equal(shown, [*range(i - 8, i + 1), np.nan, *range(i + 1, i + 9)])
    assert on_columns(np.ones((WINDOW, 4), np.float32), alignment.ref).shape == (18, 4)


@given(st.integers(1, 700), st.integers(1, 700), st.integers(16, 256))
def test_each_allele_has_its_bases_in_their_order_once(ref: int, alt: int, span: int) -> None:
    alignment = Alignment(ref, alt, 5000, span)
    first, last = alignment.allele
    assert 0 <= first < last <= span
    for indices, length in ((alignment.ref, ref), (alignment.alt, alt)):
        assert indices.shape == (span,)
        filled = indices[indices != NOTHING]
        assert ((filled >= 0) & (filled < WINDOW)).all()
        assert (np.diff(filled) == 1).all()
        assert filled[0] == VARIANT_INDEX - first
        shown = np.sum(indices[first:last] != NOTHING)
        assert shown == min(length, span - first, WINDOW - VARIANT_INDEX)
    positions = alignment.positions[alignment.positions > 0]
    assert (np.diff(positions) == 1).all()
    assert alignment.positions[first] == 5000


@pytest.mark.parametrize(("ref", "alt"), [("A" * 300, "A"), ("A", "A" * 600)])
def test_of_a_long_allele_ends_with_the_columns(ref: str, alt: str) -> None:
    alignment = aligned(ref, alt, 128)
    assert alignment.allele == (8, 128)
