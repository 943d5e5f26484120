"""A cohort with known causal variants: genotypes, phenotypes and GWAS, in the formats of real data."""
