"""``mifm evaluate joint``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, fraction, not_negative, positive, say
from mifm_kipoi.commands.people import add_columns_of_people, add_variant_filters, columns_of_people
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS


def add_joint(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate joint``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Test the variants of each clump jointly: all of them, those with low p-values, those with high\n"
        "scores, and as many at random, which says what a filter is worth. Effects are tested again in a\n"
        "second sample. DIR gets filters.tsv, effects.tsv and other tables, and a page, report.html.\n"
        "With --people, one half of these selects variants and the other is tested; without, joint effects\n"
        "follow from --gwas and the LD of --genotypes."
    )
    parser.add_argument(
        "scores", nargs="?",
        help="table with chrom, pos, ref, alt and scores, such as 'mifm compare' writes (default: none, so "
        "that p-values alone filter)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("people")
    add_list(
        group, "--genotypes", "PATH",
        "PLINK 1 or 2 filesets, VCF or BCF files of the same people; without --people a panel for LD",
        required=True,
    )  # fmt: skip
    add_list(
        group, "--people", "TABLE",
        "tables with a row for each person, by IID, eid or sample: traits and covariates", default=(),
    )  # fmt: skip
    add_columns_of_people(group, "columns that are tested", required=False, columns="--people-columns")
    group.add_argument("--keep", metavar="TABLE", help="analyse only the people of this table")
    group = parser.add_argument_group("studies")
    group.add_argument(
        "--gwas", action="append", default=[], metavar="[TRAIT=]TABLE",
        help="summary statistics of a trait (may be repeated; the trait may be left out where there is one)",
    )  # fmt: skip
    group.add_argument(
        "--gwas-format", metavar="NAME", default="auto", choices=["auto", "table", *GWAS_FORMATS],
        help="the program that made them (default: by their columns)",
    )  # fmt: skip
    add_list(
        group,
        "--gwas-columns",
        "FIELD=COLUMN",
        "columns that are named ('mifm check-table --help')",
        default=(),
    )
    group.add_argument("--sample-size", type=positive, metavar="N", help="of tables without a column of it")
    group.add_argument(
        "--allow-implausible", action="store_true",
        help="warn, and go on, where numbers cannot be what their columns say",
    )  # fmt: skip
    group.add_argument(
        "--selection", default="halves", choices=["halves", "others", "same"],
        help="who selects variants: a random half of the people, of whom the other is tested; other people, "
        "those of --gwas; or the same people who are tested, as in the paper (default: %(default)s)",
    )  # fmt: skip
    group = parser.add_argument_group("second sample")
    add_list(group, "--second-genotypes", "PATH", "of other people", default=())
    add_list(group, "--second-people", "TABLE", "their tables (default: those of --people)", default=())
    group.add_argument("--second-keep", metavar="TABLE", help="only the people of this table")
    group.add_argument(
        "--second-gwas", action="append", default=[], metavar="[TRAIT=]TABLE",
        help="without people: summary statistics of another sample",
    )  # fmt: skip
    _add_clumps(parser)
    _add_tests(parser)
    parser.set_defaults(run=_joint)


def _add_clumps(parser: argparse.ArgumentParser) -> None:
    """Options that say which variants there are, and which of them filters keep."""
    group = parser.add_argument_group("clumps")
    group.add_argument(
        "--p1",
        type=float,
        default=5e-8,
        metavar="P",
        help="highest p of lead variants (default: %(default)s)",
    )
    group.add_argument(
        "--p2", type=float, default=1e-4, metavar="P", help="members have a lower p (default: %(default)s)"
    )
    group.add_argument(
        "--r2", type=fraction, default=0.9, metavar="R2",
        help="members have a higher r2 with the lead variant (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--kb", type=positive, default=1000, metavar="KB", help="and are nearer (default: %(default)s)"
    )
    add_variant_filters(parser, "variants that count, by the people who are tested")
    group = parser.add_argument_group("filters")
    add_list(
        group, "--columns", "COLUMN",
        "scores of which high ones are kept (default: those that rank, as comparison.json beside SCORES "
        "says, else mifm_ref)",
        default=(),
    )  # fmt: skip
    add_list(group, "--lower", "COLUMN", "scores of which low ones are kept", default=())
    group.add_argument(
        "--p-percentile", type=float, default=30.0, metavar="P",
        help="of all associated variants; secondary variants with lower p are kept (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--score-percentile", type=float, default=70.0, metavar="P",
        help="secondary variants with higher scores are kept (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--within-clumps", action="store_true",
        help="keep as many of each clump by all filters, the fraction of --p-percentile",
    )  # fmt: skip
    group.add_argument(
        "--prune", type=fraction, default=0.99, metavar="R2",
        help="variants with a higher r2 count as one; 1 keeps all (default: %(default)s)",
    )  # fmt: skip
    add_list(
        group, "--held-out", "CHROM",
        "chromosomes to report apart (default: those that every model with a declaration held out)",
    )  # fmt: skip


def _add_tests(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tests")
    group.add_argument(
        "--draws", type=positive, default=1000, metavar="N", help="random filters (default: %(default)s)"
    )
    group.add_argument(
        "--alpha", type=fraction, default=0.05, metavar="P",
        help="level, which is divided by the number of tests (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--equal-within", type=float, default=2.0, metavar="FACTOR",
        help="effects of two samples are equal up to this factor (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=not_negative, default=1, metavar="N", help="of random numbers (default: %(default)s)"
    )
    group.add_argument(
        "--as-in-paper", action="store_true",
        help="the people who are tested select, and nothing is pruned, to compare with the paper's; the "
        "controls, which it lacks, are there in any case",
    )  # fmt: skip


def _joint(options: argparse.Namespace) -> None:
    from mifm_kipoi.association.filters import Filters
    from mifm_kipoi.commands.check_table import columns_of
    from mifm_kipoi.evaluation.joint.clumps import ClumpOptions
    from mifm_kipoi.evaluation.joint.models import FilterOptions
    from mifm_kipoi.evaluation.joint.records import Significance
    from mifm_kipoi.evaluation.joint.run import Columns, JointRun, People

    named = columns_of_people(options, "--people-columns")
    people = People(
        tuple(map(Path, options.genotypes)),
        tuple(map(Path, options.people)),
        options.keep and Path(options.keep),
    )
    second = None
    if options.second_genotypes:
        second = People(
            tuple(map(Path, options.second_genotypes)),
            tuple(map(Path, options.second_people or options.people)),
            options.second_keep and Path(options.second_keep),
        )
    elif options.second_people or options.second_keep:
        raise OptionError("--second-people and --second-keep need --second-genotypes")
    run = JointRun(
        folder=Path(options.output),
        people=people,
        columns=Columns(names=named.pop("columns"), **named),
        studies=_studies("--gwas", options.gwas, options.traits),
        selection="same" if options.as_in_paper else options.selection,
        second=second,
        second_studies=_studies("--second-gwas", options.second_gwas, options.traits),
        study_options={
            "format": options.gwas_format,
            "columns": columns_of(options.gwas_columns),
            "sample_size": options.sample_size,
            "allow_implausible": options.allow_implausible,
        },
        scores=options.scores and Path(options.scores),
        columns_of_scores=tuple(options.columns),
        lower=tuple(options.lower),
        held_out=None if options.held_out is None else tuple(options.held_out),
        clumping=ClumpOptions(
            options.p1, options.p2, options.r2, options.kb,
            Filters(options.maf, options.hwe, options.info, options.missing),
        ),
        filters=FilterOptions(
            options.p_percentile, options.score_percentile, options.within_clumps,
            1.0 if options.as_in_paper else options.prune,
        ),
        tests=Significance(options.alpha, options.equal_within),
        draws=options.draws,
        seed=options.seed,
    )  # fmt: skip
    result = run.run(on_progress=say)
    say(*result.summary, *result.cautions, f"written: {', '.join(map(str, result.files))}")


def _studies(option: str, entries: Sequence[str], traits: Sequence[str]) -> dict[str, Path]:
    """Tables by trait; of a single trait its name may be left out."""
    studies: dict[str, Path] = {}
    for entry in entries:
        name, equals, path = entry.partition("=")
        if not equals or "/" in name:
            if len(entries) > 1 or len(traits) > 1:
                raise OptionError(f"{option} {entry} does not say of which trait it is; expected TRAIT=TABLE")
            name, path = traits[0] if traits else "trait", entry
        if name in studies:
            raise OptionError(f"{option} has two tables of {name}; expected one")
        studies[name] = Path(path)
    return studies
