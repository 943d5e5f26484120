"""``python -m training distil``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.weights import Weights, load_weights, save_weights
from mifm_kipoi.sequence.encoding import codes
from mifm_kipoi.support.files import written_whole
from training.commands.arguments import add_recipe, read_fasta, read_recipe
from training.configuration import ConfigurationError, to_plain
from training.data.dataset import read_dataset
from training.distillation.bags import LOG
from training.distillation.distil import WEIGHTS, DistilConfig, described_start, distil_bags
from training.distillation.fidelity import fidelity, sha256_of
from training.distillation.sequence import LogLine, SequenceDistilConfig, distil_on_sequence
from training.fitting.allocation import keep_freed_memory

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Distil teachers into one student that reads four channels, as the scores of the paper need.

distil.source=bags      several teachers, on the windows of the data set that they were fitted to; the
                        student learns their mean (distil.bags.target=mean) or which instance of each bag
                        they put first (arg_max)
distil.source=sequence  one teacher without the variant token, on stretches of the genome; no labels

The recipe's sections are fasta, student, distil.
"""

_EPILOG = f"""\
files in --out:
  {WEIGHTS}  the weights, with what made them
  {LOG}              losses; on bags also the agreement with the teachers on validation bags
  checkpoint.pt        on bags: a run that was interrupted goes on from it by itself
"""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser(
        "distil",
        help="distil teachers into a student, on bags or on sequence",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(command)
    command.add_argument(
        "--teachers", "--teacher", nargs="+", required=True, metavar="WEIGHTS", dest="teachers",
        help="names or paths of weights",
    )  # fmt: skip
    command.add_argument("--start", metavar="WEIGHTS", help="a student to go on with (default: none)")
    command.add_argument("--data", metavar="DIR", help="on bags: data set, of 'python -m training data'")
    command.add_argument("--out", required=True, metavar="DIR", help="folder of all that is written")
    command.add_argument(
        "--vcf", help="on sequence: variants of the held-out contigs, to measure the fidelity"
    )
    command.add_argument("--blocks", help="on sequence: table of fine-mapped blocks, to measure the fidelity")
    command.add_argument("--device", default="auto", help="cpu, cuda ... (default: a GPU where there is one)")
    command.set_defaults(run=_distil)


def _distil(options: argparse.Namespace) -> None:
    keep_freed_memory()
    recipe = read_recipe(options)
    teachers = [load_weights(name) for name in options.teachers]
    start = load_weights(options.start) if options.start else None
    genome = read_fasta(recipe)
    if recipe.distil.source == "bags":
        if options.data is None or options.vcf or options.blocks:
            raise ConfigurationError(
                "distil.source is bags: give --data, and neither --vcf nor --blocks; or set "
                "distil.source=sequence"
            )
        distil_bags(
            teachers, read_dataset(options.data), genome, recipe.student, recipe.distil.bags, options.out,
            start, options.device,
        )  # fmt: skip
        return
    if options.data or (options.vcf is None) != (options.blocks is None) or len(teachers) > 1:
        raise ConfigurationError(
            "distil.source is sequence: give one --teacher, no --data, and to measure the fidelity both "
            "--vcf and --blocks"
        )
    _on_sequence(teachers[0], start, genome, recipe.distil, options)


def _on_sequence(
    teacher: Weights, start: Weights | None, genome: Genome, config: DistilConfig, options: argparse.Namespace
) -> None:
    recipe = config.sequence
    assert recipe is not None, "checked by DistilConfig"
    for contig in (*recipe.contigs, *recipe.held_out):
        if contig not in genome.contigs:
            raise ConfigurationError(
                f"there is no contig {contig!r} in {genome.path}; it has {', '.join(genome.contigs)}"
            )
    lines: list[LogLine] = []
    contigs = [codes(genome.fetch(contig, 0, genome.contigs[contig])) for contig in recipe.contigs]
    network = start.model() if start else None
    taught = teacher.model().to(find_device(options.device))
    student = distil_on_sequence(taught, contigs, recipe, _logger(recipe, lines), network)
    source = {"source": teacher.provenance["source"]} if "source" in teacher.provenance else {}
    provenance: dict[str, object] = {
        "command": "python -m training distil",
        "recipe": to_plain(recipe),
        "teacher": {"name": Path(teacher.name).stem, "tensors_sha256": teacher.sha256, **source},
        "start": described_start(start),
        "sequence": sha256_of(genome.path),
        "torch": torch.__version__,
    }
    if options.vcf:
        found = fidelity(student, teacher.model(), genome, recipe.held_out, options.vcf, options.blocks)
        provenance["fidelity"] = dataclasses.asdict(found)
        provenance["fidelity_inputs"] = [sha256_of(options.vcf), sha256_of(options.blocks)]
        logging.info("%s", json.dumps(provenance["fidelity"], indent=1))
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    save_weights(out / WEIGHTS, student, provenance)
    _write_log(out / LOG, lines)


def _logger(config: SequenceDistilConfig, lines: list[LogLine]) -> Callable[[LogLine], None]:
    """A function that keeps the lines and says how far the work is."""
    began = time.monotonic()

    def log(line: LogLine) -> None:
        lines.append(line)
        steps = config.hint_steps + config.end_to_end_steps
        done = line.step + (config.hint_steps if line.stage != "hints" else 0)
        left = (time.monotonic() - began) / done * (steps - done)
        logging.info(
            "%s step %d: logit %.5f, delta %.5f, hint %.5f; about %d s left",
            line.stage, line.step, line.logit, line.delta, line.hint, left,
        )  # fmt: skip

    return log


def _write_log(path: Path, lines: Sequence[LogLine]) -> None:
    names = [field.name for field in dataclasses.fields(LogLine)]
    rows = [",".join(names)]
    for line in lines:
        values = dataclasses.astuple(line)
        rows.append(",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values))
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(rows) + "\n")
