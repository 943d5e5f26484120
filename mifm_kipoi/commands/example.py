"""``mifm example``."""

from __future__ import annotations

import argparse

from mifm_kipoi.commands.arguments import say


def add_example(parser: argparse.ArgumentParser) -> None:
    """``mifm example``."""
    parser.description = (
        "Write a small simulated study in which the causal variants are known, and a real locus: genome, "
        "variants, genotypes, traits, GWAS, fine-mapping, chromatin states, motifs, a trained network. The "
        "commands of the documentation use its files; README.md in the folder says what each one is."
    )
    parser.add_argument("folder", metavar="DIR", help="a new or an empty folder")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mifm_kipoi.example import write_example

    example = write_example(options.folder)
    say(
        f"{options.folder}: {len(example.files)} files of a study in which the causal variants are known, "
        "and of a real locus; README.md in it says what each one is"
    )
