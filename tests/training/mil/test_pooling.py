import itertools
import math
from collections.abc import Callable

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from training.mil import pooling
from training.mil.layout import BagLayout

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


@pytest.mark.parametrize(
    ("bag", "count", "message"),
    [
        ([0, 0, 2], 3, "do not rise from 0 without gaps"),
        ([1, 1, 2], 2, "do not rise from 0 without gaps"),
        ([0, 1, 0], 2, "do not rise from 0 without gaps"),
        ([0, 1, 1], 3, "the instances are of 2 bags; expected 3"),
    ],
)
def test_layouts_that_would_give_wrong_numbers_are_refused(bag: list[int], count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BagLayout(torch.tensor(bag), count)


def test_layouts_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"dtype torch.int32 and shape \(2,\); expected int64"):
        BagLayout(torch.tensor([0, 1], dtype=torch.int32), 2)


def test_additive_attention_sums_what_instances_contribute() -> None:
    logits = torch.tensor([2.0, -4.0, -1.0, -3.0])
    scores = torch.tensor([0.0, math.log(3.0), 5.0, 5.0])
    layout = BagLayout.of_sizes([2, 2])
    found = pooling.additive_attention(logits, scores, torch.tensor(0.5), layout)
    assert found.tolist() == pytest.approx([2 / 4 - 0.5 * 4 * 3 / 4, -0.5 * 2])
    linear = pooling.additive_attention(logits, scores, torch.tensor(1.0), layout)
    torch.testing.assert_close(linear, pooling.attention(logits, scores, layout))


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


@pytest.mark.parametrize("null", [True, False])
def test_the_gradient_of_a_single_effect_is_that_of_finite_differences(null: bool) -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
    log_bf = torch.tensor([1.0, 4.0, -1.0, 0.5], dtype=torch.float64)
    layout = BagLayout.of_sizes([3, 1])
    assert torch.autograd.gradcheck(lambda f: pooling.single_effect(f, log_bf, layout, null), logits)


def test_under_the_uniform_prior_the_posterior_of_one_effect_is_the_given_pip() -> None:
    pip = torch.tensor([0.7, 0.2, 0.1, 0.25, 0.75], dtype=torch.float64)
    layout = BagLayout.of_sizes([3, 2])
    log_bf = pooling.effect_probabilities(pip, layout)
    torch.testing.assert_close(pooling.posterior(torch.full_like(pip, -3), log_bf, layout), pip)
    doubled = pooling.posterior(torch.tensor([math.log(2), 0, 0, 0, 0]), log_bf, layout)
    expected = torch.tensor([1.4 / 1.7, 0.2 / 1.7, 0.1 / 1.7, 0.25, 0.75], dtype=torch.float64)
    torch.testing.assert_close(doubled, expected)


def test_pips_of_several_effects_are_shared_out() -> None:
    """Those of K exchangeable effects are found again, up to their sum; certain ones share equally."""
    alpha = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    pip = 1 - (1 - alpha) ** 2
    effects = pip.sum().item()
    given = torch.cat([pip, torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)])
    found = pooling.effect_probabilities(given, BagLayout.of_sizes([3, 3])).exp()
    assert found[:3].tolist() == pytest.approx([1 - (1 - p) ** (1 / effects) for p in pip.tolist()])
    shares = pooling.posterior(torch.zeros(6), found.log(), BagLayout.of_sizes([3, 3]))
    assert shares[3:].tolist() == pytest.approx([0.5, 0.5, 0.0], abs=1e-6)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, 70.0, math.nan])
def test_numbers_that_are_no_probabilities_give_none(wrong: float) -> None:
    layout = BagLayout.of_sizes([2, 1])
    found = pooling.effect_probabilities(torch.tensor([0.3, wrong, 0.4]), layout)
    assert found.isnan().tolist() == [True, True, False]


def test_both_steps_have_the_gradient_of_the_likelihood() -> None:
    generator = torch.Generator().manual_seed(8)
    logits = torch.randn(9, generator=generator, dtype=torch.float64).requires_grad_()
    log_bf = torch.randn(9, generator=generator, dtype=torch.float64)
    layout = BagLayout.of_sizes([4, 1, 4])
    odds = layout.log_sum_exp(logits + log_bf) - torch.log(1 + layout.sum(logits.exp()))
    (expected,) = torch.autograd.grad(odds.sum(), logits)
    weights = pooling.posterior(logits, log_bf, layout)
    (found,) = torch.autograd.grad(pooling.expected_log_prior(logits, weights, layout).sum(), logits)
    torch.testing.assert_close(found, expected)


def test_expectation_maximisation_never_lowers_the_likelihood() -> None:
    """Instances of four kinds share a logit. For them the maximisation is done to the end each time."""
    generator = torch.Generator().manual_seed(5)
    kinds = torch.randint(0, 4, (60,), generator=generator)
    log_bf = 2 * torch.randn(60, generator=generator, dtype=torch.float64)
    layout = BagLayout.of_sizes([12] * 5)

    def likelihood(logits: torch.Tensor) -> float:
        odds = [row.exp() for row in logits[kinds].view(5, 12)]
        bfs = [row.exp() for row in log_bf.view(5, 12)]
        return sum(
            math.log(float((o * bf).sum() / (1 + o.sum()))) for o, bf in zip(odds, bfs, strict=True)
        ) - math.log1p(float(logits.exp().sum()))  # a negative bag, one of each kind

    logits = torch.zeros(4, dtype=torch.float64)
    seen = []
    for _ in range(15):
        seen.append(likelihood(logits))
        weights = pooling.posterior(logits[kinds], log_bf, layout)
        logits = logits.clone().requires_grad_()
        optimiser = torch.optim.LBFGS([logits], max_iter=100, line_search_fn="strong_wolfe")

        def loss(logits: torch.Tensor = logits, weights: torch.Tensor = weights) -> torch.Tensor:
            logits.grad = None
            found = -pooling.expected_log_prior(logits[kinds], weights, layout).sum()
            found = found + torch.log1p(logits.exp().sum())
            found.backward()
            return found

        optimiser.step(loss)
        logits = logits.detach()
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(seen))
    assert seen[-1] > seen[0] + 1
