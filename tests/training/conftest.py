"""Fixtures that several tests of the training code share, since networks take seconds to fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.builders import TINY
from tests.training.bag_tables import Planted, plant
from training.fitting.config import EnsembleConfig, FitConfig
from training.fitting.ensemble import Ensemble, FittedEnsemble
from training.mil.objective import ObjectiveConfig

MEMBER = dataclasses.replace(TINY, channels=5, stem_channels=8, stem_kernel=9)

FIT = FitConfig(
    objective=ObjectiveConfig(pooling="noisy_or"), epochs=6, bags_per_batch=16, negatives_per_bag=2,
    max_shift=4, learning_rate=0.01, monitor="loss", accelerator="cpu",
)  # fmt: skip

SEEDS = EnsembleConfig(members=2, first_seed=3)


@dataclasses.dataclass(frozen=True)
class Fitting:
    """An ensemble and what it was fitted to."""

    planted: Planted
    ensemble: FittedEnsemble
    out: Path


@pytest.fixture(scope="session")
def fitting(tmp_path_factory: pytest.TempPathFactory) -> Fitting:
    """Two members that know the planted motif; tests leave them as they are."""
    folder = tmp_path_factory.mktemp("fitting")
    planted = plant(folder)
    ensemble = Ensemble(planted.dataset, planted.genome, MEMBER, FIT, SEEDS, folder / "members").run()
    return Fitting(planted, ensemble, folder / "members")
