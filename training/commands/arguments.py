"""Options that the commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.support.configuration import ConfigurationError
from training.configuration import read_configuration
from training.recipe import Recipe

if TYPE_CHECKING:
    # argparse has no public name for it.
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], None],
    summary: str,
    description: str,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """Add a command that reads a recipe.

    Parameters
    ----------
    commands : argparse action
        What the command is added to.
    name : str
        Name of the command.
    run : callable
        Runs the command with the parsed options.
    summary : str
        The command in a few words, for the list of all commands.
    description, epilog : str
        Texts of its ``--help``, shown as they are.

    Returns
    -------
    argparse.ArgumentParser
        For further options.
    """
    command = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(command)
    command.set_defaults(run=run)
    return command


def add_recipe(command: argparse.ArgumentParser) -> None:
    """Add the options ``--config`` and ``--set``.

    Parameters
    ----------
    command : argparse.ArgumentParser
        The command that reads a recipe.
    """
    command.add_argument(
        "--config", nargs="+", default=[], metavar="FILE",
        help="YAML recipes, or names of shipped ones (default, paper, example, smoke); the later override "
        "the earlier",
    )  # fmt: skip
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="entries that override those of the recipes, such as fit.seed=2",
    )  # fmt: skip


def read_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that ``--config`` and ``--set`` give.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed options of a command with :func:`add_recipe`.

    Raises
    ------
    ConfigurationError
        When a file or an entry cannot be used.
    """
    return read_configuration(options.config, Recipe, options.set)


def read_fasta(recipe: Recipe) -> Genome:
    """Open the FASTA file of a recipe.

    Parameters
    ----------
    recipe : Recipe
        Its ``fasta`` is the path.

    Raises
    ------
    ConfigurationError
        When the recipe does not name a FASTA file.
    GenomeError
        When the file cannot be read.
    """
    if not recipe.fasta:
        raise ConfigurationError(
            "fasta is missing: name the FASTA file that the data set was made with, such as "
            "--set fasta=genome.fa.gz"
        )
    return Genome(recipe.fasta)


def add_folders(command: argparse.ArgumentParser) -> None:
    """Add the options ``--data`` and ``--out``.

    Parameters
    ----------
    command : argparse.ArgumentParser
        The command that reads a data set.
    """
    command.add_argument(
        "--data", required=True, metavar="DIR", help="data set made by 'python -m training data'"
    )
    command.add_argument("--out", required=True, metavar="DIR", help="folder for all outputs")
