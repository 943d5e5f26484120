"""Small data sets of bags for tests of the training code."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from training.dataset import BAG_COLUMNS, INSTANCE_COLUMNS, DataSet

Variant = tuple[str, int, str, str]
"""chrom, pos (1-based), ref, alt"""


def make_dataset(bags: Sequence[tuple[int, str, Sequence[Variant]]]) -> DataSet:
    """A data set of bags, each (label, split, variants), the variants by rising p-value."""
    rows = [
        (number, chrom, pos, ref, alt, ".", 10.0 ** -(20 - rank), float(20 - rank), 0.5, 3.0 - rank)
        for number, (_, _, variants) in enumerate(bags)
        for rank, (chrom, pos, ref, alt) in enumerate(variants)
    ]
    instances = pd.DataFrame(rows, columns=list(INSTANCE_COLUMNS)).astype(
        {name: kind for name, kind in INSTANCE_COLUMNS.items() if kind != "str"}
    )
    table = pd.DataFrame(
        [
            (number, f"block{number}", "all", label, split, variants[0][0], len(variants), 1)
            for number, (label, split, variants) in enumerate(bags)
        ],
        columns=list(BAG_COLUMNS),
    ).astype({name: kind for name, kind in BAG_COLUMNS.items() if kind != "str"})
    return DataSet(table, instances, {"made by": "a test"})
