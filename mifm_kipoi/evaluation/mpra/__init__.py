"""Scores against effects measured by massively parallel reporter assays."""
