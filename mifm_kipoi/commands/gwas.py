"""``mifm gwas``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, fraction, positive, say
from mifm_kipoi.errors import OptionError
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
    add_list(group, "--trait", "COLUMN", "traits to test, each a file of its own", required=True)
    add_list(
        group, "--covariates", "COLUMN", "covariates that are held fixed, such as age,sex,PC1", default=()
    )
    add_list(
        group, "--categorical", "COLUMN", "covariates with levels although these are numbers", default=()
    )
    add_list(group, "--binary", "TRAIT", "traits with cases and controls, where it is not plain", default=())
    add_list(group, "--quantitative", "TRAIT", "traits without, where it is not plain", default=())
    add_list(
        group, "--columns", "NAME=COLUMN", "names of your own for columns, such as height=50-0.0", default=()
    )
    group.add_argument("--keep", metavar="TABLE", help="analyse only the people of this table")
    group.add_argument(
        "--inverse-normal", action="store_true",
        help="replace quantitative traits by the normal scores of their ranks",
    )  # fmt: skip
    group = parser.add_argument_group("variants that are tested, by the people who are analysed")
    group.add_argument(
        "--maf",
        type=fraction,
        default=0.01,
        metavar="F",
        help="smallest minor allele frequency (default: 0.01)",
    )
    group.add_argument(
        "--hwe", type=fraction, default=1e-6, metavar="P",
        help="smallest p-value of the exact test of Hardy-Weinberg equilibrium (default: 1e-6)",
    )  # fmt: skip
    group.add_argument(
        "--info", type=fraction, default=0.8, metavar="R2",
        help="smallest quality of imputed dosages, MaCH's r2 (default: 0.8)",
    )  # fmt: skip
    group.add_argument(
        "--missing", type=fraction, default=0.1, metavar="F",
        help="largest fraction of people without a genotype (default: 0.1)",
    )  # fmt: skip
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
            traits=tuple(options.trait),
            covariates=tuple(options.covariates),
            categorical=tuple(options.categorical),
            binary=tuple(options.binary),
            quantitative=tuple(options.quantitative),
            columns=dict(map(_named, options.columns)),
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


def _named(entry: str) -> tuple[str, str]:
    name, equals, column = entry.partition("=")
    if not (equals and name and column):
        raise OptionError(f"--columns has {entry!r}; expected NAME=COLUMN, such as height=50-0.0")
    return name, column
