"""``python -m training fit``."""

from __future__ import annotations

import argparse
import logging
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
from training.fitting.config import MEMBER

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Fit one network to the bags of a data set. A positive bag holds the variants of one association signal, at
least one of which is assumed to cause it; a negative bag is one variant without an association. The network
scores each variant from the 512 bp around it, the score of a bag is pooled from those of its variants, and
the loss compares it with the label of the bag: no labels of variants are used.

The recipe's sections are fasta, network, fit; each of their entries can be given by --set, such as
  --set fit.seed=2 fit.epochs=20 fit.objective.pooling=noisy_or network.dropout=0.2
"""

_EPILOG = f"""\
files in --out:
  {MEMBER}   the weights of the best epoch and their provenance, when the fit is complete:
                       'mifm score VCF FASTA -o TABLE --weights OUT/{MEMBER}'; with network.channels=5
                       the variant's base is hidden, and both alleles of an SNV get the same score
  checkpoint.pt        the last epoch and the best one: --resume continues from it, with the same result
  log.csv              losses, AUROC and AUPRC of validation bags, one row per epoch
  epochs/              with fit.keep_epochs=true the weights of every epoch
  tensorboard/         the log for 'tensorboard --logdir OUT'

One core trains on some 900 windows a second: an epoch of 1,000 bags of 50 variants takes about a minute.
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(commands, "fit", _fit, "fit one network to the bags of a data set", _TEXT, _EPILOG)
    add_folders(command)
    command.add_argument(
        "--resume", action="store_true",
        help="resume the fit in --out after its last complete epoch; start one if there is none",
    )  # fmt: skip


def _fit(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    dataset, genome = read_dataset(options.data), read_fasta(recipe)
    # Lightning takes seconds to import.
    from training.fitting.ensemble import validation_metrics
    from training.fitting.fit import Fit, is_another_rank

    fit = Fit(dataset, genome, recipe.network, recipe.fit, options.out, options.resume)
    with training_process("windows") as on_progress:
        fitted = fit.run(on_progress)
    if not is_another_rank():
        logging.info(
            "wrote %s: epoch %d of %d, the first is 0%s", fitted.weights, fitted.epoch, len(fitted.history),
            validation_metrics(fitted.metrics),
        )  # fmt: skip
        log_verdicts([fitted.verdict] if fitted.verdict else [])
