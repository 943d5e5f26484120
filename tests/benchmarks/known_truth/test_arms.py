"""What the sizes train, and with what."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main
from benchmarks.known_truth import arms as known
from benchmarks.known_truth.plans import DESIGNS, PLANS
from benchmarks.known_truth.plots import GROUPS
from benchmarks.known_truth.sizes import Design
from training.configuration import read_configuration
from training.recipe import Recipe

PLANNED = [(design, name) for design, plans in PLANS.items() for name in plans]
BASELINES = [
    known.LOWEST_P, known.ABF, known.RANDOM, known.OPTIMAL, known.REFERENCE_OPTIMAL, known.MASKED_OPTIMAL,
]  # fmt: skip


@pytest.mark.parametrize(("design", "name"), PLANNED)
def test_every_recipe_is_one_and_every_arm_changes_what_there_is(design: Design, name: str) -> None:
    plan = PLANS[design][name]
    for arm in plan.known:
        settings = [one for one in arm.settings if not one.startswith("fit.epochs=x")]
        recipe = read_configuration([plan.recipe_path], Recipe, settings)
        assert recipe.network.channels == (4 if arm.both_alleles else 5)
        assert arm.both_alleles == (recipe.fit.alleles == "both")
    assert {*plan.arms, plan.main} <= {arm.name for arm in plan.known}
    assert plan.simulation.design == design


@pytest.mark.parametrize("design", DESIGNS)
def test_names_are_there_once_and_groups_are_known(design: Design) -> None:
    arms = [*DESIGNS[design], *BASELINES]
    assert len({arm.name for arm in arms}) == len(arms)
    assert {arm.group for arm in arms} <= set(GROUPS)
    starts = {arm.start for arm in arms if arm.start}
    assert starts <= {arm.name for arm in DESIGNS[design] if arm.fitted}


def test_the_small_size_of_the_clear_design_has_the_network_of_the_paper() -> None:
    plan = PLANS["clear"]["small"]
    assert {arm.name for arm in known.CLEAR} - set(plan.arms) == {"generalised_mean", "additive_attention"}
    network = read_configuration([plan.recipe_path], Recipe).network
    assert (network.window, network.stem_channels, network.tower_channels) == (512, 16, (19, 22, 26, 31))


def test_the_small_size_of_the_hard_design_trains_each_arm_three_times() -> None:
    plan = PLANS["real"]["small"]
    by_name = {arm.name: arm for arm in known.REAL}
    assert [len(plan.seeds_of(by_name[name])) for name in plan.arms] == [3] * len(plan.arms)


def test_what_knows_the_truth_is_trained_on_request_and_at_the_full_size() -> None:
    assert [name for name, plan in PLANS["real"].items() if "true_labels" in plan.arms] == ["full"]
    assert "true_labels" not in {arm.name for arm in known.CLEAR}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["known-truth"], "--out"),
        (["known-truth", "--out", "x", "--size", "large"], "invalid choice: 'large'"),
        (["known-truth", "--out", "x", "--arms", "median"], "invalid choice: 'median'"),
        (["known-truth", "--out", "x", "--design", "easy"], "invalid choice: 'easy'"),
    ],
)
def test_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err
