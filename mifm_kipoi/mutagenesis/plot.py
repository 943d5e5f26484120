"""Figures of saturation mutagenesis: a logo of the sequence above a heat map of all substitutions."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import OutputError
from mifm_kipoi.mutagenesis.mutate import MAIN_SCORE, Effects, Score, mean_effect
from mifm_kipoi.mutagenesis.targets import Centre, Target
from mifm_kipoi.reports.drawing import save, shortened, styled
from mifm_kipoi.reports.logos import draw_letter
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support.files import named, workspace, writing
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.text import as_unicode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

SUFFIXES = (".png", ".svg", ".pdf")

MAX_LENGTH = 2048
"""Positions of a figure; more would not fit a page."""

LINE_LENGTH = 128
"""Most positions side by side; longer regions go on below."""

_FONT = 7
"""Points: what journals ask for."""

# Inches.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.62, 0.7, 0.38, 0.2
_LOGO, _GAP, _HEAT = 0.8, 0.03, 0.44
_LINE = _LOGO + _GAP + _HEAT + 0.32
_BAR = _LOGO + _GAP + _HEAT
_MOST_WIDTH = 7.2 - _LEFT - _RIGHT
"""With it a figure is as wide as two columns of a page."""
_LEAST_WIDTH = 2.2
_BASE_WIDTH = 0.16
_TICK_WIDTH = 0.65

_LETTER = 0.068
"""Width of a letter of the title, on average."""

_SHORTEST_NAME = 8

_LABELS = {
    Score.LOGIT: "change of the logit",
    Score.PROBABILITY: "change of the MIFM score",
}


class Figures:
    """A sink that draws a figure of each target: ``OUT.png``, or ``OUT.1.png`` and so on for several.

    Parameters
    ----------
    path : Path
        Its suffix names the format.
    centre : Centre
        What the effects are of; it decides which score is drawn.
    folder : Path
        Where the figures lie until all are complete.
    """

    def __init__(self, path: Path, centre: Centre, folder: Path) -> None:
        self._path = path
        self._score = MAIN_SCORE[centre]
        self._folder = folder
        self._parts: list[Effects] = []
        self._first: Figure | None = None
        self._first_number = 0
        self.count = 0
        self.paths: list[Path] = []

    def add(self, effects: Effects) -> None:
        """Collect the parts of a target, and draw it when the next one comes.

        Raises
        ------
        OutputError
            When a region is too long for a figure.
        """
        target = effects.target
        if target.status is not Status.OK:
            return
        if target.end - target.start > MAX_LENGTH:
            raise OutputError(
                f"cannot plot {target.name}: it has {target.end - target.start} positions, expected at most "
                f"{MAX_LENGTH}; plot a shorter region, or leave --plot out"
            )
        if self._parts and self._parts[0].target.number != target.number:
            self._draw()
        self._parts.append(effects)

    def finish(self) -> None:
        """Draw the last target."""
        if self._parts:
            self._draw()
        if self._first is not None:
            self._save(self._first, self._path)
        for path in self.paths:
            with writing(path):
                named(self._folder / path.name, path)

    def _draw(self) -> None:
        figure = draw(self._parts, self._score)
        number = self._parts[0].target.number
        self._parts = []
        self.count += 1
        if self.count == 1:
            self._first, self._first_number = figure, number
            return
        if self._first is not None:
            self._save(self._first, self._numbered(self._first_number))
            self._first = None
        self._save(figure, self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}")

    def _save(self, figure: Figure, path: Path) -> None:
        self.paths.append(path)
        with writing(path):
            save(figure, self._folder / path.name, path.suffix[1:], 300, _FONT)


def numbered(path: str | os.PathLike[str]) -> list[Path]:
    """The files that are there already of the names that figures of several targets have."""
    path = Path(path)
    name = re.compile(rf"{re.escape(path.stem)}\.[0-9]+{re.escape(path.suffix)}")
    return [each for each in path.parent.glob("*") if name.fullmatch(each.name)]


@contextlib.contextmanager
def drawn(path: str | os.PathLike[str], centre: Centre) -> Iterator[Figures]:
    """Figures, which get their names when all are complete.

    Raises
    ------
    OutputError
        When the suffix is not one of :data:`SUFFIXES`.
    MissingPackageError
        When matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise OutputError(
            f"cannot plot to {path}: its name ends in {path.suffix!r}; expected .png, .svg or .pdf"
        )
    # Now, not after the computation.
    needed("matplotlib", "plot")
    with workspace(path) as folder:
        figures = Figures(path, centre, folder)
        yield figures
        figures.finish()


