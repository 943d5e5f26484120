"""The one style of figures: size, fonts, colours, markers, and their form as PNG."""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.text import as_unicode

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 8.0
"""Inches of the figures of a report."""

DPI = 160
"""Dots per inch of their PNG files."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#5B3A8C", "#8C6D31", "#000000")
"""Of series, in their order; distinguished by colour-blind readers too (after Okabe and Ito 2008)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
"""Of series, in the same order."""

ACCENT = "#D55E00"
"""What stands out among the series, or is above 0."""

SLATE = "#8FA3B5"
"""Bars, and series that stay in the background."""

GREY = "#8C8C8C"
"""Controls, and series for which no colour is left."""


def style(size: float = 8.5) -> dict[str, Any]:
    """The settings of matplotlib.

    Parameters
    ----------
    size : float
        Of the text of axes and labels, in points; ticks and keys are half a point smaller, titles as much
        larger.
    """
    return {
        "font.family": "DejaVu Sans", "font.size": size, "axes.titlesize": size + 0.5,
        "axes.labelsize": size, "xtick.labelsize": size - 0.5, "ytick.labelsize": size - 0.5,
        "legend.fontsize": size - 0.5, "figure.labelsize": size,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
        "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.4,
        # The same figure is the same file.
        "svg.hashsalt": "mifm",
        # Names of models, columns, scores and contigs are not formulas.
        "text.parse_math": False,
    }  # fmt: skip


@contextlib.contextmanager
def styled(size: float = 8.5) -> Iterator[None]:
    """The style, while a figure is drawn or saved; also a decorator of functions that draw.

    Parameters
    ----------
    size : float
        See :func:`style`.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    with needed("matplotlib", "plot").rc_context(style(size)):
        yield


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a PNG file of 256 colours, which is small.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn in the :func:`style` of any size.
    dpi : int
        Dots per inch.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    file = io.BytesIO()
    save(figure, file, "png", dpi)

    # Pillow comes with matplotlib.
    from PIL import Image

    pixels = Image.open(file).convert("RGB")
    few = pixels.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()


def save(figure: Figure, file: Any, kind: str, dpi: int, size: float = 8.5) -> None:
    """Write a figure, all of its text as it is: never as a formula or as markup.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn in the :func:`style` of ``size``.
    file : path-like or file
        Where to.
    kind : str
        Of the file: ``png``, ``svg`` or ``pdf``.
    dpi : int
        Dots per inch.
    size : float
        See :func:`style`.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    # Some labels are made only now.
    with styled(size):
        from matplotlib.text import Text

        for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
            labels = [label.get_text() for label in axis.get_majorticklabels()]
            # Those of ticks are set anew whenever the figure is drawn.
            if (shown := [plain(label) for label in labels]) != labels:
                axis.set_ticklabels(shown)
        for text in figure.findobj(Text):
            text.set_parse_math(False)
            text.set_text(plain(text.get_text()))
        figure.savefig(file, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)


def svg(figure: Figure) -> bytes:
    """A figure as the bytes of an SVG file, its text as outlines, so that it looks the same everywhere.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn in the :func:`style` of any size.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    file = io.BytesIO()
    save(figure, file, "svg", DPI)
    # A hundredth of a point is enough for outlines, at half the size.
    return re.sub(rb' d="[^"]*"', lambda path: _LONG.sub(rb"\1", path[0]), file.getvalue())


_LONG = re.compile(rb"(\.\d\d)\d+")


def plain(text: str) -> str:
    """Text that a figure can show: Unicode, in lines, without other characters of control.

    A name that begins with ``_``, which matplotlib leaves out of legends, gets a space of no width before it.
    """
    shown = "".join(
        letter if letter == "\n" or unicodedata.category(letter) != "Cc" else " "
        for letter in as_unicode(text)
    )
    return f"{_NO_WIDTH}{shown}" if shown.startswith("_") else shown


_NO_WIDTH = "\N{ZERO WIDTH SPACE}"


def short_count(count: int) -> str:
    """A count in three digits, thousands as k, millions as M."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


def shortened(text: str, length: int) -> str:
    """Text of at most ``length`` characters; what is too long loses its end."""
    return text if len(text) <= length else f"{text[: length - 1]}\N{HORIZONTAL ELLIPSIS}"


def without_middle(text: str, length: int) -> str:
    """Text of at most ``length`` characters; too long names lose their middle, not their ends."""
    if len(text) <= length:
        return text
    kept = length - 1
    return f"{text[: kept // 2]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - (kept - kept // 2) :]}"


def wrapped(label: str, width: int) -> str:
    """A label in lines of at most ``width`` characters; ``_``, ``.`` and ``-`` may end a line."""
    spaced = label.replace("_", "_ ").replace(".", ". ").replace("-", "- ")
    lines = textwrap.wrap(spaced, width, break_on_hyphens=False)
    return "\n".join(line.replace("_ ", "_").replace(". ", ".").replace("- ", "-") for line in lines)
