"""``mifm rank``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import (
    add_compute,
    add_limits,
    add_list,
    add_positions,
    not_negative,
    positive,
    say,
)
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS


def add_rank(parser: argparse.ArgumentParser) -> None:
    """``mifm rank``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Rank the variants of each locus by their MIFM scores, beside what a study says of them: PIPs,\n"
        "p-values and, where effects are given, the posterior of approximate Bayes factors without and with\n"
        "the score as prior. VARIANTS is a VCF or BCF file, or any table of variants: a list, summary\n"
        "statistics, fine-mapping, or an output of 'mifm score', whose scores count. DIR gets ranked.tsv,\n"
        "loci.tsv, a figure of each locus, and one page with all of it, report.html."
    )
    parser.add_argument("variants", help="VCF (plain, gzip, bgzip) or BCF file, or any table of variants")
    parser.add_argument(
        "fasta", nargs="?",
        help="reference genome, plain or bgzip; needed where VARIANTS has no scores; with it, figures show "
        "the score of every position",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group(
        "loci",
        "By default the LD blocks and signals of the table, where it has a column of them, else by distance.",
    )
    add_list(group, "--by", "COLUMN", "columns of the table whose values divide it", default=())
    add_blocks(group)
    group.add_argument(
        "--gap", type=positive, metavar="BP",
        help="by distance: more base pairs than this are between two loci (default: 250000)",
    )  # fmt: skip
    group = parser.add_argument_group("the study")
    add_study(group)
    group.add_argument("--population", default="", metavar="NAME", help="of several populations in it")
    group.add_argument(
        "--sample-size", type=positive, metavar="N", help="of a table that has no column of it"
    )
    group.add_argument(
        "--trait", default="", choices=["quantitative", "case_control"],
        help="which effects Bayes factors expect",
    )  # fmt: skip
    group.add_argument("--case-fraction", type=float, metavar="FRACTION", help="cases over individuals")
    group.add_argument(
        "--allow-implausible", action="store_true",
        help="warn, and go on, where numbers cannot be what their columns say",
    )  # fmt: skip
    group.add_argument(
        "--slope", type=float, metavar="A",
        help="slope of the logit in the prior (default: estimated from these data, 0 where they are too few)",
    )  # fmt: skip
    add_positions(group)
    group = parser.add_argument_group("scores")
    group.add_argument(
        "--weights", default="embedded", metavar="NAME", help="name or path (default: embedded)"
    )
    group.add_argument(
        "--score", default="", metavar="COLUMN", help="of several MIFM scores in VARIANTS, the one to rank by"
    )
    add_limits(group)
    group = parser.add_argument_group("the page")
    group.add_argument(
        "--top", type=positive, default=5, metavar="N", help="variants of a locus by score (default: 5)"
    )
    group.add_argument(
        "--figures", type=not_negative, default=30, metavar="N",
        help="loci with a figure, those that come first by the study (default: 30)",
    )  # fmt: skip
    group.add_argument(
        "--no-tracks", action="store_true", help="figures without the score of every position, in less time"
    )
    group = parser.add_argument_group("run")
    add_compute(group)
    parser.set_defaults(run=_rank)


def add_blocks(group: argparse._ActionsContainer) -> None:
    """Options that give loci by LD blocks; of ``mifm explain``, too."""
    group.add_argument(
        "--blocks", metavar="FILE", help="LD blocks: BED, or a table with the columns chr, start, stop, pop"
    )
    group.add_argument("--blocks-population", default="", metavar="POP", help="of such a table, such as EUR")


def add_study(group: argparse._ActionsContainer) -> None:
    """Options that say what a study has found and how its table is read; of ``mifm explain``, too."""
    group.add_argument(
        "--gwas", default="", metavar="FILE[:NAME=VALUE...]",
        help="another table with p-values, effects or PIPs, joined by position and alleles; options of it "
        "can follow, as those of abf in 'mifm compare'",
    )  # fmt: skip
    group.add_argument(
        "--pip", default="", metavar="COLUMN|FILE", help="the column of PIPs, or another table that has them"
    )
    group.add_argument(
        "--gwas-format", "--format", metavar="NAME", default="auto", choices=["auto", "table", *GWAS_FORMATS],
        help="the program that made VARIANTS (default: by its columns)",
    )  # fmt: skip
    add_list(
        group, "--columns", "FIELD=COLUMN", "columns of VARIANTS that are named ('mifm check-table --help')"
    )
    group.add_argument("--phenotype", default="", metavar="NAME", help="of several phenotypes in it")


def _rank(options: argparse.Namespace) -> None:
    from mifm_kipoi.commands.check_table import columns_of
    from mifm_kipoi.explanation.ranking.candidates import TableOptions
    from mifm_kipoi.explanation.ranking.run import RankRun

    run = RankRun(
        variants=Path(options.variants),
        folder=Path(options.output),
        fasta=options.fasta and Path(options.fasta),
        weights=options.weights,
        by=tuple(options.by),
        blocks=options.blocks and Path(options.blocks),
        blocks_population=options.blocks_population,
        gap_bp=options.gap,
        gwas=options.gwas,
        pip=options.pip,
        score=options.score,
        slope=options.slope,
        table=TableOptions(
            format=options.gwas_format,
            phenotype=options.phenotype,
            population=options.population,
            columns=columns_of(options.columns or []),
            sample_size=options.sample_size,
            trait=options.trait,
            case_fraction=options.case_fraction,
            allow_implausible=options.allow_implausible,
        ),
        positions=options.positions and Path(options.positions),
        top=options.top,
        figures=options.figures,
        tracks=not options.no_tracks,
        device=options.device,
        threads=options.threads,
        max_n_fraction=options.max_n_fraction,
        max_mismatch_fraction=options.max_mismatch_fraction,
    )
    result = run.run(say)
    figures = [path for path in result.files if path.parent != run.folder]
    written = f"written: {', '.join(str(path) for path in result.files if path not in figures)}"
    if figures:
        written += (
            f", and {len(figures)} {'figure' if len(figures) == 1 else 'figures'} in {figures[0].parent}"
        )
    say(*result.summary, written)
    result.check_any_scored()
