"""Variants of scoring files and of genotypes: every order, strand and reason, one by one and drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifm_kipoi.genetics.matching import OUTCOMES, Matches, Outcome, candidates, counts, match, resolve

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


def scored(*rows: tuple[str, int, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "pos", "id", "effect_allele", "other_allele"])


def genotyped(*rows: tuple[str, int, str, str, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["chrom", "pos", "id", "counted", "other"])
    return table.assign(row=np.arange(100, 100 + len(rows)), ref="")


def outcomes(matches: Matches) -> list[str]:
    return [OUTCOMES[code].value for code in matches.outcome]


@pytest.mark.parametrize(
    ("effect", "other", "expected"),
    [
        # Outcome, effect allele is the counted one, other strand, palindromic.
        ("A", "G", ("matched", True, False, False)),
        ("G", "A", ("matched", False, False, False)),
        ("T", "C", ("matched", True, True, False)),
        ("C", "T", ("matched", False, True, False)),
        ("A", "", ("matched", True, False, False)),
        ("G", "", ("matched", False, False, False)),
        ("T", "", ("matched", True, True, False)),
        ("C", "", ("matched", False, True, False)),
        ("A", "C", ("other_alleles", False, False, False)),
        ("A", "T", ("other_alleles", False, False, True)),
        ("AT", "A", ("other_alleles", False, False, False)),
        ("I", "D", ("not_bases", False, False, False)),
        ("A", "<DEL>", ("not_bases", True, False, False)),
        ("", "A", ("not_bases", False, False, False)),
    ],
)
def test_an_snv_in_every_order_and_on_both_strands(
    effect: str, other: str, expected: tuple[str, bool, bool, bool]
) -> None:
    found = match(scored(("1", 10, "", effect, other)), genotyped(("1", 10, "rs1", "A", "G")))
    result = (
        outcomes(found)[0],
        bool(found.counted[0]),
        bool(found.other_strand[0]),
        bool(found.palindromic[0]),
    )
    if expected[0] == "not_bases":
        assert result[0] == "not_bases"
    else:
        assert result == expected
    assert found.matched.tolist() == [expected[0] == "matched"]


@pytest.mark.parametrize(("counted", "uncounted"), [("A", "T"), ("C", "G")])
@pytest.mark.parametrize("known", [True, False])
def test_palindromes_are_matched_as_of_the_same_strand_and_marked(
    counted: str, uncounted: str, known: bool
) -> None:
    variants = scored(
        ("1", 10, "", counted, uncounted if known else ""), ("1", 10, "", uncounted, counted if known else "")
    )
    found = match(variants, genotyped(("1", 10, "rs1", counted, uncounted)))
    assert found.palindromic.all()
    assert found.counted.tolist() == [True, False]
    assert not found.other_strand.any()


def test_indels_fit_as_written_only() -> None:
    variants = scored(
        ("1", 10, "", "AT", "A"), ("1", 10, "", "A", "AT"), ("1", 10, "", "TA", "T"), ("1", 10, "", "AT", "")
    )
    found = match(variants, genotyped(("1", 10, "", "AT", "A")))
    assert outcomes(found) == ["matched", "matched", "other_alleles", "matched"]
    assert found.counted.tolist()[:2] == [True, False]


def test_a_site_of_several_alternatives() -> None:
    site = genotyped(("1", 10, "", "A", "G"), ("1", 10, "", "C", "G"), ("1", 10, "", "GT", "G"))
    variants = scored(
        ("1", 10, "", "C", "G"),
        ("1", 10, "", "G", "A"),
        ("1", 10, "", "A", ""),
        ("1", 10, "", "G", ""),
        ("1", 10, "", "A", "C"),
        ("1", 10, "", "GT", "G"),
    )
    found = match(variants, site)
    assert found.row.tolist() == [101, 100, 100, -1, -1, 102]
    assert outcomes(found)[3:5] == ["several", "other_alleles"]
    # C is also the other strand's G; as written goes first.
    assert match(scored(("1", 10, "", "C", "")), site).row.tolist() == [101]


def test_of_the_same_variant_twice_the_one_of_the_name_is_taken() -> None:
    twice = genotyped(("1", 10, "a", "A", "G"), ("1", 10, "b", "G", "A"))
    found = match(scored(("1", 10, "b", "A", "G"), ("1", 10, "c", "A", "G")), twice)
    assert found.row.tolist() == [101, 100]
    assert found.counted.tolist() == [False, True]


def test_a_variant_without_variation_fits_by_its_one_allele() -> None:
    site = genotyped(("1", 10, "", ".", "G"), ("2", 10, "", "A", "."))
    variants = scored(
        ("1", 10, "", "A", "G"), ("1", 10, "", "G", "A"), ("1", 10, "", "A", "C"), ("2", 10, "", "A", "G"),
        ("2", 10, "", "G", "A"), ("1", 10, "", "G", ""), ("1", 10, "", "A", ""),
    )  # fmt: skip
    found = match(variants, site)
    assert found.matched.tolist() == [True, True, False, True, True, True, False]
    assert found.counted[found.matched].tolist() == [True, False, True, False, False]


def test_rows_without_a_place_are_found_by_name() -> None:
    variants = scored(
        ("", 0, "rs1", "A", "G"), ("", 0, "rs2", "A", "G"), ("", 0, "", "A", "G"), ("", 0, ".", "A", "G"),
        ("", 0, "rs1", "A", "C"),
    )  # fmt: skip
    found = match(
        variants, genotyped(("1", 10, "rs1", "A", "G"), ("1", 12, ".", "A", "G"), ("1", 13, "", "A", "G"))
    )
    assert outcomes(found) == ["matched", "not_in_genotypes", "no_place", "no_place", "other_alleles"]


def test_names_at_other_places_are_known() -> None:
    variants = scored(("1", 10, "rs1", "A", "G"), ("1", 20, "rs2", "A", "G"), ("1", 30, "rs3", "A", "G"))
    table = genotyped(("1", 10, "rs1", "A", "G"), ("1", 25, "rs2", "A", "G"), ("1", 30, "rs9", "A", "C"))
    found = match(variants, table)
    assert outcomes(found) == ["matched", "other_position", "other_alleles"]
    assert found.id_at_place.tolist() == [True, False, False]
    assert found.other_pos.tolist() == [0, 25, 0]


def test_candidates_are_those_of_the_places_and_names() -> None:
    table = genotyped(
        ("1", 10, "rs1", "A", "G"), ("1", 11, "rs2", "A", "G"), ("2", 10, ".", "A", "G"),
        ("X", 10, "rs4", "A", "G"), ("1", 0, "rs5", "A", "G"),
    )  # fmt: skip
    chunks = [table.iloc[:2], table.iloc[2:2], table.iloc[2:]]
    wanted = scored(
        ("1", 10, "", "A", "G"), ("", 0, "rs4", "A", "G"), ("2", 11, ".", "A", "G"), ("1", 0, "", "A", "")
    )
    seen: list[int] = []
    assert candidates(chunks, wanted, seen.append)["row"].tolist() == [100, 103]
    assert seen == [2, 2, 5]
    assert candidates([], wanted).empty


def test_ambiguous_variants_count_where_the_strand_is_the_same() -> None:
    table = genotyped(
        *(("1", 10 * n, "", *alleles) for n, alleles in enumerate(["AT", "AG", "CG", "AC"], start=1))
    )
    same = match(scored(("1", 10, "", "A", "T"), ("1", 20, "", "A", "G"), ("1", 40, "", "C", "A")), table)
    assert resolve(same, None)[1] is True
    assert counts(resolve(same, None)[0])[Outcome.MATCHED] == 3
    assert counts(resolve(same, False)[0]) == {
        **dict.fromkeys(Outcome, 0), Outcome.MATCHED: 2, Outcome.AMBIGUOUS: 1
    }  # fmt: skip
    other = match(scored(("1", 10, "", "A", "T"), ("1", 20, "", "A", "G"), ("1", 40, "", "T", "G")), table)
    assert resolve(other, None)[1] is False
    assert counts(resolve(other, None)[0])[Outcome.AMBIGUOUS] == 1
    assert counts(resolve(other, True)[0])[Outcome.AMBIGUOUS] == 0
    # Nothing shows the strand.
    alone = match(scored(("1", 10, "", "A", "T"), ("1", 30, "", "C", "G")), table)
    assert counts(resolve(alone, None)[0])[Outcome.AMBIGUOUS] == 2


def test_a_variant_of_the_genotypes_counts_once() -> None:
    table = genotyped(("1", 10, "", "A", "G"))
    rows = scored(("1", 10, "", "A", "G"), ("1", 10, "", "G", "A"), ("1", 10, "", "T", "C"))
    outcome, _ = resolve(match(rows, table), None)
    assert [OUTCOMES[code].value for code in outcome] == ["matched", "repeated", "repeated"]


ALLELES = st.sampled_from(["A", "C", "G", "T", "AT", "AC"])


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    place = st.tuples(st.sampled_from(["1", "X"]), st.integers(1, 3))
    name = st.sampled_from(["", "a", "b", "c"])
    variants = draw(
        st.lists(
            st.tuples(st.one_of(place, st.just(("", 0))), name, ALLELES, st.one_of(ALLELES, st.just(""))),
            max_size=8,
        )
    )
    records = draw(st.lists(st.tuples(place, name, st.one_of(ALLELES, st.just(".")), ALLELES), max_size=8))
    return (
        scored(*((*where, one, effect, other) for where, one, effect, other in variants if effect != other)),
        genotyped(
            *((*where, one, counted, other) for where, one, counted, other in records if counted != other)
        ),
    )


def expected(row: pd.Series, table: pd.DataFrame) -> tuple[int, bool, bool] | str:  # noqa: PLR0912 - a loop over rules
    """The match of one row, by the rules as the documents have them, record by record."""
    placed = row["pos"] > 0
    if not placed and not row["id"]:
        return "no_place"
    fits: dict[int, list[tuple[bool, int, bool, str]]] = {0: [], 1: [], 2: []}
    at_place = False
    effect, other = row["effect_allele"], row["other_allele"]
    for record in table.to_dict("records"):
        if placed and (record["chrom"], record["pos"]) != (row["chrom"], row["pos"]):
            continue
        if not placed and record["id"] != row["id"]:
            continue
        at_place = True
        renamed = record["id"] != row["id"]
        pair = "/".join((record["counted"], record["other"]))
        for flipped in (False, True):
            first, second = effect, other
            if flipped and (len(first) > 1 or len(second) > 1):
                continue
            if flipped:
                first, second = COMPLEMENT[first], COMPLEMENT.get(second, "")
            quality = 2 if flipped else 0
            for one, two, counts_effect in (
                (record["counted"], record["other"], True), (record["other"], record["counted"], False),
            ):  # fmt: skip
                if first == one and second in ("", two):
                    fits[quality].append((renamed, record["row"], counts_effect, pair))
                elif not flipped and ((one == "." and second == two) or (two == "." and first == one)):
                    fits[1].append((renamed, record["row"], counts_effect, pair))
    for quality, found in fits.items():
        if found:
            if other == "" and len({pair for *_, pair in found}) > 1:
                return "several"
            _, number, counts_effect, _ = min(found, key=lambda one: one[:2])
            return number, counts_effect, quality == 2
    if at_place:
        return "other_alleles"
    elsewhere = placed and row["id"] and (table["id"] == row["id"]).any()
    return "other_position" if elsewhere else "not_in_genotypes"


@settings(deadline=None)
@given(tables())
def test_drawn_tables_match_as_one_record_after_the_other(drawn: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    variants, table = drawn
    found = match(variants, candidates([table], variants))
    for number, (_, row) in enumerate(variants.iterrows()):
        wanted = expected(row, table)
        outcome = OUTCOMES[found.outcome[number]].value
        if isinstance(wanted, str):
            assert (outcome, found.row[number]) == (wanted, -1)
        else:
            assert outcome == "matched"
            assert (found.row[number], found.counted[number], found.other_strand[number]) == wanted
