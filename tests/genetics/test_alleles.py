"""How alleles of tables fit those of variants: against sets, what must change nothing, and whole tables."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.baselines.tables.looked_up import ENOUGH_SITES, FEW_STRANGERS
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.alleles import Fit, allele_fit
from mifm_kipoi.genomics.variants import Variant
from tests.baselines.tables.lookups import looked_up, opened, score, variants, write_text

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


def write_pairs(path: Path, rows: Sequence[Variant]) -> Path:
    """Summary statistics of some variants, the alternative allele first."""
    lines = [f"{one.chrom}\t{one.pos}\t{one.alt}\t{one.ref}\t0.5\n" for one in rows]
    return write_text(path, "chr\tbp\tea\tnea\tp\n" + "".join(lines))


def random_snvs(seed: int, count: int) -> list[Variant]:
    generator = np.random.default_rng(seed)
    pairs = [SNVS[number] for number in generator.integers(len(SNVS), size=count)]
    return variants(("1", pos, ref, alt) for pos, (ref, alt) in enumerate(pairs, start=1))


def test_a_table_without_order_of_another_build_is_refused(tmp_path: Path) -> None:
    asked = random_snvs(1, 1000)
    # Some of these fit by chance, exchanged or on the other strand.
    path = write_pairs(tmp_path / "t.tsv", random_snvs(2, 1000))
    message = r"at 1\d\d of the 200 positions .* 1:\d+ has [ACGT]/[ACGT] in the variants and [ACGT]/[ACGT] in"
    with pytest.raises(InputError, match=message):
        looked_up(f"pvalue:{path}", asked)
    own = write_pairs(tmp_path / "u.tsv", asked)
    assert set(looked_up(f"pvalue:{own}", asked)[0]) == {"ok"}
    flipped = [dataclasses.replace(row, ref=COMPLEMENT[row.ref], alt=COMPLEMENT[row.alt]) for row in asked]
    path = write_pairs(tmp_path / "w.tsv", flipped)
    assert set(looked_up(f"pvalue:{path}", asked)[0]) == {"ok"}
    # One in five has another alternative allele, and five of five in the first call.
    other = [
        dataclasses.replace(row, alt=next(base for base in "ACGT" if base not in row.ref + row.alt))
        if number % 5 == 0 or number < FEW_STRANGERS
        else row
        for number, row in enumerate(asked)
    ]
    baseline = opened(f"pvalue:{write_pairs(tmp_path / 'v.tsv', other)}")
    for part in (asked[:FEW_STRANGERS], asked[FEW_STRANGERS:]):
        score(baseline, part)


def test_a_site_fits_where_one_of_its_variants_does(tmp_path: Path) -> None:
    held = random_snvs(1, 1000)
    path = write_pairs(tmp_path / "t.tsv", held)
    asked = [dataclasses.replace(row, alt=alt) for row in held for alt in "ACGT" if alt != row.ref]
    fitting = {(row.pos, row.alt) for row in held}
    for chunk_size in (1, 7, len(asked)):
        baseline = opened(f"pvalue:{path}")
        status = [
            reason
            for start in range(0, len(asked), chunk_size)
            for reason in score(baseline, asked[start : start + chunk_size]).status
        ]
        assert all(
            reason == "ok" for row, reason in zip(asked, status, strict=True) if (row.pos, row.alt) in fitting
        )
        assert status.count("alleles_differ") > 1500


def test_a_site_is_judged_when_all_its_variants_are_seen(tmp_path: Path) -> None:
    """A quarter of 200 are strangers, and the next site has its fitting variant in the next call."""
    held = variants([("1", pos, "A", "C") for pos in range(1, ENOUGH_SITES + 2)])
    asked = [dataclasses.replace(row, alt="G") if row.pos <= ENOUGH_SITES // 4 else row for row in held]
    first = [*asked[::-1][1:], dataclasses.replace(held[-1], alt="G")]
    baseline = opened(f"pvalue:{write_pairs(tmp_path / 't.tsv', held)}")
    score(baseline, first)
    assert score(baseline, [held[-1]]).status == ["ok"]


def test_longer_alleles_do_not_tell_the_build_of_a_table_without_order(tmp_path: Path) -> None:
    snvs = random_snvs(1, 300)
    path = write_pairs(tmp_path / "t.tsv", snvs)
    indels = [dataclasses.replace(row, alt=f"{row.ref}GG") for row in snvs]
    assert set(looked_up(f"pvalue:{path}", indels)[0]) == {"alleles_differ"}
    path = write_pairs(tmp_path / "u.tsv", indels)
    assert set(looked_up(f"pvalue:{path}", snvs)[0]) == {"alleles_differ"}
    path = write_pairs(tmp_path / "v.tsv", [dataclasses.replace(row, ref="N", alt="-") for row in snvs])
    assert set(looked_up(f"pvalue:{path}", snvs)[0]) == {"alleles_differ"}


@pytest.mark.parametrize("kind", ["pvalue", "table"])
@pytest.mark.parametrize(("early", "late", "refused"), [
    (40, 0, ""), (50, 0, ""), (51, 0, "199|200"), (0, 150, "267"),
])  # fmt: skip
def test_the_judgement_does_not_depend_on_how_variants_are_divided(
    tmp_path: Path, kind: str, early: int, late: int, refused: str
) -> None:
    """Strangers stand at the end of the first 200 positions, or after them, 67 of the first 267."""
    asked = variants([("1", pos, "A", "C") for pos in range(1, 401)])
    strange = {*range(ENOUGH_SITES - early, ENOUGH_SITES), *range(ENOUGH_SITES, ENOUGH_SITES + late)}
    refs = ["G" if number in strange else "A" for number in range(len(asked))]
    if kind == "pvalue":
        held = [dataclasses.replace(row, ref=ref) for row, ref in zip(asked, refs, strict=True)]
        spec = f"pvalue:{write_pairs(tmp_path / 't.tsv', held)}"
    else:
        rows = [f"1\t{row.pos}\t{ref}\tC\t1\n" for row, ref in zip(asked, refs, strict=True)]
        text = "chrom\tpos\tref\talt\tvalue\n" + "".join(rows)
        spec = f"table:{write_text(tmp_path / 't.tsv', text)}:value"
    for chunk_size in (1, 9, 150, 200, 250, 400):
        baseline = opened(spec)
        parts = [asked[start : start + chunk_size] for start in range(0, 400, chunk_size)]
        with pytest.raises(InputError, match=f"of the ({refused}) positions") if refused else nullcontext():
            [score(baseline, part) for part in parts]
