"""Variants, and reading them from VCF and BCF files."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import io
import itertools
import logging
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from mifm_kipoi.conventions import LARGEST_POS
from mifm_kipoi.errors import MIFMError, VariantFileError
from mifm_kipoi.genomics import bcf
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.support.bgzf import BGZF_END

MISSING = "."

_FIRST_COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"

STANDARD_INPUT = "-"

_BEGINNING = 1 << 16
"""Bytes by which a file's format is recognised: at least one block of a bgzip file."""

_LONGEST_SHOWN = 200
"""Letters of a line in a message."""

_log = logging.getLogger(__name__)

_BGZF_HEAD = 18


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
        Identifier; ``.`` where the record has none.
    ref, alt : str
        Alleles in upper case; ``alt`` is ``.`` where the record has none, and can be a symbol such
        as ``<DEL>``, ``*`` or a breakend.
    """

    chrom: str
    pos: int
    id: str
    ref: str
    alt: str

    @property
    def start(self) -> int:
        """0-based first base of ``ref``."""
        return self.pos - 1

    @property
    def end(self) -> int:
        """0-based base behind ``ref``: ``[start, end)`` is what the variant replaces."""
        return self.pos - 1 + len(self.ref)

    @property
    def is_snv(self) -> bool:
        """Whether ``ref`` and ``alt`` are one base each, of A, C, G and T."""
        return self.ref in _BASES and self.alt in _BASES

    @property
    def key(self) -> str:
        """``chrom:pos:ref:alt``, the same for all records of one allele; the identifier has no part in it."""
        return f"{self.chrom}:{self.pos}:{self.ref}:{self.alt}"

    def __str__(self) -> str:
        """:attr:`key`, for messages."""
        return self.key


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One record of a variant file.

    Parameters
    ----------
    variants : tuple of Variant
        One per alternative allele, in their order; one with ``alt`` ``.`` where there is none.
    line : bytes
        The record as in a VCF file, without the line's end; empty unless it was asked for.
    """

    variants: tuple[Variant, ...]
    line: bytes

    @property
    def allele_bases(self) -> int:
        """Letters of all alleles."""
        return len(self.variants[0].ref) + sum(len(variant.alt) for variant in self.variants)


_BASES = ("A", "C", "G", "T")

_SEQUENCE = re.compile(r"[A-Z]+", re.IGNORECASE)


def _upper(allele: str) -> str:
    """Upper case for bases; symbols such as ``<DEL:ME>`` and breakends stay as they are."""
    return allele.upper() if allele not in _BASES and _SEQUENCE.fullmatch(allele) else allele


def read_variants(path: str | os.PathLike[str], regions: Regions | None = None) -> Iterator[Variant]:
    """Stream a VCF (plain, gzip or bgzip) or BCF file, one variant per alternative allele.

    Parameters
    ----------
    path : path-like
        The file; it is read once from start to end, so it needs no index and no order.
    regions : Regions, optional
        Keep only variants whose reference allele overlaps one of these; a warning is logged where none does.

    Yields
    ------
    Variant
        In the order of the file; a record without alternative allele gives one with ``alt`` ``.``.

    Raises
    ------
    VariantFileError
        When the file is missing, not VCF or BCF, truncated, or holds a record that cannot be read;
        the message names the last record that could.
    """
    read, kept = False, False
    with VariantFile(path) as file:
        for record in file:
            read = True
            if regions is None or in_regions(record, regions):
                kept = True
                yield from record.variants
    if regions is not None and read and not kept:
        regions.warn_no_match(path)


def in_regions(record: Record, regions: Regions) -> bool:
    """Whether the reference allele of a record overlaps any region."""
    variant = record.variants[0]
    return regions.overlap(variant.chrom, variant.start, variant.end)


