"""A prepared folder with arms of random bags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.gpu import arms, prepare
from benchmarks.speed import synthetic
from mifm_kipoi import Genome, MIFMConfig
from training.data.dataset import DataSet, Split
from training.fitting.config import FitConfig
from training.mil.objective import ObjectiveConfig

NARROW = MIFMConfig(
    channels=5, window=64, stem_channels=4, stem_kernel=5, tower_channels=(6, 6), dilations=(2,),
    head_channels=8,
)  # fmt: skip


def table_of(dataset: DataSet, seed: int = 1) -> pd.DataFrame:
    """Rows of validation bags as if they were of test genealogies; one variant of each bag is causal."""
    bags = dataset.bags[(dataset.bags["label"] == 1) & (dataset.bags["split"] == Split.VALIDATION.value)]
    rows = dataset.instances[dataset.instances["bag"].isin(bags["bag"])].reset_index(drop=True)
    generator = np.random.default_rng(seed)
    first = rows.assign(key=generator.random(len(rows))).groupby("bag")["key"].transform("rank") == 1
    return rows[["bag", *arms.KEYS, "log_bf"]].assign(
        causal=first, genealogy=rows["bag"], score_optimal=first.astype(float)
    )


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``data`` of a prepared folder: ``max_bags`` and ``noisy_or_sets`` on one data set."""
    folder = tmp_path_factory.mktemp("prepared")
    shape = synthetic.Shape(2, 20_000, 8, 6, (2, 5), 16, 2)
    dataset = synthetic.make(shape, folder / "genome.fa")
    fit = FitConfig(
        ObjectiveConfig(pooling="max"),
        evidence="lowest_p",
        bags_per_batch=4,
        negatives_per_bag=1,
        max_shift=2,
    )
    sets = FitConfig(
        ObjectiveConfig(pooling="noisy_or"), evidence="per_study", credible_set=0.95, bags_per_batch=4,
        negatives_per_bag=1, max_shift=2,
    )  # fmt: skip
    prepare.pack(
        folder / "data", {"main": dataset}, Genome(folder / "genome.fa"), table_of(dataset),
        [
            arms.PackedArm("max_bags", "main", arms.Recipe(NARROW, fit)),
            arms.PackedArm("noisy_or_sets", "main", arms.Recipe(NARROW, sets)),
        ],
    )  # fmt: skip
    return folder / "data"
