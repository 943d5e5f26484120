"""``python -m training run``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from training.commands.arguments import add_recipe, read_recipe
from training.fitting.allocation import keep_freed_memory
from training.run import STEPS, SUMMARY, lines, run

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
From tables to a Kipoi model: data, ensemble, distil and export, one after the other. What is complete, of
the same inputs and settings, is not made again; what was interrupted goes on.

All sections of the recipe but finetune are read. Begin with a copy of training/configs/default.yaml, which
says what each entry is for; paper.yaml is the method of the paper, smoke.yaml a trial of two minutes.
"""

_EPILOG = f"""\
examples:
  python -m training run --config paper --out mifm --set fasta=hg19.fa \\
    data.credible_sets.path=credible_set.txt.gz 'data.negatives.vcf=[1000G.vcf.gz]'
  python -m training run --config my.yaml --out mine --set ensemble.members=3 fit.epochs=20

Look at mifm/data/report.md first: it says what became of every row. Then at {SUMMARY}: members whose
validation loss is no lower than ln 2 = 0.69 have learnt nothing (single_effect and susie_em have other
losses); a lower one proves little, for the sizes of bags alone tell them apart. A student with a low pearson
or same_top is not what its members are.

folders and files in --out:
  data/  members/  student/   of the commands data, ensemble, distil
  model/                      of export: the Kipoi model and its weights
  {SUMMARY}                counts, metrics of the members and their mean, agreement of the student
  {STEPS}                  what each step was made of, and checksums of what it made
"""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "run",
        help="from tables to a Kipoi model, every step in turn",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(command)
    command.add_argument("--out", required=True, metavar="DIR", help="folder of all that is written")
    command.add_argument(
        "--device", default="auto", help="of the distillation (default: a GPU where there is one)"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    keep_freed_memory()
    for line in lines(run(read_recipe(options), options.out, options.device)):
        logging.info("%s", line)
