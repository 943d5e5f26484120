"""Variants, and reading them from VCF and BCF files."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mifm_kipoi import bcf
from mifm_kipoi.errors import VariantFileError
from mifm_kipoi.intervals import Regions

MISSING = "."

_FIRST_COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"

_LARGEST_POS = 2**31 - 1
"""The largest position that BCF can hold, too."""

_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One alternative allele of one record.

    Parameters
    ----------
    chrom : str
        Contig, named as in the variant file.
    pos : int
        1-based position of the first base of ``ref``.
    id : str
        Identifier, ``.`` where there is none.
    ref, alt : str
        Alleles in upper case; ``alt`` is ``.`` where the record has none, and can be a symbol such
        as ``<DEL>``, ``*`` or a breakend.
    """

    chrom: str
    pos: int
    id: str
    ref: str
    alt: str


_SEQUENCE = re.compile(r"[A-Z]+", re.IGNORECASE)


def _upper(allele: str) -> str:
    """Upper case for bases; symbols such as ``<DEL:ME>`` and breakends stay as they are."""
    return allele.upper() if _SEQUENCE.fullmatch(allele) else allele


def read_variants(path: str | os.PathLike[str], regions: Regions | None = None) -> Iterator[Variant]:
    """Stream a VCF (plain, gzip or bgzip) or BCF file, one variant per alternative allele.

    Parameters
    ----------
    path : path-like
        The file; it is read once from start to end, so it needs no index and no order.
    regions : Regions, optional
        Keep only variants whose reference allele overlaps one of these.

    Yields
    ------
    Variant
        In the order of the file; a record without alternative allele gives one with ``alt`` ``.``.

    Raises
    ------
    VariantFileError
        When the file is missing, no VCF or BCF, truncated, or holds a record that cannot be read;
        the message names the last record that could.
    """
    path = Path(path)
    _check_complete(path)
    last = "before the first record"
    try:
        for chrom, pos, name, bases, alts in _read_records(path):
            last = f"after {chrom}:{pos}"
            ref = _upper(bases) or MISSING
            if regions is not None and not regions.overlap(chrom, pos - 1, pos - 1 + len(ref)):
                continue
            for alt in alts or (MISSING,):
                yield Variant(chrom, pos, name or MISSING, ref, _upper(alt) or MISSING)
    # Damaged bytes are ValueError here, and gzip and zlib each have errors of their own.
    except Exception as error:
        raise VariantFileError(
            f"cannot read {path} {last}: {error}; expected a complete VCF or BCF file, "
            "which 'bcftools view' would read without an error"
        ) from error


_Record = tuple[str, int, str, str, Sequence[str]]
"""CHROM, POS, ID, REF and the alternative alleles, as in the file."""


def _read_records(path: Path) -> Iterator[_Record]:
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if gzipped else path.open("rb") as file:
        is_bcf = file.read(len(bcf.MAGIC)) == bcf.MAGIC
        file.seek(0)
        yield from bcf.read_bcf(file) if is_bcf else _vcf_records(file)


def _vcf_records(lines: Iterable[bytes]) -> Iterator[_Record]:
    """Read VCF as text: the first five columns, and no more than that the others are there."""
    columns = 0
    for number, line in enumerate(lines, start=1):
        text = line.rstrip(b"\r\n")
        if number == 1 and not text.startswith(b"##fileformat=VCF"):
            raise ValueError(f"it begins with {text[:20]!r}, not with '##fileformat=VCF'")
        if columns and text:
            yield _vcf_record(line, number, columns)
        elif text.startswith(_FIRST_COLUMNS):
            columns = _count_columns(text, number)
        elif text and not text.startswith(b"##"):
            raise ValueError(f"line {number} is no header line, and '#CHROM, POS ... INFO' has not come yet")
    if not columns:
        raise ValueError("its header has no end, the line '#CHROM, POS ... INFO'")


def _count_columns(line: bytes, number: int) -> int:
    """Columns of the header's last line, in which a lost line end would hide the first record."""
    more = line.removeprefix(_FIRST_COLUMNS).split(b"\t")
    if more[0] or more[1:2] not in ([], [b"FORMAT"]):
        found = b"\t".join(more)[:20]
        raise ValueError(f"line {number} goes on behind INFO with {found!r}, not with FORMAT and the samples")
    samples = more[2:]
    if len(set(samples)) < len(samples):
        raise ValueError(f"line {number} names a sample twice, or a line end is missing")
    return line.count(b"\t") + 1


def _vcf_record(line: bytes, number: int, columns: int) -> _Record:
    found = line.count(b"\t") + 1
    without_samples = found == _FIRST_COLUMNS.count(b"\t") + 1
    # Records without INFO occur in real files; one without an end of its line as well is cut.
    without_info = found == _FIRST_COLUMNS.count(b"\t") and line.endswith(b"\n")
    if found < columns and not without_samples and not without_info:
        raise ValueError(f"line {number} has {found} columns instead of {columns}")
    # Where a line end is lost, the next record stands in columns that nobody reads.
    if found > columns and line.split(b"\t", columns)[columns].strip():
        raise ValueError(f"line {number} has {found} columns instead of {columns}; is a line end missing?")
    fields = line.split(b"\t", 5)[:5]
    chrom, pos, name, ref, alts = (field.decode(errors="surrogateescape") for field in fields)
    if not chrom:
        raise ValueError(f"line {number} has no CHROM")
    if not (pos.isascii() and pos.isdigit() and int(pos) <= _LARGEST_POS):
        raise ValueError(f"POS of line {number} is {pos!r}, not a number from 0 to {_LARGEST_POS}")
    return chrom, int(pos), name, ref, alts.split(",")


def _check_complete(path: Path) -> None:
    """Find what htslib passes over: a missing file's reason, and a bgzip file cut at a block's end."""
    try:
        with path.open("rb") as file:
            head = file.read(18)
            bgzipped = head[:4] == _BGZF_END[:4] and head[12:14] == b"BC"
            if bgzipped and path.is_file():
                file.seek(max(path.stat().st_size - len(_BGZF_END), 0))
                if file.read() != _BGZF_END:
                    raise VariantFileError(
                        f"{path} is truncated: bgzip's end-of-file mark is missing; copy or download it again"
                    )
    except OSError as error:
        raise VariantFileError(f"cannot read the variant file {path}: {error.strerror or error}") from error
    if not head:
        raise VariantFileError(f"{path} is empty; expected a VCF or BCF file")
