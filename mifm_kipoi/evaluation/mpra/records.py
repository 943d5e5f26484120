"""Records of an evaluation on saturation mutagenesis: scores, series and results."""

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
"""Groups of elements by whether they lie on chromosomes that the model held out."""


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
        Of the column, between bars for absolute values.
    question : Question
        Whether with the size or the direction of effects.
    values : numpy.ndarray of float64, shape (n,)
        NaN where a row has no score.
    held_out : frozenset of str
        Chromosomes (:func:`mifm_kipoi.genomics.contigs.contig_key`) on which no part of the model was
        fitted or chosen.
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
        Of the model, or :data:`CONTROL`.
    scores : tuple of Score
        As declared.
    columns : dict of str to numpy.ndarray of float64, shape (n,)
        By name of the score; NaN where a row has none.
    status : list of str, length n
        ``ok``, or why a row has no score.
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
    """Results of an evaluation, from which its report is written.

    Parameters
    ----------
    measurements : Measurements
        The table of measured effects.
    elements : list of Element
        On the contigs of the genome that was read, or of their own sequences.
    sources : list of Source
        Scores of models and controls.
    by_element, summary : pandas.DataFrame
        From :func:`mifm_kipoi.evaluation.mpra.correlations.correlate` and ``summarise``.
    unknown : numpy.ndarray of float64, optional
        Fraction of N in the window of each base, where only the elements themselves were read.
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
