"""What the report says first: a verdict where there is one, and what is missing where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.evaluation.mpra.correlations import MEASURES, summarise
from mifm_kipoi.evaluation.mpra.report import answer

Cell = tuple[int, float, float]
"""Positions, Spearman's correlation, and its difference to that of the distance."""


def said(scores: dict[str, Sequence[Cell]], unscored: int = 0) -> str:
    """The answer to a table with one cell for each score and element, substitutions at three a position."""
    rows = [
        {
            "element": f"E{number}", "kind": "snv", "stratum": "all", "question": "size",
            "label": name.partition(".")[0], "score": name, "held_out": False, "rows": 3 * positions,
            "positions": positions, "unscored": unscored,
            **dict.fromkeys(MEASURES, rho), "difference": difference,
            # Intervals of single elements, which no verdict is made of.
            "spearman_low": 0.1, "partial_low": 0.1, "difference_low": 0.1,
        }
        for name, cells in scores.items()
        for number, (positions, rho, difference) in enumerate(cells)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return answer(table, summarise(table))


def control(number: int) -> dict[str, Sequence[Cell]]:
    return {"control.random": [(30, 0.01, np.nan)] * number}


HIGH = [(30, 0.5, 0.3), (30, 0.52, 0.31), (30, 0.54, 0.29)]
LOW = [(30, 0.1, -0.3), (30, 0.12, -0.31), (30, 0.11, -0.29)]
ABSENT = (0, np.nan, np.nan)


def test_a_verdict_of_three_elements() -> None:
    text = said({"m.a": HIGH, "m.b": LOW, **control(3)})
    assert text.startswith("**m.a: the correlation with the size of measured effects is above that")
    assert "elements, n = 3: m.a +0.520 (+0.470 to +0.570); m.b +0.110" in text
    assert "With an interval above 0: m.a; m.b; given the distance: m.a; m.b." in text
    assert "judged" not in text
    assert said({"m.b": LOW, **control(3)}).startswith("**No score correlates with the size")


def test_two_elements_are_too_few() -> None:
    text = said({"m.a": HIGH[:2], **control(2)})
    assert text.startswith("There is no verdict. m.a: elements are too few, 2 of at least 3.")
    assert "**" not in text
    assert "With an interval" not in text
    assert "n = 2: m.a +0.510" in text


def test_a_single_element_has_no_verdict() -> None:
    text = said({"m.a": HIGH[:1], **control(1)})
    assert text.startswith("There is no verdict. m.a: elements are too few, 1 of at least 3.")
    assert "**" not in text
    assert "n = 1: m.a +0.500." in text


@pytest.mark.parametrize(
    ("cells", "unscored", "reason"),
    [
        ([ABSENT] * 4, 0, "no effect of a substitution is evaluated"),
        ([ABSENT] * 4, 30, "no substitution that is evaluated has the score"),
        ([(9, 0.2, 0.1)] * 4, 0, "no element has 10 positions with effects and scores"),
        ([(30, np.nan, np.nan)] * 4, 0, "scores, or sizes of effects, are the same throughout each element"),
        ([(30, 0.1, np.nan)] * 4, 0, "the distance to the centre has no correlation to compare with"),
    ],
)
def test_what_is_missing(cells: Sequence[Cell], unscored: int, reason: str) -> None:
    text = said({"m.a": cells, **control(4)}, unscored)
    assert text.startswith(f"There is no verdict. m.a: {reason}.")
    assert "**" not in text


def test_scores_of_different_numbers_of_elements() -> None:
    text = said(
        {"m.a": [*LOW, LOW[0]], "m.b": [*HIGH[:2], ABSENT, ABSENT], "m.c": [ABSENT] * 4, **control(4)}
    )
    assert text.startswith("**Of m.a, none correlates with the size of measured effects more than")
    assert "Not judged. m.b: elements are too few, 2 of at least 3; m.c: no effect" in text
    means = text.partition("over elements")[2]
    assert means.startswith(": m.a +0.108 (")
    assert "(n = 4); m.b +0.510 (+0.383 to +0.637) (n = 2); m.c is absent. Controls" in means
    assert "control.random +0.010 (+0.010 to +0.010) (n = 4)." in means
    assert "With an interval above 0: m.a; given" in means
