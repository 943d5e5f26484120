"""MIFM: scores of causal non-coding variants from sequence, as a Kipoi plugin."""

from __future__ import annotations

import importlib
from typing import Any

from mifm_kipoi.version import __version__

_EXPORTS = {
    "Genome": "genome",
    "Interval": "intervals",
    "MIFM": "model",
    "MIFMConfig": "model",
    "MIFMError": "errors",
    "Predictor": "inference",
    "Regions": "intervals",
    "ScoredVariants": "scoring",
    "ScoringOptions": "scoring",
    "Status": "windows",
    "VARIANT_INDEX": "windows",
    "Variant": "variants",
    "VariantWindows": "windows",
    "WINDOW": "windows",
    "Weights": "weights",
    "cut_interval_windows": "windows",
    "cut_windows": "windows",
    "iter_scores": "scoring",
    "load_model": "weights",
    "load_weights": "weights",
    "logits": "inference",
    "one_hot": "encoding",
    "read_intervals": "intervals",
    "read_variants": "variants",
    "score_variants": "scoring",
    "stream_windows": "windows",
    "variant_scores": "scores",
}

__all__ = ["__version__", *sorted(_EXPORTS)]  # noqa: PLE0604 - names, all strings


def __getattr__(name: str) -> Any:
    """Import on first use, so that importing the package costs nothing.

    Kipoi imports the top package alone and then reads ``kipoi.VariantModel`` and the like from it.
    """
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"mifm_kipoi.{_EXPORTS[name]}"), name)
    if name == "kipoi":
        return importlib.import_module("mifm_kipoi.kipoi")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