class VariantFile:
    """The records of a VCF (plain, gzip or bgzip) or BCF file, read once from start to end.

    Parameters
    ----------
    path : path-like
        The file; ``-`` is standard input.
    lines : bool
        Keep the text of the records.

    Raises
    ------
    VariantFileError
        When the file is missing, not VCF or BCF, or truncated; while reading, also when it holds a
        record that cannot be read: the message names the last record that could.
    """

    def __init__(self, path: str | os.PathLike[str], lines: bool = False) -> None:
        self.path = Path(path)
        self._keep_lines = lines
        self._last = "before the first record"
        self.text_bytes = 0
        """Bytes of the lines of records that were read, as VCF."""
        self._open = contextlib.ExitStack()
        try:
            with self._explained():
                self._source = self._open.enter_context(_open_bytes(self.path))
                self._position: Callable[[], int] = self._source.tell
                self.header, self._lines, self._parse = self._open_records()
        except MIFMError:
            self.close()
            raise

    @property
    def sha256(self) -> str | None:
        """Checksum of the bytes read so far of what can be read only once; None for a file."""
        return self._source.raw.digest.hexdigest() if isinstance(self._source.raw, _Stream) else None

    def __enter__(self) -> VariantFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        self._open.close()

    @property
    def fraction_read(self) -> float:
        """Fraction of the file's bytes read so far; 0 where that is not known."""
        try:
            return self._position() / max(self.path.stat().st_size, 1)
        except OSError:
            return 0.0

    def __iter__(self) -> Iterator[Record]:
        with self._explained():
            for numbered in self._lines:
                self.text_bytes += len(numbered[1])
                chrom, pos, name, bases, alts, line = self._parse(numbered)
                ref = _upper(bases) or MISSING
                yield Record(
                    tuple(
                        Variant(chrom, pos, name or MISSING, ref, _upper(alt) or MISSING)
                        for alt in alts or (MISSING,)
                    ),
                    line,
                )
                self._last = f"after {chrom}:{pos}"

    def skip(self, records: int | None = None) -> int:
        """Pass over the next records, whose columns are not looked at.

        Parameters
        ----------
        records : int, optional
            How many; by default all that are left, so that a new file's are counted.

        Returns
        -------
        int
            How many were passed: fewer where the file ends before.

        Raises
        ------
        VariantFileError
            When the file is cut, or its compression or the lengths in BCF are damaged. Damage within a
            line of VCF is left to those who read it.
        """
        count, last = 0, b""
        with self._explained():
            try:
                for _, line in itertools.islice(self._lines, records):
                    last = line
                    count += 1
            finally:
                if count:
                    locus = b":".join(last.split(b"\t", 2)[:2]).strip()
                    self._last = f"after {locus.decode(errors='replace')}"
        return count

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except MIFMError:
            raise
        # Damaged bytes are ValueError here, and gzip and zlib have errors of their own.
        except Exception as error:
            raise VariantFileError(
                f"cannot read {self.path} {self._last}: {error}; expected a complete VCF or BCF file, "
                "which 'bcftools view' would read without an error"
            ) from error

    def _open_records(self) -> tuple[list[bytes], Iterator[_Line], _Parse]:
        """The header's lines, the last that of the columns; the lines of the records; how they are read."""
        head = _beginning(self._source)
        gzipped = head[:2] == BGZF_END[:2]
        if (zlib.decompressobj(wbits=31).decompress(head, 3) if gzipped else head[:3]) == bcf.MAGIC:
            return self._bcf_records(gzipped)
        content = self._open.enter_context(gzip.GzipFile(fileobj=self._source)) if gzipped else self._source
        return _vcf_records(content, self._keep_lines)

    def _bcf_records(self, compressed: bool) -> tuple[list[bytes], Iterator[_Line], _Parse]:
        """BCF, read by htslib; it may make one record of two, so the lengths of records are checked."""
        path = self.path
        # Of a file that it cannot read, bcftools keeps the last lines before the damage to itself.
        self._last = "near its start"
        if isinstance(self._source.raw, _Stream):
            path = self._copied(self._source.raw)
        file = self._open.enter_context(path.open("rb", buffering=0))
        if path == self.path:
            # The child that reads it moves the position of this very file.
            self._position = file.tell
        lines = self._open.enter_context(bcf.as_vcf(file, samples=self._keep_lines))
        header, records, parse = _vcf_records(lines, self._keep_lines)
        content = self._open.enter_context(gzip.GzipFile(path) if compressed else path.open("rb"))
        if self._keep_lines and (lost := bcf.lost_lines(content, header)):
            _log.warning(
                "htslib cannot parse, and leaves out, %d lines of the header of %s, such as %s",
                len(lost), self.path, lost[0].decode(errors="replace")[:_LONGEST_SHOWN],
            )  # fmt: skip
        content.seek(0)
        return header, _same_records(records, parse, bcf.record_sites(content)), parse

    def _copied(self, source: _Stream) -> Path:
        """A temporary copy of what can be read only once, and which both readers of BCF need."""
        try:
            copy = self._open.enter_context(
                tempfile.NamedTemporaryFile(suffix=".bcf")  # noqa: SIM115 - the stack is one
            )
            while content := source.read(_BEGINNING):
                copy.write(content)
            copy.flush()
        except OSError as error:
            raise VariantFileError(
                f"cannot copy {self.path} into the temporary folder {tempfile.gettempdir()}, as BCF from a "
                f"pipe needs: {error.strerror or error}; name another in TMPDIR, or save the file first"
            ) from error
        return Path(copy.name)


