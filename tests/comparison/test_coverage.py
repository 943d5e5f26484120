"""What each model scored, and what it took."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.comparison.coverage import coverage, resources, scored_by_all
from tests.comparison.builders import comparison

NAN = float("nan")


def test_coverage_counts_the_reasons_of_each_model() -> None:
    found = comparison(
        {
            "a": {"x": [1.0, NAN, NAN, 2.0, NAN], "y": [1.0, 3.0, NAN, 2.0, NAN]},
            "b": {"z": [0.0, NAN, NAN, NAN, NAN]},
            "c": {"w": [1.0, 2.0, 3.0, 4.0, 5.0]},
        },
        status={
            "a": ["ok", "ok", "value_missing", "ok", "ref_mismatch"],
            "b": ["ok", "value_missing", "ref_mismatch", "value_missing", "own_reason"],
        },
    )
    table = coverage(found).set_index("model")
    assert list(table.columns) == [
        "variants", "scored", "share", "ref_mismatch", "value_missing", "other_scores_only", "own_reason",
    ]  # fmt: skip
    assert list(table.loc["a"]) == [5, 2, 0.4, 1, 1, 1, 0]
    assert list(table.loc["b"]) == [5, 1, 0.2, 1, 2, 0, 1]
    assert list(table.loc["c"]) == [5, 5, 1.0, 0, 0, 0, 0]
    assert (table["scored"] + table.iloc[:, 3:].sum(axis=1) == table["variants"]).all()
    assert scored_by_all(found) == 1


def test_coverage_is_of_the_score_that_stands_for_the_model() -> None:
    found = comparison({"a": {"x": [1.0, NAN], "y": [NAN, 1.0]}}, ranks={"a": ["y"]})
    assert list(coverage(found)["scored"]) == [1]
    assert found.table["a.y"].notna().sum() == 1
    both = comparison({"a": {"x": [1.0, NAN], "y": [2.0, 1.0]}}, ranks={"a": ["y"]})
    assert list(coverage(both)["scored"]) == [2]


def test_resources_are_of_scored_variants() -> None:
    found = comparison(
        {"a": {"x": [1.0, NAN, 2.0]}, "b": {"y": [1.0, 2.0, 3.0]}},
        seconds={"a": 4.0, "b": 0.0},
        peak={"a": 1000, "b": 0},
        device={"b": "cuda"},
    )
    table = resources(found)
    assert list(table["scored"]) == [2, 3]
    assert list(table["seconds"]) == [4.0, 0.0]
    assert list(table["variants_per_second"]) == [0.5, pytest.approx(np.nan, nan_ok=True)]
    assert list(table["peak_bytes"]) == [1000, pytest.approx(np.nan, nan_ok=True)]
    assert list(table["device"]) == ["cpu", "cuda"]
