"""Arms from a prepared folder: trained, stopped on time, evaluated, and judged by the rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.gpu import arms, processes
from benchmarks.gpu.record import Deadline, Figures
from mifm_kipoi.errors import InputError
from tests.benchmarks.gpu.conftest import NARROW
from training.data.dataset import Split, read_dataset

OPTIONS = {"device": "cpu", "threads": 1, "windows": 150}


def test_the_folder_has_what_was_packed(packed: Path) -> None:
    first, second = arms.read_arms(packed)
    assert (first.name, second.name) == ("max_bags", "noisy_or_sets")
    assert first.recipe.network == NARROW
    assert second.recipe.fit.credible_set == 0.95
    assert second.recipe.fit.objective.pooling == "noisy_or"
    with pytest.raises(InputError, match=r"has no arms .*--known-truth"):
        arms.read_arms(packed.parent)


def test_an_arm_has_its_windows(packed: Path, tmp_path: Path) -> None:
    made = arms.train(str(packed), "max_bags", 3e-3, OPTIONS, Deadline.after(300), str(tmp_path))
    train = read_dataset(packed / "main").part(Split.TRAIN)
    per_epoch = arms.read_arms(packed)[0].recipe.fit.epoch_windows(train)
    bags = read_dataset(packed / "main").bags
    train = bags[bags["split"] == "train"]
    # All instances of the positive bags, and a negative for each.
    assert per_epoch == train.loc[train["label"] == 1, "size"].sum() + 8
    assert made["complete"]
    assert made["windows"] == made["epochs"] * per_epoch
    assert made["windows"] - per_epoch < 150 <= made["windows"]
    assert made["log"][0]["learning_rate"] <= 3e-3
    assert 0 <= made["top_1"]["value"] <= 1
    assert made["sd_of_logits"] > 0


def test_credible_sets_have_fewer_windows(packed: Path) -> None:
    train = read_dataset(packed / "main").part(Split.TRAIN)
    bags, sets = (arm.recipe.fit.epoch_windows(train) for arm in arms.read_arms(packed))
    assert sets < bags


def test_an_arm_that_is_stopped_is_evaluated(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some epochs the deadline is over: the last complete one counts."""
    calls = iter(range(10_000))
    monkeypatch.setattr(Deadline, "over", property(lambda _: next(calls) >= 7))
    many = {**OPTIONS, "windows": 10_000}
    made = arms.train(str(packed), "max_bags", 3e-3, many, Deadline.after(300), str(tmp_path / "some"))
    # Two steps an epoch: the eighth call is the second of the fourth epoch.
    assert (made["complete"], made["epochs"]) == (False, 3)
    assert made["windows"] < 10_000
    assert np.isfinite(made["top_1"]["value"])
    calls = iter(range(1, 10_000))
    monkeypatch.setattr(Deadline, "over", property(lambda _: next(calls) >= 1))
    made = arms.train(str(packed), "max_bags", 3e-3, OPTIONS, Deadline.after(300), str(tmp_path / "none"))
    assert made["error"] == "the time was up before the end of the first epoch"


def test_an_arm_that_is_ended_keeps_its_last_checkpoint(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the four fits the second is ended after its last epoch, the third before its first."""
    began, deadline = [], Deadline.after(300)

    def side_by_side(
        function: Callable[..., Figures], arguments: Sequence[tuple[Any, ...]], jobs: int, until: Deadline,
        on_result: Callable[[int, Figures], None] | None = None, grace: float = 0,
    ) -> list[Figures]:  # fmt: skip
        """In place of processes."""
        began.append((function, len(arguments), jobs, until.end + grace))
        results = []
        for number, each in enumerate(arguments):
            training, ended = function is arms.train, {"error": processes.ENDED}
            made = ended if training and number == 2 else function(*each)
            results.append(ended if training and number == 1 else made)
            if on_result is not None:
                on_result(number, results[-1])
        return results

    monkeypatch.setattr(processes, "run", side_by_side)
    kept: dict[str, Figures] = {}
    results = arms.run(packed, torch.device("cpu"), 150, 4, deadline, kept.__setitem__, reserve=20)
    assert began[0] == (arms.train, 4, 4, pytest.approx(deadline.end - 10))
    assert began[1] == (arms.evaluate_last, 1, 4, deadline.end)
    first, second, third, _ = results.values()
    assert (first["complete"], second["complete"]) == (True, False)
    assert second["epochs"] == first["epochs"]
    assert np.isfinite(second["top_1"]["value"])
    assert third == {"error": processes.ENDED}
    assert kept == results


def test_top_1_by_hand() -> None:
    table = pd.DataFrame(
        {
            "bag": [5, 5, 7, 7, 7, 9, 9],
            "genealogy": [1, 1, 2, 2, 2, 3, 3],
            "causal": [True, False, False, True, True, False, False],
        }
    )
    # Bag 5: right. Bag 7: three tie, two of which are causal. Bag 9 has no causal variant.
    assert arms.top_1(table, np.array([2.0, 1, 0, 0, 0, 1, 0])).value == pytest.approx((1 + 2 / 3) / 2)
    assert arms.top_1(table, np.array([np.nan, 1, 0, 0, 1, 1, 0])).value == pytest.approx((0 + 1) / 2)


def test_baselines(packed: Path) -> None:
    table = pd.read_parquet(packed / arms.TABLE)
    made = arms.baselines(table)
    assert set(made) == {"abf", "optimal scorer", "random"}
    assert made["optimal scorer"]["top_1"]["value"] == 1
    expected = (1 / table.groupby("bag")["causal"].size()).mean()
    assert made["random"]["top_1"]["value"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("tops", "complete", "said"),
    [
        ((0.1, 0.19), (True, True), "The claim stands"),
        ((0.1, 0.2), (True, True), "The claim falls: max_bags, lr 0.0003"),
        ((0.1, 0.3), (True, False), "The claim falls"),
        ((0.1, 0.1), (True, False), "Undecided: 1 of 2"),
        ((), (), "Undecided: 0 of 2"),
    ],
)
def test_the_rule(tops: tuple[float, ...], complete: tuple[bool, ...], said: str) -> None:
    results = {
        f"max_bags, lr {rate:g}": {"top_1": {"value": top}, "complete": done}
        for rate, top, done in zip(arms.LEARNING_RATES, tops, complete, strict=False)
    }
    results["noisy_or_bags, lr 0.003"] = {"top_1": {"value": 0.9}, "complete": True}
    results["max_sets, lr 0.003"] = {"error": "x"}
    assert arms.verdict(results, chance=0.06).startswith(said)


def test_the_threshold_is_as_far_from_chance() -> None:
    assert arms.threshold(0.06) == pytest.approx(0.2)
    assert arms.threshold(0.53) == pytest.approx(0.6)
    results = {
        f"max_bags, lr {rate:g}": {"top_1": {"value": 0.5}, "complete": True} for rate in arms.LEARNING_RATES
    }
    said = arms.verdict(results, chance=0.53)
    assert said.startswith("The claim stands")
    # Both sides of the scaled rule, and what its letter comes to.
    assert "0.60 (the rule's 0.2, where chance is 0.53 and not 0.06)" in said
    assert said.endswith("it would fall: max_bags, lr 0.003, max_bags, lr 0.0003 reached that.")
    assert "letter" not in arms.verdict(results, chance=0.06)
    # 0.149 of the way from chance to 1.
    assert arms.threshold(0.16) == pytest.approx(0.16 + 0.84 * 0.14 / 0.94)
    assert arms.verdict(results, chance=0.06).startswith("The claim falls")
