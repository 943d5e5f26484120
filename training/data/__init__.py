"""Tables of associations to validated bags on disk."""
