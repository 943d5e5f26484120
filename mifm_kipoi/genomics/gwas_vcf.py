"""GWAS-VCF (Lyon et al. 2021, Genome Biol 22: 32): summary statistics in VCF or BCF, read like any table.

A study is a sample; its statistics are in the columns that FORMAT names: ES (the effect of ALT), SE (its
standard error), LP (-log10 of p), AF (frequency of ALT), SS (sample size), EZ (z-score), SI (imputation).
:func:`gwas_table` gives such a file as a table with these columns, one row for each alternative allele, and
any other table as it is. The p-values of the other studies are columns such as ``LP.NAME``.
"""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.genomics.text_files import is_gzip
from mifm_kipoi.genomics.variants import VariantFile
from mifm_kipoi.support.files import require_file

if TYPE_CHECKING:
    import pyarrow as pa

STATISTICS = ("ES", "SE", "LP", "AF", "SS", "EZ", "SI")
"""Fields of FORMAT that are columns of the table."""

_SITE = ("#CHROM", "POS", "ID", "REF", "ALT")
_VCF, _BCF = b"##fileformat=VCF", b"BCF"
_RECORD_BYTES = 128
"""Bytes that a record of BCF counts."""


def gwas_table(path: str | os.PathLike[str], study: str = "") -> TableFile:
    """A table of a GWAS: text, Parquet, or GWAS-VCF (VCF or BCF).

    Parameters
    ----------
    path : path-like
        The file.
    study : str
        Which sample of a GWAS-VCF is the study; it may stay empty where there is one. Other tables do not
        need it here.

    Raises
    ------
    InputError
        When the file cannot be read; when it is a VCF or BCF without FORMAT fields of statistics, or of
        several studies of which none is named.
    VariantFileError
        When a BCF file cannot be read.
    """
    path = Path(path)
    require_file(path)
    try:
        with gzip.open(path) if path.is_file() and is_gzip(path) else path.open("rb") as file:
            head = file.read(len(_VCF))
    except (OSError, EOFError):
        return TableFile.of(path)
    if head.startswith(_BCF):
        with VariantFile(path, lines=True) as variants:
            header = [line.decode(errors="replace") for line in variants.header]
        return _GwasVcf.of_header(path, header, None, study)
    if head == _VCF:
        text = TableFile.of(path)
        return _GwasVcf.of_header(path, [*text.comments, "\t".join(text.columns)], text, study)
    return TableFile.of(path)


