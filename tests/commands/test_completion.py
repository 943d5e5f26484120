"""What a shell is told when it asks how a command line goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.network.weights import save_weights
from tests.builders import TINY, random_network


def _completions(line: str, folder: Path, wanted: str | None = None) -> list[str]:
    """Of the word at the end of a line, as argcomplete's shell function asks for them."""
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(folder / "completions"),
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "XDG_DATA_HOME": str(folder / "data"),
    }
    command = [sys.executable, "-W", "ignore", "-m", "mifm_kipoi.cli"]
    subprocess.run(command, env=environment, cwd=folder, check=True, timeout=60)
    return sorted((folder / "completions").read_text().split("\n"))


def test_commands_options_values_and_files(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "genome.fa").touch()
    weights = tmp_path / "here" / "data" / "mifm-kipoi" / "weights"
    weights.mkdir(parents=True)
    save_weights(weights / "mine.safetensors", random_network(TINY), {})
    assert _completions("mifm mu", folder) == ["mutagenesis"]
    assert _completions("mifm pgs e", folder) == ["evaluate"]
    assert _completions("mifm score --max-", folder) == ["--max-mismatch-fraction", "--max-n-fraction"]
    assert _completions("mifm score --precision b", folder) == ["bf16"]
    assert _completions("mifm score gen", folder) == ["genome.fa"]
    assert _completions("mifm genome background --cont", folder) == ["--contigs"]
    assert (
        _completions("mifm genome back", folder)
        == _completions("mifm compare back", folder)
        == ["background"]
    )
    assert _completions("mifm genome gen", folder) == ["genome.fa"]
    assert "genome-background" not in _completions("mifm genome", folder)
    assert _completions("mifm rank --gwas-format reg", folder) == ["regenie"]
    assert _completions("mifm rank --weights m", folder) == ["mine"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_lines_for_shells(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "mifm" in capsys.readouterr().out


def test_bash_completes(tmp_path: Path) -> None:
    """In bash itself, with the lines that the command prints."""
    script = (
        f'PATH="{tmp_path}:$PATH"; eval "$(mifm completion bash)"; '
        'COMP_LINE="mifm evaluate mp"; COMP_POINT=16; '
        'COMP_WORDS=(mifm evaluate mp); COMP_CWORD=2; _python_argcomplete mifm; echo "${COMPREPLY[*]}"'
    )
    program = tmp_path / "mifm"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W ignore -m mifm_kipoi.cli "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "mpra"
