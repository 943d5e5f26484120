"""The parser of commands, arguments that several of them share, and what is printed."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION
from mifm_kipoi.support.text import did_you_mean, nearest


class CommandParser(argparse.ArgumentParser):
    """A parser that asks whether a similar command, option or value was meant, and knows lists.

    Lists (:func:`add_list`) leave the files that follow them alone. They used to take all words up to the
    next option. Where every positional argument is there without them, the further words behind a list are
    still taken for its entries, with a warning.
    """

    _words: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override] # its overloads differ in the namespace alone
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and give words behind a list that no positional argument takes to the list.

        Parameters
        ----------
        args : sequence of str, optional
            The words; by default those of the process.
        namespace : argparse.Namespace, optional
            Receives the values; by default a new one.

        Returns
        -------
        argparse.Namespace, list of str
            The values, and the words that no argument takes.
        """
        words = self._words = list(sys.argv[1:] if args is None else args)
        options, rest = super().parse_known_args(words, namespace)
        lists = {spelling: option for action in self._actions for spelling, option in _lists(action)}
        if not rest:
            return options, rest
        if not lists:
            # The parser above would say so too, with its own usage in place of that of the command.
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        further = {
            number: _words_until_option(words[number + 2 :])
            for number, word in enumerate(words)
            if word in lists
        }
        if rest == list(itertools.chain.from_iterable(further.values())):
            for number, entries in further.items():
                if entries:
                    written = ",".join([words[number + 1], *entries])
                    _warn(self, f"entries of a list are separated by commas now: {words[number]} {written}")
                    lists[words[number]](self, options, ",".join(entries), words[number])
            return options, []
        names = " or ".join(dict.fromkeys(option.option_strings[0] for option in lists.values()))
        note = (
            ""
            if rest[0].startswith("-")
            else f" (the entries of {names} are separated by commas, or the option is repeated)"
        )
        self.error(f"unrecognized arguments: {' '.join(rest)}{note}")
        # What follows is never reached; linters do not know that of the call above.
        return options, rest

    def error(self, message: str) -> NoReturn:
        """End with the usage and a message, and exit code 2.

        Options that do not exist are named with similar ones. They are often the reason why another one is
        said to be missing, which argparse notices first.

        Parameters
        ----------
        message : str
            What is wrong.
        """
        super().error(message + "".join(self._misspelt()))

    def _misspelt(self) -> Iterator[str]:
        """For each word that looks like an option and is none, what may have been meant."""
        known = [
            spelling.removeprefix("--")
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for spelling in action.option_strings
            if spelling.startswith("--")
        ]
        for word in itertools.takewhile(lambda one: one != "--", self._words):
            option = word.partition("=")[0]
            if len(option) < 3 or not option.startswith("-") or self._get_option_tuples(option):
                continue
            if option in self._option_string_actions:
                continue
            # The dashes, which all have, make no option similar to another.
            if similar := nearest(option.lstrip("-"), known):
                yield f"; did you mean --{similar} by {option}?"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is not among the choices, with the most similar one."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        question = did_you_mean(str(value), known)
        if isinstance(action, argparse._SubParsersAction):
            self.error(
                f"{value!r} is not a command of '{self.prog}'{question or f'; see {self.prog} --help'}"
            )
        raise argparse.ArgumentError(
            action, f"invalid choice: {value!r} (choose from {', '.join(known)}){question}"
        )

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """What an abbreviation may stand for; a former spelling only where nothing else does."""
        fitting: list[Any] = super()._get_option_tuples(option_string)
        return [one for one in fitting if not isinstance(one[0], _Former)] or fitting


