"""Records of a comparison: its models, one table of all scores, and what was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import Declaration
from mifm_kipoi.baselines.specs import MissingModel

Numbers = npt.NDArray[np.float64]

VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt")
"""Columns of a joined table before those of the models."""


def kind_of(plain: Mapping[str, Any]) -> str:
    """The kind of a model of ``comparison.json``; from before it was declared, as its spec has it."""
    return str(plain.get("kind", str(plain.get("spec", "")).partition("=")[2].partition(":")[0]))


@dataclasses.dataclass(frozen=True)
class Model:
    """One source of scores in a comparison.

    Parameters
    ----------
    label : str
        Begins the names of its columns.
    spec : str
        How it was asked for.
    kind : str
        What it is: a key of :data:`mifm_kipoi.baselines.specs.KINDS`.
    declaration : Declaration
        What it declares about itself.
    seconds : float
        Time that it took, with reading of weights and tables.
    peak_bytes : int
        Peak memory of its process; 0 where that is unknown.
    device : str
        Where it computed: ``cpu`` or ``cuda``.
    """

    label: str
    spec: str
    kind: str
    declaration: Declaration
    seconds: float
    peak_bytes: int
    device: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**dataclasses.asdict(self), "declaration": self.declaration.to_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read back what :meth:`to_dict` gave; files from before ``kind`` was declared have it in the spec.

        Raises
        ------
        LookupError, TypeError, ValueError
            When it is not a model.
        """
        return cls(
            **{**plain, "kind": kind_of(plain), "declaration": Declaration.from_dict(plain["declaration"])}
        )

    def column(self, name: str) -> str:
        """The name in the joined table of one of its columns: ``label.name``."""
        return f"{self.label}.{name}"

    @property
    def status(self) -> str:
        """The column that says why a variant has no score."""
        return self.column("status")

    @property
    def ranking(self) -> tuple[str, ...]:
        """The columns that rank variants, the primary score of the model first."""
        return tuple(map(self.column, self.declaration.ranking))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All scores of the same variants.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each variant of the file, in its order, those that it repeats once: ``chrom, pos, id, ref,
        alt``, then for each model
        its scores (float64, NaN where a variant has none) as ``label.score``, and ``label.status``, which is
        ``ok`` or the reason why there is no score.
    models : tuple of Model
        In the order in which they were asked for.
    block : numpy.ndarray of int64, shape (n,)
        Number of the row's block; -1 outside all blocks.
    block_names : tuple of str
        ``chrom:start-end`` of each block, 1-based with both ends inside.
    blocks_are : str
        What the blocks are, in words.
    provenance : dict of plain JSON types
        Version, inputs and their checksums, options.
    skipped : tuple of MissingModel
        Models that were asked for and could not be had.
    """

    table: pd.DataFrame
    models: tuple[Model, ...]
    block: npt.NDArray[np.int64]
    block_names: tuple[str, ...]
    blocks_are: str
    provenance: dict[str, Any]
    skipped: tuple[MissingModel, ...] = ()

    @property
    def ranking(self) -> tuple[str, ...]:
        """The columns of all models that rank variants."""
        return tuple(column for model in self.models for column in model.ranking)

    @property
    def primary_scores(self) -> tuple[str, ...]:
        """The column of each model's primary score."""
        return tuple(model.ranking[0] for model in self.models)


@dataclasses.dataclass(frozen=True)
class Results:
    """The tables of a comparison.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    coverage : pandas.DataFrame
        From :func:`mifm_kipoi.comparison.coverage.coverage`.
    correlations, overlap, blocks : pandas.DataFrame
        From ``correlations``, ``overlaps`` and ``block_agreement`` of
        :mod:`mifm_kipoi.comparison.agreement`.
    resources : pandas.DataFrame
        From :func:`mifm_kipoi.comparison.coverage.resources`.
    resamples : int
        How many the intervals are of.
    """

    comparison: Comparison
    coverage: pd.DataFrame
    correlations: pd.DataFrame
    overlap: pd.DataFrame
    blocks: pd.DataFrame
    resources: pd.DataFrame
    resamples: int

    def of_primary_scores(self, table: pd.DataFrame) -> pd.DataFrame:
        """The pairs of scores that stand for models, named by the models."""
        labels = {model.ranking[0]: model.label for model in self.comparison.models}
        rows = table[table["model_a"].isin(labels) & table["model_b"].isin(labels)]
        return rows.assign(model_a=rows["model_a"].map(labels), model_b=rows["model_b"].map(labels))
