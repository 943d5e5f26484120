"""``mifm pgs build``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, not_negative, note, say
from mifm_kipoi.commands.studies import add_unnamed_studies, score_tables_of, study_of
from mifm_kipoi.errors import OptionError

_WEIGHTS = ("mean", "shrunk", "pip", "posterior", "joint", "joint-shrunk")


def add_pgs_build(parser: argparse.ArgumentParser) -> None:
    """``mifm pgs build``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Build polygenic scores: of each signal of a study, the variants that a score prefers, weighted by\n"
        "their effects. STUDY is CAUSALdb2 or another table of credible sets, or summary statistics with\n"
        "--ld-blocks or --clump. NAME= before it names study and trait, and options can follow it, such as\n"
        ":trait=quantitative:n=20000, :format=bolt, :lift_over=CHAIN or :FIELD=COLUMN. DIR gets a\n"
        "scoring file of the PGS Catalog for each study, method, number of variants and weighting,\n"
        "scores.tsv with a row for each of them, and one page with all that was done, report.html."
    )
    parser.add_argument("studies", nargs="+", metavar="[NAME=]STUDY", help="tables of studies")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("studies and signals")
    add_unnamed_studies(group)
    group.add_argument(
        "--genome-build", default="", metavar="BUILD", help="of the studies, for the scoring files"
    )
    group.add_argument(
        "--ld-blocks", metavar="TABLE", help="chr, start, stop, pop: signals of summary statistics"
    )
    group.add_argument("--population", default="EUR", metavar="POP", help="whose LD blocks (default: EUR)")
    add_list(
        group, "--clump", "PREFIX", "signals are clumps on these PLINK files, one or several",
        default=(),
    )  # fmt: skip
    group.add_argument("--clump-r2", type=float, default=0.1, metavar="R2", help="of clumps (default: 0.1)")
    group.add_argument("--clump-kb", type=float, default=250.0, metavar="KB", help="of clumps (default: 250)")
    group.add_argument(
        "--lead-p", type=float, default=5e-8, metavar="P",
        help="a signal counts if a variant has a p-value up to this (default: 5e-8; 1 for all signals)",
    )  # fmt: skip
    group.add_argument(
        "--member-p", type=float, default=1e-5, metavar="P",
        help="highest p-value of members, where signals are LD blocks or clumps (default: 1e-5)",
    )  # fmt: skip
    group.add_argument(
        "--credible", type=float, metavar="LEVEL",
        help="members are those of credible sets of Bayes factors, such as 0.95 (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--as-in-paper", action="store_true",
        help="pool secondary signals of a block, take marginal effects, keep signals whatever their p-value",
    )  # fmt: skip
    group = parser.add_argument_group("what picks")
    group.add_argument(
        "--scores", action="append", default=[], metavar="TABLE",
        help="scores of variants, such as scores.parquet of 'mifm compare'; may be repeated",
    )  # fmt: skip
    add_list(
        group, "--columns", "[NAME=]COLUMN",
        "of the tables of scores, where higher is picked (default: the primary "
        "score of each model of 'mifm compare', else mifm_ref)", default=(),
    )  # fmt: skip
    add_list(group, "--lower", "[NAME=]COLUMN", "where lower is picked", default=())
    add_list(group, "--magnitude", "[NAME=]COLUMN", "where larger magnitude is picked", default=())
    add_list(
        group, "--study-scores", "COLUMN",
        "of the studies, where higher is picked (default: the PIPs of all tools of CAUSALdb2, else the "
        "column of PIPs)",
    )  # fmt: skip
    add_list(
        group,
        "--methods",
        "NAME",
        "those that are wanted (default: all), random, lead and all among them",
        default=(),
    )
    group.add_argument(
        "--same-variants",
        action="store_true",
        help="all methods pick among the members that all have scores of",
    )
    add_list(
        group, "--prior", "NAME", "scores of a table that are also the prior of Bayes factors: NAME+abf",
        default=(),
    )  # fmt: skip
    add_list(
        group, "--top", "N",
        "variants of each signal (default: 1,5,10); all, for methods of PIPs with weights that "
        "use them", default=("1", "5", "10"),
    )  # fmt: skip
    group.add_argument(
        "--draws", type=not_negative, default=100, metavar="N",
        help="scores of members at random, for each number of variants (default: 100)",
    )  # fmt: skip
    group = parser.add_argument_group("weights")
    add_list(
        group, "--weights", "KIND",
        f"of {', '.join(_WEIGHTS)} (default: mean): effects over the number picked; shrunken for the "
        "winner's curse; by PIPs; posterior means; joint effects given LD",
        default=("mean",),
    )  # fmt: skip
    group.add_argument("--pip", default="", metavar="COLUMN", help="PIPs of the studies that weights use")
    add_list(group, "--ld", "GENOTYPES", "of the LD reference: PLINK, VCF or BCF", default=())
    group.add_argument(
        "--ld-kb", type=float, default=1000.0, metavar="KB",
        help="variants are in one joint model up to this distance between neighbours (default: 1000)",
    )  # fmt: skip
    group.add_argument(
        "--ld-least-eigenvalue", type=float, default=0.1, metavar="VALUE",
        help="directions of the correlations that vary less are not used (default: 0.1: variants with a "
        "correlation above 0.9 share their effect)",
    )  # fmt: skip
    group = parser.add_argument_group("scoring files and run")
    group.add_argument("--citation", default="", metavar="TEXT", help="for their headers")
    group.add_argument("--license", default="", metavar="TEXT", help="for their headers")
    group.add_argument(
        "--seed", type=not_negative, default=1, metavar="N", help="of draws and of ties (default: 1)"
    )
    group.add_argument(
        "--allow-implausible", action="store_true", help="warn where numbers contradict each other"
    )
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )
    parser.set_defaults(run=_build)


