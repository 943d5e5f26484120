"""Variants that occur twice, against all pairs."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from mifm_kipoi.genetics.genotypes import GenotypeError, RefuseRepeats

Row = tuple[str, int, str, str]

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "X"]), st.integers(1, 12), st.sampled_from("ACGT"), st.sampled_from("ACGT")
    )
    | st.tuples(st.just("1"), st.integers(1, 30), st.sampled_from(["A", "AT"]), st.sampled_from(["C", "GA"])),
    max_size=14,
)


def compared(chunks: list[list[Row]]) -> None:
    refuse = RefuseRepeats(["a.bed", "b.bed"])
    for chunk in chunks:
        table = pd.DataFrame(chunk, columns=["chrom", "pos", "counted", "other"]).assign(id="rs")
        assert refuse(table.astype({"pos": np.int64, "counted": "str", "other": "str"})).all()


@given(ROWS, st.lists(st.integers(1, 14), max_size=4), st.booleans())
def test_all_pairs_are_compared(rows: list[Row], cuts: list[int], ascending: bool) -> None:
    rows = sorted(rows) if ascending else rows
    starts = [0, *sorted(cuts), len(rows)]
    chunks = [rows[start:end] for start, end in itertools.pairwise(starts)]
    if len({(chrom, pos, frozenset(alleles)) for chrom, pos, *alleles in rows}) == len(rows):
        compared(chunks)
    else:
        with pytest.raises(
            GenotypeError, match=r"a\.bed and 1 more: the variant (1|X):\d+ .* more than once"
        ):
            compared(chunks)


def test_a_repeated_variant_is_named() -> None:
    one: Row = ("1", 10, "A", "G")
    with pytest.raises(GenotypeError, match="the variant 1:10 G/A occurs more than once, here as rs"):
        compared(
            [[one, ("1", 20, "A", "G")], [("1", 30, "A", "G")], [("1", 5, "C", "T"), ("1", 10, "G", "A")]]
        )


def test_variants_that_cannot_be_told_are_not_compared() -> None:
    for row in (("1", 0, "A", "G"), ("1", 10, ".", "G"), ("1", 10, "<DEL>", "G"), ("1", 10, "*", "G")):
        compared([[row, row], [row]])
