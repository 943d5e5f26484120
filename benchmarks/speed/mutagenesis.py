"""Saturation mutagenesis against the network on every changed window.

    python -m benchmarks.speed.mutagenesis --vcf VARIANTS.vcf.gz --fasta GENOME.fa

The same windows are scored in these ways, interleaved and repeated; the medians are compared:

- variant: what ``mifm mutagenesis --centre variant`` computes, ``exchange_logits`` on the windows of some
  SNVs, all bases of each exchanged for the three others;
- variant_naive: ``MIFM.forward`` on the ready one-hot windows of all these exchanges;
- position: what ``--centre position`` computes, cutting the windows included, on as many positions of a
  region;
- position_naive: ``MIFM.forward`` on the ready one-hot windows of these positions and their exchanges.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed.predict import forward
from mifm_kipoi import (
    Genome,
    Interval,
    Predictor,
    Variant,
    __version__,
    cut_interval_windows,
    cut_windows,
    encoding,
    load_model,
    one_hot,
    read_variants,
)
from mifm_kipoi.mutagenesis import exchange_logits, mutate
from mifm_kipoi.mutagenesis_targets import Centre, interval_targets
from mifm_kipoi.windows import VARIANT_INDEX, WINDOW


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.mutagenesis", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--vcf", required=True, help="variants; the first SNVs are taken")
    parser.add_argument("--fasta", required=True, help="their genome")
    parser.add_argument("--snvs", type=int, default=4, help="how many SNVs (default: 4)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="threads of PyTorch (default: all cores)"
    )
    parser.add_argument(
        "--out", default="benchmarks/speed/mutagenesis.json", help="where to write the figures"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    genome = Genome(options.fasta)
    is_snv = (v for v in read_variants(options.vcf) if {len(v.ref), len(v.alt)} == {1} and v.alt in "ACGT")
    without_n = (v for v in is_snv if (cut_windows([v], genome).ref < encoding.NO_BASE).all())
    figures = measure(list(itertools.islice(without_n, options.snvs)), genome, options.repeats)
    figures |= {
        "repeats": options.repeats,
        "threads": options.threads,
        "mifm_kipoi": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))


def measure(snvs: list[Variant], genome: Genome, repeats: int) -> dict[str, float]:
    """Medians in seconds, their ratios, and how far the logits are apart."""
    network = load_model()
    predictor = Predictor(network)
    around = cut_windows(snvs, genome).ref
    changed = np.concatenate([[window, *exchanged(window)] for window in around])
    first = snvs[len(snvs) // 2].pos - 1
    region = Interval(snvs[len(snvs) // 2].chrom, first, first + WINDOW * len(around), ".")
    positions = [Interval(region.chrom, pos, pos + 1, ".") for pos in range(region.start, region.end)]
    each, _ = cut_interval_windows(positions, genome)
    each = each[each[:, VARIANT_INDEX] < encoding.NO_BASE]
    snv_windows = np.concatenate([[window, *exchanged(window, VARIANT_INDEX)] for window in each])
    ready = [torch.from_numpy(np.ascontiguousarray(one_hot(codes))) for codes in (changed, snv_windows)]
    ways: dict[str, Callable[[], np.ndarray]] = {
        "variant": lambda: exchange_logits(predictor, around)[1],
        "variant_naive": lambda: forward(network, ready[0]).numpy(),
        "position": lambda: position_logits(region, genome, predictor),
        "position_naive": lambda: forward(network, ready[1]).numpy(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, np.ndarray] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - began)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "windows": len(around),
        "variant_exchanges": len(changed) - len(around),
        "positions": len(each),
        "position_exchanges": 3 * len(each),
        **{f"{name}_s": round(value, 2) for name, value in median.items()},
        "variant_naive_over_variant": round(median["variant_naive"] / median["variant"], 2),
        "position_naive_over_position": round(median["position_naive"] / median["position"], 2),
        "variant_largest_difference": apart(found["variant"], found["variant_naive"], 1 + 3 * WINDOW),
        "position_largest_difference": apart(found["position"], found["position_naive"], 4),
    }


def exchanged(window: np.ndarray, index: int | None = None) -> np.ndarray:
    """A coded window with each base, or that at one index, exchanged for each other, by code."""
    indices = np.arange(WINDOW) if index is None else np.array([index])
    rows, bases = np.nonzero(window[indices][:, None] != np.arange(4))
    windows = np.repeat(window[None], len(rows), axis=0)
    windows[np.arange(len(rows)), indices[rows]] = bases
    return windows


def position_logits(region: Interval, genome: Genome, predictor: Predictor) -> np.ndarray:
    """Logits of all SNVs of a region, as the command computes them."""
    targets = interval_targets([region], genome, Centre.POSITION)
    parts = list(mutate(targets, genome, predictor, Centre.POSITION))
    return np.concatenate([part.alt_logit for part in parts])


def apart(found: np.ndarray, naive: np.ndarray, group: int) -> float:
    """The largest difference of logits; each group of the naive ones begins with the unchanged window."""
    exchanges = naive.reshape(-1, group)[:, 1:].ravel()
    return float(f"{np.abs(found[~np.isnan(found)] - exchanges).max():.1e}")


def table(figures: dict[str, float]) -> str:
    """The figures as Markdown."""
    return """\
{windows} windows with {variant_exchanges} exchanges, {positions} positions with {position_exchanges} SNVs, \
{threads} threads, median of {repeats}

| way | seconds | ratio |
| --- | ---: | ---: |
| `--centre variant` | {variant_s} | 1 |
| forward of every changed window | {variant_naive_s} | {variant_naive_over_variant} x |
| `--centre position` | {position_s} | 1 |
| forward of every window | {position_naive_s} | {position_naive_over_position} x |

Largest differences of logits: {variant_largest_difference} and {position_largest_difference}.""".format(
        **figures
    )


if __name__ == "__main__":
    main()
