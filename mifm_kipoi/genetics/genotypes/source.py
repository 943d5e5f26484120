"""Genotypes of any format as one source: people, variants, and blocks of dosages in one pass.

A format (PLINK 1, PLINK 2, VCF) is a :class:`GenotypeFile`. :class:`Genotypes` puts several files of the same
people, such as one per chromosome, behind each other, and brings their people into one order. Dosages count
copies of one allele, from 0 to 2. **People with one haplotype count twice**, 0 or 2, as PLINK's files have
males on X and Y, and all people on the mitochondrion, whichever format the genotypes come from; who wants 0
or 1 there halves them. A heterozygous call of a male on X stays 1; PLINK takes it as missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError

SAMPLE_COLUMNS = ("family", "sample", "sex", "founder")
"""Columns of :attr:`Genotypes.samples`."""

VARIANT_COLUMNS = ("row", "chrom", "pos", "id", "counted", "other", "ref")
"""Columns of the variants of a :class:`Block`."""

NO_FAMILY = "0"
"""The family of people in files without families, as in PLINK."""

NO_ALLELE = "."
"""An allele that the file does not have, as where all people have the same."""

BLOCK_BYTES = 64 << 20
"""Size of the dosages of a block, 64 MiB, where it is not chosen."""

_SHOWN = 3
"""People that a message names."""

Rows = npt.NDArray[np.int64]
Dosages = npt.NDArray[np.float32]

Choose = Callable[[pd.DataFrame], npt.NDArray[np.bool_]]
"""Is given some variants and says which are read."""

Read = Callable[[Rows], Dosages]
"""Dosages of variants by their places in a chunk, float32, shape (variants, samples)."""


class GenotypeError(InputError):
    """Genotype files that are missing, damaged or do not belong together."""


class GenotypeFile(Protocol):
    """One file, or fileset, of genotypes."""

    @property
    def path(self) -> str:
        """Its name in messages."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of a fileset."""

    @property
    def samples(self) -> pd.DataFrame:
        """People in the file's order, with :data:`SAMPLE_COLUMNS`."""

    @property
    def build(self) -> str:
        """The genome build that the file states, as :func:`mifm_kipoi.genomics.contigs.build_of_lengths`."""

    @property
    def variant_count(self) -> int | None:
        """Rows of all chunks of :meth:`variants`; None where only a pass over the file would tell."""

    @property
    def hard_calls(self) -> bool:
        """Whether the format has called genotypes only, so that dosages are 0, 1 and 2."""

    def variants(self) -> Iterator[pd.DataFrame]:
        """Variants in the file's order, a chunk at a time, with :data:`VARIANT_COLUMNS` but for ``row``."""

    def reading(
        self, samples: Rows
    ) -> contextlib.AbstractContextManager[Iterator[tuple[pd.DataFrame, Read]]]:
        """Open the file for one pass.

        Parameters
        ----------
        samples : numpy.ndarray of int64, shape (n,)
            0-based rows of :attr:`samples`, in any order, each once.

        Yields
        ------
        iterator of tuple
            Chunks as of :meth:`variants`, each with a function that reads some of its variants; it works
            until the next chunk is asked for.
        """


@dataclasses.dataclass(frozen=True)
class Block:
    """Some variants with their genotypes.

    Parameters
    ----------
    variants : pandas.DataFrame
        One row a variant, as :meth:`Genotypes.variants` describes them.
    dosages : numpy.ndarray of float32, shape (variants, samples)
        Copies of ``counted``, from 0 to 2; NaN where the genotype is missing.
    hard_calls : bool
        Whether the file's format has called genotypes only, so that dosages are 0, 1 and 2.
    """

    variants: pd.DataFrame
    dosages: Dosages
    hard_calls: bool = False


