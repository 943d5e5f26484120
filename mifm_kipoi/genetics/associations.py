"""Rows of a study: the form in which every source of associated variants is handed on."""

from __future__ import annotations

ASSOCIATION_COLUMNS = {
    "chrom": "str",
    "pos": "int64",
    "effect_allele": "str",
    "other_allele": "str",
    "id": "str",
    "p_value": "float64",
    "z": "float32",
    "pip": "float32",
    "log_bf": "float32",
    "block": "str",
    "signal": "str",
    "study": "str",
}
"""One row per variant, study, block and signal: names and pandas types of the columns. ``pos`` is 1-based;
alleles are in upper case; ``z`` is that of the effect allele; ``pip`` is a posterior inclusion probability;
``log_bf`` the natural logarithm of Wakefield's approximate Bayes factor; ``block`` the LD block or locus;
``signal`` primary, secondary or all. An unknown ``id`` is ``.``, an unknown number NaN."""
