import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from mifm_kipoi.support.configuration import ConfigurationError, read_configuration, to_plain


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    names: tuple[str, ...] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Outer:
    path: str
    way: Literal["left", "right"] = "left"
    inner: Inner = dataclasses.field(default_factory=Inner)
    other: Inner | None = None
    size: int | None = None
    fast: bool = False


@dataclasses.dataclass(frozen=True)
class Files:
    file: Path
    files: tuple[Path, ...] = ()


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_later_files_and_settings_win_key_by_key(tmp_path: Path) -> None:
    low = write(
        tmp_path, "low.yaml", "path: a\nsize: 3\ninner: {rate: 1, names: [x, y], columns: {p: P, z: Z}}"
    )
    high = write(tmp_path, "high.yaml", "inner: {names: [w], columns: {p: Q}}\nother: {rate: 2.5}")
    found = read_configuration([low, high], Outer, ["way=right", "inner.rate=1e-3", "fast=true", "size=null"])
    inner = Inner(0.001, ("w",), {"p": "Q", "z": "Z"})
    assert found == Outer("a", "right", inner, Inner(2.5), None, True)
    assert to_plain(found)["inner"] == {"rate": 0.001, "names": ["w"], "columns": {"p": "Q", "z": "Z"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("way: left", "path is missing"),
        ("path: a\nway: up", "way is 'up'; expected one of left, right"),
        ("path: a\nfast: 1", "fast is 1; expected true or false"),
        ("path: a\nsize: true", "size is true; expected a whole number"),
        ("path: a\ninner: {speed: 1}", "unknown key 'inner.speed' in .*; known are columns, names, rate"),
        ("path: a\ninner: 4", "inner is 4; expected a mapping"),
        ("path: a\ninner: {names: x}", "inner.names is 'x'; expected a list"),
        ("path: a\ninner: {columns: {p: 1}}", "inner.columns.p is 1; expected text, in quotes: '1'"),
        ("path: a\ninner:\n  rate: {a: b}", "inner.rate is {a: b}; expected a number"),
        ("- path", r"holds \[path\]; expected a mapping"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_configuration(write(tmp_path, "recipe.yaml", text), Outer)


def test_the_home_folder_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = read_configuration(write(tmp_path, "recipe.yaml", "path: ~/a\ninner: {names: [~/b, c~]}"), Outer)
    assert found.path == str(tmp_path / "a")
    assert found.inner.names == (str(tmp_path / "b"), "c~")
    assert read_configuration([], Outer, ["path=~/c"]).path == str(tmp_path / "c")


@pytest.mark.parametrize("setting", ["path", "=a", "a..b=1"])
def test_settings_without_a_key_or_value_are_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="expected KEY=VALUE"):
        read_configuration([], Outer, [setting])


@dataclasses.dataclass(frozen=True)
class Whole:
    inner: Inner = dataclasses.field(default_factory=lambda: Inner(rate=2.0, names=("a",)))
    outer: Outer = dataclasses.field(default_factory=lambda: Outer("here", inner=Inner(rate=3.0), size=7))


def test_a_section_given_in_part_keeps_the_rest_of_its_own_default() -> None:
    found = read_configuration([], Whole, ["inner.names=[b]", "outer.inner.names=[c]", "outer.fast=true"])
    assert found.inner == Inner(2.0, ("b",))
    assert found.outer == Outer("here", inner=Inner(3.0, ("c",)), size=7, fast=True)
    assert read_configuration([], Whole, ["outer.other={rate: 1}"]).outer.other == Inner(1.0)


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    path = write(tmp_path, "a.yaml", "path: ~/g.fa\ninner: {names: [~/a, b~], columns: {p: ~/c}}")
    found = read_configuration(path, Outer)
    assert (found.path, found.inner.names, found.inner.columns) == ("/h/g.fa", ("/h/a", "b~"), {"p": "/h/c"})
    assert read_configuration(path, Outer, ["path=~/other"]).path == "/h/other"


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    read = read_configuration(write(tmp_path, "a.yaml", "file: ~/g.bed\nfiles: [a, b]"), Files)
    assert read == Files(Path("/h/g.bed"), (Path("a"), Path("b")))
    assert to_plain(read) == {"file": "/h/g.bed", "files": ["a", "b"]}
    with pytest.raises(ConfigurationError, match=r"file is 1; expected a path, in quotes: '1'"):
        read_configuration([], Files, ["file=1"])


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"configuration nowhere.*expected a YAML file$"):
        read_configuration("nowhere", Outer)


def test_keys_that_the_caller_sets_are_for_sections_that_are_given(tmp_path: Path) -> None:
    fixed = {"inner": {"rate": 4}, "other": {"rate": 5}}
    path = write(tmp_path, "a.yaml", "path: a\ninner: {names: [b]}")
    assert read_configuration(path, Outer, fixed=fixed) == Outer("a", inner=Inner(4.0, ("b",)))
    with pytest.raises(ConfigurationError, match=r"inner\.rate is set by the command"):
        read_configuration(path, Outer, ["inner.rate=1"], fixed=fixed)
