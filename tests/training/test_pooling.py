import itertools
import math
from collections.abc import Callable

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from training import pooling
from training.pooling import BagLayout

Pool = Callable[[torch.Tensor, BagLayout], torch.Tensor]

POOLINGS: dict[str, Pool] = {
    "max": pooling.max_pooling,
    "log_sum_exp": lambda f, bags: pooling.log_sum_exp(f, bags, 4.0),
    "generalised_mean": lambda f, bags: pooling.generalised_mean(f, bags, 3.0),
    "generalised_mean below 1": lambda f, bags: pooling.generalised_mean(f, bags, 0.5),
    "isr": pooling.isr,
    "noisy_or": pooling.noisy_or,
    "top_k_mean": lambda f, bags: pooling.top_k_mean(f, bags, 2),
    "attention": lambda f, bags: pooling.attention(f, torch.sin(3 * f), bags),
}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def logit(p: float) -> float:
    return math.log(p / (1 - p))


# The definitions, one bag at a time and without care for digits.
SLOW: dict[str, Callable[[list[float]], float]] = {
    "max": max,
    "log_sum_exp": lambda f: math.log(sum(math.exp(4 * x) for x in f) / len(f)) / 4,
    "generalised_mean": lambda f: logit((sum(sigmoid(x) ** 3 for x in f) / len(f)) ** (1 / 3)),
    "generalised_mean below 1": lambda f: logit((sum(sigmoid(x) ** 0.5 for x in f) / len(f)) ** 2),
    "isr": lambda f: logit((s := sum(sigmoid(x) / (1 - sigmoid(x)) for x in f)) / (1 + s)),
    "noisy_or": lambda f: math.log(math.prod(1 + math.exp(x) for x in f) - 1),
    "top_k_mean": lambda f: float(np.mean(sorted(f)[-2:])),
    "attention": lambda f: float(np.average(f, weights=[math.exp(math.sin(3 * x)) for x in f])),
}

bags_of_logits = st.lists(
    st.lists(st.floats(-8, 8, allow_nan=False), min_size=1, max_size=12), min_size=1, max_size=8
)


def tensors(bags: list[list[float]]) -> tuple[torch.Tensor, BagLayout]:
    flat = torch.tensor([value for bag in bags for value in bag], dtype=torch.float64)
    return flat, BagLayout.of_sizes([len(bag) for bag in bags])


@pytest.mark.parametrize("name", POOLINGS)
@hypothesis.given(bags=bags_of_logits)
@hypothesis.settings(max_examples=60, deadline=None)
def test_each_bag_has_the_value_of_the_definition(name: str, bags: list[list[float]]) -> None:
    found = POOLINGS[name](*tensors(bags))
    assert found.tolist() == pytest.approx([SLOW[name](bag) for bag in bags], rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("name", POOLINGS)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    bags = BagLayout.of_sizes([3, 1, 6, 2])
    generator = torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(12, generator=generator, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: POOLINGS[name](f, bags), logits)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [-1e4, -200.0, -50.0, -15.0, 0.0, 7.0, 15.0, 50.0, 200.0, 1e4])
