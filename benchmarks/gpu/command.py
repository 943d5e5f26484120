"""``python -m benchmarks gpu``."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import platform
import time
from pathlib import Path
from typing import Any

NAMES = ("equality", "speed", "arms")

_TEXT = """\
One command for a machine with a GPU, on which little else is installed. In the minutes that it is given it

- compares scores, mutagenesis, the scan and a step of training with the CPU's (1e-5), and states the short
  number formats and deterministic mode;
- measures windows a second of scoring, the scan and training against the bare network, projects a member of
  the paper's size, and trains members stacked and side by side;
- trains the arms of the known-truth benchmark that are too long for a CPU, if a folder of --prepare has them.

Each part stops on time. gpu.json is whole after each measurement; gpu.md says what was not run.

--prepare makes a folder of at most 50 MB, which holds all that a machine without internet lacks:
    python -m benchmarks gpu --prepare FOLDER --known-truth OUT
    python3 FOLDER/run.py --minutes 8 --out DIR               # there: Python 3.12, torch, lightning, pandas,
                                                              # pyarrow, scipy
"""

_JOBS = 8
"""Arms side by side on a GPU: their steps are small, and launching them takes most of the time."""

_RESERVE = 0.04
"""Fraction of the minutes that is kept for the report."""


def add(commands: Any) -> None:
    """The command and its options."""
    command = commands.add_parser(
        "gpu", help="equality, speed and long arms on a bare machine with a GPU", description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("--minutes", type=float, default=8.0, help="when all has ended (default: 8)")
    command.add_argument("--out", metavar="DIR", help="folder of gpu.json and gpu.md")
    command.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    command.add_argument("--tiny", action="store_true", help="a rehearsal with tiny sizes, in seconds")
    command.add_argument("--parts", nargs="+", choices=NAMES, default=NAMES, help="(default: all)")
    command.add_argument(
        "--jobs", type=int, help="processes side by side (default: 8 on a GPU with as many CPUs, else 1)"
    )
    command.add_argument("--prepared", metavar="FOLDER", help="a folder of --prepare, for its arms")
    command.add_argument("--prepare", metavar="FOLDER", help="make such a folder, and measure nothing")
    command.add_argument(
        "--known-truth",
        metavar="OUT",
        help="for --prepare: folder of known-truth --design real, or a new one",
    )
    command.add_argument(
        "--size", default="small", help="for --prepare: size of the known-truth benchmark (default: small)"
    )
    command.add_argument(
        "--cache", metavar="DIR", help="for --prepare: folder of simulations (default: simulations in OUT)"
    )
    command.set_defaults(run=lambda options: _run(command, options))


def _run(command: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.prepare:
        from benchmarks.gpu.prepare import prepare

        known = Path(options.known_truth) if options.known_truth else None
        cache = Path(options.cache) if options.cache else None
        megabytes = prepare(Path(options.prepare), known, options.size, cache)
        logging.info("%s has %.1f MB", options.prepare, megabytes)
        return
    if not options.out:
        command.error("--out is missing; name a folder for gpu.json and gpu.md")
    if not options.minutes > 0:
        command.error(f"--minutes is {options.minutes:g}; expected more than 0")
    _measure(options)


def _measure(options: argparse.Namespace) -> None:
    began = time.monotonic()
    # Deterministic mode needs it, and cuBLAS reads it when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from benchmarks.gpu.parts import PARTS, Run
    from benchmarks.gpu.record import Deadline, Record
    from benchmarks.gpu.report import report
    from benchmarks.gpu.sizes import FULL, TINY
    from mifm_kipoi.network.inference import find_device
    from mifm_kipoi.support.cpus import usable_cpus
    from mifm_kipoi.support.files import made_folder, written_whole
    from mifm_kipoi.version import __version__
    from training.commands.process import keep_freed_memory

    keep_freed_memory()
    device = find_device(options.device)
    sizes = TINY if options.tiny else FULL
    jobs = options.jobs or (min(_JOBS, usable_cpus()) if device.type == "cuda" else 1)
    folder = made_folder(Path(options.out))
    record = Record(
        folder / "gpu.json",
        {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
            "kind": device.type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "python": platform.python_version(),
            "mifm_kipoi": __version__,
            "minutes": options.minutes,
            "tiny": options.tiny,
        },
    )
    run = Run(record, device, sizes, jobs, Path(options.prepared) if options.prepared else None)
    whole = Deadline(began + 60 * options.minutes * (1 - _RESERVE))
    try:
        for part in (name for name in NAMES if name in options.parts):
            fraction, measure = PARTS[part]
            deadline = whole.part(fraction)
            logging.info("%s: %.0f s", part, deadline.left)
            measure(run, deadline)
            # Other processes need what this one would keep.
            gc.collect()
            torch.cuda.empty_cache()
    finally:
        record.figures["seconds_used"] = round(time.monotonic() - began, 1)
        record.write()
        text = report(record.figures)
        with written_whole(folder / "gpu.md") as temporary:
            temporary.write_text(text)
    print(text)
