"""Sequence networks that MIFM is compared with."""