class Genotypes:
    """Genotypes of one set of people in one or more files; :func:`open_genotypes` opens them.

    Parameters
    ----------
    files : sequence of GenotypeFile
        At least one. All have the same people, in any order.

    Attributes
    ----------
    samples : pandas.DataFrame
        One row a person, in the order of the first file: family (``0`` in files without families), sample,
        sex (``1`` male, ``2`` female, ``0`` unknown), founder (bool: without parents in the file).
    paths : tuple of str
        Names of the files, one of each fileset.
    files : tuple of Path
        All files, such as the three of a PLINK fileset.
    build : str
        ``GRCh37``, ``GRCh38`` ... where a file's header states it by the lengths of its contigs, else empty.
    variant_count : int, optional
        Variants of all files; None where one is VCF or BCF, which only a pass would tell.
    hard_calls : bool
        Whether all dosages are 0, 1 or 2 by the files' format, PLINK 1. Other formats may have any.

    Raises
    ------
    GenotypeError
        When a file is named twice, lacks a person of another, names one twice, or states another build.
    """

    def __init__(self, files: Sequence[GenotypeFile]) -> None:
        _refuse_same(files)
        self._files = tuple(files)
        self.paths = tuple(file.path for file in files)
        self.files = tuple(path for file in files for path in file.files)
        self.samples = files[0].samples.reset_index(drop=True)
        _refuse_repeated(files[0])
        self._orders = [np.arange(len(self.samples)), *(_order(files[0], file) for file in files[1:])]
        self.build = _build(files)
        counts = [file.variant_count for file in files]
        self.variant_count = None if None in counts else sum(count or 0 for count in counts)
        self.hard_calls = all(file.hard_calls for file in files)

    def __len__(self) -> int:
        """Number of people."""
        return len(self.samples)

    def variants(self) -> Iterator[pd.DataFrame]:
        """Read the variants without their genotypes, a chunk at a time.

        Yields
        ------
        pandas.DataFrame
            One row for each alternative allele: row (int64, from 0 over all files), chrom (named as
            :func:`mifm_kipoi.genomics.contigs.contig_key` does), pos (int64, 1-based; 0 where unknown), id,
            counted (the allele whose copies are the dosage) and other, both in upper case and ``.`` where the
            file has none, and ref (``counted`` or ``other``: which of the two is REF; empty where the format
            does not say). PLINK 1 counts allele 1; PLINK 2 and VCF count ALT. The index is ``row``.

        Raises
        ------
        InputError
            When a file cannot be read or is damaged.
        """
        first = 0
        for file in self._files:
            for chunk in file.variants():
                yield _numbered(chunk, first)
                first += len(chunk)

    def blocks(
        self,
        choose: Choose | None = None,
        samples: npt.ArrayLike | None = None,
        size: int | None = None,
    ) -> Iterator[Block]:
        """Read genotypes in one pass over the files, in their order.

        Parameters
        ----------
        choose : callable, optional
            Is given chunks as :meth:`variants` yields them and returns which variants to read, bool, shape
            (variants,). The genotypes of others are not read. By default all are.
        samples : array-like of int, optional
            0-based rows of :attr:`samples`, each at most once: the people of the dosages, in this order. By
            default all.
        size : int, optional
            Most variants of a block; by default as many as have dosages of 64 MiB.

        Yields
        ------
        Block
            Never empty.

        Raises
        ------
        InputError
            When a file cannot be read or is damaged.
        ValueError
            When ``samples`` names nobody, somebody twice, or a row that there is not.
        """
        chosen = self._rows(samples)
        size = size or max(1, BLOCK_BYTES // (4 * len(chosen)))
        first = 0
        for file, order in zip(self._files, self._orders, strict=True):
            with file.reading(order[chosen]) as chunks:
                for chunk, read in chunks:
                    variants = _numbered(chunk, first)
                    first += len(variants)
                    places = np.arange(len(variants))
                    if choose is not None and len(variants):
                        places = places[np.asarray(choose(variants), dtype=bool)]
                    for start in range(0, len(places), size):
                        some = places[start : start + size]
                        yield Block(variants.iloc[some], read(some), file.hard_calls)

    def _rows(self, samples: npt.ArrayLike | None) -> Rows:
        if samples is None:
            return np.arange(len(self.samples))
        rows = np.asarray(samples, dtype=np.int64)
        bad = rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= len(self.samples)
        if bad or len(np.unique(rows)) < len(rows):
            raise ValueError(
                f"samples has {rows.size} rows; expected at least one of 0 to {len(self.samples) - 1}, each "
                "once"
            )
        return rows


def _numbered(chunk: pd.DataFrame, first: int) -> pd.DataFrame:
    rows = np.arange(first, first + len(chunk), dtype=np.int64)
    return chunk.assign(row=rows)[list(VARIANT_COLUMNS)].set_axis(rows)


def _refuse_same(files: Sequence[GenotypeFile]) -> None:
    """Refuse a file that is there twice, also by another name."""
    seen: dict[tuple[int, int], str] = {}
    for file in files:
        status = file.files[0].stat()
        key = (status.st_dev, status.st_ino)
        if key in seen:
            names = file.path if file.path == seen[key] else f"{seen[key]}, also by the name {file.path},"
            raise GenotypeError(f"{names} is named twice; name each file of genotypes once")
        seen[key] = file.path


def _refuse_repeated(file: GenotypeFile) -> None:
    people = file.samples[["family", "sample"]]
    if not len(people):
        raise GenotypeError(f"{file.path} has no samples; expected at least one")
    if people.duplicated().any():
        family, sample = people[people.duplicated()].iloc[0]
        named = sample if family == NO_FAMILY else f"{family} {sample}"
        raise GenotypeError(f"{file.path} has the sample {named} more than once; give each its own name")


def _order(first: GenotypeFile, file: GenotypeFile) -> Rows:
    """The row in ``file`` of each person of the first file."""
    _refuse_repeated(file)
    by = ["family", "sample"]
    if any((one.samples["family"] == NO_FAMILY).all() for one in (first, file)):
        by = ["sample"]
        for one in (first, file):
            if one.samples["sample"].duplicated().any():
                raise GenotypeError(
                    f"{one.path} has samples of one name in several families, and {first.path} or "
                    f"{file.path} has no families to tell them apart; give each sample its own name"
                )
    mine, theirs = (pd.MultiIndex.from_frame(one.samples[by]) for one in (first, file))
    rows = np.asarray(theirs.get_indexer(mine), dtype=np.int64)
    for source, other, absent in ((first, file, mine[rows < 0]), (file, first, theirs.difference(mine))):
        if len(absent):
            names = ", ".join(" ".join(name) for name in absent[:_SHOWN])
            more = f" and {len(absent) - _SHOWN:,} more" if len(absent) > _SHOWN else ""
            raise GenotypeError(
                f"{other.path} lacks {len(absent):,} of the {len(source.samples):,} samples of "
                f"{source.path}: {names}{more}; expected the same people in each file. Keep those that all "
                "files have"
            )
    return rows


def _build(files: Sequence[GenotypeFile]) -> str:
    """The build that the files state."""
    stated = {file.build: file.path for file in files if file.build}
    if len(stated) > 1:
        (one, path), (other, second), *_ = stated.items()
        raise GenotypeError(f"{path} is of {one} and {second} of {other}; expected one genome build")
    return next(iter(stated), "")
