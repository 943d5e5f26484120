"""Memory and time of ``python -m training data`` on a table of the shape of CAUSALdb2.

    python -m benchmarks.memory.data

CAUSALdb2 has some 36 million rows of 13,709 studies and 2,618,834 variants in 2,772 LD blocks. The table has
its 25 columns, invented numbers, and rows in the order of the studies. Fewer rows are those of fewer blocks.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.memory.score import peak_bytes
from mifm_kipoi import __version__
from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.support.rows import table_rows

ROWS, STUDIES, VARIANTS, BLOCKS = 36_000_000, 13_709, 2_618_834, 2_772

_SET_SIZE = 50
"""Mean number of variants of a study in a block and signal."""

_SPACING = 120
"""Mean base pairs between variants; blocks are some 110 kb, one after the other on 22 contigs."""

_CHUNK = 500
"""Studies that are written together."""

_PIPS = ("abf", "finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory.data", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[3_600_000, ROWS], help="numbers of rows")
    parser.add_argument("--folder", help="for the tables, some 60 bytes a row (default: temporary)")
    parser.add_argument("--out", default="benchmarks/memory/data.json", help="where to write the figures")
    options = parser.parse_args(arguments)
    figures = {"mifm_kipoi": __version__, "tables": [measure(rows, options.folder) for rows in options.rows]}
    Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")


def measure(rows: int, folder: str | None = None) -> dict[str, float]:
    """Make a table and a data set of it, and say what that took.

    Parameters
    ----------
    rows : int
        About so many rows.
    folder : str, optional
        Where the files are meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        table, recipe, out = Path(name, "sets.txt.gz"), Path(name, "recipe.yaml"), Path(name, "set")
        written = write_table(table, rows)
        recipe.write_text(f"data: {{credible_sets: {{path: {table}, lead_p_value: null}}}}\n")
        command = [sys.executable, "-m", "training", "data", "--config", str(recipe), "--out", str(out)]
        start = time.perf_counter()
        peak = peak_bytes(command)
        seconds = time.perf_counter() - start
        figures = {
            "rows": written,
            "table_mb": round(table.stat().st_size / 1e6, 1),
            "seconds": round(seconds, 1),
            "rows_per_second": round(written / seconds),
            "peak_mb": round(peak / 1e6, 1),
            "data_set_mb": round(sum(path.stat().st_size for path in out.iterdir()) / 1e6, 1),
            **{
                one: pq.read_metadata(out / f"{one}.parquet").num_rows
                for one in ("bags", "instances", "studies", "evidence")
            },
        }
    print(json.dumps(figures))
    return figures


def write_table(path: Path, rows: int, seed: int = 1) -> int:
    """Write about so many rows, gzipped, and return how many they are."""
    generator = np.random.default_rng(seed)
    blocks = max(1, round(BLOCKS * rows / ROWS))
    studies = min(STUDIES, rows)
    written = 0
    # The lowest level: the time to make the table is not what is measured.
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for first in range(0, studies, _CHUNK):
            chunk = _rows(np.arange(first, min(first + _CHUNK, studies)), blocks, rows / studies, generator)
            if first == 0:
                stream.write(("\t".join(chunk.column_names) + "\n").encode())
            stream.write(table_rows(chunk))
            written += len(chunk)
    return written


def _rows(studies: np.ndarray, blocks: int, per_study: float, generator: np.random.Generator) -> pa.Table:
    """The rows of some studies, in CAUSALdb2's columns."""
    in_block = VARIANTS // BLOCKS
    sets = np.repeat(studies, generator.poisson(per_study / _SET_SIZE, len(studies)))
    size = np.minimum(generator.geometric(1 / _SET_SIZE, len(sets)), in_block)
    block = generator.integers(0, blocks, len(sets))
    start = (generator.random(len(sets)) * (in_block - size)).astype(np.int64)
    row_set = np.repeat(np.arange(len(sets)), size)
    within = np.arange(len(row_set)) - np.repeat(np.cumsum(size) - size, size)
    variant = start[row_set] + within
    block, study = block[row_set], sets[row_set]
    # What a variant is follows from its number, so that it is the same in all studies.
    number = block * in_block + variant
    alleles = np.array(list("ACGT"))
    effect, other = number % 4, (number + 1 + number // 4 % 3) % 4
    frequency = 0.01 + 0.48 * (number * 7919 % 1000) / 1000
    error = 1 / np.sqrt(2 * 50_000 * frequency * (1 - frequency))
    z = generator.normal(6, 1, len(number)) * np.where(number % 2, 1, -1)
    primary = generator.random(len(sets))[row_set] < 0.75
    p_value = np.exp(log_p_of_z(z))
    beta, empty = z * error, np.full(len(number), np.nan)
    conditional = [np.where(primary, empty, values) for values in (beta, error, p_value)]
    pip = generator.random(len(number)) / np.repeat(size, size)
    rsid = np.char.add("rs", (number + 1000).astype(str))
    columns = {
        "chr": block % 22 + 1, "bp": (block // 22 * in_block + variant) * _SPACING + 1, "rsid": rsid,
        "maf": frequency.round(4), "ea": alleles[effect], "nea": alleles[other], "beta": beta.round(5),
        "se": error.round(6), "p": p_value, "zscore": z.round(4), "cojo_beta": conditional[0],
        "cojo_se": conditional[1], "cojo_p": conditional[2],
        **{name: pip.round(6) for name in _PIPS},
        "meta_id": np.char.add("CA", study.astype(str)), "block_id": block + 1,
        "tool": np.full(len(number), 127), "lead_snp": rsid, "primary": primary.astype(int),
    }  # fmt: skip
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


if __name__ == "__main__":
    main()
