"""``python -m training ensemble``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.arguments import (
    add_command,
    add_folders,
    read_fasta,
    read_recipe,
)
from training.commands.process import training_process
from training.commands.verdicts import log_verdicts
from training.data.dataset import read_dataset
from training.fitting.config import ENSEMBLE_REPORT, LEAVE_OUT, MEMBER
from training.fitting.verdict import Verdict

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Fit several members that differ in their seed, one after the other. An ensemble that was interrupted resumes
by itself; members that are complete are kept, once their data set and settings are found to be the same.

With --leave-out, each fold of chromosomes has members of its own, which have not seen it: the splits of the
data set are not used, the chromosomes of the next fold choose the epoch. Their scores ('python -m training
score-left-out') know nothing of the loci that they score, as a prior of fine-mapping must not.

The recipe's sections are fasta, network, fit, ensemble; ensemble.first_seed replaces fit.seed.
"""

ONE_EACH = 1000
"""Folds that leave out one chromosome at a time, however many there are."""

_EPILOG = f"""\
files in --out:
  member-SEED/    what 'python -m training fit' writes; the weights are member-SEED/{MEMBER}
  {ENSEMBLE_REPORT}   metrics of each member and of their mean, when all are complete
with --leave-out:
  fold-NUMBER/    the same of each fold
  {LEAVE_OUT}  chromosomes, members and verdict of each fold, when all are complete
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "ensemble", _ensemble, "fit several members that differ in their seed", _TEXT, _EPILOG
    )
    add_folders(command)
    command.add_argument(
        "--leave-out", nargs="?", type=int, const=ONE_EACH, metavar="FOLDS",
        help="members that have not seen a chromosome, for all chromosomes, in as many folds (without a "
        "number: one for each chromosome); ensemble.leave_out of the recipe",
    )  # fmt: skip


def _ensemble(options: argparse.Namespace) -> None:
    if options.leave_out is not None:
        options.set.append(f"ensemble.leave_out={options.leave_out}")
    recipe = read_recipe(options)
    dataset, genome = read_dataset(options.data), read_fasta(recipe)
    # Lightning takes seconds to import.
    from training.fitting.ensemble import Ensemble

    if recipe.ensemble.leave_out:
        from training.fitting.leave_out import LeaveOut

        folds = LeaveOut(dataset, genome, recipe.network, recipe.fit, recipe.ensemble, options.out)
        with training_process("windows") as on_progress:
            left_out = folds.run(on_progress)
        for verdict in left_out.verdicts:
            logging.info("%s", verdict.brief())
        logging.info("wrote %s", Path(options.out) / LEAVE_OUT)
        return
    ensemble = Ensemble(dataset, genome, recipe.network, recipe.fit, recipe.ensemble, options.out)
    with training_process("windows") as on_progress:
        fitted = ensemble.run(on_progress)
    logging.info(
        "logits of two of %d members for one instance: Pearson %s on average; wrote %s",
        len(fitted.members), _shown(fitted.report["pearson"]), Path(options.out) / ENSEMBLE_REPORT,
    )  # fmt: skip
    for member in fitted.members:
        if member.verdict:
            logging.info("%s", member.verdict.brief())
    log_verdicts([Verdict.from_dict(fitted.report["mean"]["verdict"])])


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