_Fields = tuple[str, int, str, str, Sequence[str], bytes]
"""CHROM, POS, ID, REF and the alternative alleles, as in the file, and the record's line."""


_Line = tuple[int, bytes]
"""A line of VCF that holds a record, with its end, and its number in the file, from 1."""

_Parse = Callable[[_Line], _Fields]


def _same_records(
    lines: Iterator[_Line], parse: _Parse, sites: Iterator[tuple[int, int, int]]
) -> Iterator[_Line]:
    """The records that htslib makes of BCF, which must be those that the file's bytes hold."""
    for number, (pos, alleles, info) in enumerate(sites, start=1):
        line = next(lines, None)
        record = parse(line) if line else None
        if line is None or record is None or record[1] != pos:
            raise ValueError(f"record {number} is damaged: at position {pos}, htslib does not read it")
        # In text, a comma within an allele would make two of it, and a semicolon two entries of one.
        if len(record[4]) != max(alleles - 1, 1) or "," in record[3]:
            raise ValueError(f"record {number} is damaged: an allele at position {pos} has a comma")
        entries = record[5].split(b"\t", 8)[7] if record[5] else b""
        if entries and entries.count(b";") + (entries != MISSING.encode()) != info:
            raise ValueError(f"record {number} is damaged: a value in INFO at position {pos} has a semicolon")
        yield line
    yield from lines


class _Stream(io.RawIOBase):
    """What can be read only once, such as standard input; notices a bgzip stream that is cut."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source = source
        self._head = b""
        self._tail = b""
        self._pending = b""
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def beginning(self) -> bytes:
        """The first bytes, which are still to be read."""
        while len(self._pending) < _BEGINNING and (more := self._source.read(_BEGINNING)):
            self._pending += more
        return self._pending

    def readinto(self, buffer: Any) -> int:
        if not self._pending:
            self._pending = self._source.read(len(buffer))
        content, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        buffer[: len(content)] = content
        self.digest.update(content)
        if len(self._head) < _BGZF_HEAD:
            self._head += content[:_BGZF_HEAD]
        self._tail = (self._tail + content)[-len(BGZF_END) :]
        if not content and _is_bgzip(self._head) and self._tail != BGZF_END:
            raise ValueError("it is truncated: bgzip's end-of-file mark is missing")
        return len(content)


def _beginning(source: io.BufferedReader) -> bytes:
    """The first bytes of a file or stream, which are still to be read."""
    if isinstance(source.raw, _Stream):
        return source.raw.beginning()
    head = source.read(_BEGINNING)
    source.seek(0)
    return head


@contextlib.contextmanager
def _open_bytes(path: Path) -> Iterator[io.BufferedReader]:
    """A file, or a pipe or standard input, which can be read only once."""
    if str(path) == STANDARD_INPUT:
        yield io.BufferedReader(_Stream(sys.stdin.buffer))  # type: ignore[type-var,unused-ignore]
    elif path.exists() and not path.is_file() and not path.is_dir():
        with path.open("rb") as file:
            yield io.BufferedReader(_Stream(file))
    else:
        _check_complete(path)
        with path.open("rb") as file:
            yield file


def _vcf_records(lines: Iterable[bytes], keep: bool) -> tuple[list[bytes], Iterator[_Line], _Parse]:
    """Read the header of VCF: its lines, those of the records that follow, and how these are read."""
    header: list[bytes] = []
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        text = line.rstrip(b"\r\n")
        if number == 1 and not text.startswith(b"##fileformat=VCF"):
            raise ValueError(_other_beginning(text))
        if text:
            header.append(text)
        if text.startswith(_FIRST_COLUMNS):
            columns = _count_columns(text, number)
            filled = (line for line in numbered if line[1].strip(b"\r\n"))
            return header, filled, functools.partial(_vcf_record, columns=columns, keep=keep)
        if text and not text.startswith(b"##"):
            if (separated := _separated(text, _FIRST_COLUMNS.count(b"\t") + 1)) or text.startswith(b'"'):
                raise ValueError(f"line {number} {separated or 'is in quotes'}, {_SPREADSHEET}")
            raise ValueError(
                f"line {number} is not a header line, and '#CHROM, POS ... INFO' has not come yet"
            )
    raise ValueError("its header has no end, the line '#CHROM, POS ... INFO'")


_SPREADSHEET = (
    "as spreadsheets save text; the columns of VCF are separated by tabs, without quotes: save the file so, "
    "or use the one from before"
)

_BEGINNINGS = {
    b"\xef\xbb\xbf": "with a byte order mark, as spreadsheets write it; save it as UTF-8 without one",
    b"\xff\xfe": "as text in UTF-16, as spreadsheets write it; save it as UTF-8",
    b"\xfe\xff": "as text in UTF-16, as spreadsheets write it; save it as UTF-8",
    b'"##fileformat': f"with a quote, {_SPREADSHEET}",
    b">": "with '>', as a FASTA file does; the variants come first, then the FASTA",
}


def _other_beginning(text: bytes) -> str:
    """What a file begins with that is not VCF."""
    for beginning, what in _BEGINNINGS.items():
        if text.startswith(beginning):
            return f"it begins {what}"
    return f"it begins with {text[:20].decode(errors='replace')!r}, not with '##fileformat=VCF'"


def _separated(text: bytes, columns: int) -> str:
    """Which separator a line has in place of tabs, where it gives at least so many columns."""
    for separator, what in ((b";", "semicolons"), (b",", "commas"), (None, "blanks")):
        if text.count(b"\t") < columns - 1 and len(text.split(separator)) >= columns:
            return f"has columns that are separated by {what}"
    return ""


def _count_columns(line: bytes, number: int) -> int:
    """Columns of the header's last line, in which a lost line end would hide the first record."""
    more = line.removeprefix(_FIRST_COLUMNS).split(b"\t")
    if more[0] or more[1:2] not in ([], [b"FORMAT"]):
        text = b"\t".join(more)[:20].decode(errors="replace")
        raise ValueError(f"line {number} continues after INFO with {text!r}, not with FORMAT and the samples")
    samples = more[2:]
    if len(set(samples)) < len(samples):
        raise ValueError(f"line {number} names a sample twice, or a line end is missing")
    return line.count(b"\t") + 1


