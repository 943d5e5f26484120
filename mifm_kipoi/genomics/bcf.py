"""BCF, which htslib turns into VCF in a process of its own, and the lengths of its records.

A damaged file can end the process that reads it; here that is a child, and an error. Of a file in which the
length of a record takes in the next one, htslib makes one record without an error, so :func:`record_sites`
follows every record to its end.
The layout is that of section 6 of the VCF 4.3 specification.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from mifm_kipoi.genomics.htslib import reason

MAGIC = b"BCF"

_VIEW = """
import sys
from pysam import bcftools
bcftools.view("--no-version", "-Ov", "-o", "-", *sys.argv[1:], "-", catch_stdout=False)
"""


@contextlib.contextmanager
def as_vcf(file: BinaryIO, samples: bool = True) -> Iterator[Iterator[bytes]]:
    """The lines of a BCF file as VCF, its text byte by byte, written by bcftools in a process of its own.

    Parameters
    ----------
    file : binary file
        A file of the operating system, unbuffered and at its start. The child reads it, and moves its
        position as it does so.
    samples : bool
        Keep the columns of the samples.

    Yields
    ------
    iterator of bytes
        The header's lines and the records, each with its line end.

    Raises
    ------
    ValueError
        After the last line, when bcftools could not read the whole file.
    """
    with _temporary() as errors:
        command = [sys.executable, "-P", "-W", "ignore", "-c", _VIEW, *([] if samples else ["-G"])]
        with subprocess.Popen(  # noqa: S603 - no shell
            command, stdin=file, stdout=subprocess.PIPE, stderr=errors, bufsize=1 << 20
        ) as process:
            output = process.stdout
            assert output is not None

            def lines() -> Iterator[bytes]:
                yield from output
                if process.wait():
                    errors.seek(0)
                    messages = errors.read().decode(errors="replace").strip().splitlines()
                    why = reason(messages[-1]) if messages else f"it ended with {process.returncode}"
                    raise ValueError(f"bcftools cannot read it: {why}")

            try:
                yield lines()
            finally:
                process.kill()


def _temporary() -> IO[bytes]:
    """A temporary file.

    Raises
    ------
    ValueError
        When there can be none; the message names the folder.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise ValueError(f"no temporary file can be made ({error}); name another folder in TMPDIR") from error


_WRITE = """
import sys
from pysam import bcftools
bcftools.view("--no-version", "-Ou", "-o", sys.argv[2], sys.argv[1], catch_stdout=False)
"""


def refusal(path: Path) -> str:
    """Why htslib cannot write a VCF file as BCF, in its words, which name the record; empty where it can."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", _WRITE, str(path), os.devnull]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell
    if not done.returncode:
        return ""
    messages = done.stderr.decode(errors="replace").strip().splitlines()
    errors = [message.partition("] ")[2] for message in messages if message.startswith("[E::")]
    return (errors or [reason(message) for message in messages] or ["it gives no reason"])[-1]


_HEAD = struct.Struct("<IIiiifHHI")
"""Bytes of the site and of the samples; CHROM, 0-based POS, length on the reference, QUAL, number of INFO
fields, number of alleles; number of FORMAT fields above that of the samples, which has 24 bits."""

_LENGTHS = 8
"""Bytes of the head that are not part of the site."""

_SIZES = {0: 0, 1: 1, 2: 2, 3: 4, 5: 4, 7: 1}
"""Bytes of one value of each type: missing, integers of three sizes, float, character."""

_STEPS = [1 + (byte >> 4) * _SIZES.get(byte & 15, 0) for byte in range(256)]
"""Bytes of values and the byte before them, which holds their type and, up to 14, their number."""

_INTEGERS = {0x11: 1, 0x12: 2, 0x13: 4}
"""Bytes of a single integer by the byte before it."""


def lost_lines(file: BinaryIO | io.BufferedIOBase, header: Iterable[bytes]) -> list[bytes]:
    """Lines of the header of a BCF file that htslib cannot parse, and leaves out.

    Parameters
    ----------
    file : binary file
        Decompressed, at its start.
    header : iterable of bytes
        Lines of the header as htslib writes them.
    """
    head = file.read(9)
    text = _read(file, int.from_bytes(head[5:], "little"), "header").rstrip(b"\0\n")
    kept = {_INDEX.sub(b"", line.rstrip(b"\r\n")) for line in header}
    lines = (_INDEX.sub(b"", line.rstrip(b"\r")) for line in text.split(b"\n"))
    return [line for line in lines if line.startswith(b"##") and line not in kept]


_INDEX = re.compile(rb",IDX=[0-9]+(?=>$)")
"""The number that BCF gives to a definition."""


def record_sites(file: BinaryIO | io.BufferedIOBase) -> Iterator[tuple[int, int, int]]:
    """Check that each record of a BCF file, decompressed, ends where its lengths say.

    Parameters
    ----------
    file : binary file
        At its start.

    Yields
    ------
    tuple of int
        1-based POS, the number of alleles and the number of INFO entries of each record.

    Raises
    ------
    ValueError
        When a record or the file ends too early or too late; the message names the record.
    """
    head = file.read(9)
    _read(file, int.from_bytes(head[5:], "little"), "header")
    number = 0
    while head := file.read(_HEAD.size):
        number += 1
        try:
            if len(head) < _HEAD.size:
                raise ValueError(f"it is cut in its first {_HEAD.size} bytes")
            site_length, samples_length, _, pos, _, _, info, alleles, formats = _HEAD.unpack(head)
            site = _read(file, max(site_length - _HEAD.size + _LENGTHS, 0), "site")
            samples = _read(file, samples_length, "samples")
            # ID and alleles; FILTER, which htslib leaves out where a VCF file lacks that column, too; INFO.
            end = _end(site, 0, 1 + alleles)
            if end < len(site) or info:
                end = _end(site, end, 1 + 2 * info)
            _check_end(site, end, "site")
            end = 0
            for _ in range(formats >> 24):
                end = _end(samples, _end(samples, end, 1), 1, formats & 0xFFFFFF)
            _check_end(samples, end, "samples")
        except (ValueError, IndexError) as error:
            why = str(error) if isinstance(error, ValueError) else "a value reaches past its end"
            raise ValueError(f"record {number} is damaged: {why}") from error
        yield pos + 1, alleles, info


def _read(file: BinaryIO | io.BufferedIOBase, length: int, what: str) -> bytes:
    content = file.read(length)
    if len(content) < length:
        raise ValueError(
            f"its {what} should have {length} more bytes, and the file ends after {len(content)}"
        )
    return content


def _check_end(content: bytes, end: int, what: str) -> None:
    if end != len(content):
        raise ValueError(
            f"its {what} should have {end} bytes by its columns, and has {len(content)} by its length"
        )


def _end(content: bytes, at: int, columns: int, vectors: int = 1) -> int:
    """The offset after some columns, each of one or more vectors of values, that begin at an offset."""
    for _ in range(columns):
        byte = content[at]
        if byte >> 4 != 15 and vectors == 1:
            at += _STEPS[byte]
            continue
        count = byte >> 4
        at += 1
        if count == 15:
            size = _INTEGERS.get(content[at])
            if size is None:
                raise ValueError(f"byte {content[at]:#04x} is where an integer should begin")
            at += 1 + size
            count = int.from_bytes(content[at - size : at], "little", signed=True)
        at += count * vectors * _SIZES.get(byte & 15, 0)
    return at
