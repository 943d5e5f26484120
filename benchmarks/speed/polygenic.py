"""Polygenic scores of a biobank: a slice of 500,000 people x 60,000 variants x 780 scores, and what all take.

    python -m benchmarks.speed.polygenic

Genotypes and weights are random: a PLINK 1 fileset, and scoring files each of which has a sixth of the
variants. What is measured is ``mifm pgs score --parquet`` in a process of its own, from files to files, with
all people and scores and two numbers of variants. Time grows in proportion to variants beyond a constant
part, so both give the time of all of them; memory grows by some 170 bytes a row of the scoring files.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.speed import measuring
from benchmarks.speed.gwas import write_genotypes
from mifm_kipoi.polygenic.scoring_files import write_scoring_file

PLANNED = 60_000
"""Variants of all scores together."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.polygenic", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--people", type=int, default=500_000, help="(default: %(default)s)")
    parser.add_argument(
        "--variants", type=int, default=2048, help="of the slice, and half of them (default: %(default)s)"
    )
    parser.add_argument("--scores", type=int, default=780, help="(default: %(default)s)")
    parser.add_argument(
        "--missing", type=float, default=0.0, help="fraction of genotypes (default: %(default)s)"
    )
    measuring.add_arguments(parser, "polygenic", 1)
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Seconds of both slices and of all, CPU seconds and memory of the larger slice."""
    seconds, cpu, memory = {}, {}, {}
    for variants in (options.variants // 2, options.variants):
        with tempfile.TemporaryDirectory(prefix="mifm-polygenic-") as folder:
            prefix, scores = Path(folder) / "g", Path(folder) / "scores"
            write_genotypes(prefix, options.people, variants, options.missing)
            names = ["chrom", "id", "cm", "pos", "allele1", "allele2"]
            table = pd.read_csv(f"{prefix}.bim", sep="\t", names=names, dtype={"chrom": str})
            write_scores(scores, table, options.scores)
            command = [sys.executable, "-m", "mifm_kipoi.cli", "pgs", "score", str(scores), "-g", str(prefix)]
            command += ["-o", str(Path(folder) / "out"), "--parquet", "--threads", str(options.threads)]
            runs = [measuring.timed_command(command) for _ in range(options.repeats)]
        seconds[variants], cpu[variants], memory[variants] = (
            statistics.median(each) for each in zip(*runs, strict=True)
        )
    few, many = seconds

    def planned(taken: dict[int, float]) -> float:
        return round((taken[few] + (taken[many] - taken[few]) / (many - few) * (PLANNED - few)) / 60, 1)

    return {
        "people": options.people,
        "scores": options.scores,
        "missing": options.missing,
        "variants": [few, many],
        "seconds": [round(one, 1) for one in seconds.values()],
        "cpu_seconds": [round(one, 1) for one in cpu.values()],
        "memory_gib": round(memory[many] / 2**30, 2),
        "planned_variants": PLANNED,
        "planned_minutes": planned(seconds),
        "planned_cpu_minutes": planned(cpu),
    }


def write_scores(folder: Path, variants: pd.DataFrame, scores: int) -> None:
    """Scoring files with a sixth of the variants each, by either allele."""
    generator = np.random.default_rng(2)
    folder.mkdir()
    for number in range(scores):
        some = variants.iloc[np.sort(generator.choice(len(variants), -(-len(variants) // 6), replace=False))]
        swapped = generator.random(len(some)) < 0.5
        rows = some[["chrom", "pos", "id"]].assign(
            effect_allele=np.where(swapped, some["allele2"], some["allele1"]),
            other_allele=np.where(swapped, some["allele1"], some["allele2"]),
            weight=generator.normal(size=len(some)),
        )
        path = folder / f"score{number}.txt.gz"
        write_scoring_file(path, rows, name=f"score{number}", trait="random", build="GRCh37")


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    rows = [
        f"| {variants:,} | {seconds} | {cpu} |"
        for variants, seconds, cpu in zip(
            figures["variants"], figures["seconds"], figures["cpu_seconds"], strict=True
        )
    ]
    head = (
        "{people:,} people, {scores:,} scores, {missing:.1%} missing, {threads} threads, median of {repeats}"
    )
    end = "{planned_variants:,} variants: {planned_minutes} minutes, {planned_cpu_minutes} of CPUs; "
    end += "memory {memory_gib} GiB"
    return "\n".join([
        head.format(**figures), "", "| variants | seconds | CPU seconds |", "| ---: | ---: | ---: |", *rows,
        "", end.format(**figures),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
