"""``mifm score`` on files with a variant every few bases: windows one by one against a scan of the sequence.

    python -m benchmarks.speed.dense --fasta GENOME.fa --contig 1 --start 2000000

Variants are drawn from the sequence, nine of ten SNVs, the others insertions. For each distance between
them, ``mifm score`` to .tsv runs with each ``--method`` in a process of its own, interleaved and repeated;
the medians are compared, starts included. Beside them is the CPU time of both ways on one thread, without
reading and writing, to which the costs are fitted by which ``auto`` chooses.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.speed import measuring
from benchmarks.speed.score import write_vcf
from mifm_kipoi import Genome, Variant, load_model
from mifm_kipoi.conventions import METHODS
from mifm_kipoi.genomics.variants import VariantFile
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.scoring.records import read_chunks
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions, find_rule

DISTANCES = (4, 8, 16, 30, 60, 100, 300)
"""Base pairs from one variant to the next, on average."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.dense", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--fasta", required=True, help="genome")
    parser.add_argument("--contig", required=True, help="contig of the variants")
    parser.add_argument("--start", type=int, default=0, help="0-based position from which on they stand")
    parser.add_argument("--variants", type=int, default=60_000, help="how many (default: 60,000)")
    parser.add_argument("--distances", type=int, nargs="+", default=DISTANCES, help="mean distances in bp")
    parser.add_argument(
        "--chunks", type=int, default=3, help="chunks for the CPU time of a variant (default: 3)"
    )
    measuring.add_arguments(parser, "dense", 3)
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Medians in seconds, ratios, and costs in microseconds."""
    genome, seconds, cpu = Genome(options.fasta), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for distance in options.distances:
            vcf = Path(folder, f"every_{distance}.vcf")
            write_vcf(vcf, drawn(genome, options.contig, options.start, distance, options.variants))
            ways: dict[str, Callable[[], object]] = {
                method: functools.partial(mifm_score, vcf, Path(options.fasta), method, options.threads)
                for method in METHODS
            }
            seconds[str(distance)], _ = measuring.median_seconds(ways, options.repeats)
            cpu[str(distance)] = microseconds(vcf, genome, options.chunks, options.repeats)
    return {
        "variants": options.variants,
        "seconds": {
            distance: {method: round(value, 2) for method, value in of_methods.items()}
            for distance, of_methods in seconds.items()
        },
        "windows_over_auto": {
            distance: round(each["windows"] / each["auto"], 2) for distance, each in seconds.items()
        },
        "cpu_us": cpu,
        "scan": Scan(load_model()).identity,
    }


def drawn(genome: Genome, contig: str, start: int, distance: int, count: int) -> list[Variant]:
    """Variants at random positions of a region, one in ten an insertion."""
    generator = random.Random(distance)
    bases = genome.fetch(contig, start, start + distance * count).tobytes().decode()
    variants = []
    for offset in sorted(generator.sample(range(len(bases)), count)):
        ref = bases[offset]
        alt = "".join(generator.choices("ACGT", k=2)) if generator.random() < 0.1 else "ACGT"
        alt = ref + alt if len(alt) == 2 else generator.choice(alt.replace(ref, ""))
        variants.append(Variant(contig, start + offset + 1, ".", ref, alt))
    return variants


def mifm_score(vcf: Path, fasta: Path, method: str, threads: int) -> None:
    """The user's command, in a process of its own."""
    command = [sys.executable, "-m", "mifm_kipoi.cli", "score", str(vcf), str(fasta), "-o", f"{vcf}.tsv"]
    command += ["--method", method, "--threads", str(threads), "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True)


def microseconds(vcf: Path, genome: Genome, count: int, repeats: int) -> dict[str, float]:
    """CPU time of a variant on one thread, by method: cutting windows and all that follows."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ways: dict[str, Callable[[], object]] = {}
    for method in METHODS[1:]:
        options = ScoringOptions(method=method)
        rule = find_rule(options, [load_weights()], "cpu", None)
        scorer = Scorer(genome, options, "cpu", rule=rule)
        with VariantFile(vcf) as file:
            chunks = list(itertools.islice(read_chunks(file, whole_runs=rule is not None), count))
        variants = sum(len(chunk.variants) for chunk in chunks)
        scorer(chunks[0].variants[:100])
        ways[f"{method} {variants}"] = functools.partial(
            lambda scorer, chunks: [scorer(chunk.variants, chunk.runs) for chunk in chunks], scorer, chunks
        )
    # Other processes move the clock on the wall.
    seconds, _ = measuring.median_seconds(ways, repeats, time.process_time)
    torch.set_num_threads(threads)
    return {way.split()[0]: round(value / int(way.split()[1]) * 1e6, 1) for way, value in seconds.items()}


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    lines = [
        f"{figures['variants']} variants, {figures['threads']} threads, median of {figures['repeats']}, "
        f"starts included; the scan is that of {figures['scan']['engine']}",
        "",
        "| a variant every | `windows` | `scan` | `auto` | windows / auto | CPU us, windows | CPU us, scan |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for distance, seconds in figures["seconds"].items():
        values = " | ".join(f"{seconds[method]} s" for method in ("windows", "scan", "auto"))
        cpu = " | ".join(str(figures["cpu_us"][distance][method]) for method in ("windows", "scan"))
        lines.append(f"| {distance} bp | {values} | {figures['windows_over_auto'][distance]} | {cpu} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
