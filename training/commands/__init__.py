"""The commands of ``python -m training``, one module each: ``add(commands)`` says what a command takes."""
