"""Odds ratios of labels among variants with high scores, with intervals by a jackknife over blocks.

**The point estimate.** A selection is compared with the rest. Compared with all variants, itself included, it
is counted twice: of a constant odds ratio of 1.15, 1.01 is seen at the quantile 0.1 and 1.13 at 0.9, which
looks like a dose-response and is none. That form is kept beside the other.

**The error.** Variants of a locus share states, and scores may be alike there: Fisher's test takes them for
independent, and rejects too often. A block is left out at a time instead.

**The number of tests.** States, groups and quantiles depend on each other; their p-values are corrected by
the largest statistic of the family when all labels are turned around the genome together
(:func:`mifm_kipoi.statistics.shifts.rotated_sums`), which does not rest on the tails of the jackknife.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.enrichment import covariates as covariates_of
from mifm_kipoi.evaluation.enrichment.annotations import Annotated, Label
from mifm_kipoi.statistics.contingency import Counts, fisher_p, independent_interval
from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.jackknife import Jackknifed, effective_blocks, jackknife, left_out
from mifm_kipoi.statistics.regression import logistic, slopes_of_bins
from mifm_kipoi.statistics.shifts import family_statistics, largest_p, rotated_sums, shifted_overlaps
from mifm_kipoi.support.packages import needed

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

QUANTILES = tuple(round(0.1 * step, 1) for step in range(1, 10))
"""Of the scores, above which variants are selected, by default; as published."""

_TREND_QUANTILES = np.arange(1, 100) / 100
"""Bins of the scores for the trend."""

ENRICHMENT: Mapping[str, str] = {
    "score": "column of the scores",
    "annotation": "name of the annotation",
    "label": "state, group of states, or annotation without states",
    "kind": "state, group or region",
    "within": "label that all variants of the row have; empty for all variants",
    "quantile": "of the scores, above which variants are selected",
    "threshold": "the score there, as in the table of scores",
    "variants": "of the universe",
    "selected": "those with a higher score; a lower one where lower is better",
    "selected_inside": "those of them with the label",
    "expected_inside": "how many of them would have it if the score knew nothing of the label",
    "inside": "all variants with the label",
    "odds_ratio": "of the label, selected variants against the rest",
    "low": "end of its 95 % interval by the block jackknife",
    "high": "the other end",
    "standard_error": "of its natural logarithm",
    "p_value": "two-sided, by the block jackknife",
    "p_value_family": "corrected for all labels and quantiles of the family (max-T)",
    "effective_blocks": "blocks of equal weight that the label has",
    "independent_low": "end of the 95 % interval for independent variants (Woolf)",
    "independent_high": "the other end",
    "fisher_p": "Fisher's exact test, for independent variants",
    "odds_ratio_all": "selected variants against all, the published form",
    "fisher_p_all": "Fisher's exact test of that table, the published form",
    "shift_p": "two-sided, by circular shifts within blocks",
    "shift_p_family": "the same, corrected for all labels and quantiles of the family (max-T)",
    "matched_odds_ratio": "against the rest with the covariates of the selected variants",
    "matched_low": "end of its 95 % interval by the block jackknife",
    "matched_high": "the other end",
    "matched_p": "two-sided, by the block jackknife",
    "matched_fraction": "of the selected variants, those for which the rest has alike ones",
    "adjusted_odds_ratio": "given the covariates, by logistic regression",
    "adjusted_low": "end of its 95 % interval, cluster-robust by block",
    "adjusted_high": "the other end",
    "adjusted_p": "two-sided, cluster-robust by block",
}
"""Columns of ``enrichment.tsv``."""

TREND: Mapping[str, str] = {
    **{
        name: ENRICHMENT[name]
        for name in ("score", "annotation", "label", "kind", "within", "variants", "inside")
    },
    "odds_ratio": "of the label for each standard deviation of the score, made normal by its ranks",
    "low": "end of its 95 % interval by the block jackknife",
    "high": "the other end",
    "standard_error": "of its natural logarithm",
    "p_value": "two-sided, by the block jackknife: the test of trend",
    "p_value_family": "corrected for all labels of the family (max-T)",
    "effective_blocks": ENRICHMENT["effective_blocks"],
    "adjusted_odds_ratio": ENRICHMENT["adjusted_odds_ratio"],
    "adjusted_low": ENRICHMENT["adjusted_low"],
    "adjusted_high": ENRICHMENT["adjusted_high"],
    "adjusted_p": ENRICHMENT["adjusted_p"],
}
"""Columns of ``trends.tsv``."""


@dataclasses.dataclass(frozen=True)
class Subset:
    """Labels measured among the variants that have another label.

    Parameters
    ----------
    within : Label
        What all variants have.
    labels : tuple of Label
        What is measured.
    """

    within: Label
    labels: tuple[Label, ...]


@dataclasses.dataclass(frozen=True)
class Options:
    """How enrichment is measured.

    Parameters
    ----------
    quantiles : tuple of float
        Of the scores.
    shifts : int
        Circular shifts within blocks; 0 for none.
    seed : int
        Of shifts and rotations.
    """

    quantiles: tuple[float, ...] = QUANTILES
    shifts: int = 0
    seed: int = 1


@dataclasses.dataclass(frozen=True)
class Measured:
    """All that was measured.

    Parameters
    ----------
    enrichment : pandas.DataFrame
        Columns of :data:`ENRICHMENT`.
    trends : pandas.DataFrame
        Columns of :data:`TREND`.
    blocks : int
        Blocks that hold variants.
    """

    enrichment: pd.DataFrame
    trends: pd.DataFrame
    blocks: int


def measure(
    scores: Mapping[str, Values],
    annotated: Sequence[Annotated],
    block: Rows,
    covariates: Mapping[str, Values] | None = None,
    subsets: Sequence[Subset] = (),
    options: Options | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Measured:
    """Measure how often labels occur among variants with high scores.

    Parameters
    ----------
    scores : mapping of str to numpy.ndarray of float64, shape (n,)
        Of variants in the order of the genome; without NaN. Higher is selected.
    annotated : sequence of Annotated
        Labels of the same variants.
    block : numpy.ndarray of int64, shape (n,)
        Of each variant, from 0 on.
    covariates : mapping of str to numpy.ndarray of float64, shape (n,), optional
        For matched and adjusted odds ratios; variants with a NaN are left out of these.
    subsets : sequence of Subset
        Labels among the variants with another one; the thresholds are those of all variants.
    options : Options, optional
        By default all defaults.
    on_progress : callable, optional
        Gets a line of text after each score.

    Raises
    ------
    InputError
        When a score has no variant above any quantile, as one that is the same for all.
    """
    options = options or Options()
    flags = {
        label: (row, one) for one in annotated for label, row in zip(one.labels, one.inside, strict=True)
    }
    enrichment: list[dict[str, Any]] = []
    trends: list[dict[str, Any]] = []
    for name, score in scores.items():
        thresholds = thresholds_of(name, score, options.quantiles)
        families: list[tuple[Label | None, Iterable[Label]]] = [(None, flags)]
        families += [(subset.within, subset.labels) for subset in subsets]
        for within, labels in families:
            family = _Family(name, within, options)
            for rows, own in _universes(labels, within, flags):
                universe = _Universe(score, thresholds, block, rows, covariates or {}, options)
                family.add(universe, {label: flags[label][0] for label in own})
            enrichment += family.enrichment
            trends += family.trends
            family.correct()
        if on_progress is not None:
            on_progress(f"{name}: {len(flags)} labels at {len(thresholds)} quantiles")
    return Measured(
        pd.DataFrame(enrichment, columns=list(ENRICHMENT)),
        pd.DataFrame(trends, columns=list(TREND)),
        int(np.unique(block).size),
    )


def _universes(
    labels: Iterable[Label], within: Label | None, flags: Mapping[Label, tuple[Flags, Annotated]]
) -> Iterator[tuple[Flags, list[Label]]]:
    """Variants in which labels are evaluated, and the labels; an annotation at a time."""
    of_annotation: dict[str, list[Label]] = {}
    for label in labels:
        of_annotation.setdefault(label.annotation, []).append(label)
    for own in of_annotation.values():
        rows = flags[own[0]][1].known
        if within is not None:
            rows = rows & flags[within][0] & flags[within][1].known
        yield rows, own


def thresholds_of(name: str, score: Values, quantiles: Sequence[float]) -> dict[float, float]:
    """Thresholds of quantiles; of several that select the same variants, as with many ties, the last.

    Raises
    ------
    InputError
        When no variant has a higher score than any of them.
    """
    of_threshold: dict[float, float] = {}
    for quantile in sorted(quantiles):
        threshold = float(np.quantile(score, quantile, method="inverted_cdf"))
        if (score > threshold).any():
            of_threshold[threshold] = quantile
    if not of_threshold:
        highest = int((score == score.max()).sum())
        raise InputError(
            f"no variant lies above a quantile of {name}: {highest:,} of {score.size:,} variants have its "
            f"best value, and the lowest quantile is {min(quantiles):g}; expected a column whose best values "
            "few variants have, or a lower quantile (--quantiles)"
        )
    return {quantile: threshold for threshold, quantile in of_threshold.items()}


class _Universe:
    """Variants in which some labels are evaluated, with their scores in bins."""

    def __init__(
        self,
        score: Values,
        thresholds: Mapping[float, float],
        block: Rows,
        rows: Flags,
        covariates: Mapping[str, Values],
        options: Options,
    ) -> None:
        self.index = np.flatnonzero(rows)
        self.score = score[self.index]
        self.thresholds, self.options = thresholds, options
        self.names, number = np.unique(block[self.index], return_inverse=True)
        self.block: Rows = number.astype(np.int64)
        some = self.score if self.index.size else np.zeros(1)
        fine = np.quantile(some, _TREND_QUANTILES, method="inverted_cdf")
        edges = np.unique(np.concatenate([fine, list(thresholds.values())]))
        # Variants with a score above the threshold of an edge have the bins after it.
        self.bins = edges.size + 1
        self.first = {
            quantile: int(np.searchsorted(edges, threshold)) + 1 for quantile, threshold in thresholds.items()
        }
        self.key = self.block * self.bins + np.searchsorted(edges, self.score, side="left")
        self.totals = self.counted(np.ones(self.index.size, dtype=bool))
        self.covariates = {name: values[self.index] for name, values in covariates.items()}

    def counted(self, flags: Flags) -> Values:
        """Variants with a flag in each block and bin, shape (blocks, bins)."""
        counts = np.bincount(self.key[flags], minlength=self.names.size * self.bins)
        return counts.reshape(self.names.size, self.bins).astype(np.float64)

    def normal_scores(self) -> Values:
        """Normal scores of the middle ranks of the bins, shape (bins,)."""
        normal = needed("scipy.stats", "evaluation").norm
        sizes = self.totals.sum(axis=0)
        middle = (np.cumsum(sizes) - sizes / 2) / max(sizes.sum(), 1)
        values: Values = normal.ppf(np.clip(middle, 1e-12, 1 - 1e-12))
        return values


class _Family:
    """Tests of one score that are corrected together."""

    def __init__(self, score: str, within: Label | None, options: Options) -> None:
        self._score, self._within, self._options = score, within, options
        self.enrichment: list[dict[str, Any]] = []
        self.trends: list[dict[str, Any]] = []
        # Statistics of tests, and the largest under each draw, of each universe.
        self._rotated: list[tuple[Values, npt.NDArray[np.float32]]] = []
        self._rotated_trends: list[tuple[Values, npt.NDArray[np.float32]]] = []
        self._shifted: list[tuple[Values, npt.NDArray[np.float32]]] = []

    def add(self, universe: _Universe, labels: Mapping[Label, Flags]) -> None:
        """Measure labels in a universe."""
        if not universe.index.size:
            return
        own = {label: inside[universe.index] for label, inside in labels.items()}
        normal_scores = universe.normal_scores()
        matched = _Matched(universe) if universe.covariates else None
        adjusted = _Adjusted(universe, normal_scores) if universe.covariates else None
        start = len(self.enrichment)
        for label, inside in own.items():
            names = {
                "score": self._score, "annotation": label.annotation, "label": label.name, "kind": label.kind,
                "within": self._within.name if self._within else "", "variants": universe.index.size,
                "inside": int(inside.sum()),
            }  # fmt: skip
            hits = universe.counted(inside)
            rows, found = _odds_ratios(universe, hits)
            if matched is not None:
                rows = [row | more for row, more in zip(rows, matched.of(inside), strict=True)]
            if adjusted is not None:
                rows = [
                    row | more for row, more in zip(rows, adjusted.of(inside, found.freedom), strict=True)
                ]
            self.enrichment += [names | row for row in rows]
            trend, found = _trend(universe, hits, normal_scores)
            if adjusted is not None:
                trend |= adjusted.trend(inside, found.freedom)
            self.trends.append(names | trend)
        self._rotate(universe, normal_scores, np.stack(list(own.values())), start)
        if self._options.shifts:
            self._shift(universe, np.stack(list(own.values())), self.enrichment[start:])

    def _shift(self, universe: _Universe, flags: Flags, rows: list[dict[str, Any]]) -> None:
        """P-values by circular shifts.

        Universes of the same variants have the same shifts, so that the dependence of their labels stays.
        """
        selected = np.stack([universe.score > threshold for threshold in universe.thresholds.values()])
        shifted = shifted_overlaps(selected, flags, universe.block, self._options.shifts, self._options.seed)
        self._shifted.append((shifted.statistic.T.ravel(), shifted.largest))
        for row, p_value in zip(rows, shifted.p_value.T.ravel(), strict=True):
            row["shift_p"] = p_value

    def _rotate(self, universe: _Universe, normal_scores: Values, flags: Flags, first: int) -> None:
        """Statistics of the tests of a universe, and the largest of them under each rotation."""
        selected = [universe.score > threshold for threshold in universe.thresholds.values()]
        ranks = normal_scores[universe.key % universe.bins]
        sums = rotated_sums(np.array([*selected, ranks], np.float32), flags, seed=self._options.seed)
        # Counts of rare labels are skewed; the angle of their fraction is nearly normal.
        inside = flags.sum(axis=1)[:, np.newaxis]
        fraction = (np.rint(sums[:-1]).clip(0, inside) + 0.375) / (inside + 0.75)
        tests = len(flags)
        for rows, statistics, found in (
            (self.enrichment[first:], family_statistics(np.arcsin(np.sqrt(fraction))), self._rotated),
            (self.trends[-tests:], family_statistics(sums[-1:]), self._rotated_trends),
        ):
            own = statistics.swapaxes(0, 1).reshape(len(rows), -1)
            own[~np.isfinite([row["p_value"] for row in rows])] = np.nan
            largest = np.nan_to_num(own[:, 1:], nan=-np.inf).max(axis=0)
            found.append((own[:, 0].astype(np.float64), largest))

    def correct(self) -> None:
        """Put the p-values of the family into the rows."""
        for name, rows, found in (
            ("p_value_family", self.enrichment, self._rotated),
            ("p_value_family", self.trends, self._rotated_trends),
            ("shift_p_family", self.enrichment, self._shifted),
        ):
            if found:
                statistics, largest = zip(*found, strict=True)
                corrected = largest_p(np.concatenate(statistics), np.max(largest, axis=0))
                for row, p_value in zip(rows, corrected, strict=True):
                    row[name] = max(p_value, row["p_value"]) if name == "p_value_family" else p_value


def _odds_ratios(universe: _Universe, hits: Values) -> tuple[list[dict[str, Any]], Jackknifed]:
    """Of one label at every quantile: rows of the table, and what the jackknife says, shape (quantiles,)."""
    quantiles = list(universe.thresholds)
    above = np.stack([hits[:, universe.first[each] :].sum(axis=1) for each in quantiles])
    selected = np.stack([universe.totals[:, universe.first[each] :].sum(axis=1) for each in quantiles])
    inside, total = hits.sum(axis=1), universe.totals.sum(axis=1)
    counts = Counts(above.sum(axis=1), selected.sum(axis=1), inside.sum(), total.sum())
    found = _jackknifed(above, selected, inside, total)
    effective = _effective(inside, total)
    a, b, c, d = counts.cells
    low, high = independent_interval(a, b, c, d)
    of_all = counts.total - counts.inside
    fisher = fisher_p(a, b, c, d)
    fisher_all = fisher_p(a, b, np.broadcast_to(counts.inside, a.shape), np.broadcast_to(of_all, a.shape))
    ratio_all = counts.log_odds_ratio_all
    rows = []
    for number, quantile in enumerate(quantiles):
        rows.append(
            {
                "quantile": quantile,
                "threshold": universe.thresholds[quantile],
                "selected": int(counts.selected[number]),
                "selected_inside": int(counts.selected_inside[number]),
                "expected_inside": float(counts.selected[number] * counts.inside / max(counts.total, 1)),
                **_row(found, number, ""),
                "standard_error": found.standard_error[number],
                "effective_blocks": float(effective),
                "independent_low": np.exp(low[number]),
                "independent_high": np.exp(high[number]),
                "fisher_p": fisher[number],
                "odds_ratio_all": _exponential(ratio_all[number]),
                "fisher_p_all": fisher_all[number],
            }
        )
    return rows, found


def _jackknifed(above: Values, selected: Values, inside: Values, total: Values) -> Jackknifed:
    """Log odds ratios of tables whose sums over the rows of each block are given, shapes (..., blocks)."""
    whole = Counts(*(sums.sum(axis=-1) for sums in (above, selected, inside, total)))
    without = Counts(*(left_out(sums) for sums in (above, selected, inside, total)))
    return jackknife(
        np.broadcast_to(whole.log_odds_ratio, above.shape[:-1]),
        without.log_odds_ratio,
        _effective(inside, total),
    )


def _effective(inside: Values, total: Values) -> Values:
    """Effective blocks of a label: by what each adds to the variance if scores know nothing of it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = inside.sum(axis=-1, keepdims=True) / total.sum(axis=-1, keepdims=True)
    return effective_blocks(np.nan_to_num(inside * (1 - fraction) ** 2 + (total - inside) * fraction**2))


