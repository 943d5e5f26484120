"""Loci by LD blocks, regions, windows around associated variants, and names in a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.finemapping.loci import LocusRule, locus_of, own_loci

LEADS = pd.DataFrame(
    {
        "study": ["b", "a", "a", "a", "a"],
        "chrom": ["10", "2", "2", "2", "X"],
        "pos": [5_000, 900_000, 1_400_000, 5_000_000, 10],
        "log_p": -40.0,
    }
)


def _leads(_: float) -> pd.DataFrame:
    return LEADS


def test_windows_that_touch_are_one_locus() -> None:
    loci = LocusRule(window_kb=250).loci((), _leads)
    assert loci.to_numpy().tolist() == [
        ["a", "2:650000-1650000", "2", 650_000, 1_650_000],
        ["a", "2:4750000-5250000", "2", 4_750_000, 5_250_000],
        ["b", "10:1-255000", "10", 1, 255_000],
        ["a", "X:1-250010", "X", 1, 250_010],
    ]
    assert len(LocusRule(window_kb=249).loci((), _leads)) == 5


def test_blocks_with_a_lead_variant_are_loci_and_all_at_p_1(tmp_path: Path) -> None:
    table = tmp_path / "blocks.txt"
    table.write_text(
        "chr start stop pop\nchr2 0 1000000 EUR\nchr2 1000000 3000000 EUR\nchr10 0 10000 EUR\nchr2 0 9 AFR\n"
    )
    rule = LocusRule(blocks=table, population="EUR")
    loci = rule.loci((), _leads)
    assert loci[["study", "locus"]].to_numpy().tolist() == [
        ["a", "2:1-1000000"], ["a", "2:1000001-3000000"], ["b", "10:1-10000"],
    ]  # fmt: skip
    every = LocusRule(blocks=table, population="EUR", lead_p_value=1).loci(("a", "b"), _leads)
    assert len(every) == 6
    bed = tmp_path / "blocks.bed"
    bed.write_text("2\t0\t1000000\n2\t1000000\t3000000\nchr10\t0\t10000\n")
    pd.testing.assert_frame_equal(LocusRule(blocks=bed).loci((), _leads), loci)
    with pytest.raises(OptionError, match=r"has no populations"):
        LocusRule(blocks=bed, population="EUR").loci((), _leads)


def test_regions_are_loci_of_every_study_and_do_not_overlap() -> None:
    loci = LocusRule(regions=("chr2:1-10", "X:5-9")).loci((), _leads)
    assert loci[["study", "locus"]].to_numpy().tolist() == [
        ["a", "2:1-10"], ["b", "2:1-10"], ["a", "X:5-9"], ["b", "X:5-9"],
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"2:1-10 and 2:10-20 overlap"):
        LocusRule(regions=("2:1-10", "2:10-20")).loci((), _leads)
    with pytest.raises(OptionError, match=r"expected a number in \(0, 1\]"):
        LocusRule(lead_p_value=0)


def test_both_ends_of_a_place_are_inside() -> None:
    places = pd.DataFrame({"chrom": ["2", "1", "2"], "start": [20, 1, 1], "end": [30, 5, 10]})
    found = locus_of(
        pd.Series(["2", "2", "2", "2", "2", "1", "3"]), pd.Series([1, 10, 11, 20, 30, 5, 1]), places
    )
    np.testing.assert_array_equal(found, [2, 2, -1, 0, 0, 1, -1])


def test_blocks_of_a_table_on_several_contigs_are_told_apart() -> None:
    rows = pd.DataFrame(
        {"study": "a", "block": ["7", "7", "8", "7"], "chrom": ["1", "1", "1", "2"], "pos": [9, 3, 4, 1]}
    )
    loci = own_loci(rows)
    assert loci[["locus", "start", "end"]].to_numpy().tolist() == [["7 1", 3, 9], ["8", 4, 4], ["7 2", 1, 1]]
