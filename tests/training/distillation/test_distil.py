import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.weights import load_weights, save_weights
from tests.builders import TINY, random_network
from tests.training.bag_tables import Planted, plant
from tests.training.conftest import MEMBER, Fitting
from training.data.dataset import Split
from training.distillation.config import CHECKPOINT, LOG, BagDistilConfig, DistilConfig, DistilError
from training.distillation.distil import Distil, agreement, distil_on_bags, epoch_rows, targets, teach
from training.fitting.config import MEMBER as MEMBER_FILE
from training.fitting.predictions import (
    highest_rows,
    instance_logits,
    mean_logits,
    probabilities,
    used_instances,
)
from training.mil.genome_tensor import Alleles, GenomeTensor

STUDENT = dataclasses.replace(MEMBER, channels=4)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("small"), bags=24)


def logit(probability: np.ndarray) -> np.ndarray:
    return np.log(probability / (1 - probability))


def test_targets_by_hand() -> None:
    """Two positive bags, of three and two instances, and a negative one."""
    mean = np.array([0.2, 0.9, 0.4, 0.3, 0.3, 0.8])
    bag, labels = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0])
    target, weight = targets(logit(mean), bag, labels, BagDistilConfig(target="mean"))
    np.testing.assert_allclose(target, mean)
    assert (weight == 1).all()
    target, weight = targets(logit(mean), bag, labels, BagDistilConfig(target="arg_max"))
    # Of equal ones the first, and none in a negative bag, however high.
    assert target.tolist() == [0, 1, 0, 1, 0, 0]
    assert weight.tolist() == [1, 100, 1, 100, 1, 1]


@pytest.mark.parametrize("target", ["mean", "arg_max"])
def test_the_weight_of_a_window_rises_with_its_target(target: str) -> None:
    """In proportion: a target of 0 weighs 1, one of 1/2 half the way to that of 1."""
    mean = np.array([0.5, 0.25, 0.75])
    bag, labels = np.array([0, 0, 1]), np.array([1, 0])
    config = BagDistilConfig(target=target, positive_weight=9)  # type: ignore[arg-type]
    learnt, weight = targets(logit(mean), bag, labels, config)
    expected = {"mean": [5, 3, 7], "arg_max": [9, 1, 1]}[target]
    np.testing.assert_allclose(weight, expected)
    np.testing.assert_allclose(learnt, mean if target == "mean" else [1, 0, 0])


def test_negatives_are_drawn_by_seed_and_epoch_alone(small: Planted) -> None:
    """24 positive bags of 6 instances and 48 negative ones of one each."""
    dataset = small.dataset
    positive = dataset.bags["label"].to_numpy()[dataset.instances["bag"].to_numpy()] == 1

    def drawn(negatives_per_bag: int | None, epoch: int = 0) -> np.ndarray:
        return epoch_rows(dataset, negatives_per_bag, np.random.default_rng([1, epoch]))

    for number, negatives in ((None, 48), (2, 48), (5, 48), (1, 24), (0, 0)):
        rows = drawn(number)
        assert len(np.unique(rows)) == len(rows) == 144 + negatives
        assert np.isin(np.flatnonzero(positive), rows).all()
        np.testing.assert_array_equal(rows, drawn(number))
    assert drawn(1).tolist() != drawn(1, epoch=1).tolist()
    together = np.unique(np.concatenate([drawn(1, epoch=epoch) for epoch in range(20)]))
    assert len(together) == len(positive)


def test_the_loss_has_as_many_negatives_as_an_epoch(small: Planted) -> None:
    """Half of the negatives are drawn, so that each counts a half in what the best epoch is chosen by."""
    teacher, student = random_network(STUDENT), random_network(STUDENT, seed=1)
    genome = GenomeTensor.read(small.genome, ["1"], 64)
    part = small.dataset.part(Split.VALIDATION)
    config = BagDistilConfig(negatives_per_bag=1)
    taught = teach([teacher], part, genome, config)
    positive = part.bags["label"].to_numpy()[part.instances["bag"].to_numpy()] == 1
    np.testing.assert_allclose(taught.frequency, np.where(positive, 1, 0.5))
    errors = (probabilities(instance_logits(student, genome, taught.offsets)) - taught.target) ** 2
    expected = (errors[positive].sum() + errors[~positive].sum() / 2) / (36 + 12 / 2)
    assert agreement(student, taught, genome).loss == pytest.approx(expected)


