"""``mifm pgs``: the commands about polygenic scores."""

from __future__ import annotations

import argparse

from mifm_kipoi.commands.pgs_ancestry import add_pgs_ancestry
from mifm_kipoi.commands.pgs_build import add_pgs_build
from mifm_kipoi.commands.pgs_evaluate import add_pgs_evaluate
from mifm_kipoi.commands.pgs_run import add_pgs_run
from mifm_kipoi.commands.pgs_score import add_pgs_score
from mifm_kipoi.commands.tasks import Command, add_commands

_COMMANDS = (
    Command(
        "ancestry",
        add_pgs_ancestry,
        "labels of ancestry for people with genotypes, by a reference panel",
        "mifm pgs ancestry genotypes/target.bed --reference genotypes/panel.bed --labels phenotypes.tsv "
        "--label population -o ancestry",
    ),
    Command(
        "build",
        add_pgs_build,
        "scoring files from studies and scores of variants, all methods in one call",
        "mifm pgs build q1=gwas/q1.tsv.gz:trait=quantitative --ld-blocks ld_blocks.txt "
        "--scores scores.tsv.gz -o built",
    ),
    Command(
        "score",
        add_pgs_score,
        "people's scores: scoring files times genotypes",
        "mifm pgs score built/scores -g genotypes/target.bed -o scored",
    ),
    Command(
        "evaluate",
        add_pgs_evaluate,
        "how well scores predict traits, by ancestry, and which are better",
        "mifm pgs evaluate scored/sample_scores.tsv.gz --people phenotypes.tsv --traits q1 "
        "--ancestry population -o evaluated",
    ),
    Command(
        "run",
        add_pgs_run,
        "build, score, evaluate and report, from one configuration",
        "mifm pgs run --config study.yaml -o study",
    ),
)


def add_pgs(parser: argparse.ArgumentParser) -> None:
    """``mifm pgs``."""
    parser.description = "Build polygenic scores, apply them to genotypes, and evaluate them by ancestry."
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_commands(commands, _COMMANDS)
