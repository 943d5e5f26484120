"""Names of chromosomes that mean the same contig."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import (
    UNDECIDED,
    ContigNames,
    build_named,
    build_of,
    build_of_lengths,
    contig_aliases,
    contig_key,
    contig_keys,
    is_chromosome,
)

OF_1 = ("NC_000001.9", "NC_000001.10", "NC_000001.11", "CM000663.1", "CM000663.2", "NC_060925.1")
OF_M = ("NC_012920.1", "J01415.2")


@pytest.mark.parametrize(
    ("chrom", "aliases"),
    [
        ("1", ("1", "chr1", *OF_1)),
        ("chr1", ("chr1", "1", *OF_1)),
        ("NC_000001.10", ("NC_000001.10", "1", "chr1")),
        ("NC_012920.1", ("NC_012920.1", "M", "chrM", "MT", "chrMT")),
        ("chrchr1", ("chrchr1", "chr1")),
        ("CHR1", ("CHR1", "chrCHR1")),
        ("HLA-A*01", ("HLA-A*01", "chrHLA-A*01")),
        ("chrM", ("chrM", "MT", "chrMT", "M", *OF_M)),
        ("MT", ("MT", "chrM", "chrMT", "M", *OF_M)),
        ("M", ("M", "chrM", "MT", "chrMT", *OF_M)),
        ("chrMT", ("chrMT", "chrM", "MT", "M", *OF_M)),
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
    ("key", "names"),
    [
        (
            "1",
            "1 chr1 CHR1 Chr1 01 1.0 001.00 chr01 NC_000001.9 NC_000001.10 NC_000001.11 CM000663.1",
        ),
        ("22", "22 chr22 22.0 NC_000022.10 NC_000022.11 NC_060946.1"),
        ("X", "23 chr23 X x chrx CHRX 23.0 XY PAR1 chrPAR2 NC_000023.10 CM000685.2"),
        ("Y", "24 chr24 Y y chrY NC_000024.10"),
        ("M", "M MT mt chrM chrMT CHRMT NC_012920.1 J01415.2"),
        ("25", "25 chr25 025"),
        ("26", "26"),
        ("0", "0 chr0"),
        ("1_KI270706v1_random", "chr1_KI270706v1_random 1_KI270706v1_random"),
        ("CHR_HSCHR1_1_CTG3", "CHR_HSCHR1_1_CTG3"),
        ("NC_000001.99", "NC_000001.99"),
        ("1.5", "1.5"),
    ],
)
def test_keys(key: str, names: str) -> None:
    assert {contig_key(name) for name in names.split()} == {key}
    assert {contig_key(f" {name} ") for name in names.split()} == {key}
    assert contig_key(key) == key


def test_25_and_26_are_what_the_format_says() -> None:
    plink = {"25": "X", "26": "MT"}
    assert [contig_key(name, plink) for name in ("25", "chr26", "25.0", "24")] == ["X", "M", "X", "Y"]
    assert contig_key("25", {"25": "MT"}) == "M"
    assert contig_keys(pd.Series(["25", "1"]), plink).tolist() == ["X", "1"]
    assert set(UNDECIDED) == {contig_key("25"), contig_key("26")}


def test_keys_of_a_column() -> None:
    names = pd.Series(["chr1", "23", None, "1"], index=[4, 5, 6, 7])
    assert contig_keys(names).dropna().to_dict() == {4: "1", 5: "X", 7: "1"}
    assert contig_keys(names).isna().tolist() == [False, False, True, False]
    assert contig_keys(names[:0]).empty


def test_builds() -> None:
    names = ["NC_000001.9", "NC_000005.9", "NC_000005.10", "CM000686.1", "NC_060925.1", "NC_012920.1", "chr1"]
    expected = ["NCBI36", "GRCh37", "GRCh38", "GRCh37", "T2T-CHM13", "", ""]
    assert [build_of(name) for name in names] == expected
    assert build_of_lengths({"chr1": 249250621, "decoy": 5, "NC_000024.10": 57227414}) == "GRCh37"
    assert build_of_lengths({"20": 64444167}) == "GRCh38"
    assert build_of_lengths({"NC_000001.11": 9876492, "NC_000023.11": 2000000}) == "GRCh38"
    assert build_of_lengths({"1": 9876492, "20": 2000000}) == ""
    assert build_of_lengths({"1": 249250621, "20": 64444167}) == ""


def test_chromosomes() -> None:
    keys = ("1", "22", "X", "Y", "M", "23", "0", "v0", "GL000192.1", "")
    assert [key for key in keys if is_chromosome(key)] == ["1", "22", "X", "Y", "M"]


def test_builds_by_their_names() -> None:
    names = ("hg19", "B37", "GRCh37.p13", "hs37d5", "hg38", "GRCh38", "hg18", "NR", "", "mm10")
    assert [build_named(name) for name in names] == ["GRCh37"] * 4 + ["GRCh38"] * 2 + ["NCBI36", "", "", ""]


def test_builds_that_contradict_each_other_are_an_error() -> None:
    both = pd.Series(["NC_000001.10", "NC_000002.12"])
    with pytest.raises(InputError, match=r"t\.tsv has the contigs NC_000001\.10, which is of GRCh37, and "
                       r"NC_000002\.12, which is of GRCh38"):  # fmt: skip
        ContigNames("t.tsv").keys(both)
    for lifted in (False, True):
        names = ContigNames("t.tsv", lifted=lifted)
        names.check({"chr20": 64444167}, "g.fa")
        assert names.keys(both[:1]).tolist() == ["1"]
        names.check({"chr20": 63025520}, "g.fa")
        names.check({"1": 1000}, "a part of a genome")
        if lifted:
            names.check({"chr20": 64444167}, "g.fa")
            continue
        with pytest.raises(InputError, match=r"NC_000001\.10, .* GRCh37, and g\.fa is GRCh38 by its contigs"):
            names.check({"chr20": 64444167}, "g.fa")


def test_contigs_that_match_nothing_are_named_with_their_rows() -> None:
    names = ContigNames("t.tsv", {"25": "X"})
    names.keys(pd.Series(["chr1", "25", "GL1", None]))
    names.keys(pd.Series(["GL1", "26"]))
    assert names.rows == {"chr1": 1, "25": 1, "GL1": 2, "26": 1}
    assert names.unmatched(["1", "X", "GL1", "26"], "the FASTA") == ""
    assert names.unmatched(["1", "X"], "the FASTA") == (
        "t.tsv has 3 rows on contigs that the FASTA does not have: 'GL1' (2 rows), '26' (1 rows)"
    )
