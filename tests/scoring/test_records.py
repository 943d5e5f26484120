"""Chunks of records, and what the records of scores need to be imported."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.conventions import Status
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Variant, VariantFile
from mifm_kipoi.scoring.records import ScoredVariants, read_chunks
from tests.builders import write_vcf
from tests.conftest import Run


def test_chunks_hold_whole_records(tmp_path: Path) -> None:
    """They end after the record that fills them, wherever reading begins."""
    vcf = write_vcf(
        tmp_path / "x.vcf", [("1", pos, "A", "C,G,T" if pos == 4 else "C") for pos in range(1, 11)]
    )

    def chunks(start: int, end: int | None = None) -> list[tuple[int, int]]:
        with VariantFile(vcf) as file:
            found = read_chunks(file, None, start, end, chunk_size=4)
            return [(chunk.read, len(chunk.variants)) for chunk in found]

    assert chunks(0) == [(4, 6), (8, 4), (10, 2)]
    assert chunks(4) == [(8, 4), (10, 2)]
    assert chunks(8) == [(10, 2)]
    assert chunks(10) == [(10, 0)]
    assert chunks(3, 6) == [(5, 4), (6, 1)]


def test_chunks_end_where_their_text_is_long(tmp_path: Path) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", [("1", pos, "A", "C") for pos in range(1, 6)])
    with VariantFile(vcf, lines=True) as file:
        lines = [len(record.line) for chunk in read_chunks(file) for record in chunk.records]
    with VariantFile(vcf, lines=True) as file:
        found = [len(chunk.records) for chunk in read_chunks(file, chunk_bytes=sum(lines[:2]))]
    assert found == [2, 2, 1]


def test_chunks_end_where_their_alleles_are_long(tmp_path: Path) -> None:
    """Also where no text is kept, as for a table."""
    vcf = write_vcf(tmp_path / "x.vcf", [("1", pos, "A" * 9, "C,G") for pos in range(1, 6)])
    with VariantFile(vcf) as file:
        assert [len(chunk.records) for chunk in read_chunks(file, chunk_bytes=22)] == [2, 2, 1]


def test_chunks_count_what_lies_outside_the_regions(tmp_path: Path) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", [("1", pos, "A", "C") for pos in range(1, 11)])
    bed = tmp_path / "x.bed"
    bed.write_text("1\t3\t6\n")
    with VariantFile(vcf) as file:
        found = list(read_chunks(file, Regions(bed), chunk_size=2))
    assert [chunk.read for chunk in found] == [5, 10]
    assert [variant.pos for chunk in found for variant in chunk.variants] == [4, 5, 6]


def test_records_of_scores_leave_torch_unimported(run: Run) -> None:
    """Baselines that read tables import them, and no network."""
    code = (
        "import sys; from mifm_kipoi import ScoredVariants; from mifm_kipoi.scoring.records import Chunk; "
        "import mifm_kipoi.scoring.formats; print('torch' in sys.modules)"
    )
    assert run("timeit", "-n", "1", "-r", "1", code).stdout.startswith("False")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_frames_have_the_same_types_whatever_they_hold(count: int) -> None:
    variants = [Variant("20", 300, "f\udcfcr", "A", "C"), Variant("20", 301, ".", "A", "C")][:count]
    scores = {"mifm_ref": np.full(count, 0.5, dtype=np.float32)}
    frame = ScoredVariants(variants, [Status.OK] * count, scores).to_frame()
    text = pd.Series(["a"], dtype="str").dtype
    assert frame.dtypes.to_dict() == {
        "chrom": text, "pos": np.dtype("int64"), "id": text, "ref": text, "alt": text,
        "mifm_ref": np.dtype("float32"), "status": text,
    }  # fmt: skip
    assert frame["id"].tolist() == ["f\ufffdr", "."][:count]
    frame.to_csv(os.devnull)
