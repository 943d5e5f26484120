"""``mifm pgs evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeVar

from mifm_kipoi.commands.arguments import add_list, not_negative, positive, say
from mifm_kipoi.commands.people import add_columns_of_people, columns_of_people, pairs

_Value = TypeVar("_Value")


def add_pgs_evaluate(parser: argparse.ArgumentParser) -> None:
    """``mifm pgs evaluate``."""
    parser.description = (
        "Evaluate polygenic scores by ancestry: what each adds to the covariates in people whom the model "
        "has not seen, whether one method adds more than the others (paired tests), counts of wins and "
        "losses, tables, figures and a report."
    )
    parser.add_argument(
        "scores", nargs="+", help="tables of scores, a row for each person, such as 'mifm pgs score' writes"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    parser.add_argument(
        "--score-table", metavar="TABLE",
        help="what each score is: scores.tsv of 'mifm pgs build', or columns name, trait, method and perhaps "
        "study, top, weighting, draw (without it, and for scores that it lacks, each score is a method)",
    )  # fmt: skip
    group = parser.add_argument_group("people")
    group.add_argument(
        "--people", action="append", required=True, metavar="TABLE",
        help="traits, covariates and labels, a row for each person with IID, eid or sample (may be repeated)",
    )  # fmt: skip
    add_columns_of_people(group, "columns that are predicted")
    group.add_argument("--ancestry", default="", metavar="NAME", help="column of ancestries")
    add_list(
        group, "--ancestries", "LABEL", "those to evaluate, in this order (default: all, sorted)", default=()
    )
    group.add_argument(
        "--cluster", default="", metavar="NAME",
        help="column of families or other clusters of people, who stay in one fold",
    )  # fmt: skip
    group.add_argument(
        "--min-people", type=positive, default=100, metavar="N",
        help="fewest people of a group (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--min-cases", type=positive, default=50, metavar="N",
        help="fewest cases, and controls, of a binary trait (default: %(default)s)",
    )  # fmt: skip
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--method", default="mifm", metavar="METHOD",
        help="the method that is compared with the others (default: %(default)s)",
    )  # fmt: skip
    add_list(group, "--baselines", "METHOD", "what it is compared with (default: all others)", default=())
    group.add_argument(
        "--bound", default="", metavar="METHOD", help="a method that bounds from above, marked in figures"
    )
    add_list(
        group, "--trait-names", "THEIRS=NAME",
        "traits or studies of the table of scores, by their names among --traits", default=(),
    )  # fmt: skip
    group.add_argument(
        "--correction", choices=("bh", "holm"), default="bh",
        help="for many tests, on which verdicts rest: Benjamini and Hochberg, or Holm (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--level", type=float, default=0.05, metavar="P", help="of significance (default: %(default)s)"
    )
    group = parser.add_argument_group("models")
    group.add_argument(
        "--folds",
        type=positive,
        default=5,
        metavar="N",
        help="of the cross-validation (default: %(default)s)",
    )
    group.add_argument(
        "--seed", type=not_negative, default=1, metavar="N", help="of random numbers (default: %(default)s)"
    )
    add_list(
        group, "--prevalence", "TRAIT=FRACTION",
        "of binary traits in the population, for R2 of liability (default: that of each group)", default=(),
    )  # fmt: skip
    group.add_argument(
        "--as-in-paper", action="store_true",
        help="R2 of the whole model over random splits, and the authors' p-values, too, to compare with the "
        "paper's; verdicts stay those of sign flips",
    )  # fmt: skip
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from mifm_kipoi.polygenic.evaluation.run import PgsEvaluateRun

    run = PgsEvaluateRun(
        scores=tuple(map(Path, options.scores)),
        folder=Path(options.output),
        people=tuple(map(Path, options.people)),
        score_table=options.score_table and Path(options.score_table),
        ancestry=options.ancestry,
        ancestries=tuple(options.ancestries),
        **columns_of_people(options),
        trait_names=pairs("--trait-names", options.trait_names, str),
        method=options.method,
        baselines=tuple(options.baselines),
        bound=options.bound,
        folds=options.folds,
        seed=options.seed,
        min_people=options.min_people,
        min_cases=options.min_cases,
        prevalence=pairs("--prevalence", options.prevalence, float),
        cluster=options.cluster,
        correction=options.correction,
        level=options.level,
        as_in_paper=options.as_in_paper,
    )
    result = run.run()
    say(*result.texts, *result.cautions, f"written: {', '.join(map(str, result.files))}")
