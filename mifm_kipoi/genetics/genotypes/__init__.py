"""Genotypes of people: PLINK 1, PLINK 2, VCF and BCF, read a few variants at a time."""

from mifm_kipoi.genetics.genotypes.opening import open_genotypes
from mifm_kipoi.genetics.genotypes.plink1 import MISSING, Fileset, bim_chunks, open_fileset
from mifm_kipoi.genetics.genotypes.repeats import RefuseRepeats
from mifm_kipoi.genetics.genotypes.source import Block, GenotypeError, Genotypes

__all__ = [
    "MISSING",
    "Block",
    "Fileset",
    "GenotypeError",
    "Genotypes",
    "RefuseRepeats",
    "bim_chunks",
    "open_fileset",
    "open_genotypes",
]
