"""Logits of every window of a sequence, computed together."""

from mifm_kipoi.network.scan.engines import ENGINES, Scan

__all__ = ["ENGINES", "Scan"]
