"""Negatives: common variants near positives that are not associated themselves."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class NegativesConfig:
    """Where negatives come from.

    Parameters
    ----------
    vcf : str
        Variants with allele frequencies.
    min_maf : float
        Smallest frequency of the rarer allele.
    max_distance : int
        Largest distance from a positive in base pairs.
    """

    vcf: str
    min_maf: float = 0.01
    max_distance: int = 128
