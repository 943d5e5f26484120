"""Genotypes of VCF and BCF files, as dosages (DS, HDS) or called genotypes (GT).

BCF is read as the VCF that bcftools makes of it, so one parser serves both. Fields of all samples of a record
are found and turned into numbers together: a record is a few operations on arrays of its bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.genotypes.source import NO_FAMILY, Dosages, GenotypeError, Read, Rows
from mifm_kipoi.genomics.contigs import build_of_lengths, contig_keys
from mifm_kipoi.genomics.variants import Record, VariantFile
from mifm_kipoi.genomics.vcf_text import contig_lengths
from mifm_kipoi.support.files import require_file

_FIXED = 9
"""Columns before those of samples."""

_CHUNK_BYTES = 32 << 20
"""Text of the records that are held together, 32 MiB, or one record."""

_CHUNK_RECORDS = 1 << 13

_COLON, _COMMA, _TAB, _ZERO, _DOT = b":,\t0."
_SEPARATORS = np.zeros(256, dtype=bool)
_SEPARATORS[list(b"/|")] = True

_LONGEST_NUMBER = 32
"""Characters of a dosage."""

_HIGHEST = 2.0001
"""Two, and what rounding may add."""

_Bytes = npt.NDArray[np.uint8]
_Places = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]


class VcfFile:
    """A VCF or BCF file as a source of genotypes; see :class:`mifm_kipoi.genetics.genotypes.Genotypes`.

    The dosage of a record is DS where it has that field, else the sum of HDS, else the alleles of GT. A
    sample without a dosage has that of its GT. Genotypes with a missing allele (``./1``) are missing. A
    haploid genotype counts twice.

    Parameters
    ----------
    path : str
        VCF (plain, gzip or bgzip) or BCF.

    Raises
    ------
    GenotypeError
        When it has no samples; an InputError when it is a pipe.
    VariantFileError
        When it cannot be read.
    """

    hard_calls = False
    variant_count = None

    def __init__(self, path: str) -> None:
        require_file(path)
        self.path = path
        self.files = (Path(path),)
        with VariantFile(path, lines=True) as file:
            names = [name.decode() for name in file.header[-1].split(b"\t")[_FIXED:]]
            self.build = build_of_lengths(contig_lengths(line.decode("latin-1") for line in file.header))
        if not names:
            raise GenotypeError(f"{path} has no samples; expected a VCF or BCF file with genotypes")
        self.samples = pd.DataFrame(
            {
                "family": pd.Series(NO_FAMILY, range(len(names)), dtype="str"),
                "sample": pd.Series(names, dtype="str"),
                "sex": pd.Series("0", range(len(names)), dtype="str"),
                "founder": True,
            }
        )

    def variants(self) -> Iterator[pd.DataFrame]:
        """One row for each ALT, which is counted; the genotypes are not looked at."""
        with VariantFile(self.path) as file:
            for records in _batches(file):
                yield _variants(records)

    @contextlib.contextmanager
    def reading(self, samples: Rows) -> Iterator[Iterator[tuple[pd.DataFrame, Read]]]:
        """Open the file for one pass."""
        with VariantFile(self.path, lines=True) as file:

            def chunks() -> Iterator[tuple[pd.DataFrame, Read]]:
                for records in _batches(file):
                    alleles = [len(record.variants) for record in records]
                    record_of = np.repeat(np.arange(len(records)), alleles)
                    allele_of = np.concatenate([np.arange(1, number + 1) for number in alleles])

                    def read(
                        places: Rows,
                        records: Sequence[Record] = records,
                        record_of: Rows = record_of,
                        allele_of: Rows = allele_of,
                    ) -> Dosages:
                        dosages = np.empty((len(places), len(samples)), dtype=np.float32)
                        last, fields = -1, None
                        for row, place in enumerate(places):
                            if record_of[place] != last:
                                last = record_of[place]
                                fields = _Fields.of(records[last])
                            assert fields is not None
                            try:
                                dosages[row] = fields.dosages(int(allele_of[place]))[samples]
                            except ValueError as error:
                                raise self._damaged(records[last], str(error)) from error
                        return dosages

                    yield _variants(records), read

            yield chunks()

    def _damaged(self, record: Record, reason: str) -> GenotypeError:
        variant = record.variants[0]
        return GenotypeError(
            f"{self.path} is damaged at {variant.chrom}:{variant.pos}: {reason}. Mend or remove the record"
        )


def is_vcf(path: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a VCF or BCF file."""
    return re.search(r"\.(vcf|bcf)(\.b?gz)?$", os.fspath(path)) is not None


