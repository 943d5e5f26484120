"""mifm register and unregister, and the names that they make work."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mifm_kipoi.cli import main
from mifm_kipoi.kipoi.sources import GROUP
from tests.conftest import Run
from tests.kipoi.predictions import arguments, predictions

CONFIG = """\
# my own notes
model_sources:
    kipoi:
        type: git
        remote_url: https://github.com/kipoi/models.git
        local_path: /nowhere/models/
        auto_update: true
    mine: {type: local, local_path: /nowhere/mine/}
env_db_path: /nowhere/envs.json
"""


@pytest.fixture
def config(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Kipoi configuration in an empty home."""
    monkeypatch.setenv("HOME", str(home))
    path = home / ".kipoi" / "config.yaml"
    path.parent.mkdir()
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize("options", [[], ["--bare"]])
def test_unregister_restores_exactly(
    config: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", *options]) == 0
    sources = yaml.safe_load(config.read_text())["model_sources"]
    assert sources["mifm"] == {"type": "local", "local_path": f"{GROUP}/"}
    assert sources["mine"]["local_path"] == "/nowhere/mine/"
    assert ("kipoi-zoo" in sources) is bool(options)
    assert str(config) in capsys.readouterr().out
    assert main(["unregister"]) == 0
    assert config.read_text() == CONFIG
    assert [path.name for path in config.parent.iterdir()] == ["config.yaml"]


def test_register_twice_then_bare_keeps_the_first_original(config: Path) -> None:
    for options in ([], [], ["--bare"], []):
        assert main(["register", *options]) == 0
    assert yaml.safe_load(config.read_text())["model_sources"]["kipoi"]["type"] == "git"
    assert main(["unregister"]) == 0
    assert config.read_text() == CONFIG


def test_unregister_keeps_what_others_added_since(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["register", "--bare"])
    changed = yaml.safe_load(config.read_text())
    changed["model_sources"]["theirs"] = {"type": "local", "local_path": "/theirs/"}
    config.write_text(yaml.safe_dump(changed))
    assert main(["register"]) == 1
    assert "run 'mifm unregister' first" in capsys.readouterr().err
    assert main(["unregister"]) == 0
    sources = yaml.safe_load(config.read_text())["model_sources"]
    assert set(sources) == {"kipoi", "mine", "theirs"}
    assert sources["kipoi"]["remote_url"] == "https://github.com/kipoi/models.git"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_mode_and_ends_of_lines_come_back(config: Path, mode: int) -> None:
    before = CONFIG.replace("\n", "\r\n").encode()
    config.write_bytes(before)
    config.chmod(mode)
    for options in (["register", "--bare"], ["unregister"]):
        assert main(options) == 0
        assert config.stat().st_mode & 0o777 == mode
    assert config.read_bytes() == before


def test_a_link_stays_a_link(config: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.yaml"
    config.rename(kept)
    config.symlink_to(kept)
    assert main(["register"]) == 0
    assert "mifm" in yaml.safe_load(kept.read_text())["model_sources"]
    assert main(["unregister"]) == 0
    assert config.is_symlink()
    assert kept.read_text() == CONFIG


@pytest.mark.parametrize("changed", [False, True])
def test_sources_of_the_user_with_our_names_come_back(config: Path, changed: bool) -> None:
    text = CONFIG.replace("    mine:", "    kipoi-zoo: {type: local, local_path: /zoo/}\n    mine:")
    text = text.replace("    mine:", "    mifm: {type: local, local_path: /mifm/}\n    mine:")
    config.write_text(text)
    before = yaml.safe_load(text)["model_sources"]
    assert main(["register", "--bare"]) == 0
    sources = yaml.safe_load(config.read_text())["model_sources"]
    assert sources["kipoi-zoo"] == before["kipoi-zoo"]
    assert sources["kipoi-zoo-2"] == before["kipoi"]
    if changed:
        config.write_text(config.read_text() + "# later\n")
    assert main(["unregister"]) == 0
    assert yaml.safe_load(config.read_text())["model_sources"] == before
    assert changed or config.read_text() == text


def test_a_source_that_was_changed_since_stays(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["register", "--bare"])
    changed = yaml.safe_load(config.read_text())
    changed["model_sources"]["kipoi"] = {"type": "local", "local_path": "/theirs/"}
    config.write_text(yaml.safe_dump(changed))
    assert main(["unregister"]) == 0
    said = capsys.readouterr().out
    assert "'kipoi' was changed since, and stays; before the registration it was {'type': 'git'," in said
    assert "'kipoi-zoo' stays, as the name that it had before was given away since" in said
    sources = yaml.safe_load(config.read_text())["model_sources"]
    assert sources["kipoi"]["local_path"] == "/theirs/"
    # What was Kipoi's own source is not lost.
    assert sources["kipoi-zoo"] == yaml.safe_load(CONFIG)["model_sources"]["kipoi"]
    assert set(sources) == {"kipoi", "kipoi-zoo", "mine"}


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # Kipoi leaves one open
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("last", ["register", "register --bare", "unregister"])
@pytest.mark.parametrize("next_command", ["register", "unregister"])
def test_a_kill_between_two_writes(
    config: Path, there: bool, last: str, next_command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each renaming or removal of the last command; both commands go on from there."""
    # Kipoi makes a configuration when it is imported.
    importlib.import_module("kipoi.config")
    names: list[str] = []
    for step in range(9):
        config.write_text(CONFIG)
        if not there:
            config.unlink()
        if last != "register":
            assert main(["register"]) == 0
        names.clear()
        with monkeypatch.context() as patched:
            for name in ("replace", "unlink"):
                patched.setattr(Path, name, _killed(getattr(Path, name), step, names))
            code = main(last.split())
        if code == 0:
            break
        # Where nothing was written yet, or all is mended, there is nothing to unregister.
        for command in dict.fromkeys([next_command, "unregister"]):
            main([command])
        assert (config.read_text() == CONFIG) if there else not config.exists()
        assert {path.name for path in config.parent.iterdir()} <= {"config.yaml"}
    assert step > 0


def _killed(function: Callable[..., Any], step: int, names: list[str]) -> Callable[..., Any]:
    """A function of paths that fails at a step, but not where a folder of unfinished files is cleaned."""

    def call(self: Path, *arguments: Any, **options: Any) -> Any:
        if arguments or "mifm-0" not in str(self):
            names.append(self.name)
            if len(names) == step + 1:
                raise ZeroDivisionError("killed")
        return function(self, *arguments, **options)

    return call


def test_unregister_without_registration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unregister"]) == 1
    assert "is not registered" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "model_sources: 3\n"])
def test_a_configuration_that_is_not_kipois(
    config: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(text)
    assert main(["register"]) == 1
    assert str(config) in capsys.readouterr().err
    assert config.read_text() == text


def test_register_makes_the_source_known(run: Run, home: Path, example: Path, tmp_path: Path) -> None:
    """For a user who has never run Kipoi; afterwards nothing is left."""
    run("mifm_kipoi.cli", "register")
    listed = run("kipoi", "ls", "all", "--source=mifm").stdout
    for model in ("MIFM", "MIFM/sequence", "MIFM/published", "MIFM/published/sequence"):
        assert model in listed.split()
    out = tmp_path / "out.tsv"
    run(
        "kipoi", "predict", "MIFM", "--source=mifm", "--dataloader_args", arguments(example), "-n", "2",
        "--batch_size", "512", "-m", "-o", out,
    )  # fmt: skip
    assert (predictions(out)["status"] == "ok").sum() > 30
    assert "All predictions match" in run("kipoi", "test", "MIFM/sequence", "--source=mifm").stdout
    assert "vcf_file" in run("kipoi", "info", "MIFM", "--source=mifm").stdout
    run("kipoi", "get-example", "MIFM", "--source=mifm", "-o", tmp_path / "example")
    run(
        "kipoi", "preproc", "MIFM", "--source=mifm", "--dataloader_args", arguments(example), "-o",
        tmp_path / "windows.h5",
    )  # fmt: skip
    run("mifm_kipoi.cli", "unregister")
    assert not (home / ".kipoi" / "config.yaml").exists()


def test_bare_makes_the_plain_name_work(run: Run, example: Path, tmp_path: Path) -> None:
    said = run("mifm_kipoi.cli", "register", "--bare").stdout
    assert "kipoi-zoo" in said
    out = tmp_path / "out.tsv"
    run("kipoi", "predict", "MIFM", "--dataloader_args", arguments(example), "-m", "-o", out)
    assert (predictions(out)["status"] == "ok").sum() > 30
