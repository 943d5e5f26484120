"""Ranks within loci, what is left out, and how the order agrees with the study."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.explanation.ranking.loci import LocusRule
from mifm_kipoi.explanation.ranking.ranked import (
    COLUMNS,
    LOCUS_COLUMNS,
    agreement,
    loci_table,
    rank_variants,
    strongest,
)
from tests.explanation.ranking.builders import NAN, candidates


def test_variants_are_ranked_within_loci_and_those_without_a_score_follow() -> None:
    found = candidates(
        [10, 20, 30, 2_000_000, 0], [0.5, NAN, 1.5, 0.0, 0.2], ["1", "1", "1", "1", "."],
        pip=[0.1, 0.9, NAN, 0.5, NAN],
    )  # fmt: skip
    table = rank_variants(found, LocusRule()).table
    assert list(table.columns) == list(COLUMNS)
    assert table["id"].tolist() == ["v3", "v1", "v2", "v4", "v5"]
    np.testing.assert_array_equal(table["locus"], [1, 1, 1, 2, NAN])
    np.testing.assert_array_equal(table["rank"], [1, 2, NAN, 1, NAN])
    np.testing.assert_array_equal(table["pip_rank"], [NAN, 2, 1, 1, NAN])
    assert table["status"].tolist()[2] == "too_many_n"


def test_equal_scores_have_one_rank_and_the_better_by_the_study_comes_first() -> None:
    found = candidates(
        [10, 10, 10, 20], [1.0, 1.0, 1.0, 0.0], alt=["C", "G", "T", "G"], pip=[0.1, 0.3, NAN, 0.2]
    )
    table = rank_variants(found, LocusRule()).table
    assert table["id"].tolist() == ["v2", "v1", "v3", "v4"]
    assert table["rank"].tolist() == [1, 1, 1, 4]


def test_a_variant_counts_once_in_a_locus_with_its_best_row_and_again_in_another() -> None:
    keys = {"trait": ["a", "a", "b"]}
    found = candidates(
        [10, 10, 10], [1.0] * 3, ["1", "chr1", "1"], keys=keys, studies=("trait",), p_value=[1e-3, 1e-9, 1e-5]
    )
    ranked = rank_variants(found, LocusRule())
    assert ranked.table["id"].tolist() == ["v2", "v3"]
    assert ranked.repeated == 1


def test_posteriors_and_their_sets_are_of_the_locus() -> None:
    found = candidates([10, 20, 30], [0.0, 1.0, 2.0], log_abf=np.log([97.0, 2.0, 1.0]))
    ranked = rank_variants(found, LocusRule())
    assert ranked.posteriors is not None
    by_pos = ranked.table.sort_values("pos")
    np.testing.assert_allclose(by_pos["abf_pip"], [0.97, 0.02, 0.01])
    assert by_pos["in_abf_set"].tolist() == [1, 0, 0]
    with_slope = rank_variants(found, LocusRule(), slope=5.0).table.sort_values("pos")
    assert with_slope["abf_pip_with_score"].iloc[2] > 0.9


def test_a_row_for_each_locus_names_its_first_variants() -> None:
    found = candidates(
        [10, 20, 30, 5_000_000],
        [0.0, 2.0, 1.0, NAN],
        pip=[0.8, 0.1, 0.1, NAN],
        p_value=[1e-5, 1e-9, 1e-7, 0.5],
    )
    table = loci_table(rank_variants(found, LocusRule()))
    assert list(table.columns) == list(LOCUS_COLUMNS)
    first, second = table.to_dict("records")
    assert (first["variants"], first["scored"]) == (3, 3)
    assert (first["top_mifm"], first["top_pip"], first["top_pip_rank"]) == ("v2", "v1", 3)
    assert (first["lowest_p"], first["lowest_p_rank"], first["lowest_p_value"]) == ("v2", 1, 1e-9)
    assert (second["top_mifm"], second["top_pip"], second["lowest_p"]) == ("", "", "v4")
    assert np.isnan(second["lowest_p_rank"])


def test_agreement_is_the_fraction_above_the_best_of_the_study() -> None:
    # In the first locus one of two others scores higher; in the second all three tie.
    found = candidates(
        [10, 20, 30, 5_000_000, 5_000_000, 5_000_001, 9_000_000],
        [0.0, 1.0, -1.0, 2.0, 2.0, 2.0, 1.0],
        alt=["G", "G", "G", "C", "G", "G", "G"],
        pip=[0.8, 0.1, 0.1, 0.2, 0.5, 0.3, 1.0],
    )
    one = agreement(rank_variants(found, LocusRule()))
    assert one is not None
    assert one.evidence == "pip"
    assert one.above.value == pytest.approx((0.5 + 0.5) / 2)
    assert (one.loci, one.regions, one.same) == (2, 2, 1)
    assert one.by_chance == pytest.approx(1 / 3 + 1)
    assert agreement(rank_variants(candidates([1, 2], [0.0, 1.0]), LocusRule())) is None


def test_loci_of_one_region_count_as_one() -> None:
    keys = {"trait": ["a", "a", "b", "b"]}
    found = candidates(
        [10, 20, 10, 20], [0.0, 1.0, 0.0, 1.0], keys=keys, studies=("trait",), pip=[1.0, 0.0, 1.0, 0.0]
    )
    one = agreement(rank_variants(found, LocusRule()))
    assert one is not None
    assert (one.loci, one.regions, one.above.value) == (2, 1, 1.0)
    assert np.isnan(one.above.low)


def test_the_strongest_loci_are_those_of_the_lowest_p_values() -> None:
    found = candidates(
        [10, 5_000_000, 9_000_000, 20_000_000], [0.0, 1.0, 2.0, NAN], p_value=[1e-3, 1e-9, 1e-5, 1e-20]
    )
    ranked = rank_variants(found, LocusRule())
    # A locus without a score has nothing to show.
    assert strongest(ranked, 2) == [1, 2]
    assert strongest(rank_variants(candidates([10, 5_000_000], [0.0, 1.0]), LocusRule()), 1) == [1]
