"""``python -m training distil``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mifm_kipoi.encoding import codes
from mifm_kipoi.genome import Genome
from mifm_kipoi.weights import Weights, load_weights, save_weights
from training.configuration import ConfigurationError, read_configuration
from training.distil import DistilConfig, LogLine, distil
from training.fidelity import fidelity, sha256_of

if TYPE_CHECKING:
    from training.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Say what the command takes."""
    command = commands.add_parser("distil", help="teach a student a teacher's answers on sequence")
    command.add_argument("--config", required=True, help="YAML recipe, e.g. training/configs/embedded.yaml")
    command.add_argument(
        "--teacher", default="published", help="weights, by name or path (default: published)"
    )
    command.add_argument("--start", help="weights of a student to go on with (default: random weights)")
    command.add_argument("--fasta", required=True, help="FASTA file that the recipe's contigs are cut from")
    command.add_argument("--out", required=True, help="the student's weights, .safetensors")
    command.add_argument("--log", help="table of the losses, TSV")
    command.add_argument("--vcf", help="variants of the held-out contigs, to measure the fidelity on")
    command.add_argument("--blocks", help="table of fine-mapped blocks, to measure the fidelity on")
    command.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="a PyTorch device"
    )
    command.set_defaults(run=_distil)


def _distil(options: argparse.Namespace) -> None:
    if (options.vcf is None) != (options.blocks is None):
        raise ConfigurationError("give both --vcf and --blocks to measure the fidelity, or neither")
    config = read_configuration(options.config, DistilConfig)
    teacher = load_weights(options.teacher)
    genome = Genome(options.fasta)
    for contig in (*config.contigs, *config.held_out):
        if contig not in genome.contigs:
            raise ConfigurationError(
                f"there is no contig {contig!r} in {options.fasta}; it has {', '.join(genome.contigs)}"
            )
    lines: list[LogLine] = []
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

    contigs = [codes(genome.fetch(contig, 0, genome.contigs[contig])) for contig in config.contigs]
    start = load_weights(options.start) if options.start else None
    network = start.model() if start else None
    student = distil(teacher.model().to(options.device), contigs, config, log, network)
    provenance: dict[str, object] = {
        "command": "python -m training distil",
        "recipe": dataclasses.asdict(config),
        "teacher": {"name": Path(teacher.name).stem, "tensors_sha256": teacher.sha256, **_source(teacher)},
        "start": _start(start),
        "sequence": sha256_of(options.fasta),
        "torch": torch.__version__,
        "licence": "MIT, as this package. The teacher's own file states no licence and is not part of it.",
    }
    if options.vcf:
        found = fidelity(student, teacher.model(), genome, config.held_out, options.vcf, options.blocks)
        provenance["fidelity"] = dataclasses.asdict(found)
        provenance["fidelity_inputs"] = [sha256_of(options.vcf), sha256_of(options.blocks)]
        logging.info("%s", json.dumps(provenance["fidelity"], indent=1))
    save_weights(options.out, student, provenance)
    if options.log:
        _write_log(Path(options.log), lines)


def _start(student: Weights | None) -> dict[str, object] | None:
    """The student that was gone on with, and what it had gone on with in its turn."""
    if student is None:
        return None
    known = {key: student.provenance.get(key) for key in ("recipe", "start")}
    return {"tensors_sha256": student.sha256, **known}


def _source(teacher: Weights) -> dict[str, object]:
    """What is known of the teacher's own origin."""
    return {"source": teacher.provenance["source"]} if "source" in teacher.provenance else {}


def _write_log(path: Path, lines: Sequence[LogLine]) -> None:
    names = [field.name for field in dataclasses.fields(LogLine)]
    rows = ["\t".join(names)]
    for line in lines:
        values = dataclasses.astuple(line)
        rows.append("\t".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values))
    path.write_text("\n".join(rows) + "\n")
