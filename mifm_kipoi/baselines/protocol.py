"""What every source of scores is to a comparison: what it declares, and how it is asked."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any, Protocol

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.scoring.scorer import ScoredVariants


class LookupStatus(enum.StrEnum):
    """Why a variant has no score, beside the reasons of :class:`mifm_kipoi.Status`."""

    NOT_IN_TABLE = "not_in_table"
    """No row of the table lies at the position."""

    ALLELES_DIFFER = "alleles_differ"
    """Rows lie at the position, with other alleles."""

    STRAND_AMBIGUOUS = "strand_ambiguous"
    """The alleles fit exchanged, or on the other strand, and nothing tells which."""

    VALUE_MISSING = "value_missing"
    """The row has no value, or one that stands for none."""

    CONFLICTING_ROWS = "conflicting_rows"
    """Rows of the same variant have different values."""


@dataclasses.dataclass(frozen=True)
class Score:
    """One column of numbers.

    Parameters
    ----------
    name : str
        Of the column.
    meaning : str
        What the number is, with its formula.
    ranks : bool
        Whether higher means more likely causal, so that it can be compared and evaluated.
    signed : bool
        Whether it is an effect of the alternative allele with its direction.
    """

    name: str
    meaning: str
    ranks: bool = True
    signed: bool = False


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What a baseline says of itself; reports and manifests carry it.

    Parameters
    ----------
    name : str
        Of the model or method.
    scores : tuple of Score
        Columns; the first that ranks is the one that stands for the baseline.
    alleles : str
        Which windows or alleles are looked at.
    formula : str
        From what the model gives, or the table holds, to the scores.
    citation : str
    window : int, optional
        Length of the windows in base pairs; None where no sequence is read.
    variant_index : int, optional
        0-based index of the first base of the allele in the window.
    tracks : int, optional
        Outputs over which the formula goes.
    made_by : dict of plain JSON types
        Checksums of weights and tables, versions of libraries: what the scores depend on.
    held_out : tuple of str
        Chromosomes that nothing of the model was fitted or chosen on.
    leakage : str
        How labels of common benchmarks may have entered the scores.
    """

    name: str
    scores: tuple[Score, ...]
    alleles: str
    formula: str
    citation: str
    window: int | None = None
    variant_index: int | None = None
    tracks: int | None = None
    made_by: dict[str, Any] = dataclasses.field(default_factory=dict)
    held_out: tuple[str, ...] = ()
    leakage: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the scores."""
        return tuple(score.name for score in self.scores)


@dataclasses.dataclass(frozen=True)
class ComputeOptions:
    """Where and how a baseline computes; decides no score.

    Parameters
    ----------
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    batch_size : int, optional
        Windows at once, by default what fits the model.
    """

    device: str = "auto"
    batch_size: int | None = None


class Baseline(Protocol):
    """A source of scores."""

    chunk_size: int
    """Variants after which a run that is killed can go on."""

    @property
    def device(self) -> str:
        """Where it computes: cpu, cuda, or in words where a model chooses for itself."""

    @property
    def declaration(self) -> Declaration:
        """What it says of itself."""

    def score(self, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        """Score variants.

        Parameters
        ----------
        variants : sequence of Variant, length n
        genome : Genome

        Returns
        -------
        ScoredVariants
            A row for each variant, in their order: the columns of the declaration as float64, NaN where there
            is no score, and ``ok`` or the reason why not (:class:`mifm_kipoi.Status`, :class:`LookupStatus`).
        """
