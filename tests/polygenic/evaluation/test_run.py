"""``mifm pgs evaluate`` from files to files: joins, groups, outputs, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.polygenic.evaluation.run import PgsEvaluateResult, PgsEvaluateRun

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

SIZE = 900
TRAITS = ("t1", "t2", "t3", "t4", "t5", "case")
METHODS = {"mifm": 0.4, "p": 0.9, "lead": 1.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ancestries, the last of 60 people; scores of three methods with known noise; a bound; draws."""
    folder = tmp_path_factory.mktemp("evaluate")
    generator = np.random.default_rng(1)
    pop = np.repeat(["EUR", "AFR", "MID"], [420, 420, 60])
    people = pd.DataFrame({
        "eid": np.arange(SIZE) + 1000, "p21003_i0": generator.integers(40, 70, SIZE),
        "p54_i0": generator.choice([11001, 11002, 11003], SIZE), "pop": pop,
    })  # fmt: skip
    scores, rows = pd.DataFrame({"family": 0, "sample": people["eid"]}), []
    for trait in TRAITS:
        value = generator.normal(size=SIZE)
        scores[f"oracle.{trait}"] = value
        outcome = 0.5 * value + 0.02 * people["p21003_i0"] + generator.normal(size=SIZE)
        people[trait] = (outcome > outcome.median()).astype(int) + 1 if trait == "case" else outcome
        for method, noise in METHODS.items():
            for top in (1, 5) if method != "lead" else (1,):
                name = f"{method}.{trait}.top{top}.mean"
                scores[name] = value + noise * generator.normal(size=SIZE)
                rows.append((name, trait, f"S{trait}", method, top, "mean", 0))
        for draw in range(1, 4):
            name = f"random.{trait}.top1.mean.draw{draw}"
            scores[name] = value + generator.normal(size=SIZE)
            rows.append((name, trait, f"S{trait}", "random", 1, "mean", draw))
    people.loc[5, "t1"] = np.nan
    people.loc[6, "p21003_i0"] = np.nan
    # Another order of people, of whom two are in one table only.
    scores.iloc[generator.permutation(SIZE)[:-1]].to_csv(folder / "scores.tsv.gz", sep="\t", index=False)
    names = ["name", "trait", "study", "method", "top", "weighting", "draw"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "table.tsv", sep="\t", index=False)
    people.drop(columns="pop").to_csv(folder / "people.csv", index=False)
    people[["eid", "pop"]].rename(columns={"eid": "#IID"}).to_csv(folder / "pop.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Callable[..., PgsEvaluateResult]:
    def run(name: str, **options: object) -> PgsEvaluateResult:
        chosen = {
            "scores": (folder / "scores.tsv.gz",),
            "folder": folder / name,
            "people": (folder / "people.csv", folder / "pop.tsv"),
            "traits": TRAITS,
            "score_table": folder / "table.tsv",
            "covariates": ("age",),
            "categorical": ("centre",),
            "ancestry": "pop",
            "columns": {"age": "21003-0.0", "centre": "f.54.0.0"},
            "bound": "oracle",
        }
        return PgsEvaluateRun(**(chosen | options)).run()  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="module")
def result(run: Callable[..., PgsEvaluateResult]) -> PgsEvaluateResult:
    return run("out")


def test_better_scores_have_a_higher_r2_and_win(result: PgsEvaluateResult) -> None:
    means = result.performance.groupby("method")["r2"].mean()
    assert means["oracle"] > means["mifm"] > means["p"] > means["lead"] > 0
    # Against p with two settings, against lead, which has one, in both of the method's.
    assert result.comparisons.groupby(["baseline", "setting"]).size().to_dict() == {
        ("p", "top1.mean"): 12, ("p", "top5.mean"): 12, ("lead", "top1.mean"): 12, ("lead", "top5.mean"): 12,
    }  # fmt: skip
    total = result.summary.set_index("by").loc["all"]
    assert (total["comparisons"], total["losses"], total["traits"]) == (48, 0, 6)
    assert total["wins"] > 24
    assert total["low"] > 0
    assert total["p_value"] == pytest.approx(2 / 2**6)


def test_groups_say_who_is_left_out(result: PgsEvaluateResult) -> None:
    scenarios = result.scenarios.set_index(["trait", "ancestry"])
    assert scenarios.loc[("t1", "MID"), "status"].endswith("people, fewer than 100")
    afr, eur = scenarios.loc[("t1", "AFR")], scenarios.loc[("t1", "EUR")]
    assert eur["without_trait"] + afr["without_trait"] == 1
    assert eur["without_covariates"] == 1
    assert eur["people"] + eur["without_trait"] + eur["without_covariates"] in (419, 420)
    case = scenarios.loc[("case", "EUR")]
    assert case["kind"] == "binary"
    assert case["cases"] + case["controls"] == case["people"]
    assert "1 of 900 people have no scores" in result.cautions
    assert any("not evaluated: t1 in MID" in caution for caution in result.cautions)


def test_draws_of_random_members_are_apart(result: PgsEvaluateResult) -> None:
    assert len(result.random) == 12
    assert set(result.random["draws"]) == {3}
    assert "random" not in set(result.comparisons["baseline"])


