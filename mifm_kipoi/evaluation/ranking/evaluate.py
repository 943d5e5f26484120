"""Scores of labelled variants measured, on the same rows and with the same resamples for all scores."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.evaluation.ranking.records import (
    ALL,
    COMMON,
    HELD_OUT,
    OTHERS,
    OWN,
    Count,
    Difference,
    Evaluation,
    Measure,
)
from mifm_kipoi.statistics.bootstrap import (
    RESAMPLES,
    Clusters,
    Estimate,
    centred,
    estimate,
    resampled_within_classes,
    standard_error,
    two_sided_p,
)
from mifm_kipoi.statistics.ranking import Curve, GroupedPrecision, expected_average_precision, top_k

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

STRETCH = 1_000_000
"""Bases of the stretches that are resampled where there are neither blocks nor matched groups."""

CLASS_RESAMPLES = 200
"""Resamples of single rows, of which standard errors are known to 5 %; TraitGym has 100."""

AREAS = ("auprc", "auroc", "auprc_by_chromosome")
"""Metrics of all rows."""

TOPS = {"block": "top_1_block", "group": "top_1_group"}
"""Metrics of the rows of a block or matched group, by the column of the labels."""

PAIRED = ("auprc", "auroc", *TOPS.values())
"""Metrics in which scores are compared in pairs: those of which resamples have little bias, or none."""


def evaluate(
    labels: pd.DataFrame,
    scores: pd.DataFrame,
    held_out: Sequence[str] = (),
    seed: int = 1,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Measure scores against labels.

    Parameters
    ----------
    labels : pandas.DataFrame
        :attr:`mifm_kipoi.evaluation.ranking.labels.Labels.table`.
    scores : pandas.DataFrame
        Of the same variants; a column for each score, higher is more likely positive, NaN where there is
        none.
    held_out : sequence of str
        Chromosomes that are looked at apart; without any there is the stratum of all alone.
    seed, resamples : int
        Of the bootstrap.
    """
    cluster, resampled = clusters_of(labels)
    test = _Test(labels, scores, cluster, seed, resamples)
    measures: list[Measure] = []
    differences: list[Difference] = []
    counts: list[Count] = []
    curves: dict[tuple[str, str], Curve] = {}
    for stratum, inside in _strata(labels, held_out).items():
        has = scores.notna().to_numpy() & inside[:, None]
        own = {str(name): np.flatnonzero(one) for name, one in zip(scores.columns, has.T, strict=True)}
        common = np.flatnonzero(has.all(axis=1))
        counts += [test.count(stratum, inside, name, rows) for name, rows in (*own.items(), (None, common))]
        compared = test.measure(common, list(own))
        measures += compared.measures(stratum, COMMON)
        differences += compared.differences(stratum)
        curves |= {(stratum, name): curve for name, curve in compared.curves.items()}
        for name, rows in own.items():
            same = rows.size == common.size
            apart = compared.only(name) if same else test.measure(rows, [name])
            measures += apart.measures(stratum, OWN)
    return Evaluation(
        tuple(measures), tuple(differences), tuple(counts), curves, resampled, int(np.unique(cluster).size),
        int(labels["chrom"].nunique()),
    )  # fmt: skip


