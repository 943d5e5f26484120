"""How fast the project is, as ratios to simpler ways of doing the same."""
