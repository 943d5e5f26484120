"""A slow parser of the first columns of BCF, which knows nothing of htslib: what a file holds, byte by byte.

Every length is checked against what the record holds. The layout is that of section 6 of the VCF 4.3
specification.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from gzip import GzipFile
from typing import BinaryIO

MAGIC = b"BCF"

Record = tuple[str, int, str, str, list[str]]
"""CHROM, POS, ID, REF and the alternative alleles."""

_LENGTHS = struct.Struct("<II")
"""Bytes of a record that hold the site, and the samples."""

_SITE = struct.Struct("<iiifHHI")
"""CHROM, 0-based POS, length on the reference, QUAL, number of INFO fields, number of alleles, and the
number of FORMAT fields above that of the samples, which has 24 bits."""

_SIZES = {0: 0, 1: 1, 2: 2, 3: 4, 5: 4, 7: 1}
"""Bytes of one value of each type: missing, integers of three sizes, float, character."""

_INTEGERS = {1: struct.Struct("<b"), 2: struct.Struct("<h"), 3: struct.Struct("<i")}
_CHARACTER = 7

_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_CONTIG = re.compile(rb"##contig=<(?:[^<>]*,)?ID=([^,<>]+)[,>]")
_INDEX = re.compile(rb",IDX=(\d+)[,>]")
_MISSING = b"\x07"
"""The character that stands for a missing string."""

_CONTROL = re.compile(rb"[\0-\x1f\x7f]")


def read_bcf(file: BinaryIO | GzipFile) -> Iterator[Record]:
    """Stream the records of a BCF file, versions 2.1 and 2.2.

    Parameters
    ----------
    file : binary file
        Decompressed, at its start.

    Yields
    ------
    Record
        POS is 1-based; the list of alternative alleles is empty where there are none.

    Raises
    ------
    ValueError
        When a length, type, contig or allele is impossible; the message names the record.
    """
    contigs = _contigs(file)
    number = 0
    while lengths := file.read(_LENGTHS.size):
        number += 1
        try:
            if len(lengths) < _LENGTHS.size:
                raise ValueError("it is cut in its first 8 bytes")
            site_length, samples_length = _LENGTHS.unpack(lengths)
            site = _read(file, site_length, "site")
            samples = _read(file, samples_length, "samples")
            yield _record(site, samples, contigs)
        except (ValueError, IndexError, struct.error) as error:
            reason = str(error) if type(error) is ValueError else "a value reaches past its end"
            raise ValueError(f"record {number} is damaged: {reason}") from error


def _read(file: BinaryIO | GzipFile, length: int, what: str) -> bytes:
    found = file.read(length)
    if len(found) < length:
        raise ValueError(f"the {what} should have {length} bytes, and the file ends after {len(found)}")
    return found


def _contigs(file: BinaryIO | GzipFile) -> dict[int, str]:
    """Read the header; its contigs by the numbers that records use."""
    head = file.read(9)
    if head[:4] != MAGIC + b"\2" or head[4:5] not in (b"\1", b"\2") or len(head) < 9:
        raise ValueError(f"it begins with {head[:5]!r}; expected BCF version 2.1 or 2.2")
    text = _read(file, int.from_bytes(head[5:], "little"), "header").rstrip(b"\0")
    contigs: dict[str, int] = {}
    lines = text.split(b"\n")
    for line in lines:
        if line.startswith(b"##contig="):
            plain = _QUOTED.sub(b"", line)
            contig, given = _CONTIG.match(plain), _INDEX.search(plain)
            if not contig or (b"IDX=" in plain and not given):
                raise ValueError(f"its header has {line[:80]!r}; expected ##contig=<ID=...>")
            contigs.setdefault(_text(contig[1]), int(given[1]) if given else len(contigs))
    if not any(line.startswith(b"#CHROM\tPOS\tID\tREF\tALT\t") for line in lines):
        raise ValueError("its header has no end, the line '#CHROM, POS ... INFO'")
    names = {index: name for name, index in contigs.items()}
    if len(names) < len(contigs):
        raise ValueError("two contigs of its header have the same IDX")
    return names


def _record(site: bytes, samples: bytes, contigs: dict[int, str]) -> Record:
    contig, pos, _, _, info, alleles, formats = _SITE.unpack_from(site)
    if contig not in contigs:
        raise ValueError(f"it is on contig number {contig}, and its header has no such contig")
    if pos < -1:
        raise ValueError(f"its POS is {pos + 1}; expected 0 or more")
    name, at = _string(site, _SITE.size)
    if _CONTROL.search(name):
        raise ValueError(f"its ID is {name!r}")
    found = []
    for _ in range(alleles):
        allele, at = _string(site, at)
        if b"," in allele or _CONTROL.search(allele):
            raise ValueError(f"an allele is {allele!r}")
        found.append(_text(allele))
    _check_rest(site, at, info)
    _check_samples(samples, formats >> 24, formats & 0xFFFFFF)
    return contigs[contig], pos + 1, _text(name), found[0] if found else "", found[1:]


def _check_rest(site: bytes, at: int, info: int) -> None:
    """Go through FILTER and INFO, which must end where the site ends."""
    # htslib writes a site without FILTER for a line of a VCF file without that column.
    if at < len(site) or info:
        at = _after_values(site, at)
    for _ in range(info):
        at = _after_values(site, _after_key(site, at))
    if at != len(site):
        raise ValueError(f"its site has {len(site)} bytes, and its columns take {at}")


def _check_samples(samples: bytes, formats: int, count: int) -> None:
    """Go through the columns of the samples, which must end where their bytes end."""
    at = 0
    for _ in range(formats):
        at = _after_values(samples, _after_key(samples, at), count)
    if at != len(samples):
        raise ValueError(f"its samples have {len(samples)} bytes, and its columns take {at}")


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def _typed(data: bytes, at: int) -> tuple[int, int, int]:
    """Type and number of the values that begin at an offset, and the offset of the first of them."""
    kind, count = data[at] & 15, data[at] >> 4
    at += 1
    if count == 15:
        count, at = _integer(data, at)
        if count < 0:
            raise ValueError(f"a column has {count} values")
    if kind not in _SIZES:
        raise ValueError(f"a column has values of type {kind}, which BCF does not have")
    return kind, count, at


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """A single integer, and the offset after it."""
    layout = _INTEGERS.get(data[at] & 15)
    if layout is None or data[at] >> 4 != 1:
        raise ValueError(f"byte {data[at]:#04x} is where an integer should begin")
    return layout.unpack_from(data, at + 1)[0], at + 1 + layout.size


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    kind, count, at = _typed(data, at)
    if kind != _CHARACTER:
        raise ValueError(f"an ID or allele is of type {kind}, not characters")
    if at + count > len(data):
        raise IndexError
    value = data[at : at + count]
    return b"" if value == _MISSING else value, at + count


def _after_key(data: bytes, at: int) -> int:
    key, at = _integer(data, at)
    if key < 0:
        raise ValueError(f"the name of an INFO or FORMAT column is number {key}")
    return at


def _after_values(data: bytes, at: int, vectors: int = 1) -> int:
    kind, count, at = _typed(data, at)
    return at + vectors * count * _SIZES[kind]
