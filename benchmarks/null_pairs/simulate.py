"""Pairs of equally good scores, and the p-values that tests give them.

Each pair has people of its own: two scores with the same correlation with the outcome, alike (0.8 between
them) or apart (0), covariates, and an outcome that is normal, skewed or binary. Each score explains 4 % of a
normal outcome, as polygenic scores do in the paper, or nothing.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from mifm_kipoi.statistics.explained import deviations, r_squared_difference, reduction
from mifm_kipoi.statistics.folds import k_folds, random_splits
from mifm_kipoi.statistics.linear import Basis
from mifm_kipoi.statistics.out_of_fold import Model, OutOfFold, predict_out_of_fold
from mifm_kipoi.statistics.sign_flip import pairwise_swaps, sign_flip
from mifm_kipoi.support.progress import Progress

Values = npt.NDArray[np.float64]

CASES = 0.1
"""Fraction of people of binary outcomes."""

LEVELS = (0.05, 0.005, 0.0005)
"""P-values at which rejections are counted."""

TESTS = {
    "sign_flip": "sign flips of pooled out-of-fold losses (the default)",
    "delta": "normal approximation with the delta method's standard error",
    "r2redux": "R2 of fits to the same people, variance of Olkin and Finn (r2redux)",
    "folds_t": "paired t-test of the five folds' R2",
    "pairwise": "all pairs of swapped models (the authors' procedure)",
}
"""What each column of p-values is."""

_CHUNK = 50
"""Pairs that a process is given together."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What pairs are drawn.

    Parameters
    ----------
    outcome : {"normal", "skewed", "binary"}
    correlation : float
        Between the two scores.
    people : int
        Of each pair.
    explained : float
        Of the variance of a normal outcome, by each score.
    often : bool
        Whether all pairs are drawn, or a tenth.
    """

    outcome: Literal["normal", "skewed", "binary"]
    correlation: float
    people: int = 1000
    explained: float = 0.04
    often: bool = False

    @property
    def model(self) -> Model:
        """That is fitted to the outcome."""
        return "logistic" if self.outcome == "binary" else "linear"


SETTINGS = (
    Setting("normal", 0.8, often=True),
    Setting("normal", 0.0),
    Setting("normal", 0.0, explained=0.0),
    Setting("skewed", 0.8),
    Setting("skewed", 0.0),
    Setting("binary", 0.8, often=True),
    Setting("binary", 0.0),
    Setting("normal", 0.8, people=5000),
    Setting("binary", 0.8, people=5000),
)


def draw(setting: Setting, generator: np.random.Generator) -> tuple[Values, Values, Values]:
    """Covariates (n, k), two scores (n, 2) and an outcome (n,) of one pair."""
    size, shared = setting.people, setting.correlation
    level = generator.integers(0, 4, size)
    covariates = np.column_stack(
        [np.ones(size), generator.normal(size=(size, 3)), level[:, np.newaxis] == np.arange(1, 4)]
    ).astype(np.float64)
    parts = generator.normal(size=(size, 3))
    scores = np.sqrt(shared) * parts[:, :1] + np.sqrt(1 - shared) * parts[:, 1:]
    effect = np.sqrt(setting.explained) / (1 + shared)
    known = effect * scores.sum(axis=1) + 0.3 * covariates[:, 1] + 0.2 * covariates[:, 4]
    rest = 1 - 2 * effect**2 * (1 + shared) - 0.09
    noise = generator.normal(size=size)
    if setting.outcome == "skewed":
        # Log-normal, less its mean, over its standard deviation.
        noise = (np.exp(noise) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    outcome = known + np.sqrt(rest) * noise
    if setting.outcome == "binary":
        outcome = (outcome > np.quantile(outcome, 1 - CASES)).astype(np.float64)
    return covariates, scores, outcome


def p_values(setting: Setting, seed: tuple[int, ...], pairwise: bool) -> dict[str, float]:
    """P-values of one pair by each of :data:`TESTS`; NaN where a test does not apply."""
    generator = np.random.default_rng(seed)
    covariates, scores, outcome = draw(setting, generator)
    stratum = outcome if setting.model == "logistic" else None
    folds = k_folds(setting.people, 5, seed, stratum)
    predicted = predict_out_of_fold(covariates, scores, outcome, folds, setting.model)
    losses, total = predicted.losses(), _totals(predicted)
    measures = reduction(losses.covariates, losses.scores, total)
    by_fold = [
        (losses.scores[rows, 1] - losses.scores[rows, 0]).sum() / total[rows].sum()
        for rows in (predicted.split == number for number in range(5))
    ]
    result = {
        "sign_flip": sign_flip(losses.scores[:, 1] - losses.scores[:, 0]).p_value,
        "delta": measures.difference(0, 1).p_value,
        "r2redux": float("nan"),
        "folds_t": float(stats.ttest_1samp(by_fold, 0).pvalue),
        "pairwise": float("nan"),
    }
    if setting.model == "linear":
        left = Basis.of(covariates).residuals(np.column_stack([outcome, scores]))
        r = np.corrcoef(left.T)
        result["r2redux"] = r_squared_difference(r[0, 1], r[0, 2], r[1, 2], setting.people).p_value
    if pairwise:
        splits = random_splits(setting.people, 5, 0.33, seed, stratum)
        result["pairwise"] = _pairwise(covariates, scores, outcome, splits, setting.model, seed)
    return result


def _totals(predicted: OutOfFold) -> Values:
    """What R2 is a part of: squared deviations, or losses of the covariates for McFadden's."""
    if predicted.model == "logistic":
        return predicted.losses().covariates
    return deviations(predicted.outcome[predicted.rows])


