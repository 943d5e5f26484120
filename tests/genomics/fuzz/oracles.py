"""Slow, obvious parsers, which say what a file holds; ``UnreadableError`` where no reader may accept it."""

from __future__ import annotations

import gzip
import io
import re
import zlib

from tests.genomics.fuzz.bcf import read_bcf

Row = tuple[str, int, str, str]
"""CHROM, POS, REF and one ALT."""

COLUMNS = [b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO"]


class UnreadableError(Exception):
    """Whoever reads this file without an error loses or invents something."""


def unpacked(content: bytes) -> bytes:
    """What gzip makes of compressed bytes; others as they are."""
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(f"the compression is damaged: {error}") from error


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def _allele(value: bytes) -> str:
    return _text(value.upper() if re.fullmatch(rb"[A-Za-z]+", value) else value) or "."


def vcf_rows(content: bytes) -> list[Row]:
    """One row per ALT of every line behind the header."""
    lines = [line.rstrip(b"\r") for line in content.split(b"\n")]
    ends = [number for number, line in enumerate(lines) if line.startswith(b"#CHROM")]
    if not lines[0].startswith(b"##fileformat=VCF") or not ends:
        raise UnreadableError("no header")
    columns = lines[ends[0]].split(b"\t")
    if columns[:8] != COLUMNS or columns[8:9] not in ([], [b"FORMAT"]):
        raise UnreadableError("the header's last line holds something else")
    rows: list[Row] = []
    for line in lines[ends[0] + 1 :]:
        if not line:
            continue
        fields = line.split(b"\t")
        if len(fields) < 7 or b"".join(fields[len(columns) :]).strip():
            raise UnreadableError(f"too few or too many columns in {line!r}")
        if not re.fullmatch(rb"[0-9]{1,10}", fields[1].lstrip(b"0") or b"0") or not fields[0]:
            raise UnreadableError(f"no position in {line!r}")
        chrom, pos, ref = _text(fields[0]), int(fields[1]), _allele(fields[3])
        rows += [(chrom, pos, ref, _allele(alt)) for alt in fields[4].split(b",")]
    return rows


def bed_rows(content: bytes) -> list[tuple[str, int, int]]:
    """One row per line that is no comment."""
    rows = []
    for line in content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if not line.strip() or line.startswith((b"#", b"track", b"browser")):
            continue
        fields = line.split(b"\t")
        if len(fields) < 3 or not all(re.fullmatch(rb"-?[0-9]{1,30}", field) for field in fields[1:3]):
            raise UnreadableError(f"no interval in {line!r}")
        if int(fields[1]) >= int(fields[2]):
            raise UnreadableError(f"an empty interval in {line!r}")
        rows.append((_text(fields[0]), int(fields[1]), int(fields[2])))
    return rows


def merged(rows: list[tuple[str, int, int]]) -> dict[str, list[tuple[int, int]]]:
    """Intervals joined where they overlap or touch."""
    found: dict[str, list[tuple[int, int]]] = {}
    for chrom, start, end in sorted(rows):
        spans = found.setdefault(chrom, [])
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return found


def fasta_contigs(content: bytes) -> dict[str, bytes]:
    """The bases of every contig in upper case."""
    contigs: dict[str, bytes] = {}
    name = None
    for line in content.split(b"\n"):
        text = line.rstrip(b"\r")
        if text.startswith(b">"):
            words = text[1:].split()
            if not words or _text(words[0]) in contigs:
                raise UnreadableError(f"a contig without a name of its own: {text!r}")
            name = _text(words[0])
            contigs[name] = b""
        elif name is not None:
            bases = line.rstrip(b" \t\r")
            if not re.fullmatch(rb"[A-Za-z*-]*", bases):
                raise UnreadableError(f"what is not a base: {bases!r}")
            contigs[name] += bases.upper()
        elif text.strip() and not text.startswith(b";"):
            raise UnreadableError(f"text before the first contig: {text!r}")
    if not contigs:
        raise UnreadableError("no contig")
    return contigs


def bcf_rows(content: bytes) -> list[Row]:
    """One row per ALT of every record of decompressed BCF."""
    try:
        records = list(read_bcf(io.BytesIO(content)))
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    return [
        (chrom, pos, _allele(_bytes(ref)), _allele(_bytes(alt)))
        for chrom, pos, _, ref, alts in records
        for alt in alts or [""]
    ]


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
