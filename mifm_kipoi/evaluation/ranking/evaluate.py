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
    BLOCK_BP,
    COMMON,
    HELD_OUT,
    OTHERS,
    OWN,
    TOPS,
    Count,
    Difference,
    Evaluation,
    Measure,
)
from mifm_kipoi.statistics.bootstrap import RESAMPLES, Bootstrap, resampled_within_classes
from mifm_kipoi.statistics.estimates import Estimate, centred, estimate, standard_error, two_sided_p
from mifm_kipoi.statistics.ranking import Curve, GroupedPrecision, expected_average_precision, top_k

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

CLASS_RESAMPLES = 200
"""Resamples of single rows, of which standard errors are known to 5 %; TraitGym has 100."""

AREAS = ("auprc", "auroc", "auprc_by_chromosome")
"""Metrics of all rows."""

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
        Of the same variants; a column for each score, higher is more likely positive, NaN where a variant
        has no score.
    held_out : sequence of str
        Chromosomes that are strata of their own, held out and others; without any, all variants are the only
        stratum.
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

    Blocks, where the labels have some, else matched groups, else regions of :data:`BLOCK_BP`; the latter hold
    rows without a block or group too. A block ends with its chromosome, whatever its name.

    Parameters
    ----------
    labels : pandas.DataFrame
        With ``chrom``, ``pos`` and, where variants are in them, ``block`` or ``group``.
    """
    region = labels["chrom"] + ":" + (labels["pos"] // BLOCK_BP).astype(str)
    words = {"block": "blocks", "group": "matched groups"}
    column = next((name for name in words if name in labels), None)
    if column is None:
        return pd.factorize(region)[0].astype(np.int64), f"regions of {BLOCK_BP // 1_000_000} Mb"
    name = _group_names(labels, column)
    return pd.factorize(name.where(name.notna(), "/" + region))[0].astype(np.int64), words[column]


def _group_names(labels: pd.DataFrame, column: str) -> pd.Series:
    """Names of blocks or groups, missing where a row is in none."""
    return labels["chrom"] + " " + labels[column] if column == "block" else labels[column]


def _strata(labels: pd.DataFrame, held_out: Sequence[str]) -> dict[str, Flags]:
    strata = {ALL: np.ones(len(labels), dtype=bool)}
    if held_out:
        inside = labels["chrom"].isin(list(held_out)).to_numpy()
        strata |= {HELD_OUT: inside, OTHERS: ~inside}
    return strata


@dataclasses.dataclass(frozen=True)
class _Metric:
    """A metric of one score.

    Parameters
    ----------
    value : float
        Of all rows.
    resampled : numpy.ndarray of float64, shape (resamples,)
        Under each resample.
    clusters : int
        That were resampled.
    chance : float
        What a random order of the rows has on average.
    units : int
        As in :class:`mifm_kipoi.evaluation.ranking.records.Measure`.
    standard_error, standard_error_chromosomes : float
        As in :class:`mifm_kipoi.evaluation.ranking.records.Measure`.
    """

    value: float
    resampled: Values
    clusters: int
    chance: float
    units: int
    standard_error: float = float("nan")
    standard_error_chromosomes: float = float("nan")


@dataclasses.dataclass(frozen=True)
class _Measured:
    """The metrics of scores on the same rows, by score and metric; empty where a class is missing."""

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
        differences = []
        for first, second in itertools.combinations(self.curves, 2):
            for metric in PAIRED:
                if (first, metric) not in self.metrics:
                    continue
                one, other = self.metrics[first, metric], self.metrics[second, metric]
                drawn = one.resampled - other.resampled
                difference = estimate(one.value - other.value, drawn, one.clusters)
                differences.append(
                    Difference(
                        stratum, first, second, metric, one.value, other.value, difference.value,
                        difference.low, difference.high, two_sided_p(drawn, one.clusters), self.variants,
                        one.units,
                    )
                )  # fmt: skip
        return differences


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
        bootstrap = Bootstrap.of_clusters(self._cluster[rows], self._seed, self._resamples)
        curves = {name: Curve(self._scores[name][rows], positive) for name in names}
        metrics = self._areas(rows, curves, bootstrap)
        for metric, group in self._groups.items():
            for name in names:
                metrics |= self._top(rows, name, metric, group[rows], bootstrap)
        return _Measured(metrics, curves, rows.size, positives)

    def _areas(
        self, rows: Rows, curves: dict[str, Curve], bootstrap: Bootstrap
    ) -> dict[tuple[str, str], _Metric]:
        positive, chromosome = self.positive[rows], self._chromosome[rows]
        grouped = {name: GroupedPrecision(self._scores[name][rows], positive, chromosome) for name in curves}

        def statistic(weights: Values) -> Values:
            numbers = [(*curves[name].areas(weights), grouped[name].mean(weights)) for name in curves]
            return np.stack([one for each in numbers for one in each])

        values = statistic(np.ones((rows.size, 1)))[:, 0]
        resampled = bootstrap.resampled(statistic)
        within = resampled_within_classes(positive, statistic, self._seed, CLASS_RESAMPLES)
        by_chromosome = next(iter(grouped.values()))
        chance = float(expected_average_precision(positive.sum(), positive.size))
        chances = (chance, 0.5, by_chromosome.expected())
        units = (bootstrap.blocks, bootstrap.blocks, by_chromosome.sizes.size)
        metrics = {}
        for number, (name, (column, metric)) in enumerate(itertools.product(curves, enumerate(AREAS))):
            metrics[name, metric] = _Metric(
                float(values[number]), resampled[number], bootstrap.blocks, chances[column], units[column],
                standard_error(within[number]),
                self._over_chromosomes(grouped[name]) if metric == "auprc_by_chromosome" else float("nan"),
            )  # fmt: skip
        return metrics

    def _over_chromosomes(self, grouped: GroupedPrecision) -> float:
        """Standard error when whole chromosomes are drawn, as TraitGym's own code has it."""
        if grouped.sizes.size < 2:
            return float("nan")
        chromosomes = Bootstrap.of_clusters(np.arange(grouped.sizes.size), self._seed, self._resamples)
        areas, _, sizes = grouped.each()
        weighted, total = chromosomes.sums(np.stack([areas * sizes, sizes]))
        return standard_error(weighted / total)

    def _top(
        self, rows: Rows, name: str, metric: str, group: Rows, bootstrap: Bootstrap
    ) -> dict[tuple[str, str], _Metric]:
        """Top-1 accuracy in the groups that hold both classes; empty without such a group."""
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
        resampled = bootstrap.means(values, drawn_with)
        clusters = np.unique(bootstrap.index[drawn_with]).size
        return {(name, metric): _Metric(float(values.mean()), resampled, clusters, chance, numbers.size)}


def _estimate(metric: str, one: _Metric) -> Estimate:
    """With its interval; metrics lie between 0 and 1."""
    biased = metric in ("auprc", "auprc_by_chromosome")
    resampled = centred(one.value, one.resampled) if biased else one.resampled
    measured = estimate(one.value, resampled, one.clusters)
    return Estimate(measured.value, *np.clip([measured.low, measured.high], 0.0, 1.0).tolist())
