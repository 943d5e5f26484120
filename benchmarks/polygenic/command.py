"""``python -m benchmarks polygenic``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import arguments, extra
from mifm_kipoi.commands.arguments import not_negative, say
from mifm_kipoi.support.cpus import usable_cpus

_TEXT = """\
Polygenic scores where the causal variants are known: scores of a network that was trained on other loci of
the same rule, p-values, fine-mapping, chance and the rule itself pick variants of the GWAS of a cohort; 'mifm
pgs run' builds polygenic scores of them, applies them to people of three populations and evaluates them.
Scores with the true effects bound them from above.

--out gets study.yaml, the configuration of 'mifm pgs run', study/ with its report.html, and truth.tsv: how
many of the variants that a method picks first are causal. Rerunning resumes.
"""


def add(commands: Any) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "polygenic",
        help="polygenic scores of a cohort with known causal variants, evaluated by population",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--cohort", required=True, type=Path, metavar="DIR", help="output of 'python -m benchmarks cohort'"
    )
    command.add_argument(
        "--weights", required=True, type=Path, action="append", metavar="FILE",
        help="of a network of known-truth, such as arms/per_study/seed-1/member.safetensors; repeated, the "
        "mean logit of all",
    )  # fmt: skip
    command.add_argument(
        "--null", type=Path, action="append", default=[], metavar="FILE",
        help="of a network that learnt nothing, such as arms/shuffled_labels/seed-1/member.safetensors",
    )  # fmt: skip
    command.add_argument(
        "--draws", type=not_negative, default=100, metavar="N", help="of random members (default: 100)"
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="over the configuration"
    )
    arguments.add_out(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with extra.needed():
        from benchmarks.polygenic.experiment import Experiment
    result = Experiment(
        options.cohort, tuple(options.weights), tuple(options.null), options.out, options.draws,
        usable_cpus(), tuple(options.set),
    ).run()  # fmt: skip
    say(*result.summary, f"written: {', '.join(map(str, result.files))}")
