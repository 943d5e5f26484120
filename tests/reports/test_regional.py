"""The figure of a region: panels, tracks beneath them, and the same variants marked in all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mifm_kipoi.network.background import Background
from mifm_kipoi.reports.drawing import ACCENT
from mifm_kipoi.reports.regional import Mark, Panel, Span, Spans, Track, percentile_lines, regional_view

NAN = float("nan")


def _variants(pos: list[int], **scores: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"chrom": "20", "pos": pos, "id": ".", "ref": "A", "alt": "G", **scores},
    )


def test_a_track_has_the_values_of_its_positions_and_none_outside() -> None:
    track = Track("t", 10, np.array([1.0, NAN, 3.0], dtype=np.float32))
    np.testing.assert_array_equal(track.at(np.array([10, 11, 12, 13, 14])), [NAN, 1, NAN, 3, NAN])


def test_a_short_track_is_drawn_position_by_position_beneath_the_panels() -> None:
    table = _variants([3, 5], score=[0.2, 0.4])
    figure = regional_view(
        table, ("20", 1, 6), [Panel("MIFM", (("", "score"),))], [Mark(1, ("first",))],
        [Track("every position", 0, np.array([0.1, 0.2, 0.3, 0.4, NAN, 0.6]))],
    )  # fmt: skip
    _, panel, track = figure.axes
    assert [axes.get_ylabel() for axes in (panel, track)] == ["MIFM", "every position"]
    line = next(line for line in track.get_lines() if len(np.asarray(line.get_xdata())) == 6)
    np.testing.assert_allclose(np.asarray(line.get_xdata()) * 1e6, [1, 2, 3, 4, 5, 6])
    assert panel.get_xlim() == track.get_xlim()
    # The track has no value at the marked variant, which lies at position 5.
    assert [text.get_color() for text in panel.texts] == [ACCENT]
    assert [text.get_color() for text in track.texts] == ["0.7"]
    FigureCanvasAgg(figure).draw()


def test_a_long_track_shows_the_range_and_the_mean_of_its_bins() -> None:
    values = np.zeros(100_000)
    values[50_000] = 1.0
    values[:200] = NAN
    table = _variants([50_001], score=[0.2])
    track = Track("every position", 0, values)
    _, _, axes = regional_view(table, ("20", 1, 100_000), [Panel("MIFM", (("", "score"),))], (), [track]).axes
    (band,) = (part for part in axes.collections if part.get_label().startswith("lowest to highest"))
    (line,) = axes.get_lines()
    positions, means = (np.asarray(data) for data in (line.get_xdata(), line.get_ydata()))
    assert len(means) == 500
    # 200 positions a bin: the first has no value, and the one of position 50,001 begins there.
    assert np.isnan(means[0])
    assert means[250] == pytest.approx(1 / 200)
    assert positions[250] * 1e6 == pytest.approx(50_100.5)
    highest = max(point[1] for path in band.get_paths() for point in path.vertices)
    assert highest == 1.0
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["lowest to highest\nof 200 bp", "mean; n 99.8k"]


def test_tracks_alone_make_a_figure() -> None:
    figure = regional_view(_variants([3]), ("20", 1, 6), [], [], [Track("t", 0, np.full(6, 0.5))])
    assert len(figure.axes) == 2


def test_dashed_lines_inside_the_axis_have_their_text() -> None:
    lines = ((0.25, "half"), (0.5, "all"), (0.7, "too high"))
    figure = regional_view(
        _variants([3, 5], score=[0.1, 0.6]), ("20", 1, 6),
        [Panel("MIFM", (("", "score"),), from_zero=True, lines=lines)], (),
        [Track("t", 0, np.full(6, 0.3), lines)],
    )  # fmt: skip
    _, panel, track = figure.axes
    assert [text.get_text() for text in panel.texts] == ["half", "all"]
    assert [text.get_text() for text in track.texts] == ["half"]
    assert [float(np.asarray(line.get_ydata())[0]) for line in panel.get_lines()] == [0.25, 0.5]


def test_a_panel_and_a_track_can_end_at_the_same_number() -> None:
    figure = regional_view(
        _variants([3, 5], score=[0.1, 0.6]), ("20", 1, 6),
        [Panel("MIFM", (("", "score"),), from_zero=True, high=0.9)], (),
        [Track("t", 0, np.full(6, 0.9), high=0.5)],
    )  # fmt: skip
    _, panel, track = figure.axes
    assert panel.get_ylim() == track.get_ylim()
    assert panel.get_ylim()[1] == pytest.approx(0.9 + 0.06 * 0.9)


def test_lines_at_percentiles_are_scores() -> None:
    """Of logits from 0 to 0.99, the highest 1 % begins at 0.99 and the highest half at 0.5."""
    ranks = np.arange(1, 101, dtype=np.int64)
    background = Background(ranks, (100 - ranks).astype(np.float32) / 100, {})
    lines = percentile_lines(background, (50, 99))
    assert [text for _, text in lines] == ["50 %", "99 %"]
    np.testing.assert_allclose([score for score, _ in lines], 1 / (1 + np.exp([-0.5, -0.99])), rtol=1e-6)
    assert percentile_lines(None, (50, 99)) == ()


def test_classes_of_a_panel_have_their_colours_and_the_first_lies_above_the_others() -> None:
    table = _variants([10, 20, 30], high=[0.9, NAN, NAN], low=[NAN, 0.1, 0.2])
    panel = Panel("p", (("in a set", "high"), ("other", "low")), colours=("#111111", "#EEEEEE"))
    _, axes = regional_view(table, ("20", 1, 40), [panel], [Mark(0, ("first",))]).axes
    named = [part for part in axes.collections if not part.get_label().startswith("_")]
    assert [part.get_label() for part in named] == ["in a set, n 1", "other, n 2"]
    assert [tuple(part.get_facecolor()[0][:3]) for part in named] == [(0x11 / 255,) * 3, (0xEE / 255,) * 3]
    assert named[0].get_zorder() > named[1].get_zorder()


def test_spans_lie_in_rows_without_overlap_and_those_left_over_are_counted() -> None:
    table = _variants([1000, 9000], score=[0.2, 0.4])
    genes = [Span("LONG", 1000, 9000, "+", ((1000, 1500), (8000, 9000))), Span("SHORT", 4000, 4500, "-")]
    panel = Panel("MIFM", (("", "score"),))
    *_, axes = regional_view(table, ("20", 1, 10_000), [panel], [], spans=Spans("genes", tuple(genes))).axes
    texts = {text.get_text(): text.get_position() for text in axes.texts}
    assert list(texts) == ["LONG \N{RIGHTWARDS ARROW}", "SHORT \N{LEFTWARDS ARROW}"]
    rows = [y for _, y in texts.values()]
    assert rows[1] - rows[0] == pytest.approx(1)
    lines = [np.asarray(line.get_xdata()) * 1e6 for line in axes.get_lines()]
    np.testing.assert_allclose(lines, [[1000, 9000], [1000, 1500], [8000, 9000], [4000, 4500]])
    many = tuple(Span(f"G{number}", 1000, 9000) for number in range(9))
    *_, axes = regional_view(table, ("20", 1, 10_000), [panel], [], spans=Spans("genes", many)).axes
    assert axes.get_ylabel() == "genes\n(2 more)"
    *_, axes = regional_view(table, ("20", 1, 10_000), [panel], [], spans=Spans("genes", ())).axes
    assert [text.get_text() for text in axes.texts] == ["none in the region"]
