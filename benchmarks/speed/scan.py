"""The scan of all positions against the network window by window, and against what the processor can do.

    python -m benchmarks.speed.scan --fasta GENOME.fa

Positions of the genome's longest contig are evaluated in these ways, with one thread and with several,
interleaved and repeated; the medians are compared as rates:

- forward: ``MIFM.forward`` on ready one-hot windows, in batches of 256;
- partial: ``Predictor.logits`` on coded windows, which is ``PartialNetwork``;
- scan: ``Scan.logits_of`` on blocks of 4,096 positions, a block a thread, by each engine that is installed;
- partial_snvs: ``Predictor.variant_logits`` for the three SNVs of each position;
- scan_snvs: ``Scan.substituted`` for these.

Beside them, in the same interleaving: products of matrices of 1024 by 1024 (what the processor can multiply
and add), and copies of 256 MB (what memory can move). What the scan needs of both is counted from its
operations.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.speed import measuring
from mifm_kipoi import Genome, Predictor, load_model, one_hot
from mifm_kipoi.conventions import WINDOW
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.scan.operations import Operation, Program
from mifm_kipoi.network.scan.program import programs_of
from mifm_kipoi.sequence.contig_blocks import BLOCK, ContigBlock, contig_blocks
from mifm_kipoi.support.threads import ordered_map

CHR20, GENOME = 59_505_520, 2_900_000_000
"""Positions with a base of GRCh37's chromosome 20, and of the human genome."""

_SIDE = 1024
_COPY = 1 << 25

_START = """
import sys, time
import numpy as np
from mifm_kipoi import load_model
from mifm_kipoi.network.scan import Scan
model, codes = load_model(), np.zeros(512, dtype=np.uint8)
began = time.perf_counter()
Scan(model, sys.argv[1]).logits(codes)
print(time.perf_counter() - began)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.scan", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--fasta", required=True, help="a genome")
    parser.add_argument("--blocks", type=int, default=48, help="of 4,096 positions (default: 48)")
    parser.add_argument(
        "--windows",
        type=int,
        default=1024,
        help="of MIFM.forward, and positions whose SNVs are computed; PartialNetwork gets 4 times as many "
        "(default: 1024)",
    )
    measuring.add_arguments(parser, "scan", 7)
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Rates, their ratios, how far the logits are apart, and what limits the scan."""
    genome, model = Genome(options.fasta), load_model()
    longest = max(genome.contigs, key=genome.contigs.__getitem__)
    whole = (
        block for block in contig_blocks(genome, longest) if block.scorable.all() and len(block) == BLOCK
    )
    blocks = list(itertools.islice(whole, options.blocks))
    engines = ["numba", "pytorch"] if importlib.util.find_spec("numba") else ["pytorch"]
    scans = {engine: Scan(model, engine) for engine in engines}
    several = sorted({1, options.threads})
    ways: dict[str, Callable[[], Any]] = {}
    sizes: dict[str, float] = {}
    for threads in several:
        for name, (size, way) in _ways(model, scans, blocks, options.windows).items():
            ways[f"{name} {threads}"] = functools.partial(_with_threads, way, threads)
            sizes[f"{name} {threads}"] = size
    # Compiled, and every buffer there, before anything is timed.
    for threads in several:
        for scan in scans.values():
            list(scan.logits_of(blocks[: 2 * threads], threads))
    seconds, results = measuring.median_seconds(ways, options.repeats)
    rate = {name: sizes[name] / seconds[name] for name in ways}
    fastest = engines[0]
    return {
        "positions": len(blocks) * BLOCK,
        "engines": {engine: scan.identity for engine, scan in scans.items()},
        "rate": {name: float(f"{value:.4g}") for name, value in rate.items()},
        "over_forward": _ratios(rate, f"scan {fastest}", "forward", several),
        "over_partial": _ratios(rate, f"scan {fastest}", "partial", several),
        "snvs_over_partial": _ratios(rate, f"scan_snvs {fastest}", "partial_snvs", several),
        "pytorch_over_partial": _ratios(rate, "scan pytorch", "partial", several),
        "hours_of_chr20": {t: CHR20 / rate[f"scan {fastest} {t}"] / 3600 for t in several},
        "hours_of_genome": {t: GENOME / rate[f"scan {fastest} {t}"] / 3600 for t in several},
        "days_of_all_snvs": {t: 3 * GENOME / rate[f"scan_snvs {fastest} {t}"] / 86400 for t in several},
        "largest_difference": _differences(results, engines, several, options.windows),
        "limit": _limit(model, rate, f"scan {fastest}", several),
        "start_s": {engine: _start(engine) for engine in engines},
        "fastest": fastest,
    }