def _build(options: argparse.Namespace) -> None:
    from mifm_kipoi.polygenic.building.linkage import LinkageOptions
    from mifm_kipoi.polygenic.building.run import PgsBuildRun
    from mifm_kipoi.polygenic.building.studies import Clumps, SignalOptions
    from mifm_kipoi.polygenic.building.weights import Weighting

    strange = [kind for kind in options.weights if kind not in _WEIGHTS]
    if strange:
        raise OptionError(f"--weights has {', '.join(strange)}; expected {', '.join(_WEIGHTS)}")
    tops = [text for text in options.top if text != "all" and not (text.isdecimal() and int(text) > 0)]
    if tops:
        raise OptionError(f"--top has {', '.join(tops)}; expected numbers of variants, 1 or more, or all")
    columns = (tuple(options.columns), tuple(options.lower), tuple(options.magnitude))
    if any(columns) and not options.scores:
        raise OptionError("columns of scores are named, and no table of scores is; name it with --scores")
    run = PgsBuildRun(
        studies=tuple(
            study_of(text, options.only, options.meta, options.allow_implausible) for text in options.studies
        ),
        folder=Path(options.output),
        scores=score_tables_of([Path(path) for path in options.scores], *columns) if options.scores else (),
        signals=SignalOptions(
            ld_blocks=options.ld_blocks and Path(options.ld_blocks),
            ld_population=options.population,
            clumps=Clumps(tuple(options.clump), options.clump_r2, options.clump_kb)
            if options.clump
            else None,
            lead_p_value=options.lead_p,
            member_p_value=options.member_p,
            credible_level=options.credible,
            pip=options.pip,
            study_scores=None if options.study_scores is None else tuple(options.study_scores),
            as_in_paper=options.as_in_paper,
        ),
        methods=tuple(options.methods),
        top=tuple(0 if text == "all" else int(text) for text in options.top),
        priors=tuple(options.prior),
        weightings=tuple(map(Weighting, options.weights)),
        linkage=LinkageOptions(tuple(map(Path, options.ld)), options.ld_kb, options.ld_least_eigenvalue)
        if options.ld
        else None,
        draws=options.draws,
        same_variants=options.same_variants,
        genome_build=options.genome_build,
        citation=options.citation,
        license=options.license,
        seed=options.seed,
    )
    result = run.run(note(options.progress))
    say(
        *result.summary,
        *(f"caution: {text}" for text in result.cautions),
        f"written: {result.files[-1].parent}",
    )
