"""Which scores there are, and which are compared with which."""

from pathlib import Path

import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.polygenic.evaluation.methods import Score, comparisons, read_scores

HEADER = "name\ttrait\tstudy\tmethod\ttop\tweighting\tdraw\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def of(*scores: str) -> list[Score]:
    """Scores of ``method.top.weighting``, of one study."""
    parts = [score.split(".") for score in scores]
    return [Score(".".join(part), "t", part[0], "s", part[1], part[2]) for part in parts]


def pairs(scores: list[Score], method: str = "mifm") -> list[tuple[str, str]]:
    return [(pair.score.name, pair.baseline.name) for pair in comparisons(scores, method)]


def test_methods_are_compared_within_a_setting() -> None:
    scores = of("mifm.1.mean", "mifm.5.mean", "p.1.mean", "p.5.mean", "p.5.joint")
    assert pairs(scores) == [("mifm.1.mean", "p.1.mean"), ("mifm.5.mean", "p.5.mean")]
    assert pairs(scores, "p") == [
        ("p.1.mean", "mifm.1.mean"), ("p.5.mean", "mifm.5.mean"),
    ]  # fmt: skip


def test_a_method_with_one_score_is_compared_in_every_setting() -> None:
    scores = of("mifm.1.mean", "mifm.5.mean", "mifm.5.joint", "lead.1.mean", "lead.1.joint", "all.all.mean")
    assert pairs(scores) == [
        ("mifm.1.mean", "lead.1.mean"), ("mifm.1.mean", "all.all.mean"),
        ("mifm.5.mean", "lead.1.mean"), ("mifm.5.mean", "all.all.mean"),
        ("mifm.5.joint", "lead.1.joint"), ("mifm.5.joint", "all.all.mean"),
    ]  # fmt: skip


def test_random_draws_and_other_studies_are_not_compared() -> None:
    scores = [
        Score("m", "t", "mifm", "one", "1", "mean"), Score("p", "t", "p", "two", "1", "mean"),
        Score("r", "t", "random", "one", "1", "mean", 1), Score("theirs", "", "theirs"),
    ]  # fmt: skip
    assert pairs(scores) == [("m", "theirs")]


def test_scores_are_what_the_table_says_or_methods_of_their_own(tmp_path: Path) -> None:
    scores = write(tmp_path / "scores.tsv", "IID\ta\tb\toracle.height\ttheirs\tALLELE_CT\n1\t0\t0\t0\t0\t4\n")
    table = write(
        tmp_path / "table.tsv",
        HEADER + "b\tbmi\tGCST2\trandom\t1\tmean\t3\na\tHeight\tGCST1\tmifm\t5\tmean\t0\n"
        "c\tHeight\tGCST1\tp\t5\t\t\n",
    )  # fmt: skip
    found = read_scores([scores], table, ["height", "weight"], {"Height": "height", "GCST2": "weight"})
    assert found.every == (
        Score("b", "weight", "random", "GCST2", "1", "mean", 3),
        Score("a", "height", "mifm", "GCST1", "5", "mean"),
        Score("oracle.height", "height", "oracle"),
        Score("theirs", "", "theirs"),
    )
    assert [score.setting for score in found.every] == ["top1.mean", "top5.mean", "", ""]
    assert [score.name for score in found.of_trait("height")] == ["a", "oracle.height", "theirs"]
    assert found.notes == (f"1 of 3 scores of {table} are in no table of scores, such as c",)
    (note,) = read_scores([scores], write(table, HEADER + "a\tbmi\ts\tmifm\t1\tmean\t0\n"), ["x"], {}).notes
    assert note == "1 score is of a trait that is not evaluated, such as a of bmi"


def test_a_name_with_another_trait_is_no_method_of_every_trait(tmp_path: Path) -> None:
    scores = write(tmp_path / "scores.tsv", "IID\ta\tb\toracle.height\toracle.bmi\n1\t0\t0\t0\t0\n")
    table = write(tmp_path / "table.tsv", HEADER + "a\theight\ts\tp\t1\tmean\t0\nb\tbmi\ts\tp\t1\tmean\t0\n")
    found = read_scores([scores], table, ["height"], {})
    assert [score.name for score in found.every] == ["a", "oracle.height"]
    assert found.notes == ("2 scores are of traits that are not evaluated, such as b of bmi",)


def test_scores_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one.tsv", "IID\ta\tb\n1\t0\t0\n")
    two = write(tmp_path / "two.tsv", "IID\ta\n1\t0\n")
    with pytest.raises(InputError, match=r"one\.tsv and .*two\.tsv both have the score a"):
        read_scores([one, two], None, ["t"], {})
    same = write(tmp_path / "t.tsv", HEADER + "a\tt\ts\tp\t1\tmean\t0\nb\tt\ts\tp\t1\tmean\t0\n")
    with pytest.raises(InputError, match="a and b are the same method with the same setting"):
        read_scores([one], same, ["t"], {})
    with pytest.raises(OptionError, match=r"no score is of a trait that is evaluated \(other\).*are of t"):
        read_scores([one], same, ["other"], {})
    with pytest.raises(InputError, match="has no column trait and method"):
        read_scores([one], write(tmp_path / "u.tsv", "name\tx\na\t1\n"), ["t"], {})