def _pairwise(
    covariates: Values, scores: Values, outcome: Values, splits: list, model: Model, seed: tuple[int, ...]
) -> float:
    predicted = predict_out_of_fold(covariates, scores, outcome, splits, model)
    losses = predicted.losses()
    rows = [predicted.split == number for number in range(len(splits))]
    totals = [_totals(dataclasses.replace(predicted, fits=[fit])).sum() for fit in predicted.fits]
    first, second = ([losses.scores[own, column] for own in rows] for column in (0, 1))
    return pairwise_swaps(first, second, totals, seed=seed)


def _chunk(task: tuple[Setting, int, int, int, int]) -> list[dict[str, float]]:
    setting, number, start, stop, pairwise = task
    return [p_values(setting, (1, number, pair), pair < pairwise) for pair in range(start, stop)]


def simulate(pairs: int, pairwise: int, jobs: int) -> dict[Setting, dict[str, Values]]:
    """P-values of many pairs of each setting.

    Parameters
    ----------
    pairs : int
        Of settings that are drawn often; a tenth of others.
    pairwise : int
        How many of a setting's get the authors' procedure, which takes longest.
    jobs : int
        Processes.
    """
    wanted = [pairs if setting.often else -(-pairs // 10) for setting in SETTINGS]
    tasks = [
        (setting, number, start, min(start + _CHUNK, wanted[number]), pairwise)
        for number, setting in enumerate(SETTINGS)
        for start in range(0, wanted[number], _CHUNK)
    ]
    found: dict[Setting, list[dict[str, float]]] = {setting: [] for setting in SETTINGS}
    progress = Progress("null pairs")
    for count, (task, rows) in enumerate(zip(tasks, _mapped(tasks, jobs), strict=True), start=1):
        found[task[0]] += rows
        progress.update(count * _CHUNK, count / len(tasks))
    progress.close()
    return {
        setting: {test: np.array([row[test] for row in rows]) for test in TESTS}
        for setting, rows in found.items()
    }


def _mapped(tasks: list[tuple[Setting, int, int, int, int]], jobs: int) -> Iterator[list[dict[str, float]]]:
    if jobs == 1:
        yield from map(_chunk, tasks)
        return
    # Not forked: the parent may run threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(_chunk, tasks)
