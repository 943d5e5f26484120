"""The style of figures, and how they become PNG files."""

from __future__ import annotations

import io
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from mifm_kipoi.errors import MissingPackageError
from mifm_kipoi.reports import drawing
from mifm_kipoi.reports.drawing import png, short_count, shortened, styled, without_middle, wrapped


def test_the_style_lasts_as_long_as_a_figure_is_drawn() -> None:
    before = matplotlib.rcParams["font.size"], matplotlib.rcParams["text.parse_math"]
    with styled(7):
        assert matplotlib.rcParams["font.size"] == 7
        assert matplotlib.rcParams["legend.fontsize"] == 6.5
        assert not matplotlib.rcParams["text.parse_math"]
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["text.parse_math"]) == before


def test_functions_can_be_styled_again_and_again() -> None:
    @styled()
    def size() -> float:
        return float(matplotlib.rcParams["axes.titlesize"])

    assert [size(), size()] == [9, 9]


def test_a_png_file_has_the_size_and_the_colours_of_the_figure() -> None:
    figure = Figure(figsize=(2, 1))
    figure.patch.set_facecolor("#0072B2")
    content = png(figure, dpi=50)
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (100, 50), "P")
        assert picture.convert("RGB").getcolors() == [(100 * 50, (0x00, 0x72, 0xB2))]
    assert png(figure, dpi=50) == content


def test_colours_and_markers_are_all_different() -> None:
    colours = (*drawing.COLOURS, drawing.ACCENT, drawing.SLATE, drawing.GREY)
    assert len(drawing.COLOURS) == len(drawing.MARKERS) == len(set(drawing.MARKERS))
    for index, colour in enumerate(colours):
        for other in colours[:index]:
            assert np.linalg.norm(np.subtract(to_rgb(colour), to_rgb(other))) > 0.15, (colour, other)


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPackageError, match=r"matplotlib .*\.\[plot\]"), styled():
        pass


def test_labels_are_wrapped_at_signs() -> None:
    assert wrapped("enformer_191k_eur", 10) == "enformer_\n191k_eur"
    assert wrapped("a.b-c", 2) == "a.\nb-\nc"
    assert wrapped("a", 10) == "a"


def test_long_names_lose_their_end_or_their_middle() -> None:
    assert shortened("abcdefgh", 5) == "abcd…"
    assert shortened("abcde", 5) == "abcde"
    assert without_middle("abcdefgh", 5) == "ab…gh"
    assert without_middle("abcdefgh", 6) == "ab…fgh"
    assert without_middle("abcde", 5) == "abcde"


def test_counts_in_three_digits() -> None:
    assert [short_count(value) for value in (999, 28_998, 1_200_000)] == ["999", "29k", "1.2M"]