def _ways(
    model: torch.nn.Module, scans: dict[str, Scan], blocks: list[ContigBlock], count: int
) -> dict[str, tuple[float, Callable[[int], Any]]]:
    """What is measured: how much it computes, and how, with a number of threads."""
    windows = np.concatenate(
        [np.lib.stride_tricks.sliding_window_view(block.codes, WINDOW) for block in blocks[:2]]
    )
    ready = torch.from_numpy(one_hot(windows[:count]))
    predictor = Predictor(model)
    snvs = [_snvs(block) for block in blocks]
    rows, bases = (part[: 3 * count] for part in snvs[0])
    ref, alt = windows[rows], windows[rows].copy()
    alt[:, model.config.variant_index] = bases
    square = torch.ones(_SIDE, _SIDE)
    source, target = np.ones(_COPY), np.empty(_COPY)

    def substituted(scan: Scan, number: int) -> tuple[np.ndarray, np.ndarray]:
        return scan.substituted(blocks[number].codes, *snvs[number])

    ways: dict[str, tuple[float, Callable[[int], Any]]] = {
        "forward": (count, lambda _: measuring.forward(model, ready).numpy()),
        "partial": (4 * count, lambda _: predictor.logits(windows[: 4 * count])),
        "partial_snvs": (3 * count, lambda _: predictor.variant_logits(ref, alt)[1]),
        "multiply_adds": (_SIDE**3, lambda _: square @ square),
        "bytes": (2 * source.nbytes, lambda threads: _copy(source, target, threads)),
    }
    for engine, scan in scans.items():
        ways[f"scan {engine}"] = (
            len(blocks) * BLOCK,
            lambda threads, scan=scan: [logits for _, logits in scan.logits_of(blocks, threads)],
        )
        few = range(max(len(blocks) // 4, 2) if engine == "numba" else 2)
        ways[f"scan_snvs {engine}"] = (
            3 * BLOCK * len(few),
            lambda threads, scan=scan, few=few: [
                alt for _, alt in ordered_map(functools.partial(substituted, scan), few, threads)
            ],
        )
    return ways


def _with_threads(way: Callable[[int], Any], threads: int) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    # Threads of PyTorch where it has a way to itself, of ours in the scan.
    try:
        return way(threads)
    finally:
        torch.set_num_threads(before)


def _snvs(block: ContigBlock) -> tuple[np.ndarray, np.ndarray]:
    """All SNVs of a block: the position of each, and its base."""
    rows, bases = np.nonzero(block.bases[:, None] != np.arange(4))
    return rows, bases.astype(np.uint8)


def _copy(source: np.ndarray, target: np.ndarray, threads: int) -> None:
    parts = np.array_split(np.arange(len(source)), threads)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        pieces = [slice(part[0], part[-1] + 1) for part in parts]
        list(pool.map(lambda piece: np.copyto(target[piece], source[piece]), pieces))


def _ratios(rate: dict[str, float], one: str, other: str, threads: Iterable[int]) -> dict[int, float]:
    return {each: round(rate[f"{one} {each}"] / rate[f"{other} {each}"], 1) for each in threads}


def _differences(
    results: dict[str, Any], engines: list[str], threads: list[int], count: int
) -> dict[str, float]:
    """How far logits are apart at most."""
    found = {}
    for engine in engines:
        scanned = np.concatenate(results[f"scan {engine} {threads[0]}"])
        snvs = np.concatenate(results[f"scan_snvs {engine} {threads[0]}"])
        found[f"{engine}, forward"] = scanned[:count] - results[f"forward {threads[0]}"]
        found[f"{engine}, partial"] = scanned[: 4 * count] - results[f"partial {threads[0]}"]
        found[f"{engine}, SNVs"] = snvs[: 3 * count] - results[f"partial_snvs {threads[0]}"]
        if len(threads) > 1:
            again = np.concatenate(results[f"scan {engine} {threads[1]}"])
            found[f"{engine}, threads"] = scanned - again
    return {name: float(f"{np.abs(values).max():.1e}") for name, values in found.items()}


def _limit(model: Any, rate: dict[str, float], name: str, threads: list[int]) -> dict[str, Any]:
    """What a position needs, and how much of what the processor and the memory can do that is."""
    programs = programs_of(model, BLOCK, BLOCK)
    reference, substitution = programs.reference, programs.substitution
    needed = sum(each.multiply_adds * (BLOCK + each.extent) for each in reference.operations) / BLOCK
    moved = sum(_moved(each) * (BLOCK + each.extent) for each in reference.operations) / BLOCK
    return {
        "multiply_adds_of_a_position": round(needed),
        "multiply_adds_of_a_substitution": substitution.multiply_adds,
        "activations_of_a_position": reference.activations,
        "activations_of_a_substitution": substitution.activations,
        "bytes_of_a_position": round(moved),
        "bytes_kept_of_a_position": round(_kept(reference)),
        "limit_by_multiply_adds": {t: round(rate[f"multiply_adds {t}"] / needed) for t in threads},
        "of_that_limit": {
            t: round(rate[f"{name} {t}"] * needed / rate[f"multiply_adds {t}"], 2) for t in threads
        },
        "of_memory": {
            t: round(rate[f"{name} {t}"] * _kept(reference) / rate[f"bytes {t}"], 2) for t in threads
        },
    }


def _moved(operation: Operation) -> int:
    """Bytes that an operation reads and writes for a position, each array counted once."""
    written = [operation.out, operation.active, *(tap.kept for tap in operation.taps)]
    read = [operation.first, operation.second]
    values = operation.channels * sum(place is not None for place in (*written, *read))
    return 4 * (values + operation.inputs * len(operation.taps))


def _kept(program: Program) -> float:
    """Bytes of a position that are written to arrays of all positions: what can leave the cache."""
    return 4 * sum(
        operation.channels
        for operation in program.operations
        for place in (operation.out, operation.active, *(tap.kept for tap in operation.taps))
        if place is not None and not place.is_local
    )


def _start(engine: str) -> dict[str, float]:
    """Seconds of the first logit in a new process, with nothing compiled before and with all."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        seconds = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", _START, engine],
                check=True,
                capture_output=True,
                text=True,
                env=environment,
            )
            seconds.append(round(float(done.stdout), 2))
    return {"first": seconds[0], "again": seconds[1]}


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    rate, fastest = figures["rate"], figures["fastest"]
    several = list(figures["over_forward"])
    names = {
        "forward": "`MIFM.forward`, windows",
        "partial": "`PartialNetwork`, windows",
        "scan pytorch": "scan, PyTorch, positions",
        "scan numba": "scan, numba, positions",
        "partial_snvs": "`PartialNetwork`, SNVs",
        "scan_snvs pytorch": "scan, PyTorch, SNVs",
        "scan_snvs numba": "scan, numba, SNVs",
    }
    lines = [
        f"{figures['positions']:,} positions, median of {figures['repeats']}, a second",
        "",
        "| way | " + " | ".join(f"{t} thread{'s' * (t > 1)}" for t in several) + " |",
        "| --- |" + " ---: |" * len(several),
    ]
    for name, meaning in names.items():
        if f"{name} {several[0]}" in rate:
            lines.append(
                f"| {meaning} | " + " | ".join(f"{rate[f'{name} {t}']:,.0f}" for t in several) + " |"
            )
    rows = {
        "scan / `MIFM.forward`": ("over_forward", "{:.0f} x"),
        "scan / `PartialNetwork`": ("over_partial", "{:.0f} x"),
        "SNVs: scan / `PartialNetwork`": ("snvs_over_partial", "{:.1f} x"),
        "hours, chromosome 20": ("hours_of_chr20", "{:.3f}"),
        "hours, human genome": ("hours_of_genome", "{:.2f}"),
        "days, all SNVs of the human genome": ("days_of_all_snvs", "{:.2f}"),
    }
    for meaning, (key, form) in rows.items():
        lines.append(f"| {meaning} | " + " | ".join(form.format(figures[key][t]) for t in several) + " |")
    limit = figures["limit"]
    last = several[-1]
    return "\n".join(
        [
            *lines,
            "",
            f"Engine {fastest}. A position takes {limit['multiply_adds_of_a_position']:,} multiply-adds and "
            f"{limit['activations_of_a_position']} activations, an SNV "
            f"{limit['multiply_adds_of_a_substitution']:,} and {limit['activations_of_a_substitution']:,}. "
            f"Products of large matrices run at {rate[f'multiply_adds {last}']:.3g} multiply-adds a second on"
            f" {last} threads. At that rate, and without activations, the scan would do "
            f"{limit['limit_by_multiply_adds'][last]:,} positions a second; it does "
            f"{limit['of_that_limit'][last]:.2f} of that. It reads and writes "
            f"{limit['bytes_of_a_position']:,} bytes a position, nearly all in the cache; "
            f"{limit['bytes_kept_of_a_position']:,} are written to arrays that can leave it, "
            f"{limit['of_memory'][last]:.2f} of what a copy of memory moves in the time.",
            "",
            f"Largest differences of logits: {figures['largest_difference']}.",
            f"Seconds to the first logit in a new process: {figures['start_s']}.",
        ]
    )


if __name__ == "__main__":
    main()
