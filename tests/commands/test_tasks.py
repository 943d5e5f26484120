"""The list of commands by task, examples, similar names and --debug."""

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from mifm_kipoi.cli import TASKS, build_parser, main
from mifm_kipoi.commands.arguments import CommandParser, add_list
from mifm_kipoi.commands.tasks import Command, add_commands


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    subparsers = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not subparsers:
        yield parser
    for action in subparsers:
        for command in action.choices.values():
            yield from _leaves(command)


def _examples(text: str) -> list[str]:
    """The command lines below "example:", or behind "$"."""
    return re.findall(r"^ +\$ (.+)$|^example:\n  (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("parser", list(_leaves(build_parser())), ids=lambda parser: parser.prog)
def test_every_command_has_an_example_that_its_parser_accepts(parser: argparse.ArgumentParser) -> None:
    (example,) = (below for _, below in _examples(parser.format_help()))
    words = shlex.split(example)
    if words[0] == "eval":
        words = re.sub(r"\W*eval|[()$\"]", "", example).split()
    assert example.removeprefix('eval "$(').startswith(parser.prog)
    parser.parse_args(words[len(parser.prog.split()) :])


def test_the_help_has_all_commands_by_task(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    headings = re.findall(r"^([a-z ]+):$", shown, re.MULTILINE)
    assert headings == [*(task.name for task in TASKS), "options", "exit codes"]
    commands = [command for task in TASKS for command in task.commands]
    assert [behind for behind, _ in _examples(shown)] == [command.example for command in commands]
    names = {command.prog.split()[1] for command in _leaves(build_parser())}
    assert {command.name.split()[0] for command in commands} == names


def test_without_a_command_the_help_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    out, err = capsys.readouterr()
    assert out == ""
    assert "$ mifm score" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("scroe v.vcf", "mifm: error: 'scroe' is not a command of 'mifm'; did you mean 'score'?"),
        ("pgs bulid", "mifm pgs: error: 'bulid' is not a command of 'mifm pgs'; did you mean 'build'?"),
        ("pgs zzz", "mifm pgs: error: 'zzz' is not a command of 'mifm pgs'; see mifm pgs --help"),
        (
            "score v.vcf g.fa -o x --threds 4",
            "mifm score: error: unrecognized arguments: --threds 4; did you mean --threads by --threds?",
        ),
        (
            "score v.vcf g.fa --ouput=x",
            "mifm score: error: the following arguments are required: -o/--output; did you mean --output by "
            "--ouput?",
        ),
        ("demo --nonsense", "mifm demo: error: unrecognized arguments: --nonsense"),
        ("finemap t.tsv --lift-over c -o x", "mifm finemap: error: unrecognized arguments: --lift-over c"),
        (
            "mutagenesis g.fa --vcf v.vcf -o x --centre varient",
            "mifm mutagenesis: error: argument --centre: invalid choice: 'varient' (choose from variant, "
            "position); did you mean 'variant'?",
        ),
    ],
)
def test_similar_commands_options_and_values(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    usage, last = capsys.readouterr().err.rstrip("\n").rsplit("\n", 1)
    assert last == message
    assert usage.startswith(f"usage: {message.partition(': ')[0]} [-h]")


def test_former_spellings_abbreviations_and_values_are_not_called_similar(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = CommandParser(prog="program")
    add_list(parser, "--weights", "NAME", "names")
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int)
    for words in ("--hiddn 1", "--numb -5 more", "--weights=a -- --weihgts"):
        with pytest.raises(SystemExit, match="2"):
            parser.parse_args(words.split())
        assert "did you mean" not in capsys.readouterr().err


def test_debug_may_stand_behind_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.description = "one line\nanother line"

    parser = CommandParser(prog="program")
    add_commands(parser.add_subparsers(), [Command("two words", add_arguments, "meaning", "program x")])
    assert parser.parse_args(["two-words"]) == argparse.Namespace()
    with pytest.raises(SystemExit, match="0"):
        parser.parse_args(["two-words", "--help"])
    assert "one line\nanother line" in capsys.readouterr().out
    for words in (
        ["--debug", "weights", "list"],
        ["weights", "list", "--debug"],
        ["weights", "--debug", "list"],
    ):
        assert build_parser().parse_args(words).debug
    assert not build_parser().parse_args(["weights", "list"]).debug
