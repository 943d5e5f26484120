"""Variants to scores, and files of variants to files of scores."""
