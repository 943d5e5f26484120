"""What a comparison holds: one table of all scores, and what is known of each model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import Declaration

VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt")
"""Columns of a joined table before those of the models."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One source of scores in a comparison.

    Parameters
    ----------
    label : str
        Begins the names of its columns.
    spec : str
        How it was asked for.
    declaration : Declaration
    seconds : float
        Time that it took, with reading weights and tables.
    peak_bytes : int
        The most memory that its process held at once; 0 where that is not known.
    device : str
        Where it computed: cpu, cuda.
    """

    label: str
    spec: str
    declaration: Declaration
    seconds: float
    peak_bytes: int
    device: str

    def column(self, name: str) -> str:
        """The name in the joined table of one of its columns: ``label.name``."""
        return f"{self.label}.{name}"

    @property
    def status(self) -> str:
        """The column that says why a variant has no score."""
        return self.column("status")

    @property
    def ranking(self) -> tuple[str, ...]:
        """The columns that rank variants, the one that stands for the model first."""
        return tuple(self.column(score.name) for score in self.declaration.scores if score.ranks)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All scores of the same variants.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each variant of the file, in its order: ``chrom, pos, id, ref, alt``, then for each model
        its scores (float64, NaN where there is none) as ``label.score`` and ``label.status``, which is ``ok``
        or the reason why there is no score.
    models : tuple of Model
        In the order in which they were asked for.
    block : numpy.ndarray of int64, shape (n,)
        Number of the row's block; -1 outside all blocks.
    block_names : tuple of str
        ``chrom:start-end`` of each block, 1-based with both ends inside.
    blocks_are : str
        What the blocks are, in words.
    made_by : dict of plain JSON types
        Version, inputs and their checksums, options.
    """

    table: pd.DataFrame
    models: tuple[Model, ...]
    block: npt.NDArray[np.int64]
    block_names: tuple[str, ...]
    blocks_are: str
    made_by: dict[str, Any]

    @property
    def ranking(self) -> tuple[str, ...]:
        """The columns of all models that rank variants."""
        return tuple(column for model in self.models for column in model.ranking)

    @property
    def primary_scores(self) -> tuple[str, ...]:
        """The column that stands for each model."""
        return tuple(model.ranking[0] for model in self.models)
