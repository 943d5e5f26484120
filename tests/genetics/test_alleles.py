"""How alleles fit those of a variant, against sets and by symmetry; which allele is REF, by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.conventions import FEW_MISMATCHES
from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genetics.alleles import (
    Fit,
    Orientation,
    allele_fit,
    check_mismatches,
    orient,
    status_counts,
)
from mifm_kipoi.genomics.genome import Genome
from tests.builders import write_fasta

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
def test_a_palindromic_pair_with_swapped_alleles_is_ambiguous(ref: str, alt: str) -> None:
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
def test_swapping_an_unordered_pair_changes_nothing(variant: tuple[str, str], row: tuple[str, str]) -> None:
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


def oriented(genome: Genome, *rows: tuple[str, int, str, str]) -> list[tuple[str, bool]]:
    table = pd.DataFrame(rows, columns=["chrom", "pos", "first", "second"])
    orientations, both = orient(table, genome)
    assert orientations.dtype == np.int8
    return [(Orientation(value).name, bool(two)) for value, two in zip(orientations, both, strict=True)]


def test_ref_is_the_allele_that_the_fasta_has(tmp_path: Path) -> None:
    """Position 400 has A, as CA is repeated from 101 to the end, 1,000; before it there are only N."""
    genome = Genome(write_fasta(tmp_path / "g.fa", {"1": "N" * 100 + "CA" * 450, "2": "G" * 1000}))
    rows = {
        ("1", 400, "A", "G"): ("FIRST", False),
        ("chr1", 400, "G", "A"): ("SECOND", False),
        ("1", 400, "G", "T"): ("REF_MISMATCH", False),
        # The insertion of AC, or its deletion: the FASTA has both alleles.
        ("1", 400, "A", "ACA"): ("FIRST", True),
        ("1", 400, "ACA", "A"): ("FIRST", True),
        ("1", 400, "ACT", "A"): ("SECOND", False),
        # An allele past the end of its contig, of 1,000 bp.
        ("1", 1000, "AC", "G"): ("REF_MISMATCH", False),
        ("1", 1001, "A", "C"): ("POSITION_OUTSIDE_CONTIG", False),
        # The window of 512 bp begins 255 bp before: 51 of its bases are N, then 52, more than a tenth.
        ("1", 305, "C", "G"): ("FIRST", False),
        ("1", 304, "A", "G"): ("TOO_MANY_N", False),
        ("2", 400, "C", "G"): ("SECOND", False),
        ("3", 400, "A", "G"): ("CONTIG_NOT_IN_FASTA", False),
    }
    assert dict(zip(rows, oriented(genome, *rows), strict=True)) == rows
    # In any order, and each alone.
    assert oriented(genome, *list(rows)[::-1]) == list(rows.values())[::-1]
    assert [oriented(genome, row)[0] for row in rows] == list(rows.values())


def test_statuses_are_those_of_scoring() -> None:
    values = np.array([0, 1, 1, 2, 3, 4, 4, 5], dtype=np.int8)
    assert status_counts(values) == {
        "ok": 3, "contig_not_in_fasta": 1, "position_outside_contig": 1, "ref_mismatch": 2, "too_many_n": 1,
    }  # fmt: skip


def test_too_many_mismatches_are_another_build(tmp_path: Path) -> None:
    genome = Genome(write_fasta(tmp_path / "g.fa", {"1": "A" * 1000}))
    table = pd.DataFrame({"chrom": "1", "pos": range(301, 361), "first": "C", "second": "G"})
    mismatch, absent = Orientation.REF_MISMATCH, Orientation.CONTIG_NOT_IN_FASTA
    few = np.array([mismatch] * FEW_MISMATCHES + [absent] * (60 - FEW_MISMATCHES), dtype=np.int8)
    check_mismatches(table, few, genome, 0.0)
    more = np.array([0] * 44 + [mismatch] * 6 + [absent] * 10, dtype=np.int8)
    check_mismatches(table, more, genome, 6 / 50)
    with pytest.raises(ReferenceMismatchError, match=r"6 of 50 .*1:345 C/G; .*1:347 C/G\. .*11\.9%"):
        check_mismatches(table, more, genome, 0.119)
