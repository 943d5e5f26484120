"""What the benchmarks share: their arguments, the clock, and the plain network."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mifm_kipoi import Variant, __version__, read_variants
from mifm_kipoi.support.cpus import usable_cpus

Figures = dict[str, Any]


def run(
    name: str,
    description: str,
    snvs: int,
    measure: Callable[[argparse.Namespace], Figures],
    table: Callable[[Figures], str],
    arguments: Sequence[str] | None,
) -> None:
    """Measure, print a table and write the figures.

    Parameters
    ----------
    name : str
        Name of the benchmark's module.
    description : str
        What it measures.
    snvs : int
        How many SNVs it takes by default.
    measure : callable
        Makes figures of the options ``vcf, fasta, snvs, repeats, threads``.
    table : callable
        Makes Markdown of the figures.
    arguments : sequence of str or None
        The command line.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.speed.{name}", description=description)
    parser.add_argument("--vcf", required=True, help="variants; the first SNVs are taken")
    parser.add_argument("--fasta", required=True, help="their genome")
    parser.add_argument("--snvs", type=int, default=snvs, help=f"how many SNVs (default: {snvs})")
    add_arguments(parser, name, 3)
    report(parser.parse_args(arguments), measure, table)


def add_arguments(parser: argparse.ArgumentParser, name: str, repeats: int) -> None:
    """``--repeats``, ``--threads`` and ``--out``."""
    parser.add_argument(
        "--repeats", type=int, default=repeats, help=f"how often each is measured (default: {repeats})"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=usable_cpus(),
        help="threads of PyTorch (default: the CPUs that this process may use)",
    )
    parser.add_argument("--out", default=f"benchmarks/speed/{name}.json", help="where to write the figures")


def report(
    options: argparse.Namespace,
    measure: Callable[[argparse.Namespace], Figures],
    table: Callable[[Figures], str],
) -> None:
    """Measure with the options of :func:`add_arguments`, print a table and write the figures."""
    torch.set_num_threads(options.threads)
    figures = measure(options) | {
        "repeats": options.repeats,
        "threads": options.threads,
        "mifm_kipoi": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))


def read_snvs(path: str) -> Iterator[Variant]:
    """The SNVs of a variant file."""
    for variant in read_variants(path):
        if len(variant.ref) == 1 == len(variant.alt) and variant.alt in "ACGT":
            yield variant


def median_seconds(
    ways: Mapping[str, Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run all ways, one after the other, several times: median seconds, and what each gave last."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            began = clock()
            results[name] = way()
            seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}, results


def timed_command(command: Sequence[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and the largest resident memory in bytes of a command."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def forward(network: torch.nn.Module, windows: torch.Tensor, batch: int = 256) -> torch.Tensor:
    """Logits of one-hot windows, straight from the network."""
    with torch.inference_mode():
        return torch.cat([network(part) for part in windows.split(batch)])
