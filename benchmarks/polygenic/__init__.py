"""Polygenic scores of a cohort with known causal variants, from its GWAS to their evaluation by ancestry."""
