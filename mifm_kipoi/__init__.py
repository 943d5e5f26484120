"""MIFM: scores of causal non-coding variants from sequence, as a Kipoi plugin."""

from __future__ import annotations

import importlib
from typing import Any

from mifm_kipoi.version import __version__

_EXPORTS = {
    "Genome": "genomics.genome",
    "Interval": "genomics.intervals",
    "MIFM": "network.model",
    "MIFMConfig": "network.model",
    "MIFMError": "errors",
    "Predictor": "network.inference",
    "Regions": "genomics.intervals",
    "ScoredVariants": "scoring.records",
    "ScoringOptions": "scoring.scorer",
    "Status": "conventions",
    "VARIANT_INDEX": "conventions",
    "Variant": "genomics.variants",
    "VariantWindows": "sequence.windows",
    "WINDOW": "conventions",
    "Weights": "network.weights",
    "cut_interval_windows": "sequence.windows",
    "cut_windows": "sequence.windows",
    "iter_scores": "scoring.scorer",
    "load_model": "network.weights",
    "load_weights": "network.weights",
    "logits": "network.inference",
    "one_hot": "sequence.encoding",
    "read_intervals": "genomics.intervals",
    "read_variants": "genomics.variants",
    "score_variants": "scoring.scorer",
    "stream_windows": "sequence.windows",
    "variant_scores": "scoring.scores",
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
