"""``python -m training export``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from mifm_kipoi.network.weights import load_weights
from training.commands.arguments import add_recipe, read_recipe
from training.export import export

if TYPE_CHECKING:
    from training.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "export",
        help="make a Kipoi model of weights",
        description="Make a folder of weights that is a Kipoi model, with a model card and expected "
        "predictions: 'kipoi test FOLDER --source=dir' passes, 'mifm weights import' takes its .safetensors. "
        "The section 'export' of the recipe says its name, authors, description and licence.",
    )
    add_recipe(command)
    command.add_argument("--weights", required=True, help="weights, by name or path")
    command.add_argument("--out", required=True, metavar="FOLDER", help="the Kipoi model")
    command.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    path = export(load_weights(options.weights), options.out, recipe.export)
    logging.info("exported %s", path)
