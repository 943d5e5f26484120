"""Variants ranked within their loci, with what the study and the sequence say of each side by side."""
