"""Blocks of code of the pages, and what is to become of each.

Every ``bash`` and ``python`` block of a page is run, in their order, in one folder and one Python namespace a
page. An HTML comment on the line before a block, which readers do not see, says otherwise:

``<!-- not run: needs the internet -->``
    It is not run; the reasons are :data:`REASONS`, and a detail may follow after a colon. Options of its
    commands are parsed all the same.
``<!-- file: study.yaml -->``
    It is written to that file.
``<!-- output -->``
    The block before it prints this. A line ``...`` stands for any lines, ``...`` within a line for any text.

A ``yaml`` block without a comment is a configuration of ``python -m training`` or ``mifm pgs run``: it is
read, but not used.

``python -m tests.documentation.blocks`` lists all blocks that are not run, with their reasons.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

REASONS = ("the internet", "hours", "a GPU", "Slurm", "root", "a quiet machine")
"""What a block may need that a test does not have."""

LANGUAGES = ("bash", "python", "r", "yaml", "text", "html")
"""Of fences; every block has one."""

MARKS = ("not run", "file", "output")
"""Kinds of comments before a block."""

_OURS = re.compile(r"(mifm|kipoi|python3? -m (training|benchmarks)\S*)( |$)")
_QUOTED_OR_COMMENT = re.compile(r"""(?P<quoted>'[^']*'|"(?:\\.|[^"\\])*")|(?<!\S)#[^\n]*""")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>.*)$")
_COMMENT = re.compile(r"^ *<!-- (?P<text>.*) -->$")
_COMMAND = re.compile(r"^(\$ )?(mifm|kipoi|make|pip|python3?) ", re.MULTILINE)
_NOT_RUN = re.compile(rf"needs ({'|'.join(REASONS)})(: .+)?")


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code.

    Parameters
    ----------
    page : Path
        Relative to the repository.
    line : int
        Of its fence, from 1.
    language : str
        As the fence names it.
    text : str
        Without the fence and its indent.
    mark : str
        The kind of the comment before it: ``not run``, ``file``, ``output``, or empty.
    value : str
        What the comment says after its kind: the reason, or the name of the file.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def fault(self) -> str:
        """What is wrong with the block as such; empty where nothing is."""
        is_command = self.language == "text" and self.mark != "output" and bool(_COMMAND.search(self.text))
        wrong = {
            f"the language is {self.language!r}; expected {', '.join(LANGUAGES)}":
                self.language not in LANGUAGES,
            f"the comment before it is {self.mark!r}; expected {', '.join(MARKS)}":
                bool(self.mark) and self.mark not in MARKS,
            f"not run, as it {self.value!r}; expected 'needs' and one of {', '.join(REASONS)}":
                self.mark == "not run" and not _NOT_RUN.fullmatch(self.value),
            "commands in a block of 'text'; expected bash, marked where it cannot be run": is_command,
            "R, which is not run here; expected a mark that says so":
                self.language == "r" and self.mark != "not run",
            f"output in a block of {self.language!r}; expected text":
                self.mark == "output" and self.language != "text",
        }  # fmt: skip
        return next((fault for fault, is_so in wrong.items() if is_so), "")


def blocks_of(path: Path) -> Iterator[Block]:
    """All blocks of a page, in their order.

    Raises
    ------
    ValueError
        When a fence is not closed.
    """
    page = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    lines = path.read_text().splitlines()
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        number += 1
        if not opened:
            continue
        first = number
        closing = f"{opened['indent']}```"
        while number < len(lines) and lines[number] != closing:
            number += 1
        if number == len(lines):
            raise ValueError(f"{page}:{first}: the fence is not closed")
        text = textwrap.dedent("\n".join(lines[first:number])) + "\n"
        comment = _COMMENT.match(lines[first - 2]) if first > 1 else None
        mark, _, value = (comment["text"] if comment else "").partition(": ")
        yield Block(page, first, opened["language"].strip(), text, mark, value)
        number += 1


def pages() -> list[Path]:
    """The README and all pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands_of(script: str) -> Iterator[list[str]]:
    """Words of the commands of ours in a script, each from its program's name to the end of the command."""
    import shlex

    text = _QUOTED_OR_COMMENT.sub(lambda found: found["quoted"] or "", script.replace("\\\n", " "))
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()<>\n")
    lexer.commenters, lexer.whitespace, lexer.whitespace_split = "", " \t", True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set(";&|()\n"):
            yield from _ours(words)
            words = []
        else:
            words.append(word)


def _ours(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in {"do", "then", "else"} or re.fullmatch(r"\w+=.*", words[0])):
        words = words[1:]
    if _OURS.match(" ".join(words)):
        yield words[: words.index(">")] if ">" in words else words


if __name__ == "__main__":
    for path in pages():
        for block in blocks_of(path):
            if block.mark == "not run":
                sys.stdout.write(f"{block}: {block.value}\n")
