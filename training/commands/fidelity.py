"""``python -m training fidelity``."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.weights import load_weights
from training.distillation.fidelity import fidelity

if TYPE_CHECKING:
    from training.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("fidelity", help="compare a student with its teacher on held-out sequence")
    command.add_argument("--student", default="embedded", help="name or path of weights (default: embedded)")
    command.add_argument(
        "--teacher", default="published", help="name or path of weights (default: published)"
    )
    command.add_argument("--fasta", required=True, help="FASTA file")
    command.add_argument(
        "--held-out", nargs="+", required=True, help="contigs that the student was not trained on"
    )
    command.add_argument("--vcf", required=True, help="variants of these contigs")
    command.add_argument(
        "--blocks", required=True, help="table of fine-mapped blocks (trait, region, CHR, POS)"
    )
    command.set_defaults(run=_fidelity)


def _fidelity(options: argparse.Namespace) -> None:
    student, teacher = load_weights(options.student).model(), load_weights(options.teacher).model()
    result = fidelity(student, teacher, Genome(options.fasta), options.held_out, options.vcf, options.blocks)
    print(json.dumps(dataclasses.asdict(result), indent=1))  # noqa: T201 - the answer of the command
