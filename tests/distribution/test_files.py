"""Files about the release agree with the package: citation, container, conda recipe, Kipoi models."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from mifm_kipoi import __version__

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
"""Packages that conda-forge names otherwise."""


@pytest.fixture(scope="module")
def setup(root: Path) -> configparser.ConfigParser:
    """The file setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg")
    return setup


def test_the_version_is_the_same_everywhere(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    recipe = yaml.safe_load((root / "conda" / "recipe.yaml").read_text())
    group = root / "mifm_kipoi" / "kipoi" / "group"
    models = [yaml.safe_load(path.read_text()) for path in [root / "model.yaml", *group.rglob("model.yaml")]]
    newest = re.search(r"^## (\S+) \((\S+)\)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert citation["version"] == __version__
    assert recipe["context"]["version"] == __version__
    assert newest[1] == __version__
    assert newest[2] == str(citation["date-released"])
    assert {model["info"]["version"] for model in models} == {__version__}


def test_the_citation_has_what_its_format_requires(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == ["Rakowski", "Lippert"]
    assert f"https://doi.org/{paper['doi']}" in (root / "README.md").read_text()


def test_conda_asks_for_what_pip_asks_for(root: Path, setup: configparser.ConfigParser) -> None:
    recipe = yaml.safe_load((root / "conda" / "recipe.yaml").read_text())
    wanted = [f"python {setup['options']['python_requires']}"]
    for text in setup["options"]["install_requires"].split("\n"):
        if text:
            one = Requirement(text)
            limits = ",".join(sorted(map(str, one.specifier), reverse=True))
            wanted.append(f"{CONDA_NAMES.get(one.name, one.name.lower())} {limits}".strip())
    assert sorted(recipe["requirements"]["run"]) == sorted(wanted)
    scripts = [line for line in setup["options.entry_points"]["console_scripts"].split("\n") if line]
    assert recipe["build"]["python"]["entry_points"] == scripts


def test_the_container_asks_for_extras_and_files_that_exist(
    root: Path, setup: configparser.ConfigParser
) -> None:
    text = (root / "Dockerfile").read_text()
    extras = re.search(r"\[([a-z,0-9]+)\]\"", text)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(setup["options.extras_require"])
    kept = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((root / name).exists() for name in kept)
    assert {"constraints.txt", "LICENSE", "README.md", "setup.cfg", "pyproject.toml"} <= set(kept)


HADOLINT = shutil.which(
    "hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)


@pytest.mark.skipif(not HADOLINT, reason="hadolint is not installed")
def test_hadolint_finds_nothing(root: Path) -> None:
    done = subprocess.run([HADOLINT, root / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
