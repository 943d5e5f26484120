"""Letters of sequence logos, in the usual colours."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.sequence import encoding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASE_COLOURS = {"A": "#109648", "C": "#255c99", "G": "#f7a832", "T": "#d62839"}
"""The usual colours of sequence logos."""


@functools.cache
def _glyph(base: str) -> Any:
    """The outline of a letter, in the unit square."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    path = TextPath((0, 0), base, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = path.get_extents()
    return path.transformed(Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height))


def draw_letter(
    axes: Axes, base: str, index: float, height: float, bottom: float = 0.0, alpha: float = 1.0
) -> None:
    """One letter at a position; a negative height turns it upside down.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Receives it.
    base : str
        A, C, G or T.
    index : float
        Of the position, the middle of the letter.
    height : float
        In units of the axis.
    bottom : float
        Where it begins.
    alpha : float
        Opacity.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.transforms import Affine2D

    shape = Affine2D().scale(0.92, height).translate(index - 0.46, bottom)
    axes.add_patch(
        PathPatch(_glyph(base).transformed(shape), facecolor=BASE_COLOURS[base], linewidth=0, alpha=alpha)
    )


def draw_letters(axes: Axes, bases: str, heights: npt.NDArray[np.floating]) -> None:
    """Letters side by side, around 0, 1, ..., all of one base as one shape.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Receives at most four shapes; its limits stay as they are.
    bases : str
        A, C, G and T; others are left out.
    heights : numpy.ndarray of floating point, shape (n,)
        As of :func:`draw_letter`; a letter with NaN is left out.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    letters = np.array(list(bases), dtype="U1")
    drawn = np.isfinite(heights) & (heights != 0)
    for base, colour in BASE_COLOURS.items():
        places = np.flatnonzero(drawn & (letters == base))
        if not len(places):
            continue
        glyph = _glyph(base)
        x = glyph.vertices[None, :, 0] * 0.92 + (places - 0.46)[:, None]
        y = glyph.vertices[None, :, 1] * heights[places, None]
        outlines = Path(np.stack([x.ravel(), y.ravel()], axis=1), np.tile(glyph.codes, len(places)))
        axes.add_patch(PathPatch(outlines, facecolor=colour, linewidth=0))


def draw_stacks(
    axes: Axes, heights: npt.NDArray[np.floating], start: float = 0.0, alpha: float = 1.0
) -> None:
    """A logo: at each position the letters above and below the line, the largest outermost.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Receives the letters; its limits stay as they are.
    heights : numpy.ndarray, shape (length, 4)
        Of A, C, G, T; those below 0 hang upside down.
    start : float
        Index of the first position.
    alpha : float
        Opacity.
    """
    for index, column in enumerate(heights.tolist()):
        above = below = 0.0
        for height, base in sorted(zip(column, encoding.BASES, strict=True), key=lambda pair: abs(pair[0])):
            if height > 0:
                draw_letter(axes, base, start + index, height, above, alpha)
                above += height
            elif height < 0:
                draw_letter(axes, base, start + index, height, below, alpha)
                below += height
