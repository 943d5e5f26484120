"""``mifm genome``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mifm_kipoi.commands.arguments import add_compute, add_list, add_max_n_fraction, say, shard
from mifm_kipoi.support.progress import Progress

if TYPE_CHECKING:
    # The module takes seconds to import.
    from mifm_kipoi.genome_scan.run import GenomeResult


def add_genome(parser: argparse.ArgumentParser) -> None:
    """``mifm genome``."""
    parser.description = (
        "Score every position of a genome that has a reference window: MIFM scores are one value a position. "
        "The names of the outputs decide their formats: .bw (bigWig, for genome browsers), .tsv.gz (a table "
        "of one row a position, compressed with bgzip and indexed), or one of each. OUT.json has the "
        "provenance. 'mifm genome background' measures what scores are compared with."
    )
    parser.add_argument("fasta", nargs="?", help="reference genome, plain or bgzip")
    parser.add_argument(
        "-o", "--output", required=True, nargs="+", action="extend", metavar="OUT",
        help="a .bw file, a .tsv.gz file, or both",
    )  # fmt: skip
    group = parser.add_argument_group("what is scored")
    add_list(group, "--contigs", "NAME", "only these contigs (default: all of the FASTA)")
    group.add_argument("--bed", metavar="BED", help="only positions within these regions")
    group.add_argument(
        "--shard", type=shard, metavar="I/N", help="only part I of N; 'mifm merge' joins the parts"
    )
    add_max_n_fraction(group)
    group = parser.add_argument_group("scores")
    group.add_argument(
        "--weights", default="embedded", metavar="NAME", help="name or path (default: embedded)"
    )
    group.add_argument(
        "--alleles", action="store_true",
        help="score the alternatives as well: the table has the logit with each base at the position",
    )  # fmt: skip
    group.add_argument(
        "--snvs", action="store_true",
        help="give the table the columns of CADD (#Chrom Pos Ref Alt RawScore PHRED), three rows a position",
    )  # fmt: skip
    group.add_argument(
        "--track", default="mifm_ref", metavar="COLUMN",
        help="what the bigWig file holds: mifm_ref, mifm_logit_ref, mifm_phred or mifm_percentile (default: "
        "%(default)s)",
    )  # fmt: skip
    group = parser.add_argument_group("genome browsers")
    group.add_argument(
        "--igv-session", action="store_true",
        help="write OUT.bw.igv.xml for IGV and OUT.bw.igv.json for igv.js: the FASTA and the track",
    )  # fmt: skip
    group.add_argument(
        "--ucsc-hub", metavar="BUILD",
        help="write OUT.bw.hub.txt, a track hub for the UCSC browser; BUILD is its name of the assembly, "
        "such as hg19",
    )  # fmt: skip
    group = parser.add_argument_group("run")
    group.add_argument("--resume", action="store_true", help="resume a run that was killed")
    add_compute(group, "blocks that are scanned side by side (default: the CPUs that this process may use)")
    parser.set_defaults(run=_genome, parser=parser)


def _genome(options: argparse.Namespace) -> None:
    from mifm_kipoi.genome_scan.formats import is_output
    from mifm_kipoi.genome_scan.run import GenomeRun

    words = [*options.output]
    if options.fasta is None:
        # The list of outputs takes a FASTA that stands behind it.
        if is_output(words[-1]):
            options.parser.error("the following arguments are required: fasta")
        options.fasta = words.pop()
    run = GenomeRun(
        fasta=Path(options.fasta),
        outputs=tuple(map(Path, words)),
        weights=options.weights,
        contigs=options.contigs and tuple(options.contigs),
        regions=options.bed and Path(options.bed),
        alleles=options.alleles,
        snvs=options.snvs,
        track=options.track,
        max_n_fraction=options.max_n_fraction,
        shard=options.shard,
        resume=options.resume,
        igv_session=options.igv_session,
        ucsc_hub=options.ucsc_hub,
        device=options.device,
        threads=options.threads,
    )
    with Progress("positions", options.progress) as progress:
        result = run.run(progress.update)
    say(*summary(result))
    result.check_any_scored()


def summary(result: GenomeResult) -> list[str]:
    """What a run did, for people."""
    manifest = result.manifest
    without = manifest["status"].get("without_window", 0)
    return [
        f"{result.rows:,} positions"
        + (f"; {without:,} have no window: N or the end of a contig is too near" if without else ""),
        f"{manifest['seconds']:.1f} s, {manifest['rows_per_second']:,.0f} positions/s",
        f"written: {', '.join(map(str, result.written))}",
    ]
