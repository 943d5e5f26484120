"""The command ``mifm``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from mifm_kipoi.commands import (
    attribute,
    check_table,
    compare,
    completion,
    evaluate,
    example,
    explain,
    finemap,
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
from mifm_kipoi.commands.completion import complete
from mifm_kipoi.commands.tasks import EXIT_CODES, Command, Task, TaskParser, accept_debug, add_commands
from mifm_kipoi.support.files import with_home
from mifm_kipoi.support.guard import guarded
from mifm_kipoi.version import __version__

TASKS = (
    Task(
        "begin",
        (
            Command(
                "demo",
                kipoi.add_demo,
                "rank the variants of a packaged locus, as a table and a figure",
                "mifm demo",
            ),
            Command(
                "example",
                example.add_example,
                "write a small study of known truth: files for all other commands",
                "mifm example study",
            ),
            Command(
                "check-table",
                check_table.add_check_table,
                "what a table of a GWAS is understood as, on one page",
                "mifm check-table gwas/q1.tsv.gz --fasta genome.fa",
            ),
        ),
    ),
    Task(
        "score variants and sequence",
        (
            Command(
                "score",
                score.add_score,
                "score the variants of a VCF, BCF or table of any size",
                "mifm score variants.vcf.gz genome.fa -o scores.tsv.gz",
            ),
            Command(
                "genome",
                genome.add_genome,
                "score every position of a genome, for browsers and for look-up",
                "mifm genome genome.fa -o mifm.bw mifm.tsv.gz",
            ),
            Command(
                "genome background",
                genome_background.add_background,
                "measure how the scores of other weights are spread, for their percentiles",
                "mifm genome background genome.fa --weights trained.safetensors",
            ),
            Command(
                "merge",
                score.add_merge,
                "join the parts of 'mifm score --shard' or 'mifm genome --shard'",
                "mifm merge part1.tsv.gz part2.tsv.gz -o scores.tsv.gz",
            ),
            Command(
                "mutagenesis",
                mutagenesis.add_mutagenesis,
                "scores with every base of a window or region substituted by every other",
                "mifm mutagenesis genome.fa --vcf variants.vcf.gz -o mutations.parquet",
            ),
            Command(
                "attribute",
                attribute.add_attribute,
                "what each base of a window contributes to its logit",
                "mifm attribute genome.fa --vcf variants.vcf.gz --weights trained.safetensors -o bases.h5",
            ),
        ),
    ),
    Task(
        "study a locus",
        (
            Command(
                "rank",
                rank.add_rank,
                "the variants of each locus ranked by score, with what a study says beside it",
                "mifm rank variants.vcf.gz genome.fa --gwas gwas/q1.tsv.gz -o ranked",
            ),
            Command(
                "explain",
                explain.add_explain,
                "a page about each variant: sequence, motifs, neighbours",
                "mifm explain variants.vcf.gz genome.fa --motifs motifs.meme --most 3 -o explained",
            ),
            Command(
                "finemap",
                finemap.add_finemap,
                "fine-map the loci of studies, with a score as the prior",
                "mifm finemap gwas/q1.tsv.gz --genotypes genotypes/discovery.bed --ld-sample in "
                "--scores scores.tsv.gz -o finemapped",
            ),
        ),
    ),
    Task(
        "compare and evaluate scores",
        (
            Command(
                "compare",
                compare.add_compare,
                "the same variants under several models, side by side",
                "mifm compare variants.vcf.gz genome.fa --models mifm,pvalue:gwas/q1.tsv.gz -o compared",
            ),
            Command(
                "compare background",
                compare.add_background,
                "fit the mean and standard deviation of each track of a model, for its normalisation",
                "mifm compare background variants.vcf.gz genome.fa --models enformer:FOLDER -o moments",
            ),
            Command(
                "evaluate",
                evaluate.add_evaluate,
                "scores against labels, measured effects, chromatin states, motifs or joint tests",
                "mifm evaluate ranking scores.tsv.gz --labels labels.tsv -o ranking",
            ),
        ),
    ),
    Task(
        "work with genotypes",
        (
            Command(
                "gwas",
                gwas.add_gwas,
                "test variants of genotypes for association with traits",
                "mifm gwas genotypes/discovery.bed --people phenotypes.tsv,covariates.tsv --traits q1 "
                "--covariates age,sex -o associations",
            ),
            Command(
                "pgs",
                pgs.add_pgs,
                "polygenic scores: build, apply to genotypes, evaluate by ancestry",
                "mifm pgs run --config study.yaml -o study",
            ),
        ),
    ),
    Task(
        "set up",
        (
            Command(
                "weights",
                weights.add_weights,
                "list, show, import, fetch and verify weights",
                "mifm weights list",
            ),
            Command(
                "register",
                kipoi.add_register,
                "make the models known to Kipoi, as the source 'mifm'",
                "mifm register",
            ),
            Command(
                "unregister", kipoi.add_unregister, "restore the configuration of Kipoi", "mifm unregister"
            ),
            Command(
                "completion",
                completion.add_completion,
                "let a shell complete commands, options and values on <TAB>",
                'eval "$(mifm completion bash)"',
            ),
        ),
    ),
)
"""All commands, by task."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 1 on an error of input or run time (2, usage, exits)."""
    words = [with_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    parser = build_parser()
    complete(parser, _OF_TWO_WORDS)
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(2)
    options = parser.parse_args(_commands_of_one_word(words))
    if options.debug:
        logging.basicConfig(level=logging.INFO)
    else:
        logging.basicConfig(level=logging.WARNING, format="mifm: warning: %(message)s")
    return guarded("mifm", options.debug, lambda: options.run(options))


_OF_TWO_WORDS = [
    (first, second)
    for task in TASKS
    for first, blank, second in (command.name.partition(" ") for command in task.commands)
    if blank
]
"""Commands whose second word argparse would take for a file: to it, they are one word, with a hyphen."""


def _commands_of_one_word(words: Sequence[str]) -> list[str]:
    command = next((number for number, word in enumerate(words) if not word.startswith("-")), 0)
    if tuple(words[command : command + 2]) in _OF_TWO_WORDS:
        return [*words[:command], "-".join(words[command : command + 2]), *words[command + 2 :]]
    return list(words)


def build_parser() -> TaskParser:
    """The parser of all commands.

    Returns
    -------
    TaskParser
        A command of two words, such as ``genome background``, is one with a hyphen here.
    """
    parser = TaskParser(
        TASKS,
        prog="mifm",
        description="Scores of non-coding variants from their sequence (MIFM), as a Kipoi plugin.",
        epilog="The options of a command: mifm COMMAND --help\n"
        "Files for most of the examples: mifm example study\n"
        "The same scores from Kipoi, after 'mifm register': kipoi predict MIFM --source=mifm ...\n"
        "Weights of your own: python -m training --help\n\n"
        f"{EXIT_CODES}",
    )
    parser.add_argument("--version", action="version", version=f"mifm {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and log messages")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=CommandParser)
    for task in TASKS:
        add_commands(subparsers, task.commands)
    accept_debug(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
