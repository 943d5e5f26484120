"""Scores against real data: blocks of blood traits, measured effects; and networks against untrained ones."""
