"""Which format a file of genotypes has, by its name or its content."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mifm_kipoi.genetics.genotypes.plink1 import Plink1File
from mifm_kipoi.genetics.genotypes.source import GenotypeError, GenotypeFile, Genotypes

_PLINK1 = (".bed", ".bim", ".fam")

_EXPECTED = "expected PLINK 1 (.bed, .bim, .fam)"


def open_genotypes(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], threads: int = 1
) -> Genotypes:
    """Open genotypes of one set of people.

    Parameters
    ----------
    paths : path-like, or iterable of path-like
        One file, or several of the same people, such as one per chromosome: a file of a PLINK 1 fileset
        (``.bed``), or its prefix.
    threads : int
        That decode genotypes, where the format's reader can use them.

    Returns
    -------
    Genotypes

    Raises
    ------
    GenotypeError
        When a file is of none of these formats or is damaged, or files have different people; another
        InputError when a table beside one cannot be read.
    MissingPackageError
        When the package that reads a format is not installed.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise GenotypeError(f"no genotypes are named; {_EXPECTED}")
    return Genotypes([_opened(os.fspath(path), threads) for path in given])


def _opened(path: str, threads: int) -> GenotypeFile:
    if path.endswith(_PLINK1):
        return Plink1File(path[: -len(_PLINK1[0])], threads)
    if Path(f"{path}.bed").exists():
        return Plink1File(path, threads)
    raise GenotypeError(f"{path} is not a file of genotypes, nor the prefix of one; {_EXPECTED}")
