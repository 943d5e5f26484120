"""``mifm pgs score``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, fraction, note, positive, say
from mifm_kipoi.commands.check_table import columns_of


def add_pgs_score(parser: argparse.ArgumentParser) -> None:
    """``mifm pgs score``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Apply polygenic scores to genotypes: scoring files of the PGS Catalog, of 'mifm pgs build', or\n"
        "any table with effect alleles and weights, all in one pass over the genotypes. DIR gets people's\n"
        "scores (sample_scores.tsv.gz), how well each score's variants match (matching.tsv), what became of\n"
        "each variant (variants.tsv.gz), and a report.\n\n"
        "The exit code is 1 where none of the scores can be computed."
    )
    parser.add_argument(
        "scores",
        nargs="+",
        metavar="SCORES",
        help="scoring files, or folders of them (*.txt, *.tsv, also .gz)",
    )
    parser.add_argument(
        "-g", "--genotypes", action="append", required=True, metavar="FILE",
        help="PLINK 1 or 2 (prefix, .bed or .pgen), VCF or BCF; repeated for several files of the same "
        "people, such as one for each chromosome",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("genome builds")
    group.add_argument(
        "--build", default="", metavar="BUILD",
        help="of the genotypes, such as GRCh38 (default: what their header says, else that to which a chain "
        "file leads)",
    )  # fmt: skip
    group.add_argument(
        "--score-build", default="", metavar="BUILD",
        help="of scoring files that do not state one (default: that of the genotypes)",
    )  # fmt: skip
    group.add_argument(
        "--lift-over", action="append", default=[], metavar="CHAIN",
        help="chain file for scoring files of another build, such as hg19ToHg38.over.chain.gz; may be "
        "repeated",
    )  # fmt: skip
    group = parser.add_argument_group("which variants count")
    group.add_argument(
        "--ambiguous", choices=["auto", "keep", "drop"], default="auto",
        help="A/T and C/G variants: keep them as of the same strand, drop them, or keep them in scores whose "
        "other variants show that the strand is the same (default: auto)",
    )  # fmt: skip
    group.add_argument(
        "--min-overlap", type=fraction, default=0.0, metavar="FRACTION",
        help="do not compute scores of which a smaller fraction of variants matches (default: 0)",
    )  # fmt: skip
    add_list(
        group, "--columns", "FIELD=COLUMN",
        "columns of tables that are no files of the PGS Catalog, such as effect_allele=A1,beta=WEIGHT",
        default=(),
    )  # fmt: skip
    group = parser.add_argument_group("missing genotypes")
    group.add_argument(
        "--missing", choices=["mean", "zero"], default="mean",
        help="count twice the frequency of the effect allele, or nothing (default: mean)",
    )  # fmt: skip
    group.add_argument(
        "--frequencies", metavar="FILE",
        help=".afreq or .frq of PLINK, or a table with frequencies of effect alleles (default: those in the "
        "founders of the genotypes)",
    )  # fmt: skip
    group = parser.add_argument_group("outputs and run")
    group.add_argument(
        "--parquet", action="store_true", help="write people's scores as sample_scores.parquet"
    )
    group.add_argument(
        "--threads", type=positive, metavar="N",
        help="that decode genotypes (default: the CPUs that this process may use)",
    )  # fmt: skip
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )
    parser.set_defaults(run=_score)


def _score(options: argparse.Namespace) -> None:
    from mifm_kipoi.polygenic.application import PgsScoreRun

    run = PgsScoreRun(
        genotypes=tuple(map(Path, options.genotypes)),
        folder=Path(options.output),
        scores=tuple(map(Path, options.scores)),
        build=options.build,
        score_build=options.score_build,
        lift_over=tuple(map(Path, options.lift_over)),
        ambiguous=options.ambiguous,
        missing=options.missing,
        frequencies=options.frequencies and Path(options.frequencies),
        min_overlap=options.min_overlap,
        columns=columns_of(options.columns),
        parquet=options.parquet,
        threads=options.threads,
    )
    result = run.run(note(options.progress))
    cautions = [f"caution: {caution}" for caution in result.cautions]
    say(*result.summary, *cautions, f"written: {', '.join(map(str, result.files))}")
