"""``mifm gwas``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, fraction, positive, say
from mifm_kipoi.commands.people import add_columns_of_people, add_variant_filters, columns_of_people
from mifm_kipoi.support.progress import Progress


def add_gwas(parser: argparse.ArgumentParser) -> None:
    """``mifm gwas``."""
    parser.description = (
        "Test each variant of genotypes for association with traits, several traits in one pass: linear "
        "regression, or the score test of logistic regression with an exact fit where its p-value is small. "
        "Writes summary statistics in GWAS-SSF, which the other commands read, and a report."
    )
    parser.add_argument(
        "genotypes", nargs="+", metavar="GENOTYPES",
        help="PLINK 1 (.bed or its prefix), PLINK 2 (.pgen) or VCF/BCF; several of the same people, such as "
        "one per chromosome",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("people")
    add_list(
        group, "--people", "TABLE", "tables with a row for each person: traits and covariates", required=True
    )
    add_columns_of_people(group, "traits to test, each a file of its own")
    group.add_argument("--keep", metavar="TABLE", help="analyse only the people of this table")
    group.add_argument(
        "--inverse-normal", action="store_true",
        help="replace quantitative traits by the normal scores of their ranks",
    )  # fmt: skip
    add_variant_filters(parser, "variants that are tested, by the people who are analysed")
    group = parser.add_argument_group("tests and run")
    group.add_argument(
        "--exact-below", type=fraction, default=1e-3, metavar="P",
        help="fit logistic regression where the score test's p-value is at most P; 1 fits all (default: "
        "0.001)",
    )  # fmt: skip
    group.add_argument(
        "--build", default="", metavar="NAME", help="genome build, for the description of outputs"
    )
    group.add_argument("--ancestry", default="", metavar="NAME", help="ancestry of the people, for the same")
    group.add_argument(
        "--threads", type=positive, metavar="N", help="(default: the CPUs that this process may use)"
    )
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )
    parser.set_defaults(run=_gwas)


def _gwas(options: argparse.Namespace) -> None:
    from mifm_kipoi.association.cohort import Selection
    from mifm_kipoi.association.filters import Filters
    from mifm_kipoi.association.run import GwasRun

    run = GwasRun(
        genotypes=tuple(options.genotypes),
        selection=Selection(
            tables=tuple(map(Path, options.people)),
            **columns_of_people(options),
            keep=options.keep and Path(options.keep),
            inverse_normal=options.inverse_normal,
        ),
        folder=Path(options.output),
        filters=Filters(options.maf, options.hwe, options.info, options.missing),
        exact_below=options.exact_below,
        build=options.build,
        ancestry=options.ancestry,
        threads=options.threads,
    )
    with Progress("variants", options.progress) as progress:
        result = run.run(progress.update)
    say(*result.summary, f"written: {', '.join(map(str, result.files))}")
