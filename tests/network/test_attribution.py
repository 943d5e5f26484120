"""DeepLIFT of the network: against tangermeme called plainly, and by what contributions must add up to."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from mifm_kipoi.network.attribution import DeepLift, observed, without_warnings
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.untrained import untrained
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support.threads import ordered_map
from tests.builders import TINY, random_network

deep_lift_shap = pytest.importorskip("tangermeme.deep_lift_shap").deep_lift_shap
dinucleotide_shuffle = pytest.importorskip("tangermeme.ersatz").dinucleotide_shuffle


def random_codes(count: int, length: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 4, (count, length)).astype(np.uint8)


def sensitive(config: MIFMConfig = TINY) -> MIFM:
    """A random network whose logits vary by about 1."""
    model = random_network(config)
    with torch.no_grad():
        model.head.weight *= 300
    return model


class Plain(nn.Module):
    """The network as tangermeme takes it."""

    def __init__(self, model: MIFM) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)[:, None]


def test_equal_to_tangermeme() -> None:
    model = sensitive()
    codes = random_codes(11, TINY.window)
    got = DeepLift(model, references=5, seed=3)(codes)
    expected = deep_lift_shap(
        Plain(model), torch.from_numpy(encoding.one_hot(codes)).contiguous(), n_shuffles=5,
        hypothetical=True, random_state=3, device="cpu",
    )  # fmt: skip
    np.testing.assert_allclose(got.hypothetical, expected.numpy(), atol=1e-6)


def test_contributions_add_up_to_the_difference_from_the_shuffles() -> None:
    model = sensitive()
    codes = random_codes(9, TINY.window)
    got = DeepLift(model, references=4, seed=2)(codes)
    one_hot = torch.from_numpy(encoding.one_hot(codes)).contiguous()
    references = torch.stack(
        [dinucleotide_shuffle(one_hot, n=1, random_state=[2 + k] * 9)[:, 0] for k in range(4)]
    )
    with torch.no_grad():
        logits = model(one_hot).numpy()
        of_references = torch.stack([model(each) for each in references]).mean(dim=0).numpy()
    np.testing.assert_allclose(got.logit, logits, atol=1e-5)
    np.testing.assert_allclose(got.reference_logit, of_references, atol=1e-5)
    total = observed(got.hypothetical, codes).sum(axis=1)
    np.testing.assert_allclose(total, logits - of_references, atol=1e-5)
    assert (got.delta < 1e-5).all()
    assert np.abs(total).max() > 0.3


def test_a_window_has_the_same_contributions_in_any_company_and_thread() -> None:
    deep_lift = DeepLift(sensitive(), references=3)
    codes = random_codes(60, TINY.window)
    together = deep_lift(codes).hypothetical
    np.testing.assert_allclose(deep_lift(codes[57:58]).hypothetical, together[57:58], atol=1e-6)
    parts = [codes[start : start + 10] for start in range(0, 60, 10)]
    alone = [deep_lift(part).hypothetical for part in parts]
    side_by_side = [each.hypothetical for each in ordered_map(deep_lift, parts, 3)]
    for one, other in zip(alone, side_by_side, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bases_that_the_network_does_not_read_contribute_nothing() -> None:
    got = DeepLift(load_weights().model(), references=2)(random_codes(2, 512))
    assert (got.hypothetical[:, :, 483:] == 0).all()
    assert (np.abs(got.hypothetical[:, :, 482]).max(axis=1) > 0).all()


def test_the_variant_token_hides_the_base_at_the_centre() -> None:
    config = dataclasses.replace(TINY, channels=5)
    deep_lift = DeepLift(sensitive(config), references=2)
    codes = random_codes(3, config.window)
    got = deep_lift(codes)
    assert (got.hypothetical[:, :, config.variant_index] == 0).all()
    tokenised = encoding.with_variant_token(encoding.one_hot(codes), config.variant_index)
    with torch.no_grad():
        np.testing.assert_allclose(
            got.logit, sensitive(config)(torch.from_numpy(tokenised)).numpy(), atol=1e-5
        )
    assert (got.delta < 1e-5).all()


def test_windows_with_n_are_refused() -> None:
    codes = random_codes(2, TINY.window)
    codes[1, 5] = encoding.NO_BASE
    with pytest.raises(ValueError, match="N"):
        DeepLift(sensitive())(codes)


def test_no_windows() -> None:
    assert DeepLift(sensitive())(random_codes(0, TINY.window)).hypothetical.shape == (0, 4, 64)


def test_a_window_that_shuffles_leave_as_it_is_contributes_nothing() -> None:
    codes = np.zeros((1, TINY.window), np.uint8)
    with without_warnings():
        got = DeepLift(sensitive(), references=2)(codes)
    np.testing.assert_allclose(got.reference_logit, got.logit, atol=1e-6)
    assert observed(got.hypothetical, codes).sum() == pytest.approx(0, abs=1e-6)


def test_observed_takes_the_base_that_is_there() -> None:
    hypothetical = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    assert observed(hypothetical, np.array([[2, 4]], np.uint8)).tolist() == [[4.0, 0.0]]


def test_untrained_networks_depend_on_seed_and_windows_alone() -> None:
    codes = random_codes(50, TINY.window)
    one, same, other = (untrained(TINY, seed, codes).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])
    # The statistics of batch normalisation are those of the windows.
    first = untrained(TINY, 1, codes)
    with torch.no_grad():
        stem = first.stem[0](torch.from_numpy(encoding.one_hot(codes)))
    np.testing.assert_allclose(one["stem.1.branch.0.running_mean"], stem.mean(dim=(0, 2)), atol=1e-5)
    assert untrained(dataclasses.replace(TINY, channels=5), 1, codes).config.channels == 5


def test_against_the_shuffles_of_other_windows() -> None:
    model = sensitive()
    codes = random_codes(5, TINY.window)
    others = codes.copy()
    others[:, 31] = (others[:, 31] + 1) % 4
    deep_lift = DeepLift(model, references=4, seed=5)
    own, same, shared = deep_lift(codes), deep_lift(codes, codes.copy()), deep_lift(others, codes)
    np.testing.assert_allclose(same.hypothetical, own.hypothetical, atol=1e-7)
    np.testing.assert_allclose(shared.reference_logit, own.reference_logit, atol=1e-6)
    assert np.abs(deep_lift(others).reference_logit - own.reference_logit).max() > 1e-4
    total = observed(shared.hypothetical, others).sum(axis=1)
    np.testing.assert_allclose(total, shared.logit - own.reference_logit, atol=1e-5)
