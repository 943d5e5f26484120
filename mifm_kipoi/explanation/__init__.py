"""What a geneticist opens first: variants ranked by locus, with what speaks for each."""
