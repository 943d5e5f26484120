"""The commands by task, each with an example, and the help that shows them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mifm_kipoi.commands.arguments import CommandParser

if TYPE_CHECKING:
    # argparse has no public name for it.
    Subparsers: TypeAlias = (
        argparse._SubParsersAction[argparse.ArgumentParser] | argparse._SubParsersAction[CommandParser]
    )

EXIT_CODES = """\
exit codes:
  0    done
  1    an error of the inputs or of the run
  2    commands or options that do not exist or do not fit each other
  130  interrupted (129, 143: ended by SIGHUP, SIGTERM)"""
"""What a command ends with, as the help says it."""

_WIDTH = 100
_INDENT = 20


@dataclass(frozen=True)
class Command:
    """A command of ``mifm``.

    Parameters
    ----------
    name : str
        Its one word, or two.
    add_arguments : callable
        Receives its parser and adds its arguments.
    meaning : str
        What it does, in a few words.
    example : str
        A command line that shows it.
    """

    name: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    meaning: str
    example: str


@dataclass(frozen=True)
class Task:
    """Commands that serve the same purpose.

    Parameters
    ----------
    name : str
        The purpose, as a heading.
    commands : tuple of Command
        In the order in which one comes to them.
    """

    name: str
    commands: tuple[Command, ...]


class TaskParser(CommandParser):
    """The parser of ``mifm``, whose help has the commands by task.

    Parameters
    ----------
    tasks : sequence of Task
        All commands.
    **options
        Of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, tasks: Sequence[Task], **options: str) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)  # type: ignore[arg-type] # texts only
        self.tasks = tuple(tasks)

    def format_help(self) -> str:
        """The whole help."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for task in self.tasks:
            formatter.start_section(task.name)
            formatter.add_text("\n".join(_lines_of(task)))
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments([action for action in self._actions if action.option_strings])
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()


def _lines_of(task: Task) -> Iterator[str]:
    for command in task.commands:
        # Long lines of text are wrapped, those of examples are not: they are there to be copied.
        yield from textwrap.wrap(
            command.meaning,
            _WIDTH,
            initial_indent=f"{command.name:<{_INDENT}}",
            subsequent_indent=_INDENT * " ",
        )
        yield f"{_INDENT * ' '}$ {command.example}"


class _LinesFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps texts of one line, and leaves the lines of others as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def add_commands(subparsers: Subparsers, commands: Iterable[Command]) -> None:
    """Add commands, with their examples at the end of their help.

    Parameters
    ----------
    subparsers : argparse action
        What they are added to.
    commands : iterable of Command
        The commands; one of two words is added with a hyphen between them.
    """
    for command in commands:
        parser = subparsers.add_parser(command.name.replace(" ", "-"), help=command.meaning)
        command.add_arguments(parser)
        example = f"example:\n  {command.example}"
        parser.formatter_class = _LinesFormatter
        parser.epilog = f"{parser.epilog}\n\n{example}" if parser.epilog else example


def accept_debug(parser: argparse.ArgumentParser) -> None:
    """Let ``--debug`` stand anywhere, as behind the command that has just failed.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the program; its commands receive the option, and their help leaves it out.
    """
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in dict.fromkeys(action.choices.values()):
                command.add_argument(
                    "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
                )
                accept_debug(command)
