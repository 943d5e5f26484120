"""How much scores add to covariates in one group of people, and whether one adds more than another.

All numbers are of predictions for people whom the model has not seen. Models with a score are compared with
that of the covariates alone, by sums of losses over all folds together.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genetics.people import Design, People
from mifm_kipoi.polygenic.evaluation.inputs import Group, Rows, Values
from mifm_kipoi.polygenic.evaluation.methods import RANDOM, Score, comparisons
from mifm_kipoi.statistics.delong import areas
from mifm_kipoi.statistics.explained import Measures, deviations, liability, log_losses, reduction
from mifm_kipoi.statistics.folds import Split, k_folds, random_splits
from mifm_kipoi.statistics.linear import FitStatus
from mifm_kipoi.statistics.out_of_fold import Model, OutOfFold, predict_out_of_fold
from mifm_kipoi.statistics.sign_flip import pairwise_swaps, sign_flip

EVALUATED = "evaluated"
"""Status of a group whose scores are evaluated."""

UNKNOWN_VALUES = "unknown for some people"
"""Status of a score that some people of the group lack."""

_ROUNDING = 1e-9
"""Part of the largest loss up to which losses are the same."""

SAME = "same predictions"
"""Status of a comparison of scores that predict the same, which is no test."""

PAPER_SPLITS = 5
PAPER_TEST_FRACTION = 0.33
"""The authors' random splits."""

_DRAW_BYTES = 1 << 28
"""Bytes of random draws that are fitted together: 256 MiB."""

SCENARIO_COLUMNS = (
    "trait", "kind", "ancestry", "status", "people", "cases", "controls", "prevalence", "without_trait",
    "without_covariates", "folds", "design_columns", "dropped", "unseen", "covariates_r2", "covariates_auc",
    "scores",
)  # fmt: skip
PERFORMANCE_COLUMNS = (
    "trait", "kind", "ancestry", "study", "method", "setting", "draw", "score", "status", "people", "cases",
    "r2", "r2_se", "r2_low", "r2_high", "whole_r2", "liability_r2", "liability_low", "liability_high", "auc",
    "auc_low", "auc_high", "auc_gain", "slope", "paper_r2", "paper_code_r2",
)  # fmt: skip
COMPARISON_COLUMNS = (
    "trait", "kind", "ancestry", "study", "setting", "method", "baseline", "baseline_setting", "score",
    "baseline_score", "status", "people", "difference", "difference_se", "low", "high", "p_value", "test",
    "paper_difference", "paper_p",
)  # fmt: skip
RANDOM_COLUMNS = (
    "trait", "kind", "ancestry", "study", "setting", "draws", "mean", "low", "high", "method", "r2",
    "above", "p_value",
)  # fmt: skip

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Options:
    """How scores are evaluated.

    Parameters
    ----------
    method : str
        That is compared with the baselines.
    baselines : tuple of str
        Methods that it is compared with; empty for all others.
    bound : str
        A method that bounds from above and is not compared; may be empty.
    folds : int
        Of the cross-validation.
    seed : int
        Of folds and draws.
    prevalence : mapping of str to float
        Of binary traits in the population, for R2 of liability; that of the group where a trait is not named.
    as_in_paper : bool
        Whether the authors' splits, R2 and p-values are wanted, too.
    paper_models : int
        Swapped models of their procedure.
    """

    method: str = "mifm"
    baselines: tuple[str, ...] = ()
    bound: str = ""
    folds: int = 5
    seed: int = 1
    prevalence: Mapping[str, float] = dataclasses.field(default_factory=dict)
    as_in_paper: bool = False
    paper_models: int = 10_000


@dataclasses.dataclass(frozen=True)
class Measured:
    """Rows of the tables that one group gives.

    Parameters
    ----------
    scenario : dict
        Of :data:`SCENARIO_COLUMNS`.
    performance, comparisons, random : list of dict
        Of :data:`PERFORMANCE_COLUMNS`, :data:`COMPARISON_COLUMNS` and :data:`RANDOM_COLUMNS`.
    """

    scenario: Row
    performance: list[Row]
    comparisons: list[Row]
    random: list[Row]


