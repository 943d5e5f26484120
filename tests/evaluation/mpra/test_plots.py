"""What the figures of the evaluation show."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from mifm_kipoi.evaluation.mpra.elements import Element
from mifm_kipoi.evaluation.mpra.plots import DOWN, UP, by_position, correlations, named, profile
from mifm_kipoi.reports.drawing import png


def test_dots_are_where_the_correlations_are() -> None:
    by_element = pd.DataFrame(
        [
            (element, label, f"{label}.s", element == "B", value, value - 0.1, value + 0.2)
            for label in ("m", "control")
            for element, value in (("A", 0.5), ("B", -0.3))
        ],
        columns=["element", "label", "score", "held_out", "spearman", "spearman_low", "spearman_high"],
    )
    by_element.loc[by_element["label"] == "control", "held_out"] = False
    summary = by_element[by_element["element"] == "A"].assign(spearman=0.1, spearman_high=np.nan)
    figure = correlations(by_element, summary, "control")
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["m.s", "control.s"]
    dots = {
        (line.get_marker(), float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in first.lines
        if line.get_marker() != "None"
    }
    assert dots == {("o", 0.5, 0.0), ("D", -0.3, 1.0), ("s", 0.1, 2.6)}
    bars = [list(line.get_xdata()) for line in first.lines[1:] if line.get_marker() == "None"]
    assert bars[:2] == [[0.4, 0.7], [pytest.approx(-0.4), pytest.approx(-0.1)]]
    assert Counter(line.get_marker() for line in second.lines)["D"] == 0
    assert [text.get_text() for text in first.get_yticklabels()] == ["A", "B", "mean of elements"]
    assert png(figure).startswith(b"\x89PNG")


def test_dollar_signs_are_no_formulas() -> None:
    """Where matplotlib reads one, an underscore without anything to lower is an error."""
    table = pd.DataFrame(
        [("x$_$", "a", "a.s$_$", False, 0.5, 0.4, 0.6)],
        columns=["element", "label", "score", "held_out", "spearman", "spearman_low", "spearman_high"],
    )
    assert png(correlations(table, table, "control")).startswith(b"\x89PNG")
    element = Element("x$_$", "c$_$", 10, 15, "x$_$")
    panel = ("a.s$_$", np.arange(5.0), False)
    assert png(profile(element, np.arange(11, 16), [panel])).startswith(b"\x89PNG")


def test_profiles_show_values_at_their_positions() -> None:
    positions = np.arange(11, 16)
    effects = np.array([0.5, -2.0, np.nan, 0.0, 1.0])
    scores = np.array([0.1, 0.2, np.nan, 0.4, 0.5])
    figure = profile(
        Element("E", "X", 10, 15, "X"), positions, [("effect", effects, True), ("s", scores, False)]
    )
    above, below = figure.axes
    stems = {
        (tuple(colour), float(segment[0][0]), float(segment[1][1]))
        for collection in above.collections
        for segment, colour in zip(
            collection.get_segments(), np.repeat(collection.get_colors(), len(collection.get_segments()), 0),
            strict=True,
        )
    }  # fmt: skip
    assert stems == {(to_rgba(UP), 11, 0.5), (to_rgba(UP), 15, 1.0), (to_rgba(DOWN), 12, -2.0)}
    np.testing.assert_array_equal(below.lines[0].get_xdata(), positions)
    np.testing.assert_array_equal(below.lines[0].get_ydata(), scores)
    assert below.get_xlabel() == "position on chromosome X"
    assert named("chr2") == "chr2"


def test_one_value_for_each_position() -> None:
    pos = np.array([5, 7, 5, 5, 7, 8])
    values = np.array([0.5, np.nan, -2.0, 1.5, 3.0, np.nan])
    positions = np.array([4, 5, 7, 8])
    strongest = by_position(pos, values, positions, True)
    np.testing.assert_array_equal(strongest, [np.nan, -2.0, 3.0, np.nan])
    np.testing.assert_array_equal(by_position(pos, values, positions, False), [np.nan, 0.0, 3.0, np.nan])
