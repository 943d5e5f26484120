"""Checksums of the code that made something."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks.known_truth.sources import code_of

MODULE = '''"""Words."""

LIMIT = 3
"""Of something."""


def twice(x):
    """Twice."""
    return 2 * x
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two modules, one of them in a folder of its own, with another name in each test."""
    folder = tmp_path / f"of_{tmp_path.name}"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "one.py").write_text(MODULE)
    (folder / "inner" / "__init__.py").touch()
    (folder / "inner" / "other.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return folder


def test_words_and_layout_do_not_change_it_and_code_does(package: Path) -> None:
    before = code_of(f"{package.name}.one")
    path = package / "one.py"
    other_words = MODULE.replace("Twice", "Two times").replace("Of some", "Of any").replace("Words", "More")
    path.write_text(f"# why\n{other_words}")
    assert code_of(f"{package.name}.one") == before
    for old, new in (("2 * x", "3 * x"), ("LIMIT = 3", "LIMIT = 4"), ("twice", "double")):
        path.write_text(MODULE.replace(old, new))
        assert code_of(f"{package.name}.one") != before


def test_all_modules_of_a_package_count(package: Path) -> None:
    before = code_of(package.name)
    (package / "inner" / "other.py").write_text("A = 2\n")
    changed = code_of(package.name)
    (package / "inner" / "more.py").write_text("")
    assert len({before, changed, code_of(package.name)}) == 3


@pytest.mark.parametrize("name", ["benchmarks.known_truth.nothing", "nothing_at_all.either"])
def test_a_module_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"no module {name}"):
        code_of(name)
