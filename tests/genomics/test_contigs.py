"""Names of chromosomes that mean the same contig."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.genomics.contigs import contig_aliases, contig_key, contig_keys


@pytest.mark.parametrize(
    ("chrom", "aliases"),
    [
        ("1", ("1", "chr1")),
        ("chr1", ("chr1", "1")),
        ("chrchr1", ("chrchr1", "chr1")),
        ("CHR1", ("CHR1", "chrCHR1")),
        ("HLA-A*01", ("HLA-A*01", "chrHLA-A*01")),
        ("chrM", ("chrM", "MT", "chrMT", "M")),
        ("MT", ("MT", "chrM", "chrMT", "M")),
        ("M", ("M", "chrM", "MT", "chrMT")),
        ("chrMT", ("chrMT", "chrM", "MT", "M")),
    ],
)
def test_aliases(chrom: str, aliases: tuple[str, ...]) -> None:
    assert contig_aliases(chrom) == aliases


@given(st.one_of(st.sampled_from(["M", "MT", "X", "23", "1"]), st.text("chrMTX123_", min_size=1, max_size=6)))
def test_aliases_share_a_key(bare: str) -> None:
    name = bare if bare.startswith("chr") else f"chr{bare}"
    if not name.startswith("chrchr"):
        assert len({contig_key(alias) for alias in contig_aliases(name)}) == 1


@pytest.mark.parametrize(
    ("chrom", "key", "plink_key"),
    [
        ("chr1", "1", "1"),
        ("1", "1", "1"),
        ("CHR1", "CHR1", "1"),
        ("Chr9", "Chr9", "9"),
        ("23", "23", "X"),
        ("chr23", "23", "X"),
        ("Chr24", "Chr24", "Y"),
        ("24", "24", "Y"),
        ("chrX", "X", "X"),
        ("25", "25", "25"),
        ("26", "26", "26"),
        ("chrMT", "M", "M"),
        ("MT", "M", "M"),
        ("0", "0", "0"),
    ],
)
def test_keys(chrom: str, key: str, plink_key: str) -> None:
    assert contig_key(chrom) == key
    assert contig_key(chrom, plink=True) == plink_key


def test_keys_of_a_column() -> None:
    names = pd.Series(["chr1", "23", None, "1"], index=[4, 5, 6, 7])
    assert contig_keys(names).dropna().to_dict() == {4: "1", 5: "23", 7: "1"}
    assert contig_keys(names, plink=True).dropna().to_dict() == {4: "1", 5: "X", 7: "1"}
    assert contig_keys(names).isna().tolist() == [False, False, True, False]
    assert contig_keys(names[:0]).empty
