"""What memory the commands take."""
