"""Several sources of scores side by side: run, joined, measured against each other, shown."""
