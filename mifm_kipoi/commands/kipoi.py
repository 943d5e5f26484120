"""``mifm register``, ``unregister`` and ``demo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import positive, say


def add_register(command: argparse.ArgumentParser) -> None:
    """``mifm register``."""
    command.add_argument(
        "--bare", action="store_true", help="make plain 'kipoi predict MIFM' work too, without --source=mifm"
    )
    command.set_defaults(run=_register)


def add_unregister(command: argparse.ArgumentParser) -> None:
    """``mifm unregister``."""
    command.set_defaults(run=_unregister)


def add_demo(command: argparse.ArgumentParser) -> None:
    """``mifm demo``."""
    command.add_argument("vcf", nargs="?", help="VCF or BCF file (default: the packaged example)")
    command.add_argument("fasta", nargs="?", help="reference genome, FASTA")
    command.add_argument(
        "-o",
        "--output",
        default="demo",
        help="folder for the table and the plot (default: demo); results of other inputs in it are an error",
    )
    command.add_argument("--top", type=positive, default=15, help="rows to print (default: 15)")
    command.set_defaults(run=_demo, fail=command.error)


def _register(options: argparse.Namespace) -> None:
    from mifm_kipoi.kipoi import sources

    command = "kipoi predict MIFM" if options.bare else f"kipoi predict MIFM --source={sources.SOURCE}"
    say(*sources.register(options.bare), f"now: {command} ...; undo with: mifm unregister")


def _unregister(_: argparse.Namespace) -> None:
    from mifm_kipoi.kipoi import sources

    say(*sources.unregister())


def _demo(options: argparse.Namespace) -> None:
    from mifm_kipoi.kipoi import demo

    if (options.vcf is None) != (options.fasta is None):
        options.fail("give both a VCF and a FASTA file, or neither for the packaged example")
    say(*demo.run(options.vcf, options.fasta, Path(options.output), options.top))
