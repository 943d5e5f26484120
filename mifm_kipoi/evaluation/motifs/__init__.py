"""Which motifs a network reads: patterns of its attributions, known motifs that resemble them, and a null."""