def _row(found: Jackknifed, number: int, before: str) -> dict[str, float]:
    return {
        f"{before}odds_ratio": _exponential(found.value[number]),
        f"{before}low": np.exp(found.low[number]),
        f"{before}high": np.exp(found.high[number]),
        f"{before}p" if before else "p_value": found.p_value[number],
    }


def _exponential(value: float) -> float:
    """From the logarithm, which may be infinite."""
    return float(np.exp(value))


def _trend(universe: _Universe, hits: Values, normal_scores: Values) -> tuple[dict[str, Any], Jackknifed]:
    """Of one label: the slope of its log odds over the normal scores of the ranks."""
    inside, totals = hits.sum(axis=0), universe.totals.sum(axis=0)
    used = totals > 0
    x = normal_scores[used]
    value = slopes_of_bins(x, inside[used], totals[used])
    without = slopes_of_bins(x, (inside - hits)[:, used], (totals - universe.totals)[:, used])
    effective = _effective(hits.sum(axis=1), universe.totals.sum(axis=1))
    found = jackknife(value, without, effective)
    row = {
        "odds_ratio": float(np.exp(found.value)), "low": float(np.exp(found.low)),
        "high": float(np.exp(found.high)), "standard_error": float(found.standard_error),
        "p_value": float(found.p_value), "effective_blocks": float(effective),
    }  # fmt: skip
    return row, found


