"""Which variants get a page."""

from __future__ import annotations

import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.explanation.ranking.loci import LocusRule
from mifm_kipoi.explanation.ranking.ranked import Ranked, rank_variants
from mifm_kipoi.explanation.variants.choice import choose, variant_of
from tests.explanation.ranking.builders import NAN, candidates


@pytest.fixture
def ranked() -> Ranked:
    return rank_variants(
        candidates([100, 200, 300, 400], [0.5, 2.0, NAN, 1.0], chrom=["1", "1", "1", "20"]), LocusRule()
    )


def names(ranked: Ranked, rows: tuple[int, ...]) -> list[str]:
    return ranked.table["id"].iloc[list(rows)].tolist()


def test_all_by_score_and_those_without_a_score_beside(ranked: Ranked) -> None:
    choice = choose(ranked)
    assert names(ranked, choice.rows) == ["v2", "v4", "v1"]
    assert choice.candidates == 3
    assert choice.without["id"].tolist() == ["v3"]
    assert choice.without["status"].tolist() == ["too_many_n"]


def test_at_most_so_many(ranked: Ranked) -> None:
    choice = choose(ranked, most=1)
    assert names(ranked, choice.rows) == ["v2"]
    assert choice.candidates == 3


def test_those_in_any_locus_or_of_any_name(ranked: Ranked) -> None:
    assert names(ranked, choose(ranked, [("chr1", 100, 150), ("20", 1, 400)]).rows) == ["v4", "v1"]
    assert choose(ranked, [("chr1", 100, 150)]).without.empty
    for name in ("v1", "1:100", "chr1:100", "1:100:A:G"):
        assert names(ranked, choose(ranked, names=[name]).rows) == ["v1"]
    assert names(ranked, choose(ranked, [("20", 1, 400)], ["v1"]).rows) == ["v4", "v1"]


def test_a_variant_of_several_loci_once_with_its_best_row() -> None:
    ranked = rank_variants(
        candidates(
            [100, 100, 200], [1.0, 1.0, 0.0], studies=("trait",),
            keys={"trait": ["a", "b", "b"]}, p_value=[1e-3, 1e-9, 0.5],
        ),
        LocusRule(),
    )  # fmt: skip
    choice = choose(ranked)
    assert ranked.table["p_value"].iloc[list(choice.rows)].tolist() == pytest.approx([1e-9, 0.5])
    assert choice.candidates == 2


def test_what_is_not_there_is_said(ranked: Ranked) -> None:
    with pytest.raises(OptionError, match="no variant in the locus 1:500-600"):
        choose(ranked, [("1", 500, 600)])
    with pytest.raises(OptionError, match=r"no variant rs9, 1:101; "):
        choose(ranked, names=["v1", "rs9", "1:101"])
    with pytest.raises(InputError, match="1 too_many_n"):
        choose(ranked, names=["v3"])


def test_the_variant_of_a_row(ranked: Ranked) -> None:
    row = ranked.table[ranked.table["id"] == "v4"].iloc[0]
    assert variant_of(row).key == "20:400:A:G"
