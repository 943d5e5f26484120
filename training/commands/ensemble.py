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
from training.fitting.config import ENSEMBLE_REPORT, MEMBER
from training.fitting.verdict import Verdict

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Fit several members that differ in their seed, one after the other. An ensemble that was interrupted resumes
by itself; members that are complete are kept, once their data set and settings are found to be the same.

The recipe's sections are fasta, network, fit, ensemble; ensemble.first_seed replaces fit.seed.
"""

_EPILOG = f"""\
files in --out:
  member-SEED/    what 'python -m training fit' writes; the weights are member-SEED/{MEMBER}
  {ENSEMBLE_REPORT}   metrics of each member and of their mean, when all are complete
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "ensemble", _ensemble, "fit several members that differ in their seed", _TEXT, _EPILOG
    )
    add_folders(command)


def _ensemble(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    dataset, genome = read_dataset(options.data), read_fasta(recipe)
    # Lightning takes seconds to import.
    from training.fitting.ensemble import Ensemble

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
