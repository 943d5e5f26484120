"""Every command and every block of Python of the documentation runs, in the order of the page.

:mod:`tests.documentation.blocks` says how a page excludes a block, and for which reasons.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import training.configuration
from mifm_kipoi.errors import InputError
from mifm_kipoi.polygenic.study.run import PgsStudy, PgsStudyRun
from mifm_kipoi.support.configuration import ConfigurationError
from tests.documentation.blocks import ROOT, Block, blocks_of, pages
from tests.documentation.pages import Page
from tests.preloaded import MODULES, Interpreter
from training.recipe import Recipe

PAGES = pages()


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Interpreter]:
    interpreter = Interpreter([*MODULES, *_modules()])
    yield interpreter
    interpreter.stop()


def _modules() -> Iterator[str]:
    """Modules of the project that may be imported before a home folder is known: all but Kipoi's."""
    for name in ("mifm_kipoi", "training"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}.", onerror=lambda _: None):
            if not module.name.startswith("mifm_kipoi.kipoi") and not module.name.endswith("__main__"):
                yield module.name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_of_a_page_are_marked_as_agreed(path: Path) -> None:
    assert not [f"{block}: {block.fault}" for block in blocks_of(path) if block.fault]


@pytest.mark.parametrize(
    "block",
    [
        block
        for path in PAGES
        for block in blocks_of(path)
        if block.language == "yaml" and not block.mark and not block.text.startswith("--8<--")
    ],
    ids=str,
)
def test_configurations_of_a_page_can_be_read(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "configuration.yaml"
    path.write_text(block.text)
    if not yaml.safe_load(block.text).keys() & {field.name for field in dataclasses.fields(PgsStudy)}:
        training.configuration.read_configuration(path, Recipe)
        return
    # Its files are the reader's: all else is right where the first that is missed is one of them.
    with pytest.raises(InputError, match="does not exist") as error:
        PgsStudyRun((path,), tmp_path / "study").study()
    assert not isinstance(error.value, ConfigurationError)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if any(block.language in {"bash", "python"} for block in blocks_of(path))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_blocks_of_a_page_run(path: Path, interpreter: Interpreter, tmp_path: Path) -> None:
    page = Page(interpreter, tmp_path)
    try:
        for block in blocks_of(path):
            page.run(block)
    finally:
        page.close()