@styled(_FONT)
def draw(parts: Sequence[Effects], score: Score) -> Figure:
    """A figure of one target.

    The logo's letters are the reference bases, as high as minus the mean effect of their three
    substitutions: a letter above the line supports the score, one below it, upside down, opposes it. The
    heat map shows each substitution; a dot marks the reference base.

    Parameters
    ----------
    parts : sequence of Effects
        Of one target, in their order, all of its positions.
    score : Score
        Which effect to show.

    Returns
    -------
    matplotlib.figure.Figure
        For each line of up to 128 positions an axes with the logo and one with the heat map; then the
        colour bar.
    """
    from matplotlib.figure import Figure

    target = parts[0].target
    bases = b"".join(part.ref.tobytes() for part in parts).decode()
    effects = np.concatenate([part.scores()[score] for part in parts])
    importance = -mean_effect(effects)
    lines = math.ceil(len(bases) / LINE_LENGTH)
    length = math.ceil(len(bases) / lines)
    width = min(max(_BASE_WIDTH * length, _LEAST_WIDTH), _MOST_WIDTH)
    size = (_LEFT + width + _RIGHT, _TOP + lines * _LINE + _BOTTOM)
    figure = Figure(figsize=size)
    # Places in inches, so that letters and labels are of one size whatever the length of the region.
    inches = functools.partial(_add_axes, figure)
    bound = np.nanmax(np.abs(effects), initial=0) or 1.0
    low, high = _limits(importance)
    for number in range(lines):
        part = slice(number * length, (number + 1) * length)
        below = size[1] - _TOP - number * _LINE - _LOGO
        start = target.start + number * length
        logo = inches(_LEFT, below, width, _LOGO)
        _draw_logo(logo, bases[part], importance[part])
        logo.set(xlim=(-0.5, length - 0.5), ylim=(low, high))
        heat = inches(_LEFT, below - _GAP - _HEAT, width, _HEAT)
        image = _draw_heat(heat, bases[part], effects[part], bound)
        heat.set(xlim=(-0.5, length - 0.5), ylim=(encoding.NO_BASE - 0.5, -0.5))
        _set_positions(heat, start, len(bases[part]), int(width / _TICK_WIDTH) * len(bases[part]) // length)
        _mark_centre(logo, target, start, len(bases[part]))
    heat.set_xlabel(f"position on {as_unicode(target.chrom)}")
    top = size[1] - _TOP
    bar = figure.colorbar(image, cax=inches(_LEFT + width + 0.12, top - _BAR, 0.09, _BAR))
    bar.set_label(_LABELS[score])
    bar.ax.tick_params(length=2)
    bar.outline.set_linewidth(0.6)
    title = _title(target, width + _RIGHT)
    figure.text(_LEFT / size[0], 1 - 0.09 / size[1], title, fontsize=_FONT + 1, va="top")
    figure.text(1 - 0.12 / size[0], 0.06 / size[1], _key(target), fontsize=_FONT - 1, ha="right")
    return figure


def _add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    all_width, all_height = figure.get_size_inches()
    return figure.add_axes((left / all_width, bottom / all_height, width / all_width, height / all_height))


def _limits(importance: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Of the logo: from the lowest to the highest letter, the line at 0 included."""
    low = float(np.nanmin(importance, initial=0))
    high = float(np.nanmax(importance, initial=0))
    room = 0.04 * (high - low) or 1.0
    return low - room, high + room


def _title(target: Target, width: float) -> str:
    """The name, shortened to fit a width in inches, and the interval, 1-based with both ends inside."""
    interval = f"{target.chrom}:{target.start + 1:,}-{target.end:,}"
    longest = max(int(width / _LETTER) - len(interval) - 3, _SHORTEST_NAME)
    name = "" if target.id == "." else f"{shortened(target.id, longest)}   "
    return as_unicode(name + interval)


def _key(target: Target) -> str:
    return (
        "dot: reference base"
        if target.centre is None
        else "dot: reference base; triangle: centre of the window"
    )


def _draw_logo(axes: Axes, bases: str, importance: npt.NDArray[np.float32]) -> None:
    """One letter per position that has effects."""
    for index, (base, height) in enumerate(zip(bases, importance.tolist(), strict=True)):
        if not math.isnan(height):
            draw_letter(axes, base, index, height)
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set_ylabel("importance")
    axes.locator_params(axis="y", nbins=4, min_n_ticks=3)
    axes.tick_params(axis="y", length=2)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _draw_heat(axes: Axes, bases: str, effects: npt.NDArray[np.float32], bound: float) -> AxesImage:
    """Cells of the substitutions; a dot in those of the reference bases; grey where there is no effect."""
    import matplotlib

    colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad="0.85")
    cells = effects.T.copy()
    known = [
        (index, encoding.BASES.index(base)) for index, base in enumerate(bases) if base in encoding.BASES
    ]
    known = [(index, row) for index, row in known if not np.isnan(cells[:, index]).all()]
    for index, row in known:
        cells[row, index] = 0
    image = axes.imshow(cells, cmap=colours, vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
    if known:
        axes.plot(*zip(*known, strict=True), ".", color="0.25", markersize=2.0, markeredgewidth=0)
    axes.set_yticks(range(encoding.NO_BASE), list(encoding.BASES))
    axes.tick_params(axis="y", length=0, pad=2)
    axes.spines[:].set_visible(True)
    return image


def _set_positions(axes: Axes, start: int, length: int, most: int) -> None:
    """Ticks at round 1-based positions."""
    steps = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
    step = next(step for step in steps if length <= step * max(most, 1))
    positions = range(-(-(start + 1) // step) * step, start + length + 1, step)
    axes.set_xticks([pos - 1 - start for pos in positions], [f"{pos:,}" for pos in positions])
    axes.tick_params(axis="x", length=2)


def _mark_centre(axes: Axes, target: Target, start: int, length: int) -> None:
    """A triangle above the base at index 255 of the window."""
    if target.centre is not None and start <= target.centre < start + length:
        index = target.centre - start
        axes.plot(
            index, 1.03, "v", transform=axes.get_xaxis_transform(), color="black", markersize=4, clip_on=False
        )
