"""The training code of MIFM; run as ``python -m training <command>``."""
