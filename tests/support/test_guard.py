"""Commands that are asked to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_WORK = """
import sys, time
from pathlib import Path
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.guard import guarded


def work():
    with written_whole(sys.argv[1]) as temporary:
        temporary.write_text("half")
        Path(sys.argv[1] + ".begun").touch()
        time.sleep(60)


def work_apart():
    from mifm_kipoi.scoring.workers import in_own_process

    in_own_process(work, "killed")


if __name__ == "__main__":
    sys.exit(guarded("program", False, globals()[sys.argv[2]]))
"""


@pytest.mark.parametrize("work", ["work", "work_apart"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_what_is_unfinished(tmp_path: Path, work: str, number: signal.Signals) -> None:
    """Also in a process of the command's own, which would go on for a minute."""
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as under nohup, and so in children")
    script, out = tmp_path / "script.py", tmp_path / "folder" / "out"
    script.write_text(_WORK)
    out.parent.mkdir()
    command = [sys.executable, script, out, work]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not Path(f"{out}.begun").exists() and process.poll() is None:
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(number)
        assert process.stderr is not None
        assert process.stderr.read() == f"program: ended by {number.name}\n"
        assert process.wait() == 128 + number
    assert time.monotonic() - began < 20
    assert [path.name for path in out.parent.iterdir()] == ["out.begun"]


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """As under nohup."""
    code = (
        "import os, signal, sys; from mifm_kipoi.support.guard import guarded\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "sys.exit(guarded('program', False, lambda: os.kill(os.getpid(), signal.SIGHUP)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_the_handlers_of_a_caller_come_back() -> None:
    from mifm_kipoi.support.guard import guarded

    before = signal.getsignal(signal.SIGTERM)
    assert guarded("program", False, lambda: None) == 0
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_names_that_the_terminal_cannot_show(encoding: str) -> None:
    script = (
        "from mifm_kipoi.support.guard import guarded; guarded('x', False, lambda: print('f\\xfcr\\udcff'))"
    )
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    shown = {"ascii": b"f\\xfcr\\udcff\n", "utf-8": b"f\xc3\xbcr\\udcff\n"}
    assert done.stdout == shown[encoding]
