"""Saturation mutagenesis against the network on every changed window.

    python -m benchmarks.speed.mutagenesis --vcf VARIANTS.vcf.gz --fasta GENOME.fa

The same windows are scored in these ways, interleaved and repeated; the medians are compared:

- variant: what ``mifm mutagenesis --centre variant`` computes, ``substitution_logits`` on the windows of some
  SNVs, all bases of each substituted for the three others;
- variant_naive: ``MIFM.forward`` on the ready one-hot windows of all these substitutions;
- position: what ``--centre position`` computes, cutting the windows included, on as many positions of a
  region;
- position_naive: ``MIFM.forward`` on the ready one-hot windows of these positions and their substitutions.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.speed import measuring
from mifm_kipoi import Genome, Interval, Predictor, cut_interval_windows, cut_windows, load_model, one_hot
from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.mutagenesis.mutate import mutate, substitution_logits
from mifm_kipoi.mutagenesis.targets import Centre, interval_targets
from mifm_kipoi.sequence import encoding


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    measuring.run("mutagenesis", __doc__.splitlines()[0], 4, measure, table, arguments)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Medians in seconds, their ratios, and how far the logits are apart."""
    genome = Genome(options.fasta)
    read = measuring.read_snvs(options.vcf)
    without_n = (snv for snv in read if (cut_windows([snv], genome).ref < encoding.NO_BASE).all())
    snvs = list(itertools.islice(without_n, options.snvs))
    network = load_model()
    predictor = Predictor(network)
    around = cut_windows(snvs, genome).ref
    changed = np.concatenate([[window, *substituted(window)] for window in around])
    first = snvs[len(snvs) // 2].pos - 1
    region = Interval(snvs[len(snvs) // 2].chrom, first, first + WINDOW * len(around), ".")
    positions = [Interval(region.chrom, pos, pos + 1, ".") for pos in range(region.start, region.end)]
    each, _ = cut_interval_windows(positions, genome)
    each = each[each[:, VARIANT_INDEX] < encoding.NO_BASE]
    snv_windows = np.concatenate([[window, *substituted(window, VARIANT_INDEX)] for window in each])
    ready = [torch.from_numpy(np.ascontiguousarray(one_hot(codes))) for codes in (changed, snv_windows)]
    ways: dict[str, Callable[[], np.ndarray]] = {
        "variant": lambda: substitution_logits(predictor, around)[1],
        "variant_naive": lambda: measuring.forward(network, ready[0]).numpy(),
        "position": lambda: position_logits(region, genome, predictor),
        "position_naive": lambda: measuring.forward(network, ready[1]).numpy(),
    }
    median, logits = measuring.median_seconds(ways, options.repeats)
    return {
        "windows": len(around),
        "variant_substitutions": len(changed) - len(around),
        "positions": len(each),
        "position_substitutions": 3 * len(each),
        **{f"{name}_s": round(value, 2) for name, value in median.items()},
        "variant_naive_over_variant": round(median["variant_naive"] / median["variant"], 2),
        "position_naive_over_position": round(median["position_naive"] / median["position"], 2),
        "variant_largest_difference": apart(logits["variant"], logits["variant_naive"], 1 + 3 * WINDOW),
        "position_largest_difference": apart(logits["position"], logits["position_naive"], 4),
    }


def substituted(window: np.ndarray, index: int | None = None) -> np.ndarray:
    """A coded window with each base, or that at one index, substituted for each other, by code."""
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


def apart(logits: np.ndarray, naive: np.ndarray, group: int) -> float:
    """The largest difference of logits; each group of the naive ones begins with the unchanged window."""
    substitutions = naive.reshape(-1, group)[:, 1:].ravel()
    return float(f"{np.abs(logits[~np.isnan(logits)] - substitutions).max():.1e}")


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    return """\
{windows} windows with {variant_substitutions} substitutions, \
{positions} positions with {position_substitutions} SNVs, \
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
