"""Bases to numbers, and variants to windows of sequence."""
