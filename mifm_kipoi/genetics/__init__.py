"""Associations, alleles, genotypes, clumps and LD blocks."""
