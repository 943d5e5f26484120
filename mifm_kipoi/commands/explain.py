"""``mifm explain``."""

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
from mifm_kipoi.commands.rank import add_blocks, add_study
from mifm_kipoi.genomics.loci import parse_locus

_DESCRIPTION = """\
A page about each variant: its score and what it means among the positions of the genome, what each base
around it contributes in both alleles, all substitutions, the motifs that it makes or breaks, and its
neighbours in the locus with what a study says of them. VARIANTS is what 'mifm rank' reads.

The paper has no such pages, so there is no --as-in-paper: the score is the paper's, of the reference
sequence, and the change by the allele is an extension.

DIR gets index.html, which opens without a network, variants/*.html, figures/*.svg and *.png, explained.tsv,
positions.tsv (the numbers of the figures) and, with --motifs, motif_hits.tsv."""


def add_explain(parser: argparse.ArgumentParser) -> None:
    """``mifm explain``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("variants", help="VCF (plain, gzip, bgzip) or BCF file, or any table of variants")
    parser.add_argument("fasta", help="reference genome, plain or bgzip")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group(
        "which variants", "By default all. Neighbours are all variants of the input in any case."
    )
    group.add_argument(
        "--locus", action="append", default=[], metavar="CHROM:START-END",
        help="those in this region, 1-based, both ends inside; can be repeated",
    )  # fmt: skip
    add_list(
        group, "--only", "NAME", "those of these names: an identifier, chrom:pos or chrom:pos:ref:alt",
        default=(),
    )  # fmt: skip
    group.add_argument(
        "--most", type=positive, default=20, metavar="N",
        help="pages at most, for those of the highest scores (default: %(default)s)",
    )  # fmt: skip
    group = parser.add_argument_group("the sequence")
    group.add_argument(
        "--weights", default="embedded", metavar="NAME", help="name or path (default: embedded)"
    )
    group.add_argument(
        "--method", choices=["deeplift", "ism"], default="deeplift",
        help="contributions by DeepLIFT against shuffles of the window (by tangermeme), or by in-silico "
        "mutagenesis (default: deeplift)",
    )  # fmt: skip
    group.add_argument(
        "--references", type=positive, default=20, metavar="N",
        help="shuffles of DeepLIFT (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="of the shuffles (default: %(default)s)"
    )
    group.add_argument(
        "--span", type=positive, default=128, metavar="BP", help="bases that are shown (default: %(default)s)"
    )
    group = parser.add_argument_group("motifs")
    add_list(
        group, "--motifs", "FILE", "motifs to look for, in MEME format, such as those of HOCOMOCO or JASPAR",
        default=(),
    )  # fmt: skip
    group.add_argument(
        "--motif-p", type=float, default=1e-4, metavar="P", help="p-value of a hit (default: %(default)s)"
    )
    group = parser.add_argument_group("neighbours", "As of 'mifm rank', which see.")
    add_blocks(group)
    group.add_argument(
        "--gap", type=positive, metavar="BP",
        help="loci by distance: more base pairs than this are between two of them",
    )  # fmt: skip
    add_study(group)
    add_positions(group)
    group.add_argument(
        "--no-tracks", action="store_true", help="figures without the score of every position, in less time"
    )
    group = parser.add_argument_group("run")
    add_limits(group)
    add_compute(group)
    parser.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> None:
    loci = tuple(map(parse_locus, options.locus))

    from mifm_kipoi.commands.check_table import columns_of
    from mifm_kipoi.explanation.ranking.candidates import TableOptions
    from mifm_kipoi.explanation.variants.run import ExplainRun

    run = ExplainRun(
        variants=Path(options.variants),
        fasta=Path(options.fasta),
        folder=Path(options.output),
        loci=loci,
        names=tuple(options.only),
        most=options.most,
        weights=options.weights,
        method=options.method,
        references=options.references,
        seed=options.seed,
        span=options.span,
        motifs=tuple(map(Path, options.motifs)),
        threshold=options.motif_p,
        blocks=options.blocks and Path(options.blocks),
        blocks_population=options.blocks_population,
        gap_bp=options.gap,
        gwas=options.gwas,
        pip=options.pip,
        table=TableOptions(
            format=options.gwas_format,
            phenotype=options.phenotype,
            columns=columns_of(options.columns or []),
        ),
        positions=options.positions and Path(options.positions),
        tracks=not options.no_tracks,
        device=options.device,
        threads=options.threads,
        max_n_fraction=options.max_n_fraction,
        max_mismatch_fraction=options.max_mismatch_fraction,
    )
    result = run.run(say)
    say(*result.summary, f"written: {result.files[0]}")
