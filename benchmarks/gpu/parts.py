"""The three parts of a run, as lists of measurements in the order of their worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import torch

from benchmarks.gpu import arms, equality, members, speed
from benchmarks.gpu.record import Deadline, Figures, Record
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.sizes import TINY, Sizes
from mifm_kipoi.conventions import FULL
from training.mil.objective import PoolingName

_EVALUATION_SECONDS = 30.0
"""Kept for the evaluation of arms that are stopped, half of them for those that must be ended."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What all parts share.

    Parameters
    ----------
    record : Record
        Gets the figures.
    device : torch.device
        What is measured.
    sizes : Sizes
        How much is measured.
    jobs : int
        Processes side by side.
    prepared : Path or None
        Folder of ``--prepare``.
    """

    record: Record
    device: torch.device
    sizes: Sizes
    jobs: int
    prepared: Path | None

    def _measure(
        self, part: str, name: str, deadline: Deadline, measurement: Callable[[], Figures]
    ) -> Figures:
        return self.record.measure(part, name, deadline, 0, measurement)

    def equality(self, deadline: Deadline) -> None:
        """Scores, mutagenesis and steps of training against the CPU's."""
        device, sizes = self.device, self.sizes
        self._measure("equality", "scores", deadline, lambda: equality.scores(device, sizes))
        self._measure("equality", "mutagenesis", deadline, lambda: equality.mutagenesis(device, sizes))
        self._measure("equality", "scan", deadline, lambda: equality.scan(device, sizes))
        # A step of the tiny data set, which the CPU computes in a second.
        setting = Setting(TINY)
        poolings: tuple[PoolingName, ...] = ("max", "noisy_or", "single_effect")
        for pooling in poolings:
            self._measure(
                "equality", f"training step, {pooling}", deadline,
                lambda pooling=pooling: equality.training_step(device, setting, pooling),
            )  # fmt: skip

    def speed(self, deadline: Deadline) -> None:
        """Windows a second of scoring and training, and of members together."""
        device, sizes = self.device, self.sizes
        for precision in (FULL, "bf16", "fp16") if device.type == "cuda" else (FULL,):
            self._measure(
                "speed", f"scoring, {precision}", deadline,
                lambda precision=precision: speed.scoring(device, sizes, deadline.part(0.3), precision),
            )  # fmt: skip
        self._measure(
            "speed", "mutagenesis", deadline, lambda: speed.mutagenesis(device, sizes, deadline.part(0.3))
        )
        self._measure("speed", "scan", deadline, lambda: speed.scan(device, sizes, deadline.part(0.3)))
        made: list[Setting] = []

        def random_bags() -> Figures:
            made.append(Setting(sizes))
            lengths = made[0].genome.lengths.values()
            return {"instances": len(made[0].dataset.instances), "bases": sum(lengths)}

        self._measure("speed", "random bags", deadline, random_bags)
        if made:
            self._training(made[0], deadline)

    def _training(self, setting: Setting, deadline: Deadline) -> None:
        device, sizes = self.device, self.sizes
        hours = {}
        for precision in (FULL, "bf16"):
            made = self._measure(
                "speed", f"training, {precision}", deadline,
                lambda precision=precision: speed.training(device, setting, deadline.part(0.5), precision),
            )  # fmt: skip
            hours |= {precision: made["paper_hours_per_member"]} if "paper_hours_per_member" in made else {}
        self._measure(
            "speed", "members stacked", deadline, lambda: members.stacked(device, sizes, deadline.part(0.5))
        )
        if self.jobs == 1:
            self.record.keep("speed", "members side by side", {"not_run": "--jobs is 1"})
        else:
            self._side_by_side(deadline)
        if hours:
            fastest = min(hours, key=lambda precision: hours[precision])
            self.record.measure(
                "speed", "a member of the paper's size", deadline, 3600 * hours[fastest],
                lambda: speed.whole_member(device, setting, deadline, fastest),
            )  # fmt: skip

    def _side_by_side(self, deadline: Deadline) -> None:
        device, sizes = self.device, self.sizes
        needs = 2 * self.record.seconds("speed", f"training, {FULL}")
        self.record.measure(
            "speed", "members side by side", deadline, needs,
            lambda: members.side_by_side(device, sizes, deadline, sizes.members),
        )  # fmt: skip

    def arms(self, deadline: Deadline) -> None:
        """Arms of the known-truth benchmark, and the verdict."""
        if self.prepared is None or not (self.prepared / "data" / arms.ARMS).exists():
            where = "no folder of --prepare was named with --prepared"
            missing = where if self.prepared is None else f"{self.prepared} has no arms: see --prepare"
            self.record.keep("arms", "all", {"not_run": missing})
            return
        folder = self.prepared / "data"
        baselines = arms.baselines(pd.read_parquet(folder / arms.TABLE))
        for name, figures in baselines.items():
            self.record.keep("arms", name, figures)
        results = arms.run(
            folder, self.device, self.sizes.arm_windows, self.jobs, deadline,
            lambda name, figures: self.record.keep("arms", name, figures),
            reserve=min(_EVALUATION_SECONDS, deadline.left / 4),
        )  # fmt: skip
        text = "A rehearsal: no verdict."
        if self.sizes is not TINY:
            text = arms.verdict(results, baselines["random"]["top_1"]["value"])
        self.record.keep("arms", "verdict", {"text": text})


PARTS: Mapping[str, tuple[float, Callable[[Run, Deadline], None]]] = {
    "equality": (0.15, Run.equality), "speed": (0.45, Run.speed), "arms": (1.0, Run.arms),
}  # fmt: skip
"""Of each part, the fraction of the time that is left when it begins, and what it does."""
