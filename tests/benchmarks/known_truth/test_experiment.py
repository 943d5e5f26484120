"""The smallest sizes from the simulation to the report, by the command that users run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.__main__ import main
from benchmarks.known_truth.datasets import held_out_variants
from benchmarks.known_truth.evaluate import Test
from benchmarks.known_truth.plans import PLANS
from benchmarks.known_truth.simulate import held_out

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("known-truth")
    assert main(["known-truth", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def simulated(smoke: Path) -> Path:
    return next((smoke / "simulations").iterdir())


@pytest.fixture(scope="module")
def metrics(smoke: Path) -> pd.DataFrame:
    return pd.read_csv(smoke / "results" / "metrics.tsv", sep="\t").set_index(["arm", "metric"])


@pytest.fixture(scope="module")
def held(smoke: Path, simulated: Path) -> pd.DataFrame:
    table = held_out_variants(smoke / "data" / "main", simulated)
    return table[table["split"] == "test"].reset_index(drop=True)


def test_the_oracle_finds_all_but_cannot_tell_traits(held: pd.DataFrame) -> None:
    others = held.groupby("bag")["kind"].transform(lambda kinds: "other_trait" in set(kinds))
    table = held[~others]
    names = ("score_optimal", "score_reference", "score_masked")
    scores = {name: table[name].to_numpy(np.float64) for name in names}
    test = Test(table)
    assert test.top(scores["score_optimal"], 1).value == 1
    assert test.auprc(scores["score_optimal"]).value == 1
    # Which allele is ALT decides as well, and the surroundings alone say less.
    masked, reference = (test.auprc(scores[name]).value for name in ("score_masked", "score_reference"))
    assert masked < reference < 1


def test_chance_is_what_it_must_be(held: pd.DataFrame, metrics: pd.DataFrame) -> None:
    shares = held.groupby("bag")["causal"].mean()
    assert metrics.loc[("random", "top_1"), "value"] == pytest.approx(shares[shares > 0].mean(), rel=1e-5)
    assert metrics.loc[("random", "auprc"), "value"] == pytest.approx(held["causal"].mean(), rel=1e-5)


def test_without_the_evidence_of_its_variants_a_model_is_near_chance(metrics: pd.DataFrame) -> None:
    chance, found = (metrics.loc[(arm, "top_1")] for arm in ("random", "dealt_anew"))
    assert found["value"] == pytest.approx(chance["value"], abs=0.25)
    assert metrics.loc[("oracle", "top_1"), "value"] > found["high"]


def test_the_report_is_there_and_says_what_made_it(smoke: Path) -> None:
    text = (smoke / "report.md").read_text()
    assert "per study (SER)" in text
    assert "Bayes factors dealt anew" in text
    assert (smoke / "report.html").stat().st_size < 5_000_000
    settings = json.loads((smoke / "results" / "settings.json").read_text())
    assert settings["simulation"]["design"] == "real"
    assert len(settings["checksums"]["genome.fa"]) == 64


def test_what_is_there_is_not_made_again(smoke: Path) -> None:
    weights = smoke / "arms" / "per_study" / "seed-1" / "member.safetensors"
    before, report = weights.stat().st_mtime_ns, (smoke / "report.md").read_bytes()
    assert main(["known-truth", "--out", str(smoke)]) == 0
    assert weights.stat().st_mtime_ns == before
    assert (smoke / "report.md").read_bytes() == report


def test_the_scores_are_those_of_the_command(smoke: Path) -> None:
    """Of networks that see 128 bp, of the variants of validation and test bags and no others."""
    scores = pd.read_parquet(smoke / "arms" / "per_study" / "seed-1" / "scores.parquet")
    assert (scores["status"] == "ok").all()
    assert np.isfinite(scores["mifm_logit_ref"]).all()
    parts = held_out(PLANS["real"]["smoke"].simulation)
    assert set(scores["chrom"]) == {*parts["validation"], *parts["test"]}


def test_the_easy_design_is_learnt_in_minutes(tmp_path: Path) -> None:
    """The model beats shuffled labels, which are nearer to chance than to it.

    A network that learnt nothing is not at chance exactly: it prefers some windows to others, and the test
    genealogies are ten.
    """
    assert main(["known-truth", "--design", "clear", "--out", str(tmp_path)]) == 0
    metrics = pd.read_csv(tmp_path / "results" / "metrics.tsv", sep="\t").set_index(["arm", "metric"])
    assert metrics.loc["oracle", "value"][["top_1", "top_5", "auprc"]].tolist() == [1, 1, 1]
    model, shuffled = (metrics.loc[(arm, "top_1")] for arm in ("single_effect", "shuffled_labels"))
    assert model["value"] > shuffled["high"]
    chance = metrics.loc[("random", "top_1"), "value"]
    assert abs(shuffled["value"] - chance) < model["value"] - shuffled["value"]