def _vcf_record(numbered: _Line, columns: int, keep: bool) -> _Fields:
    """The first five columns of a line, and no more than that the others are there."""
    number, line = numbered
    count = line.count(b"\t") + 1
    without_samples = count == _FIRST_COLUMNS.count(b"\t") + 1
    # Records without INFO occur in real files; one without an end of its line as well is cut.
    without_info = count == _FIRST_COLUMNS.count(b"\t") and line.endswith(b"\n")
    if count < columns and not without_samples and not without_info:
        if count < _FIRST_COLUMNS.count(b"\t") and (separated := _separated(line, columns)):
            raise ValueError(f"line {number} {separated}, {_SPREADSHEET}")
        raise ValueError(f"line {number} has {count} columns instead of {columns}")
    # Where a line end is lost, the next record stands in columns that nobody reads.
    if count > columns and line.split(b"\t", columns)[columns].strip():
        raise ValueError(f"line {number} has {count} columns instead of {columns}; is a line end missing?")
    fields = b"\t".join(line.split(b"\t", 5)[:5])
    chrom, pos, name, ref, alts = fields.decode(errors="surrogateescape").split("\t")
    if not chrom:
        raise ValueError(f"line {number} has no CHROM")
    if not (pos.isascii() and pos.isdigit() and int(pos) <= LARGEST_POS):
        raise ValueError(f"POS of line {number} is {pos!r}, not a number from 0 to {LARGEST_POS}")
    return chrom, int(pos), name, ref, alts.split(","), line.rstrip(b"\r\n") if keep else b""


def _is_bgzip(head: bytes) -> bool:
    return head[:4] == BGZF_END[:4] and head[12:14] == b"BC"


def _check_complete(path: Path) -> None:
    """Find what htslib passes over: a missing file's reason, and a bgzip file cut at a block's end."""
    try:
        with path.open("rb") as file:
            head = file.read(_BGZF_HEAD)
            if _is_bgzip(head):
                file.seek(max(path.stat().st_size - len(BGZF_END), 0))
                if file.read() != BGZF_END:
                    raise VariantFileError(
                        f"{path} is truncated: bgzip's end-of-file mark is missing; copy or download it again"
                    )
    except OSError as error:
        raise VariantFileError(f"cannot read the variant file {path}: {error.strerror or error}") from error
    if not head:
        raise VariantFileError(f"{path} is empty; expected a VCF or BCF file")
