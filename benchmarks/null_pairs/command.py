"""``python -m benchmarks null-pairs``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks import arguments, extra
from mifm_kipoi.commands.arguments import positive

_TEXT = """\
Draw pairs of scores that predict equally well, and count how often paired tests find a difference: the
type I error of sign flips, which mifm pgs evaluate has, and of other tests, the authors' among them.
"""


def add(commands: Any) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "null-pairs", help="type I errors of tests between two scores", description=_TEXT
    )
    command.add_argument(
        "--pairs", type=positive, default=20_000,
        help="of settings that are drawn often, and a tenth of others (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--pairwise", type=int, default=1000,
        help="of each, how many get the authors' procedure, which takes longest (default: %(default)s)",
    )  # fmt: skip
    arguments.add_out(command)
    arguments.add_jobs(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with extra.needed():
        from benchmarks.null_pairs.report import figures, table
        from benchmarks.null_pairs.simulate import simulate
    counted = figures(simulate(options.pairs, options.pairwise, options.jobs))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "null_pairs.json").write_text(json.dumps(counted, indent=1) + "\n")
    (options.out / "null_pairs.md").write_text(table(counted))
    print(table(counted))
