"""The known-truth benchmark: whether causal variants are found where it is known which they are."""
