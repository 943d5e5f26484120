"""Splits of bags into training, validation and test by place in the genome."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SplitsConfig:
    """Which parts of the genome are held out.

    Parameters
    ----------
    validation, test : tuple of str
        Contigs, or stretches of them as ``chrom:start-end`` (1-based inclusive, as in browsers).
    """

    validation: tuple[str, ...] = ("11", "12")
    test: tuple[str, ...] = ("9", "10")
