"""``mifm score`` and ``mifm merge``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mifm_kipoi.commands.arguments import (
    add_compute,
    add_limits,
    add_list,
    add_positions,
    not_negative,
    positive,
    say,
    shard,
)
from mifm_kipoi.commands.genome import summary as scan_summary
from mifm_kipoi.conventions import AUTO, FULL, METHODS, PRECISIONS, SCORED
from mifm_kipoi.support.progress import Progress

if TYPE_CHECKING:
    # The module takes seconds to import.
    from mifm_kipoi.scoring.run import ScoringResult


def add_score(parser: argparse.ArgumentParser) -> None:
    """``mifm score``."""
    parser.description = (
        "Score every alternative allele of a VCF or BCF file, or the variants of a table: contig, position "
        "and alleles in either order, or identifiers such as 1:24722451_C_T, where the FASTA says which is "
        "REF. No variant is dropped: one that cannot be scored keeps its row, with a status that says why. "
        "The name of OUT decides its format: .tsv, .tsv.gz, .vcf, .vcf.gz, .bcf or .parquet. OUT.json has "
        "the provenance."
    )
    parser.add_argument(
        "variants", help="VCF (plain, gzip, bgzip) or BCF file, - for standard input; or a table"
    )
    parser.add_argument("fasta", help="reference genome, plain or bgzip")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="file of scores")
    group = parser.add_argument_group("what is scored")
    group.add_argument("--regions", metavar="BED", help="only variants that overlap these regions")
    add_positions(group)
    group.add_argument(
        "--drop-samples", action="store_true", help="leave genotypes out of VCF and BCF output"
    )
    group.add_argument(
        "--shard", type=shard, metavar="I/N", help="only part I of N; 'mifm merge' joins the parts"
    )
    add_limits(group)
    group = parser.add_argument_group("scores")
    add_list(
        group, "--weights", "NAME",
        "names or paths; with several, columns end in their names (default: embedded)", ["embedded"],
    )  # fmt: skip
    group.add_argument(
        "--scores", metavar="FILE",
        help="look scores up in a bigWig file or table of 'mifm genome', of the same weights and FASTA, "
        "instead of computing them",
    )  # fmt: skip
    group.add_argument(
        "--reverse-complement", action="store_true", help="add columns averaged over both strands"
    )
    group.add_argument(
        "--shift", type=int, default=0, metavar="BASES",
        help="add columns averaged over windows shifted by up to this many bases to either side",
    )  # fmt: skip
    group = parser.add_argument_group("run")
    group.add_argument("--resume", action="store_true", help="resume a run that was killed")
    add_compute(group, "threads of each process (default: the CPUs that this one may use; 1 with --workers)")
    group.add_argument(
        "--precision", choices=PRECISIONS, default=FULL,
        help="format of activations; the short ones need a GPU (default: fp32)",
    )  # fmt: skip
    group.add_argument("--batch-size", type=positive, metavar="N", help="windows per batch (default: 256)")
    group.add_argument(
        "--method", choices=METHODS, default=AUTO,
        help="compute a window for each variant, or scan the sequence between them, which is faster where "
        "they are dense; auto takes the faster way for each block of 4,096 bp (default: auto)",
    )  # fmt: skip
    group.add_argument(
        "--workers", type=not_negative, default=0, metavar="N",
        help="processes that score side by side (default: 0, none)",
    )  # fmt: skip
    parser.set_defaults(run=_score)


def add_merge(parser: argparse.ArgumentParser) -> None:
    """``mifm merge``."""
    parser.description = (
        "Join the outputs of all parts of one run, in any order; their manifests must lie beside them."
    )
    parser.add_argument(
        "parts", nargs="+", metavar="PART",
        help="outputs of 'mifm score --shard I/N', or of 'mifm genome --shard I/N'",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="file of the same format")
    parser.set_defaults(run=_merge)


def _score(options: argparse.Namespace) -> None:
    from mifm_kipoi.genome_scan.look_up import GenomeSource
    from mifm_kipoi.scoring.run import ScoringRun
    from mifm_kipoi.scoring.scorer import ScoringOptions

    run = ScoringRun(
        variants=options.variants,
        fasta=Path(options.fasta),
        output=Path(options.output),
        options=ScoringOptions(
            weights=tuple(options.weights),
            reverse_complement=options.reverse_complement,
            shift=options.shift,
            max_n_fraction=options.max_n_fraction,
            max_mismatch_fraction=options.max_mismatch_fraction,
            precision=options.precision,
            method=options.method,
        ),
        regions=options.regions and Path(options.regions),
        positions=options.positions and Path(options.positions),
        source=GenomeSource(options.scores) if options.scores else None,
        drop_samples=options.drop_samples,
        shard=options.shard,
        resume=options.resume,
        device=options.device,
        batch_size=options.batch_size,
        threads=options.threads,
        workers=options.workers,
    )
    with Progress("variants", options.progress) as progress:
        result = run.run(progress.update)
    say(*_summary(result))
    result.check_any_scored(run.fasta)


def _merge(options: argparse.Namespace) -> None:
    from mifm_kipoi.genome_scan.merge import is_of_scan
    from mifm_kipoi.genome_scan.merge import merge as merge_scan
    from mifm_kipoi.scoring.merge import merge

    parts, output = [Path(part) for part in options.parts], Path(options.output)
    if any(map(is_of_scan, parts)):
        say(*scan_summary(merge_scan(parts, output)))
        return
    result = merge(parts, output)
    say(*_summary(result))
    result.check_any_scored()


def _summary(result: ScoringResult) -> list[str]:
    """What a run did, for people."""
    manifest = result.manifest
    counts = ", ".join(f"{count} {status}" for status, count in result.status.items())
    first, last = manifest["records"]
    lines = [f"{result.rows} rows of {last - first} records: {counts or 'no variant'}"]
    lines.append(f"{manifest['seconds']:.1f} s, {manifest['rows_per_second']:,.0f} rows/s")
    # Where nothing could be scored, the error names them.
    if result.unknown_contigs and any(map(result.status.get, SCORED)):
        lines.append(f"the first contigs that the FASTA does not have: {', '.join(result.unknown_contigs)}")
    if "not_indexed" in manifest:
        lines.append(f"not indexed, since {manifest['not_indexed']}")
    return [*lines, f"written: {', '.join(map(str, result.written))}"]
