"""Which networks are made for which arms, and that they end when they should."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.known_truth import steps
from benchmarks.known_truth.networks import Budget, Networks
from benchmarks.known_truth.plans import PLANS
from benchmarks.known_truth.sizes import Design


def networks(arms: list[str], design: Design = "clear") -> Networks:
    return Networks(PLANS[design]["small"], arms, Path("out"), Path("simulated"), jobs=1, threads=1)


@pytest.mark.parametrize(
    ("arms", "needed"),
    [
        (["max"], {"max"}),
        (["ensemble"], {"single_effect", "ensemble"}),
        (["student_mean", "max"], {"single_effect", "student_mean", "max"}),
        (["max_from_single_effect"], {"single_effect", "max_from_single_effect"}),
    ],
)
def test_what_an_arm_is_made_of_is_an_arm_too(arms: list[str], needed: set[str]) -> None:
    assert {arm.name for arm in networks(arms).arms} == needed


def test_an_arm_of_the_other_design_is_an_error() -> None:
    with pytest.raises(
        steps.BenchmarkError, match="the design real has no arm 'single_effect'; it has per_st"
    ):
        networks(["single_effect"], "real")


def test_each_arm_of_the_hard_design_has_three_networks_and_first_seeds_come_first() -> None:
    made = networks(["per_study", "max_sets", "student_mean"], "real")._networks()
    assert [(arm.name, seed) for arm, seed in made] == [
        (name, seed) for seed in (1, 2, 3) for name in ("per_study", "max_sets")
    ]


@pytest.mark.parametrize(
    ("own", "epochs", "bags_per_batch", "windows", "steps"),
    [
        (Budget(25_000, 1_000, 4, 8), 8, 4, 200_000, 2_000),  # the same
        (Budget(50_000, 1_000, 4, 8), 4, 2, 200_000, 2_000),  # twice as large bags
        (Budget(6_250, 250, 4, 8), 32, 4, 200_000, 2_016),  # a quarter of the bags
        (Budget(30_000, 1_000, 4, 8), 7, 4, 210_000, 1_750),  # 6.67 epochs; 3.5 bags would have 2,000 steps
        (Budget(900_000, 1_000, 4, 8), 1, 1, 900_000, 1_000),  # an epoch is more than all of the other's
    ],
)
def test_arms_are_trained_on_as_many_windows_in_as_many_steps(
    own: Budget, epochs: int, bags_per_batch: int, windows: int, steps: int
) -> None:
    """As 8 epochs of 25,000 windows in 250 steps."""
    found = own.as_of(Budget(25_000, 1_000, 4, 8))
    assert (found.epochs, found.bags_per_batch) == (epochs, bags_per_batch)
    assert (found.windows, found.steps) == (windows, steps)


@given(
    own=st.tuples(st.integers(500, 200_000), st.integers(1, 300)),
    other=st.builds(
        Budget, st.integers(500, 200_000), st.integers(1, 300), st.integers(1, 64), st.integers(1, 20)
    ),
)
def test_windows_differ_by_half_an_epoch_at_most(own: tuple[int, int], other: Budget) -> None:
    found = Budget(*own, 4, 8).as_of(other)
    if found.epochs > 1:
        assert abs(found.windows - other.windows) <= found.epoch_windows / 2
    # No other number of bags in a batch gives a nearer number of steps.
    steps = [found.epochs * -(-found.bags // per_batch) for per_batch in range(1, found.bags + 1)]
    assert abs(found.steps - other.steps) == min(abs(each - other.steps) for each in steps)


def test_a_network_of_other_code_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A student depends on the code that teaches it, too."""
    (tmp_path / "data" / "main").mkdir(parents=True)
    (tmp_path / "data" / "main" / "manifest.json").write_text("{}")
    made = Networks(PLANS["clear"]["small"], ["max", "student_mean"], tmp_path, tmp_path, jobs=1, threads=1)
    monkeypatch.setattr("benchmarks.known_truth.networks.code_of", lambda *names: " ".join(names))
    code = {arm.name: made._made_of(arm)["code"].split() for arm in made.arms}
    assert {"training.mil", "training.fitting", "mifm_kipoi.network"} < set(code["max"])
    assert code["student_mean"] == [*code["max"], "training.distillation"]


def test_after_an_error_no_other_begins() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise steps.BenchmarkError("the first fails")

    works = [lambda number=number: work(number) for number in range(50)]
    with pytest.raises(steps.BenchmarkError, match="the first fails"):
        networks([])._side_by_side(works)
    assert begun == [0]


def test_running_commands_are_ended(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            # A command that goes on until it is ended.
            steps.run_module("http.server", ["--bind", "127.0.0.1", "0"], tmp_path / "log")
        except steps.BenchmarkError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not steps._running:
        thread.join(0.01)
    steps.end_children()
    thread.join(30)
    assert not thread.is_alive()
    assert len(failed) == 1
    assert "ended with -15" in str(failed[0])
