"""How alleles of tables fit those of variants: against sets, and what must change nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.baselines.alleles import Fit, allele_fit

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
SNVS = list(itertools.permutations("ACGT", 2))

bases = st.sampled_from("ACGT")
alleles = st.text("ACGT", min_size=1, max_size=3)
pairs = st.tuples(alleles, alleles).filter(lambda pair: pair[0] != pair[1])


def complemented(pair: tuple[str, str]) -> tuple[str, str]:
    return "".join(COMPLEMENT[base] for base in pair[0]), "".join(COMPLEMENT[base] for base in pair[1])


@pytest.mark.parametrize(("row", "expected"), [
    (("A", "C"), Fit.SAME),
    (("a", "c"), Fit.SAME),
    (("T", "G"), Fit.FLIPPED),
    (("C", "A"), Fit.DIFFERENT),
    (("G", "T"), Fit.DIFFERENT),
    (("A", "G"), Fit.DIFFERENT),
    (("A", "-"), Fit.DIFFERENT),
    (("D", "I"), Fit.DIFFERENT),
    (("A", "AC"), Fit.DIFFERENT),
    (("", ""), Fit.DIFFERENT),
])  # fmt: skip
def test_ordered_pairs_of_a_snv(row: tuple[str, str], expected: Fit) -> None:
    assert allele_fit("A", "C", *row, ordered=True) is expected


@pytest.mark.parametrize(("ref", "alt"), ["AT", "TA", "CG", "GC"])
def test_a_palindromic_pair_in_exchanged_order_is_ambiguous(ref: str, alt: str) -> None:
    assert allele_fit(ref, alt, ref, alt, ordered=True) is Fit.SAME
    assert allele_fit(ref, alt, alt, ref, ordered=True) is Fit.AMBIGUOUS
    assert allele_fit(ref, alt, alt, ref, ordered=True, either_strand=False) is Fit.DIFFERENT
    assert allele_fit(ref, alt, alt, ref, ordered=False) is Fit.SAME


def test_on_one_strand_alone_nothing_is_flipped() -> None:
    assert allele_fit("A", "C", "T", "G", ordered=True, either_strand=False) is Fit.DIFFERENT
    assert allele_fit("A", "C", "G", "T", ordered=False, either_strand=False) is Fit.DIFFERENT
    assert allele_fit("A", "C", "C", "A", ordered=False, either_strand=False) is Fit.SAME


@pytest.mark.parametrize("row", [("TT", "T"), ("T", "TT"), ("T", "-"), ("I", "D"), ("T", "TG")])
def test_longer_alleles_are_not_looked_for_on_the_other_strand(row: tuple[str, str]) -> None:
    assert allele_fit("A", "AA", *row, ordered=True) is Fit.DIFFERENT
    assert allele_fit("A", "AA", *row, ordered=False) is Fit.DIFFERENT


def test_an_indel_fits_as_it_stands() -> None:
    assert allele_fit("A", "AC", "A", "AC", ordered=True) is Fit.SAME
    assert allele_fit("A", "AC", "AC", "A", ordered=True) is Fit.DIFFERENT
    assert allele_fit("A", "AC", "AC", "A", ordered=False) is Fit.SAME


@pytest.mark.parametrize(("variant", "row"), list(itertools.product(SNVS, SNVS)))
def test_unordered_pairs_of_snvs_are_sets(variant: tuple[str, str], row: tuple[str, str]) -> None:
    same, flipped = set(row) == set(variant), set(complemented(row)) == set(variant)
    expected = Fit.SAME if same else Fit.FLIPPED if flipped else Fit.DIFFERENT
    assert allele_fit(*variant, *row, ordered=False) is expected


@given(pairs, pairs)
def test_exchanging_an_unordered_pair_changes_nothing(variant: tuple[str, str], row: tuple[str, str]) -> None:
    assert allele_fit(*variant, *row, ordered=False) is allele_fit(*variant, *row[::-1], ordered=False)


@given(st.tuples(bases, bases), st.tuples(bases, bases), st.booleans())
def test_the_strand_of_a_table_of_snvs_changes_no_acceptance(
    variant: tuple[str, str], row: tuple[str, str], ordered: bool
) -> None:
    if variant[0] == variant[1] or (ordered and COMPLEMENT[row[0]] == row[1]):
        return
    found = allele_fit(*variant, *row, ordered=ordered)
    other = allele_fit(*variant, *complemented(row), ordered=ordered)
    assert (found <= Fit.FLIPPED) == (other <= Fit.FLIPPED)
    assert {found, other} in ({Fit.SAME, Fit.FLIPPED}, {Fit.DIFFERENT}, {Fit.SAME})


@given(pairs, pairs)
def test_ordered_fits_are_a_part_of_the_unordered(variant: tuple[str, str], row: tuple[str, str]) -> None:
    ordered, unordered = (allele_fit(*variant, *row, ordered=order) for order in (True, False))
    if ordered <= Fit.FLIPPED:
        assert unordered is ordered
    if unordered is Fit.DIFFERENT:
        assert ordered is Fit.DIFFERENT
