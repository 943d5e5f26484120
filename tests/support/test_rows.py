"""Rows of numbers as text, compared with Python's own formatting."""

from __future__ import annotations

import decimal
import gzip
import io

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.bgzf import BGZF_END, bgzf_blocks, first_block_bytes
from mifm_kipoi.support.rows import fixed, rows_of, text, whole


@given(
    arrays(
        np.float64, st.integers(1, 30), elements=st.floats(-1e8, 1e8) | st.floats(-1, 1) | st.just(np.nan)
    ),
    st.integers(1, 6),
)
def test_numbers_with_decimals(values: np.ndarray, decimals: int) -> None:
    fields = rows_of([fixed(values, decimals)]).decode().splitlines()
    for field, value in zip(fields, values.tolist(), strict=True):
        if np.isnan(value):
            assert field == ""
            continue
        written = decimal.Decimal(field)
        assert len(field.partition(".")[2]) == decimals
        assert field.lstrip("-")[0] != "0" or field.lstrip("-")[1] == "."
        assert not field.startswith("-") or written < 0
        # The product with the power of ten is rounded, too.
        slack = decimal.Decimal(abs(value)) * decimal.Decimal(2**-52)
        assert abs(written - decimal.Decimal(value)) <= decimal.Decimal(10) ** -decimals / 2 + slack


def test_columns_side_by_side() -> None:
    columns = [
        text("chrµ", 4),
        whole(np.array([0, 7, 10, 99_999_999_999])),
        fixed(np.array([-0.0, 0.25, 9.996, -1e-9]), 2),
    ]
    assert rows_of(columns).decode() == (
        "chrµ\t0\t0.00\nchrµ\t7\t0.25\nchrµ\t10\t10.00\nchrµ\t99999999999\t0.00\n"
    )  # fmt: skip


@pytest.mark.parametrize("value", [np.inf, 1e12])
def test_numbers_that_are_too_large(value: float) -> None:
    with pytest.raises(ValueError, match=r"(inf|1e\+12|1000000000000.0) .*6 decimals"):
        fixed(np.array([1.0, value]), 6)


@given(st.binary(max_size=200_000), st.sampled_from([1, 6]))
def test_blocks_are_gzip(content: bytes, level: int) -> None:
    packed = bgzf_blocks(content, level)
    assert gzip.decompress(packed + BGZF_END) == content
    if content:
        first = first_block_bytes(io.BytesIO(packed))
        assert gzip.decompress(packed[:first]) == content[:0xFF00]


def test_random_bytes_fit_into_blocks() -> None:
    content = np.random.default_rng(1).bytes(3 * 0xFF00 + 5)
    packed = bgzf_blocks(content)
    assert gzip.decompress(packed) == content
    sizes = []
    while packed:
        sizes.append(first_block_bytes(io.BytesIO(packed)))
        packed = packed[sizes[-1] :]
    assert len(sizes) == 4
    assert max(sizes) <= 0x10000


def test_what_is_not_bgzip() -> None:
    file = io.BytesIO(gzip.compress(b"text" * 10))
    file.name = "x.gz"  # type: ignore[attr-defined] # as files have it
    with pytest.raises(InputError, match=r"x\.gz is not compressed with bgzip"):
        first_block_bytes(file)
