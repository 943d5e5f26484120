import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mifm_kipoi.network.weights import load_weights
from tests.builders import random_network
from tests.conftest import Run
from tests.training.conftest import FIT, MEMBER, SEEDS, Fitting
from training.data.dataset import Split, write_dataset
from training.fitting.config import ENSEMBLE_REPORT, EnsembleConfig, FitError
from training.fitting.config import MEMBER as MEMBER_FILE
from training.fitting.ensemble import Ensemble
from training.fitting.fit import Fit
from training.fitting.held_out import HeldOut, scorer
from training.fitting.predictions import Validation, evaluate, mean_logits
from training.mil.genome_tensor import GenomeTensor


def test_members_are_fits_with_seeds_that_follow_each_other(fitting: Fitting, tmp_path: Path) -> None:
    alone = Fit(
        fitting.planted.dataset, fitting.planted.genome, MEMBER, dataclasses.replace(FIT, seed=4), tmp_path
    ).run()
    assert (
        load_weights(tmp_path / MEMBER_FILE).sha256
        == load_weights(fitting.out / "member-4" / MEMBER_FILE).sha256
    )
    assert sorted(path.name for path in fitting.out.iterdir()) == [ENSEMBLE_REPORT, "member-3", "member-4"]
    reported = fitting.ensemble.report["members"][1]
    assert reported["seed"] == 4
    assert reported["metrics"]["validation_auroc"] == alone.metrics["validation_auroc"]
    assert alone.verdict is not None
    assert reported["verdict"] == alone.verdict.to_dict()
    assert load_weights(tmp_path / MEMBER_FILE).provenance["verdicts"] == [alone.verdict.to_dict()]
    # All windows of the planted bags overlap.
    assert (alone.verdict.measures.studies, alone.verdict.measures.loci) == (60, 1)
    # The fits monitor the loss of these bags.
    assert alone.verdict.chose_epoch
    assert fitting.ensemble.report["mean"]["verdict"]["chose_epoch"]


def test_the_members_and_their_mean_know_what_the_evidence_says(fitting: Fitting) -> None:
    """Studies whose Bayes factors are those of the planted variants, each taken for a locus of its own."""
    held = HeldOut.of(fitting.planted.dataset, Split.VALIDATION)
    genome = GenomeTensor.read(fitting.planted.genome, ["1"], MEMBER.window)
    # In the part of all validation bags, two negatives follow each positive bag.
    planted = fitting.planted.motif_rows - 2 * np.arange(60)
    evidence = np.random.default_rng(0).uniform(2, 5, len(held.rows.instance))
    log_evidence = np.where(np.isin(held.rows.instance, planted), evidence, 0.0)
    held = dataclasses.replace(
        held, rows=dataclasses.replace(held.rows, log_evidence=log_evidence, locus=np.arange(60))
    )
    logits = [scorer(member.network, genome)(held.instances) for member in fitting.ensemble.members]
    for known in (*logits, mean_logits(logits)):
        verdict = held.verdict("network", known)
        assert verdict.learnt
        assert verdict.measures.gain.low > 0.5
        assert verdict.warnings == ()
    untrained = held.verdict("network", scorer(random_network(MEMBER), genome)(held.instances))
    assert untrained.learnt is False
    assert any("nothing was learnt" in warning for warning in untrained.warnings)


def test_the_mean_is_that_of_the_probabilities_of_bags(fitting: Fitting) -> None:
    """Against scipy, with both members evaluated one by one."""
    part = fitting.planted.dataset.part(Split.VALIDATION)
    genome = GenomeTensor.read(fitting.planted.genome, ["1"], MEMBER.window)
    scores = []
    for member in fitting.ensemble.members:
        found = evaluate(member.network, member.objective, genome, Validation.of(part, genome, FIT))
        scores.append(1 / (1 + np.exp(-found.bag_logits.double().numpy())))
    positive = part.bags["label"].to_numpy() == 1
    mean = np.mean(scores, axis=0)
    statistic = mannwhitneyu(mean[positive], mean[~positive]).statistic
    expected = statistic / (positive.sum() * (~positive).sum())
    assert fitting.ensemble.report["mean"]["validation_auroc"] == pytest.approx(expected, abs=1e-6)
    assert json.loads((fitting.out / ENSEMBLE_REPORT).read_text()) == fitting.ensemble.report
    assert 0.5 < fitting.ensemble.report["pearson"] < 1


