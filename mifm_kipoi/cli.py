"""The command ``mifm``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from mifm_kipoi.commands import (
    attribute,
    check_table,
    compare,
    evaluate,
    example,
    explain,
    genome,
    genome_background,
    gwas,
    kipoi,
    mutagenesis,
    pgs,
    rank,
    score,
    weights,
)
from mifm_kipoi.commands.arguments import CommandParser
from mifm_kipoi.support.files import with_home
from mifm_kipoi.support.guard import guarded
from mifm_kipoi.version import __version__

_COMMANDS = (
    ("check-table", check_table.add_check_table, "what a table of a GWAS is understood as, on one page"),
    ("score", score.add_score, "score the variants of a file, of any size"),
    ("genome", genome.add_genome, "score every position of a genome, for browsers and for look-up"),
    ("merge", score.add_merge, "join the outputs of 'mifm score --shard' or 'mifm genome --shard'"),
    (
        "mutagenesis",
        mutagenesis.add_mutagenesis,
        "scores with every base of a window or region substituted by every other",
    ),
    ("attribute", attribute.add_attribute, "what each base of a window contributes to its logit"),
    ("rank", rank.add_rank, "the variants of each locus ranked, with what a study says beside it"),
    ("explain", explain.add_explain, "a page about each variant: sequence, motifs, neighbours"),
    ("compare", compare.add_compare, "the same variants under several models, side by side"),
    ("evaluate", evaluate.add_evaluate, "scores against what is known of variants"),
    ("gwas", gwas.add_gwas, "test variants of genotypes for association with traits"),
    ("pgs", pgs.add_pgs, "polygenic scores: build, apply to genotypes, evaluate by ancestry"),
    ("weights", weights.add_weights, "list, show, import, fetch and verify weights"),
    ("register", kipoi.add_register, "make the models known to Kipoi as the source 'mifm'"),
    ("unregister", kipoi.add_unregister, "restore the Kipoi configuration"),
    ("example", example.add_example, "write a small study of known truth: files for all other commands"),
    ("demo", kipoi.add_demo, "score variants with 'kipoi predict', rank and plot them"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 1 on an error of input or run time (2, usage, exits)."""
    words = [with_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    options = _parser().parse_args(_commands_of_one_word(words))
    if options.debug:
        logging.basicConfig(level=logging.INFO)
    else:
        logging.basicConfig(level=logging.WARNING, format="mifm: warning: %(message)s")
    return guarded("mifm", options.debug, lambda: options.run(options))


_OF_TWO_WORDS = {
    ("compare", "background"): compare.add_background,
    ("genome", "background"): genome_background.add_background,
}
"""Commands whose second word argparse would take for a file: to it, they are one word, with a hyphen."""


def _commands_of_one_word(words: Sequence[str]) -> list[str]:
    command = next((number for number, word in enumerate(words) if not word.startswith("-")), 0)
    if tuple(words[command : command + 2]) in _OF_TWO_WORDS:
        return [*words[:command], "-".join(words[command : command + 2]), *words[command + 2 :]]
    return list(words)


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="mifm",
        description="Scores of non-coding variants from their sequence (MIFM), as a Kipoi plugin.",
        epilog="The same scores come from Kipoi: kipoi predict MIFM --source=mifm, after 'mifm register'.",
    )
    parser.add_argument("--version", action="version", version=f"mifm {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and log messages")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, add_arguments, meaning in _COMMANDS:
        add_arguments(commands.add_parser(name, help=meaning))
    for both, add_arguments in _OF_TWO_WORDS.items():
        add_arguments(commands.add_parser("-".join(both)))
    return parser


if __name__ == "__main__":
    sys.exit(main())
