import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.weights import Weights, load_weights, save_weights
from mifm_kipoi.support.configuration import ConfigurationError
from tests.builders import random_network
from tests.training.bag_tables import Planted, make_dataset, plant
from tests.training.conftest import MEMBER, Fitting
from training.__main__ import main
from training.configuration import read_configuration
from training.data.dataset import DataSet, Split, write_dataset
from training.fitting.alleles import alleles_of
from training.fitting.config import FINETUNE_REPORT, FINETUNED, FinetuneConfig, FitConfig
from training.fitting.config import MEMBER as MEMBER_FILE
from training.fitting.finetune import Finetune, FinetuneError, changes, lines
from training.fitting.predictions import instance_logits
from training.mil.genome_tensor import GenomeTensor
from training.mil.objective import ObjectiveConfig
from training.recipe import Recipe

QUICK = FinetuneConfig(
    fit=FitConfig(
        objective=ObjectiveConfig(pooling="noisy_or"), epochs=6, bags_per_batch=8, negatives_per_bag=2,
        reverse_complement=False, learning_rate=0.01, schedule="constant", monitor="last", accelerator="cpu",
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"), bags=120)


def saved(folder: Path, network: MIFM) -> Weights:
    save_weights(folder / "start.safetensors", network, {})
    return load_weights(folder / "start.safetensors")


def lead(network: MIFM, planted: Planted) -> float:
    """How far the logits of the motifs' instances lie above the mean of the validation windows."""
    part = planted.dataset.part(Split.VALIDATION)
    genome = GenomeTensor.read(planted.genome, ["1"], 64)
    logits = instance_logits(network, genome, genome.offsets(part.instances))
    return float(logits[planted.motif_rows].mean() - logits.mean())


@pytest.mark.parametrize("channels", [4, 5])
def test_what_the_bags_have_in_common_rises(planted: Planted, tmp_path: Path, channels: int) -> None:
    start = saved(tmp_path, random_network(dataclasses.replace(MEMBER, channels=channels)))
    tuned = Finetune(start, planted.dataset, planted.genome, QUICK, tmp_path / "out").run()
    found, report = load_weights(tuned.weights), tuned.report
    assert found.config == start.config
    assert lead(found.model(), planted) > lead(start.model(), planted) + 1
    loss = {name: metrics["loss"] for name, metrics in report["validation"].items()}
    assert loss["calibrated"] < loss["before"]
    assert report["calibration"]["loss"] < report["calibration"]["loss_before"]
    assert report["positives"]["mean_after"] > report["negatives"]["mean_after"]
    assert report["positives"]["spearman"] < 0.99


def test_the_statistics_stay_unless_asked(planted: Planted, tmp_path: Path) -> None:
    start = saved(tmp_path, random_network(MEMBER))
    short = dataclasses.replace(QUICK, fit=dataclasses.replace(QUICK.fit, epochs=1))
    free = dataclasses.replace(short, statistics="updated")

    def found(config: FinetuneConfig) -> Weights:
        return load_weights(
            Finetune(start, planted.dataset, planted.genome, config, tmp_path / config.statistics)
            .run()
            .weights
        )

    frozen, updated = found(short), found(free)
    statistics = [name for name in start.state if "running" in name]
    assert statistics
    for name in start.state:
        changed = "tracked" not in name
        if name in statistics:
            assert torch.equal(frozen.state[name], start.state[name]), name
        elif changed:
            assert not torch.equal(frozen.state[name], start.state[name]), name
        if changed:
            assert not torch.equal(updated.state[name], start.state[name]), name
    assert frozen.provenance["finetune"]["statistics"] == "frozen"
    assert frozen.provenance["start"] == {"name": "start", "tensors_sha256": start.sha256}


def test_a_low_learning_rate_moves_little(fitting: Fitting, tmp_path: Path) -> None:
    """The member knows these bags already."""
    start = load_weights(fitting.out / "member-3" / MEMBER_FILE)
    low = dataclasses.replace(
        QUICK, calibrate=False, fit=dataclasses.replace(QUICK.fit, learning_rate=1e-7, epochs=1)
    )
    planted = fitting.planted
    report = Finetune(start, planted.dataset, planted.genome, low, tmp_path).run().report
    assert report["same_top"] == report["bags"] == 240
    assert report["positives"]["spearman"] > 0.9999
    assert report["negatives"]["pearson"] > 0.9999
    assert max(abs(row["after"] - row["before"]) for row in report["largest"]) < 1e-3
    assert report["validation"]["before"]["auroc"] == pytest.approx(report["validation"]["after"]["auroc"])


def scored() -> tuple[DataSet, np.ndarray, np.ndarray]:
    """Bags of three, two and one instances, two negatives, and probabilities before and after."""
    bags = [
        (1, "train", [("1", 10, "A", "C"), ("1", 20, "A", "C"), ("1", 30, "A", "C")]),
        (1, "train", [("1", 40, "A", "C"), ("1", 50, "A", "C")]),
        (1, "train", [("1", 60, "A", "C")]),
        (0, "train", [("1", 70, "A", "C")]),
        (0, "train", [("1", 80, "A", "C")]),
    ]
    before = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.5, 0.2])
    after = np.array([0.1, 0.5, 0.3, 0.4, 0.9, 0.6, 0.2, 0.1])
    return make_dataset(bags), np.log(before / (1 - before)), np.log(after / (1 - after))


