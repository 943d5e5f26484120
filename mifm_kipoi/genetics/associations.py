"""Associated variants, the form in which every source of positives is handed on."""

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
"""One row per variant, study, block and signal; ``pos`` is 1-based, alleles are upper case, ``id`` is ``.``
and numbers are NaN where unknown. ``signal`` is primary, secondary or all."""
