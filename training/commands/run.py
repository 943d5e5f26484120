"""``python -m training run``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from training.commands.arguments import add_command, read_recipe
from training.commands.process import training_process
from training.commands.verdicts import log_warnings

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
From tables to a Kipoi model: data, ensemble, distil and export, one after the other. Rerunning resumes:
finished steps are kept, an interrupted one continues, and changed inputs or settings are an error.

All sections of the recipe but finetune are read. Begin with a copy of training/configs/default.yaml, which
explains each entry; paper.yaml is the method of the paper, smoke.yaml a trial of some minutes. In the folder
of 'mifm example', --config example takes a minute.
"""

_EPILOG = """\
examples:
  python -m training run --config paper --out mifm --set fasta=hg19.fa \\
    data.credible_sets.path=credible_set.txt.gz 'data.negatives.vcf=[1000G.vcf.gz]'
  python -m training run --config my.yaml --out mine --set ensemble.members=3 fit.epochs=20

How long it takes: smoke some minutes on two cores. On the whole of CAUSALdb2, at 1,420 windows a second on
two cores, a member of paper takes 12 hours (the authors: 34 on an A40), its student 3; a member of default
3 to 4, its student 9.

Read mifm/data/report.md first: it says what became of every row. The last lines, and summary.json, say what
was learnt of held-out bags beside chance: the gain in likelihood of studies, the PIP of the student's first
variant in 95 % sets, how often it puts the lead first. A warning says where that is nothing, where the
student does not score as its members, or where its scores hardly differ: do not use it then.

folders and files in --out:
  data/  members/  student/   of the commands data, ensemble, distil
  model/                      of export: the Kipoi model and its weights
  summary.json                counts, verdicts on members and student, warnings, agreement of the student
  steps.json                  the inputs of each step, and checksums of its outputs
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = add_command(
        commands, "run", _run, "from tables to a Kipoi model, every step in turn", _TEXT, _EPILOG
    )
    command.add_argument("--out", required=True, metavar="DIR", help="folder for all outputs")
    command.add_argument(
        "--device", default="auto", help="device of the distillation (default: a GPU where there is one)"
    )


def _run(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    # Lightning takes seconds to import.
    from training.run import Run

    with training_process("windows") as on_progress:
        summary = Run(recipe, options.out, options.device).run(on_progress)
    for line in summary.lines():
        logging.info("%s", line)
    log_warnings(summary.warnings)