def test_how_scores_moved_by_hand() -> None:
    report = changes(*scored())
    # Only the first bag has another first variant; the bag of one could not.
    assert (report["bags"], report["same_top"]) == (2, 1)
    assert report["positives"]["instances"] == 6
    assert report["positives"]["mean_before"] == pytest.approx(0.35)
    assert report["positives"]["mean_after"] == pytest.approx(2.8 / 6)
    # Ranks 1 2 3 4 5 6 become 1 4 2 3 6 5: 1 - 6 (0 + 4 + 1 + 1 + 1 + 1) / (6 * 35).
    assert report["positives"]["spearman"] == pytest.approx(1 - 48 / 210, abs=1e-6)
    x, y = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), np.array([0.1, 0.5, 0.3, 0.4, 0.9, 0.6])
    covariance = ((x - x.mean()) * (y - y.mean())).sum()
    scale = np.sqrt(((x - x.mean()) ** 2).sum() * ((y - y.mean()) ** 2).sum())
    assert report["positives"]["pearson"] == pytest.approx(covariance / scale, abs=1e-6)
    assert report["negatives"]["pearson"] == report["negatives"]["spearman"] == 1
    # 50: 0.4 up; 20 and 70: 0.3 up and down; 80: 0.1 down.
    moved = [(row["pos"], row["label"], row["before"], row["after"]) for row in report["largest"][:4]]
    assert moved[0] == (50, 1, 0.5, 0.9)
    assert sorted(moved[1:3]) == [(20, 1, 0.2, 0.5), (70, 0, 0.5, 0.2)]
    assert moved[3] == (80, 0, 0.2, 0.1)


def test_the_report_in_words() -> None:
    shown = lines(changes(*scored()))
    assert shown[0].startswith("6 instances of positive bags: mean score 0.3500 -> 0.4667; ")
    assert "Spearman 0.7714" in shown[0]
    assert shown[1].startswith("2 instances of negative bags: mean score 0.3500 -> 0.1500; ")
    assert any("unchanged in 1 of 2 positive bags" in line for line in shown)
    assert "largest change: 1:50 A>C 0.5000 -> 0.9000" in shown


def test_correlations_that_are_not_defined() -> None:
    dataset, before, _ = scored()
    report = changes(dataset, np.zeros_like(before), before)
    assert report["positives"]["pearson"] is None
    assert "Spearman not defined" in lines(report)[0]


def test_what_was_known_before_and_after(fitting: Fitting, tmp_path: Path) -> None:
    """Of the evidence of studies, which the planted motifs do not follow."""
    start = load_weights(fitting.out / "member-3" / MEMBER_FILE)
    short = dataclasses.replace(QUICK, fit=dataclasses.replace(QUICK.fit, epochs=1))
    tuned = Finetune(start, fitting.planted.dataset, fitting.planted.genome, short, tmp_path).run()
    before, after = tuned.verdicts
    assert (before.network, after.network) == ("network before fine-tuning", "fine-tuned network")
    assert before.split == after.split == "validation"
    assert before.measures.studies == after.measures.studies == 60
    assert before.measures.logit_sd != after.measures.logit_sd
    assert tuned.report["warnings"] == list(after.warnings)
    assert load_weights(tuned.weights).provenance["verdicts"] == [after.to_dict()]


