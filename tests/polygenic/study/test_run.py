import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, MIFMError
from mifm_kipoi.polygenic.study.run import PgsStudyRun
from mifm_kipoi.support.configuration import ConfigurationError

CHANGED, SAME = True, False


@pytest.fixture(scope="module")
def done(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that was run."""
    folder = tmp_path_factory.mktemp("out")
    PgsStudyRun((inputs / "study.yaml",), folder).run()
    return folder


@pytest.fixture
def again(inputs: Path, done: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The configuration, and a copy of that folder."""
    return inputs / "study.yaml", Path(shutil.copytree(done, tmp_path / "copy"))


def steps_of(configuration: Path, folder: Path, *settings: str) -> dict[str, bool]:
    """Which steps are done when the study is run again."""
    result = PgsStudyRun((configuration,), folder, settings).run()
    return {name: bool(reason) for name, reason in result.steps.items()}


def test_one_configuration_gives_scores_their_evaluation_and_one_report(done: Path) -> None:
    built = pd.read_csv(done / "build" / "scores.tsv", sep="\t")
    assert {"good", "bad", "susie", "p", "lead", "random"} <= set(built["method"])
    people = pd.read_csv(done / "score" / "sample_scores.tsv.gz", sep="\t")
    assert set(built["name"]) <= set(people.columns)
    assert len(people) == 400
    report = (done / "report.md").read_text()
    for title in ("In short", "How the scores were built", "How they fit the genotypes", "More of each step"):
        assert f"## {title}" in report
    assert (done / "report.html").is_file()


def test_what_is_done_is_not_done_again(again: tuple[Path, Path]) -> None:
    configuration, folder = again
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert steps_of(configuration, folder) == {"build": SAME, "score": SAME, "evaluate": SAME}
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("setting", "build", "score", "evaluate"),
    [
        ("evaluate.folds=4", SAME, SAME, CHANGED),
        ("build.top=[2]", CHANGED, CHANGED, CHANGED),
    ],
)
def test_a_change_leads_to_the_steps_that_depend_on_it(
    again: tuple[Path, Path], setting: str, build: bool, score: bool, evaluate: bool
) -> None:
    assert steps_of(*again, setting) == {"build": build, "score": score, "evaluate": evaluate}


def test_scores_of_an_earlier_configuration_are_gone(again: tuple[Path, Path]) -> None:
    configuration, folder = again
    steps_of(configuration, folder, "build.top=[2]")
    names = pd.read_csv(folder / "build" / "scores.tsv", sep="\t")["file"]
    assert sorted(path.name for path in (folder / "build" / "scores").iterdir()) == sorted(
        Path(name).name for name in names
    )


def test_an_output_that_is_missing_is_made_anew_to_the_same_bytes(again: tuple[Path, Path]) -> None:
    configuration, folder = again
    table = folder / "score" / "sample_scores.tsv.gz"
    content = table.read_bytes()
    table.unlink()
    assert steps_of(configuration, folder) == {"build": SAME, "score": CHANGED, "evaluate": SAME}
    assert table.read_bytes() == content
    (folder / "report.html").unlink()
    assert steps_of(configuration, folder) == {"build": SAME, "score": SAME, "evaluate": CHANGED}
    assert (folder / "report.html").is_file()


def test_a_step_that_fails_leaves_what_was_done(again: tuple[Path, Path]) -> None:
    configuration, folder = again
    with pytest.raises(MIFMError, match="nope"):
        steps_of(configuration, folder, "evaluate.method=nope")
    assert steps_of(configuration, folder) == {"build": SAME, "score": SAME, "evaluate": SAME}


def test_scores_of_others_alone(inputs: Path, done: Path, tmp_path: Path) -> None:
    files = sorted((done / "build" / "scores").glob("good.*"))
    configuration = tmp_path / "others.yaml"
    configuration.write_text(
        f"scoring_files: [{', '.join(map(str, files))}]\nscore:\n  genotypes: [{inputs / 'target.bed'}]\n"
    )
    result = PgsStudyRun((configuration,), tmp_path / "out").run()
    assert list(result.steps) == ["score"]
    assert "They were not evaluated" in (tmp_path / "out" / "report.md").read_text()
    mine = pd.read_csv(tmp_path / "out" / "score" / "sample_scores.tsv.gz", sep="\t")
    theirs = pd.read_csv(done / "score" / "sample_scores.tsv.gz", sep="\t")
    pd.testing.assert_frame_equal(mine, theirs[list(mine.columns)])


def test_labels_of_ancestry_by_a_panel(inputs: Path, done: Path, tmp_path: Path) -> None:
    """The people themselves are the panel, and their nearest neighbours they themselves."""
    people = pd.read_csv(inputs / "people.tsv", sep="\t")
    people[["eid", "ancestry"]].to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    people.drop(columns="ancestry").to_csv(tmp_path / "people.tsv", sep="\t", index=False)
    section = {
        "reference": [str(inputs / "target.bed")], "labels": str(tmp_path / "labels.tsv"),
        "axes": {"components": 5}, "assignment": {"neighbours": 1},
    }  # fmt: skip
    settings = (f"ancestry={json.dumps(section)}", "evaluate.ancestry=''")
    own = (*settings, f"evaluate.people=[{tmp_path / 'people.tsv'}]")
    folder = Path(shutil.copytree(done, tmp_path / "out"))
    result = PgsStudyRun((inputs / "study.yaml",), folder, own).run()
    assert {name: bool(reason) for name, reason in result.steps.items()} == {
        "build": SAME, "score": SAME, "ancestry": CHANGED, "evaluate": CHANGED,
    }  # fmt: skip
    labels = pd.read_csv(folder / "ancestry" / "ancestry.tsv", sep="\t")
    assert labels["ancestry"].tolist() == people["ancestry"].tolist()
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "evaluate" / "scenarios.tsv", sep="\t"),
        pd.read_csv(done / "evaluate" / "scenarios.tsv", sep="\t"),
    )
    assert "ancestry/report.html" in (folder / "report.md").read_text()
    with pytest.raises(MIFMError, match=r"people\.tsv has a column ancestry, and so has"):
        PgsStudyRun((inputs / "study.yaml",), folder, settings).run()


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ("build.topp=[1]", ConfigurationError, r"unknown key 'build\.topp'"),
        ("build.top=1", ConfigurationError, r"build\.top is 1; expected a list"),
        ("score.folder=x", ConfigurationError, r"score\.folder is set by the command"),
        ("evaluate.score_table=x", MIFMError, r"evaluate\.score_table"),
        ("evaluate.people=[nowhere.tsv]", InputError, r"evaluate\.people\[0\]: nowhere\.tsv does not exist"),
        ("scoring_files=[nowhere.txt]", InputError, r"scoring_files\[0\]: nowhere\.txt does not exist"),
        ("ancestry={reference: [x.bed], labels: x}", MIFMError, r"evaluate\.ancestry is that of the section"),
        ("build=null", MIFMError, "neither build nor scoring_files"),
        ("evaluate.folds=1", MIFMError, "1 folds; expected at least 2"),
        ("evaluate.traits=[q9]", MIFMError, "q9"),
    ],
)
def test_what_is_refused_before_anything_is_done(
    inputs: Path, tmp_path: Path, setting: str, error: type[MIFMError], message: str
) -> None:
    with pytest.raises(error, match=message):
        PgsStudyRun((inputs / "study.yaml",), tmp_path / "out", (setting,)).run()
    assert not (tmp_path / "out").exists()
