"""Saturation mutagenesis: each base of a window or region substituted."""
