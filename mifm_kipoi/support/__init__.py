"""What every room stands on: whole files, guarded commands, progress."""
