"""``python -m benchmarks known-truth``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import signal
from typing import Any

from benchmarks import arguments, extra
from benchmarks.known_truth.plans import DESIGNS, PLANS
from mifm_kipoi.commands.arguments import positive
from mifm_kipoi.support.cpus import usable_cpus

_TEXT = """\
Does the method find causal variants? Loci are simulated in which a rule on the sequence says which variants
are causal, and written in the formats of real data: FASTA, VCF, a table of credible sets, genotypes, BED
tracks. The training code is run on them as on real data, for each arm; 'mifm score' scores variants of other
genealogies; and a report compares the arms with the GWAS alone, with controls, and with what a scorer that
knows the rule can reach.

Rerunning resumes: finished steps are kept.
"""

_EPILOG = """\
designs:
  real    weight matrices like those of real factors, gain and loss of function, several traits and up to 30
          studies of a locus, credible sets; each arm has three networks
  clear   certain motifs, one study, strong effects: the easy case

sizes:
  smoke   under 3 minutes on two cores: a narrow network, few loci, one arm and controls
  small   real: at most 45 minutes on two cores, 4,000 genealogies, windows of 128 bp, some 0.4 million of
          them a network, the six arms that decide;
          clear: under 2 hours, windows of 512 bp, the network of the paper, all arms but two
  full    for a GPU

files in --out:
  report.html, report.md, figures/   the report
  results/*.tsv, settings.json       the numbers in it
  arms/ARM/seed-SEED                 networks, their logs and scores
  data/                              data sets of 'python -m training data', with their reports
  simulations/                       the simulated files
"""


def add(commands: Any) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "known-truth",
        help="simulate loci with known causal variants, and see who finds them",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--design", choices=list(PLANS), default="real", help="see below (default: real)")
    command.add_argument(
        "--size", choices=list(PLANS["real"]), default="smoke", help="see below (default: smoke)"
    )
    arguments.add_out(command)
    known = "; ".join(f"{design}: {', '.join(arm.name for arm in arms)}" for design, arms in DESIGNS.items())
    command.add_argument(
        "--arms", nargs="+", choices=sorted({arm.name for arms in DESIGNS.values() for arm in arms}),
        metavar="ARM", help=f"arms to train (default: those of the size): {known}",
    )  # fmt: skip
    command.add_argument(
        "--networks", type=positive, metavar="N",
        help="networks of each arm, which differ in their seed (default: as many as the size has)",
    )  # fmt: skip
    arguments.add_cache(command)
    command.add_argument(
        "--jobs", type=positive, metavar="N",
        help="networks that are fitted side by side (default: one for each core; 1 where there is a GPU)",
    )  # fmt: skip
    command.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="threads of each (default: 1)"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with extra.needed():
        import torch

        from benchmarks.known_truth.experiment import Experiment
    plan = PLANS[options.design][options.size]
    if options.networks:
        plan = dataclasses.replace(plan, members=options.networks, seeds=options.networks)
    jobs = options.jobs or (1 if torch.cuda.is_available() else usable_cpus())
    # Whoever ends this process ends the networks that it trains too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        experiment = Experiment(
            plan, options.arms or plan.arms, options.out, arguments.cache(options), jobs, options.threads
        )
        experiment.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    logging.info("the report is %s", options.out / "report.html")
