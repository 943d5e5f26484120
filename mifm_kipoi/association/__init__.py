"""Association of variants with traits in people's genotypes: ``mifm gwas``."""
