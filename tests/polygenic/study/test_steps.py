import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.polygenic.study.steps import NOTE, Step, check_inputs, files_of, made_of


@dataclasses.dataclass(frozen=True)
class Table:
    path: Path
    columns: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Run:
    tables: tuple[Table, ...]
    folder: Path
    map: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    genotypes: Path | None = None
    top: int = 1
    threads: int = 1


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "a.tsv").write_text("a\n")
    for suffix in ("bed", "bim", "fam"):
        (tmp_path / f"cohort.1.{suffix}").write_text(suffix)
    return Run((Table(tmp_path / "a.tsv", ("p",)),), tmp_path / "out", {}, tmp_path / "cohort.1")


def done(run: Run, files: Mapping[str, str]) -> Step:
    step = Step(run.folder, made_of(run))
    run.folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (run.folder / name).write_text(text)
    step.end([run.folder / name for name in files])
    return step


def test_a_step_is_done_until_what_it_is_made_of_changes(run: Run) -> None:
    assert Step(run.folder, made_of(run)).reason() == "not done yet"
    done(run, {"x.tsv": "1"})
    assert Step(run.folder, made_of(run)).reason() == ""
    assert Step(run.folder, made_of(dataclasses.replace(run, threads=8))).reason() == ""
    changed = dataclasses.replace(run, top=5, map={"sex": run.tables[0].path})
    assert (
        Step(run.folder, made_of(changed)).reason() == "map.sex was not set and is a.tsv; top was 1 and is 5"
    )
    (run.folder.parent / "cohort.1.bim").write_text("other")
    assert Step(run.folder, made_of(run)).reason() == "genotypes[1] (cohort.1.bim) has other content"


def test_a_step_is_not_done_where_its_files_are_not_those_that_it_wrote(run: Run) -> None:
    step = done(run, {"x.tsv": "1", "y.tsv": "2"})
    (run.folder / "y.tsv").write_text("3")
    assert step.reason() == "y.tsv is missing or was changed"
    (run.folder / "y.tsv").unlink()
    assert step.reason() == "y.tsv is missing or was changed"
    (run.folder / NOTE).write_text("{}")
    assert "cannot be used" in step.reason()


def test_a_step_that_is_done_anew_leaves_nothing_of_the_run_before(run: Run) -> None:
    done(run, {"x.tsv": "1", "y.tsv": "2"})
    (run.folder / "mine.txt").write_text("of the user")
    done(run, {"y.tsv": "3"})
    assert {path.name for path in run.folder.iterdir()} == {"mine.txt", "y.tsv", NOTE}


def test_paths_are_their_content(run: Run, tmp_path: Path) -> None:
    identity = made_of(run, version="1")
    assert identity["version"] == "1"
    assert identity["tables"][0]["path"]["name"] == "a.tsv"
    assert [one["name"] for one in identity["genotypes"]] == ["cohort.1.bed", "cohort.1.bim", "cohort.1.fam"]
    assert made_of(dataclasses.replace(run, genotypes=tmp_path / "cohort.1.bed")) == made_of(run)
    assert {"folder", "threads"}.isdisjoint(identity)
    assert json.loads(json.dumps(identity)) == identity


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    (tmp_path / "scores" / "sub").mkdir(parents=True)
    for name in ("b.txt", "a.txt"):
        (tmp_path / "scores" / name).write_text(name)
    assert [path.name for path in files_of(tmp_path / "scores")] == ["a.txt", "b.txt"]


def test_a_path_that_leads_nowhere_is_named_with_its_option(run: Run, tmp_path: Path) -> None:
    wrong = dataclasses.replace(run, tables=(*run.tables, Table(tmp_path / "b.tsv")))
    with pytest.raises(InputError, match=r"score\.tables\[1\]\.path: .*b\.tsv does not exist"):
        check_inputs(wrong, "score")
    check_inputs(run, "score")
