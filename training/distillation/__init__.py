"""Distil several teachers into one student, and measure how faithful it is."""
