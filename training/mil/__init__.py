"""Multiple instance learning: bags, poolings, objectives and batches."""
