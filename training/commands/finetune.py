"""``python -m training finetune``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from mifm_kipoi.network.weights import load_weights
from training.commands.arguments import (
    add_command,
    add_folders,
    read_fasta,
    read_recipe,
)
from training.commands.process import training_process
from training.commands.verdicts import log_verdicts
from training.data.dataset import read_dataset
from training.fitting.config import FINETUNE_REPORT, FINETUNED
from training.fitting.finetune import AFTER, START, Finetune, lines

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Fine-tune weights on the bags of a new GWAS, with few epochs and a low learning rate, and report how the
scores changed. A slope and an offset of the logits are fitted first, unless finetune.calibrate=false. The
statistics of batch normalisation stay as they are, unless finetune.statistics=updated.

The command ends with what was learnt of held-out bags, before and after. Make the data set with
--set data.splits.validation=[] data.splits.test=[] to use all of the GWAS; nothing can be judged then.

The recipe's sections are fasta, finetune, such as
  --set fasta=hg19.fa finetune.fit.epochs=3 finetune.fit.learning_rate=0.00003
"""

_EPILOG = f"""\
files in --out:
  {FINETUNED}   the fine-tuned weights, for 'mifm score --weights' and 'python -m training export'
  {FINETUNE_REPORT}           scores before and after: correlations, first variants of bags, largest changes;
                          slope and offset; verdicts by held-out bags, and warnings
  fit/                    what 'python -m training fit' writes
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "finetune", _finetune, "fine-tune weights on the bags of a new GWAS", _TEXT, _EPILOG
    )
    command.add_argument("--weights", required=True, help="name or path of the weights to begin with")
    add_folders(command)
    command.add_argument("--resume", action="store_true", help="resume the fine-tuning in --out")


def _finetune(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    weights, dataset, genome = load_weights(options.weights), read_dataset(options.data), read_fasta(recipe)
    finetune = Finetune(weights, dataset, genome, recipe.finetune, options.out, options.resume)
    with training_process("windows") as on_progress:
        tuned = finetune.run(on_progress)
    for line in (*lines(tuned.report), f"wrote {tuned.weights}"):
        logging.info("%s", line)
    for verdict in tuned.verdicts:
        if verdict.network == START:
            logging.info("%s", verdict.brief())
    log_verdicts([verdict for verdict in tuned.verdicts if verdict.network == AFTER])
