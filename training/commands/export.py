"""``python -m training export``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from mifm_kipoi.weights import load_weights
from training.commands.arguments import add_recipe, read_recipe
from training.dataset import read_dataset
from training.export import CARD, export

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Make of weights a folder that is a Kipoi model by itself: 'kipoi test DIR --source=dir' and 'kipoi predict DIR
--source=dir' work with it, and 'mifm weights import DIR/NAME.safetensors' installs the weights.

The recipe's section is export: name, licence, authors, such as
  --set export.name=my-gwas "export.licence=CC BY 4.0" "export.authors=[A. Author]"
"""

_EPILOG = f"""\
files in --out:
  NAME.safetensors  the weights
  {CARD}     what made them: data, metrics, configuration, licence
  model.yaml, dataloader.yaml, dataloader.py, expected.h5   the Kipoi model: variants in
  sequence/         the same for single windows
"""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "export",
        help="make a Kipoi model of weights",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(command)
    command.add_argument("--weights", required=True, help="name or path of the weights")
    command.add_argument(
        "--data",
        metavar="DIR",
        help="their data set, for its counts in the model card (default: as they say)",
    )
    command.add_argument("--out", required=True, metavar="DIR", help="the folder; nothing may be there yet")
    command.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    dataset = read_dataset(options.data) if options.data else None
    path = export(load_weights(options.weights), recipe.export, options.out, dataset)
    logging.info("written: %s\ntry: kipoi test %s --source=dir", path.parent, path.parent)
