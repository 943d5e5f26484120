"""All tables of a comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from mifm_kipoi.comparison.agreement import correlations
from mifm_kipoi.comparison.comparison import Comparison
from mifm_kipoi.comparison.coverage import coverage, resources
from mifm_kipoi.comparison.overlap import overlaps
from mifm_kipoi.comparison.within_blocks import block_agreement
from mifm_kipoi.support.files import written_whole


@dataclasses.dataclass(frozen=True)
class Results:
    """What was measured.

    Parameters
    ----------
    comparison : Comparison
    coverage, resources : pandas.DataFrame
        :mod:`mifm_kipoi.comparison.coverage`.
    correlations : pandas.DataFrame
        :mod:`mifm_kipoi.comparison.agreement`.
    overlap : pandas.DataFrame
        :mod:`mifm_kipoi.comparison.overlap`.
    blocks : pandas.DataFrame
        :mod:`mifm_kipoi.comparison.within_blocks`.
    resamples : int
        Of the intervals.
    """

    comparison: Comparison
    coverage: pd.DataFrame
    correlations: pd.DataFrame
    overlap: pd.DataFrame
    blocks: pd.DataFrame
    resources: pd.DataFrame
    resamples: int

    def of_headlines(self, table: pd.DataFrame) -> pd.DataFrame:
        """The pairs of scores that stand for models, named by the models."""
        labels = {model.ranking[0]: model.label for model in self.comparison.models}
        rows = table[table["model_a"].isin(labels) & table["model_b"].isin(labels)]
        return rows.assign(model_a=rows["model_a"].map(labels), model_b=rows["model_b"].map(labels))


def measure(comparison: Comparison, resamples: int = 1000, seed: int = 1) -> Results:
    """All tables.

    Parameters
    ----------
    comparison : Comparison
    resamples, seed : int
        Of the intervals.
    """
    return Results(
        comparison,
        coverage(comparison),
        correlations(comparison, resamples, seed),
        overlaps(comparison),
        block_agreement(comparison, resamples, seed),
        resources(comparison),
        resamples,
    )


def write_tables(results: Results, folder: Path) -> Iterator[Path]:
    """Write each table as ``NAME.tsv``: ten digits, an empty field where there is no number.

    Yields
    ------
    Path
        Each file, when it is written.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    for name in ("coverage", "correlations", "overlap", "blocks", "resources"):
        path = folder / f"{name}.tsv"
        with written_whole(path) as temporary:
            getattr(results, name).to_csv(
                temporary, sep="\t", index=False, float_format="%.10g", lineterminator="\n"
            )
        yield path
