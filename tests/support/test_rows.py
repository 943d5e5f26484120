"""Rows of numbers as text, compared with Python's own formatting."""

from __future__ import annotations

import decimal
import gzip
import io

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.bgzf import BGZF_END, bgzf_blocks, first_block_bytes
from mifm_kipoi.support.rows import fixed, rows_of, table_rows, text, whole


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


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_rows_of_a_table_with_an_empty_chunk(empty: int) -> None:
    """Arrow 26 alone writes 16 KiB of zeros in front of the rows where the first chunk is empty."""
    chunks = [pa.table({"id": ["a", "b"], "n": [1, 2]}), pa.table({"id": ["c"], "n": [3]})]
    chunks.insert(empty, chunks[0].slice(0, 0))
    assert table_rows(pa.concat_tables(chunks)) == b"a\t1\nb\t2\nc\t3\n"
    one = pa.chunked_array([pa.array([], pa.string()), pa.array(["a", "b"])])
    assert table_rows(pa.table({"id": one, "n": [1, 2]})) == b"a\t1\nb\t2\n"
    assert table_rows(chunks[empty]) == b""


def test_a_quote_is_a_letter_and_numbers_beside_it_stay_as_they_are() -> None:
    table = pa.table(
        {
            "x": pa.array([0.1, None, 1e-9], pa.float32()),
            "n": pa.array([1, 2, None], pa.int8()),
            "id": ["a", "b", "c"],
        }
    )
    plain = table_rows(table).decode().splitlines()
    assert plain == ["0.1\t1\ta", "\t2\tb", "1e-9\t\tc"]
    quoted = table.set_column(2, "id", pa.array(['5"', "tab\tand\nline\r", None]))
    assert table_rows(quoted).decode() == '0.1\t1\t5"\n\t2\ttab and line \n1e-9\t\t\n'


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
