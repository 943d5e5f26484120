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
    assert objective.config.needs == (column,)
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


def of_studies() -> tuple[torch.Tensor, torch.Tensor, BagLayout, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two positive bags of four windows, of three studies and of one, and a negative bag of one window.

    Returns
    -------
    window, log_bf : of each entry
    layout : the group of each entry
    labels, weights, fractions : of each group
    """
    window = torch.tensor([0, 1, 2, 3, 1, 2, 0, 4, 5, 6, 7, 8])
    log_bf = torch.tensor([3.0, 0.5, -1, 0, 6, 2, 1, 0, 4, 1, 2, torch.nan], dtype=torch.float64)
    layout = BagLayout.of_sizes([4, 2, 1, 4, 1])
    labels = torch.tensor([1.0, 1, 1, 1, 0], dtype=torch.float64)
    weights = torch.tensor([0.4, 0.7, 0.3, 0.9, 1], dtype=torch.float64)
    fractions = torch.tensor([1 / 3, 1 / 3, 1 / 3, 1, 1], dtype=torch.float64)
    return window, log_bf, layout, labels, weights, fractions


@pytest.mark.parametrize("temper", [1.0, 0.5])
def test_the_gradient_of_studies_is_the_weighted_sum_of_prior_less_posterior(temper: float) -> None:
    """Minus sum_s w_s (PIP_sj - pi_sj) of the studies s that have window j, pi and PIP with the null."""
    window, log_bf, layout, labels, weights, fractions = of_studies()
    logits = torch.randn(
        9, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True
    )
    objective = Objective(ObjectiveConfig("single_effect", class_weight="none", temper=temper))
    given = Instances(logits[window], log_bf=log_bf)
    (3 * objective(given, layout, labels, weights, fractions)).backward()  # a mean over three bags
    expected = [0.0] * 9
    f = logits.tolist()
    for group in range(5):
        entries = np.flatnonzero(layout.bag.numpy() == group).tolist()
        windows = [int(window[entry]) for entry in entries]
        factor = [math.exp(temper * log_bf[entry].item()) if labels[group] else 0.0 for entry in entries]
        prior = [math.exp(f[j]) / (1 + sum(math.exp(f[k]) for k in windows)) for j in windows]
        joint = [math.exp(f[j]) * bf for j, bf in zip(windows, factor, strict=True)]
        for j, pi, product in zip(windows, prior, joint, strict=True):
            expected[j] += weights[group].item() * (pi - product / (1 + sum(joint)))
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_shared_windows_have_the_gradients_of_studies_one_by_one(name: PoolingName) -> None:
    """Against a forward pass of its own for each study, through a linear network."""
    window, log_bf, layout, labels, weights, fractions = of_studies()
    torch.manual_seed(3)
    inputs = torch.randn(9, 3, dtype=torch.float64)
    linear = torch.nn.Linear(3, 1).double()
    objective = Objective(ObjectiveConfig(name, temper=0.5), feature_size=3).double()
    pip = torch.softmax(torch.nan_to_num(log_bf), 0)
    given = Instances(linear(inputs).squeeze(1)[window], inputs[window], log_bf, pip)
    shared = objective(given, layout, labels, weights, fractions)
    parameters = [*linear.parameters()]
    found = torch.autograd.grad(shared, parameters)
    total = torch.zeros((), dtype=torch.float64)
    for group in range(5):
        own = layout.bag == group
        rows = window[own]
        alone = Instances(linear(inputs[rows]).squeeze(1), inputs[rows], log_bf[own], pip[own])
        one = BagLayout.of_sizes([len(rows)])
        loss = objective.bag_losses(alone, one, labels[group : group + 1]).sum()
        # Two positive bags and one negative one, the classes alike.
        total = total + weights[group] * loss / (4 if labels[group] else 2)
    assert shared.item() == pytest.approx(total.item(), rel=1e-12)
    for one, other in zip(found, torch.autograd.grad(total, parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_bags_in_one_part_of_weight_one_are_bags() -> None:
    objective = Objective(ObjectiveConfig("max"))
    ones = torch.ones(4)
    labels = LABELS.float()
    assert torch.equal(objective.weights(labels), objective.weights(labels, ones, ones))
    plain = Objective(ObjectiveConfig("max", class_weight="none"))
    assert torch.equal(plain.weights(labels), plain.weights(labels, ones, ones))


@pytest.mark.parametrize("name", ["single_effect", "susie_em"])
def test_evidence_is_tempered_in_training_alone(name: PoolingName) -> None:
    given = instances([0.1, 1.0, -1.0, -0.5, 0.0, 2.0])
    full, half = (Objective(ObjectiveConfig(name, temper=temper)) for temper in (1.0, 0.5))
    trained, plain = half(given, LAYOUT, LABELS).item(), full(given, LAYOUT, LABELS).item()
    assert trained != pytest.approx(plain, abs=1e-3)
    assert half.eval()(given, LAYOUT, LABELS).item() == plain
    if name == "single_effect":
        rooted = Instances(given.logits, log_bf=0.5 * given.log_bf)
        assert trained == pytest.approx(full(rooted, LAYOUT, LABELS).item())


@pytest.mark.parametrize("temper", [0.0, 1.5, math.nan])
def test_impossible_exponents(temper: float) -> None:
    with pytest.raises(ValueError, match=f"temper is {temper}; expected a number above 0 and at most 1"):
        ObjectiveConfig(temper=temper)
