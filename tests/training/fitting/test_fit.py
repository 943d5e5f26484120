from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch

from mifm_kipoi.errors import MissingPackageError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.inference import logits
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.weights import load_weights, tensors_sha256
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import TINY, random_network, write_fasta
from tests.conftest import Run
from tests.training.bag_tables import Planted, make_dataset, plant
from training.__main__ import main
from training.data.dataset import DataSet, DataSetError, Split, write_dataset
from training.fitting.config import CHECKPOINT, EPOCHS, LOG, MEMBER, FitConfig, FitError
from training.fitting.fit import Fit, Fitted, Member
from training.fitting.predictions import Evaluation, Validation, _areas, evaluate
from training.mil.batches import Sampler
from training.mil.genome_tensor import GenomeTensor
from training.mil.objective import Objective, ObjectiveConfig

NETWORK = dataclasses.replace(TINY, channels=5, dropout=0.1, stem_channels=8, stem_kernel=9)

NOISY_OR = ObjectiveConfig(pooling="noisy_or")

SHORT = FitConfig(
    objective=NOISY_OR, epochs=4, bags_per_batch=8, negatives_per_bag=2, max_bag_size=5, bag_sample="random",
    max_shift=4, reverse_complement=True, learning_rate=0.003, warm_up_steps=3, accelerator="cpu",
    evidence="lowest_p", monitor="loss",
)  # fmt: skip
"""Everything that is drawn is drawn."""

