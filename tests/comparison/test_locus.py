"""Loci as text, chosen, and what a regional view shows of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mifm_kipoi.baselines.protocol import Evidence, Score
from mifm_kipoi.comparison.locus import default_locus, in_locus
from mifm_kipoi.comparison.locus_figure import (
    has_association,
    has_pip,
    is_pip,
    locus_view,
    marks_of,
    panels_of,
)
from mifm_kipoi.comparison.records import Comparison
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.reports.regional import Mark
from tests.comparison.builders import comparison, declaration

NAN = float("nan")


@pytest.fixture
def two_contigs() -> Comparison:
    return comparison(
        {"a": {"x": np.arange(5.0)}}, chrom=["20", "20", "20", "chr7", "20"], pos=[9, 10, 20, 10, 21]
    )


def test_both_ends_are_inside_and_contigs_match_without_chr(two_contigs: Comparison) -> None:
    assert in_locus(two_contigs, ("20", 10, 20)).tolist() == [False, True, True, False, False]
    assert in_locus(two_contigs, ("chr20", 10, 20)).tolist() == [False, True, True, False, False]
    assert in_locus(two_contigs, ("7", 1, 99)).tolist() == [False, False, False, True, False]


def test_a_locus_without_variants_says_where_there_are_some(two_contigs: Comparison) -> None:
    with pytest.raises(OptionError, match=r"no variant in the locus 20:22-30; those of 20 lie in 20:9-21$"):
        in_locus(two_contigs, ("20", 22, 30))
    with pytest.raises(OptionError, match=r"no variant in the locus 3:1-1,000; they are on 20, chr7$"):
        in_locus(two_contigs, ("3", 1, 1000))


def test_the_default_is_around_the_strongest_association() -> None:
    found = comparison(
        {"a": {"x": [9.0, 1, 1]}, "p": {"score": [1.0, 2, 3], "neg_log10_p": [NAN, 3, 7]}},
        pos=[1000, 2000, 500_000], ranks={"p": ["score"]},
    )  # fmt: skip
    assert default_locus(found) == ("20", 400_000, 600_000)


def test_the_default_is_cut_at_the_first_base() -> None:
    found = comparison({"p": {"neg_log10_p": [8.0, 7.0]}}, pos=[1000, 900_000])
    assert default_locus(found) == ("20", 1, 101_000)


def test_without_associations_the_default_is_the_block_of_the_highest_score() -> None:
    scores = {"a": {"x": [1.0, 5, 2, 0], "y": [9.0, 0, 0, 0]}, "b": {"z": [0.0, 0, 0, 9]}}
    found = comparison(scores, pos=[100, 2000, 3000, 4000], block=[0, 1, 1, 0])
    assert default_locus(found) == ("20", 2000, 3000)
    outside = comparison(scores, pos=[100, 200_000, 3000, 4000], block=[0, -1, 1, 0])
    assert default_locus(outside) == ("20", 100_000, 300_000)


@pytest.mark.parametrize(
    ("name", "locus"),
    [("1:-99-6000", ("1", 1, 6000)), ("1:-99999-0", ("1", 1, 1)), ("HLA-A*01:01:1-5", ("HLA-A*01:01", 1, 5))],
)
def test_a_block_may_begin_before_the_first_base(name: str, locus: Locus) -> None:
    found = comparison({"a": {"x": [1.0, 5.0]}}, chrom=[locus[0]] * 2, pos=[2, 1], block=[0, 0])
    found = dataclasses.replace(found, block_names=(name,))
    assert default_locus(found) == locus
    assert in_locus(found, locus)[1]


@pytest.mark.parametrize("block", [None, [0, 1], [-1, -1]])
def test_what_lies_before_the_first_base_has_a_locus(block: list[int] | None) -> None:
    """VCF has POS 0 for it."""
    found = comparison({"a": {"x": [9.0, 5.0]}}, pos=[0, 200_000], block=block)
    chrom, start, end = default_locus(found)
    assert (chrom, start) == ("20", 1)
    assert 1 <= end <= 100_000
    assert in_locus(found, (chrom, start, end)).tolist() == [True, False]
    assert in_locus(found, ("20", 2, 200_000)).tolist() == [False, True]
    axes = locus_view(found, (chrom, start, end)).axes[1]
    low, high = axes.get_xlim()
    assert low < 0 < high
    assert (0, 9.0) in {tuple(place) for part in axes.collections for place in np.asarray(part.get_offsets())}


def test_a_first_model_without_scores_leaves_the_choice_to_the_next() -> None:
    found = comparison(
        {"a": {"x": [NAN] * 3, "neg_log10_p": [NAN] * 3}, "b": {"y": [1.0, 3, 2]}},
        pos=[10, 20, 30],
        block=[0, 1, 1],
    )
    assert default_locus(found) == ("20", 20, 30)
    nothing = comparison({"a": {"x": [NAN] * 3}}, pos=[10, 20, 30], block=[0, 1, 1])
    assert default_locus(nothing) == ("20", 10, 10)


def test_without_variants_there_is_no_locus() -> None:
    with pytest.raises(OptionError, match="the file has no variants"):
        default_locus(comparison({"a": {"x": []}}))
    with pytest.raises(OptionError, match="no variant in the locus 1:1-2; it has none"):
        in_locus(comparison({"a": {"x": []}}), ("1", 1, 2))


def test_panels_share_what_can_be_shared() -> None:
    one = [1.0]
    found = comparison(
        {
            "mifm": {"mifm_ref": one, "mifm_abs_delta": one},
            "other": {"sad": one, "l2": one},
            "own": {"mifm_ref": one},
            "gwas": {"one_minus_p": one, "neg_log10_p": one},
            "db": {"pip_susie": one, "pip_finemap": one},
            "abf": {"log_abf": one, "abf_pip": one},
        }
    )
    panels = {panel.title: panel.series for panel in panels_of(found)}
    assert panels == {
        "\N{MINUS SIGN}log10 p": (("gwas", "gwas.neg_log10_p"),),
        "PIP": (("db susie", "db.pip_susie"), ("db finemap", "db.pip_finemap"), ("abf abf", "abf.abf_pip")),
        "MIFM": (("mifm", "mifm.mifm_ref"), ("own", "own.mifm_ref")),
        "other": (("other", "other.sad"),),
    }
    assert list(panels) == ["\N{MINUS SIGN}log10 p", "PIP", "MIFM", "other"]


def test_of_many_pips_the_first_of_each_model_are_shown() -> None:
    one = [1.0]
    traits = {f"pip_{number}": one for number in range(12)}
    found = comparison({"fm": {"pip": one, **traits}, "db": {"pip_susie": one}})
    (panel,) = panels_of(found)
    assert [column for _, column in panel.series][:3] == ["fm.pip", "db.pip_susie", "fm.pip_0"]
    assert len(panel.series) == 8


@pytest.mark.parametrize(
    ("label", "name", "evidence", "wanted"),
    [
        ("t", "PP", Evidence.PIP, True),
        ("pip", "x", Evidence.ANNOTATION, True),
        ("t", "pip_susie", Evidence.ANNOTATION, True),
        ("t", "pipe", Evidence.ANNOTATION, False),
        ("pip", "x", Evidence.SEQUENCE, False),
        ("t", "p_value", Evidence.ASSOCIATION, False),
    ],
)
def test_pips_are_known_by_what_is_declared_and_else_by_names(
    label: str, name: str, evidence: Evidence, wanted: bool
) -> None:
    score = Score(name, "made up", evidence=evidence)
    said = dataclasses.replace(declaration([name]), scores=(score,))
    found = comparison({"a": {"x": [1.0, 2]}, label: {name: [0.1, 0.9]}}, declarations={label: said})
    assert is_pip(found.models[1], score) == has_pip(found) == wanted
    assert not has_association(found)
    marks = marks_of(found, ("20", 1, 9000))
    assert ("highest PIP" in marks[1].reasons) == wanted
    assert panels_of(found)[0].title == ("PIP" if wanted else "a")


def test_marks_are_positions_that_rank_top_and_the_best_of_statistics() -> None:
    found = comparison(
        {
            "a": {"x": [5.0, 5, 4, 3, 2, NAN, 99]},
            "p": {"neg_log10_p": [0.0, 0, 0, 1, 9, 2, 99]},
            "f": {"pip_susie": [0, 0, 0.2, 0, 0, NAN, 1], "pip_abf": [0, 0, 0, 0, NAN, 0.9, 1]},
        },
        pos=[10, 10, 20, 30, 40, 50, 900],
    )
    assert marks_of(found, ("20", 1, 100)) == [
        Mark(0, ("a no. 1",)),
        Mark(2, ("a no. 2",)),
        Mark(3, ("a no. 3",)),
        Mark(4, ("lowest p",)),
        Mark(5, ("highest PIP",)),
    ]


def test_a_variant_can_stand_out_for_several_reasons_and_zero_is_none() -> None:
    found = comparison(
        {"a": {"x": [NAN, 1.0]}, "p": {"neg_log10_p": [0.0, 2]}, "f": {"pip": [0.0, 0]}}, pos=[10, 20]
    )
    assert marks_of(found, ("20", 1, 100)) == [Mark(1, ("a no. 1", "lowest p"))]
