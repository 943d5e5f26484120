"""Scores that stand in a file: one baseline over any way to look variants up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mifm_kipoi.baselines.protocol import Declaration
from mifm_kipoi.baselines.variant_rows import Combine, Found
from mifm_kipoi.errors import InputError
from mifm_kipoi.genome import Genome
from mifm_kipoi.scoring import ScoredVariants
from mifm_kipoi.variants import Variant
from mifm_kipoi.windows import CHUNK

FEW_STRANGERS = 5
"""Variants whose reference base a table may contradict, however few are compared."""

MAX_STRANGE_SHARE = 0.25
"""Share of the compared variants whose reference base a table may contradict. With another genome build half
of them or more have another base; where builds agree, next to none."""

UNORDERED = "the pair of alleles in any order, SNVs on either strand"
ORDERED = "reference to alternative allele, SNVs on either strand; A/T and C/G only as they stand"
"""How alleles are compared (:func:`mifm_kipoi.baselines.alleles.allele_fit`), in words for declarations."""


class Source(Protocol):
    """Where variants are looked up."""

    def look_up(self, variants: Sequence[Variant], combine: Combine) -> Found:
        """Find variants; several rows of one are made one by ``combine``."""


class LookedUp:
    """Scores from a file.

    Parameters
    ----------
    path : Path
        For messages.
    source : Source
    combine : callable
        What several rows of one variant give.
    declaration : Declaration
    """

    at_once = CHUNK

    def __init__(self, path: Path, source: Source, combine: Combine, declaration: Declaration) -> None:
        self._path, self._source, self._combine = path, source, combine
        self._declaration = declaration
        self._compared = 0
        self._strangers: list[tuple[Variant, str]] = []

    @property
    def declaration(self) -> Declaration:
        """What it says of itself."""
        return self._declaration

    def score(self, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:  # noqa: ARG002 - reads none
        """See :meth:`mifm_kipoi.baselines.protocol.Baseline.score`.

        Raises
        ------
        InputError
            When the file cannot be read, or an ordered table has other reference bases than the variants at
            more than a few of their positions and more than a quarter of those seen so far.
        """
        found = self._source.look_up(variants, self._combine)
        self._compared += found.compared
        self._strangers += found.strangers
        if len(self._strangers) > max(FEW_STRANGERS, MAX_STRANGE_SHARE * self._compared):
            raise InputError(self._other_build())
        columns = dict(zip(self._declaration.columns, found.values.T, strict=True))
        return ScoredVariants(variants, found.status, columns)

    def _other_build(self) -> str:
        examples = "; ".join(
            f"{variant.chrom}:{variant.pos} is {variant.ref[:20]} in the variants and {ref[:20]} in the table"
            for variant, ref in self._strangers[:3]
        )
        return (
            f"{self._path} has another reference base than {len(self._strangers)} of the {self._compared} "
            f"variants at whose positions it has rows: {examples}. The table is most likely of another "
            "genome build than the variants, or its alleles are exchanged. Use a table of the variants' build"
        )
