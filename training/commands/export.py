"""``python -m training export``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from mifm_kipoi.network.weights import load_weights
from training.commands.arguments import add_command, read_recipe
from training.export import Export

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Make a folder that is a Kipoi model of weights, with a model card and expected predictions:
'kipoi test FOLDER --source=dir' passes, and 'mifm weights import' takes its .safetensors.

The recipe's section is export: name, authors, description and licence of the weights.
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(commands, "export", _export, "make a Kipoi model of weights", _TEXT)
    command.add_argument("--weights", required=True, help="name or path of the weights")
    command.add_argument("--out", required=True, metavar="FOLDER", help="the Kipoi model")


def _export(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    exported = Export(load_weights(options.weights), options.out, recipe.export).run()
    logging.info("wrote the Kipoi model %s with the weights %s", exported.folder, exported.weights)