def measure(
    people: People,
    group: Group,
    scores: Sequence[Score],
    values: Mapping[str, Values],
    options: Options,
    cluster: npt.NDArray[np.object_] | None = None,
) -> Measured:
    """Evaluate all scores of a trait in one group of people.

    Parameters
    ----------
    people : People
        The cohort.
    group : Group
        Whom to evaluate in, and the trait.
    scores : sequence of Score
        Of the trait.
    values : mapping of str to numpy.ndarray of float64, shape (people,)
        Of everyone in the cohort, by the score's name.
    options : Options
    cluster : numpy.ndarray of object, shape (people,), optional
        People of a cluster, such as a family, stay in one fold, and their differences flip signs together; an
        empty cluster is one person.
    """
    if group.reason:
        return Measured(_scenario(group, group.reason, options, len(scores)), [], [], [])
    own = _cluster_of(cluster, group.rows)
    count = len(group.rows) if own is None else len(np.unique(own))
    if count < options.folds:
        what = "people" if own is None else "clusters of people"
        reason = f"{count:,} {what}, fewer than {options.folds} folds"
        return Measured(_scenario(group, reason, options, len(scores)), [], [], [])
    design = people.design(group.rows)
    outcome = group.trait.values[group.rows]
    stratum = outcome if group.trait.binary else None
    splits = k_folds(len(outcome), options.folds, options.seed, stratum, own)
    known = [score for score in scores if not np.isnan(values[score.name][group.rows]).any()]
    main = [score for score in known if score.method != RANDOM]
    drawn = [score for score in known if score.method == RANDOM]
    fitted = _Fitted.of(design, group, main, values, splits, own)
    refused = fitted.refused
    scenario = _scenario(group, refused or EVALUATED, options, len(scores), design, fitted)
    if refused:
        return Measured(scenario, [], [], [])
    paper = _Paper.of(design, group, main, values, options) if options.as_in_paper else None
    performance = _performance(group, main, fitted, options, paper)
    for number in range(0, len(drawn), chunk := max(1, _DRAW_BYTES // (8 * len(outcome)))):
        some = drawn[number : number + chunk]
        performance += _performance(
            group, some, _Fitted.of(design, group, some, values, splits, own), options, None
        )
    lacking = [score for score in scores if np.isnan(values[score.name][group.rows]).any()]
    performance += [
        _named(group, score) | {"status": UNKNOWN_VALUES, "people": len(outcome)} for score in lacking
    ]
    return Measured(
        scenario,
        performance,
        _comparisons(group, main, fitted, options, paper),
        _random(group, performance, options.method),
    )


@dataclasses.dataclass(frozen=True)
class _Fitted:
    """Models of all folds, what they lose, and R2."""

    design: Design
    model: OutOfFold
    cluster: Rows | None
    losses: Values
    losses_of_constant: float
    losses_of_covariates: float
    r2: Measures
    whole: Measures
    observed: Measures | None

    @classmethod
    def of(
        cls,
        design: Design,
        group: Group,
        scores: Sequence[Score],
        values: Mapping[str, Values],
        splits: Sequence[Split],
        cluster: Rows | None,
    ) -> _Fitted:
        outcome = group.trait.values[group.rows]
        matrix = _standardised(scores, values, group.rows)
        kind: Model = "logistic" if group.trait.binary else "linear"
        model = predict_out_of_fold(design.matrix, matrix, outcome, splits, kind)
        losses, own = model.losses(), None if cluster is None else cluster[model.rows]
        total = deviations(outcome[model.rows])
        observed = None
        if group.trait.binary:
            r2 = reduction(losses.covariates, losses.scores, losses.covariates, own)
            whole = reduction(losses.constant, losses.scores, losses.constant, own)
            linear = predict_out_of_fold(design.matrix, matrix, outcome, splits, "linear").losses()
            observed = reduction(linear.covariates, linear.scores, total, own)
        else:
            r2 = reduction(losses.covariates, losses.scores, total, own)
            whole = reduction(total, losses.scores, total, own)
        before = float(total.sum()), float(losses.covariates.sum())
        return cls(design, model, own, losses.scores, *before, r2, whole, observed)

    def more_lost(self, first: int, second: int) -> Values:
        """What each person loses more by the second score than by the first: 0 where rounding alone differs.

        The same column gets other roundings at another place of a product of matrices.
        """
        losses = self.losses[:, [first, second]]
        difference: Values = losses[:, 1] - losses[:, 0]
        return np.where(np.abs(difference) > _ROUNDING * np.abs(losses).max(), difference, 0.0)

    @property
    def refused(self) -> str:
        """Why the covariates have no model, in words; empty where they have."""
        for number, fit in enumerate(self.model.fits, 1):
            if fit.covariate_status != FitStatus.FITTED:
                return f"model of the covariates: {fit.covariate_status} in fold {number}"
        if self.losses_of_covariates <= _ROUNDING * self.losses_of_constant:
            return "the trait follows from the covariates"
        return ""

    @property
    def case(self) -> npt.NDArray[np.bool_]:
        """Class of each test row."""
        return np.asarray(self.model.outcome[self.model.rows] > 0, dtype=bool)

    @property
    def dropped(self) -> str:
        """What has no coefficient, and in how many folds."""
        folds = len(self.model.fits)
        counts = collections.Counter(
            (self.design.names[column], str(reason))
            for fit in self.model.fits
            for column, reason in fit.dropped.items()
        )
        words = [f"{name} ({reason} in {count} of {folds} folds)" for (name, reason), count in counts.items()]
        return "; ".join([*self.design.dropped, *words])


@dataclasses.dataclass(frozen=True)
class _Paper:
    """R2 as the authors have them: of the whole model, the mean over random splits; and losses of each split.

    Their code's likelihood of a binary trait takes the probability where its log odds belong (``code_r2``).
    """

    r2: Values
    code_r2: Values | None
    losses: list[Values]
    totals: list[float]

    @classmethod
    def of(
        cls,
        design: Design,
        group: Group,
        scores: Sequence[Score],
        values: Mapping[str, Values],
        options: Options,
    ) -> _Paper:
        outcome = group.trait.values[group.rows]
        splits = random_splits(len(outcome), PAPER_SPLITS, PAPER_TEST_FRACTION, options.seed)
        kind: Model = "logistic" if group.trait.binary else "linear"
        matrix = _standardised(scores, values, group.rows)
        model = predict_out_of_fold(design.matrix, matrix, outcome, splits, kind)
        every, number = model.losses(), model.split
        losses, totals, r2, code_r2 = [], [], [], []
        for split in range(PAPER_SPLITS):
            own = number == split
            tested = outcome[model.rows[own]]
            total = float((every.constant[own] if group.trait.binary else deviations(tested)).sum())
            losses.append(every.scores[own])
            totals.append(total)
            r2.append(1 - every.scores[own].sum(axis=0) / total)
            if group.trait.binary:
                null = log_losses(_probability(model.constant[own]), tested).sum()
                code_r2.append(1 - log_losses(_probability(model.scores[own]), tested).sum(axis=0) / null)
        return cls(
            np.mean(r2, axis=0), np.mean(code_r2, axis=0) if code_r2 else None, losses, totals
        )  # fmt: skip

    def p_value(self, first: int, second: int, options: Options) -> float:
        """Of the authors' procedure, for two scores; NaN where one has no fit in a split."""
        pairs = [(one[:, first], one[:, second]) for one in self.losses]
        if not all(np.isfinite(one).all() and np.isfinite(other).all() for one, other in pairs):
            return float("nan")
        return pairwise_swaps(
            [one for one, _ in pairs],
            [other for _, other in pairs],
            self.totals,
            options.paper_models,
            options.seed,
        )


def _probability(log_odds: Values) -> Values:
    return 1 / (1 + np.exp(-log_odds))


def _standardised(scores: Sequence[Score], values: Mapping[str, Values], rows: Rows) -> Values:
    """Scores with mean 0 and standard deviation 1, shape (rows, scores); constant ones are 0."""
    matrix = np.empty((len(rows), len(scores)))
    for number, score in enumerate(scores):
        own = values[score.name][rows]
        own = own - own.mean()
        spread = own.std()
        matrix[:, number] = own / spread if spread > 1e-12 * np.abs(values[score.name][rows]).max() else 0.0
    return matrix


def _cluster_of(cluster: npt.NDArray[np.object_] | None, rows: Rows) -> Rows | None:
    """Numbers of clusters; people without one are clusters of their own."""
    if cluster is None:
        return None
    own = cluster[rows]
    alone = own == ""
    _, numbers = np.unique(own.astype(str), return_inverse=True)
    numbers = numbers.astype(np.int64)
    numbers[alone] = len(own) + np.arange(alone.sum())
    return numbers


def _scenario(
    group: Group,
    status: str,
    options: Options,
    scores: int,
    design: Design | None = None,
    fitted: _Fitted | None = None,
) -> Row:
    row: Row = dict.fromkeys(SCENARIO_COLUMNS, np.nan)
    people = len(group.rows)
    row |= {
        "trait": group.trait.name,
        "kind": _kind(group),
        "ancestry": group.ancestry,
        "status": status,
        "people": people,
        "without_trait": group.without_trait,
        "without_covariates": group.without_covariates,
        "dropped": "",
        "scores": scores,
    }
    if group.trait.binary and people:
        row |= {
            "cases": group.cases,
            "controls": people - group.cases,
            "prevalence": _prevalence(group, options),
        }
    if design is not None and fitted is not None:
        losses = fitted.model.losses()
        row |= {
            "folds": len(fitted.model.fits),
            "design_columns": design.matrix.shape[1],
            "dropped": fitted.dropped,
            "unseen": sum(fit.unseen for fit in fitted.model.fits),
        }
        if status == EVALUATED:
            total = (
                losses.constant if group.trait.binary else deviations(fitted.model.outcome[fitted.model.rows])
            )
            row["covariates_r2"] = float((total - losses.covariates).sum() / total.sum())
            if group.trait.binary:
                alone = areas(fitted.model.covariates[:, np.newaxis], fitted.case, fitted.model.split)
                row["covariates_auc"] = float(alone.values[0])
    return row


def _kind(group: Group) -> str:
    return "binary" if group.trait.binary else "quantitative"


def _prevalence(group: Group, options: Options) -> float:
    return options.prevalence.get(group.trait.name, group.cases / len(group.rows))


def _named(group: Group, score: Score) -> Row:
    return dict.fromkeys(PERFORMANCE_COLUMNS, np.nan) | {
        "trait": group.trait.name,
        "kind": _kind(group),
        "ancestry": group.ancestry,
        "study": score.study,
        "method": score.method,
        "setting": score.setting,
        "draw": score.draw,
        "score": score.name,
    }


def _performance(
    group: Group, scores: Sequence[Score], fitted: _Fitted, options: Options, paper: _Paper | None
) -> list[Row]:
    rows: list[Row] = []
    status, slopes = fitted.model.status, np.mean([fit.slopes for fit in fitted.model.fits], axis=0)
    errors = fitted.r2.standard_errors
    curves = None
    if group.trait.binary:
        predictions = np.column_stack([fitted.model.covariates, fitted.model.scores])
        curves = areas(predictions, fitted.case, fitted.model.split)
    for number, score in enumerate(scores):
        row = _named(group, score) | {"status": str(status[number]), "people": len(group.rows)}
        rows.append(row)
        if group.trait.binary:
            row["cases"] = group.cases
        if status[number] != FitStatus.FITTED:
            continue
        r2 = fitted.r2.estimate(number)
        row |= {
            "r2": r2.value,
            "r2_se": float(errors[number]),
            "r2_low": r2.low,
            "r2_high": r2.high,
            "whole_r2": float(fitted.whole.values[number]),
            "slope": float(slopes[number]),
        }
        if curves is not None and fitted.observed is not None:
            area = curves.estimate(number + 1)
            observed = fitted.observed.estimate(number)
            scale = [observed.value, observed.low, observed.high]
            on_liability = liability(scale, _prevalence(group, options), group.cases / len(group.rows))
            row |= {
                "auc": area.value,
                "auc_low": area.low,
                "auc_high": area.high,
                "auc_gain": curves.difference(number + 1, 0).value,
                **dict(
                    zip(
                        ("liability_r2", "liability_low", "liability_high"),
                        map(float, on_liability.r_squared),
                        strict=True,
                    )
                ),
            }
        if paper is not None:
            row["paper_r2"] = float(paper.r2[number])
            if paper.code_r2 is not None:
                row["paper_code_r2"] = float(paper.code_r2[number])
    return rows


def _comparisons(
    group: Group, scores: Sequence[Score], fitted: _Fitted, options: Options, paper: _Paper | None
) -> list[Row]:
    place = {score.name: number for number, score in enumerate(scores)}
    rows: list[Row] = []
    for pair in comparisons(scores, options.method):
        other = pair.baseline.method
        if other == options.bound or (options.baselines and other not in options.baselines):
            continue
        first, second = place[pair.score.name], place[pair.baseline.name]
        row: Row = dict.fromkeys(COMPARISON_COLUMNS, np.nan) | {
            "trait": group.trait.name,
            "kind": _kind(group),
            "ancestry": group.ancestry,
            "study": pair.score.study,
            "setting": pair.setting,
            "method": pair.score.method,
            "baseline": pair.baseline.method,
            "baseline_setting": pair.baseline.setting,
            "score": pair.score.name,
            "baseline_score": pair.baseline.name,
            "people": len(group.rows),
            "test": "",
        }
        rows.append(row)
        unfitted = [
            str(fitted.model.status[number])
            for number in (first, second)
            if fitted.model.status[number] != FitStatus.FITTED
        ]
        if unfitted:
            row["status"] = unfitted[0]
            continue
        # By how much more the baseline loses.
        test = sign_flip(fitted.more_lost(first, second), fitted.cluster)
        difference = fitted.r2.difference(first, second)
        row |= {
            "status": "tested",
            "difference": difference.value,
            "difference_se": difference.standard_error,
            "low": difference.low,
            "high": difference.high,
            "p_value": test.p_value,
            "test": test.method,
        }
        if not test.units:
            row |= {"status": SAME, "difference": 0.0, "p_value": np.nan, "test": ""}
        if paper is not None:
            row |= {
                "paper_difference": float(paper.r2[first] - paper.r2[second]),
                "paper_p": paper.p_value(first, second, options),
            }
    return rows


def _random(group: Group, performance: Iterable[Row], method: str) -> list[Row]:
    """Draws of random members together, beside the method with the same study and setting."""
    drawn: dict[tuple[str, str], list[float]] = {}
    own: dict[tuple[str, str], float] = {}
    for row in performance:
        key = row["study"], row["setting"]
        if row["method"] == RANDOM and np.isfinite(row["r2"]):
            drawn.setdefault(key, []).append(row["r2"])
        elif row["method"] == method:
            own[key] = row["r2"]
    rows = []
    for (study, setting), values in drawn.items():
        r2 = own.get((study, setting), np.nan)
        low, high = np.quantile(values, (0.025, 0.975)) if len(values) >= 40 else (np.nan, np.nan)
        known = np.isfinite(r2)
        above = float(np.mean(np.array(values) < r2)) if known else np.nan
        p_value = (1 + int((np.array(values) >= r2).sum())) / (1 + len(values)) if known else np.nan
        rows.append(
            {
                "trait": group.trait.name,
                "kind": _kind(group),
                "ancestry": group.ancestry,
                "study": study,
                "setting": setting,
                "draws": len(values),
                "mean": float(np.mean(values)),
                "low": float(low),
                "high": float(high),
                "method": method,
                "r2": r2,
                "above": above,
                "p_value": p_value,
            }
        )
    return rows
