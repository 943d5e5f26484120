"""``mifm score`` against the ways in which such models are usually run.

    python -m benchmarks.speed.score --vcf VARIANTS.vcf.gz --fasta GENOME.fa

The same SNVs are scored in these ways, interleaved and repeated; the medians are compared:

- loop: one variant at a time, as the authors' code reads sequence: every base looked up in a table by
  Python, one window per call of the network; on a part of the variants, scaled up;
- naive: ready windows of both alleles, in batches of 256, straight through the network;
- predict: ``kipoi predict`` in a process of its own, less the time of the same command on one SNV;
- model: what the network computes in ``mifm score``, on windows that are ready;
- score: ``mifm score`` to .tsv, in a process of its own, less the time of the same command on one SNV;
- workers: the same with one worker process per core.

The time of all SNVs of the genome is projected from the three SNVs of each base of one region, which
have a reference window in common.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed import measuring
from mifm_kipoi import (
    VARIANT_INDEX,
    WINDOW,
    Genome,
    Predictor,
    Variant,
    cut_windows,
    load_model,
    one_hot,
)
from mifm_kipoi.conventions import Status
from mifm_kipoi.kipoi.sources import GROUP

BATCH = 512

TOKENS = {"A": [1.0, 0, 0, 0], "C": [0, 1.0, 0, 0], "G": [0, 0, 1.0, 0], "T": [0, 0, 0, 1.0]}

ALL_SNVS = 9_000_000_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    measuring.run("score", __doc__.splitlines()[0], 20_000, measure, table, arguments)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Medians in seconds, ratios and projections."""
    snvs = list(itertools.islice(measuring.read_snvs(options.vcf), options.snvs))
    fasta, threads = Path(options.fasta), options.threads
    genome, network = Genome(fasta), load_model()
    predictor = Predictor(network)
    windows = cut_windows(snvs, genome)
    ready = torch.from_numpy(np.concatenate([one_hot(windows.ref), one_hot(windows.alt)]).copy())
    saturated = saturation(snvs[len(snvs) // 2], genome, len(snvs) // 3)
    part = snvs[:: max(1, len(snvs) // 300)]
    with tempfile.TemporaryDirectory() as folder:
        all_snvs, one_snv = Path(folder, "all.vcf"), Path(folder, "one.vcf")
        write_vcf(all_snvs, snvs)
        write_vcf(one_snv, [snvs[windows.status.index(Status.OK)]])
        ways: dict[str, Callable[[], object]] = {
            "loop_part": lambda: [one_at_a_time(variant, genome, network) for variant in part],
            "naive": lambda: measuring.forward(network, ready),
            "predict_with_start": lambda: kipoi_predict(all_snvs, fasta, threads),
            "predict_start": lambda: kipoi_predict(one_snv, fasta, threads),
            "model": lambda: predictor.variant_logits(windows.ref, windows.alt),
            "score_with_start": lambda: mifm_score(all_snvs, fasta, "--threads", threads),
            "score_start": lambda: mifm_score(one_snv, fasta, "--threads", threads),
            "workers_with_start": lambda: mifm_score(all_snvs, fasta, "--workers", threads),
            "workers_start": lambda: mifm_score(one_snv, fasta, "--workers", threads),
            "saturation": lambda: predictor.variant_logits(*saturated),
        }
        median, _ = measuring.median_seconds(ways, options.repeats)
    seconds_of = {
        "loop": median["loop_part"] * len(snvs) / len(part),
        "naive": median["naive"],
        "model": median["model"],
    }
    for name in ("predict", "score", "workers"):
        seconds_of[name] = median[f"{name}_with_start"] - median[f"{name}_start"]
    per_snv = median["saturation"] / len(saturated[0])
    return {
        "snvs": len(snvs),
        **{f"{name}_s": round(value, 2) for name, value in seconds_of.items()},
        "score_start_s": round(median["score_start"], 2),
        **{f"{name}_over_model": round(value / seconds_of["model"], 3) for name, value in seconds_of.items()},
        **{f"{name}_over_score": round(value / seconds_of["score"], 2) for name, value in seconds_of.items()},
        "score_per_s": round(len(snvs) / seconds_of["score"]),
        "hours_10_million": round(1e7 * seconds_of["score"] / len(snvs) / 3600, 2),
        "saturation_per_s": round(1 / per_snv),
        "core_days_all_snvs": round(ALL_SNVS * per_snv * threads / 86400, 1),
    }


def saturation(variant: Variant, genome: Genome, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """Coded windows of all SNVs of the bases around a variant."""
    contig = genome.find_contig(variant.chrom)
    assert contig is not None
    start = variant.pos - positions // 2
    bases = genome.fetch(contig, start, start + positions).tobytes().decode()
    snvs = [
        Variant(contig, start + 1 + offset, ".", ref, alt)
        for offset, ref in enumerate(bases)
        for alt in "ACGT"
        if ref not in {alt, "N"}
    ]
    windows = cut_windows(snvs, genome)
    return windows.ref, windows.alt


def write_vcf(path: Path, variants: Sequence[Variant]) -> None:
    """A plain VCF of variants."""
    rows = (f"{v.chrom}\t{v.pos}\t{v.id}\t{v.ref}\t{v.alt}\t.\t.\t.\n" for v in variants)
    contigs = "".join(f"##contig=<ID={chrom}>\n" for chrom in dict.fromkeys(v.chrom for v in variants))
    header = "##fileformat=VCFv4.2\n" + contigs + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_text(header + "".join(rows))


def kipoi_predict(vcf: Path, fasta: Path, threads: int) -> None:
    """The user's command, in a process of its own."""
    arguments = json.dumps({"vcf_file": str(vcf), "fasta_file": str(fasta.absolute())})
    command = [sys.executable, "-W", "ignore", "-m", "kipoi", "predict", str(GROUP / "MIFM"), "--source=dir"]
    command += ["--dataloader_args", arguments, "--batch_size", str(BATCH), "-m", "-o", f"{vcf}.tsv"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, capture_output=True, env=environment)


def mifm_score(vcf: Path, fasta: Path, *options: object) -> None:
    """The user's command, in a process of its own."""
    command = [sys.executable, "-m", "mifm_kipoi.cli", "score", vcf, fasta, "-o", f"{vcf}.tsv", *options]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def one_at_a_time(variant: Variant, genome: Genome, network: torch.nn.Module) -> list[float]:
    """Both logits of a variant: bases looked up one by one, one window per call."""
    contig = genome.find_contig(variant.chrom)
    assert contig is not None
    start = variant.pos - 1 - VARIANT_INDEX
    sequence = genome.fetch(contig, start, start + WINDOW).tobytes().decode()
    logits = []
    for allele in (variant.ref, variant.alt):
        text = sequence[:VARIANT_INDEX] + allele + sequence[VARIANT_INDEX + 1 :]
        window = torch.tensor([TOKENS.get(base, [0.0, 0, 0, 0]) for base in text]).T.unsqueeze(0)
        with torch.inference_mode():
            logits.append(float(network(window)))
    return logits


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    rows = (
        ("one variant at a time, base by base", "loop"),
        ("naive batches of both alleles, windows ready", "naive"),
        ("`kipoi predict`, without its start", "predict"),
        ("`mifm score`, without its start of {score_start_s} s", "score"),
        ("`mifm score --workers {threads}`, without its start", "workers"),
        ("what the network computes in it", "model"),
    )
    lines = [
        "{snvs} SNVs, both alleles, {threads} threads, median of {repeats}",
        "",
        "| way | seconds | time / `mifm score` | time / model |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {text} | {{{name}_s}} | {{{name}_over_score}} | {{{name}_over_model}} |"
            for text, name in rows
        ),
        "",
        "At this rate, {score_per_s} SNVs a second, 10 million take {hours_10_million} hours. Three SNVs of "
        "a base share a reference window: {saturation_per_s} a second in the network alone, "
        "{core_days_all_snvs} core days for all 9 billion SNVs of the human genome.",
    ]
    return "\n".join(lines).format(**figures)


if __name__ == "__main__":
    main()
