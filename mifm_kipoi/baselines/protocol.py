"""What every source of scores is to a comparison: what it declares, and how it is asked."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.scoring.records import ScoredVariants
from mifm_kipoi.support.progress import Progress


class LookupStatus(enum.StrEnum):
    """Why a variant has no score in a table, besides the reasons of :class:`mifm_kipoi.Status`."""

    NOT_IN_TABLE = "not_in_table"
    """No row of the table lies at the position."""

    ALLELES_DIFFER = "alleles_differ"
    """Rows lie at the position, with other alleles."""

    STRAND_AMBIGUOUS = "strand_ambiguous"
    """A/T or C/G: swapped alleles and the other strand look alike."""

    VALUE_MISSING = "value_missing"
    """The row has no value, or a marker of a missing one."""

    CONFLICTING_ROWS = "conflicting_rows"
    """Rows of the same variant have different values."""


class Evidence(enum.StrEnum):
    """What a score is computed from. Labels that were made from the same evidence do not test it."""

    SEQUENCE = "sequence"
    """The sequence of the genome, by a model."""

    ASSOCIATION = "association"
    """Associations of a study: p-values, z-scores, Bayes factors."""

    PIP = "pip"
    """Fine-mapping: posterior inclusion probabilities."""

    ANNOTATION = "annotation"
    """Anything else: annotations of the genome, or a column whose origin is not known."""


_PIP_NAME = re.compile(
    r"(?<![a-z])(pip|pp|finemap|susie|paintor|caviarbf|polyfun|posterior)s?(?![a-z])", re.IGNORECASE
)
_ASSOCIATION_NAME = re.compile(
    r"(?<![a-z])abfs?(?![a-z])"
    # Short words, of which a number would make others: p300, z2.
    r"|(?<![a-z0-9])(z([ ._-]?score)?|((neg|minus|[mn])?[ ._-]?log(10)?[ ._-]?)?p([ ._-]?val(ue)?)?"
    r"|(l|ln|log(10)?)?[ ._-]?bf|bayes[ ._-]?factor)s?(?![a-z0-9])",
    re.IGNORECASE,
)


def evidence_of_column(name: str) -> Evidence:
    """What the numbers of a user's column are, by its usual names, since a column declares nothing.

    Parameters
    ----------
    name : str
        Of the column, with its label where it has one.

    Returns
    -------
    Evidence
        ``ANNOTATION`` for any name that is not that of a PIP, a p-value, a z-score or a Bayes factor.
    """
    if _PIP_NAME.search(name):
        return Evidence.PIP
    return Evidence.ASSOCIATION if _ASSOCIATION_NAME.search(name) else Evidence.ANNOTATION


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
    evidence : Evidence
        What it is computed from.
    """

    name: str
    meaning: str
    ranks: bool = True
    signed: bool = False
    evidence: Evidence = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What a baseline declares about itself; reports and manifests include it.

    Parameters
    ----------
    name : str
        Of the model or method.
    scores : tuple of Score
        Columns; the first that ranks is the primary score of the baseline.
    alleles : str
        Which windows or alleles are looked at.
    formula : str
        From what the model gives, or the table holds, to the scores.
    citation : str
        The publication to cite.
    window : int, optional
        Length of the windows in base pairs; None where no sequence is read.
    variant_index : int, optional
        0-based index of the first base of the allele in the window.
    tracks : int, optional
        Outputs over which the formula goes.
    provenance : dict of plain JSON types
        Checksums of weights and tables, versions of libraries: what the scores depend on.
    held_out : tuple of str
        Chromosomes on which no part of the model was fitted or chosen.
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
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    held_out: tuple[str, ...] = ()
    leakage: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the scores."""
        return tuple(score.name for score in self.scores)

    @property
    def ranking(self) -> tuple[str, ...]:
        """Names of the scores that rank variants, the primary score first."""
        return tuple(score.name for score in self.scores if score.ranks)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types; :attr:`provenance` has the key ``made_by`` in files."""
        plain = dataclasses.asdict(self)
        plain["scores"] = [{**score, "evidence": str(score["evidence"])} for score in plain["scores"]]
        plain["held_out"] = list(self.held_out)
        return {_KEYS.get(name, name): value for name, value in plain.items()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read back what :meth:`to_dict` gave.

        Scores of files from before ``evidence`` was declared have that of sequence where the model reads
        windows or has tracks, else that of their names (:func:`evidence_of_column`).

        Raises
        ------
        LookupError, TypeError, ValueError
            When it is not a declaration.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        known = {name: plain[_KEYS.get(name, name)] for name in fields if _KEYS.get(name, name) in plain}
        reads_sequence = known.get("window") is not None or known.get("tracks") is not None

        def score(one: Mapping[str, Any]) -> Score:
            default = Evidence.SEQUENCE if reads_sequence else evidence_of_column(str(one["name"]))
            return Score(**{**one, "evidence": Evidence(one.get("evidence", default))})

        scores = tuple(score(one) for one in plain["scores"])
        held_out = tuple(map(str, plain.get("held_out", ())))
        return cls(**{**known, "scores": scores, "held_out": held_out})


_KEYS = {"provenance": "made_by"}
"""Names of fields in files, where they differ."""


@dataclasses.dataclass(frozen=True)
class ComputeOptions:
    """Where and how a baseline computes; scores do not depend on it.

    Parameters
    ----------
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    batch_size : int, optional
        Windows that are read together, by default what fits the model.
    progress : bool, optional
        Show how far a table is that is read whole: by default not, with None where standard error is a
        terminal.
    """

    device: str = "auto"
    batch_size: int | None = None
    progress: bool | None = False

    def reading(self, path: Path) -> Progress:
        """Shows how far a table is read."""
        return Progress(f"rows of {path.name}", self.progress)


class Baseline(Protocol):
    """A source of scores."""

    chunk_size: int
    """Variants after which a run that is killed can go on."""

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda``, or in words where a model chooses for itself."""

    @property
    def declaration(self) -> Declaration:
        """What it declares about itself."""

    def score(self, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        """Score variants.

        Parameters
        ----------
        variants : sequence of Variant, length n
            Any variants; those that cannot be scored get a status.
        genome : Genome
            The reference sequence; models that look variants up do not read it.

        Returns
        -------
        ScoredVariants
            A row for each variant, in their order: the columns of the declaration as float64, NaN where there
            is no score, and ``ok`` or the reason why not (:class:`mifm_kipoi.Status`, :class:`LookupStatus`).
        """
