import dataclasses
import json

import pytest
import torch

from mifm_kipoi.errors import WeightsError
from mifm_kipoi.network.model import MIFM, MIFMConfig
from tests.builders import TINY, random_network


def test_the_published_sizes_have_24655_parameters() -> None:
    assert sum(parameter.numel() for parameter in MIFM().parameters()) == 24_655


def test_the_variant_token_adds_one_input_channel_to_the_stem() -> None:
    more = sum(parameter.numel() for parameter in MIFM(MIFMConfig(channels=5)).parameters()) - 24_655
    assert more == 16 * 15


def test_the_variants_base_and_bin() -> None:
    config = MIFMConfig()
    assert (config.bin_size, config.variant_index, config.variant_bin) == (32, 255, 7)


def test_the_logit_depends_on_bases_0_to_482_alone() -> None:
    """The receptive field of the read-out bin, worked out from the kernels: -3 to 482."""
    network = random_network().double()
    x = torch.rand(1, 4, 512, dtype=torch.float64, requires_grad=True)
    network(x).sum().backward()
    touched = x.grad.abs().sum(dim=(0, 1)).nonzero().flatten()
    assert (touched.min().item(), touched.max().item()) == (0, 482)


@pytest.mark.parametrize("shape", [(2, 4, 511), (2, 4, 513), (2, 5, 512), (2, 512, 4), (4, 512)])
def test_windows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(n, 4, 512\)"):
        MIFM()(torch.zeros(shape))


def test_dropout_acts_on_the_residual_connections_in_training_only() -> None:
    torch.manual_seed(0)
    network = MIFM(dataclasses.replace(TINY, dropout=0.5))
    dropouts = [module for module in network.modules() if isinstance(module, torch.nn.Dropout)]
    # One in the stem, one per block of the tower, one per dilated block.
    assert len(dropouts) == 1 + 2 + 1
    x = torch.rand(3, 4, 64)
    network.eval()
    assert torch.equal(network(x), network(x))
    for module in network.modules():
        module.train(isinstance(module, torch.nn.Dropout))
    assert not torch.equal(network(x), network(x))


@pytest.mark.parametrize(("place", "active"), [("all", [0.5] * 4), ("dilated", [0.0, 0.0, 0.0, 0.5])])
@pytest.mark.parametrize("kind", ["activations", "channels"])
def test_kind_and_place_of_dropout(kind: str, place: str, active: list[float]) -> None:
    """In the stem, in two blocks of the tower and in one dilated block, in this order."""
    config = dataclasses.replace(TINY, dropout=0.5, dropout_kind=kind, dropout_place=place)
    network = MIFM(config).train()
    expected = torch.nn.Dropout1d if kind == "channels" else torch.nn.Dropout
    dropouts = [module for module in network.modules() if isinstance(module, expected)]
    assert [module.p for module in dropouts] == active
    torch.manual_seed(1)
    # 6 channels of 4 bins of 1,000 windows.
    dropped = dropouts[-1](torch.ones(1000, 6, 4)) == 0
    together = (dropped.all(dim=2) | ~dropped.any(dim=2)).double().mean()
    # Alone, 4 activations agree in 2 of 16 cases.
    assert together == (1 if kind == "channels" else pytest.approx(0.125, abs=0.02))
    assert network.state_dict().keys() == MIFM(TINY).state_dict().keys()


def test_a_batch_is_scored_as_its_windows_alone() -> None:
    network = random_network()
    x = torch.rand(5, 4, 512)
    alone = torch.cat([network(window[None]) for window in x])
    torch.testing.assert_close(network(x), alone, atol=1e-5, rtol=0)


def test_read_out_of_all_bins_holds_the_logit() -> None:
    network = random_network()
    x = torch.rand(2, 4, 512)
    torch.testing.assert_close(network.read_out(network.bins(x))[:, 7], network(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 3}, "channels is 3"),
        ({"window": 500}, "multiple of 32"),
        ({"window": 0}, "multiple of 32"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout_kind": "bins"}, "dropout_kind is 'bins'; expected one of activations, channels"),
        ({"dropout_place": "stem"}, "dropout_place is 'stem'; expected one of all, dilated"),
        ({"stem_kernel": 4}, "stem_kernel is 4"),
        ({"tower_channels": (19, 0, 26, 31)}, "sizes are"),
    ],
)
def test_impossible_sizes_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MIFMConfig(**change)


def test_a_configuration_survives_json() -> None:
    config = MIFMConfig(channels=5, dropout=0.5, dilations=(2, 3, 4), dropout_kind="channels")
    assert MIFMConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_entries_that_came_later_leave_older_configurations_as_they_were() -> None:
    """They are part of the identity of weights, by which scorings resume."""
    written = {
        "channels": 4, "window": 512, "stem_channels": 16, "stem_kernel": 15,
        "tower_channels": [19, 22, 26, 31], "tower_kernel": 5, "dilations": [2, 3], "dilated_kernel": 3,
        "head_channels": 64, "dropout": 0.0,
    }  # fmt: skip
    assert MIFMConfig().to_dict() == written
    assert MIFMConfig.from_dict(written) == MIFMConfig()
    other = MIFMConfig(dropout=0.5, dropout_kind="channels", dropout_place="dilated").to_dict()
    assert other == {
        **written, "dropout": 0.5, "dropout_kind": "channels", "dropout_place": "dilated",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depth": 3}, "unknown entry 'depth'"),
        ({"channels": "4"}, "'channels' of a model configuration is '4'; expected int"),
        ({"tower_channels": [1, "2"]}, "expected tuple"),
        ({"channels": 7}, "impossible model configuration"),
        ({"dropout_kind": 1}, "'dropout_kind' of a model configuration is 1; expected str"),
        ({"dropout_place": "none"}, "impossible model configuration: dropout_place is 'none'"),
    ],
)
def test_a_foreign_configuration_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        MIFMConfig.from_dict(values)
