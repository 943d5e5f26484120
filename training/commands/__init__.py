"""The commands of ``python -m training``, one module each: ``add(commands)`` adds a command to the parser."""