def test_members_that_are_complete_are_only_read(fitting: Fitting, tmp_path: Path) -> None:
    out = tmp_path / "members"
    shutil.copytree(fitting.out, out)
    written = (out / "member-3" / "checkpoint.pt").stat().st_mtime_ns
    three = EnsembleConfig(members=3, first_seed=3)
    short = fitting.planted
    found = Ensemble(short.dataset, short.genome, MEMBER, FIT, three, out).run()
    assert len(found.members) == 3
    assert (out / "member-3" / "checkpoint.pt").stat().st_mtime_ns == written
    for seed in (3, 4):
        again, before = (
            load_weights(folder / f"member-{seed}" / MEMBER_FILE) for folder in (out, fitting.out)
        )
        assert again.sha256 == before.sha256


def test_members_of_another_run_are_not_mixed_in(fitting: Fitting) -> None:
    planted = fitting.planted
    other = dataclasses.replace(FIT, learning_rate=0.02)
    with pytest.raises(FitError, match=r"is of another run: fit.learning_rate was 0.01 and is 0.02"):
        Ensemble(planted.dataset, planted.genome, MEMBER, other, SEEDS, fitting.out).run()
    fewer = planted.dataset.part(Split.TRAIN)
    with pytest.raises(FitError, match=r"is of another run: data_set.bags was"):
        Ensemble(
            fewer, planted.genome, MEMBER, dataclasses.replace(FIT, monitor="last"), SEEDS, fitting.out
        ).run()
    with pytest.raises(FitError, match=r"fit.devices is 2; the members of an ensemble"):
        Ensemble(
            planted.dataset, planted.genome, MEMBER, dataclasses.replace(FIT, devices=2), SEEDS, fitting.out
        ).run()


@pytest.mark.parametrize("name", ["members", "first_seed"])
def test_impossible_ensembles(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is -1; expected"):
        EnsembleConfig(**{name: -1})


def test_the_commands_ensemble_and_distil(run: Run, root: Path, fitting: Fitting, tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", fitting.planted.dataset)
    tiny = {"window": 64, "stem_channels": 4, "stem_kernel": 5, "tower_channels": [6], "head_channels": 8}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        json.dumps(
            {
                "fasta": str(fitting.planted.genome.path),
                "network": {**tiny, "channels": 5},
                "fit": {"epochs": 1, "negatives_per_bag": 1, "accelerator": "cpu"},
                "ensemble": {"members": 2},
                "student": tiny,
                "distil": {"bags": {"epochs": 1}},
            }
        )
    )
    where = ("--config", recipe, "--data", tmp_path / "data")
    done = run("training", "--threads", "1", "ensemble", *where, "--out", tmp_path / "members", cwd=root)
    assert "member 2 of 2, seed 2: best epoch 0 of 1" in done.stderr
    teachers = [tmp_path / "members" / f"member-{seed}" / MEMBER_FILE for seed in (1, 2)]
    taught = run(
        "training", "--threads", "1", "distil", *where, "--teacher", *teachers, "--device", "cpu",
        "--out", tmp_path / "student", cwd=root,
    )  # fmt: skip
    for command in (done, taught):
        assert "standard deviation of logits" in command.stderr
        assert "it cannot be judged whether anything was learnt" in command.stderr
        assert "AUROC" not in command.stderr
    names = {"student.safetensors", "log.csv", "checkpoint.pt"}
    assert set(os.listdir(tmp_path / "student")) == names
