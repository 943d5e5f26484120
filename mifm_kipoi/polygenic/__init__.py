"""Polygenic scores: built from studies, applied to genotypes, evaluated by ancestry.

A score travels as a file of the PGS Catalog, so each of the three steps also takes what others have made.
"""
