"""One command for a bare machine with a GPU: equality with the CPU, speed, and the arms that need a GPU."""
