"""Loci as text."""

from __future__ import annotations

import re

import pytest

from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.loci import Locus, locus_name, parse_locus


@pytest.mark.parametrize(
    ("text", "locus"),
    [
        ("20:1,200,000-1,300,000", ("20", 1_200_000, 1_300_000)),
        (" chrX:1-1 ", ("chrX", 1, 1)),
        ("HLA-A*01:01:5-10", ("HLA-A*01:01", 5, 10)),
    ],
)
def test_a_locus_is_read(text: str, locus: Locus) -> None:
    assert parse_locus(text) == locus
    assert parse_locus(locus_name(locus)) == locus


@pytest.mark.parametrize(
    "text", ["20", "20:5", "20:5-", "20:-5-10", "20:5.5-10", "20:1e3-2e3", "", ":1-2", "20:1-2-3", "2 0:1-2"]
)
def test_what_is_no_locus_is_an_error(text: str) -> None:
    with pytest.raises(OptionError, match=re.escape(f"{text!r} is not a locus")):
        parse_locus(text)


@pytest.mark.parametrize("text", ["20:0-5", "20:6-5"])
def test_a_locus_without_a_base_is_an_error(text: str) -> None:
    with pytest.raises(OptionError, match=f"{text!r} is empty"):
        parse_locus(text)