def test_a_data_set_without_training_bags_is_refused(planted: Planted, tmp_path: Path) -> None:
    start = saved(tmp_path, random_network(MEMBER))
    with pytest.raises(FinetuneError, match=r"no training bags; make it with data\.splits\.validation=\[\]"):
        Finetune(start, planted.dataset.part(Split.VALIDATION), planted.genome, QUICK, tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


def test_weights_of_both_alleles_are_not_tuned_by_one(planted: Planted, tmp_path: Path) -> None:
    network = random_network(dataclasses.replace(MEMBER, channels=4))
    quick = dataclasses.replace(QUICK, fit=dataclasses.replace(QUICK.fit, epochs=1))
    both = dataclasses.replace(quick, fit=dataclasses.replace(quick.fit, alleles="both"))
    for name, provenance in (("member", {"fit": {"alleles": "both"}}), ("student", {"alleles": "both"})):
        save_weights(tmp_path / f"{name}.safetensors", network, provenance)
        start = load_weights(tmp_path / f"{name}.safetensors")
        with pytest.raises(FinetuneError, match=r"fit\.alleles=both.* set finetune\.fit\.alleles=both"):
            Finetune(start, planted.dataset, planted.genome, quick, tmp_path / "out").run()
    assert not (tmp_path / "out").exists()
    tuned = Finetune(start, planted.dataset, planted.genome, both, tmp_path / "out").run()
    assert alleles_of(load_weights(tuned.weights)) == "both"
    assert alleles_of(saved(tmp_path, network)) == "reference"


def test_the_validation_bags_of_a_fine_tuned_network(planted: Planted, tmp_path: Path) -> None:
    """They chose its epoch where one is monitored, but never that of the network before."""
    start = saved(tmp_path, random_network(MEMBER))
    for monitor in ("last", "loss"):
        fit = dataclasses.replace(QUICK.fit, epochs=1, monitor=monitor)
        config = dataclasses.replace(QUICK, fit=fit)
        tuned = Finetune(start, planted.dataset, planted.genome, config, tmp_path / monitor).run()
        assert [one.chose_epoch for one in tuned.verdicts] == [False, monitor == "loss"]


def test_without_negative_bags_the_offset_stays(planted: Planted, tmp_path: Path) -> None:
    start = saved(tmp_path, random_network(MEMBER))
    fit = dataclasses.replace(QUICK.fit, epochs=1, negatives_per_bag=0)
    tuned = Finetune(
        start, planted.dataset, planted.genome, dataclasses.replace(QUICK, fit=fit), tmp_path / "out"
    ).run()
    found = tuned.report["calibration"]
    assert (found["offset"], found["negatives"]) == (0, False)
    assert "offset 0: there are no negative bags" in lines(tuned.report)[0]


def test_the_command(
    planted: Planted,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All of a new GWAS is training: nothing is said of validation bags."""
    saved(tmp_path, random_network(MEMBER))
    write_dataset(tmp_path / "data", planted.dataset.part(Split.TRAIN))
    out = tmp_path / "out"
    command = [
        "--threads", "1", "finetune", "--weights", str(tmp_path / "start.safetensors"), "--data",
        str(tmp_path / "data"), "--out", str(out), "--set", f"fasta={planted.genome.path}",
        "finetune.fit.epochs=1", "finetune.fit.accelerator=cpu",
    ]  # fmt: skip
    assert main(command) == 0
    report = json.loads((out / FINETUNE_REPORT).read_text())
    assert "validation" not in report
    assert report["bags"] == 90
    assert report["calibration"]["slope"] > 0
    # Nothing is held out, so that nothing can be judged, and the last line says so.
    assert [verdict["learnt"] for verdict in report["verdicts"]] == [None, None]
    assert "fine-tuned network: it cannot be judged whether" in report["warnings"][0]
    assert caplog.messages[-len(report["warnings"]) :] == [f"CAUTION: {one}" for one in report["warnings"]]
    first = (out / "fit" / "checkpoint.pt").read_bytes()
    assert main(command) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert (out / "fit" / "checkpoint.pt").read_bytes() == first
    assert json.loads((out / FINETUNE_REPORT).read_text()) == report
    assert load_weights(out / FINETUNED).config == MEMBER


def test_the_careful_defaults_stay_where_another_is_set(tmp_path: Path) -> None:
    config = FinetuneConfig()
    assert config.fit.learning_rate < FitConfig().learning_rate
    assert config.fit.epochs < FitConfig().epochs
    path = tmp_path / "recipe.yaml"
    path.write_text("finetune: {fit: {epochs: 2}}\n")
    given = read_configuration(path, Recipe).finetune
    assert given == dataclasses.replace(config, fit=dataclasses.replace(config.fit, epochs=2))
    with pytest.raises(ConfigurationError, match="expected one of frozen, updated"):
        read_configuration(path, Recipe, ["finetune.statistics=none"])
