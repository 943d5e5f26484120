"""The smallest size from the simulation to the report, by the command that users run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.__main__ import main
from benchmarks.known_truth.simulate import held_out
from benchmarks.known_truth.sizes import SIZES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("known-truth")
    assert main(["known-truth", "--size", "smoke", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def metrics(smoke: Path) -> pd.DataFrame:
    return pd.read_csv(smoke / "results" / "metrics.tsv", sep="\t").set_index(["arm", "metric"])


def test_the_oracle_finds_all_and_chance_what_it_must(smoke: Path, metrics: pd.DataFrame) -> None:
    """The oracle sees the windows of the FASTA; the labels are those of the simulation."""
    assert metrics.loc["oracle", "value"][["top_1", "top_5", "auprc"]].tolist() == [1, 1, 1]
    simulated = next((smoke / "simulations").iterdir())
    truth = pd.read_parquet(simulated / "truth.parquet").set_index(["chrom", "pos"])["causal"]
    bags = pd.read_parquet(smoke / "data" / "main" / "bags.parquet")
    test = bags[(bags["split"] == "test") & (bags["label"] == 1)]["bag"]
    instances = pd.read_parquet(smoke / "data" / "main" / "instances.parquet")
    instances = instances[instances["bag"].isin(test)]
    causal = truth[pd.MultiIndex.from_frame(instances[["chrom", "pos"]])].to_numpy()
    shares = pd.Series(causal).groupby(instances["bag"].to_numpy()).mean()
    assert metrics.loc[("random", "top_1"), "value"] == pytest.approx(shares[shares > 0].mean(), rel=1e-5)


def test_the_model_beats_its_controls(metrics: pd.DataFrame) -> None:
    model, shuffled = (metrics.loc[(arm, "top_1")] for arm in ("single_effect", "shuffled_labels"))
    assert model["value"] > shuffled["high"]
    assert shuffled["low"] <= metrics.loc[("random", "top_1"), "value"] <= shuffled["high"]


def test_the_report_is_there_and_says_what_made_it(smoke: Path) -> None:
    text = (smoke / "report.md").read_text()
    assert "single effect" in text
    assert "shuffled labels" in text
    assert (smoke / "report.html").stat().st_size < 5_000_000
    settings = json.loads((smoke / "results" / "settings.json").read_text())
    assert settings["simulation"]["genealogies"] == 60
    assert len(settings["checksums"]["genome.fa"]) == 64


def test_what_is_there_is_not_made_again(smoke: Path) -> None:
    weights = smoke / "arms" / "single_effect" / "seed-1" / "member.safetensors"
    before, report = weights.stat().st_mtime_ns, (smoke / "report.md").read_bytes()
    assert main(["known-truth", "--size", "smoke", "--out", str(smoke)]) == 0
    assert weights.stat().st_mtime_ns == before
    assert (smoke / "report.md").read_bytes() == report


def test_the_scores_are_those_of_the_command(smoke: Path) -> None:
    """Of networks that see 128 bp, of the variants of validation and test bags and no others."""
    scores = pd.read_parquet(smoke / "arms" / "single_effect" / "seed-1" / "scores.parquet")
    assert (scores["status"] == "ok").all()
    assert np.isfinite(scores["mifm_logit_ref"]).all()
    parts = held_out(SIZES["smoke"].simulation)
    assert set(scores["chrom"]) == {*parts["validation"], *parts["test"]}