class _Matched:
    """The rest weighted so that its covariates are those of the selected variants.

    Variants are alike that are in the same stratum (:func:`~.covariates.strata`). The rest of a stratum
    weighs as much as its selected variants; selected variants of a stratum without a rest are left out.
    """

    def __init__(self, universe: _Universe) -> None:
        self._universe = universe
        stratum = covariates_of.strata(universe.covariates)
        self._weights = []
        self._fractions = []
        known = stratum >= 0
        names, number = np.unique(stratum[known], return_inverse=True)
        for threshold in universe.thresholds.values():
            selected = universe.score > threshold
            own = selected[known]
            of_selected = np.bincount(number[own], minlength=names.size)
            of_rest = np.bincount(number[~own], minlength=names.size)
            both = (of_selected > 0) & (of_rest > 0)
            ratio = np.where(both, of_selected / np.maximum(of_rest, 1), 0.0)
            weight = np.zeros(universe.index.size)
            weight[known] = np.where(own, both[number], ratio[number])
            self._weights.append((selected, weight))
            self._fractions.append(float(of_selected[both].sum() / max(int(selected.sum()), 1)))

    def of(self, inside: Flags) -> list[dict[str, float]]:
        """The matched odds ratios of a label at every quantile."""
        universe, rows = self._universe, []
        blocks = universe.names.size
        for (selected, weight), fraction in zip(self._weights, self._fractions, strict=True):
            every = np.ones(inside.size, dtype=bool)
            sums: list[Values] = [
                np.bincount(universe.block[some], weight[some], blocks).astype(np.float64)[np.newaxis]
                for some in (selected & inside, selected, inside, every)
            ]
            found = _jackknifed(*sums)
            rows.append(_row(found, 0, "matched_") | {"matched_fraction": fraction})
        return rows


