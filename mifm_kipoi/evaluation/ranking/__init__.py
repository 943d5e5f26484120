"""Scores against labels: how well causal variants rank."""