def test_a_student_of_teachers_with_both_alleles_is_read_as_they_are(small: Planted, tmp_path: Path) -> None:
    """Its logit is the mean of the two windows' and their difference, in training as in the agreement."""
    teacher = random_network(STUDENT)
    genome = GenomeTensor.read(small.genome, ["1"], 64)
    part = small.dataset.part(Split.VALIDATION)
    taught = teach([teacher], part, genome, BagDistilConfig(), "both")
    offsets = genome.offsets(part.instances)
    ref, alt = (
        network_logits(teacher, genome.cut(offsets, 64, alleles=alleles))
        for alleles in (None, Alleles.of(part.instances))
    )
    np.testing.assert_allclose(taught.logits, (ref + alt) / 2 + np.abs(alt - ref), atol=1e-5)
    assert agreement(teacher, taught, genome).pearson == pytest.approx(1)
    # One that begins as its teacher has nothing to learn.
    config = BagDistilConfig(epochs=1, windows_per_batch=32, learning_rate=1e-6)
    found = distil_on_bags(
        [teacher], small.dataset, genome, teacher, config, tmp_path, alleles="both"
    )[1]  # fmt: skip
    assert pd.read_csv(tmp_path / LOG)["train_loss"].max() < 1e-12
    assert found.same_top == 1


