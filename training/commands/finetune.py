"""``python -m training finetune``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from mifm_kipoi.network.weights import load_weights
from training.commands.arguments import add_folders, add_recipe, read_fasta, read_recipe
from training.data.dataset import read_dataset
from training.fitting.allocation import keep_freed_memory
from training.fitting.finetune import REPORT, WEIGHTS, finetune, lines

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Go on with weights on the bags of a new GWAS, with few epochs and a low learning rate, and say how the scores
moved. The statistics of batch normalisation stay as they are, unless finetune.statistics=updated. Make the
data set with --set data.splits.validation=[] data.splits.test=[] to use all of the GWAS.

The recipe's sections are fasta, finetune, such as
  --set fasta=hg19.fa finetune.fit.epochs=3 finetune.fit.learning_rate=0.00003
"""

_EPILOG = f"""\
files in --out:
  {WEIGHTS}   the updated weights, for 'mifm score --weights' and 'python -m training export'
  {REPORT}           scores before and after: correlations, first variants of bags, largest changes
  fit/                    what 'python -m training fit' writes
"""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "finetune",
        help="go on with weights on the bags of a new GWAS",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(command)
    command.add_argument("--weights", required=True, help="name or path of the weights to begin with")
    add_folders(command)
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.set_defaults(run=_finetune)


def _finetune(options: argparse.Namespace) -> None:
    keep_freed_memory()
    recipe = read_recipe(options)
    weights, dataset, genome = load_weights(options.weights), read_dataset(options.data), read_fasta(recipe)
    path, report = finetune(weights, dataset, genome, recipe.finetune, options.out, options.resume)
    for line in (*lines(report), f"written: {path}"):
        logging.info("%s", line)
