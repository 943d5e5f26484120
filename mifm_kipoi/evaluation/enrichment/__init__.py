"""Whether variants with high scores lie in annotations of the genome more often than others."""
