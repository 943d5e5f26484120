"""Loci by columns, by blocks and by distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import OptionError
from mifm_kipoi.explanation.ranking.loci import Loci, LocusRule
from tests.explanation.ranking.builders import candidates


def _sets(loci: Loci) -> list[list[int]]:
    return [np.flatnonzero(loci.of_rows == number).tolist() for number in range(len(loci))]


def test_a_gap_begins_a_locus_and_contigs_are_apart_whatever_their_names() -> None:
    found = candidates(
        [300_001, 50_000, 10, 600_000, 20, 0], [0.0] * 6, ["chr1", "1", "20", "1", "chr20", "."]
    )
    loci = LocusRule().loci(found)
    # 250,001 bp are more than the gap, and 249,999 are not.
    assert _sets(loci) == [[1], [0], [3], [2, 4]]
    assert loci.of_rows[5] == -1
    assert loci.places == (
        ("1", 50_000, 50_000), ("chr1", 300_001, 300_001), ("1", 600_000, 600_000), ("20", 10, 20)
    )  # fmt: skip
    assert loci.are == "variants with no more than 250,000 bp from one to the next"
    assert _sets(LocusRule(gap_bp=300_000).loci(found)) == [[0, 1, 3], [2, 4]]
    assert loci.name(3) == "20:10-20"


def test_contigs_are_ordered_by_number() -> None:
    loci = LocusRule().loci(candidates([5] * 4, [0.0] * 4, ["20", "X", "2", "10"]))
    assert [chrom for chrom, *_ in loci.places] == ["2", "10", "20", "X"]


def test_columns_divide_rows_and_studies_do_so_always() -> None:
    keys = {"trait": ["a", "a", "b", "b"], "region": ["1", "1", "1", ""]}
    found = candidates([10, 2_000_000, 10, 20], [0.0] * 4, keys=keys, studies=("trait",))
    loci = LocusRule().loci(found)
    # Rows of a block stay together however far they lie apart; one without a block is divided by distance.
    assert sorted(map(tuple, _sets(loci))) == [(0, 1), (2,), (3,)]
    assert loci.are == "rows with the same trait and region on one contig"
    assert {loci.name(number) for number in range(3)} == {
        "a, region 1, 1:10-2,000,000", "b, region 1, 1:10-10", "b, 1:20-20"
    }  # fmt: skip
    by_distance = LocusRule(gap_bp=100).loci(found)
    assert sorted(map(tuple, _sets(by_distance))) == [(0,), (1,), (2, 3)]
    assert "separately for each trait" in by_distance.are


def test_loci_that_overlap_are_one_region_and_neighbouring_blocks_are_not(tmp_path: Path) -> None:
    keys = {"trait": ["a", "a", "b", "c", "c"]}
    found = candidates([1, 900, 500, 850, 3000], [0.0] * 5, keys=keys, studies=("trait",))
    loci = LocusRule(gap_bp=1000).loci(found)
    assert [loci.places[number][1:] for number in range(4)] == [
        (1, 900),
        (500, 500),
        (850, 850),
        (3000, 3000),
    ]
    # The third lies in the first, although the one between them ends before it.
    assert loci.regions.tolist() == [0, 0, 0, 1]
    (tmp_path / "b.bed").write_text("1\t0\t100\n1\t100\t200\n")
    assert LocusRule(blocks=tmp_path / "b.bed").loci(candidates([100, 101], [0.0] * 2)).regions.tolist() == [
        0,
        1,
    ]


def test_blocks_of_a_bed_file_and_what_lies_outside(tmp_path: Path) -> None:
    (tmp_path / "b.bed").write_text("1\t0\t100\n1\t100\t200\n")
    found = candidates([100, 101, 5000, 5050, 90_000_000], [0.0] * 5)
    loci = LocusRule(blocks=tmp_path / "b.bed", gap_bp=None).loci(found)
    assert _sets(loci) == [[0], [1], [2, 3], [4]]
    assert [loci.labels[number] for number in range(4)] == ["block 1", "block 2", "", ""]


def test_ld_blocks_of_a_population(tmp_path: Path) -> None:
    path = tmp_path / "blocks.txt"
    path.write_text("chr start stop pop\nchr1 0 100 EUR\nchr1 100 200 EUR\nchr1 0 200 AFR\n")
    found = candidates([100, 101, 150], [0.0] * 3)
    assert _sets(LocusRule(blocks=path, population="EUR").loci(found)) == [[0], [1, 2]]
    assert _sets(LocusRule(blocks=path, population="AFR").loci(found)) == [[0, 1, 2]]
    with pytest.raises(OptionError, match="--blocks-population, such as EUR"):
        LocusRule(blocks=path).loci(found)


def test_options_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "b.bed").write_text("1\t0\t100\n")
    with pytest.raises(OptionError, match="--blocks or --gap"):
        LocusRule(blocks=tmp_path / "b.bed", gap_bp=5)
    with pytest.raises(OptionError, match="gap is 0"):
        LocusRule(gap_bp=0)
    with pytest.raises(OptionError, match="name them with --blocks"):
        LocusRule(population="EUR")
    with pytest.raises(OptionError, match="has no populations"):
        LocusRule(blocks=tmp_path / "b.bed", population="EUR").loci(candidates([5], [0.0]))
