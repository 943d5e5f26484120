"""Records of an evaluation of rankings: metrics, their differences, counts of variants."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from mifm_kipoi.statistics.ranking import Curve

METRICS = {
    "auprc": "AUPRC",
    "auroc": "AUROC",
    "auprc_by_chromosome": "AUPRC by chromosome",
    "top_1_block": "Top-1 in blocks",
    "top_1_group": "Top-1 in matched groups",
}
"""Metrics, and what reports call them."""

TOPS = {"block": "top_1_block", "group": "top_1_group"}
"""Metrics of the rows of a block or matched group, by the column of the labels."""

BLOCK_BP = 1_000_000
"""Length of the regions that are resampled where there are neither blocks nor matched groups."""

COMMON, OWN = "common", "own"
"""Rows that all scores have, and all rows that a score has."""

ALL, HELD_OUT, OTHERS = "all", "held out", "others"
STRATA = {ALL: "all chromosomes", HELD_OUT: "held-out chromosomes", OTHERS: "other chromosomes"}
"""Strata, and what reports call them."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """A metric of a score.

    Parameters
    ----------
    stratum : str
        One of :data:`STRATA`.
    rows : str
        :data:`COMMON` or :data:`OWN`.
    score : str
        Its column.
    metric : str
        One of :data:`METRICS`.
    value, low, high : float
        With its 95 % interval; NaN where there is none (:mod:`mifm_kipoi.statistics.estimates`).
    chance : float
        What a random order of the rows has on average.
    standard_error : float
        Under resamples of single rows within each class; NaN for top-1.
    standard_error_chromosomes : float
        Under resamples of whole chromosomes; of ``auprc_by_chromosome`` alone, else NaN.
    variants, positives : int
        Rows, and those that are positive.
    units : int
        Chromosomes, blocks or groups that the metric is a mean over, else clusters that were resampled.
    """

    stratum: str
    rows: str
    score: str
    metric: str
    value: float
    low: float
    high: float
    chance: float
    standard_error: float
    standard_error_chromosomes: float
    variants: int
    positives: int
    units: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """A metric of one score less that of another, on the rows that all scores have.

    Parameters
    ----------
    stratum : str
        One of :data:`STRATA`.
    first, second : str
        The scores.
    metric : str
        One of :data:`METRICS`.
    first_value, second_value : float
        Of either score.
    difference, low, high : float
        First less second, with its 95 % interval.
    p_value : float
        Two-sided, of the bootstrap (:func:`mifm_kipoi.statistics.estimates.two_sided_p`).
    variants, units : int
        See :class:`Measure`.
    """

    stratum: str
    first: str
    second: str
    metric: str
    first_value: float
    second_value: float
    difference: float
    low: float
    high: float
    p_value: float
    variants: int
    units: int


@dataclasses.dataclass(frozen=True)
class Count:
    """Labelled variants of a stratum that have a score.

    Parameters
    ----------
    stratum : str
        One of :data:`STRATA`.
    score : str, optional
        Its column; None counts variants that have all scores.
    labelled, positives : int
        Labelled variants, and positive ones.
    scored, scored_positives : int
        Those that have the score.
    """

    stratum: str
    score: str | None
    labelled: int
    positives: int
    scored: int
    scored_positives: int


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results of an evaluation of scores.

    Parameters
    ----------
    measures : tuple of Measure
        Of all strata whose rows hold both classes.
    differences : tuple of Difference
        Of all pairs of scores.
    counts : tuple of Count
        Of variants with scores.
    curves : mapping of (str, str) to Curve
        By stratum and score, on the rows that all scores have.
    resampled : str
        What was resampled, in words: blocks, matched groups, regions.
    clusters : int
        How many of them.
    chromosomes : int
        Of the labelled variants.
    """

    measures: tuple[Measure, ...]
    differences: tuple[Difference, ...]
    counts: tuple[Count, ...]
    curves: Mapping[tuple[str, str], Curve]
    resampled: str
    clusters: int
    chromosomes: int

    def of(self, rows: str, stratum: str | None = None) -> tuple[Measure, ...]:
        """The measures of a set of rows, and of a stratum."""
        return tuple(one for one in self.measures if one.rows == rows and stratum in (None, one.stratum))

    def count(self, score: str | None, stratum: str = ALL) -> Count:
        """How many variants have a score, or all scores where it is None."""
        return next(one for one in self.counts if (one.score, one.stratum) == (score, stratum))


def by_metric(measures: Iterable[Measure]) -> dict[str, list[Measure]]:
    """Measures of each metric that occurs, in the order of :data:`METRICS`."""
    listed = list(measures)
    groups = {metric: [one for one in listed if one.metric == metric] for metric in METRICS}
    return {metric: group for metric, group in groups.items() if group}


def strata_of(measures: Iterable[Measure]) -> list[str]:
    """The strata of measures, in the order of :data:`STRATA`."""
    present = {one.stratum for one in measures}
    return [stratum for stratum in STRATA if stratum in present]


def table(
    records: Sequence[Measure] | Sequence[Difference], kind: type[Measure | Difference]
) -> pd.DataFrame:
    """Records as a table; its columns are the fields of their kind."""
    return pd.DataFrame(
        [dataclasses.asdict(one) for one in records],
        columns=[field.name for field in dataclasses.fields(kind)],
    )
