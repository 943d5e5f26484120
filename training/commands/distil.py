"""``python -m training distil``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from typing import TYPE_CHECKING

from mifm_kipoi.network.weights import load_weights
from training.commands.arguments import add_command, read_fasta, read_recipe
from training.commands.process import training_process
from training.commands.verdicts import log_verdicts
from training.data.dataset import read_dataset
from training.distillation.config import CHECKPOINT, LOG, STUDENT
from training.distillation.distil import Distil

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Distil teachers into one student that reads four channels, as the scores of the paper need.

distil.source=bags      several teachers, on the windows of the data set that they were fitted to; the
                        student learns their mean (distil.bags.target=mean) or which instance of each bag
                        they put first (arg_max)
distil.source=sequence  one teacher without the variant token, on whole contigs; no labels are needed

The recipe's sections are fasta, student, distil. On bags, the command ends with what the student has learnt
beside chance, by validation and test bags.
"""

_EPILOG = f"""\
files in --out:
  {STUDENT}  the weights and their provenance, the verdict on them included
  {LOG}              losses; on bags also the agreement with the teachers on validation bags
  {CHECKPOINT}        on bags: a distillation that was interrupted resumes from it by itself
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "distil", _distil, "distil teachers into a student, on bags or on sequence", _TEXT, _EPILOG
    )
    command.add_argument(
        "--teachers", "--teacher", nargs="+", required=True, metavar="WEIGHTS", dest="teachers",
        help="names or paths of weights",
    )  # fmt: skip
    command.add_argument(
        "--start", metavar="WEIGHTS", help="a student to start from (default: random weights)"
    )
    command.add_argument("--data", metavar="DIR", help="on bags: data set of 'python -m training data'")
    command.add_argument("--out", required=True, metavar="DIR", help="folder for all outputs")
    command.add_argument(
        "--vcf", help="on sequence: variants of the held-out contigs, to measure the fidelity"
    )
    command.add_argument("--blocks", help="on sequence: table of fine-mapped blocks, to measure the fidelity")
    command.add_argument("--device", default="auto", help="cpu, cuda ... (default: a GPU where there is one)")


def _distil(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    distil = Distil(
        teachers=[load_weights(name) for name in options.teachers],
        genome=read_fasta(recipe),
        student=recipe.student,
        config=recipe.distil,
        out=options.out,
        dataset=read_dataset(options.data) if options.data else None,
        start=load_weights(options.start) if options.start else None,
        vcf=options.vcf,
        blocks=options.blocks,
        device=options.device,
    )
    with training_process("windows" if recipe.distil.source == "bags" else "steps") as on_progress:
        distilled = distil.run(on_progress)
    if distilled.agreement is not None:
        logging.info("%s", distilled.agreement.in_words())
    if distilled.fidelity is not None:
        fidelity = dataclasses.asdict(distilled.fidelity)
        logging.info("with the teacher on held-out contigs: %s", json.dumps(fidelity, indent=1))
    logging.info("wrote %s", distilled.weights)
    log_verdicts(distilled.verdicts)