def test_files_are_those_of_the_result(folder: Path, result: PgsEvaluateResult) -> None:
    names = [str(path.relative_to(folder / "out")) for path in result.files]
    assert names[-1] == "evaluation.json"
    assert all(path.is_file() for path in result.files)
    table = pd.read_csv(folder / "out" / "performance.tsv", sep="\t", keep_default_na=False, na_values=[""])
    np.testing.assert_allclose(table["r2"], result.performance["r2"], rtol=1e-5)
    assert not [name for name in table if name.startswith("paper_")]
    manifest = json.loads((folder / "out" / "evaluation.json").read_text())
    assert manifest["score_table"]["name"] == "table.tsv"
    assert manifest["counts"] == {"people": 899, "scores": 54}
    page = (folder / "out" / "report.html").read_text()
    assert "mifm against the others" in page
    assert "of oracle" in page
    assert [section.title for section in result.sections][:3] == [
        "In short", "R2 by ancestry", "mifm against the others",
    ]  # fmt: skip


def test_the_same_run_gives_the_same_files(folder: Path, run: Callable[..., PgsEvaluateResult]) -> None:
    for name in ("one", "two", "one"):
        run(name, traits=("t1",), ancestries=("AFR",))
    for name in ("performance.tsv", "comparisons.tsv", "summary.tsv", "random.tsv", "report.html"):
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()


def test_the_forms_of_the_paper_stand_beside(run: Callable[..., PgsEvaluateResult], folder: Path) -> None:
    result = run("paper", traits=("t1", "case"), as_in_paper=True, ancestries=("EUR",))
    assert result.comparisons["paper_p"].between(0, 1).all()
    assert result.performance["paper_r2"].notna().sum() > 0
    assert "paper" in result.cautions[0]
    assert "As in the paper" in [section.title for section in result.sections]
    assert "paper_p" in (folder / "paper" / "comparisons.tsv").read_text()


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "pgs", "evaluate", str(folder / "scores.tsv.gz"), "--score-table", str(folder / "table.tsv"),
        "--people", str(folder / "people.csv"), "--people", str(folder / "pop.tsv"), "--traits", "t1,case",
        "--covariates", "21003", "--ancestry", "pop", "--ancestries", "AFR", "--prevalence", "case=0.2",
        "--columns", "sex=p31", "--baselines", "p", "--correction", "holm", "-o", str(folder / "command"),
    ]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "against p: " in out
    assert "against lead" not in out
    assert main([*words, "--prevalence", "case"]) == 2
    assert "--prevalence has 'case'; expected NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"traits": ()}, OptionError, "no trait is named"),
        ({"traits": ("t1", "bmi")}, OptionError, "no table has the column 'bmi'"),
        ({"method": "best"}, OptionError, "no score is of the method 'best'; they are of"),
        ({"folds": 500}, InputError, r"t1 in AFR: 4\d\d people, fewer than 500 folds"),
        ({"bound": "best"}, OptionError, "no score is of the method 'best'; they are of"),
        ({"baselines": ("cadd",)}, OptionError, "no score is of the method 'cadd'"),
        ({"ancestries": ("EAS",)}, OptionError, "nobody who has scores has pop 'EAS'; it is one of AFR, EUR"),
        ({"prevalence": {"t1": 0.1}}, OptionError, "the trait t1 is quantitative, and has no prevalence"),
        ({"prevalence": {"case": 1.5}}, OptionError, r"the prevalence of case is 1\.5"),
        ({"folds": 1}, OptionError, "there are 1 folds"),
        ({"min_people": 1000}, InputError, r"no trait can be evaluated.*t1 in AFR: 4\d\d people, fewer than"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(
    run: Callable[..., PgsEvaluateResult], options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run("error", **options)


def test_scores_of_others_must_be_of_these_people(
    folder: Path, run: Callable[..., PgsEvaluateResult], tmp_path: Path
) -> None:
    other = tmp_path / "other.tsv"
    other.write_text("IID\tx\nNA1\t0.5\nNA2\t0.1\n")
    with pytest.raises(
        InputError, match=r"none of the 2 people of .*other\.tsv, such as NA1, is among the 900"
    ):
        run("error", scores=(other,), score_table=None, bound="")
    other.write_text("IID\tx\n1000\t0.5\n1000\t0.1\n")
    with pytest.raises(InputError, match=r"other\.tsv has 1000 more than once"):
        run("error", scores=(other,), score_table=None, bound="")


def test_others_scores_are_methods_and_those_that_predict_backwards_are_said(
    folder: Path, run: Callable[..., PgsEvaluateResult], tmp_path: Path
) -> None:
    table = pd.read_csv(folder / "scores.tsv.gz", sep="\t")
    theirs = table[["sample"]].assign(mine=table["mifm.t1.top1.mean"], swapped=-table["oracle.t1"])
    theirs.to_csv(tmp_path / "theirs.tsv", sep="\t", index=False)
    result = run(
        "theirs", scores=(tmp_path / "theirs.tsv",), score_table=None, bound="", traits=("t1",), method="mine"
    )
    assert result.performance["method"].tolist() == ["mine", "swapped"] * 2
    assert result.comparisons["baseline"].tolist() == ["swapped"] * 2
    # R2 does not tell.
    assert (result.performance["r2_low"] > 0).all()
    assert any("2 scores predict their trait backwards" in caution for caution in result.cautions)
