"""``mifm completion``, and what a shell asks for while a command is typed."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable

from mifm_kipoi.commands.arguments import say

SHELLS = ("bash", "zsh", "fish")

_ASKED_BY_A_SHELL = "_ARGCOMPLETE"
"""Environment variable that argcomplete's shell function sets."""


def add_completion(command: argparse.ArgumentParser) -> None:
    """``mifm completion``."""
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.description = (
        "Print the lines that let a shell complete commands, options, their values and names of files\n"
        "on <TAB>. For bash, add to ~/.bashrc:\n"
        '  eval "$(mifm completion bash)"\n'
        "for zsh, to ~/.zshrc, behind compinit:\n"
        '  eval "$(mifm completion zsh)"\n'
        "for fish:\n"
        "  mifm completion fish > ~/.config/fish/completions/mifm.fish"
    )
    command.add_argument(
        "shell", nargs="?", choices=SHELLS, default="bash", help="the shell (default: %(default)s)"
    )
    command.set_defaults(run=_completion)


def _completion(options: argparse.Namespace) -> None:
    from argcomplete.shell_integration import shellcode

    say(shellcode(["mifm"], shell=options.shell))


def complete(parser: argparse.ArgumentParser, of_two_words: Iterable[tuple[str, str]]) -> None:
    """Answer a shell that asks how a command line can go on, and end; return where none asks.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of all commands.
    of_two_words : iterable of (str, str)
        Commands that are one word, with a hyphen, to the parser.
    """
    if _ASKED_BY_A_SHELL not in os.environ:
        return
    import argcomplete

    line = os.environ.get("COMP_LINE", "")
    for first, second in of_two_words:
        # As long as before, so that the place of the cursor is the same.
        line = re.sub(rf"^(\s*\S+\s+{first}) (?={second}\s)", r"\1-", line)
    os.environ["COMP_LINE"] = line
    hidden = ["-".join(words) for words in of_two_words]
    _name_values(parser)
    _name_second_words(parser, of_two_words)
    argcomplete.autocomplete(parser, always_complete_options="long", exclude=hidden)


def _name_values(parser: argparse.ArgumentParser) -> None:
    """Give options whose values have names, and are not choices, what lists those."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _name_values(command)
        for spelling in action.option_strings:
            # Of 'mifm pgs build', these are the weights of variants.
            if spelling in _VALUES and action.metavar != "KIND[,...]":
                action.completer = _VALUES[spelling]  # type: ignore[attr-defined] # argcomplete reads it


def _name_second_words(parser: argparse.ArgumentParser, of_two_words: Iterable[tuple[str, str]]) -> None:
    """Offer the second word of a command beside the files that may stand in its place."""
    (commands,) = (one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    for first, second in of_two_words:
        place = next(action for action in commands[first]._actions if not action.option_strings)
        place.completer = lambda prefix, second=second, **_: [second, *_files(prefix)]


def _weights(prefix: str, **_: object) -> list[str]:
    from mifm_kipoi.network.weights import list_weights

    return [*list_weights(), *_files(prefix)]


def _devices(**_: object) -> list[str]:
    return ["auto", "cpu", "cuda"]


def _gwas_formats(**_: object) -> list[str]:
    from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS

    return list(GWAS_FORMATS)


def _files(prefix: str) -> list[str]:
    from argcomplete.completers import FilesCompleter

    return list(FilesCompleter()(prefix))


_VALUES: dict[str, Callable[..., list[str]]] = {
    "--device": _devices,
    "--gwas-format": _gwas_formats,
    "--weights": _weights,
}
