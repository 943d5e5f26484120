"""Motif swap: what happens to scores when the pattern in a window is replaced by one of the other sign."""
