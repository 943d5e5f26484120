"""Bases packed two bits each are those of the genome, and all others are unknown."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gpu import packed
from benchmarks.gpu.packed import PackedGenome
from mifm_kipoi import Genome
from mifm_kipoi.errors import InputError
from tests.builders import write_fasta
from training.mil.genome_tensor import GenomeTensor

BASES = {"chr1": "ACGTN" * 40, "chr2": "TTGCA" * 30}


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    return Genome(write_fasta(tmp_path / "genome.fa", BASES))


def variants(*rows: tuple[str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref"])


def test_regions_by_hand(genome: Genome) -> None:
    """REF and the flank on either side, cut to the contig, those that touch joined."""
    made = PackedGenome.of(
        genome, variants(("2", 4, "CA"), ("1", 100, "N"), ("1", 121, "A"), ("1", 150, "N")), flank=10
    )
    regions = list(zip(made.contig.tolist(), made.start.tolist(), made.end.tolist(), strict=True))
    # chr1: [89, 110) and [110, 131) touch; chr2: from 0, as a flank would begin before the contig.
    assert regions == [(0, 89, 131), (0, 139, 160), (1, 0, 15)]
    assert made.bases == 42 + 21 + 15
    assert made.bits.nbytes == 20


def test_the_tensor_is_that_of_the_fasta_where_it_is_known(genome: Genome, tmp_path: Path) -> None:
    instances = variants(("1", 60, "N"), ("2", 75, "A"))
    PackedGenome.of(genome, instances, flank=20).write(tmp_path / "bases.npz")
    made = PackedGenome.read(tmp_path / "bases.npz").tensor(margin=30)
    whole = GenomeTensor.read(genome, ["1", "2"], margin=30)
    assert made.starts == whole.starts
    assert made.lengths == whole.lengths
    known = torch.zeros(len(whole.codes), dtype=torch.bool)
    known[whole.starts["chr1"] + 39 : whole.starts["chr1"] + 80] = True
    known[whole.starts["chr2"] + 54 : whole.starts["chr2"] + 95] = True
    assert torch.equal(made.codes[known], whole.codes[known])
    assert set(made.codes[~known].tolist()) == {4}
    assert torch.equal(made.offsets(instances), whole.offsets(instances))
    offsets = whole.offsets(instances)
    assert torch.equal(made.cut(offsets, 24), whole.cut(offsets, 24))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=40))
def test_packing_is_undone(codes: list[int]) -> None:
    bases = np.array(codes, dtype=np.uint8)
    back = packed._unpacked(packed._packed(bases), bases.size)
    assert np.array_equal(back[bases < 4], bases[bases < 4])
    assert (back[bases == 4] == 0).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 9)), min_size=1))
def test_merged_regions_cover_the_same_bases(regions: list[tuple[int, int, int]]) -> None:
    contig, start, length = (np.array(each, dtype=np.int64) for each in zip(*regions, strict=True))
    merged = list(
        zip(*(each.tolist() for each in packed._merged(contig, start, start + length)), strict=True)
    )
    want = {(c, base) for c, first, size in regions for base in range(first, first + size)}
    got = [(c, base) for c, first, last in merged for base in range(first, last)]
    assert len(got) == len(set(got))
    assert set(got) == want
    assert merged == sorted(merged)
    assert all(a[0] < b[0] or a[2] < b[1] for a, b in itertools.pairwise(merged))


def test_errors(genome: Genome, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no contig '7'"):
        PackedGenome.of(genome, variants(("7", 1, "A")))
    (tmp_path / "other.npz").write_text("x")
    with pytest.raises(InputError, match=r"cannot read the bases .*other\.npz"):
        PackedGenome.read(tmp_path / "other.npz")