def test_a_bag_of_one_is_its_instance_however_extreme(name: str, dtype: torch.dtype, value: float) -> None:
    logits = torch.tensor([value], dtype=dtype, requires_grad=True)
    found = POOLINGS[name](logits, BagLayout.of_sizes([1]))
    found.sum().backward()
    assert found.item() == pytest.approx(value, rel=1e-5, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("name", POOLINGS)
def test_extreme_bags_have_finite_values_and_gradients(name: str) -> None:
    logits = torch.tensor([-1e4, 1e4, 0.0, 88.0, 90.0, -104.0, -1e4, -1e4, 3e3, 3e3], requires_grad=True)
    found = POOLINGS[name](logits, BagLayout.of_sizes([3, 3, 2, 2]))
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_the_order_within_bags_and_other_bags_do_not_matter(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    sizes = [4, 1, 7, 2]
    bags = [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
    together = POOLINGS[name](torch.cat(bags), BagLayout.of_sizes(sizes))
    shuffled = [bag[torch.randperm(len(bag), generator=generator)] for bag in bags]
    torch.testing.assert_close(POOLINGS[name](torch.cat(shuffled), BagLayout.of_sizes(sizes)), together)
    alone = [POOLINGS[name](bag, BagLayout.of_sizes([len(bag)])) for bag in bags]
    torch.testing.assert_close(torch.cat(alone), together)


def test_max_pooling_gives_its_gradient_to_one_of_equal_instances() -> None:
    logits = torch.tensor([2.0, 5.0, 5.0], requires_grad=True)
    pooling.max_pooling(logits, BagLayout.of_sizes([3])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [0, 1, 0]


def test_empty_bags_are_refused() -> None:
    with pytest.raises(ValueError, match="bag 1 has 0 instances; expected one or more"):
        BagLayout.of_sizes([2, 0, 1])


def test_additive_attention_sums_what_instances_contribute() -> None:
    generator = torch.Generator().manual_seed(4)
    features = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    logits, scores = features.sum(1), features[:, 0]
    rest = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Tanh()).double()
    found = pooling.additive_attention(logits, features, scores, BagLayout.of_sizes([2, 3]), rest)
    for bag, rows in enumerate((slice(0, 2), slice(2, 5))):
        weights = torch.softmax(scores[rows], 0)
        parts = [a * f + rest(a * h) for a, f, h in zip(weights, logits[rows], features[rows], strict=True)]
        assert found[bag].item() == pytest.approx(sum(parts).item())


def pips(logits: list[float], log_bf: list[float], null: bool) -> tuple[list[float], list[float]]:
    """Posterior and prior probabilities that each instance is the causal one, by Bayes' rule."""
    prior = [math.exp(f) for f in logits]
    total = sum(prior) + null
    joint = [p * math.exp(bf) for p, bf in zip(prior, log_bf, strict=True)]
    return [j / (sum(joint) + null) for j in joint], [p / total for p in prior]


@pytest.mark.parametrize("null", [True, False])
def test_the_gradient_of_a_single_effect_is_posterior_less_prior(null: bool) -> None:
    bags, bfs = [[0.3, -1.0, 2.0], [0.5], [-3.0, -2.0]], [[1.0, 4.0, -1.0], [0.5], [0.0, 9.0]]
    logits, layout = tensors(bags)
    logits.requires_grad_()
    found = pooling.single_effect(logits, tensors(bfs)[0], layout, null)
    found.sum().backward()
    for number, (bag, bf) in enumerate(zip(bags, bfs, strict=True)):
        posterior, prior = pips(bag, bf, null)
        marginal = sum(p * math.exp(b) for p, b in zip(prior, bf, strict=True)) + null * (1 - sum(prior))
        assert found[number].item() == pytest.approx(math.log(marginal))
        assert logits.grad is not None
        expected = [after - before for after, before in zip(posterior, prior, strict=True)]
        assert logits.grad[layout.bag == number].tolist() == pytest.approx(expected, abs=1e-12)


def test_a_single_effect_survives_huge_and_vanishing_bayes_factors() -> None:
    logits = torch.zeros(4, requires_grad=True)
    log_bf = torch.tensor([5000.0, 4990.0, -torch.inf, -torch.inf])
    found = pooling.single_effect(logits, log_bf, BagLayout.of_sizes([2, 2]))
    found.sum().backward()
    # log(exp(5000) (1 + exp(-10)) / 3), and log(1 / 3), the logarithm of 1 minus the prior of any effect.
    expected = [5000 + math.log1p(math.exp(-10)) - math.log(3), -math.log(3)]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)
    assert logits.grad is not None
    assert logits.grad[2:].tolist() == pytest.approx([-1 / 3, -1 / 3])


def test_under_the_uniform_prior_the_posterior_is_the_given_pip() -> None:
    pip = torch.tensor([0.7, 0.2, 0.1, 0.9, 0.8, 0.3, 0.0], dtype=torch.float64)
    layout = BagLayout.of_sizes([3, 4])
    # One causal instance of 3 is expected in the first bag, 2 of 4 in the second.
    uniform = torch.tensor([1 / 3] * 3 + [0.5] * 4, dtype=torch.float64).logit()
    found = pooling.posterior(uniform, pip, layout)
    torch.testing.assert_close(found, pip, atol=2e-6, rtol=0)
    assert (pooling.posterior(uniform + 1, pip, layout)[:6] > found[:6]).all()


def test_expectation_maximisation_never_lowers_the_likelihood() -> None:
    """With a full maximisation: a prior becomes the mean posterior of the instances that share it."""
    generator = torch.Generator().manual_seed(5)
    kinds = torch.randint(0, 4, (60,), generator=generator)
    pip = torch.rand(60, generator=generator, dtype=torch.float64) / 12
    layout = BagLayout.of_sizes([12] * 5)
    odds = torch.logit(pip) - torch.logit(torch.tensor(1 / 12, dtype=torch.float64))
    logits = torch.zeros(4, dtype=torch.float64)
    seen = []
    for _ in range(20):
        prior = torch.sigmoid(logits)[kinds]
        seen.append(torch.log(prior * odds.exp() + 1 - prior).sum().item())
        target = pooling.posterior(logits[kinds], pip, layout)
        logits = torch.stack([target[kinds == kind].mean() for kind in range(4)]).logit()
    assert all(after >= before - 1e-12 for before, after in itertools.pairwise(seen))
    assert seen[-1] > seen[0] + 1