def clusters_of(labels: pd.DataFrame) -> tuple[Rows, str]:
    """What is resampled as a whole: the cluster of each row, and what the clusters are, in words.

    Blocks, where the labels have some, else matched groups, else stretches of :data:`STRETCH` bases; so are
    rows without a block or group. A block ends with its chromosome, whatever its name.
    """
    stretch = labels["chrom"] + ":" + (labels["pos"] // STRETCH).astype(str)
    words = {"block": "blocks", "group": "matched groups"}
    column = next((name for name in words if name in labels), None)
    if column is None:
        return pd.factorize(stretch)[0].astype(np.int64), "stretches of 1 Mb"
    name = _group_names(labels, column)
    return pd.factorize(name.where(name.notna(), "/" + stretch))[0].astype(np.int64), words[column]


def _group_names(labels: pd.DataFrame, column: str) -> pd.Series:
    """Names of blocks or groups, missing where a row is in none."""
    return labels["chrom"] + " " + labels[column] if column == "block" else labels[column]


def _strata(labels: pd.DataFrame, held_out: Sequence[str]) -> dict[str, Flags]:
    found = {ALL: np.ones(len(labels), dtype=bool)}
    if held_out:
        inside = labels["chrom"].isin(list(held_out)).to_numpy()
        found |= {HELD_OUT: inside, OTHERS: ~inside}
    return found


@dataclasses.dataclass(frozen=True)
class _Metric:
    """One number of one score: as it is, and under the resamples."""

    value: float
    resampled: Values
    chance: float
    units: int
    standard_error: float = float("nan")
    standard_error_chromosomes: float = float("nan")


@dataclasses.dataclass(frozen=True)
class _Measured:
    """The metrics of scores on the same rows, by score and metric; none where a class is missing."""

    metrics: dict[tuple[str, str], _Metric]
    curves: dict[str, Curve]
    variants: int
    positives: int

    def only(self, score: str) -> _Measured:
        own = {key: metric for key, metric in self.metrics.items() if key[0] == score}
        return dataclasses.replace(self, metrics=own)

    def measures(self, stratum: str, rows: str) -> list[Measure]:
        return [
            Measure(
                stratum, rows, score, metric, **vars(_estimate(metric, one)), chance=one.chance,
                standard_error=one.standard_error, standard_error_chromosomes=one.standard_error_chromosomes,
                variants=self.variants, positives=self.positives, units=one.units,
            )
            for (score, metric), one in self.metrics.items()
        ]  # fmt: skip

    def differences(self, stratum: str) -> list[Difference]:
        """Of each pair of scores, under the same resamples for both."""
        found = []
        for first, second in itertools.combinations(self.curves, 2):
            for metric in PAIRED:
                if (first, metric) not in self.metrics:
                    continue
                one, other = self.metrics[first, metric], self.metrics[second, metric]
                drawn = one.resampled - other.resampled
                spread = estimate(one.value - other.value, drawn)
                found.append(
                    Difference(
                        stratum, first, second, metric, one.value, other.value, spread.value, spread.low,
                        spread.high, two_sided_p(drawn), self.variants, one.units,
                    )
                )  # fmt: skip
        return found


class _Test:
    """Labelled variants and their scores, measured on any of their rows."""

    def __init__(
        self, labels: pd.DataFrame, scores: pd.DataFrame, cluster: Rows, seed: int, resamples: int
    ) -> None:
        self.positive = labels["positive"].to_numpy(bool)
        self._scores = {str(name): scores[name].to_numpy(np.float64) for name in scores.columns}
        self._chromosome = pd.factorize(labels["chrom"])[0].astype(np.int64)
        self._cluster = cluster
        # -1 where a row is in no block or group.
        self._groups = {
            metric: pd.factorize(_group_names(labels, column))[0].astype(np.int64)
            for column, metric in TOPS.items()
            if column in labels
        }
        self._seed, self._resamples = seed, resamples

    def count(self, stratum: str, inside: Flags, score: str | None, rows: Rows) -> Count:
        """How many variants of a stratum have a score."""
        labelled, positives = int(inside.sum()), int(self.positive[inside].sum())
        return Count(stratum, score, labelled, positives, rows.size, int(self.positive[rows].sum()))

    def measure(self, rows: Rows, names: Sequence[str]) -> _Measured:
        """All metrics of some scores, which have these rows."""
        positive = self.positive[rows]
        positives = int(positive.sum())
        if positives in (0, rows.size):
            return _Measured({}, {}, rows.size, positives)
        clusters = Clusters(self._cluster[rows], self._seed, self._resamples)
        found: dict[tuple[str, str], _Metric] = {}
        curves = {name: Curve(self._scores[name][rows], positive) for name in names}
        found |= self._areas(rows, curves, clusters)
        for metric, group in self._groups.items():
            for name in names:
                found |= self._top(rows, name, metric, group[rows], clusters)
        return _Measured(found, curves, rows.size, positives)

    def _areas(
        self, rows: Rows, curves: dict[str, Curve], clusters: Clusters
    ) -> dict[tuple[str, str], _Metric]:
        positive, chromosome = self.positive[rows], self._chromosome[rows]
        grouped = {name: GroupedPrecision(self._scores[name][rows], positive, chromosome) for name in curves}

        def statistic(weights: Values) -> Values:
            numbers = [(*curves[name].areas(weights), grouped[name].mean(weights)) for name in curves]
            return np.stack([one for each in numbers for one in each])

        values = statistic(np.ones((rows.size, 1)))[:, 0]
        resampled = _known(clusters.resampled(statistic), clusters.names.size)
        within = resampled_within_classes(positive, statistic, self._seed, CLASS_RESAMPLES)
        by_chromosome = next(iter(grouped.values()))
        chance = float(expected_average_precision(positive.sum(), positive.size))
        chances = (chance, 0.5, by_chromosome.expected())
        units = (clusters.names.size, clusters.names.size, by_chromosome.sizes.size)
        found = {}
        for number, (name, (place, metric)) in enumerate(itertools.product(curves, enumerate(AREAS))):
            value = float(values[number])
            found[name, metric] = _Metric(
                value, resampled[number], chances[place], units[place],
                standard_error(within[number]),
                self._over_chromosomes(grouped[name]) if metric == "auprc_by_chromosome" else float("nan"),
            )  # fmt: skip
        return found

    def _over_chromosomes(self, grouped: GroupedPrecision) -> float:
        """Standard error when whole chromosomes are drawn, as TraitGym's own code has it."""
        if grouped.sizes.size < 2:
            return float("nan")
        drawn = Clusters(np.arange(grouped.sizes.size), self._seed, self._resamples).weights
        areas, _, sizes = grouped.each()
        return standard_error((drawn @ (areas * sizes)) / (drawn @ sizes))

    def _top(
        self, rows: Rows, name: str, metric: str, group: Rows, clusters: Clusters
    ) -> dict[tuple[str, str], _Metric]:
        """Top-1 accuracy in the groups in which both classes are; none where there is no such group."""
        positive = self.positive[rows]
        size = np.bincount(group[group >= 0], minlength=1)
        positives = np.bincount(group[(group >= 0) & positive], minlength=size.size)
        inside = np.flatnonzero((group >= 0) & ((positives > 0) & (positives < size))[group])
        if not inside.size:
            return {}
        hits = top_k(self._scores[name][rows][inside], group[inside], positive[inside], 1)
        # Each is drawn with the cluster of its first positive row, where its rows are in several.
        of_positive = inside[positive[inside]]
        numbers, first = np.unique(group[of_positive], return_index=True)
        assert (numbers == hits.index.to_numpy()).all()
        drawn_with = of_positive[first].astype(np.int64)
        values = np.asarray(hits, dtype=np.float64)
        chance = float((positives / np.maximum(size, 1))[numbers].mean())
        drawn = clusters.means(values, drawn_with)
        mean = float(values.mean())
        resampled = _known(drawn, np.unique(clusters.index[drawn_with]).size)
        return {(name, metric): _Metric(mean, resampled, chance, numbers.size)}


def _known(resampled: Values, clusters: int) -> Values:
    """Resamples, or NaN where there is a single cluster, from which nothing can be learnt of the spread."""
    return resampled if clusters > 1 else np.full_like(resampled, np.nan)


def _estimate(metric: str, one: _Metric) -> Estimate:
    """With its interval; metrics are shares."""
    biased = metric in ("auprc", "auprc_by_chromosome")
    found = estimate(one.value, centred(one.value, one.resampled) if biased else one.resampled)
    return Estimate(found.value, max(found.low, 0.0), min(found.high, 1.0))
