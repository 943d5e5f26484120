"""Motifs over variants, planted and looked for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mifm_kipoi.evaluation.motifs.known import Motif
from mifm_kipoi.explanation.variants.alignment import Alignment
from mifm_kipoi.explanation.variants.motif_hits import Hit, expected_by_chance, find_hits
from mifm_kipoi.explanation.variants.readings import Allele, Reading
from mifm_kipoi.genomics.variants import Variant

pytest.importorskip("memelite", reason="memelite is not installed")

SITE = "ACGTAAGTCA"
MATRIX = np.full((len(SITE), 4), 0.01)
MATRIX[np.arange(len(SITE)), ["ACGT".index(base) for base in SITE]] = 0.97
MOTIF = Motif("PLANTED", MATRIX)
BACKWARDS = SITE[::-1].translate(str.maketrans("ACGT", "TGCA"))
BEST = len(SITE) * math.log2((0.97 + 1e-4) / 0.25)


def allele(bases: str) -> Allele:
    contributions = np.where(np.array(list(bases)) == "-", np.nan, np.arange(len(bases)) / 100)
    return Allele(np.zeros(512, np.uint8), 0.0, contributions.astype(np.float32), bases, "ism", math.nan)


def reading(ref: str, alt: str, ref_bases: str, alt_bases: str) -> Reading:
    variant = Variant("1", 500, ".", ref, alt)
    alignment = Alignment.of(variant, len(ref_bases))
    return Reading(
        variant, alignment, allele(ref_bases), allele(alt_bases), np.zeros((len(ref_bases), 4), np.float32)
    )


def with_site(site: str, at: int, length: int = 40) -> str:
    return "T" * at + site + "T" * (length - at - len(site))


def only(hits: list[Hit]) -> Hit:
    (hit,) = hits
    return hit


def test_a_site_that_the_variant_breaks_is_lost() -> None:
    bases = with_site(SITE, 15)
    column = Alignment(1, 1, 500, 40).allele[0]
    assert bases[column] == "A"
    broken = bases[:column] + "G" + bases[column + 1 :]
    hit = only(find_hits([reading("A", "G", bases, broken)], [MOTIF], 1e-5)[0])
    assert (hit.kind, hit.strand, hit.columns, hit.over_variant) == ("lost", "+", (15, 25), True)
    assert hit.ref_score == pytest.approx(BEST)
    assert hit.alt_score == pytest.approx(BEST - math.log2(0.9701 / 0.0101))
    assert hit.ref_p < 1e-5
    assert math.isnan(hit.alt_p)
    assert hit.ref_contribution == pytest.approx(sum(range(15, 25)) / 100, rel=1e-5)
    gained = only(find_hits([reading("G", "A", broken, bases)], [MOTIF], 1e-5)[0])
    assert (gained.kind, gained.columns, gained.p_value) == ("gained", (15, 25), hit.ref_p)


def test_a_site_on_the_other_strand_beside_the_variant_is_in_both() -> None:
    bases = with_site(BACKWARDS, 2)
    other = bases[:19] + "C" + bases[20:]
    hit = only(find_hits([reading("T", "C", bases, other)], [MOTIF])[0])
    assert (hit.kind, hit.strand, hit.columns, hit.over_variant) == ("both", "-", (2, 12), False)
    assert hit.ref_score == hit.alt_score == pytest.approx(BEST)


def test_a_site_behind_a_deletion_is_one_hit_of_both_alleles() -> None:
    # TT>T: the site begins behind the columns of the alleles.
    alignment = Alignment(2, 1, 500, 40)
    first, last = alignment.allele
    ref = with_site(SITE, last)
    alt = ref[: first + 1] + "-" + ref[last:]
    hit = only(find_hits([reading("TT", "T", ref, alt)], [MOTIF])[0])
    assert (hit.kind, hit.columns, hit.over_variant) == ("both", (last, last + 10), False)


def test_a_site_that_ends_where_it_did_is_one_hit() -> None:
    """An insertion of the site's own first base: in ALT it begins one column later, and ends at the same."""
    alignment = Alignment(1, 2, 500, 40)
    first, _ = alignment.allele
    ref = "T" * first + "A-" + SITE[1:]
    ref += "T" * (40 - len(ref))
    alt = "T" * first + "AA" + SITE[1:]
    alt += "T" * (40 - len(alt))
    hit = only(find_hits([reading("A", "AA", ref, alt)], [MOTIF])[0])
    assert (hit.kind, hit.over_variant) == ("both", True)
    assert hit.columns == (first, first + 11)
    assert hit.alt_score == pytest.approx(BEST)


def test_hits_over_the_variant_come_first() -> None:
    strong = with_site(SITE, 15)
    ref = f"{strong[:21]}C{strong[22:26]}{SITE}{strong[36:]}"
    hits = find_hits([reading("A", "A", ref, ref)], [MOTIF])[0]
    assert [hit.over_variant for hit in hits] == [True, False]
    assert hits[0].p_value > hits[1].p_value


def test_sequences_of_several_variants_are_kept_apart_and_their_ends_have_no_hits() -> None:
    # A site cut by the end of the shown bases is none.
    none = reading("T", "C", "T" * 33 + SITE[:7], "T" * 19 + "C" + "T" * 13 + SITE[:7])
    some = reading("T", "C", with_site(SITE, 2), with_site(SITE, 2))
    first, second = find_hits([none, some], [MOTIF])
    assert first == []
    assert only(second).columns == (2, 12)
    assert find_hits([some], []) == [[]]


def test_what_is_expected_by_chance() -> None:
    one = reading("T", "C", "T" * 40, "T" * 40)
    # 31 places on each strand; 10 of them cover one base.
    assert expected_by_chance(one, [MOTIF], False, 0.01) == pytest.approx(2 * 31 * 0.01)
    assert expected_by_chance(one, [MOTIF, MOTIF], True, 0.01) == pytest.approx(2 * 2 * 10 * 0.01)


def test_as_many_hits_as_expected_in_random_bases() -> None:
    random = np.random.default_rng(1)
    many = ["".join(random.choice(list("ACGT"), 256)) for _ in range(300)]
    width = 6
    loose = np.full((width, 4), 0.1)
    loose[np.arange(width), [0, 1, 2, 3, 0, 1]] = 0.7
    motif = Motif("LOOSE", loose)
    readings = [reading("A", "C", bases, bases) for bases in many]
    threshold = 0.005
    expected = sum(expected_by_chance(each, [motif], False, threshold) for each in readings)
    found = sum(map(len, find_hits(readings, [motif], threshold)))
    # p-values are discrete: fewer are below a threshold than it says, never many more.
    assert 0.3 * expected < found < expected + 5 * math.sqrt(expected)
