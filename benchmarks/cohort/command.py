"""``python -m benchmarks cohort``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import arguments, extra

_TEXT = """\
Simulate people of three populations with genotypes, phenotypes, covariates and GWAS of their own, in the
formats of real data, for what needs people: polygenic scores, fine-mapping with in-sample LD, tests of
several variants, replication. Which variants are causal is known. The rule is that of the design 'real' of
known-truth, the loci are others: a network that was trained there has seen none of them.

Rerunning resumes: loci that were drawn are kept. A folder that is complete is left alone.
"""

_EPILOG = """\
sizes:
  tiny    for tests: 8 loci, 1,800 people
  small   40 loci, 26,000 people
  full    80 loci, 55,000 people

README.md in --out says what each file is.
"""


def add(commands: Any) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "cohort",
        help="simulate people with known causal variants: genotypes, phenotypes, GWAS",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Not from the sizes themselves, which need packages of the extra.
    command.add_argument("--size", choices=["tiny", "small", "full"], default="small", help="default: small")
    arguments.add_out(command, "folder for all outputs, new or empty")
    arguments.add_jobs(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with extra.needed():
        from benchmarks.cohort.build import build
        from benchmarks.cohort.sizes import SIZES
    build(SIZES[options.size], options.out, options.jobs)


def add_example(commands: Any) -> None:
    """``python -m benchmarks example``."""
    command = commands.add_parser(
        "example",
        help="make the study that comes with the package, which 'mifm example' writes",
        description="Simulate the small study that comes with the package (mifm_kipoi/example/study.tar.xz).",
    )
    command.add_argument(
        "--weights", required=True, type=Path, metavar="FILE",
        help="network that was trained on the same rule: arms/windows_x4/seed-1/member.safetensors of "
        "'known-truth --design real --size small --arms windows_x4'",
    )  # fmt: skip
    command.add_argument("--out", type=Path, metavar="FILE", help="default: the package's own")
    command.set_defaults(run=_run_example)


def _run_example(options: argparse.Namespace) -> None:
    with extra.needed():
        from benchmarks.cohort import example
    path = options.out or example.STUDY
    counts = example.make(options.weights, path)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {counts}")
