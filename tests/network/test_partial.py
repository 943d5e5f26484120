"""Leaving out and recomputing changes no logit: the network itself is the reference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.partial import PartialNetwork
from tests.builders import TINY, random_network

CONFIGS = [
    MIFMConfig(),
    MIFMConfig(channels=5),
    TINY,
    MIFMConfig(window=64, tower_channels=(), dilations=(1, 2, 4), stem_kernel=1),
    MIFMConfig(window=128, tower_channels=(5, 7, 3), dilations=(), tower_kernel=9),
    MIFMConfig(window=64, tower_channels=(6,), dilations=(3, 9), dilated_kernel=5, stem_kernel=31),
    MIFMConfig(window=32, tower_channels=(6, 4, 4, 4), dilations=(2, 3)),
]
TOLERANCE = 2e-5
"""Of logits: the rounding of float32 in sums of some thousand terms, in another order."""


def network_of(config: MIFMConfig, seed: int = 0) -> MIFM:
    """Random in all that inference reads, with scales of either sign and logits that differ."""
    network = random_network(config, seed)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv1d):
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.weight, 0.5, 0.8)
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
    return network


def random_windows(config: MIFMConfig, count: int, seed: int = 0) -> torch.Tensor:
    """Shape (count, window, channels), some positions without a base."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, config.channels + 1, (count, config.window), generator=generator)
    return torch.eye(config.channels + 1, config.channels)[codes]


def expected_logits(network: MIFM, windows: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(windows.transpose(1, 2))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_logits_are_those_of_the_network(config: MIFMConfig) -> None:
    network, windows = network_of(config), random_windows(config, 20)
    partial = PartialNetwork(network)
    found = partial.read_out(partial.levels(windows)[-1])
    expected = expected_logits(network, windows)
    assert expected.std() > 0.1, "the rows are too alike to tell them apart"
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_base_outside_the_receptive_field_does_not_matter_and_one_at_its_ends_does(
    config: MIFMConfig,
) -> None:
    network, windows = network_of(config).double(), random_windows(config, 20).double()
    start, end = PartialNetwork(network).receptive_field
    expected = expected_logits(network, windows)
    changed = windows.clone()
    changed[:, :start] = 0.25
    changed[:, end:] = 0.25
    torch.testing.assert_close(expected_logits(network, changed), expected, atol=1e-12, rtol=0)
    for index in (start, end - 1):
        changed = windows.clone()
        changed[:, index] = 1.0
        assert (expected_logits(network, changed) != expected).any(), index


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_an_substitution_at_every_position(config: MIFMConfig) -> None:
    """In double precision, where a change that is missed cannot hide in the rounding."""
    network, windows = network_of(config).double(), random_windows(config, 2).double()
    partial = PartialNetwork(network)
    levels = partial.levels(windows)
    bases = torch.roll(torch.eye(config.channels, dtype=torch.float64)[:2], 1, dims=0)
    for index in range(config.window):
        changed = windows.clone()
        changed[:, index] = bases
        found = partial.read_out(partial.substitute(levels, index, bases))
        torch.testing.assert_close(found, expected_logits(network, changed), atol=1e-10, rtol=0)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_substitutions_at_all_positions_at_once(config: MIFMConfig) -> None:
    """In double precision, each window with a base of its own at each position, in any order."""
    network, windows = network_of(config).double(), random_windows(config, 2).double()
    partial = PartialNetwork(network)
    levels = partial.levels(windows)
    before = [level.clone() for level in levels]
    order = torch.randperm(2 * config.window, generator=torch.Generator().manual_seed(0))
    rows, indices = order // config.window, order % config.window
    bases = torch.eye(config.channels + 1, config.channels, dtype=torch.float64)[indices % 5]
    changed = windows[rows]
    changed[torch.arange(len(rows)), indices] = bases
    found = partial.read_out(partial.substitute_anywhere(levels, rows, indices, bases))
    torch.testing.assert_close(found, expected_logits(network, changed), atol=1e-10, rtol=0)
    assert all(torch.equal(now, then) for now, then in zip(levels, before, strict=True))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_substitutions_of_any_windows(data: st.DataObject) -> None:
    """Several substitutions of one window, none of another, in any order."""
    config = TINY
    network, windows = network_of(config), random_windows(config, 5)
    partial = PartialNetwork(network)
    levels = partial.levels(windows)
    before = [level.clone() for level in levels]
    index = data.draw(st.integers(0, config.window - 1))
    rows = torch.tensor(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=9)))
    bases = torch.eye(5, 4)[data.draw(st.lists(st.integers(0, 4), min_size=len(rows), max_size=len(rows)))]
    changed = windows[rows].clone()
    changed[:, index] = bases
    found = partial.read_out(partial.substitute(levels, index, bases, rows))
    torch.testing.assert_close(found, expected_logits(network, changed), atol=TOLERANCE, rtol=0)
    assert all(torch.equal(now, then) for now, then in zip(levels, before, strict=True))


def test_the_published_network_reads_483_bases() -> None:
    """Index 255 is far from both ends; the last 29 bases of a window are not read."""
    assert PartialNetwork(MIFM()).receptive_field == (0, 483)


def test_later_changes_of_the_model_do_not_matter() -> None:
    network, windows = network_of(TINY), random_windows(TINY, 5)
    partial = PartialNetwork(network)
    before = partial.read_out(partial.levels(windows)[-1])
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.zero_()
    assert torch.equal(partial.read_out(partial.levels(windows)[-1]), before)


@pytest.mark.parametrize("shape", [(1, 4, 64), (1, 63, 4), (64, 4), (1, 64, 5)])
def test_windows_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"windows have shape .*; expected \(n, 64, 4\)"):
        PartialNetwork(network_of(TINY)).levels(torch.zeros(shape))


def test_the_rounding_is_no_larger_than_that_of_the_network_itself() -> None:
    """Against double precision, on the published sizes."""
    network, windows = network_of(MIFMConfig()), random_windows(MIFMConfig(), 200)
    partial = PartialNetwork(network)
    found = partial.read_out(partial.levels(windows)[-1])
    plain = expected_logits(network, windows)
    exact = expected_logits(network.double(), windows.double())
    assert (found - exact).abs().max() < 2 * (plain - exact).abs().max()
