"""PLINK 2's files: ``.pgen``, ``.pvar`` (or ``.pvar.zst``) and ``.psam``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.genotypes.plink1 import people_of
from mifm_kipoi.genetics.genotypes.source import NO_ALLELE, Dosages, GenotypeError, Read, Rows
from mifm_kipoi.genomics.contigs import build_of_lengths, contig_keys
from mifm_kipoi.genomics.gwas_formats import PLINK_NUMBERS
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.genomics.vcf_text import contig_lengths
from mifm_kipoi.support.packages import needed

_MISSING = -9
"""What pgenlib writes where a genotype is missing."""

_PVAR = ("#CHROM", "ID", "CM", "POS", "ALT", "REF")
"""Columns of a ``.pvar`` file without a header, which are those of a ``.bim`` file."""

_PSAM = ("#FID", "IID", "PAT", "MAT", "SEX", "PHENO1")
"""Columns of a ``.psam`` file without a header, which are those of a ``.fam`` file."""

_MAGIC = b"\x6c\x1b"
_PROVISIONAL_AT = 11
"""The byte of a ``.pgen`` file whose two highest bits say which REF alleles are provisional."""

_STATED_ELSEWHERE, _KNOWN, _PROVISIONAL = range(3)
"""These two bits: INFO of the ``.pvar`` file says it, no REF allele is provisional, or all are. Else a bit of
each variant says it."""

_VARIABLE_WIDTH = 0x10
"""Storage mode, the third byte, from which records have lengths of their own."""

_GROUP = 1 << 16
"""Variants that have a part of such a header together."""


class Plink2File:
    """A PLINK 2 fileset as a source of genotypes; see :class:`mifm_kipoi.genetics.genotypes.Genotypes`.

    REF is known where the files do not call it provisional, as they do where a ``.bed`` file was converted.

    Parameters
    ----------
    prefix : str
        Path without ``.pgen``, ``.pvar`` and ``.psam``.

    Raises
    ------
    GenotypeError
        When the ``.pgen`` file cannot be read or does not belong to the other two.
    InputError
        When one of the other two cannot be read or has a malformed line.
    """

    hard_calls = False

    def __init__(self, prefix: str) -> None:
        self.path = f"{prefix}.pgen"
        packed = Path(f"{prefix}.pvar.zst")
        self._pvar = TableFile.of(
            packed if packed.exists() else f"{prefix}.pvar", names=_PVAR, first=("#CHROM",)
        )
        self.files = (Path(self.path), self._pvar.path, Path(f"{prefix}.psam"))
        self.samples = _people(f"{prefix}.psam")
        self.build = build_of_lengths(contig_lengths(self._pvar.comments))
        self._provisional = self._provisional_refs()
        alleles = [_alleles_of(chunk["ALT"]) for chunk in self._rows()]
        numbers = np.concatenate([np.empty(0, dtype=np.int64), *alleles])
        self.variant_count = int((numbers - 1).sum())
        self._records = len(numbers)
        self._offsets = None
        if (numbers > 2).any():
            self._offsets = np.concatenate([[0], np.cumsum(numbers)]).astype(np.uintp)
        self._opened(None).close()

    def variants(self) -> Iterator[pd.DataFrame]:
        """The variants of the ``.pvar`` file, one row for each ALT, which is counted."""
        for chunk, _, _ in self._chunks():
            yield chunk

    @contextlib.contextmanager
    def reading(self, samples: Rows) -> Iterator[Iterator[tuple[pd.DataFrame, Read]]]:
        """Open the ``.pgen`` file for one pass."""
        ordered = np.sort(samples)
        back = None if np.array_equal(ordered, samples) else np.searchsorted(ordered, samples)
        reader = self._opened(ordered.astype(np.uint32) if len(ordered) < len(self.samples) else None)

        def chunks() -> Iterator[tuple[pd.DataFrame, Read]]:
            for chunk, records, alleles in self._chunks():

                def read(places: Rows, records: Rows = records, alleles: Rows = alleles) -> Dosages:
                    dosages = np.empty((len(places), len(ordered)), dtype=np.float32)
                    for allele in np.unique(alleles[places]):
                        rows = np.flatnonzero(alleles[places] == allele)
                        some = dosages if len(rows) == len(places) else dosages[rows]
                        with self._errors():
                            reader.read_dosages_list(
                                records[places[rows]].astype(np.uint32), some, allele_idx=int(allele)
                            )
                        if some is not dosages:
                            dosages[rows] = some
                    dosages[dosages == _MISSING] = np.nan
                    return dosages if back is None else dosages[:, back]

                yield chunk, read

        with contextlib.closing(reader):
            yield chunks()

    def _chunks(self) -> Iterator[tuple[pd.DataFrame, Rows, Rows]]:
        """Variants, with the record of each in the ``.pgen`` file and the number of its ALT from 1."""
        import pyarrow as pa
        import pyarrow.compute as pc

        first = 0
        for rows in self._rows():
            ref, known = rows["REF"].str.upper(), self._known_refs(rows, first)
            alternatives = pc.split_pattern(pa.array(rows["ALT"].str.upper(), pa.string()), ",")
            records = pc.list_parent_indices(alternatives).to_numpy()
            starts = np.searchsorted(records, records)
            chunk = pd.DataFrame(
                {
                    "chrom": contig_keys(rows["#CHROM"], PLINK_NUMBERS).to_numpy()[records],
                    "pos": rows["POS"].to_numpy()[records],
                    "id": rows["ID"].to_numpy()[records],
                    "counted": pc.list_flatten(alternatives).to_pandas(),
                    "other": ref.to_numpy()[records],
                    "ref": np.where(known, "other", "")[records],
                }
            ).astype(dict.fromkeys(("chrom", "id", "counted", "other", "ref"), "str"))
            # PLINK 1 writes 0 for an allele that nobody has.
            chunk = chunk.replace({"counted": {"0": NO_ALLELE}, "other": {"0": NO_ALLELE}})
            yield chunk, records + first, np.arange(len(records)) - starts + 1
            first += len(rows)

    def _rows(self) -> Iterator[pd.DataFrame]:
        """The rows of the ``.pvar`` file as they stand, with positions as numbers."""
        columns = ["#CHROM", "POS", "ID", "REF", "ALT"]
        missing = [name for name in columns if name not in self._pvar.columns]
        if missing:
            raise GenotypeError(
                f"{self._pvar.path} has no column {', '.join(missing)}; expected {', '.join(columns)}"
            )
        if self._stated == _STATED_ELSEWHERE and "INFO" in self._pvar.columns:
            columns.append("INFO")
        for batch in self._pvar.batches(columns):
            pos = batch.numbers("POS")
            batch.refuse(~(pos % 1 == 0), "POS", "a position in base pairs, a whole number")
            texts = {name: batch.text(name).to_pandas().astype("str") for name in columns if name != "POS"}
            yield pd.DataFrame({**texts, "POS": pos.astype(np.int64)})

    def _known_refs(self, rows: pd.DataFrame, first: int) -> npt.NDArray[np.bool_]:
        """Where REF is not provisional, in rows of which the first has a number in the file."""
        if "INFO" in rows:
            return ~rows["INFO"].str.contains(r"(?:^|;)PR(?:;|$)", regex=True).to_numpy(dtype=bool)
        if isinstance(self._provisional, bool):
            return np.full(len(rows), not self._provisional)
        return ~self._provisional[first : first + len(rows)]

    def _provisional_refs(self) -> bool | npt.NDArray[np.bool_]:
        """Whether all REF alleles are provisional, or none, or each; False where INFO says it."""
        try:
            with Path(self.path).open("rb") as file:
                head = file.read(_PROVISIONAL_AT + 1)
                if not head.startswith(_MAGIC) or len(head) <= _PROVISIONAL_AT:
                    raise GenotypeError(
                        f"{self.path} starts with {head[:3].hex(' ') or 'nothing'}, not with "
                        f"{_MAGIC.hex(' ')}; expected a file as PLINK 2's --make-pgen writes it"
                    )
                self._stated = head[_PROVISIONAL_AT] >> 6
                if self._stated <= _PROVISIONAL:
                    return self._stated == _PROVISIONAL
                return _flags(file, head)
        except OSError as error:
            raise GenotypeError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _opened(self, samples: npt.NDArray[np.uint32] | None) -> Any:
        """The ``.pgen`` file, to be read through pgenlib."""
        pgenlib = needed("pgenlib", "genotypes")
        with self._errors():
            return pgenlib.PgenReader(
                os.fsencode(self.path), len(self.samples), self._records, samples, self._offsets
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What pgenlib says, as an error that names the file."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            words = error.args[0] if error.args else "no reason is given"
            text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
            raise GenotypeError(
                f"cannot read {self.path}: {text.strip()}. Expected {self._records:,} variants as in "
                f"{self._pvar.path} and {len(self.samples):,} samples as in the .psam file; copy or make it "
                "again"
            ) from error


def _alleles_of(alternatives: pd.Series[str]) -> Rows:
    """Number of alleles of each row, REF included."""
    return np.asarray(alternatives.str.count(",") + 2, dtype=np.int64)


def _flags(file: BinaryIO, head: bytes) -> npt.NDArray[np.bool_]:
    """The bits of a ``.pgen`` file that say which REF alleles are provisional, shape (variants,).

    Parameters
    ----------
    file : binary file
        After its first 12 bytes, which are ``head``.
    """
    mode, control = head[2], head[_PROVISIONAL_AT]
    variants = int.from_bytes(head[3:7], "little")
    groups = [min(_GROUP, variants - first) for first in range(0, variants, _GROUP)]
    if mode >= _VARIABLE_WIDTH:
        file.seek(8 * len(groups), os.SEEK_CUR)
    parts = []
    for size in groups:
        if mode >= _VARIABLE_WIDTH:
            # Types of records, of four or eight bits; their lengths; and numbers of alleles.
            types = size if control & 4 else -(-size // 2)
            file.seek(types + size * ((control & 3) + 1 + (control >> 4 & 3)), os.SEEK_CUR)
        bits = np.frombuffer(file.read(-(-size // 8)), dtype=np.uint8)
        parts.append(np.unpackbits(bits, count=size, bitorder="little").astype(bool))
    return np.concatenate(parts or [np.empty(0, dtype=bool)])


def _people(path: str) -> pd.DataFrame:
    table = TableFile.of(path, names=_PSAM, min_columns=1, first=("#FID", "#IID"))
    sample = "IID" if "IID" in table.columns else "#IID"
    if sample not in table.columns:
        raise GenotypeError(f"{path} has no column IID; its columns are {', '.join(table.columns)}")
    names = {"family": "#FID", "sample": sample, "father": "PAT", "mother": "MAT", "sex": "SEX"}
    given = {name: column for name, column in names.items() if column in table.columns}
    parts = [
        pd.DataFrame({name: batch.text(column).to_pandas().astype("str") for name, column in given.items()})
        for batch in table.batches(list(given.values()))
    ]
    rows = pd.concat(parts or [pd.DataFrame(columns=list(given), dtype="str")], ignore_index=True)
    return people_of(rows.assign(**dict.fromkeys(names.keys() - given.keys(), "0")))
