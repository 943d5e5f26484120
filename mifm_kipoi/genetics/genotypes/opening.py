"""Which format a file of genotypes has, by its name or its content."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mifm_kipoi.genetics.genotypes.plink1 import Plink1File
from mifm_kipoi.genetics.genotypes.plink2 import Plink2File
from mifm_kipoi.genetics.genotypes.source import GenotypeError, GenotypeFile, Genotypes
from mifm_kipoi.genetics.genotypes.vcf import VcfFile, is_vcf

_PLINK1 = (".bed", ".bim", ".fam")
_PLINK2 = (".pgen", ".pvar", ".pvar.zst", ".psam")

_EXPECTED = (
    "expected PLINK 1 (.bed, .bim, .fam), PLINK 2 (.pgen, .pvar or .pvar.zst, .psam), VCF or BCF "
    "(.vcf, .vcf.gz, .bcf)"
)


def open_genotypes(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], threads: int = 1
) -> Genotypes:
    """Open genotypes of one set of people.

    Parameters
    ----------
    paths : path-like, or iterable of path-like
        One file, or several of the same people, such as one per chromosome: a file of a PLINK fileset
        (``.bed``, ``.pgen``) or its prefix, VCF (``.vcf``, ``.vcf.gz``) or BCF (``.bcf``).
    threads : int
        That decode genotypes of PLINK 1; the other formats are read by one.

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
    if is_vcf(path):
        return VcfFile(path)
    for suffixes, opened in (
        (_PLINK1, lambda prefix: Plink1File(prefix, threads)),
        (_PLINK2, Plink2File),
    ):
        suffix = next((suffix for suffix in suffixes if path.endswith(suffix)), None)
        if suffix is not None:
            return opened(path.removesuffix(suffix))
    as_plink1, as_plink2 = (Path(f"{path}{suffixes[0]}").exists() for suffixes in (_PLINK1, _PLINK2))
    if as_plink1 and as_plink2:
        raise GenotypeError(f"{path} is the prefix of {path}.bed and of {path}.pgen; name one of them")
    if as_plink1:
        return Plink1File(path, threads)
    if as_plink2:
        return Plink2File(path)
    raise GenotypeError(f"{path} is not a file of genotypes, nor the prefix of one; {_EXPECTED}")
