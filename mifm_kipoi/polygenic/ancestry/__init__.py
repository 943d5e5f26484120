"""Labels of ancestry for people with genotypes, by a labelled reference panel."""
