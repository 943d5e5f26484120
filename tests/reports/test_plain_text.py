"""Text in figures is shown as it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mifm_kipoi.reports.drawing import plain, save, styled

matplotlib = pytest.importorskip("matplotlib")

NAMES = ("$x_1$", "a_b", "_hidden", "<b>bold</b>", "\\alpha", "$", "caf\udce9", "a\x07b", "100%")


@pytest.mark.filterwarnings("error")
def test_names_are_never_formulas_or_markup() -> None:
    """Also where they were drawn with the settings of matplotlib: titles, ticks, legends and labels."""
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    for number, name in enumerate(NAMES):
        axes.plot([0, 1], [number, number], label=plain(name))
    axes.set_yticks(range(len(NAMES)), NAMES)
    axes.set_title(NAMES[0])
    axes.set_xlabel("_x $y")
    axes.annotate(NAMES[0], (0, 0))
    legend = axes.legend()
    assert len(legend.get_texts()) == len(NAMES)
    file = io.BytesIO()
    matplotlib.rcParams["svg.fonttype"] = "none"
    save(figure, file, "svg", 100)
    shown = file.getvalue().decode()
    for text in (
        "$x_1$",
        "a_b",
        "_hidden",
        "&lt;b&gt;bold&lt;/b&gt;",
        "\\alpha",
        "caf\N{REPLACEMENT CHARACTER}",
        "a b",
    ):
        # On the axis and in the legend.
        assert shown.count(f">{text}<") + shown.count(f">\N{ZERO WIDTH SPACE}{text}<") >= 2, text
    save(figure, io.BytesIO(), "png", 50)


def test_lines_stay_lines() -> None:
    assert plain("a\nb\tc") == "a\nb c"


def test_the_style_is_that_of_the_figure(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with styled(7):
        figure = Figure()
        figure.text(0.5, 0.5, "$")
    save(figure, tmp_path / "x.png", "png", 50, 7)
    assert (tmp_path / "x.png").stat().st_size > 100
