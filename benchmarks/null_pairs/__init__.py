"""Pairs of scores that predict equally well: how often paired tests find a difference."""
