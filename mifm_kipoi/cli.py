"""The command ``mifm``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from mifm_kipoi.commands import kipoi, mutagenesis, score, weights
from mifm_kipoi.guard import guarded
from mifm_kipoi.version import __version__

_COMMANDS = (
    ("score", score.add_score, "score the variants of a file, of any size"),
    ("merge", score.add_merge, "join the outputs of 'mifm score --shard'"),
    (
        "mutagenesis",
        mutagenesis.add_mutagenesis,
        "scores with every base of a window or region exchanged for every other",
    ),
    ("weights", weights.add_weights, "list, show, import, fetch and verify weights"),
    ("register", kipoi.add_register, "make the models known to Kipoi as the source 'mifm'"),
    ("unregister", kipoi.add_unregister, "restore the Kipoi configuration"),
    ("demo", kipoi.add_demo, "score variants with 'kipoi predict', rank and plot them"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 1 on an error of input or run time (2, usage, exits)."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.debug else logging.WARNING)
    return guarded("mifm", options.debug, lambda: options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mifm",
        description="Scores of causal non-coding variants from sequence (MIFM), as a Kipoi plugin.",
        epilog="The same scores come from Kipoi: kipoi predict MIFM --source=mifm, after 'mifm register'.",
    )
    parser.add_argument("--version", action="version", version=f"mifm {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and log messages")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, add_arguments, meaning in _COMMANDS:
        add_arguments(commands.add_parser(name, help=meaning))
    return parser


if __name__ == "__main__":
    sys.exit(main())
