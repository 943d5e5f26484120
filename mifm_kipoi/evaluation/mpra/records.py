"""Records of an evaluation on saturation mutagenesis: its scores, its series, and all that it found."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import Declaration, Evidence, Score
from mifm_kipoi.evaluation.mpra.elements import Element
from mifm_kipoi.evaluation.mpra.table import Measurements

CONTROL = "control"
"""Label of the controls, which no model may have."""

DISTANCE = Score(
    "distance_to_centre",
    "minus the distance from the middle of the element, in bases",
    evidence=Evidence.ANNOTATION,
)

ALL = "all"
"""The stratum of all effects, and the group of all elements."""

HELD_OUT, SEEN = "held_out", "not_held_out"
"""Groups of elements by whether the model's chromosomes that nothing was fitted on hold them."""


class Question(enum.StrEnum):
    """What a score is compared with."""

    SIZE = "size"
    """The size of the measured effect."""

    DIRECTION = "direction"
    """The measured effect with its sign."""


@dataclasses.dataclass(frozen=True)
class Series:
    """Numbers that are compared with measured effects.

    Parameters
    ----------
    label : str
        Of the model.
    name : str
        Of the column, between bars where its size is taken.
    question : Question
    values : numpy.ndarray of float64, shape (n,)
    held_out : frozenset of str
        Chromosomes (:func:`mifm_kipoi.genomics.contigs.contig_key`) that nothing of the model was fitted or
        chosen on.
    """

    label: str
    name: str
    question: Question
    values: npt.NDArray[np.float64]
    held_out: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Source:
    """Scores of one model, or one control, for all rows.

    Parameters
    ----------
    label : str
    scores : tuple of Score
    columns : dict of str to numpy.ndarray of float64, shape (n,)
        By name of the score; NaN where there is none.
    status : list of str, length n
        ``ok``, or why there is no score.
    status_column : str
        The name of the statuses in tables.
    declaration : Declaration, optional
        None for controls.
    """

    label: str
    scores: tuple[Score, ...]
    columns: dict[str, npt.NDArray[np.float64]]
    status: list[str]
    status_column: str
    declaration: Declaration | None = None

    def column(self, name: str) -> str:
        """Name of a score in tables."""
        return f"{self.label}.{name}"


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """What an evaluation found; the report is made of it.

    Parameters
    ----------
    measurements : Measurements
    elements : list of Element
        On the contigs of the genome that was read, or of their own sequences.
    sources : list of Source
    by_element, summary : pandas.DataFrame
        From :func:`mifm_kipoi.evaluation.mpra.correlations.correlate` and ``summarise``.
    unknown : numpy.ndarray of float64, optional
        Share of N in the window of each base, where only elements themselves were read.
    made_by : dict of plain JSON types
        Version, inputs and their checksums, options, declarations of models.
    """

    measurements: Measurements
    elements: list[Element]
    sources: list[Source]
    by_element: pd.DataFrame
    summary: pd.DataFrame
    unknown: npt.NDArray[np.float64] | None
    made_by: dict[str, Any]
