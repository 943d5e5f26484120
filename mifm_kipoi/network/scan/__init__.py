"""Logits of every window of a sequence, computed together."""

from mifm_kipoi.network.scan.engines import ENGINES, Scan, engine_of, identity_of, one_thread_each

__all__ = ["ENGINES", "Scan", "engine_of", "identity_of", "one_thread_each"]
