"""``python -m benchmarks <command>``: the benchmarks of the method. Those of speed and memory are modules."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from benchmarks.cohort import command as cohort
from benchmarks.finemapping import command as finemapping
from benchmarks.gpu import command as gpu
from benchmarks.joint import command as joint
from benchmarks.known_truth import command as known_truth
from benchmarks.known_truth import evaluation_command
from benchmarks.null_pairs import command as null_pairs
from benchmarks.polygenic import command as polygenic
from benchmarks.real import command as real
from mifm_kipoi.support.guard import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 1 on an error of input or run time (2, usage, exits)."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return guarded("python -m benchmarks", options.debug, lambda: options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Benchmarks of the method. Those of speed and memory are modules, such as "
        "python -m benchmarks.speed.score.",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    known_truth.add(commands)
    evaluation_command.add(commands)
    cohort.add(commands)
    cohort.add_example(commands)
    finemapping.add(commands)
    joint.add(commands)
    null_pairs.add(commands)
    polygenic.add(commands)
    real.add(commands)
    gpu.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
