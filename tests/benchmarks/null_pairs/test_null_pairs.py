"""Type I errors on a small scale, and the table of them."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.null_pairs.report import figures, table
from benchmarks.null_pairs.simulate import SETTINGS, Setting, draw, p_values
from tests.conftest import Run


@pytest.mark.parametrize("outcome", ["normal", "binary"])
def test_sign_flips_keep_their_level_and_the_authors_procedure_does_not(outcome: str) -> None:
    setting = Setting(outcome, 0.8, people=400)
    pairs = 200
    found = [p_values(setting, (3, pair), pairwise=pair < 60) for pair in range(pairs)]
    low, high = stats.binom.interval(0.99, pairs, 0.05)
    assert low <= sum(row["sign_flip"] <= 0.05 for row in found) <= high
    low, high = stats.binom.interval(0.99, 60, 0.05)
    assert sum(row["pairwise"] <= 0.05 for row in found[:60]) > high


def test_both_scores_predict_equally_well() -> None:
    generator = np.random.default_rng(1)
    for setting in SETTINGS:
        covariates, scores, outcome = draw(Setting(setting.outcome, setting.correlation, 200_000), generator)
        r = np.corrcoef(np.column_stack([outcome, scores]).T)
        assert r[0, 1] == pytest.approx(r[0, 2], abs=0.01)
        assert r[1, 2] == pytest.approx(setting.correlation, abs=0.01)
        expected = 0.04 if setting.outcome != "binary" else 0.04 * 0.34
        assert r[0, 1] ** 2 == pytest.approx(expected, abs=0.004)
        assert np.linalg.matrix_rank(covariates) == 7


def test_the_table_marks_what_chance_does_not_allow() -> None:
    few = np.concatenate([np.full(48, 0.01), np.full(952, 0.5)])
    many = np.concatenate([np.full(90, 0.01), np.full(910, 0.5)])
    nothing = np.full(1000, np.nan)
    rows = figures({SETTINGS[0]: {"sign_flip": few, "pairwise": many, "r2redux": nothing}})
    assert [row["inside"] for row in rows] == [True, True, True, False, True, True]
    lines = table(rows).splitlines()
    assert lines[2] == "| normal | 1,000 | 0.8 | 0.04 | sign_flip | 1,000 | 0.048 | 0 | 0 |"
    assert lines[3] == "| normal | 1,000 | 0.8 | 0.04 | pairwise | 1,000 | **0.09** | 0 | 0 |"


def test_the_command(run: Run, root: Path, tmp_path: Path) -> None:
    options = ("--pairs", "10", "--pairwise", "1", "--jobs", "1", "--out", tmp_path)
    done = run("benchmarks", "null-pairs", *options, cwd=root)
    assert "| normal | 1,000 | 0.8 | 0.04 | sign_flip | 10 |" in done.stdout
    assert (tmp_path / "null_pairs.md").read_text() in done.stdout + "\n"
