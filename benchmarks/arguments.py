"""Options that commands which simulate have in common: where files go, and how many processes make them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import positive
from mifm_kipoi.support.cpus import usable_cpus


def add_out(command: argparse.ArgumentParser, what: str = "folder for all outputs") -> None:
    """``--out``, which must be given."""
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help=what)


def add_cache(command: argparse.ArgumentParser) -> None:
    """``--cache``; :func:`cache` has its default."""
    command.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder of simulations (default: simulations in --out)"
    )


def cache(options: argparse.Namespace) -> Path:
    """The folder of simulations."""
    folder: Path = options.cache or options.out / "simulations"
    return folder


def add_jobs(command: argparse.ArgumentParser) -> None:
    """``--jobs``: processes, by default one for each core that may be used."""
    command.add_argument(
        "--jobs", type=positive, default=usable_cpus(), metavar="N",
        help="processes (default: one for each core)",
    )  # fmt: skip
