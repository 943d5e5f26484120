"""Statistics as pure functions on arrays, without access to files."""
