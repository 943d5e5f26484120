"""The commands of ``mifm``: their arguments and messages, and nothing else."""
