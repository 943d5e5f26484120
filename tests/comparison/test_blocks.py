"""Blocks of variants: stretches of equal length and regions of a BED file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pybedtools
import pytest

from mifm_kipoi.comparison.blocks import Blocks, equal_blocks, in_blocks, read_blocks
from mifm_kipoi.errors import InputError, IntervalFileError


def blocks_of_bed(chrom: pd.Series, pos: pd.Series, path: Path) -> Blocks:
    return in_blocks(chrom, pos, read_blocks(path))


def test_equal_blocks_of_both_names_of_a_contig() -> None:
    block, names = equal_blocks(pd.Series(["chr1", "1", "2"]), pd.Series([5, 6, 5]), length_bp=100)
    assert block.tolist() == [0, 0, 1]
    assert names == ("chr1:1-100", "2:1-100")


def test_equal_blocks() -> None:
    chrom = pd.Series(["1", "1", "2", "1", "1", "2"])
    pos = pd.Series([1, 100, 100, 101, 200, 201])
    block, names = equal_blocks(chrom, pos, length_bp=100)
    assert [names[number] for number in block] == [
        "1:1-100", "1:1-100", "2:1-100", "1:101-200", "1:101-200", "2:201-300",
    ]  # fmt: skip
    assert len(names) == 4


def test_regions_of_a_bed_file(tmp_path: Path) -> None:
    """A region holds the bases behind its start up to and with its end; contigs may lack chr."""
    path = tmp_path / "blocks.bed"
    path.write_text("chr2\t0\t5\nchr1\t20\t30\nchr1\t10\t20\n")
    chrom, pos = pd.Series(["1"] * 6 + ["chr2", "3"]), pd.Series([10, 11, 20, 21, 30, 31, 5, 5])
    block, names = blocks_of_bed(chrom, pos, path)
    found = [names[number] if number >= 0 else None for number in block]
    first, second = "chr1:11-20", "chr1:21-30"
    assert found == [None, first, first, second, second, None, "chr2:1-5", None]


def test_as_bedtools_has_it(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    bounds = np.sort(generator.choice(5000, 60, replace=False)).reshape(30, 2)
    bed = tmp_path / "blocks.bed"
    bed.write_text("".join(f"7\t{start}\t{end}\n" for start, end in bounds))
    pos = generator.integers(1, 5000, 400)
    block, names = blocks_of_bed(pd.Series(["7"] * 400), pd.Series(pos), bed)
    points = pybedtools.BedTool([("7", each - 1, each, str(row)) for row, each in enumerate(pos.tolist())])
    expected = {
        int(fields[3]): f"7:{int(fields[5]) + 1}-{fields[6]}"
        for fields in points.intersect(pybedtools.BedTool(str(bed)), wa=True, wb=True)
    }
    assert {row: names[number] for row, number in enumerate(block) if number >= 0} == expected
    assert 0 < len(expected) < 400


def test_overlapping_regions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocks.bed"
    path.write_text("1\t0\t11\nchr1\t10\t20\n")
    with pytest.raises(InputError, match="1:0-11 and chr1:10-20 overlap"):
        blocks_of_bed(pd.Series(["1"]), pd.Series([1]), path)


def test_no_region(tmp_path: Path) -> None:
    path = tmp_path / "blocks.bed"
    path.write_text("")
    with pytest.raises((InputError, IntervalFileError), match=r"blocks\.bed"):
        blocks_of_bed(pd.Series(["1"]), pd.Series([1]), path)
