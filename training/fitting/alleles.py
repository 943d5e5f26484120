"""Which alleles weights were fitted to read, by their provenance."""

from __future__ import annotations

from mifm_kipoi.network.weights import Weights
from training.fitting.config import AlleleKind


def alleles_of(weights: Weights) -> AlleleKind:
    """``both`` where weights or their teachers were fitted with ``fit.alleles=both``; else ``reference``.

    Parameters
    ----------
    weights : Weights
        Members have it in ``fit``, students and fine-tuned weights in ``alleles``; weights that were trained
        elsewhere have neither.
    """
    fit = weights.provenance.get("fit", {})
    return "both" if weights.provenance.get("alleles", fit.get("alleles")) == "both" else "reference"
