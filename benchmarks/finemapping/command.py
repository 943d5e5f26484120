"""``python -m benchmarks finemap``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import arguments, extra
from mifm_kipoi.commands.arguments import say
from mifm_kipoi.errors import OptionError

_TEXT = """\
Fine-mapping with scores as its prior where the causal variants are known: 1,600 loci of the design 'real' of
known-truth that no simulation for training has, and the largest study of each trait. Loci are fitted as
'mifm finemap' does it, with the flat prior and with those of networks, of the first network's scores shuffled
and turned round, and of the rule itself; with LD of the studies' own people, and of others: with one effect,
as the command chooses, and with several, as if the LD were their own.

--out gets loci/, scores/, and for each kind of LD measures.tsv (causal variants at PIP > 0.95, false
discoveries, power, credible sets; each with an interval over loci, and over the flat prior), calibration.tsv
and prior.tsv. Rerunning resumes.
"""


def add(commands: Any) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "finemap",
        help="fine-mapping with networks as the prior, at loci with known causal variants",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--weights", required=True, action="append", metavar="NAME=FILE[,FILE]",
        help="networks of known-truth, such as arms/per_study/seed-1/member.safetensors; of several files "
        "the mean logit is the score; may be repeated, the first is shuffled and turned round",
    )  # fmt: skip
    command.add_argument(
        "--loci", type=Path, metavar="DIR", help="where the loci are, or are put (default: loci in --out)"
    )
    arguments.add_out(command)
    arguments.add_jobs(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with extra.needed():
        from benchmarks.finemapping.experiment import Experiment
        from benchmarks.finemapping.loci import TestLoci
    networks = dict(map(_named, options.weights))
    loci = TestLoci().write(options.loci or options.out / "loci", options.jobs)
    say(*Experiment(loci, networks, options.out, options.jobs).run(say))


def _named(text: str) -> tuple[str, tuple[Path, ...]]:
    name, equals, files = text.partition("=")
    if not (name and equals and files):
        raise OptionError(f"--weights {text!r} names no network; expected NAME=FILE[,FILE]")
    return name, tuple(map(Path, files.split(",")))
