"""Files of text, plain or compressed: whether they are whole, and their lines."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.bgzf import BGZF_END

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Of UTF-8, as spreadsheets write it."""

_LONGEST_LINE = 1 << 26
"""Bytes of a line, beyond which a file is not a table."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def is_gzip(path: Path) -> bool:
    """Whether a file begins as gzip and bgzip do.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def is_bgzip(path: Path) -> bool:
    """Whether a file is compressed with bgzip.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(18)
    return head[:4] == BGZF_END[:4] and head[12:14] == b"BC"


def _compression(path: Path) -> str | None:
    """How a file is compressed, as Arrow calls it."""
    with path.open("rb") as file:
        head = file.read(len(_ZSTD))
    return "gzip" if head.startswith(_GZIP) else "zstd" if head == _ZSTD else None


def check_whole(path: Path) -> None:
    """Notice a bgzip file that is cut at the end of a block, where it reads like a whole one."""
    if not is_bgzip(path):
        return
    with path.open("rb") as file:
        file.seek(-min(len(BGZF_END), path.stat().st_size), os.SEEK_END)
        if file.read() != BGZF_END:
            raise InputError(
                f"{path} is cut short: bgzip's end-of-file mark is missing; copy or download it again"
            )


def _opened(path: Path) -> IO[bytes]:
    """A file to be read as bytes, decompressed."""
    if _compression(path) == "zstd":
        import pyarrow as pa

        return cast("IO[bytes]", io.BufferedReader(pa.CompressedInputStream(str(path), "zstd")))
    return cast("IO[bytes]", gzip.open(path)) if is_gzip(path) else path.open("rb")


def first_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, and their numbers from 1."""
    with _opened(path) as file:
        number = 0
        while raw := file.readline(_LONGEST_LINE):
            # Of a file with the line ends of old Macs, all is one line to Python.
            for line in raw.removesuffix(b"\n").removesuffix(b"\r").split(b"\r"):
                number += 1
                if line.removeprefix(BYTE_ORDER_MARK).strip(b" \t,;"):
                    yield number, line.removeprefix(BYTE_ORDER_MARK).decode()


def lines_of(path: Path, block_bytes: int) -> Iterator[tuple[bytes, float]]:
    """Whole lines of a file, decompressed, and the fraction of its bytes; all line ends are those of Unix."""
    import pyarrow as pa

    size = max(path.stat().st_size, 1)
    rest, carriage = b"", b""
    with pa.OSFile(str(path)) as raw:
        compression = _compression(path)
        stream = pa.CompressedInputStream(raw, compression) if compression else raw
        while True:
            read = stream.read(block_bytes)
            text = carriage + read
            # A line end may be cut in two.
            carriage = b"\r" if read and text.endswith(b"\r") else b""
            if b"\r" in text:
                text = text.removesuffix(carriage).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            text = rest + text
            if BYTE_ORDER_MARK in text:
                # Files with it may have been joined; Arrow takes it away where a block begins.
                text = (b"\n" + text).replace(b"\n" + BYTE_ORDER_MARK, b"\n")[1:]
            whole = text.rfind(b"\n") + 1
            if not read:
                if text:
                    yield text if whole == len(text) else text + b"\n", 1.0
                return
            rest = text[whole:]
            if len(rest) > _LONGEST_LINE:
                raise InputError(
                    f"{path} has a line of more than {_LONGEST_LINE >> 20} MiB; expected a table, text "
                    "(plain or gzipped) or Parquet"
                )
            if whole:
                yield text[:whole], raw.tell() / size
