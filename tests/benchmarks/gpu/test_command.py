"""The command, rehearsed on the CPU with tiny sizes; how long things take is never tested."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.gpu import equality, setting, sizes, speed
from benchmarks.gpu.record import Deadline
from training.configuration import read_configuration
from training.recipe import Recipe


def test_equality_and_speed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gpu", "--tiny", "--device", "cpu", "--minutes", "30", "--parts", "equality", "speed"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "gpu.json").read_text())
    report = (tmp_path / "gpu.md").read_text()
    assert report in capsys.readouterr().out
    made = figures["parts"]["equality"]
    assert {name: each["equal"] for name, each in made.items()} == dict.fromkeys(
        ("scores", "mutagenesis", "scan", "training step, max", "training step, noisy_or",
         "training step, single_effect"), True,
    )  # fmt: skip
    assert made["scores"]["bf16"]["largest_ref"] > equality.TOLERANCE
    assert made["training step, max"]["deterministic"]["same_bits"]
    speed = figures["parts"]["speed"]
    assert speed["training, fp32"]["fit_windows_per_s"] > 0
    assert speed["scoring, fp32"]["by_batch_size"]["64"]["variants_per_s"] > 0
    assert speed["scan"]["sequences of 64"]["snvs_per_s"] > 0
    assert speed["members stacked"]["by_windows_of_a_member"]["8"]["stacked_windows_per_s"] > 0
    assert "A rehearsal with tiny sizes" in report
    assert speed["a member of the paper's size"]["epochs"] == 2


def test_arms(packed: Path, tmp_path: Path) -> None:
    words = ["gpu", "--tiny", "--device", "cpu", "--minutes", "30", "--parts", "arms"]
    assert main([*words, "--prepared", str(packed.parent), "--out", str(tmp_path)]) == 0
    made = json.loads((tmp_path / "gpu.json").read_text())["parts"]["arms"]
    assert made["optimal scorer"]["top_1"]["value"] == 1
    assert made["max_bags, lr 0.003"]["windows"] >= 200
    assert made["noisy_or_sets, lr 0.0003"]["complete"]
    assert made["verdict"]["text"] == "A rehearsal: no verdict."
    report = (tmp_path / "gpu.md").read_text()
    assert made["verdict"]["text"] in report
    assert "| max_bags, lr 0.003 | " in report.replace("\\", "")


def test_what_has_no_time_is_said(tmp_path: Path) -> None:
    words = ["gpu", "--tiny", "--device", "cpu", "--minutes", "1e-6"]
    assert main([*words, "--parts", "arms", "--out", str(tmp_path)]) == 0
    assert "arms: all | no folder of --prepare was named" in (tmp_path / "gpu.md").read_text()


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["gpu"])
    assert "--out is missing" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["gpu", "--out", str(tmp_path), "--minutes", "0"])
    assert "--minutes is 0; expected more than 0" in capsys.readouterr().err


def test_networks_and_fits_are_those_of_the_recipe_paper() -> None:
    recipe = read_configuration("paper", Recipe)
    assert recipe.network == setting.MEMBER
    fit = setting.paper_config(epochs=recipe.fit.epochs, seed=recipe.fit.seed)
    assert fit == dataclasses.replace(recipe.fit, tensorboard=False)
    assert setting.Setting(sizes.TINY).network().config == recipe.network


def test_steps_are_those_of_a_fit() -> None:
    """The first loss in the log of a fit without dropout is that of the first step."""
    made = setting.Setting(sizes.TINY)
    steps = made.steps(torch.device("cpu"))
    assert len(steps.epoch) == 1
    network = made.network(dropout=0.0)
    gradients = equality.gradients(network, steps)
    assert gradients["loss"] == steps.loss(made.network(dropout=0.0).train(), 0)
    assert gradients["head.weight"].abs().max() > 0
    assert made.epoch_windows == len(made.whole.instances[made.whole.instances["bag"] < 8]) + 8


def test_differences_are_relative_to_the_largest_gradient() -> None:
    expected = {"loss": torch.tensor(1.0), "a": torch.tensor([4.0, 0.0]), "b": torch.tensor([1.0])}
    got = {"loss": torch.tensor(1.5), "a": torch.tensor([4.0, 0.0]), "b": torch.tensor([3.0])}
    assert equality.compared(got, expected) == {"loss": 0.5, "largest_gradient": 0.5}


def test_rates() -> None:
    """Passes of some milliseconds: a small one first, and then as many as fit into the time."""
    calls: list[int] = []

    def work(count: int) -> None:
        calls.append(count)
        time.sleep(0.002 * count)

    made = speed.rate(torch.device("cpu"), 0.2, Deadline.after(10), work, most=50, least=5)
    assert calls[:2] == [5, 5]
    assert 5 <= calls[2] <= 50
    assert len(set(calls[2:])) == 1
    assert 50 < made <= 500
    calls.clear()
    assert speed.rate(torch.device("cpu"), 10, Deadline.after(-1), work, most=50, least=5) > 0
    assert calls == [5, 5, 5]


def test_a_fit_is_stopped_on_time() -> None:
    made = setting.Setting(sizes.TINY)
    with pytest.raises(TimeoutError, match=r"stopped after \d+ windows, \d+ % of the fit"):
        speed.training(torch.device("cpu"), made, Deadline.after(0))
