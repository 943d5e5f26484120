"""Which networks are made for which arms, and that they end when they should."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from benchmarks.known_truth import steps
from benchmarks.known_truth.networks import Networks
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
