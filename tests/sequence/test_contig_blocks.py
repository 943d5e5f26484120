"""Blocks of positions have the windows that cutting one variant after the other gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.conventions import Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval
from mifm_kipoi.sequence.contig_blocks import BLOCK, contig_blocks, cut_block
from mifm_kipoi.sequence.windows import cut_interval_windows


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    generator = np.random.default_rng(3)
    text = generator.choice(list("ACGTacgt"), size=BLOCK + 900)
    text[1000:1080] = "N"
    text[2000] = "R"
    path = tmp_path / "genome.fa"
    path.write_text(">1\n" + "".join(text) + "\n>tiny\nACGTACGT\n")
    return Genome(path)


@pytest.mark.parametrize("contig", ["1", "tiny"])
def test_blocks_have_the_windows_of_single_positions(genome: Genome, contig: str) -> None:
    length = genome.contigs[contig]
    blocks = list(contig_blocks(genome, contig))
    assert [(block.start, block.end) for block in blocks] == (
        [(0, BLOCK), (BLOCK, length)] if contig == "1" else [(0, length)]
    )
    for block in blocks:
        positions = [Interval(contig, pos, pos + 1, "") for pos in range(block.start, block.end)]
        windows, status = cut_interval_windows(positions, genome)
        has_base = block.bases != 4
        expected = np.array([reason is Status.OK for reason in status]) & has_base
        np.testing.assert_array_equal(block.scorable, expected)
        cut = np.lib.stride_tricks.sliding_window_view(block.codes, 512)
        np.testing.assert_array_equal(cut[expected], windows[expected])
    if contig == "1":
        assert not blocks[0].scorable[2000]
        assert 0 < blocks[0].scorable.sum() < BLOCK


def test_a_region_gets_its_blocks_whole(genome: Genome) -> None:
    (block,) = contig_blocks(genome, "1", BLOCK + 5, BLOCK + 6)
    assert (block.start, block.end) == (BLOCK, BLOCK + 900)
    part = cut_block(genome, "1", BLOCK + 100, BLOCK + 200)
    np.testing.assert_array_equal(part.scorable, block.scorable[100:200])
    np.testing.assert_array_equal(part.windows_of(128), block.windows_of(128)[100 : 200 + 127])
