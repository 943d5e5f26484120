"""Files of genomes, variants, intervals and tables: read, checked and streamed."""