@dataclasses.dataclass(frozen=True)
class _GwasVcf(TableFile):
    """One study of a GWAS-VCF file, as a table."""

    text: TableFile | None = None
    """The file as it stands, unless it is BCF."""

    numbers: tuple[int, ...] = ()
    """Which of the columns of a record the study is, from 0, and the others after it."""

    samples: str = ""
    """The sample size of all records without their own, as the header states it."""

    @classmethod
    def of_header(cls, path: Path, header: Sequence[str], text: TableFile | None, study: str) -> _GwasVcf:
        names = header[-1].split("\t")
        studies = names[9:]
        defined = [field for field in STATISTICS if any(f"##FORMAT=<ID={field}," in line for line in header)]
        if "FORMAT" not in names or not studies or not {"LP", "ES", "EZ"} & set(defined):
            raise InputError(
                f"{path} is a VCF without statistics of a GWAS; expected GWAS-VCF, with the fields ES, SE "
                "and LP in FORMAT and a sample for each study, or a table"
            )
        if (study and study not in studies) or (not study and len(studies) > 1):
            asked = f"{study!r} is not one of them" if study else "none is named"
            raise InputError(
                f"{path} has the studies {', '.join(studies)}, and {asked}; name one with phenotype "
                "(--phenotype)"
            )
        chosen = study or studies[0]
        others = [name for name in studies if name != chosen] if "LP" in defined else []
        return cls(
            path,
            (*_SITE, *defined, *(f"LP.{name}" for name in others)),
            "\t",
            tuple(header[:-1]),
            0 if text is None else text.lines_before,
            text=text,
            numbers=tuple(names.index(name, 9) for name in (chosen, *others)),
            samples=_samples(header, chosen),
        )

    def _text(self, columns: list[str] | None, block_bytes: int) -> Iterator[tuple[Batch, float]]:
        columns = columns or list(self.columns)
        others = [name for name in self.columns if name.startswith("LP.")]
        used = [number for number, name in enumerate(others, 1) if name in columns]
        numbers = [self.numbers[number] for number in (0, *used)]
        for fields, lines, fraction in self._records(numbers, block_bytes):
            rows, repeated = _rows(fields, columns, [others[number - 1] for number in used], self.samples)
            yield Batch(self, rows, lines[repeated]), fraction

    def _records(
        self, studies: Sequence[int], block_bytes: int
    ) -> Iterator[tuple[list[pa.Array], npt.NDArray[np.int64], float]]:
        """CHROM, POS, ID, REF, ALT, FORMAT and the studies' columns; the lines; the fraction of the file."""
        import pyarrow as pa

        if self.text is not None:
            wanted = [*_SITE, "FORMAT", *(self.text.columns[number] for number in studies)]
            for batch, fraction in self.text._text(wanted, block_bytes):
                assert batch.lines is not None
                yield batch.rows.columns, batch.lines, fraction
            return
        numbers = (0, 1, 2, 3, 4, 8, *studies)
        with VariantFile(self.path, lines=True) as file:
            first = 1
            while records := list(itertools.islice(file, max(block_bytes // _RECORD_BYTES, 1))):
                fields = [record.line.decode(errors="replace").split("\t") for record in records]
                columns = [pa.array([row[number] for row in fields], pa.string()) for number in numbers]
                yield columns, np.arange(first, first + len(records)), file.fraction_read
                first += len(records)


def _samples(header: Sequence[str], study: str) -> str:
    """The sample size of a study in its definition, or nothing."""
    for line in header:
        if line.startswith(f"##SAMPLE=<ID={study},"):
            counts = re.findall(r"[,<](?:TotalControls|TotalCases)=\"?([0-9.]+)", line)
            total = sum(map(float, counts))
            return f"{total:g}" if total else ""
    return ""


def _rows(
    fields: Sequence[pa.Array], columns: Sequence[str], others: Sequence[str], samples: str
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    """The rows of records, one for each alternative allele, and the record of each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    site, keys, values = fields[: len(_SITE)], fields[len(_SITE)], fields[len(_SITE) + 1]
    table = dict(zip(_SITE, site, strict=True))
    for name, other in zip(others, fields[len(_SITE) + 2 :], strict=True):
        table[name] = _values("LP", keys, other)
    for name in STATISTICS:
        if name in columns:
            table[name] = _values(name, keys, values)
    if samples and "SS" in table:
        missing = pc.is_in(table["SS"], value_set=pa.array(["", "."]))
        table["SS"] = pc.if_else(missing, pa.scalar(samples), table["SS"])
    alts = pc.split_pattern(table["ALT"], ",")
    counts = pc.list_value_length(alts).to_numpy(zero_copy_only=False).astype(np.int64)
    records = np.repeat(np.arange(len(counts)), counts)
    if (counts > 1).any():
        # Which of a record's alleles a row has.
        number = np.arange(len(records)) - np.repeat(np.cumsum(counts) - counts, counts)
        several = counts[records] > 1
        table = {name: column.take(pa.array(records)) for name, column in table.items()}
        table["ALT"] = pc.list_flatten(alts)
        for name in set(table) & {*STATISTICS, *others}:
            texts = table[name].to_pylist()
            for row in np.flatnonzero(several):
                texts[row] = _of_allele(name, texts[row], int(number[row]), int(counts[records[row]]))
            table[name] = pa.array(texts, pa.string())
    return pa.RecordBatch.from_pydict({name: table[name] for name in columns}), records


def _of_allele(name: str, text: str, number: int, count: int) -> str:
    """The value of one of several alternative alleles; a sample size may be that of all."""
    values = text.split(",")
    if len(values) == count:
        return values[number]
    return text if name == "SS" and len(values) == 1 else ""


def _values(name: str, keys: pa.StringArray, values: pa.StringArray) -> pa.StringArray:
    """A field of FORMAT in each record, empty where the record does not have it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(keys)
    codes = coded.indices.to_numpy()
    found, rows = [], []
    for code, text in enumerate(coded.dictionary.to_pylist()):
        members = np.flatnonzero(codes == code)
        rows.append(members)
        parts = pc.split_pattern(values.take(pa.array(members)), ":")
        names = text.split(":")
        number = names.index(name) if name in names else -1
        # Fields at the end may be left out.
        lengths = pc.list_value_length(parts).to_numpy(zero_copy_only=False)
        has = (number >= 0) & (number < lengths)
        at = np.cumsum(lengths) - lengths + max(number, 0)
        found.append(pc.list_flatten(parts).take(pa.array(np.where(has, at, 0), mask=~has)))
    column = pa.concat_arrays(found) if found else pa.array([], pa.string())
    order = np.argsort(np.concatenate(rows)) if rows else np.empty(0, np.int64)
    return pc.fill_null(column.take(pa.array(order)), "")
