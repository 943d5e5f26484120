"""Names of chromosomes: one rule by which two names mean the same contig.

- A name and the same name with ``chr`` before it are one contig: ``1`` and ``chr1``.
- ``chrM``, ``MT``, ``chrMT`` and ``M`` are the mitochondrion.
- In tables of a GWAS and in PLINK's files (``plink=True``), ``23`` and ``24`` are X and Y as well, with or
  without ``chr``, and ``chr`` may stand in any case. PLINK's 25 and 26 mean other things in the GWAS Catalog,
  so they stay names like any other. A FASTA, a VCF or a BED file has its contigs under its own names: there
  ``23`` is not X, and only ``chr`` in lower case is a prefix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PLINK_NUMBERS = {"23": "X", "24": "Y"}
"""PLINK's numbers of chromosomes that have a letter elsewhere."""

_MITOCHONDRION = ("chrM", "MT", "chrMT", "M")
_PREFIX = re.compile("^chr", re.IGNORECASE)


def contig_aliases(chrom: str) -> tuple[str, ...]:
    """The names under which a contig is looked for in a FASTA, VCF or BED file, in order of preference.

    Parameters
    ----------
    chrom : str
        Name of the contig.

    Returns
    -------
    tuple of str
        The name itself; then, for the mitochondrion, its other names; for any other contig the name with
        ``chr`` removed or added.
    """
    if chrom in _MITOCHONDRION:
        return (chrom, *(name for name in _MITOCHONDRION if name != chrom))
    return (chrom, chrom.removeprefix("chr") if chrom.startswith("chr") else f"chr{chrom}")


def contig_key(chrom: str, plink: bool = False) -> str:
    """One key for all names of a contig, by which the contigs of files are compared.

    Parameters
    ----------
    chrom : str
        Name of the contig.
    plink : bool
        Whether names may be those of a GWAS or of PLINK: 23 is X, 24 is Y, and ``chr`` stands in any case.

    Returns
    -------
    str
        One of :func:`contig_aliases`, the same for all of them; ``1`` for both ``chr1`` and ``1``.
    """
    if plink:
        chrom = _PREFIX.sub("chr", chrom)
        bare = chrom.removeprefix("chr")
        chrom = PLINK_NUMBERS.get(bare, chrom)
    return min(contig_aliases(chrom))


def contig_keys(names: pd.Series[str], plink: bool = False) -> pd.Series[str]:
    """:func:`contig_key` of many names; missing names stay missing.

    Parameters
    ----------
    names : pandas.Series of str
        Names of contigs, most of them many times.
    plink : bool
        As of :func:`contig_key`.
    """
    keys = {name: contig_key(name, plink) for name in names.dropna().unique()}
    return names.map(keys).astype("str")
