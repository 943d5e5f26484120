"""What is simulated and trained at each size of each design."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from benchmarks.known_truth.arms import CLEAR, REAL, Arm
from benchmarks.known_truth.sizes import SIMULATIONS, Design, Simulation

RECIPES = Path(__file__).parent / "recipes"

DESIGNS: Mapping[Design, tuple[Arm, ...]] = {"clear": CLEAR, "real": REAL}
"""The arms that each design has."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """A size of a design.

    Parameters
    ----------
    simulation : Simulation
        What is simulated.
    recipe : str
        Name of a file in ``recipes``: what all arms are fitted with.
    arms : tuple of str
        Names of arms that are trained by default.
    main : str
        The arm of which ensembles and students are made.
    members : int
        Networks of this arm, which differ in their seed.
    seeds : int
        Networks of each of the others.
    """

    simulation: Simulation
    recipe: str
    arms: tuple[str, ...]
    main: str
    members: int
    seeds: int

    @property
    def known(self) -> tuple[Arm, ...]:
        """All arms of the design."""
        return DESIGNS[self.simulation.design]

    @property
    def recipe_path(self) -> Path:
        """The recipe of all arms."""
        return RECIPES / f"{self.recipe}.yaml"

    def seeds_of(self, arm: Arm) -> range:
        """The seeds of the networks of an arm; students and fine-tuned networks have one."""
        many = self.members if arm.name == self.main else self.seeds
        return range(1, (many if arm.fitted else 1) + 1)


_RARE = ("generalised_mean", "additive_attention")
"""Near others, and left to --arms where there is little time."""

_DECISIVE = (
    "per_study", "per_study_single", "lowest_p_row", "max_sets", "noisy_or_sets", "dealt_anew",
)  # fmt: skip
"""What the choice of a recipe rests on."""

PLANS: Mapping[Design, Mapping[str, Plan]] = {
    "clear": {
        "smoke": Plan(
            SIMULATIONS["clear"]["smoke"], "clear-smoke",
            ("single_effect", "shuffled_labels", "masked_centre"), "single_effect", 1, 1,
        ),
        "small": Plan(
            SIMULATIONS["clear"]["small"], "clear-small",
            tuple(arm.name for arm in CLEAR if arm.name not in _RARE), "single_effect", 3, 1,
        ),
        "full": Plan(
            SIMULATIONS["clear"]["full"], "clear-full", tuple(arm.name for arm in CLEAR), "single_effect",
            5, 1,
        ),
    },
    "real": {
        "smoke": Plan(
            SIMULATIONS["real"]["smoke"], "real-smoke", ("per_study", "dealt_anew"), "per_study", 1, 1,
        ),
        "small": Plan(SIMULATIONS["real"]["small"], "real-small", _DECISIVE, "per_study", 3, 3),
        "full": Plan(
            SIMULATIONS["real"]["full"], "real-full", tuple(arm.name for arm in REAL), "per_study", 5, 3,
        ),
    },
}  # fmt: skip
