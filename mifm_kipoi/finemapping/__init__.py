"""Scores as the prior of fine-mapping: posterior probabilities of the variants of a study's signal."""