class _Adjusted:
    """Odds ratios given the covariates and their squares, by logistic regression."""

    def __init__(self, universe: _Universe, normal_scores: Values) -> None:
        known = ~np.isnan(np.array(list(universe.covariates.values()))).any(axis=0)
        self._rows = np.flatnonzero(known)
        own = {name: values[self._rows] for name, values in universe.covariates.items()}
        columns = covariates_of.design(own)
        ones = np.ones((self._rows.size, 1))
        self._design = np.hstack([ones, ones, columns])
        _, self._block = np.unique(universe.block[self._rows], return_inverse=True)
        self._selected = [universe.score[self._rows] > each for each in universe.thresholds.values()]
        self._normal = normal_scores[universe.key[self._rows] % universe.bins]

    def of(self, inside: Flags, freedom: Values) -> list[dict[str, float]]:
        """Of a label at every quantile."""
        start, rows = None, []
        for selected, own in zip(self._selected, freedom, strict=True):
            row, start = self._fitted(selected, inside, float(own), start)
            rows.append(row)
        return rows

    def trend(self, inside: Flags, freedom: Values) -> dict[str, float]:
        """Of a label, for each standard deviation of the score."""
        return self._fitted(self._normal, inside, float(freedom), None)[0]

    def _fitted(
        self, column: npt.NDArray[Any], inside: Flags, freedom: float, start: Values | None
    ) -> tuple[dict[str, float], Values]:
        student = needed("scipy.stats", "evaluation").t
        self._design[:, 1] = column
        fit = logistic(self._design, inside[self._rows], self._block, start)
        value, error = float(fit.coefficients[1]), float(fit.standard_errors[1])
        half = float(student.ppf(0.975, freedom)) * error
        p_value = float(2 * student.sf(abs(value) / error, freedom)) if error > 0 else float("nan")
        row = {
            "adjusted_odds_ratio": float(np.exp(value)), "adjusted_low": float(np.exp(value - half)),
            "adjusted_high": float(np.exp(value + half)), "adjusted_p": p_value,
        }  # fmt: skip
        return row, fit.coefficients
