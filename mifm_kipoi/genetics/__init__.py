"""Genetic association data: rows of studies, alleles, genotypes, clumps and LD blocks."""
