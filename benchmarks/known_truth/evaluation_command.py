"""``python -m benchmarks evaluation-files``."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from benchmarks import arguments, extra
from mifm_kipoi.commands.arguments import positive

_TEXT = """\
Write what evaluations need of a simulation of the design 'real' of known-truth, in the formats of real data:
summary statistics of all variants of each study (GWAS-SSF), LD panels (PLINK), credible sets with PIPs of
SuSiE, chromatin states in GenoSTAN's format and silencers in SilencerDB's, with known odds ratios.
"""


def add(commands: Any) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "evaluation-files",
        help="write a simulation's summary statistics, LD panels, PIPs of SuSiE and chromatin states",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--size",
        choices=["smoke", "small", "full"],
        default="smoke",
        help="of the simulation (default: smoke)",
    )
    arguments.add_out(command)
    arguments.add_cache(command)
    command.add_argument(
        "--studies", nargs="+", default=(), metavar="META_ID",
        help="those whose summary statistics are written (default: all)",
    )  # fmt: skip
    command.add_argument(
        "--susie", choices=["none", "largest", "all"], default="all",
        help="studies that SuSiE is fitted to on test contigs (default: all; largest: of each trait)",
    )  # fmt: skip
    command.add_argument(
        "--cell-lines",
        type=positive,
        default=8,
        metavar="N",
        help="files of states (default: 8; 127 at most)",
    )
    arguments.add_jobs(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with extra.needed():
        from benchmarks.known_truth.evaluation_files import EvaluationFiles
        from benchmarks.known_truth.simulate import simulate
        from benchmarks.known_truth.sizes import SIMULATIONS
    simulation = SIMULATIONS["real"][options.size]
    simulated = simulate(simulation, arguments.cache(options), options.jobs)
    files = EvaluationFiles(tuple(options.studies), options.susie, options.cell_lines)
    logging.info("the files are in %s", files.write(simulation, simulated, options.out, options.jobs))
