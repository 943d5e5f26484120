"""mifm register and unregister, and the names that they make work."""

from pathlib import Path

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
