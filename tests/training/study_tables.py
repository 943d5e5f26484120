"""Data sets whose positive bags have several studies, for tests of the training code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tests.training.bag_tables import make_dataset
from training.data.dataset import EVIDENCE_COLUMNS, STUDY_COLUMNS, DataSet

Study = tuple[float, Sequence[int], Sequence[float]]
"""Weight; instances, counted from 0 in the bag, by rising p-value; log Bayes factors of these."""


def with_studies(dataset: DataSet, studies: Sequence[Sequence[Study]]) -> DataSet:
    """A data set with these studies of its positive bags, in their order, in place of its own."""
    positive = np.flatnonzero(dataset.bags["label"] == 1)
    sizes = dataset.bags["size"].to_numpy(np.int64)
    first = np.cumsum(sizes) - sizes
    table, rows = [], []
    for bag, of_bag in zip(positive.tolist(), studies, strict=True):
        for number, (weight, instances, log_bf) in enumerate(of_bag):
            pip = np.exp(np.array(log_bf) - np.logaddexp.reduce(log_bf))
            for rank, instance in enumerate(instances):
                known = (-20.0 + rank, 9.0 - rank, log_bf[rank], pip[rank])
                rows.append((len(table), first[bag] + instance, *known))
            table.append((bag, f"study{number}", len(instances), weight))
    return DataSet(
        dataset.bags,
        dataset.instances,
        pd.DataFrame(table, columns=list(STUDY_COLUMNS)).astype(STUDY_COLUMNS),
        pd.DataFrame(rows, columns=list(EVIDENCE_COLUMNS)).astype(EVIDENCE_COLUMNS),
        dataset.manifest,
    )


def random_studies(
    seed: int = 0, bags: int = 6, negatives: int = 5, largest: int = 12, most: int = 7
) -> DataSet:
    """Bags of up to ``largest`` instances and ``most`` studies, each of some of the instances.

    A negative bag of two instances stands before all, and one of three between the positive ones.
    """
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, largest + 1, bags)
    made = [(1, [("1", 100 * bag + row + 1, "A", "C") for row in range(n)]) for bag, n in enumerate(sizes)]
    made.insert(0, (0, [("2", 7, "A", "C"), ("2", 8, "A", "C")]))
    made.insert(3, (0, [("2", 17 + row, "A", "C") for row in range(3)]))
    made += [(0, [("2", 100 + row, "A", "C")]) for row in range(negatives)]
    studies = []
    for size in sizes.tolist():
        own: list[Study] = []
        for _ in range(int(generator.integers(1, most + 1))):
            members = generator.permutation(size)[: int(generator.integers(1, size + 1))]
            log_bf = generator.normal(2, 3, members.size)
            own.append((float(generator.uniform(0.1, 1)), members.tolist(), log_bf.tolist()))
        studies.append(own)
    return with_studies(make_dataset([(label, "train", variants) for label, variants in made]), studies)
