"""``mifm evaluate enrichment``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, not_negative, positive, say
from mifm_kipoi.errors import OptionError


def add_enrichment(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate enrichment``."""
    parser.description = (
        "Measure how often variants with high scores lie in annotations of the genome, such as chromatin "
        "states: odds ratios at quantiles of the score and their trend, with intervals by a jackknife over "
        "LD blocks, the published form beside them, tables, figures and a report."
    )
    parser.add_argument(
        "scores", help="table with chrom, pos, ref, alt and scores, such as 'mifm score' writes"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("annotations (at least one; each option may be repeated)")
    group.add_argument(
        "--states", action="append", default=[], metavar="[NAME=]PATH",
        help="BED files whose fourth column is a state, or a folder of them, one for each cell line, such "
        "as GenoSTAN's; several of one name belong together (default name: states)",
    )  # fmt: skip
    group.add_argument(
        "--silencers", metavar="BED", help="regions named silencer, such as Homo_sapiens.bed of SilencerDB"
    )
    group.add_argument(
        "--bed", action="append", default=[], metavar="[NAME=]BED",
        help="regions of any kind (default name: that of the file)",
    )  # fmt: skip
    group.add_argument(
        "--min-tracks", type=positive, metavar="N",
        help="files in which a variant must have a state (default: 5; 1 where there are fewer than 5)",
    )  # fmt: skip
    group.add_argument(
        "--groups", metavar="TABLE",
        help="columns state and group: states that are counted together, too (default: GenoSTAN's six "
        "groups)",
    )  # fmt: skip
    group.add_argument(
        "--lift-over", action="append", default=[], metavar="[NAME=]CHAIN",
        help="chain file that takes variants to the build of all annotations, or of that with the name, "
        "such as states=hg19ToHg38.over.chain.gz",
    )  # fmt: skip
    group = parser.add_argument_group("scores")
    add_list(
        group, "--columns", "COLUMN",
        "columns in which higher is selected (default: those that rank, as comparison.json beside SCORES "
        "says, else mifm_ref)",
        default=(),
    )  # fmt: skip
    add_list(group, "--lower", "COLUMN", "columns in which lower is selected, such as p-values", default=())
    add_list(
        group,
        "--quantiles",
        "Q",
        "select the variants above these quantiles (default: 0.1 to 0.9)",
        default=(),
    )
    group.add_argument(
        "--as-in-paper", action="store_true",
        help="intervals one base longer, silencers on autosomes, and the published figure, to compare with "
        "the paper's; the report has both forms of the odds ratios in any case",
    )  # fmt: skip
    group = parser.add_argument_group("what is held fixed, and what is compared")
    add_list(
        group,
        "--covariates",
        "COLUMN",
        "columns of SCORES to adjust for, such as maf and ld_score",
        default=(),
    )
    group.add_argument(
        "--fasta", metavar="GENOME", help="adjust for GC and CpG within 250 bp, of this genome"
    )
    group.add_argument(
        "--tss", metavar="GTF|BED", help="adjust for the distance to the nearest transcription start site"
    )
    add_list(
        group, "--within", "LABEL",
        "measure groups and regions among the variants with these labels, too (default: the published ones, "
        "such as enhancer within repressed)",
    )  # fmt: skip
    group = parser.add_argument_group("intervals and p-values")
    group.add_argument(
        "--ld-blocks", metavar="TABLE", help="chr, start, stop, pop: blocks to leave out, one at a time"
    )
    group.add_argument("--population", default="EUR", metavar="POP", help="whose LD blocks (default: EUR)")
    group.add_argument(
        "--block-bp", type=positive, default=1_000_000, metavar="BP",
        help="length of blocks where there are no LD blocks (default: 1000000)",
    )  # fmt: skip
    group.add_argument(
        "--shifts", type=not_negative, default=0, metavar="N",
        help="p-values by N circular shifts of the annotation within blocks, too (default: none)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=not_negative, default=1, metavar="N", help="of random numbers (default: 1)"
    )
    group = parser.add_argument_group("outputs and run")
    group.add_argument(
        "--annot", action="store_true", help="write .annot.gz files for stratified LD score regression"
    )
    group.add_argument(
        "--threads", type=positive, metavar="N",
        help="that read annotations (default: the CPUs that this process may use)",
    )  # fmt: skip
    parser.set_defaults(run=_enrichment)


def _enrichment(options: argparse.Namespace) -> None:
    from mifm_kipoi.evaluation.enrichment.annotations import SILENCER, Annotation
    from mifm_kipoi.evaluation.enrichment.measure import QUANTILES, Options
    from mifm_kipoi.evaluation.enrichment.run import EnrichmentRun

    chains = dict(_named(text, "") for text in options.lift_over)
    tracks: dict[str, list[Path]] = {}
    for text in options.states:
        name, path = _named(text, "states")
        tracks.setdefault(name, []).append(Path(path))
    regions = [(SILENCER, options.silencers)] if options.silencers else []
    regions += [_named(text, _stem(text)) for text in options.bed]
    known = {*tracks, *(name for name, _ in regions), ""}
    strange = sorted(set(chains) - known)
    if strange:
        raise OptionError(
            f"--lift-over names {', '.join(strange)}; the annotations are {', '.join(sorted(known - {''}))}"
        )

    def chain_of(name: str) -> Path | None:
        chain = chains.get(name, chains.get(""))
        return Path(chain) if chain else None

    groups = options.groups and Path(options.groups)
    annotations = [
        Annotation.of_states(name, paths, options.min_tracks, groups, chain_of(name))
        for name, paths in tracks.items()
    ]
    annotations += [Annotation(name, (Path(path),), False, 1, chain=chain_of(name)) for name, path in regions]
    run = EnrichmentRun(
        scores=Path(options.scores),
        folder=Path(options.output),
        annotations=tuple(annotations),
        columns=tuple(options.columns),
        lower=tuple(options.lower),
        options=Options(tuple(map(_quantile, options.quantiles)) or QUANTILES, options.shifts, options.seed),
        ld_blocks=options.ld_blocks and Path(options.ld_blocks),
        population=options.population,
        block_bp=options.block_bp,
        within=None if options.within is None else tuple(options.within),
        covariates=tuple(options.covariates),
        fasta=options.fasta and Path(options.fasta),
        starts=options.tss and Path(options.tss),
        as_in_paper=options.as_in_paper,
        with_annot=options.annot,
        threads=options.threads,
    )
    result = run.run()
    say(*result.summary, *result.cautions, f"written: {', '.join(map(str, result.files))}")


def _named(text: str, name: str) -> tuple[str, str]:
    """The name and the path of ``NAME=PATH``, or of a path alone."""
    before, equals, path = text.partition("=")
    return (before, path) if equals and before and "/" not in before else (name, text)


def _stem(path: str) -> str:
    return Path(path).name.removesuffix(".gz").removesuffix(".bed")


def _quantile(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"--quantiles has {text!r}; expected numbers between 0 and 1") from None