def network_logits(network: MIFM, windows: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return network(windows).numpy()


def test_the_alleles_of_the_teachers_decide(small: Planted, tmp_path: Path) -> None:
    teachers = []
    for name, provenance in (
        ("member", {"fit": {"alleles": "both"}}), ("student", {"alleles": "both"}), ("other", {}),
    ):  # fmt: skip
        save_weights(tmp_path / f"{name}.safetensors", random_network(STUDENT), provenance)
        teachers.append(load_weights(tmp_path / f"{name}.safetensors"))
    config = DistilConfig(bags=BagDistilConfig(epochs=1))
    distil = Distil(
        teachers[:2], small.genome, STUDENT, config, tmp_path / "out", small.dataset, device="cpu"
    )
    assert load_weights(distil.run().weights).provenance["alleles"] == "both"
    with pytest.raises(DistilError, match=r"some teachers .* fit\.alleles=both"):
        dataclasses.replace(distil, teachers=teachers, out=tmp_path / "mixed").run()


def test_the_mean_of_probabilities_by_hand() -> None:
    found = mean_logits([logit(np.array([0.1, 0.5])), logit(np.array([0.4, 0.9]))])
    np.testing.assert_allclose(probabilities(found), [0.25, 0.7], rtol=1e-12)
    # A mean probability too close to 1 to be told from it still has a logit.
    np.testing.assert_allclose(mean_logits([np.array([800.0]), np.array([800.0])]), [800], rtol=1e-12)


def test_first_instances_by_hand() -> None:
    assert highest_rows(np.array([1.0, 3, 3, 0, 5]), np.array([0, 0, 0, 1, 2])).tolist() == [1, 3, 4]


def test_instances_beyond_the_largest_bag_are_left_out(small: Planted) -> None:
    used = used_instances(small.dataset, 2)
    positive = used.bags["label"] == 1
    assert set(used.bags["size"][positive]) == {2}
    first = small.dataset.instances.groupby("bag").head(2)
    assert used.instances["pos"].tolist() == first["pos"].tolist()


def test_a_student_that_is_its_teacher_agrees_in_everything(small: Planted) -> None:
    teacher = random_network(STUDENT)
    genome = GenomeTensor.read(small.genome, ["1"], 64)
    taught = teach([teacher], small.dataset.part(Split.VALIDATION), genome, BagDistilConfig())
    found = agreement(teacher, taught, genome)
    assert found.loss == pytest.approx(0, abs=1e-12)
    assert found.mse == pytest.approx(0, abs=1e-12)
    assert found.pearson == pytest.approx(1)
    assert found.same_top == 1
    assert found.auroc == found.teachers_auroc


def test_a_student_that_begins_as_its_teacher_stays_there(small: Planted, tmp_path: Path) -> None:
    """With the statistics of its batches it would have another answer than in inference, and leave."""
    teacher = random_network(STUDENT)
    # Adam makes steps of the learning rate of gradients that are but rounding, so that it is small.
    config = BagDistilConfig(epochs=3, windows_per_batch=32, learning_rate=1e-6)
    student, found = distil_on_bags([teacher], small.dataset, small.genome, teacher, config, tmp_path)
    log = pd.read_csv(tmp_path / LOG)
    assert log[["train_loss", "loss"]].to_numpy().max() < 1e-12
    assert found.same_top == 1
    assert found.pearson == pytest.approx(1, abs=1e-6)
    for name, tensor in teacher.state_dict().items():
        torch.testing.assert_close(student.state_dict()[name], tensor, atol=1e-4, rtol=0)


def test_agreement_by_hand(small: Planted) -> None:
    """The student answers 1/2 for all, so that the first instance of each bag comes first."""
    teacher, student = random_network(STUDENT), random_network(STUDENT)
    torch.nn.init.zeros_(student.head.weight)
    torch.nn.init.zeros_(student.head.bias)
    genome = GenomeTensor.read(small.genome, ["1"], 64)
    part = small.dataset.part(Split.VALIDATION)
    taught = teach([teacher], part, genome, BagDistilConfig(target="arg_max"))
    found = agreement(student, taught, genome)
    mean = probabilities(taught.logits)
    bags = [mean[part.instances["bag"].to_numpy() == bag] for bag in range(len(part.bags))]
    several = [values for values in bags if len(values) > 1]
    assert len(several) == 6
    assert found.same_top == sum(values.argmax() == 0 for values in several) / 6
    # An error of 1/2 everywhere, of which 6 of 6 * 6 + 12 instances weigh 100.
    assert found.loss == pytest.approx(0.25 * (6 * 100 + 42) / 48)
    assert found.mse == pytest.approx(np.mean((mean - 0.5) ** 2))
    assert math.isnan(found.pearson)
    assert found.auroc == 0.5


@pytest.mark.parametrize("target", ["mean", "arg_max"])
def test_a_student_without_the_token_learns_from_members_with_it(
    fitting: Fitting, tmp_path: Path, target: str
) -> None:
    config = BagDistilConfig(
        target=target, epochs=12, windows_per_batch=64, learning_rate=0.01, positive_weight=6
    )  # type: ignore[arg-type]
    teachers = [member.network for member in fitting.ensemble.members]
    planted = fitting.planted
    student, found = distil_on_bags(teachers, planted.dataset, planted.genome, STUDENT, config, tmp_path)
    assert not student.training
    assert found.same_top > 0.85
    assert found.teachers_auroc > 0.9
    assert found.auroc > 0.9
    assert found.pearson > 0.7
    log = (tmp_path / LOG).read_text().splitlines()
    assert len(log) == 13
    assert log[0] == "epoch,train_loss,loss,mse,pearson,same_top,auroc,teachers_auroc,seconds"


def test_a_run_that_goes_on_ends_with_the_same_student(
    small: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BagDistilConfig(epochs=3, windows_per_batch=32, negatives_per_bag=1)
    teachers = [random_network(MEMBER, seed=1), random_network(STUDENT, seed=2)]

    def distilled(out: Path) -> MIFM:
        return distil_on_bags(teachers, small.dataset, small.genome, STUDENT, config, out)[0]

    whole = distilled(tmp_path / "whole")
    save, calls = torch.save, []

    def interrupted(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        save(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012 - one statement
        patch.setattr(torch, "save", interrupted)
        distilled(tmp_path / "parts")
    gone_on = distilled(tmp_path / "parts")
    again = distilled(tmp_path / "parts")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, gone_on.state_dict()[name]), name
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_the_weights_say_what_made_them(fitting: Fitting, tmp_path: Path) -> None:
    planted = fitting.planted
    teachers = [load_weights(fitting.out / f"member-{seed}" / MEMBER_FILE) for seed in (3, 4)]
    config = BagDistilConfig(epochs=1)
    first = Distil(
        teachers, planted.genome, STUDENT, DistilConfig(bags=config), tmp_path, planted.dataset, device="cpu"
    )
    calls: list[tuple[int, float]] = []
    distilled = first.run(lambda windows, fraction: calls.append((windows, fraction)))
    path = distilled.weights
    # 1,080 instances of positive bags and 360 of negative ones, 256 a step.
    assert calls == [(min(256 * step, 1440), pytest.approx(step / 6)) for step in range(1, 7)]
    provenance = load_weights(path).provenance
    assert distilled.agreement is not None
    assert distilled.agreement.to_dict() == provenance["agreement"]
    assert [teacher["name"] for teacher in provenance["teachers"]] == ["member-3/member", "member-4/member"]
    assert [teacher["tensors_sha256"] for teacher in provenance["teachers"]] == [
        teacher.sha256 for teacher in teachers
    ]
    assert provenance["data_set"]["counts"]["train"] == {
        "positive_bags": 180, "negative_bags": 360, "positive_instances": 1080, "negative_instances": 360,
        "studies_of_bags": 180,
    }  # fmt: skip
    assert provenance["distil"]["epochs"] == 1
    assert provenance["agreement"].keys() >= {"pearson", "mse", "same_top", "auroc"}
    # 60 positive bags of 6 instances for validation, and none for the test.
    (verdict,) = distilled.verdicts
    assert provenance["verdicts"] == [verdict.to_dict()]
    assert (verdict.network, verdict.split) == ("student", "validation")
    assert (verdict.measures.studies, verdict.pearson) == (60, distilled.agreement.pearson)
    on = dataclasses.replace(first, out=tmp_path / "on", start=load_weights(path)).run()
    start = load_weights(on.weights).provenance["start"]
    assert start["tensors_sha256"] == load_weights(path).sha256
    assert start["distil"] == provenance["distil"]


def test_without_validation_bags_the_last_epoch_is_kept(small: Planted, tmp_path: Path) -> None:
    train = small.dataset.part(Split.TRAIN)
    config = BagDistilConfig(epochs=2, windows_per_batch=32)
    student, found = distil_on_bags([random_network(MEMBER)], train, small.genome, STUDENT, config, tmp_path)
    assert all(math.isnan(value) for value in dataclasses.astuple(found))
    last = torch.load(tmp_path / CHECKPOINT, weights_only=True)["network"]
    assert all(torch.equal(tensor, last[name]) for name, tensor in student.state_dict().items())


def test_what_cannot_be_distilled(small: Planted, tmp_path: Path) -> None:
    config, teacher = BagDistilConfig(epochs=1), random_network(MEMBER)

    def distilled(teachers: list[MIFM], student: object = STUDENT, **changes: object) -> None:
        changed = dataclasses.replace(config, **changes)
        distil_on_bags(teachers, small.dataset, small.genome, student, changed, tmp_path)  # type: ignore[arg-type]

    with pytest.raises(DistilError, match="0 teachers"):
        distilled([])
    with pytest.raises(DistilError, match=r"student\.channels is 5; expected 4"):
        distilled([teacher], MEMBER)
    with pytest.raises(DistilError, match=r"windows have \[64\] bp and the student's 128"):
        distilled([teacher], dataclasses.replace(TINY, window=128))
    broken = random_network(MEMBER)
    torch.nn.init.constant_(broken.head.bias, math.nan)
    with pytest.raises(DistilError, match="the teachers' logits are not finite"):
        distilled([broken])
    assert not (tmp_path / CHECKPOINT).exists()
    distilled([teacher])
    with pytest.raises(DistilError, match=r"is of another distillation: distil\.seed was 1 and is 2"):
        distilled([teacher], seed=2)
    (tmp_path / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(DistilError, match=r"checkpoint\.pt .*delete it"):
        distilled([teacher])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected 1 or more"),
        ({"windows_per_batch": 1}, "windows_per_batch is 1; expected 2"),
        ({"learning_rate": math.nan}, "learning_rate is nan; expected a positive"),
        ({"gamma": 1.5}, r"gamma is 1.5; expected a number in \(0, 1\]"),
        ({"positive_weight": 0.0}, "positive_weight is 0.0; expected a positive"),
        ({"negatives_per_bag": -1}, "negatives_per_bag is -1; expected 0 or more"),
    ],
)
def test_impossible_settings(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BagDistilConfig(**values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"distil\.sequence is missing"):
        DistilConfig(source="sequence")
