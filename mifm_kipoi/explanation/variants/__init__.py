"""A page about each variant: what the network reads around it, the motifs there, and its neighbours."""
