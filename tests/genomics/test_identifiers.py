"""Tests of mifm_kipoi.genomics.identifiers."""

import pyarrow as pa
import pytest

from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.identifiers import IDENTIFIER, hold_variants, split_identifiers


def _split(text, pattern=IDENTIFIER):
    parts = split_identifiers(pa.array([text], pa.string()), pattern)
    return {field: values[0].as_py() for field, values in parts.items()}


@pytest.mark.parametrize(
    ("text", "chrom", "pos", "other", "effect"),
    [
        ("1:24722451_C_T", "1", "24722451", "C", "T"),
        ("chr1_1_A_T", "chr1", "1", "A", "T"),
        ("1:1:A:T", "1", "1", "A", "T"),
        ("X:100:at:g", "X", "100", "AT", "G"),
        ("1-55516888-G-GA", "1", "55516888", "G", "GA"),
        ("chr7:5_A/C", "chr7", "5", "A", "C"),
        ("1:5:A>G", "1", "5", "A", "G"),
        ("16_89986117_C_T_b37", "16", "89986117", "C", "T"),
        ("chr1_64764_C_T_b38", "chr1", "64764", "C", "T"),
        ("1:5:C:T:GRCh38", "1", "5", "C", "T"),
        (" 1:5:C:T ", "1", "5", "C", "T"),
        ("NC_000001.10:5:C:T", "NC_000001.10", "5", "C", "T"),
        ("chr1_KI270706v1_random_5_C_T", "chr1_KI270706v1_random", "5", "C", "T"),
        ("1:0300:C:T", "1", "0300", "C", "T"),
        ("1:5:C:<DEL>", "1", "5", "C", "<DEL>"),
        ("1:5:CA:-", "1", "5", "CA", "-"),
    ],
)
def test_identifiers_that_hold_a_variant(text, chrom, pos, other, effect):
    assert _split(text) == {"chrom": chrom, "pos": pos, "other_allele": other, "effect_allele": effect}


@pytest.mark.parametrize(
    "text",
    [
        "rs123", "rs123:1000:A:G", "RS123_1000_A_G", "ss77:5:A:C", "1:1000", "1:1000:A", "1:x:A:G",
        "1:1:A:G:T", "A_G", "", ".", None, ":1:A:G",
    ],
)  # fmt: skip
def test_identifiers_that_hold_none(text):
    assert set(_split(text).values()) == {None}


def test_a_pattern_says_which_allele_has_the_effect():
    pattern = "{chrom}_{pos}_{effect_allele}_{other_allele}"
    assert _split("1:5:A:G", pattern) == {"chrom": "1", "pos": "5", "effect_allele": "A", "other_allele": "G"}


def test_a_pattern_with_other_text():
    assert _split("v=1:5", "v={chrom}:{pos}") == {"chrom": "1", "pos": "5"}
    assert _split("1:5", "v={chrom}:{pos}") == {"chrom": None, "pos": None}


@pytest.mark.parametrize("text", ["1:5", "1:5:A:G", "1:5:SNP", "1_5_A_G_b37"])
def test_a_place_may_be_followed_by_anything(text):
    assert _split(text, "{chrom}:{pos}") == {"chrom": "1", "pos": "5"}


@pytest.mark.parametrize("pattern", ["", "chrom", "{chrom}:{chrom}", "{contig}:{pos}"])
def test_impossible_patterns(pattern):
    with pytest.raises(OptionError, match="pattern"):
        split_identifiers(pa.array(["1:5"]), pattern)


def test_where_identifiers_hold_variants():
    assert hold_variants(pa.array(["1:5:A:G", "rs5", None])).tolist() == [True, False, False]
