"""Counts of rejections, and what chance allows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.null_pairs.simulate import LEVELS, TESTS, Setting

Rows = list[dict[str, Any]]


def figures(found: dict[Setting, dict[str, npt.NDArray[np.float64]]]) -> Rows:
    """A row for each setting, test and level: pairs, rejections, and the 99 % interval of their number.

    Parameters
    ----------
    found : dict
        P-values, of :func:`benchmarks.null_pairs.simulate.simulate`.
    """
    rows = []
    for setting, tests in found.items():
        for test, p_values in tests.items():
            tested = p_values[~np.isnan(p_values)]
            for level in LEVELS if tested.size else ():
                low, high = stats.binom.interval(0.99, tested.size, level)
                rejected = int((tested <= level).sum())
                rows.append(
                    {
                        **dataclasses.asdict(setting),
                        "test": test,
                        "level": level,
                        "pairs": tested.size,
                        "rejected": rejected,
                        "low": int(low),
                        "high": int(high),
                        "inside": bool(low <= rejected <= high),
                    }
                )
    return rows


def table(rows: Rows) -> str:
    """Markdown: type I errors; in bold those outside the 99 % interval of the binomial distribution."""
    header = ["outcome", "people", "r", "R2", "test", "pairs", *(f"{level:g}" for level in LEVELS)]
    lines = [
        f"| {' | '.join(header)} |",
        "| --- | ---: | ---: | ---: | --- | ---: |" + " ---: |" * len(LEVELS),
    ]
    for first in range(0, len(rows), len(LEVELS)):
        row = rows[first]
        cells = [
            row["outcome"],
            f"{row['people']:,}",
            f"{row['correlation']:g}",
            f"{row['explained']:g}",
            row["test"],
        ]
        cells.append(f"{row['pairs']:,}")
        for one in rows[first : first + len(LEVELS)]:
            text = f"{one['rejected'] / one['pairs']:.2g}"
            cells.append(text if one["inside"] else f"**{text}**")
        lines.append(f"| {' | '.join(cells)} |")
    meanings = [f"- `{name}`: {meaning}" for name, meaning in TESTS.items()]
    return "\n".join([*lines, "", *meanings, ""])
