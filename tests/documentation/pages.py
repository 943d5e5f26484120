"""A page as a reader follows it: in an empty folder, block after block."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.documentation.blocks import ROOT, Block, commands_of
from tests.preloaded import Interpreter, stub, submit

PROGRAMS = {
    "mifm": "mifm_kipoi.cli",
    "kipoi": "kipoi",
    "kipoi-veff": "mifm_kipoi.kipoi.bridges.veff",
    "kipoi-veff2": "mifm_kipoi.kipoi.bridges.veff2",
    "python": "-m",
    "python3": "-m",
}
"""Programs that pages call, and the modules behind them."""

_WHERE = "@where@"


class PageError(Exception):
    """A block does not do what its page says."""


class Page:
    """Runs the blocks of one page.

    Parameters
    ----------
    interpreter : Interpreter
        Runs the programs.
    folder : Path
        Empty; gets a home, the programs, and ``work``, where the page begins.
    """

    def __init__(self, interpreter: Interpreter, folder: Path) -> None:
        self._address = interpreter.address
        programs, self._where = folder / "programs", folder / "work"
        for each in (programs, self._where, folder / "home"):
            each.mkdir()
        for name, module in PROGRAMS.items():
            stub(programs / name, self._address, module)
        self._env = {
            **os.environ,
            "HOME": str(folder / "home"),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
        }
        self._session: _Session | None = None
        self._printed = ""

    def run(self, block: Block) -> None:
        """Run a block, or do with it what its mark says.

        Raises
        ------
        PageError
            When it fails, or what was shown is not what was printed.
        """
        if block.mark == "output":
            check_output(block, self._printed)
        elif block.mark == "file":
            path = self._where / block.value
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "bash":
            self._parse(block) if block.mark == "not run" else self._shell(block)
        elif block.language == "python":
            if block.mark == "not run":
                compile(block.text, str(block), "exec")
            else:
                self._python(block)

    def close(self) -> None:
        """End the page's own process."""
        if self._session:
            self._session.close()

    def _shell(self, block: Block) -> None:
        script = f"{block.text}\nprintf '{_WHERE}%s' \"$PWD\"\n"
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=self._where, env=self._env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PageError(f"{block} ended with {done.returncode}:\n{block.text}\n{done.stdout[-4000:]}")
        self._printed, _, where = done.stdout.rpartition(_WHERE)
        self._where = Path(where)

    def _parse(self, block: Block) -> None:
        """Whether the commands of a block that is not run have such options."""
        for words in commands_of(block.text):
            name, *arguments = words
            module = PROGRAMS[Path(name).name]
            if module == "-m":
                _, module, *arguments = arguments
            done = subprocess.run(
                ["python", "-m", "tests.documentation.parse_only", module, *arguments],
                cwd=self._where, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            if done.returncode:
                raise PageError(f"{block} cannot be parsed:\n{' '.join(words)}\n{done.stderr[-2000:]}")

    def _python(self, block: Block) -> None:
        self._session = self._session or _Session(self._address, self._env)
        self._printed = self._session.run(block, self._where)


class _Session:
    """The process that has the namespace of a page's Python blocks."""

    def __init__(self, address: str, env: Mapping[str, str]) -> None:
        (ours_in, theirs_out), (theirs_in, ours_out) = os.pipe(), os.pipe()
        files = (theirs_in, theirs_out, 2)
        module = "tests.documentation.session"
        self._thread = threading.Thread(target=submit, args=(address, module, (), os.getcwd(), env, files))
        self._thread.start()
        self._theirs = (theirs_in, theirs_out)
        self._answers, self._blocks = os.fdopen(ours_in), os.fdopen(ours_out, "w")

    def run(self, block: Block, where: Path) -> str:
        """What a block prints."""
        # The text keeps its place in the page, so that a traceback has the page's lines.
        text = "\n" * block.line + block.text
        self._blocks.write(json.dumps({"cwd": str(where), "text": text, "name": str(block.page)}) + "\n")
        self._blocks.flush()
        answer = json.loads(self._answers.readline())
        if answer["failure"]:
            raise PageError(f"{block} failed:\n{answer['printed'][-2000:]}\n{answer['failure']}")
        return str(answer["printed"])

    def close(self) -> None:
        self._blocks.close()
        self._thread.join()
        self._answers.close()
        for file in self._theirs:
            os.close(file)


def check_output(block: Block, printed: str) -> None:
    """Compare what a page shows with what was printed, but for blanks at ends of lines.

    Raises
    ------
    PageError
        When they differ.
    """
    lines = [line.rstrip() for line in block.text.strip("\n").splitlines()]
    pattern = "".join(
        r"(?:[^\n]*\n)*"
        if line.strip() == "..."
        else re.escape(line).replace(r"\.\.\.", r"[^\n]*") + r"[ ]*\n"
        for line in lines
    )
    text = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
    if not re.fullmatch(pattern, text):
        raise PageError(f"{block} is shown, but this was printed:\n{printed}")
