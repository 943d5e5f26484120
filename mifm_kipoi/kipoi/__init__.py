"""What Kipoi needs: model and dataloader classes, the group of models, sources and the veff bridges."""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "IntervalDataloader": "dataloaders",
    "SequenceModel": "models",
    "VariantDataloader": "dataloaders",
    "VariantModel": "models",
}


def __getattr__(name: str) -> Any:
    """Import on first use: Kipoi reads these names, everything else does without Kipoi."""
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"mifm_kipoi.kipoi.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
