"""Scores against real data: fine-mapped blocks of blood traits, measured effects of substitutions."""
