"""``mifm check-table``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, add_positions, positive, say
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.columns import FIELDS
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS
from mifm_kipoi.support.progress import Progress


def add_check_table(parser: argparse.ArgumentParser) -> None:
    """``mifm check-table``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Say on one page what a table of a GWAS is understood as: the program that made it, its columns,\n"
        "which allele has the effect, the genome build, sample size, lambda GC, associations, problems with\n"
        "their lines, and what it can be used for. Run it first. The table is read once, in constant memory\n"
        "and with progress: text (plain, gzip, bgzip), Parquet or GWAS-VCF. The exit code is 1, with the\n"
        "reason, where the table cannot be used as it is."
    )
    parser.epilog = "fields for --columns:\n" + "\n".join(
        f"  {field:26} {meaning}" for field, meaning in FIELDS.items()
    )
    parser.add_argument("table", help="summary statistics, or any table of variants with p-values or PIPs")
    parser.add_argument("--fasta", metavar="FASTA", help="reference genome: are the alleles of its build?")
    parser.add_argument(
        "--gwas-format", "--format", metavar="NAME", default="auto",
        choices=["auto", "table", *GWAS_FORMATS],
        help=f"the program that made it: {', '.join(GWAS_FORMATS)}; or table, for the usual names of columns "
        "alone (default: by its columns)",
    )  # fmt: skip
    add_list(parser, "--columns", "FIELD=COLUMN", "columns that are named for their fields, see below")
    parser.add_argument("--phenotype", default="", metavar="NAME", help="of several phenotypes in it")
    parser.add_argument("--population", default="", metavar="NAME", help="of several populations in it")
    parser.add_argument(
        "--sample-size", type=positive, metavar="N", help="of a table that has no column of it"
    )
    add_positions(parser)
    parser.add_argument(
        "--lift-over", default="", metavar="CHAIN", help="chain file from its build to that of the FASTA"
    )
    parser.add_argument(
        "--allow-implausible", action="store_true",
        help="use it although numbers contradict each other (the page still says so)",
    )  # fmt: skip
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )
    parser.set_defaults(run=_check_table)


def _check_table(options: argparse.Namespace) -> None:
    from mifm_kipoi.genetics.associations import AssociationTable
    from mifm_kipoi.genetics.table_check import TableCheck

    table = AssociationTable(
        options.table,
        format=options.gwas_format,
        columns=columns_of(options.columns or []),
        phenotype=options.phenotype,
        population=options.population,
        positions=options.positions or "",
        lift_over=options.lift_over,
        sample_size=options.sample_size,
        allow_implausible=options.allow_implausible,
    )
    check = TableCheck(table, options.fasta and Path(options.fasta))
    try:
        with Progress("rows", options.progress) as progress:
            summary = check.run(progress.update)
    except InputError:
        # What is understood helps with what is not; where it is nothing, the same error comes again.
        say(*check.understood())
        raise
    say(*summary.lines())
    if summary.faults:
        raise InputError(f"{options.table} cannot be used as it is: {'; '.join(summary.faults)}")


def columns_of(entries: list[str]) -> dict[str, str]:
    """The columns that ``--columns FIELD=COLUMN`` names, by their fields.

    Raises
    ------
    OptionError
        When an entry has no ``=``.
    """
    columns = {}
    for entry in entries:
        field, equals, column = entry.partition("=")
        if not equals:
            raise OptionError(f"--columns has {entry!r}; expected FIELD=COLUMN, such as effect_allele=A1")
        columns[field] = column
    return columns
