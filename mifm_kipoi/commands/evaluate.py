"""``mifm evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_former_spelling, add_intervals, add_list, fraction, say
from mifm_kipoi.commands.enrichment import add_enrichment
from mifm_kipoi.commands.joint import add_joint
from mifm_kipoi.commands.motif_swap import add_motif_swap
from mifm_kipoi.commands.motifs import add_motifs
from mifm_kipoi.commands.mpra import add_mpra
from mifm_kipoi.commands.paper import add_paper
from mifm_kipoi.commands.tasks import Command, add_commands


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate``."""
    parser.description = (
        "Evaluate scores against labels, measured effects, annotations of the genome or joint tests."
    )
    commands = parser.add_subparsers(title="evaluations", required=True, metavar="COMMAND")
    add_commands(commands, _COMMANDS)


def _add_ranking(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure how well scores rank labelled variants: AUPRC, AUROC, the mean AUPRC of chromosomes and "
        "top-1 accuracy within blocks and matched groups, each with a 95% interval, and the differences "
        "between scores. Chromosomes that models held out are evaluated separately, too."
    )
    parser.add_argument(
        "scores", help="scores.parquet of 'mifm compare', or any table with chrom, pos, ref, alt and scores"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--labels", required=True, metavar="FILE",
        help="table with chrom, pos, ref, alt and labels: .tsv, .csv, either with .gz, or .parquet; may be "
        "SCORES itself",
    )  # fmt: skip
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--label-column", metavar="COLUMN", help="true/false or 1/0 (default: label, else causal)"
    )
    which.add_argument(
        "--pip", metavar="COLUMN", help="make labels from this column of posterior inclusion probabilities"
    )
    group.add_argument(
        "--positive", type=fraction, metavar="PIP", help="positive are PIPs above it (default: 0.9)"
    )
    group.add_argument(
        "--negative", type=fraction, metavar="PIP", help="negative are PIPs below it (default: 0.01)"
    )
    group.add_argument(
        "--group", metavar="COLUMN", help="matched groups (default: match_group, where there is one)"
    )
    group.add_argument(
        "--block", metavar="COLUMN", help="blocks (default: block or locus, where there is one)"
    )
    group.add_argument(
        "--lift-over", metavar="CHAIN",
        help="chain file that takes the labels to the build of the scores, such as hg19ToHg38.over.chain.gz",
    )  # fmt: skip
    group = parser.add_argument_group("scores")
    columns = add_list(
        group,
        "--columns",
        "COLUMN",
        "columns in which higher is more likely causal (default: those that rank, as comparison.json beside "
        "SCORES says, else mifm_ref)",
        default=(),
    )
    add_former_spelling(group, "--scores", columns)
    add_list(
        group,
        "--lower",
        "COLUMN",
        "columns in which lower is more likely causal, such as p-values",
        default=(),
    )
    add_list(
        group,
        "--held-out",
        "CHROM",
        "chromosomes to evaluate separately, too (default: those that every model with a declaration held "
        "out)",
    )
    add_intervals(parser)
    parser.set_defaults(run=_ranking)


def _ranking(options: argparse.Namespace) -> None:
    from mifm_kipoi.evaluation.ranking.labels import LabelOptions
    from mifm_kipoi.evaluation.ranking.run import RankingRun

    run = RankingRun(
        scores=Path(options.scores),
        labels=Path(options.labels),
        folder=Path(options.output),
        label_options=LabelOptions(
            label=options.label_column,
            pip=options.pip,
            positive=options.positive,
            negative=options.negative,
            group=options.group,
            block=options.block,
            lift_over=options.lift_over and Path(options.lift_over),
        ),
        columns=tuple(options.columns),
        lower=tuple(options.lower),
        held_out=None if options.held_out is None else tuple(options.held_out),
        resamples=options.resamples,
        seed=options.seed,
    )
    result = run.run()
    say(*result.summary, *result.cautions, f"written: {', '.join(map(str, result.files))}")


_COMMANDS = (
    Command(
        "ranking",
        _add_ranking,
        "how well scores rank variants that are labelled causal or not",
        "mifm evaluate ranking scores.tsv.gz --labels labels.tsv -o ranking",
    ),
    Command(
        "mpra",
        add_mpra,
        "how scores correlate with measured effects of substitutions in regulatory elements",
        "mifm evaluate mpra mpra.tsv.gz --fasta genome.fa -o mpra",
    ),
    Command(
        "enrichment",
        add_enrichment,
        "whether variants with high scores lie in chromatin states and other annotations",
        "mifm evaluate enrichment scores.tsv.gz --states states -o enriched",
    ),
    Command(
        "motifs",
        add_motifs,
        "which motifs a network reads, beside what an untrained network gives",
        "mifm evaluate motifs bases.h5 --motifs motifs.meme -o motifs",
    ),
    Command(
        "joint",
        add_joint,
        "what joint tests find in clumps that p-values or scores filter, beside random filters",
        "mifm evaluate joint scores.tsv.gz --genotypes genotypes/discovery.bed "
        "--people phenotypes.tsv,covariates.tsv --traits q1 --covariates age,sex -o joint",
    ),
    Command(
        "motif-swap",
        add_motif_swap,
        "how scores change when a pattern is replaced by one of the other sign",
        "mifm evaluate motif-swap bases.h5 motifs/patterns.h5 --patterns positive.1,negative.1 -o swapped",
    ),
    Command(
        "paper",
        add_paper,
        "one page of these evaluations, beside what the paper reports and controls",
        "mifm evaluate paper --enrichment enriched --motifs motifs -o page",
    ),
)
