"""Fit members to bags: one, several, or weights that go on with a new GWAS."""
