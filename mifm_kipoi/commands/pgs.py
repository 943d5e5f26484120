"""``mifm pgs``: the commands about polygenic scores."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from mifm_kipoi.commands.pgs_ancestry import add_pgs_ancestry
from mifm_kipoi.commands.pgs_build import add_pgs_build
from mifm_kipoi.commands.pgs_evaluate import add_pgs_evaluate
from mifm_kipoi.commands.pgs_run import add_pgs_run
from mifm_kipoi.commands.pgs_score import add_pgs_score

_COMMANDS: tuple[tuple[str, Callable[[argparse.ArgumentParser], None], str], ...] = (
    ("ancestry", add_pgs_ancestry, "labels of ancestry for people with genotypes, by a reference panel"),
    ("build", add_pgs_build, "scoring files from studies and scores of variants, all methods in one call"),
    ("score", add_pgs_score, "people's scores: scoring files times genotypes"),
    ("evaluate", add_pgs_evaluate, "how well scores predict traits, by ancestry, and which are better"),
    ("run", add_pgs_run, "build, score, evaluate and report, from one configuration"),
)


def add_pgs(parser: argparse.ArgumentParser) -> None:
    """``mifm pgs``."""
    parser.description = "Build polygenic scores, apply them to genotypes, and evaluate them by ancestry."
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, add_arguments, meaning in _COMMANDS:
        add_arguments(commands.add_parser(name, help=meaning))