def _batches(file: VariantFile) -> Iterator[list[Record]]:
    """Records, some at a time, by the size of their text."""
    records: list[Record] = []
    size = 0
    for record in file:
        records.append(record)
        size += len(record.line)
        if size >= _CHUNK_BYTES or len(records) >= _CHUNK_RECORDS:
            yield records
            records, size = [], 0
    if records:
        yield records


def _variants(records: Sequence[Record]) -> pd.DataFrame:
    variants = [variant for record in records for variant in record.variants]
    return pd.DataFrame(
        {
            "chrom": contig_keys(pd.Series([variant.chrom for variant in variants], dtype="str")),
            "pos": np.array([variant.pos for variant in variants], dtype=np.int64),
            "id": pd.Series([variant.id for variant in variants], dtype="str"),
            "counted": pd.Series([variant.alt for variant in variants], dtype="str"),
            "other": pd.Series([variant.ref for variant in variants], dtype="str"),
            "ref": pd.Series("other", range(len(variants)), dtype="str"),
        }
    )


@dataclasses.dataclass(frozen=True)
class _Fields:
    """The columns of the samples of one record: their bytes, and where each column begins and ends.

    Parameters
    ----------
    keys : list of bytes
        What FORMAT names.
    text : numpy.ndarray of uint8, shape (bytes,)
        All columns, with tabs between them and after them.
    starts, ends : numpy.ndarray of int64, shape (samples,)
        Of the columns in the text.
    colons : numpy.ndarray of int64, shape (n,)
        Where a colon stands.
    alternatives : int
        Number of ALT alleles of the record.
    """

    keys: list[bytes]
    text: _Bytes
    starts: _Places
    ends: _Places
    colons: _Places
    alternatives: int

    @classmethod
    def of(cls, record: Record) -> _Fields:
        """Those of a record, which has a column for each sample."""
        *_, keys, columns = record.line.split(b"\t", _FIXED)
        # Three more bytes: what follows the beginning of a field can be looked at, wherever it begins.
        text, length = np.frombuffer(columns + b"\t\t\t", dtype=np.uint8), len(columns)
        names, alternatives = keys.split(b":"), len(record.variants)
        samples, left = divmod(length + 1, 4)
        quads = text[: 4 * samples].reshape(-1, 4)
        if names == [b"GT"] and not left and ((quads == _TAB) == [False, False, False, True]).all():
            # All columns have three characters, as in files of called diploid genotypes.
            starts = np.arange(samples, dtype=np.int64) * 4
            return cls(names, text, starts, starts + 3, np.empty(0, dtype=np.int64), alternatives)
        tabs = np.flatnonzero(text[:length] == _TAB)
        starts, ends = np.concatenate([[0], tabs + 1]), np.concatenate([tabs, [length]])
        return cls(names, text, starts, ends, np.flatnonzero(text == _COLON), alternatives)

    def dosages(self, allele: int) -> Dosages:
        """Copies of an ALT allele, by its number from 1, float32, shape (samples,); NaN where missing.

        Raises
        ------
        ValueError
            When something is neither a genotype nor a dosage; the message says what.
        """
        colons = np.searchsorted(self.colons, self.ends) - np.searchsorted(self.colons, self.starts)
        if (colons >= len(self.keys)).any():
            sample = int((colons >= len(self.keys)).argmax())
            text = self.text[self.starts[sample] : self.ends[sample]].tobytes().decode(errors="replace")
            raise ValueError(f"a sample has {text[:50]!r}; expected {b':'.join(self.keys).decode()}")
        known, haploid = np.full(len(self.starts), np.nan, dtype=np.float32), None
        if b"GT" in self.keys:
            known, haploid = self._called(allele)
        if b"DS" in self.keys:
            dosages = self._numbers(b"DS", allele - 1)
            if haploid is not None:
                dosages[haploid] *= 2
        elif b"HDS" in self.keys and self.alternatives == 1:
            first, second = self._numbers(b"HDS", 0), self._numbers(b"HDS", 1)
            dosages = first + np.where(np.isnan(second), first, second)
        elif b"GT" in self.keys:
            return known
        else:
            raise ValueError(f"FORMAT is {b':'.join(self.keys).decode()!r}; expected GT, DS or HDS")
        bad = (dosages < 0) | (dosages > _HIGHEST)
        if bad.any():
            raise ValueError(f"a dosage is {dosages[bad][0]:g}; expected 0 to 2 copies of an allele")
        return np.where(np.isnan(dosages), known, np.minimum(dosages, np.float32(2)))

    def _called(self, allele: int) -> tuple[Dosages, _Flags]:
        """Copies of an allele by GT, and who has one haplotype."""
        starts, ends = self._field(b"GT")
        length = ends - starts
        first = self.text[starts]
        haploid = length == 1
        diploid = (length == 3) & _SEPARATORS[self.text[starts + 1]]
        second = np.where(diploid, self.text[starts + 2], first)
        plain = (haploid | diploid) & _is_allele(first) & _is_allele(second)
        # What two characters are worth: those of a haploid genotype are the same one twice.
        copies = (first == _ZERO + allele).astype(np.float32) + (second == _ZERO + allele)
        copies[(first == _DOT) | (second == _DOT)] = np.nan
        copies[length < 0] = np.nan
        for sample in np.flatnonzero(~plain & (length >= 0)):
            text = self.text[starts[sample] : ends[sample]].tobytes()
            copies[sample], haploid[sample] = _copies(text, allele, self.alternatives)
        highest = _ZERO + self.alternatives
        if (plain & ((first > highest) | (second > highest))).any():
            raise _beyond(self.alternatives)
        return copies, haploid

    def _numbers(self, key: bytes, number: int) -> Dosages:
        """One of the numbers, with commas between, of a field of each sample; NaN where there is none."""
        starts, ends = self._field(key)
        if number or self.alternatives > 1 or key == b"HDS":
            starts, ends = _piece(np.flatnonzero(self.text == _COMMA), starts, ends, number)
        lengths = ends - starts
        missing = (lengths <= 0) | ((lengths == 1) & (self.text[starts] == _DOT))
        width = int(max(lengths[~missing].max(initial=1), 3))
        if width > _LONGEST_NUMBER:
            raise ValueError(f"{key.decode()} has {width} characters; expected a number")
        offsets = np.arange(width)
        places = np.minimum(starts[:, None] + offsets, self.text.size - 1)
        letters = np.where(offsets < lengths[:, None], self.text[places], 0).astype(np.uint8)
        letters[missing] = np.frombuffer(b"nan".ljust(width, b"\0"), dtype=np.uint8)
        words = np.ascontiguousarray(letters).view(f"S{width}")[:, 0]
        try:
            return words.astype(np.float32)
        except ValueError:
            raise ValueError(f"{key.decode()} has something that is not a number") from None

    def _field(self, key: bytes) -> tuple[_Places, _Places]:
        """Where a field of each sample begins and ends; it ends before it begins where it is left out."""
        return _piece(self.colons, self.starts, self.ends, self.keys.index(key))


