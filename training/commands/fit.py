"""``python -m training fit``."""

from __future__ import annotations

import argparse
import logging
import math
from typing import TYPE_CHECKING

from training.commands.arguments import add_folders, add_recipe, read_fasta, read_recipe
from training.data.dataset import read_dataset
from training.fitting.allocation import keep_freed_memory
from training.fitting.fit import WEIGHTS, fit, is_another_rank

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Fit one network to the bags of a data set. A positive bag holds the variants of one association signal, at
least one of which is taken to cause it; a negative bag is one variant without an association. The network
scores each variant from the 512 bp around it, the bag's score is pooled from those of its variants, and the
loss compares it with the bag's label: no label of a variant is used.

The recipe's sections are fasta, network, fit; each of their entries can be given by --set, such as
  --set fit.seed=2 fit.epochs=20 fit.objective.pooling=noisy_or network.dropout=0.2
"""

_EPILOG = f"""\
files in --out:
  {WEIGHTS}   the weights of the best epoch, with what made them, when the run is complete:
                       'mifm score VCF FASTA -o TABLE --weights OUT/{WEIGHTS}'; with network.channels 5
                       the variant's base is hidden, and both alleles of an SNV score the same
  checkpoint.pt        the last epoch and the best one: --resume goes on from it, with the same result
  log.csv              losses and AUROC, AUPRC of validation bags, one row per epoch
  epochs/              with fit.keep_epochs=true the weights of every epoch
  tensorboard/         the same for 'tensorboard --logdir OUT'

One core sees some 900 windows a second: an epoch of 1,000 bags of 50 variants takes about a minute.
"""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "fit",
        help="fit one network to the bags of a data set",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(command)
    add_folders(command)
    command.add_argument(
        "--resume", action="store_true",
        help="go on with the run in --out after its last whole epoch; begin one if there is none",
    )  # fmt: skip
    command.set_defaults(run=_fit)


def _fit(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    dataset, genome = read_dataset(options.data), read_fasta(recipe)
    keep_freed_memory()
    found = fit(dataset, genome, recipe.network, recipe.fit, options.out, options.resume)
    if is_another_rank():
        return
    metrics = {name: value for name, value in found.metrics.items() if name.startswith("validation_")}
    logging.info(
        "%s: epoch %d of %d%s", found.weights, found.epoch, len(found.history),
        "".join(f", {name} {value:.4f}" for name, value in metrics.items() if not math.isnan(value)),
    )  # fmt: skip
