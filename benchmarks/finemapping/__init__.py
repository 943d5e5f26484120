"""Fine-mapping with scores as its prior where the causal variants are known."""
