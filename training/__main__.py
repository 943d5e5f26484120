"""The command line of the training code: ``python -m training <command>``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import torch

from mifm_kipoi.commands.arguments import CommandParser
from mifm_kipoi.commands.tasks import EXIT_CODES, accept_debug
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import with_home
from mifm_kipoi.support.guard import guarded
from mifm_kipoi.support.packages import check_installed

_PROGRAM = "python -m training"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 1 on an error of input or run time (2, usage, exits)."""
    words = [with_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    return guarded(_PROGRAM, "--debug" in words, lambda: _run(words))


def _run(words: Sequence[str]) -> None:
    check_installed(("bed_reader", "lightning", "scipy", "yaml"), "training")
    options = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    # Not above: they import what an extra brings.
    from training.commands import (
        data,
        distil,
        ensemble,
        export,
        fidelity,
        finetune,
        fit,
        labels,
        left_out,
        run,
    )

    parser = CommandParser(
        prog=_PROGRAM,
        description="Train MIFM networks.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.add_argument(
        "--threads",
        type=int,
        default=usable_cpus(),
        help="threads of PyTorch (default: the CPUs that this process may use)",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (data, fit, ensemble, left_out, distil, fidelity, export, finetune, run, labels):
        module.add(commands)
    accept_debug(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
