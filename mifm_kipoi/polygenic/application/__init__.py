"""Polygenic scores of people: scoring files times genotypes, ``mifm pgs score``."""

from mifm_kipoi.polygenic.application.run import PgsScoreResult, PgsScoreRun

__all__ = ["PgsScoreResult", "PgsScoreRun"]