class _List(argparse.Action):
    """Adds the entries of a word to the list; the first word replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        entries = [entry for entry in values.split(",") if entry]
        if not entries:
            parser.error(f"argument {option_string}: {values!r} has no entry")
        known = getattr(namespace, self.dest, self.default)
        setattr(namespace, self.dest, entries if known is self.default else [*known, *entries])


class _Former(argparse.Action):
    """A former spelling: does what the option does that has taken its place, with a warning."""

    def __init__(self, option_strings: Sequence[str], dest: str, renamed: argparse.Action) -> None:
        super().__init__(
            option_strings,
            dest,
            nargs=renamed.nargs,
            type=renamed.type,  # type: ignore[arg-type] # that of another option, so a known one
            choices=renamed.choices,
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
        self.renamed = renamed

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        old, new = self.option_strings[0], self.renamed.option_strings[0]
        _warn(parser, f"{old} is now {new}; the old spelling goes away in the next version")
        self.renamed(parser, namespace, values, option_string)


def _lists(action: argparse.Action) -> Iterator[tuple[str, _List]]:
    """The spellings of an option that takes a list, and the option itself for a former spelling of it."""
    option = action.renamed if isinstance(action, _Former) else action
    if isinstance(option, _List):
        for spelling in action.option_strings:
            yield spelling, option


def add_list(
    group: argparse._ActionsContainer,
    option: str,
    metavar: str,
    meaning: str,
    default: Sequence[str] | None = None,
    *,
    required: bool = False,
    dest: str | None = None,
) -> argparse.Action:
    """Add an option that takes a list, with commas (``--weights a,b``), repeated, or both.

    It takes one word each time, so that it can stand before the files of a command. The parser must be a
    :class:`CommandParser`, as those of ``mifm`` are.

    Parameters
    ----------
    group : argparse group or parser
        Receives the option.
    option : str
        Its spelling, such as ``--weights``.
    metavar : str
        What an entry is called in the help.
    meaning : str
        The help.
    default : sequence of str, optional
        The list where the option is not given; the namespace has ``None`` without one.
    required : bool
        Whether the option must be given.
    dest : str, optional
        Name in the namespace; by default that of the option.

    Returns
    -------
    argparse.Action
        The option, for :func:`add_former_spelling`.
    """
    more: dict[str, Any] = {"dest": dest} if dest else {}
    return group.add_argument(
        option, action=_List, metavar=f"{metavar}[,...]", help=meaning,
        default=None if default is None else list(default), required=required, **more,
    )  # fmt: skip


def add_former_spelling(group: argparse._ActionsContainer, old: str, renamed: argparse.Action) -> None:
    """Let the former spelling of an option work, with a warning on standard error; the help leaves it out.

    Parameters
    ----------
    group : argparse group or parser
        What has the option.
    old : str
        Former spelling, such as ``--max-unknown-share``.
    renamed : argparse.Action
        What ``add_argument`` or :func:`add_list` returned for the option.
    """
    group.add_argument(old, action=_Former, dest=renamed.dest, renamed=renamed)


def _words_until_option(words: Sequence[str]) -> list[str]:
    return list(itertools.takewhile(lambda word: not word.startswith("-"), words))


def _warn(parser: argparse.ArgumentParser, text: str) -> None:
    print(f"{parser.prog}: warning: {text}", file=sys.stderr)


def not_negative(text: str) -> int:
    """0, 1, 2 ..."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def fraction(text: str) -> float:
    """0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a fraction from 0 to 1")
    return value


def positive(text: str) -> int:
    """1, 2, 3 ..."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def shard(text: str) -> tuple[int, int]:
    """I/N."""
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 2/8")
    return int(part), int(parts)


def add_positions(group: argparse._ActionsContainer) -> None:
    """``--positions``."""
    group.add_argument(
        "--positions", metavar="BIM|VCF",
        help="for a table whose variants have names such as rsids, and no positions: the file that has them",
    )  # fmt: skip


def add_limits(group: argparse._ActionsContainer) -> None:
    """``--max-n-fraction`` and ``--max-mismatch-fraction``."""
    add_former_spelling(group, "--max-unknown-share", add_max_n_fraction(group))
    add_max_mismatch_fraction(group)


def add_max_n_fraction(group: argparse._ActionsContainer) -> argparse.Action:
    """``--max-n-fraction``."""
    return group.add_argument(
        "--max-n-fraction", type=fraction, default=MAX_N_FRACTION, metavar="FRACTION",
        help="largest fraction of N in a window that is scored (default: %(default)s)",
    )  # fmt: skip


def add_max_mismatch_fraction(
    group: argparse._ActionsContainer, alleles: str = "REF alleles", sequence: str = "FASTA"
) -> None:
    """``--max-mismatch-fraction``.

    Parameters
    ----------
    group : argparse group or parser
        Receives the option.
    alleles, sequence : str
        What is compared with what, in the help.
    """
    option = group.add_argument(
        "--max-mismatch-fraction", type=fraction, default=MAX_MISMATCH_FRACTION, metavar="FRACTION",
        help=f"largest fraction of {alleles} that may differ from the {sequence} (default: %(default)s; "
        "1: any)",
    )  # fmt: skip
    add_former_spelling(group, "--max-mismatch-share", option)


def add_compute(
    group: argparse._ActionsContainer,
    threads: str = "threads of PyTorch (default: the CPUs that this process may use)",
) -> None:
    """``--device``, ``--threads`` and ``--progress``.

    Parameters
    ----------
    group : argparse group or parser
        Receives the options.
    threads : str
        Help of ``--threads``, with its default.
    """
    group.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)"
    )
    group.add_argument("--threads", type=positive, metavar="N", help=threads)
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )


def add_intervals(parser: argparse.ArgumentParser) -> None:
    """``--resamples`` and ``--seed``, in a group of their own."""
    group = parser.add_argument_group("intervals")
    group.add_argument(
        "--resamples", type=positive, default=1000, metavar="N",
        help="bootstrap resamples (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=not_negative, default=1, metavar="N",
        help="seed of the resamples (default: %(default)s)",
    )  # fmt: skip


def say(*lines: str) -> None:
    """Print lines on standard output."""
    for line in lines:
        print(line)


def note(show: bool | None = None) -> Callable[[str], None]:
    """What prints lines of progress on standard error.

    Parameters
    ----------
    show : bool, optional
        Whether it prints anything; by default where standard error is a terminal.
    """
    shown = sys.stderr.isatty() if show is None else show

    def printed(line: str) -> None:
        if shown:
            print(line, file=sys.stderr)

    return printed
