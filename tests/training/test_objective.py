import math

import pytest
import torch

from training.objective import Instances, Objective, ObjectiveConfig, PoolingName, initial_bias
from training.pooling import BagLayout

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


def test_the_posterior_is_constant_for_the_gradient() -> None:
    logits = torch.tensor([0.1, 1.0, -1.0, -0.5, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    given = Instances(logits, pip=instances([0.0] * 6).pip)
    objective = Objective(ObjectiveConfig("susie_em"))
    objective.bag_losses(given, LAYOUT, LABELS).sum().backward()
    # Binary cross-entropy with constant targets q has the gradient p - q.
    pip, prior = [0.1, 0.7, 0.2], 1 / 3
    odds = [
        math.exp(f) * p / (1 - p) / (prior / (1 - prior)) for f, p in zip([0.1, 1.0, -1.0], pip, strict=True)
    ]
    targets = [o / (1 + o) for o in odds] + [0.0] * 3
    expected = (torch.sigmoid(logits.detach()) - torch.tensor(targets, dtype=torch.float64)).tolist()
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("name", "column"), [("single_effect", "log_bf"), ("susie_em", "pip")])
def test_no_number_is_made_up_for_those_that_are_missing(name: PoolingName, column: str) -> None:
    objective = Objective(ObjectiveConfig(name))
    assert objective.needs == (column,)
    values = torch.full((6,), 0.5, dtype=torch.float64)
    values[1] = torch.nan
    given = Instances(torch.zeros(6, dtype=torch.float64), log_bf=values, pip=values)
    assert objective(given, LAYOUT, LABELS).isnan()
    with pytest.raises(ValueError, match=f"needs {column} of the instances, which was not given"):
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


def learnt(name: PoolingName, shuffled: bool) -> float:
    """How often the planted instance comes first in new bags, after training a linear network."""
    generator = torch.Generator().manual_seed(7)

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        features = torch.randn(count * 8, 6, generator=generator)
        labels = (torch.arange(count) % 2 == 0).float()
        causal = torch.arange(count) * 8 + torch.randint(0, 8, (count,), generator=generator)
        features[causal, 0] += 4 * labels
        evidence = torch.randn(count * 8, generator=generator)
        evidence[causal] += 2
        return features, labels, evidence

    features, labels, evidence = draw(400)
    if shuffled:
        labels = labels[torch.randperm(400, generator=generator)]
        evidence = evidence[torch.randperm(3200, generator=generator)]
    linear = torch.nn.Linear(6, 1)
    torch.nn.init.zeros_(linear.weight)
    torch.nn.init.constant_(linear.bias, initial_bias(name, 8))
    layout, objective = BagLayout.of_sizes([8] * 400), Objective(ObjectiveConfig(name))
    optimiser = torch.optim.Adam(linear.parameters(), lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        objective(Instances(linear(features).squeeze(1), log_bf=evidence), layout, labels).backward()
        optimiser.step()
    features, labels, _ = draw(400)
    with torch.no_grad():
        first = linear(features).view(400, 8).argmax(1)
    planted = features[:, 0].view(400, 8).argmax(1)
    return (first == planted)[labels == 1].float().mean().item()


@pytest.mark.parametrize("name", ["noisy_or", "isr", "single_effect"])
def test_the_planted_instance_is_learnt_and_not_from_shuffled_labels(name: PoolingName) -> None:
    assert learnt(name, shuffled=False) > 0.9
    assert learnt(name, shuffled=True) < 0.5
