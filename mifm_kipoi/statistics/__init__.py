"""Statistics as pure functions on arrays, which know nothing of files."""
