"""Polygenic scores of a paper's size, evaluated: 100 scenarios, 13 methods, 3 settings, 5,000 people each.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.speed.paired_tests

Every scenario (a trait in an ancestry) has 5,000 people, 40 columns of covariates and 39 scores. What is
measured is all that a scenario needs once its numbers are in memory: five folds, models of the covariates and
with each score, R2 with variances (AUROC for binary traits), and the sign-flip tests of one method against
twelve in three settings. Every second trait is binary, as in the paper. ``--plain`` times, in some scenarios,
Newton's method for each score instead of the shared Hessian.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.speed import measuring
from mifm_kipoi.statistics.delong import areas
from mifm_kipoi.statistics.explained import deviations, reduction
from mifm_kipoi.statistics.folds import k_folds
from mifm_kipoi.statistics.out_of_fold import Model, OutOfFold, predict_out_of_fold
from mifm_kipoi.statistics.regression import logistic_wald
from mifm_kipoi.statistics.sign_flip import sign_flip
from mifm_kipoi.support.threads import ordered_map

Values = npt.NDArray[np.float64]

METHODS, SETTINGS, LEVELS, CONTINUOUS = 13, 3, 22, 18
"""Scores, and columns of covariates: the constant, indicators of 22 levels but one, and continuous ones."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.paired_tests", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--scenarios", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--people", type=int, default=5000, help="of each scenario (default: %(default)s)")
    parser.add_argument("--plain", type=int, default=0, help="scenarios for Newton's method (default: none)")
    measuring.add_arguments(parser, "paired_tests", 1)
    measuring.report(parser.parse_args(arguments), measure, table)


def scenario(number: int, people: int) -> tuple[Values, Values, Values, Model]:
    """Covariates, scores, outcome and model of a scenario."""
    generator = np.random.default_rng([1, number])
    level = generator.integers(0, LEVELS, people)
    continuous = generator.normal(size=(people, CONTINUOUS))
    indicators = level[:, np.newaxis] == np.arange(1, LEVELS)
    design = np.column_stack([np.ones(people), continuous, indicators])
    genetic = generator.normal(size=people)
    scores = genetic[:, np.newaxis] + generator.normal(size=(people, METHODS * SETTINGS))
    liability = 0.3 * genetic + continuous @ generator.normal(0, 0.1, CONTINUOUS)
    liability += generator.normal(0, 0.2, LEVELS)[level] + generator.normal(size=people)
    if number % 2:
        return design, scores, (liability > np.quantile(liability, 0.9)).astype(float), "logistic"
    return design, scores, liability, "linear"


def evaluate(number: int, people: int) -> tuple[int, float]:
    """All of one scenario: tests made, and seconds of the sign flips."""
    design, scores, outcome, model = scenario(number, people)
    binary = model == "logistic"
    splits = k_folds(people, 5, number, outcome if binary else None)
    predicted = predict_out_of_fold(design, scores, outcome, splits, model)
    _measures(predicted)
    losses = predicted.losses().scores
    began = time.perf_counter()
    tests = [
        sign_flip(losses[:, other] - losses[:, setting])
        for setting in range(SETTINGS)
        for other in range(setting + SETTINGS, METHODS * SETTINGS, SETTINGS)
    ]
    return len(tests), time.perf_counter() - began


def _measures(predicted: OutOfFold) -> None:
    losses, total = predicted.losses(), deviations(predicted.outcome[predicted.rows])
    if predicted.model == "linear":
        reduction(losses.covariates, losses.scores, total)
        reduction(total, losses.scores, total)
    else:
        reduction(losses.covariates, losses.scores, losses.covariates)
        areas(predicted.scores, predicted.outcome[predicted.rows] > 0, predicted.split)


def plain_newton(number: int, people: int) -> None:
    """Logistic models of one scenario, each by itself."""
    design, scores, outcome, _ = scenario(2 * number + 1, people)
    case = outcome > 0
    for split in k_folds(people, 5, number, outcome):
        for score in scores.T:
            columns = np.column_stack([design, score])[split.train]
            logistic_wald(columns, case[split.train])


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Seconds of all scenarios, and what Newton's method takes."""
    began, cpu = time.perf_counter(), time.process_time()
    done = list(
        ordered_map(lambda one: evaluate(one, options.people), range(options.scenarios), options.threads)
    )
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    for number in range(options.plain):
        plain_newton(number, options.people)
    plain = (time.perf_counter() - began) / options.plain if options.plain else None
    return {
        "scenarios": options.scenarios,
        "people": options.people,
        "covariates": 1 + CONTINUOUS + LEVELS - 1,
        "scores": METHODS * SETTINGS,
        "tests": sum(tests for tests, _ in done),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "test_seconds": round(sum(spent for _, spent in done), 1),
        "newton_seconds": None if plain is None else round(plain, 2),
    }


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    return """\
{scenarios} scenarios of {people:,} people, {covariates} covariates, {scores} scores, {threads} threads

| seconds | CPU seconds | sign flips | tests | Newton for each score, a binary scenario |
| ---: | ---: | ---: | ---: | ---: |
| {seconds} | {cpu_seconds} | {test_seconds} | {tests:,} | {newton_seconds} |""".format(**figures)


if __name__ == "__main__":
    main()
