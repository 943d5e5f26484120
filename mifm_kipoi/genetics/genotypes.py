"""Genotypes in PLINK's binary format, read a few variants at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import bed_reader
import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import Batch, TableFile

MISSING = -127
"""The genotype of a sample whose genotype is missing."""

_BIM = ["chrom", "id", "morgans", "pos", "allele1", "allele2"]
_FAM = ["family", "sample", "father", "mother", "sex", "phenotype"]
_MAGIC = b"\x6c\x1b\x01"


class GenotypeError(InputError):
    """PLINK files that are missing, damaged or do not belong together."""


@dataclasses.dataclass(frozen=True)
class Fileset:
    """One PLINK fileset that :func:`open_fileset` has checked.

    Parameters
    ----------
    prefix : str
        Path without ``.bed``, ``.bim`` and ``.fam``.
    samples, variants : int
        Numbers of rows of the ``.fam`` and of the ``.bim`` file.
    founders : numpy.ndarray of int64, shape (founders,)
        0-based rows of the ``.fam`` file whose parents are both ``0``.
    male : numpy.ndarray of bool, shape (founders,)
        Which founders have sex 1.
    """

    prefix: str
    samples: int
    variants: int
    founders: npt.NDArray[np.int64]
    male: npt.NDArray[np.bool_]

    @contextlib.contextmanager
    def reading(self) -> Iterator[Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int8]]]:
        """Open the ``.bed`` file and give a function that reads the founders' genotypes.

        It takes 0-based rows of the ``.bim`` file and returns copies of that file's first allele, int8,
        shape (rows, founders): 0, 1, 2 or :data:`MISSING`. Only the rows asked for are read from the disk.
        """
        with bed_reader.open_bed(
            f"{self.prefix}.bed", iid_count=self.samples, sid_count=self.variants, num_threads=1
        ) as bed:

            def read(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
                genotypes: npt.NDArray[np.int8] = bed.read(
                    index=(self.founders, rows), dtype="int8", order="F", num_threads=1
                )
                return genotypes.T

            yield read


def open_fileset(prefix: str | os.PathLike[str]) -> Fileset:
    """Check that the three files of a PLINK fileset exist and belong together.

    Parameters
    ----------
    prefix : path-like
        Path without ``.bed``, ``.bim`` and ``.fam``.

    Raises
    ------
    InputError
        When a ``.bim`` or ``.fam`` file cannot be read or has a malformed line.
    GenotypeError
        When the ``.bed`` file cannot be read, there are no founders, or the ``.bed`` file is not
        in PLINK's variant-major format or does not have the size that follows from the other two.
    """
    prefix = os.fspath(prefix)
    fam = _read_fam(f"{prefix}.fam")
    variants = sum(len(chunk) for chunk in bim_chunks(prefix))
    founders = np.flatnonzero((fam["father"] == "0") & (fam["mother"] == "0"))
    if not len(founders):
        raise GenotypeError(f"{prefix}.fam has no founders; expected samples whose parents are both 0")
    bed = Path(f"{prefix}.bed")
    try:
        with bed.open("rb") as file:
            magic = file.read(len(_MAGIC))
        size = bed.stat().st_size
    except OSError as error:
        raise GenotypeError(f"cannot read {bed}: {error.strerror or error}") from error
    if magic != _MAGIC:
        raise GenotypeError(
            f"{bed} starts with {magic.hex(' ')}, not with {_MAGIC.hex(' ')}; "
            "expected a variant-major file as PLINK's --make-bed writes it"
        )
    expected = len(_MAGIC) + variants * -(-len(fam) // 4)
    if size != expected:
        raise GenotypeError(
            f"{bed} has {size} bytes; expected {expected} for {variants} variants in {prefix}.bim "
            f"and {len(fam)} samples in {prefix}.fam"
        )
    male = (fam["sex"] == "1").to_numpy(dtype=bool)[founders]
    return Fileset(prefix, len(fam), variants, founders, male)


def bim_chunks(prefix: str) -> Iterator[pd.DataFrame]:
    """Read the variants of a fileset, a chunk at a time.

    Parameters
    ----------
    prefix : str
        Path without ``.bim``.

    Yields
    ------
    pandas.DataFrame
        chrom, id, pos (1-based), allele1, allele2; the index is the 0-based row of the file.

    Raises
    ------
    InputError
        When the ``.bim`` file cannot be read or has a malformed line; the message names the line.
    """
    rows = 0
    for batch in _headerless(f"{prefix}.bim", _BIM):
        pos = batch.numbers("pos")
        batch.refuse(~(pos % 1 == 0), "pos", "a position in base pairs, a whole number")
        chunk = pd.DataFrame({name: batch.text(name).to_pandas() for name in ("chrom", "id")})
        chunk = chunk.assign(pos=pos.astype(np.int64))
        for name in ("allele1", "allele2"):
            chunk[name] = batch.text(name).to_pandas()
        yield chunk.set_axis(range(rows, rows + len(chunk)))
        rows += len(chunk)
    if not rows:
        yield pd.DataFrame(columns=["chrom", "id", "pos", "allele1", "allele2"])


def _read_fam(path: str) -> pd.DataFrame:
    parts = [
        pd.DataFrame({name: batch.text(name).to_pandas() for name in _FAM})
        for batch in _headerless(path, _FAM)
    ]
    return pd.concat(parts or [pd.DataFrame(columns=_FAM, dtype=str)], ignore_index=True)


def _headerless(path: str, columns: list[str]) -> Iterator[Batch]:
    """The rows of one of PLINK's text files, with white space between the fields."""
    return TableFile.of(path, names=columns).batches()