ALL = FitConfig(objective=NOISY_OR, evidence="lowest_p", negatives_per_bag=1000)
"""An evaluation of all bags."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("small"), bags=32)


def instance_logits(planted: Planted, fitted: Fitted) -> np.ndarray:
    """Of the validation bags."""
    part = planted.dataset.part(Split.VALIDATION)
    genome = GenomeTensor.read(planted.genome, ["1"], NETWORK.window)
    validation = Validation.of(part, genome, ALL)
    return evaluate(fitted.network, fitted.objective, genome, validation).logits.numpy()


def top_share(planted: Planted, fitted: Fitted) -> float:
    """The share of positive validation bags whose highest instance is that in the motif."""
    found = instance_logits(planted, fitted)
    part = planted.dataset.part(Split.VALIDATION)
    owners = part.instances["bag"].to_numpy()
    best = [
        rows[found[rows].argmax()]
        for rows in (np.flatnonzero(owners == owners[row]) for row in planted.motif_rows)
    ]
    return float(np.mean(best == planted.motif_rows))


@pytest.mark.parametrize("pooling", ["noisy_or", "max"])
def test_the_planted_instance_is_found_from_labels_of_bags(
    planted: Planted, tmp_path: Path, pooling: Any
) -> None:
    config = FitConfig(
        objective=ObjectiveConfig(pooling=pooling), epochs=12, bags_per_batch=16, negatives_per_bag=2,
        max_shift=4, learning_rate=0.01, monitor="loss", accelerator="cpu",
    )  # fmt: skip
    fitted = Fit(planted.dataset, planted.genome, NETWORK, config, tmp_path / "out").run()
    assert top_share(planted, fitted) > 0.9
    found = instance_logits(planted, fitted)
    others = np.delete(found, planted.motif_rows)
    assert np.median(found[planted.motif_rows]) > np.quantile(others, 0.99)


def test_nothing_is_found_where_the_labels_tell_nothing(planted: Planted, tmp_path: Path) -> None:
    bags = planted.dataset.bags
    train = np.flatnonzero(bags["split"] == "train")
    labels = bags["label"].to_numpy().copy()
    labels[train] = np.random.default_rng(0).permutation(labels[train])
    shuffled = dataclasses.replace(
        planted, dataset=DataSet.of_united(bags.assign(label=labels), planted.dataset.instances, {})
    )
    config = FitConfig(
        objective=NOISY_OR, epochs=12, bags_per_batch=16, negatives_per_bag=2, max_shift=4,
        learning_rate=0.01, monitor="last", accelerator="cpu",
    )  # fmt: skip
    fitted = Fit(shuffled.dataset, shuffled.genome, NETWORK, config, tmp_path / "out").run()
    # By chance 1 in 6; 1.0 with the true labels.
    assert top_share(shuffled, fitted) < 0.4


def test_a_run_that_goes_on_ends_with_the_same_weights(
    small: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Fit(small.dataset, small.genome, NETWORK, SHORT, tmp_path / "whole").run()
    save = torch.save
    calls = 0

    def killed(state: object, path: Path) -> None:
        nonlocal calls
        calls += 1
        save(state, path)
        if calls == 3:
            path.write_bytes(path.read_bytes()[:1000])
            raise ZeroDivisionError("killed while the third checkpoint was written")

    monkeypatch.setattr("training.fitting.fit.torch.save", killed)
    with pytest.raises(ZeroDivisionError, match="third checkpoint"):
        Fit(small.dataset, small.genome, NETWORK, SHORT, tmp_path / "out").run()
    monkeypatch.undo()
    assert not (tmp_path / "out" / MEMBER).exists()
    assert len(pd.read_csv(tmp_path / "out" / LOG)) == 2
    resumed = Fit(small.dataset, small.genome, NETWORK, SHORT, tmp_path / "out", resume=True).run()
    assert tensors_sha256(resumed.network.state_dict()) == tensors_sha256(whole.network.state_dict())
    timeless = [column for column in whole.history if column != "seconds"]
    pd.testing.assert_frame_equal(resumed.history[timeless], whole.history[timeless], check_exact=True)
    ends = [torch.load(tmp_path / name / CHECKPOINT, weights_only=True) for name in ("whole", "out")]
    assert tensors_sha256(ends[0]["network"]) == tensors_sha256(ends[1]["network"])
    moments = [end["optimiser"]["state"][0]["exp_avg_sq"] for end in ends]
    assert torch.equal(*moments)


def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone(small: Planted, tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, epochs=1, deterministic=True)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = Fit(small.dataset, small.genome, NETWORK, config, tmp_path / "one").run()
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()
    two = Fit(small.dataset, small.genome, NETWORK, config, tmp_path / "two").run()
    other = Fit(
        small.dataset, small.genome, NETWORK, dataclasses.replace(config, seed=2), tmp_path / "other"
    ).run()
    sums = [tensors_sha256(fitted.network.state_dict()) for fitted in (one, two, other)]
    assert sums[0] == sums[1] != sums[2]


def test_the_member_is_the_best_epoch(
    small: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auprcs = iter([0.3, 0.8, 0.8, 0.7, 0.9])
    states = []

    def validate(member: Member) -> Evaluation:
        states.append(tensors_sha256(member.network.state_dict()))
        return dataclasses.replace(Evaluation.of_nothing(), loss=1.0, auprc=next(auprcs))

    monkeypatch.setattr(Member, "validate", validate)
    config = dataclasses.replace(SHORT, epochs=5, monitor="auprc", patience=2)
    fitted = Fit(small.dataset, small.genome, NETWORK, config, tmp_path).run()
    assert len(fitted.history) == len(states) == 4
    assert fitted.epoch == 1
    assert fitted.metrics["validation_auprc"] == 0.8
    assert not fitted.network.training
    read = load_weights(tmp_path / MEMBER)
    assert read.sha256 == tensors_sha256(fitted.network.state_dict()) == states[1]
    assert read.config == NETWORK
    provenance = dict(read.provenance)
    assert provenance["fit"]["seed"] == 1
    assert provenance["fit"]["objective"]["pooling"] == "noisy_or"
    assert provenance["metrics"]["validation_auprc"] == 0.8
    assert provenance["metrics"]["validation_auroc"] is None
    assert set(provenance["data_set"]) == {"bags", "instances", "studies", "evidence"}
    # A run that stopped early is complete: it is read, not gone on with.
    again = Fit(small.dataset, small.genome, NETWORK, config, tmp_path, resume=True).run()
    assert len(states) == 4
    assert again.epoch == 1
    assert tensors_sha256(again.network.state_dict()) == states[1]


def test_every_epoch_is_kept_where_wanted(small: Planted, tmp_path: Path) -> None:
    usual = Fit(small.dataset, small.genome, NETWORK, SHORT, tmp_path / "usual").run()
    assert not (tmp_path / "usual" / EPOCHS).exists()
    keeping = dataclasses.replace(SHORT, keep_epochs=True)
    kept = Fit(small.dataset, small.genome, NETWORK, keeping, tmp_path / "kept").run()
    files = sorted((tmp_path / "kept" / EPOCHS).iterdir())
    assert [file.name for file in files] == [f"epoch-{epoch}.safetensors" for epoch in range(4)]
    weights = [load_weights(file) for file in files]
    assert [one.provenance["epoch"] for one in weights] == [0, 1, 2, 3]
    assert len({one.sha256 for one in weights}) == 4
    # Keeping them changes nothing, and the best of them is the member.
    members = [load_weights(fitted.weights).sha256 for fitted in (usual, kept)]
    assert members == [weights[kept.epoch].sha256] * 2


def test_another_run_is_not_gone_on_with(small: Planted, tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, epochs=1)
    Fit(small.dataset, small.genome, NETWORK, config, tmp_path).run()
    with pytest.raises(FitError, match=r"checkpoint.pt exists; .*--resume"):
        Fit(small.dataset, small.genome, NETWORK, config, tmp_path).run()
    other = dataclasses.replace(config, gamma=0.5)
    wide = dataclasses.replace(NETWORK, head_channels=16)
    with pytest.raises(
        FitError, match=r"another run: fit.gamma was 0.9 and is 0.5; network.head_channels was 8 and is 16"
    ):
        Fit(small.dataset, small.genome, wide, other, tmp_path, resume=True).run()
    fewer = DataSet.of_united(small.dataset.bags.assign(studies=2), small.dataset.instances, {})
    with pytest.raises(FitError, match=r"another run: data_set.bags was \w+\.\.\. and is \w+"):
        Fit(fewer, small.genome, NETWORK, config, tmp_path, resume=True).run()
    (tmp_path / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(FitError, match=r"cannot read the checkpoint .*checkpoint\.pt"):
        Fit(small.dataset, small.genome, NETWORK, config, tmp_path, resume=True).run()


def test_a_loss_that_is_not_finite_names_its_batch(
    small: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = Objective.forward, 0

    def broken(self: Objective, *arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += self.training
        return forward(self, *arguments) * (math.inf if self.training and calls == 5 else 1.0)

    monkeypatch.setattr(Objective, "forward", broken)
    part = small.dataset.part(Split.TRAIN)
    # 24 bags make 3 steps; the fifth is the second of the second epoch.
    batch = Sampler.of(part, seed=1, bags_per_batch=8, negatives_per_bag=2).epoch(1)[1]
    blocks = ", ".join(part.bags["block"].iloc[batch.bags.tolist()].tolist()[:5])
    with pytest.raises(
        FitError, match=rf"inf at epoch 1, step 1 .seed 1., .* the blocks {blocks} and 19 more"
    ):
        Fit(small.dataset, small.genome, NETWORK, SHORT, tmp_path).run()
    assert len(pd.read_csv(tmp_path / LOG)) == 1


@pytest.mark.parametrize("monitor", ["auroc", "auprc", "loss", "likelihood", "top_pip"])
def test_a_monitor_needs_its_bags(small: Planted, tmp_path: Path, monitor: Any) -> None:
    config = dataclasses.replace(SHORT, monitor=monitor, epochs=1)
    bags = small.dataset.bags
    without = DataSet.of_united(bags.assign(split="train"), small.dataset.instances, {})
    with pytest.raises(FitError, match=rf"monitor is {monitor}, and there are 0 positive and 0 negative"):
        Fit(without, small.genome, NETWORK, config, tmp_path).run()
    split = bags["split"].mask(bags["label"] == 0, "train")
    positive = DataSet.of_united(bags.assign(split=split), small.dataset.instances, {})
    if monitor in ("loss", "likelihood", "top_pip"):
        found = Fit(positive, small.genome, NETWORK, config, tmp_path).run()
        assert math.isnan(found.metrics["validation_auroc"])
        assert math.isfinite(found.metrics["validation_loss"])
    else:
        with pytest.raises(FitError, match=r"8 positive and 0 negative .* set fit.monitor=loss or"):
            Fit(positive, small.genome, NETWORK, config, tmp_path).run()
    last = dataclasses.replace(config, monitor="last", epochs=2)
    found = Fit(without, small.genome, NETWORK, last, tmp_path / "last").run()
    assert found.epoch == 1
    assert math.isnan(found.metrics["validation_loss"])


def test_numbers_that_the_loss_needs(small: Planted, tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, objective=ObjectiveConfig(pooling="single_effect"), epochs=1)
    instances = small.dataset.instances
    positive = small.dataset.bags["label"].to_numpy()[instances["bag"].to_numpy()] == 1
    negatives = DataSet.of_united(
        small.dataset.bags, instances.assign(log_bf=instances["log_bf"].where(positive)), {}
    )
    assert math.isfinite(
        Fit(negatives, small.genome, NETWORK, config, tmp_path / "a").run().metrics["train_loss"]
    )
    lacking = DataSet.of_united(small.dataset.bags, instances.assign(log_bf=np.float32("nan")), {})
    with pytest.raises(DataSetError, match="all 24 positive bags have rows without log_bf"):
        Fit(lacking, small.genome, NETWORK, config, tmp_path / "b").run()


def test_a_network_is_gone_on_with_and_left_as_it_came(small: Planted, tmp_path: Path) -> None:
    network = random_network(NETWORK)
    before = tensors_sha256(network.state_dict())
    config = dataclasses.replace(SHORT, epochs=1, learning_rate=1e-12)
    fitted = Fit(small.dataset, small.genome, network, config, tmp_path).run()
    assert tensors_sha256(network.state_dict()) == before
    assert not network.training
    torch.testing.assert_close(fitted.network.head.weight, network.head.weight, rtol=0, atol=1e-9)
    torch.testing.assert_close(fitted.network.head.bias, network.head.bias, rtol=0, atol=1e-9)
    with pytest.raises(FitError, match=r"another run: start was [0-9a-f]{12}\.\.\. and is [0-9a-f]{12}"):
        Fit(small.dataset, small.genome, random_network(NETWORK, 1), config, tmp_path, resume=True).run()


def test_many_members_share_a_genome_in_memory(small: Planted, tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, epochs=1)
    read = Fit(small.dataset, small.genome, NETWORK, config, tmp_path / "read").run()
    held = GenomeTensor.read(small.genome, ["1"], NETWORK.window + SHORT.max_shift)
    given = Fit(small.dataset, held, NETWORK, config, tmp_path / "given").run()
    assert tensors_sha256(read.network.state_dict()) == tensors_sha256(given.network.state_dict())
    narrow = GenomeTensor.read(small.genome, ["1"], NETWORK.window)
    with pytest.raises(ValueError, match="margin is 64; expected 68"):
        Fit(small.dataset, narrow, NETWORK, config, tmp_path / "narrow").run()


def test_nothing_is_written_outside_the_folder(
    small: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(SHORT, epochs=1)
    Fit(small.dataset, small.genome, NETWORK, config, tmp_path / "deep" / "out").run()
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    names = {path.name.split(".")[0] for path in (tmp_path / "deep" / "out").iterdir()}
    assert names == {"checkpoint", "log", "member", "tensorboard"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("bf16", True)])
def test_float32_is_not_tensorfloat32(
    precision: Literal["fp32", "bf16"], allowed: bool, small: Planted, tmp_path: Path
) -> None:
    seen = set()
    config = dataclasses.replace(SHORT, epochs=1, precision=precision)
    assert torch.backends.cudnn.allow_tf32
    Fit(small.dataset, small.genome, NETWORK, config, tmp_path).run(
        lambda *_: seen.add(torch.backends.cudnn.allow_tf32)
    )
    assert seen == {allowed}
    assert torch.backends.cudnn.allow_tf32


def test_progress_counts_the_windows_of_every_step(small: Planted, tmp_path: Path) -> None:
    calls: list[tuple[int, float]] = []
    three = dataclasses.replace(SHORT, epochs=3)
    fitted = Fit(small.dataset, small.genome, NETWORK, three, tmp_path).run(
        lambda windows, fraction: calls.append((windows, fraction))
    )
    # 24 bags, 8 a step.
    assert [fraction for _, fraction in calls] == pytest.approx([step / 9 for step in range(1, 10)])
    windows = [windows for windows, _ in calls]
    assert windows == sorted(windows)
    assert windows[2::3] == fitted.history["windows"].cumsum().tolist()


def test_instances_are_scored_as_the_package_scores_them(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    bases = "".join(generator.choice(list("ACGT"), 4000))
    genome = Genome(write_fasta(tmp_path / "genome.fa", {"chr1": bases}))
    sites = [(pos, bases[pos - 1], "A" if bases[pos - 1] != "A" else "G") for pos in range(300, 3700, 97)]
    rows = [("1", *site) for site in sites]
    dataset = make_dataset([(1, "train", rows[:20]), (0, "train", rows[20:21]), (1, "train", rows[21:])])
    held = GenomeTensor.read(genome, ["1"], 512)
    windows = cut_windows([Variant("1", pos, ".", ref, alt) for pos, ref, alt in sites], genome)
    for channels in (4, 5):
        network = random_network(MIFMConfig(channels=channels))
        validation = Validation.of(dataset, held, ALL, max_windows=25)
        found = evaluate(network, Objective(ObjectiveConfig(pooling="max")), held, validation)
        expected = logits(network, windows.ref)
        np.testing.assert_allclose(found.logits, expected, atol=2e-5)
        tops = [expected[:20].max(), expected[20], expected[21:].max()]
        np.testing.assert_allclose(found.bag_logits, tops, atol=2e-5)
        assert found.auroc == sum(top > tops[1] for top in (tops[0], tops[2])) / 2


def test_evaluation_depends_on_neither_batches_nor_the_order_of_instances(small: Planted) -> None:
    part = small.dataset.part(Split.VALIDATION)
    held = GenomeTensor.read(small.genome, ["1"], NETWORK.window)
    network, objective = random_network(NETWORK).train(), Objective(NOISY_OR)
    one = evaluate(network, objective, held, Validation.of(part, held, ALL))
    many = evaluate(network, objective, held, Validation.of(part, held, ALL, max_windows=7))
    assert network.training
    torch.testing.assert_close(one.bag_logits, many.bag_logits, rtol=1e-4, atol=1e-5)
    assert one.loss == pytest.approx(many.loss, rel=1e-5)
    order = np.random.default_rng(0).permutation(len(part.instances))
    mixed = part.instances.iloc[order].sort_values("bag", kind="stable").reset_index(drop=True)
    permuted = DataSet.of_united(part.bags, mixed, {})
    assert mixed["pos"].tolist() != part.instances["pos"].tolist()
    other = evaluate(network, objective, held, Validation.of(permuted, held, ALL))
    torch.testing.assert_close(one.bag_logits, other.bag_logits, rtol=1e-4, atol=1e-5)


def test_areas() -> None:
    # Of 2 x 3 pairs 5 are in order; precision at the positives is 1 and 2/3. The logits are those of
    # probabilities that float32 cannot tell from 1.
    scores, labels = torch.tensor([50.0, 31.0, 30.0, 32.0, 29.0]), torch.tensor([1.0, 1, 0, 0, 0])
    assert _areas(scores, labels) == pytest.approx((5 / 6, (1 + 2 / 3) / 2))
    assert all(math.isnan(area) for area in _areas(scores, torch.ones(5)))


def test_learning_rates() -> None:
    def rates(**settings: Any) -> list[float]:
        config = FitConfig(learning_rate=0.5, epochs=2, **settings)
        return [config.rate(step, steps_per_epoch=2) for step in range(4)]

    assert rates(schedule="constant") == [0.5] * 4
    assert rates(schedule="exponential", gamma=0.5) == [0.5, 0.5, 0.25, 0.25]
    assert rates(schedule="exponential", gamma=0.5, warm_up_steps=4) == [0.125, 0.25, 0.1875, 0.25]
    half = math.sqrt(0.5)
    assert rates(schedule="cosine") == pytest.approx([0.5, 0.25 * (1 + half), 0.25, 0.25 * (1 - half)])


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"epochs": 0}, "epochs is 0; expected 1 or more"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected a positive number"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"gamma": 1.5}, r"gamma is 1.5; expected a number in \(0, 1\]"),
        ({"max_windows": 0}, "max_windows is 0; expected 1 or more"),
        ({"credible_set": 95.0}, r"credible_set is 95.0; expected a number in \(0, 1\]"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        FitConfig(**settings)


def test_a_device_that_is_not_there(small: Planted, tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, accelerator="quantum")
    with pytest.raises(FitError, match=r"cannot fit on fit\.accelerator=quantum, fit\.devices=1"):
        Fit(small.dataset, small.genome, NETWORK, config, tmp_path).run()
    half = dataclasses.replace(SHORT, precision="fp16")
    with pytest.raises(FitError, match="precision is fp16, and the device is a CPU"):
        Fit(small.dataset, small.genome, NETWORK, half, tmp_path).run()


def test_without_lightning_the_error_says_how_to_install_it(
    small: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "lightning", None)
        patch.delitem(sys.modules, "training.fitting.fit")
        with pytest.raises(MissingPackageError, match=r"package lightning .*\.\[training\]"):
            importlib.import_module("training.fitting.fit")

    def without_tensorboard(*arguments: object, **options: object) -> None:
        raise ModuleNotFoundError("Neither `tensorboard` nor `tensorboardX` is available.")

    monkeypatch.setattr("training.fitting.fit.TensorBoardLogger", without_tensorboard)
    with pytest.raises(MissingPackageError, match=r"package tensorboard .*\.\[training\]"):
        Fit(small.dataset, small.genome, NETWORK, SHORT, tmp_path).run()
    without = dataclasses.replace(SHORT, epochs=1, tensorboard=False)
    Fit(small.dataset, small.genome, NETWORK, without, tmp_path / "without").run()
    assert not (tmp_path / "without" / "tensorboard").exists()


def test_the_command(small: Planted, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "data", small.dataset)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"fasta: {small.genome.path}\n"
        "network: {channels: 5, window: 64, stem_channels: 4, stem_kernel: 5, tower_channels: [6, 6],\n"
        "  dilations: [2], head_channels: 8}\n"
        "fit: {epochs: 2, objective: {pooling: max}}\n"
    )
    out = tmp_path / "out"
    given = ["fit", "--config", recipe, "--data", tmp_path / "data", "--out", out]
    done = run("training", "--threads", "1", *given, "--set", "fit.bags_per_batch=8", "fit.accelerator=cpu")
    assert f"{out / MEMBER}: epoch " in done.stderr
    assert "validation_loss " in done.stderr
    assert load_weights(out / MEMBER).provenance["fit"]["bags_per_batch"] == 8
    assert main(["--threads", "1", *map(str, given)]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["--threads", "1", *map(str, given), "--set", "fasta=''"]) == 1
    assert "fasta is missing" in capsys.readouterr().err
