"""A small study in which the causal variants are known, and a real locus, as files: ``mifm example``."""

from mifm_kipoi.example.unpack import Example, write_example

__all__ = ["Example", "write_example"]
