"""Scores of variants that are looked up in tables."""
