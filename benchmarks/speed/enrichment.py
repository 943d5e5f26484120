"""Enrichment of the size of the paper's: 2.6 million variants, chromatin states of 127 cell lines.

    python -m benchmarks.speed.enrichment

Variants, scores and states are random, on the autosomes of GRCh37, each cell line in 500,000 segments. What
is measured is ``mifm evaluate enrichment`` in a process of its own, from files to files: seconds, CPU
seconds, and the most memory that it had.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.known_truth.states import CELL_LINES, FILE_NAME, FREQUENCIES
from benchmarks.speed import measuring
from mifm_kipoi.support.rows import table_rows

LENGTHS = (
    249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431,
    135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248,
    59128983, 63025520, 48129895, 51304566,
)  # fmt: skip
"""Of chromosomes 1 to 22 of GRCh37."""

_ROWS = 1 << 16
"""Rows that are text in memory."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.enrichment", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--variants", type=int, default=2_600_000, help="(default: %(default)s)")
    parser.add_argument("--cell-lines", type=int, default=127, help="files of states (default: %(default)s)")
    parser.add_argument("--segments", type=int, default=500_000, help="of each file (default: %(default)s)")
    measuring.add_arguments(parser, "enrichment", 1)
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Seconds, CPU seconds and memory of the command."""
    with tempfile.TemporaryDirectory(prefix="mifm-enrichment-") as folder:
        scores = Path(folder) / "scores.tsv"
        write_scores(scores, options.variants)
        write_states(Path(folder) / "states", options.cell_lines, options.segments)
        command = [sys.executable, "-m", "mifm_kipoi.cli", "evaluate", "enrichment", str(scores)]
        command += ["--states", str(Path(folder) / "states"), "-o", str(Path(folder) / "out")]
        command += ["--threads", str(options.threads)]
        runs = [measuring.timed_command(command) for _ in range(options.repeats)]
    seconds, cpu, memory = (statistics.median(each) for each in zip(*runs, strict=True))
    return {
        "variants": options.variants,
        "cell_lines": options.cell_lines,
        "segments": options.segments,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "memory_gib": round(memory / 2**30, 2),
    }


def write_scores(path: Path, variants: int) -> None:
    """A table of random variants and scores, each position once."""
    generator = np.random.default_rng(1)
    ends = np.cumsum(LENGTHS)
    place = np.unique(generator.integers(0, ends[-1], variants))
    contig = np.searchsorted(ends, place, side="right")
    pos = place - np.concatenate([[0], ends[:-1]])[contig] + 1
    bases = np.array(list("ACGT"))
    ref = generator.integers(0, 4, place.size)
    alt = (ref + generator.integers(1, 4, place.size)) % 4
    rows = {"chrom": contig + 1, "pos": pos, "ref": bases[ref], "alt": bases[alt]}
    rows["mifm_ref"] = generator.random(place.size).round(6)
    table = pa.table(rows)
    with path.open("wb") as file:
        file.write(("\t".join(table.column_names) + "\n").encode())
        for start in range(0, len(table), _ROWS):
            file.write(table_rows(table.slice(start, _ROWS)))


def write_states(folder: Path, cell_lines: int, segments: int) -> None:
    """Random states in segments that cover the autosomes, a file for each cell line."""
    generator = np.random.default_rng(2)
    folder.mkdir()
    names, ends = pa.array(list(FREQUENCIES)), np.cumsum(list(FREQUENCIES.values()))
    for cell_line in CELL_LINES[:cell_lines]:
        parts = []
        for number, length in enumerate(LENGTHS, start=1):
            cuts = generator.integers(1, length // 200, segments * length // sum(LENGTHS)) * 200
            start = np.unique(np.append(cuts, 0))
            state = np.minimum(np.searchsorted(ends, generator.random(start.size)), len(names) - 1)
            parts.append(
                pa.table(
                    {
                        "chrom": [f"chr{number}"] * start.size,
                        "start": start,
                        "end": np.append(start[1:], length),
                        "state": names.take(pa.array(state)),
                    }
                )
            )
        path = folder / FILE_NAME.format(cell_line=cell_line)
        path.write_bytes(gzip.compress(table_rows(pa.concat_tables(parts)), compresslevel=4))


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    return """\
{variants:,} variants, {cell_lines} files of {segments:,} segments, {threads} threads, median of {repeats}

| seconds | CPU seconds | memory |
| ---: | ---: | ---: |
| {seconds} | {cpu_seconds} | {memory_gib} GiB |""".format(**figures)


if __name__ == "__main__":
    main()
