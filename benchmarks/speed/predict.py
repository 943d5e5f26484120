"""``kipoi predict`` against the bare network and against one variant at a time.

    python -m benchmarks.speed.predict --vcf VARIANTS.vcf.gz --fasta GENOME.fa

The same SNVs are scored in these ways, interleaved and repeated; the medians are compared:

- predict: ``kipoi predict`` in a process of its own, less the time of the same command on one SNV;
- bare: the network alone, ``MIFM.forward``, on the ready one-hot windows, in batches of 256;
- pairs: what `predict` itself computes, ``Predictor.variant_logits``, on the coded windows;
- single: read, cut, encode and score one variant after the other, on a part of them, scaled up.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from mifm_kipoi import (
    Genome,
    Predictor,
    Variant,
    __version__,
    cut_windows,
    load_model,
    one_hot,
    read_variants,
    variant_scores,
)
from mifm_kipoi.kipoi.sources import GROUP

BATCH = 512


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.predict", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--vcf", required=True, help="variants; the first SNVs are taken")
    parser.add_argument("--fasta", required=True, help="their genome")
    parser.add_argument("--snvs", type=int, default=20_000, help="how many SNVs (default: 20000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="threads of PyTorch (default: all cores)"
    )
    parser.add_argument("--out", default="benchmarks/speed/predict.json", help="where to write the figures")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    is_snv = (v for v in read_variants(options.vcf) if {len(v.ref), len(v.alt)} == {1} and v.alt in "ACGT")
    snvs = list(itertools.islice(is_snv, options.snvs))
    figures = measure(snvs, Path(options.fasta), options.repeats, options.threads)
    figures |= {
        "snvs": len(snvs),
        "windows": 2 * len(snvs),
        "repeats": options.repeats,
        "threads": options.threads,
        "mifm_kipoi": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))


def measure(snvs: list[Variant], fasta: Path, repeats: int, threads: int) -> dict[str, float]:
    """Medians in seconds, and their ratios."""
    genome, network = Genome(fasta), load_model()
    windows = cut_windows(snvs, genome)
    ready = np.ascontiguousarray(np.concatenate([one_hot(windows.ref), one_hot(windows.alt)]))
    predictor = Predictor(network)
    with tempfile.TemporaryDirectory() as folder:
        all_snvs, one_snv = Path(folder, "all.vcf"), Path(folder, "one.vcf")
        write_vcf(all_snvs, snvs)
        write_vcf(one_snv, snvs[:1])
        part = snvs[:: max(1, len(snvs) // 500)]
        ways: dict[str, Callable[[], object]] = {
            "predict_with_start": lambda: kipoi_predict(all_snvs, fasta, threads),
            "start": lambda: kipoi_predict(one_snv, fasta, threads),
            "bare": lambda: forward(network, torch.from_numpy(ready)),
            "pairs": lambda: predictor.variant_logits(windows.ref, windows.alt),
            "single_part": lambda: [score_one(variant, genome, network) for variant in part],
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - began)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    predict = median["predict_with_start"] - median["start"]
    single = median["single_part"] * len(snvs) / len(part)
    return {
        "predict_s": round(predict, 2),
        "start_s": round(median["start"], 2),
        "bare_s": round(median["bare"], 2),
        "pairs_s": round(median["pairs"], 2),
        "single_s": round(single, 2),
        "predict_over_bare": round(predict / median["bare"], 3),
        "pairs_over_bare": round(median["pairs"] / median["bare"], 3),
        "single_over_predict": round(single / predict, 2),
    }


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


def forward(network: torch.nn.Module, windows: torch.Tensor, batch: int = 256) -> torch.Tensor:
    """Logits of one-hot windows, straight from the network."""
    with torch.inference_mode():
        return torch.cat([network(part) for part in windows.split(batch)])


def score_one(variant: Variant, genome: Genome, network: torch.nn.Module) -> dict[str, np.ndarray]:
    """The scores of one variant, on its own."""
    windows = cut_windows([variant], genome)
    pair = (forward(network, torch.from_numpy(one_hot(codes))) for codes in (windows.ref, windows.alt))
    return variant_scores(*(logit.numpy() for logit in pair))


def table(figures: dict[str, float]) -> str:
    """The figures as Markdown."""
    return """\
{snvs} SNVs, {windows} windows, {threads} threads, median of {repeats}

| way | seconds | ratio |
| --- | ---: | ---: |
| bare forward of ready windows | {bare_s} | 1 |
| pairs of ready windows, recomputing what the variant changes | {pairs_s} | {pairs_over_bare} x bare |
| kipoi predict, without its start of {start_s} s | {predict_s} | {predict_over_bare} x bare |
| one variant at a time | {single_s} | {single_over_predict} x predict |""".format(**figures)


if __name__ == "__main__":
    main()