def _piece(marks: _Places, starts: _Places, ends: _Places, number: int) -> tuple[_Places, _Places]:
    """Where the parts of some texts with a number, from 0, begin and end, between marks."""
    after = np.append(marks, np.full(number + 1, np.iinfo(np.int64).max - 1))
    first = np.searchsorted(marks, starts)
    begins = after[first + number - 1] + 1 if number else starts
    absent = begins > ends
    return np.where(absent, starts, begins), np.where(
        absent, starts - 1, np.minimum(after[first + number], ends)
    )


def _is_allele(characters: _Bytes) -> _Flags:
    """Which characters are digits or points."""
    digits = (characters >= _ZERO) & (characters < _ZERO + 10)
    return np.asarray(digits | (characters == _DOT))


def _copies(genotype: bytes, allele: int, alternatives: int) -> tuple[float, bool]:
    """Copies of an allele in a genotype of any form, and whether it is haploid."""
    alleles = re.split(rb"[/|]", genotype.lstrip(b"/|"))
    if not all(one == b"." or one.isdigit() for one in alleles) or len(alleles) > 2:
        raise ValueError(
            f"a genotype is {genotype.decode(errors='replace')!r}; expected one or two alleles, such as 0/1"
        )
    if any(one != b"." and int(one) > alternatives for one in alleles):
        raise _beyond(alternatives)
    if b"." in alleles:
        return float("nan"), len(alleles) == 1
    copies = sum(int(one) == allele for one in alleles)
    return 2.0 * copies / len(alleles), len(alleles) == 1


def _beyond(alternatives: int) -> ValueError:
    return ValueError(f"a genotype names an allele beyond the {alternatives} of ALT")
