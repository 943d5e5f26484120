"""``mifm finemap``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mifm_kipoi.commands.arguments import add_list, fraction, not_negative, note, positive, say
from mifm_kipoi.commands.people import add_columns_of_people, add_variant_filters, columns_of_people
from mifm_kipoi.commands.studies import add_unnamed_studies, score_tables_of, study_of
from mifm_kipoi.errors import OptionError

if TYPE_CHECKING:
    from mifm_kipoi.association.cohort import Selection
    from mifm_kipoi.comparison.score_tables import ScoreTable
    from mifm_kipoi.finemapping.loci import LocusRule
    from mifm_kipoi.finemapping.matrices import MatrixSource


def add_finemap(parser: argparse.ArgumentParser) -> None:
    """``mifm finemap``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Fine-map the loci of studies, with a score of variants as the prior. Every locus is fitted with a "
        "flat\nprior (SuSiE); what that says of all loci decides how far the score is believed, for each "
        "chromosome\nwithout its own loci; then every locus is fitted with its prior. STUDY is a table of a "
        "GWAS, or of\ncredible sets, whose blocks and signals are the loci. NAME= before it names the study, "
        "and options can\nfollow it, such as :n=20000, :format=bolt, :variant=COLUMN, :lift_over=CHAIN or "
        ":FIELD=COLUMN. Without\nLD, or with that of other people, each locus is taken to have one causal "
        "variant. A run that was ended\ngoes on."
    )
    parser.add_argument(
        "studies", nargs="*", metavar="[NAME=]STUDY", help="tables of studies; none with --people"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    _add_studies(parser)
    _add_linkage(parser)
    _add_loci(parser)
    _add_prior(parser)
    _add_people(parser)
    _add_fits(parser)
    _add_pages(parser)
    parser.set_defaults(run=_finemap)


def _add_studies(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("studies")
    add_unnamed_studies(group)
    group.add_argument(
        "--allow-implausible", action="store_true", help="warn where numbers contradict each other"
    )


def _add_linkage(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("LD")
    add_list(
        group,
        "--genotypes",
        "PATH",
        "LD of their people: PLINK 1 or 2 filesets, VCF or BCF files",
        default=(),
    )
    group.add_argument("--keep", metavar="TABLE", help="LD, or traits, of these people only")
    group.add_argument(
        "--ld-matrix", action="append", default=[], metavar="MATRIX[:variants=TABLE]",
        help="correlations (.npz, .npy, text; PolyFun's) and the table of their variants, by default that "
        "of the name with another ending; effect_allele=COLUMN names the allele that they are of; may "
        "be repeated",
    )  # fmt: skip
    group.add_argument(
        "--ld-sample", default="out", choices=["in", "out"],
        help="in: LD is that of the people of the studies, so that a locus may have several effects; out: of "
        "others, one effect (default: out)",
    )  # fmt: skip


def _add_loci(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "loci", "By default those that tables name; else, of matrices, what each has; else --window."
    )
    group.add_argument(
        "--blocks", metavar="FILE", help="LD blocks: BED, or a table with the columns chr, start, stop, pop"
    )
    group.add_argument("--population", default="", metavar="POP", help="of such a table, such as EUR")
    add_list(group, "--regions", "REGION|BED", "loci by name, such as 20:1200000-1300000", default=())
    group.add_argument(
        "--window", type=float, metavar="KB",
        help="loci are what is this near to an associated variant (default: 500)",
    )  # fmt: skip
    group.add_argument(
        "--lead-p", type=float, metavar="P",
        help="highest p-value of associated variants, which blocks must have, too (default: 5e-8; 1 for all "
        "blocks)",
    )  # fmt: skip


def _add_prior(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prior")
    group.add_argument(
        "--scores",
        metavar="TABLE",
        help="scores of variants, as of 'mifm score' (default: the prior is flat)",
    )
    group.add_argument(
        "--score", default="", metavar="COLUMN", help="the one that makes the prior, higher first "
        "(default: that of 'mifm compare', if it has one model, else mifm_ref)",
    )  # fmt: skip
    group.add_argument("--lower", action="store_true", help="lower values of --score are more likely causal")
    add_list(
        group, "--annotations", "TABLE", "tables of annotations of variants (default: that of --scores)",
        default=(),
    )  # fmt: skip
    add_list(
        group, "--annotation-columns", "[NAME=]COLUMN", "their columns that count, with any sign", default=()
    )
    add_list(
        group, "--weights", "WEIGHTS",
        "those that made the scores, where no manifest beside the table names them: to know whether they "
        "were trained on the loci", default=(),
    )  # fmt: skip
    group.add_argument(
        "--prior", default="together", choices=["together", "each"],
        help="fitted to the loci of all studies together, or of each study (default: %(default)s)",
    )  # fmt: skip


def _add_people(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "people",
        "With --traits, in the place of studies. Beside studies, with --covariates alone: LD is that of what "
        "these leave of dosages.",
    )
    add_list(
        group, "--people", "TABLE",
        "tables with a row for each person of --genotypes, by IID, eid or sample: traits and covariates",
        default=(),
    )  # fmt: skip
    add_columns_of_people(group, "columns that are fine-mapped", required=False)
    group.add_argument(
        "--inverse-normal", action="store_true", help="quantitative traits as normal scores of their ranks"
    )
    add_variant_filters(parser, "variants that count, by the people with traits")


def _add_fits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("fits")
    group.add_argument(
        "--effects",
        type=positive,
        default=10,
        metavar="L",
        help="most effects of a locus (default: %(default)s)",
    )
    group.add_argument(
        "--coverage", type=fraction, default=0.95, metavar="P", help="of credible sets (default: %(default)s)"
    )
    group.add_argument(
        "--min-abs-corr", type=fraction, default=0.5, metavar="R",
        help="sets with a pair of variants of less correlation are dropped (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--min-log-bf", type=float, default=1.0, metavar="NATS",
        help="evidence of an effect, ln of its Bayes factor, below which it does not count; 0: all, as susieR"
        " (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--max-iterations", type=positive, default=100, metavar="N", help="of a fit (default: %(default)s)"
    )
    group.add_argument(
        "--most-variants", type=positive, default=10_000, metavar="N",
        help="loci with LD of more are refused (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--processes", type=positive, metavar="N", help="that fit loci (default: the CPUs that may be used)"
    )
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )


def _add_pages(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pages")
    group.add_argument(
        "--pages", type=not_negative, default=100, metavar="N",
        help="loci that get an HTML page, those of the highest PIPs; 0: no pages, and no index of them "
        "(default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--genes", metavar="GTF", help="genes that the pages draw and name")


def _finemap(options: argparse.Namespace) -> None:
    from mifm_kipoi.association.filters import Filters
    from mifm_kipoi.finemapping.exports import FOLDER as EXPORTS
    from mifm_kipoi.finemapping.run import FinemapRun
    from mifm_kipoi.finemapping.susie import SusieOptions

    try:
        susie = SusieOptions(
            effects=options.effects, coverage=options.coverage, min_abs_corr=options.min_abs_corr,
            max_iterations=options.max_iterations, min_log_bf=options.min_log_bf,
        )  # fmt: skip
    except ValueError as error:
        raise OptionError(str(error)) from error
    people = _people(options)
    scores, annotations = _features(options)
    run = FinemapRun(
        folder=Path(options.output),
        studies=tuple(
            study_of(text, options.only, options.meta, options.allow_implausible) for text in options.studies
        ),
        people=people,
        genotypes=tuple(map(Path, options.genotypes)),
        keep=Path(options.keep) if options.keep and people is None else None,
        matrices=tuple(_matrix(text) for text in options.ld_matrix),
        ld_sample=options.ld_sample,
        loci=_loci(options),
        scores=scores,
        annotations=annotations,
        weights=tuple(options.weights),
        prior=options.prior,
        susie=susie,
        filters=Filters(options.maf, options.hwe, options.info, options.missing),
        most_variants=options.most_variants,
        processes=options.processes,
        pages=options.pages,
        genes=options.genes and Path(options.genes),
    )
    result = run.run(note(options.progress))
    say(
        *result.summary,
        *(f"note: {text}" for text in result.notes),
        *(f"caution: {text}" for text in result.cautions),
        f"written: {', '.join(str(path) for path in result.files if path.parent == result.folder)}, and "
        f"{result.folder / EXPORTS}",
    )


def _people(options: argparse.Namespace) -> Selection | None:
    from mifm_kipoi.association.cohort import Selection

    if not options.people:
        if options.traits or options.covariates:
            raise OptionError("traits or covariates are named, and no tables of people; name them (--people)")
        return None
    if not options.traits and not options.studies:
        raise OptionError("people are named, and no trait is; name those to fine-map (--traits)")
    return Selection(
        tuple(map(Path, options.people)),
        keep=options.keep and Path(options.keep),
        inverse_normal=options.inverse_normal,
        **columns_of_people(options),
    )


def _features(options: argparse.Namespace) -> tuple[ScoreTable | None, tuple[ScoreTable, ...]]:
    """The table of the score and those of annotations."""
    scores = None
    if options.scores:
        if options.lower and not options.score:
            raise OptionError("--lower needs the name of the score (--score)")
        named = [options.score] if options.score else []
        columns, lower = ([], named) if options.lower else (named, [])
        [scores] = score_tables_of([Path(options.scores)], columns, lower)
    elif options.score or options.lower:
        raise OptionError("a score is named, and no table of scores is; name it (--scores)")
    if not options.annotation_columns:
        if options.annotations:
            raise OptionError(
                "tables of annotations are named, and none of their columns is; name them "
                "(--annotation-columns)"
            )
        return scores, ()
    tables = [Path(text) for text in options.annotations or ([options.scores] if options.scores else [])]
    if not tables:
        raise OptionError("annotations are named, and no table that has them; name it (--annotations)")
    return scores, score_tables_of(tables, options.annotation_columns)


def _matrix(text: str) -> MatrixSource:
    """``MATRIX[:variants=TABLE][:FIELD=COLUMN...]``."""
    from mifm_kipoi.baselines.specs import with_options
    from mifm_kipoi.finemapping.matrices import MatrixSource
    from mifm_kipoi.genomics.columns import FIELDS

    path, own = with_options(text)
    variants = own.pop("variants", None)
    unknown = sorted(set(own) - set(FIELDS))
    if unknown:
        raise OptionError(
            f"{', '.join(unknown)} in {text!r} is not an option of a matrix; expected variants=TABLE, or a "
            f"field of that table and its column: {', '.join(FIELDS)}"
        )
    return MatrixSource(Path(path), Path(variants) if variants else None, own)


def _loci(options: argparse.Namespace) -> LocusRule | None:
    from mifm_kipoi.finemapping.loci import GENOME_WIDE, WINDOW_KB, LocusRule

    given = (options.blocks, options.regions, options.window, options.lead_p, options.population)
    if not any(given):
        return None
    if options.window is not None and (options.blocks or options.regions):
        raise OptionError("loci are given by a window and by blocks or regions; leave out one of them")
    return LocusRule(
        options.blocks and Path(options.blocks),
        options.population,
        tuple(options.regions),
        GENOME_WIDE if options.lead_p is None else options.lead_p,
        WINDOW_KB if options.window is None else options.window,
    )
