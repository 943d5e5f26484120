"""Genotypes in PLINK's binary format, read a few variants at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bed_reader
import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError

MISSING = -127
"""The genotype of a sample whose genotype is missing."""

_BIM = ["chrom", "id", "morgans", "pos", "allele1", "allele2"]
_FAM = ["family", "sample", "father", "mother", "sex", "phenotype"]
_MAGIC = b"\x6c\x1b\x01"
_ROWS = 500_000
_TEXT: dict[str, Any] = {
    "sep": r"\s+",
    "header": None,
    "dtype": str,
    "keep_default_na": False,  # NA is a name like any other
    "na_values": [""],
}


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
    GenotypeError
        When a file cannot be read, there are no founders, or the ``.bed`` file is not in PLINK's
        variant-major format or does not have the size that follows from the other two.
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
    GenotypeError
        When the ``.bim`` file cannot be read; the message names the line.
    """
    path = f"{prefix}.bim"
    try:
        with pd.read_csv(path, names=_BIM, chunksize=_ROWS, **_TEXT) as chunks:
            for chunk in chunks:
                pos = pd.to_numeric(chunk["pos"], errors="coerce")
                bad = chunk[chunk.isna().any(axis=1) | pos.isna() | (pos % 1 != 0)]
                if len(bad):
                    raise GenotypeError(
                        f"line {bad.index[0] + 1} of {path} is malformed; expected six fields: chromosome, "
                        "id, position in morgans, position in base pairs, allele 1, allele 2"
                    )
                yield chunk.assign(pos=pos.astype("int64")).drop(columns="morgans")
    except (OSError, ValueError) as error:
        raise GenotypeError(f"cannot read {path}: {error}") from error


def _read_fam(path: str) -> pd.DataFrame:
    try:
        fam = pd.read_csv(path, names=_FAM, **_TEXT)
    except (OSError, ValueError) as error:
        raise GenotypeError(f"cannot read {path}: {error}") from error
    bad = fam[fam.isna().any(axis=1)]
    if len(bad):
        raise GenotypeError(
            f"line {bad.index[0] + 1} of {path} is malformed; expected six fields: family, sample, father, "
            "mother, sex, phenotype"
        )
    return pd.DataFrame(fam)
