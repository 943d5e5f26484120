"""A GWAS of a cohort of 40,000 people: 100,000 variants with four quantitative traits, and slices of others.

    python -m benchmarks.speed.gwas

Genotypes, traits and covariates are random; nothing is filtered. What is measured is ``mifm gwas`` in a
process of its own, from files to files: seconds, CPU seconds, and the most memory that it had. Binary traits
have exact fits where p is at most 0.001, a thousandth of the variants here. The CPU hours of 9.6 million
variants, the size of the published analyses, are projected from those of a case beyond a start.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.speed import measuring

PUBLISHED_VARIANTS = 9_600_000

COVARIATES = 16

_MAGIC = b"\x6c\x1b\x01"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.gwas", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--people", type=int, default=40_000, help="(default: %(default)s)")
    parser.add_argument("--variants", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument(
        "--slice", type=int, default=20_000, help="variants of the others (default: %(default)s)"
    )
    parser.add_argument("--traits", type=int, default=4, help="(default: %(default)s)")
    measuring.add_arguments(parser, "gwas", 1)
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Seconds, CPU seconds and memory of the command, case by case."""
    cases = []
    with tempfile.TemporaryDirectory(prefix="mifm-gwas-") as name:
        folder = Path(name)
        write_people(folder / "people.tsv", options.people, options.traits)
        start = _measured(options, folder, "quantitative", 500, 0.0)
        for kind, variants, missing in (
            ("quantitative", options.variants, 0.0),
            ("quantitative", options.slice, 0.01),
            ("binary", options.slice, 0.0),
        ):
            case = _measured(options, folder, kind, variants, missing)
            beyond = max(case["cpu_seconds"] - start["cpu_seconds"], 1e-9)
            rate = (variants - start["variants"]) / beyond
            hours = PUBLISHED_VARIANTS / rate / 3600
            cases.append(
                case | {"variants_a_cpu_second": round(rate), "projected_cpu_hours": round(hours, 2)}
            )
    return {
        "people": options.people,
        "traits": options.traits,
        "covariates": COVARIATES,
        "start_cpu_seconds": start["cpu_seconds"],
        "cases": cases,
    }


def _measured(
    options: argparse.Namespace, folder: Path, kind: str, variants: int, missing: float
) -> dict[str, Any]:
    prefix = folder / "cohort"
    write_genotypes(prefix, options.people, variants, missing)
    traits = [f"{kind[0]}{number}" for number in range(options.traits)]
    covariates = [f"c{number}" for number in range(COVARIATES)]
    command = [
        sys.executable, "-m", "mifm_kipoi.cli", "gwas", str(prefix), "--people", str(folder / "people.tsv"),
        "--traits", ",".join(traits), "--covariates", ",".join(covariates), "-o", str(folder / "out"),
        "--threads", str(options.threads), "--maf", "0", "--hwe", "0", "--no-progress",
    ]  # fmt: skip
    runs = [measuring.timed_command(command) for _ in range(options.repeats)]
    seconds, cpu, memory = (statistics.median(each) for each in zip(*runs, strict=True))
    return {
        "kind": kind,
        "variants": variants,
        "missing": missing,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "memory_gib": round(memory / 2**30, 2),
    }


def write_people(path: Path, people: int, traits: int) -> None:
    """Quantitative traits q0 ..., binary traits b0 ... with one case in five, and covariates c0 ..."""
    generator = np.random.default_rng(1)
    names = [f"p{number}" for number in range(people)]
    table: dict[str, Any] = {"FID": names, "IID": names}
    for number in range(traits):
        table[f"q{number}"] = generator.normal(size=people).round(5)
        table[f"b{number}"] = (generator.random(people) < 0.2).astype(int)
    for number in range(COVARIATES):
        table[f"c{number}"] = generator.normal(size=people).round(4)
    pd.DataFrame(table).to_csv(path, sep="\t", index=False)


def write_genotypes(prefix: Path, people: int, variants: int, missing: float) -> None:
    """A PLINK 1 fileset of variants in equilibrium, with MAF from 0.01 to 0.5."""
    generator = np.random.default_rng(2)
    width = -(-people // 4)
    names = [f"p{number}" for number in range(people)]
    prefix.with_suffix(".fam").write_text("".join(f"{name} {name} 0 0 0 -9\n" for name in names))
    with prefix.with_suffix(".bim").open("w") as file:
        file.writelines(
            f"{1 + number * 22 // variants}\tv{number}\t0\t{number + 1}\tA\tC\n" for number in range(variants)
        )
    with prefix.with_suffix(".bed").open("wb") as file:
        file.write(_MAGIC)
        tables = [_bytes_by_quantile(frequency, missing) for frequency in np.linspace(0.01, 0.5, 50)]
        for number in range(variants):
            table = tables[number % len(tables)]
            file.write(table[generator.integers(0, 1 << 16, width, dtype=np.uint16)].tobytes())


def _bytes_by_quantile(frequency: float, missing: float) -> np.ndarray:
    """The byte of four genotypes at each of 65,536 quantiles of its distribution."""
    one = np.array([frequency**2, 0, 2 * frequency * (1 - frequency), (1 - frequency) ** 2]) * (1 - missing)
    one[1] = missing
    four = one
    for _ in range(3):
        # The first genotype is in the lowest bits.
        four = np.outer(one, four).ravel()
    ends = np.cumsum(four)
    quantiles = (np.arange(1 << 16) + 0.5) / (1 << 16)
    return np.minimum(np.searchsorted(ends, quantiles), 255).astype(np.uint8)


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    head = ("traits", "variants", "missing", "seconds", "CPU seconds", "memory", "variants a CPU second",
            "CPU hours of 9.6 million")  # fmt: skip
    lines = [
        f"{figures['people']:,} people, {figures['traits']} traits, {figures['covariates']} covariates, "
        f"{figures['threads']} threads; a start takes {figures['start_cpu_seconds']} CPU seconds",
        "",
        f"| {' | '.join(head)} |",
        "| --- |" + " ---: |" * (len(head) - 1),
    ]
    for one in figures["cases"]:
        cells = (
            one["kind"], f"{one['variants']:,}", f"{one['missing']:.0%}", one["seconds"], one["cpu_seconds"],
            f"{one['memory_gib']} GiB", f"{one['variants_a_cpu_second']:,}", one["projected_cpu_hours"],
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
