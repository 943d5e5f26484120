"""Steps that are done once, and commands in processes of their own."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.known_truth.steps import DONE, BenchmarkError, once, run_module, write_table

SETTINGS = {"seed": 1, "arms": ("max", "noisy_or"), "fit": {"epochs": 8}}


class Work:
    """Writes into a folder what is there already and a line more; the first tries may fail."""

    def __init__(self, folder: Path, failures: int = 0) -> None:
        self.file, self.failures, self.times = folder / "lines", failures, 0

    def __call__(self) -> None:
        self.times += 1
        with self.file.open("a") as file:
            file.write(f"{self.times}\n")
        if self.times <= self.failures:
            raise RuntimeError("the power went off")


def interrupted(folder: Path) -> Work:
    work = Work(folder, failures=1)
    with pytest.raises(RuntimeError, match="the power went off"):
        once(folder, SETTINGS, work)
    return work


def test_what_is_complete_is_not_done_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "deep" / "step"
    work = Work(folder)
    with caplog.at_level(logging.INFO):
        once(folder, SETTINGS, work)
        once(folder, SETTINGS, work)
        once(folder, {"arms": ["max", "noisy_or"], "fit": {"epochs": 8}, "seed": 1}, work)
    assert work.times == 1
    assert [str(folder) in message for message in caplog.messages] == [True]
    assert sorted(path.name for path in folder.iterdir()) == sorted([DONE, "lines"])
    assert json.loads((folder / DONE).read_text()) == json.loads(json.dumps(SETTINGS))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": 2}, "seed was 1 and is 2"),
        ({"fit": {"epochs": 9}}, "fit.epochs was 8 and is 9"),
        ({"arms": ("max",)}, r"arms was \['max', 'noisy_or'\] and is \['max'\]"),
        ({"more": "x"}, "more was not set and is x"),
    ],
)
def test_other_settings_are_an_error(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    work = Work(tmp_path)
    once(tmp_path, SETTINGS, work)
    with pytest.raises(BenchmarkError, match=f"{tmp_path} was made of other settings: {words}; name another"):
        once(tmp_path, {**SETTINGS, **changed}, work)
    assert work.times == 1


def test_interrupted_work_is_begun_again_where_it_was(tmp_path: Path) -> None:
    work = interrupted(tmp_path)
    assert not (tmp_path / DONE).exists()
    once(tmp_path, SETTINGS, work)
    assert work.file.read_text() == "1\n2\n"
    once(tmp_path, SETTINGS, work)
    assert work.times == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([DONE, "lines"])


def test_work_that_the_user_ends_is_not_complete(tmp_path: Path) -> None:
    def end() -> None:
        raise KeyboardInterrupt("enough")

    with pytest.raises(KeyboardInterrupt, match="enough"):
        once(tmp_path, SETTINGS, end)
    work = Work(tmp_path)
    once(tmp_path, SETTINGS, work)
    assert work.times == 1


def test_work_begun_with_other_settings_is_an_error(tmp_path: Path) -> None:
    work = interrupted(tmp_path)
    with pytest.raises(BenchmarkError, match="was made of other settings: seed was 1 and is 3; name another"):
        once(tmp_path, {**SETTINGS, "seed": 3}, work)
    assert work.times == 1
    once(tmp_path, SETTINGS, work)
    assert work.times == 2


def test_many_differences_are_cut_short(tmp_path: Path) -> None:
    once(tmp_path, {f"key{number}": 0 for number in range(9)}, lambda: None)
    with pytest.raises(BenchmarkError, match="key4 was 0 and is 1; name another"):
        once(tmp_path, {f"key{number}": 1 for number in range(9)}, lambda: None)


Write = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module that only this process's path leads to; gives its name."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(code: str) -> str:
        (folder / "a_command.py").write_text(code)
        return "a_command"

    return write


def test_a_command_is_run_and_its_output_kept(module: Write, tmp_path: Path) -> None:
    log = tmp_path / "command.log"
    log.write_text("earlier\n")
    name = module("import sys\nprint('arguments', sys.argv[1:])\n")
    run_module(name, ["--out", tmp_path / "of it", "x"], log)
    run_module(name, [], log)
    assert log.read_text().splitlines() == [
        "earlier",
        f"$ python -m a_command --out {tmp_path / 'of it'} x",
        f"arguments ['--out', '{tmp_path / 'of it'}', 'x']",
        "$ python -m a_command ",
        "arguments []",
    ]


class Terminal:
    """Standard error, as it is on a terminal or is not."""

    def __init__(self, there: bool) -> None:
        self.there = there

    def isatty(self) -> bool:
        return self.there


def test_a_command_that_fails(module: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal(False))
    lines = "print(*(f'line {number}' for number in range(40)), sep='\\n', flush=True)"
    name = module(f"import sys\n{lines}\nsys.exit('no such file')\n")
    log = tmp_path / "command.log"
    with pytest.raises(BenchmarkError, match=f"python -m a_command ended with 1; the end of {log}:") as error:
        run_module(name, ["x"], log)
    shown = str(error.value).splitlines()[1:]
    assert shown == [*(f"line {number}" for number in range(26, 40)), "no such file"]
    assert log.read_text().splitlines()[0] == "$ python -m a_command x"


def test_a_failure_says_its_number(module: Write, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="a_command ended with 7"):
        run_module(module("raise SystemExit(7)\n"), [], tmp_path / "command.log")


def test_a_module_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal(False))
    with pytest.raises(BenchmarkError, match=r"ended with 1; the end of .*\n.*\n.*No module named no_such"):
        run_module("no_such", [], tmp_path / "command.log")


def test_on_a_terminal_standard_error_is_shown(
    module: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal(True))
    log = tmp_path / "command.log"
    run_module(module("import sys\nprint('said')\nprint('progress', file=sys.stderr)\n"), [], log)
    assert log.read_text().splitlines()[1:] == ["said"]
    assert capfd.readouterr().err == "progress\n"


def test_a_table_has_six_digits(tmp_path: Path) -> None:
    table = pd.DataFrame({"arm": ["max"], "value": [2 / 3], "low": [float("nan")], "count": [1234567]})
    write_table(tmp_path / "a.tsv", table)
    assert (tmp_path / "a.tsv").read_text() == "arm\tvalue\tlow\tcount\nmax\t0.666667\t\t1234567\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
