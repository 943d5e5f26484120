"""``python -m training score-left-out``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.process import training_process
from training.fitting.config import LEAVE_OUT

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Score variants by the members that have not seen their chromosome ('python -m training ensemble --leave-out').
The score is the logit of the mean probability of the members of a fold.
"""

_EPILOG = """\
example:
  python -m training ensemble --data bags --set fasta=hg19.fa --leave-out 5 --out folds
  python -m training score-left-out folds variants.vcf.gz hg19.fa --out left-out.tsv.gz
  mifm finemap gwas.tsv.gz --scores left-out.tsv.gz --score mifm_logit ...

The table has chrom, pos, id, ref, alt, mifm_logit, mifm (the same from 0 to 1), status and the fold. Beside
it lies NAME.tsv.gz.json, which says what the weights of each chromosome were trained on.
"""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser(
        "score-left-out",
        help="score variants by members that have not seen their chromosome",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folds", metavar="DIR", help=f"what 'ensemble --leave-out' wrote, with {LEAVE_OUT}")
    command.add_argument("variants", metavar="VARIANTS", help="VCF, BCF or a table of variants")
    command.add_argument("fasta", metavar="FASTA", help="reference genome")
    command.add_argument("--out", required=True, metavar="TSV", help="table of scores, NAME.tsv.gz")
    command.add_argument(
        "--device", default="auto", help="cpu, cuda, ... (default: a GPU where there is one)"
    )
    command.set_defaults(run=_left_out)


def _left_out(options: argparse.Namespace) -> None:
    from training.fitting.left_out_scores import LeftOutScores

    scores = LeftOutScores(
        options.folds, options.variants, Path(options.fasta), Path(options.out), options.device
    )
    with training_process("variants") as on_progress:
        manifest = scores.run(on_progress)
    counts = ", ".join(f"{status} {count:,}" for status, count in manifest["status"].items())
    logging.info("wrote %s: %s rows (%s)", options.out, f"{manifest['rows']:,}", counts)
