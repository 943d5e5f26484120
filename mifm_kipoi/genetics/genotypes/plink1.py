"""PLINK 1's binary files: ``.bed``, ``.bim`` and ``.fam``."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.genotypes.source import NO_ALLELE, Dosages, GenotypeError, Read, Rows
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.gwas_formats import PLINK_NUMBERS
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.support.packages import needed

MISSING = -127
"""The genotype of a sample whose genotype is missing."""

_BIM = ["chrom", "id", "morgans", "pos", "allele1", "allele2"]
_FAM = ["family", "sample", "father", "mother", "sex", "phenotype"]
_MAGIC = b"\x6c\x1b\x01"

_NO_ALLELES = ("0", NO_ALLELE)
"""How PLINK writes an allele that nobody has."""


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
        with _opened(self.prefix, self.samples, self.variants) as bed:

            def read(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
                genotypes: npt.NDArray[np.int8] = bed.read(
                    index=(self.founders, rows), dtype="int8", order="F", num_threads=1
                )
                return genotypes.T

            yield read


class Plink1File:
    """A PLINK 1 fileset as a source of genotypes; see :class:`mifm_kipoi.genetics.genotypes.Genotypes`.

    Parameters
    ----------
    prefix : str
        Path without ``.bed``, ``.bim`` and ``.fam``.
    threads : int
        That decode genotypes.

    Raises
    ------
    InputError
        As :func:`open_fileset`, but a fileset without founders is one, too.
    """

    build = ""
    hard_calls = True

    def __init__(self, prefix: str, threads: int = 1) -> None:
        self.path = f"{prefix}.bed"
        self.files = tuple(Path(f"{prefix}{suffix}") for suffix in (".bed", ".bim", ".fam"))
        self._prefix, self._threads = prefix, threads
        fam, self.variant_count = _checked(prefix)
        self.samples = people_of(fam)

    def variants(self) -> Iterator[pd.DataFrame]:
        """The variants of the ``.bim`` file; allele 1 is counted."""
        for chunk in bim_chunks(self._prefix):
            yield pd.DataFrame(
                {
                    "chrom": contig_keys(chunk["chrom"].astype("str"), PLINK_NUMBERS),
                    "pos": chunk["pos"].astype(np.int64),
                    "id": chunk["id"].astype("str"),
                    "counted": _alleles(chunk["allele1"]),
                    "other": _alleles(chunk["allele2"]),
                    "ref": pd.Series("", chunk.index, dtype="str"),
                }
            )

    @contextlib.contextmanager
    def reading(self, samples: Rows) -> Iterator[Iterator[tuple[pd.DataFrame, Read]]]:
        """Open the ``.bed`` file for one pass."""
        everybody = np.array_equal(samples, np.arange(len(self.samples)))
        people = np.s_[:] if everybody else samples
        with _opened(self._prefix, len(self.samples), self.variant_count) as bed:

            def chunks() -> Iterator[tuple[pd.DataFrame, Read]]:
                for chunk in self.variants():
                    rows = chunk.index.to_numpy(np.int64)

                    def read(places: Rows, rows: Rows = rows) -> Dosages:
                        dosages: Dosages = bed.read(
                            index=(people, rows[places]), dtype="float32", order="F",
                            num_threads=self._threads,
                        )  # fmt: skip
                        return dosages.T

                    yield chunk, read

            yield chunks()


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
    fam, variants = _checked(prefix)
    people = people_of(fam)
    founders = np.flatnonzero(people["founder"])
    if not len(founders):
        raise GenotypeError(f"{prefix}.fam has no founders; expected samples whose parents are both 0")
    male = (people["sex"] == "1").to_numpy(dtype=bool)[founders]
    return Fileset(prefix, len(fam), variants, founders, male)


def people_of(table: pd.DataFrame) -> pd.DataFrame:
    """The people of a ``.fam`` or ``.psam`` file.

    Parameters
    ----------
    table : pandas.DataFrame of str
        family, sample, father, mother, sex, as PLINK writes them.

    Returns
    -------
    pandas.DataFrame
        As :attr:`mifm_kipoi.genetics.genotypes.Genotypes.samples`.
    """
    sex = table["sex"].str.upper().map({"1": "1", "M": "1", "2": "2", "F": "2"})
    return pd.DataFrame(
        {
            "family": table["family"],
            "sample": table["sample"],
            "sex": sex.fillna("0").astype("str"),
            "founder": (table["father"] == "0") & (table["mother"] == "0"),
        }
    )


def _checked(prefix: str) -> tuple[pd.DataFrame, int]:
    """The rows of the ``.fam`` file and the number of variants, when the three files belong together."""
    fam = _read_fam(f"{prefix}.fam")
    variants = sum(len(chunk) for chunk in bim_chunks(prefix))
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
    return fam, variants


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


def _opened(prefix: str, samples: int, variants: int) -> Any:
    """The ``.bed`` file of a checked fileset, to be read through bed-reader."""
    return needed("bed_reader", "genotypes").open_bed(
        f"{prefix}.bed", iid_count=samples, sid_count=variants, num_threads=1
    )


def _alleles(names: pd.Series[str]) -> pd.Series[str]:
    upper = names.astype("str").str.upper()
    return upper.where(~upper.isin(_NO_ALLELES), NO_ALLELE)


def _read_fam(path: str) -> pd.DataFrame:
    parts = [
        pd.DataFrame({name: batch.text(name).to_pandas() for name in _FAM})
        for batch in _headerless(path, _FAM)
    ]
    return pd.concat(parts or [pd.DataFrame(columns=_FAM, dtype=str)], ignore_index=True)


def _headerless(path: str, columns: list[str]) -> Iterator[Batch]:
    """The rows of one of PLINK's text files, with white space between the fields."""
    return TableFile.of(path, names=columns).batches()
