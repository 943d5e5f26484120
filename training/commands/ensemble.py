"""``python -m training ensemble``."""

from __future__ import annotations

import argparse
import json
import logging
from typing import TYPE_CHECKING

from training.commands.arguments import add_folders, add_recipe, read_fasta, read_recipe
from training.data.dataset import read_dataset
from training.fitting.allocation import keep_freed_memory
from training.fitting.ensemble import REPORT, fit_ensemble

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Fit several members that differ in their seed, one after the other. A run that was interrupted goes on by
itself; members that are complete are only read, once it is seen that data set and settings are the same.

The recipe's sections are fasta, network, fit, ensemble; ensemble.first_seed takes the place of fit.seed.
"""

_EPILOG = f"""\
files in --out:
  member-SEED/    what 'python -m training fit' writes; the weights are member-SEED/member.safetensors
  {REPORT}   metrics of each member and of their mean, when all are complete
"""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "ensemble",
        help="fit several members that differ in their seed",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(command)
    add_folders(command)
    command.set_defaults(run=_ensemble)


def _ensemble(options: argparse.Namespace) -> None:
    keep_freed_memory()
    recipe = read_recipe(options)
    dataset, genome = read_dataset(options.data), read_fasta(recipe)
    found = fit_ensemble(dataset, genome, recipe.network, recipe.fit, recipe.ensemble, options.out)
    logging.info(
        "mean of %d members: %s; Pearson of two members' logits %s",
        len(found.members), json.dumps(found.report["mean"]), found.report["pearson"],
    )  # fmt: skip
