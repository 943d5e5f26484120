import math
from typing import Literal

import numpy as np
import pytest
import torch

from training.mil.layout import BagLayout
from training.mil.objective import Instances, Objective, ObjectiveConfig, PoolingName, initial_bias

LABELS = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
LAYOUT = BagLayout.of_sizes([3, 1, 1, 1])
NAMES: tuple[PoolingName, ...] = PoolingName.__args__  # type: ignore[attr-defined]


def instances(logits: list[float]) -> Instances:
    values = torch.tensor(logits, dtype=torch.float64)
    unknown = torch.full((3,), torch.nan, dtype=torch.float64)
    return Instances(
        values,
        torch.stack([values, values**2, torch.ones_like(values)], dim=1),
        torch.cat([torch.tensor([2.0, 5.0, 0.5], dtype=torch.float64), unknown]),
        torch.cat([torch.tensor([0.1, 0.7, 0.2], dtype=torch.float64), unknown]),
    )


def entropy(logit: float, label: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -label * math.log(p) - (1 - label) * math.log(1 - p)


@pytest.mark.parametrize("name", NAMES)
def test_a_negative_bag_is_a_negative_in_every_loss(name: PoolingName) -> None:
    torch.manual_seed(0)
    objective = Objective(ObjectiveConfig(name), feature_size=3).double()
    losses = objective.bag_losses(instances([0.1, 1.0, -1.0, -0.5, 0.0, 2.0]), LAYOUT, LABELS)
    assert losses[1:].tolist() == pytest.approx([entropy(f, 0) for f in (-0.5, 0.0, 2.0)])


def test_both_classes_weigh_the_same_unless_told() -> None:
    given = instances([0.1, 1.0, -1.0, -0.5, 0.0, 2.0])
    positive, negative = entropy(1.0, 1), [entropy(f, 0) for f in (-0.5, 0.0, 2.0)]
    balanced = Objective(ObjectiveConfig("max"))(given, LAYOUT, LABELS)
    assert balanced.item() == pytest.approx(positive / 2 + sum(negative) / 6)
    plain = Objective(ObjectiveConfig("max", class_weight="none"))(given, LAYOUT, LABELS)
    assert plain.item() == pytest.approx((positive + sum(negative)) / 4)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_batches_of_one_class_have_its_mean(label: float) -> None:
    labels = torch.full((4,), label, dtype=torch.float64)
    found = Objective(ObjectiveConfig("isr"))(instances([0.0] * 6), LAYOUT, labels)
    expected = (entropy(math.log(3), label) + 3 * entropy(0.0, label)) / 4
    assert found.item() == pytest.approx(expected)


def test_a_positive_bag_is_drawn_from_its_prior_to_its_posterior() -> None:
    logits = torch.tensor([0.1, 1.0, -1.0, -0.5, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    given = Instances(logits, pip=instances([0.0] * 6).pip)
    Objective(ObjectiveConfig("susie_em")).bag_losses(given, LAYOUT, LABELS).sum().backward()
    odds = [math.exp(f) for f in (0.1, 1.0, -1.0)]
    joint = [o * p for o, p in zip(odds, (0.1, 0.7, 0.2), strict=True)]
    expected = [o / (1 + sum(odds)) - j / sum(joint) for o, j in zip(odds, joint, strict=True)]
    assert logits.grad is not None
    assert logits.grad[:3].tolist() == pytest.approx(expected)
    assert logits.grad[3:].tolist() == pytest.approx(torch.sigmoid(logits[3:].detach()).tolist())


def test_certain_positives_are_the_limit_of_strong_evidence() -> None:
    """With Bayes factors times exp(50) the null is out of the question; the factor itself is subtracted."""
    given = instances([0.1, 1.0, -1.0, -0.5, 0.0, 2.0])
    assert given.log_bf is not None
    strong = Instances(given.logits, log_bf=given.log_bf + 50)
    with_null = Objective(ObjectiveConfig("single_effect")).bag_losses(strong, LAYOUT, LABELS)
    without = Objective(ObjectiveConfig("single_effect", null=False)).bag_losses(given, LAYOUT, LABELS)
    assert with_null[0].item() + 50 == pytest.approx(without[0].item())
    assert with_null[1:].tolist() == pytest.approx(without[1:].tolist())


@pytest.mark.parametrize("null", [True, False])
def test_a_single_effect_has_a_best_scale(null: bool) -> None:
    """A number added to all logits costs in either direction, so they do not drift off."""
    objective, given = Objective(ObjectiveConfig("single_effect", null=null)), instances([0.0] * 6)
    losses = [
        objective(Instances(given.logits + shift, log_bf=given.log_bf), LAYOUT, LABELS).item()
        for shift in (-20.0, 0.0, 20.0)
    ]
    assert losses[0] > losses[1] < losses[2]


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_have_finite_losses_and_gradients(name: PoolingName) -> None:
    torch.manual_seed(0)
    objective = Objective(ObjectiveConfig(name), feature_size=2)
    logits = torch.tensor([1e4, -1e4, 0.0, 1e4, -1e4, 50.0], requires_grad=True)
    positive = torch.tensor([-30.0, 5000.0, 0.0]), torch.tensor([0.0, 1.0, 1.0])
    unknown = torch.full((3,), torch.nan)
    log_bf, pip = (torch.cat([values, unknown]) for values in positive)
    loss = objective(Instances(logits, torch.ones(6, 2), log_bf, pip), LAYOUT, LABELS.float())
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(("name", "column"), [("single_effect", "log_bf"), ("susie_em", "pip")])
def test_no_number_is_made_up_for_those_that_are_missing(name: PoolingName, column: str) -> None:
    objective = Objective(ObjectiveConfig(name))
    assert objective.needs == (column,)
    values = torch.full((6,), 0.5, dtype=torch.float64)
    values[1] = torch.nan
    given = Instances(torch.zeros(6, dtype=torch.float64), log_bf=values, pip=values)
    assert objective(given, LAYOUT, LABELS).isnan()
    with pytest.raises(ValueError, match=f"needs {column} of the instances"):
        objective(Instances(torch.zeros(6, dtype=torch.float64)), LAYOUT, LABELS)


@pytest.mark.parametrize("size", [1, 30, 127])
@pytest.mark.parametrize("name", ["noisy_or", "isr", "single_effect", "max", "log_sum_exp"])
def test_bags_of_mean_size_start_undecided(name: PoolingName, size: int) -> None:
    logits = torch.full((size,), initial_bias(name, size), dtype=torch.float64)
    found = Objective(ObjectiveConfig(name)).bag_logits(Instances(logits), BagLayout.of_sizes([size]))
    assert found.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sharpness": 0.0}, "sharpness is 0.0; expected a positive number"),
        ({"top_k": 0}, "top_k is 0; expected 1 or more"),
        ({"hidden": 0}, "hidden is 0; expected 1 or more"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObjectiveConfig(**values)  # type: ignore[arg-type]


def learnt(
    name: PoolingName, evidence: Literal["informative", "flat", "shuffled"], null: bool, seed: int = 7
) -> float:
    """How often the planted instance comes first in new bags, after training a linear network.

    Positive bags hold 8 instances, negative ones 1. Flat evidence is that of instances in perfect LD.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(count: int, effect: float) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.randn(count * 8, 6, generator=generator)
        causal = torch.arange(count) * 8 + torch.randint(0, 8, (count,), generator=generator)
        features[causal, 0] += effect
        return features, causal

    planted = 0.0 if evidence == "shuffled" else 4.0
    features, causal = draw(200, planted)
    log_bf = torch.full((1600,), 8.0)
    if evidence != "flat":
        log_bf = torch.randn(1600, generator=generator)
        log_bf[causal] += 2
    pip = torch.softmax(log_bf.view(200, 8), 1).flatten()
    unknown = torch.full((1600,), torch.nan)
    features = torch.cat([features, torch.randn(1600, 6, generator=generator)])
    if evidence == "shuffled":
        features[torch.randint(0, 3200, (400,), generator=generator), 0] += 4.0
    log_bf, pip = torch.cat([log_bf, unknown]), torch.cat([pip, unknown])
    layout = BagLayout.of_sizes([8] * 200 + [1] * 1600)
    labels = torch.cat([torch.ones(200), torch.zeros(1600)])

    torch.manual_seed(0)
    linear = torch.nn.Linear(6, 1)
    torch.nn.init.zeros_(linear.weight)
    torch.nn.init.constant_(linear.bias, initial_bias(name, 8))
    objective = Objective(ObjectiveConfig(name, null=null), feature_size=6)
    optimiser = torch.optim.Adam([*linear.parameters(), *objective.parameters()], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        given = Instances(linear(features).squeeze(1), features, log_bf, pip)
        objective(given, layout, labels).backward()
        optimiser.step()
    features, _ = draw(400, 4.0)
    with torch.no_grad():
        first = linear(features).view(400, 8).argmax(1)
    return (first == features[:, 0].view(400, 8).argmax(1)).float().mean().item()


LEARNERS: tuple[tuple[PoolingName, bool], ...] = (
    ("noisy_or", True), ("isr", True), ("single_effect", True), ("single_effect", False),
    ("susie_em", True), ("gated_attention", True), ("additive_attention", True),
)  # fmt: skip


@pytest.mark.parametrize(("name", "null"), LEARNERS)
@pytest.mark.parametrize("evidence", ["informative", "flat"])
def test_the_planted_instance_is_learnt(
    name: PoolingName, null: bool, evidence: Literal["informative", "flat"]
) -> None:
    assert learnt(name, evidence, null) > 0.9


@pytest.mark.parametrize(("name", "null"), LEARNERS)
def test_nothing_is_learnt_where_labels_say_nothing(name: PoolingName, null: bool) -> None:
    """The feature is as frequent in the instances of negative bags as in those of positive ones.

    One draw says little: its sign, and the last digits of a processor, decide between 0 and 0.5.
    """
    assert np.mean([learnt(name, "shuffled", null, seed) for seed in range(8)]) < 0.5
