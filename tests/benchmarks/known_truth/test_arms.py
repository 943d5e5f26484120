"""What the sizes train, and with what."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main
from benchmarks.known_truth.arms import BASELINES, TRAINED
from benchmarks.known_truth.networks import recipe_of
from benchmarks.known_truth.plots import GROUPS
from benchmarks.known_truth.sizes import SIZES
from training.configuration import read_configuration
from training.recipe import Recipe


@pytest.mark.parametrize("name", SIZES)
def test_every_recipe_is_one_and_every_arm_changes_what_there_is(name: str) -> None:
    size = SIZES[name]
    for arm in TRAINED:
        recipe = read_configuration([recipe_of(size)], Recipe, arm.settings)
        assert recipe.network.channels == 5
    assert {*size.arms, size.pooling} <= {arm.name for arm in TRAINED}


def test_names_are_there_once_and_groups_are_known() -> None:
    arms = [*TRAINED, *BASELINES]
    assert len({arm.name for arm in arms}) == len(arms)
    assert {arm.group for arm in arms} <= set(GROUPS)
    starts = {arm.start for arm in arms if arm.start}
    assert starts <= {arm.name for arm in TRAINED if arm.fitted}


def test_the_small_size_has_the_arms_and_the_network_of_the_paper() -> None:
    size = SIZES["small"]
    missing = {arm.name for arm in TRAINED} - set(size.arms)
    assert missing == {"generalised_mean", "additive_attention"}
    network = read_configuration([recipe_of(size)], Recipe).network
    assert (network.window, network.stem_channels, network.tower_channels) == (512, 16, (19, 22, 26, 31))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["known-truth"], "--out"),
        (["known-truth", "--out", "x", "--size", "large"], "invalid choice: 'large'"),
        (["known-truth", "--out", "x", "--arms", "median"], "invalid choice: 'median'"),
    ],
)
def test_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err
