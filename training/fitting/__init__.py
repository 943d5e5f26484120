"""Fit networks to bags: one member, an ensemble, or weights fine-tuned to a new GWAS."""
