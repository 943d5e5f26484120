"""What the figures of a comparison have in common: style, size, scales of scores."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mifm_kipoi.comparison.resampling import Numbers
from mifm_kipoi.support.packages import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 8.0
"""Inches of every figure."""

DPI = 160

SERIES = (
    ("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#56B4E9", "v"),
    ("#000000", "P"), ("#8C6D31", "X"),
)  # fmt: skip
"""Colours that the colour-blind tell apart, each with a marker of its own."""

MARKED = "#D55E00"
"""Colour of what stands out; none of the series."""

STYLE = {
    "font.size": 8.5, "axes.titlesize": 9, "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "axes.titlelocation": "left",
    "font.family": "DejaVu Sans",
    # Names of models, columns and contigs are no formulas.
    "text.parse_math": False,
}  # fmt: skip

_SKEWED = 10
"""How many times farther the upper tail reaches than the lower one where a logarithmic scale is used."""

_DECADES = 6
"""Most decades of a logarithmic scale."""

_SMALLEST, _LARGEST = 1e-300, 1e300
"""Lowest end of a logarithmic scale, and largest size of any end: matplotlib looks beyond the ends."""


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """The style, while a figure is drawn or saved.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    with needed("matplotlib", "plot").rc_context(STYLE):
        yield


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file of 256 colours, which is small."""
    from PIL import Image

    file = io.BytesIO()
    with styled():
        figure.savefig(file, format="png", dpi=DPI)
    few = (
        Image.open(file)
        .convert("RGB")
        .quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    small = io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()


def signed(value: float, digits: int = 2) -> str:
    """A correlation; never minus zero."""
    if not np.isfinite(value):
        return "none"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def short_count(count: int) -> str:
    """A number of things in three digits."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


def wrapped(label: str, width: int) -> str:
    """A label in lines of some letters; signs between words may end a line."""
    spaced = label.replace("_", "_ ").replace(".", ". ").replace("-", "- ")
    lines = textwrap.wrap(spaced, width, break_on_hyphens=False)
    return "\n".join(line.replace("_ ", "_").replace(". ", ".").replace("- ", "-") for line in lines)


@dataclasses.dataclass(frozen=True)
class Scale:
    """How a score is drawn: linear, or logarithmic where it is skewed.

    Parameters
    ----------
    logarithmic : bool
    low, high : float
        Values at the ends; those outside, such as zeros on a logarithmic scale, are drawn at the ends.
    """

    logarithmic: bool
    low: float
    high: float

    @classmethod
    def of(cls, values: Numbers) -> Scale:
        """The scale of a score; values that are not finite are left out."""
        values = np.clip(values[np.isfinite(values)], -_LARGEST, _LARGEST)
        if not len(values):
            return cls(False, -0.5, 0.5)
        low, high = float(values.min()), float(values.max())
        # Wide enough for ticks: numbers around a large one are far apart.
        least = 1e-12 * max(abs(low), abs(high))
        if high - low <= least:
            return cls(False, low - max(0.5, least), high + max(0.5, least))
        bottom, median, top = np.quantile(values, (0.001, 0.5, 0.999))
        if low < 0 or top - median <= _SKEWED * (median - bottom):
            return cls(False, low, high)
        lowest = max(float(values[values > 0].min()), high / 10**_DECADES, _SMALLEST)
        return cls(True, lowest, high) if lowest < high else cls(False, low, high)

    @classmethod
    def from_zero(cls, values: Numbers) -> Scale:
        """A linear scale that begins at 0; values that are not finite are left out."""
        highest = float(np.clip(values[np.isfinite(values)], 0, _LARGEST).max(initial=0.0))
        return cls(False, 0.0, highest if highest > 0 else 1.0)

    def limited(self, values: Numbers) -> Numbers:
        """Values with those outside moved to the ends."""
        return np.clip(values, self.low, self.high)

    def places(self, values: Numbers) -> Numbers:
        """From 0 at the lower end to 1 at the upper end."""
        low, high, inside = np.array(self.low), np.array(self.high), self.limited(values)
        if self.logarithmic:
            low, high, inside = np.log10(low), np.log10(high), np.log10(inside)
        places: Numbers = (inside - low) / (high - low)
        return places

    def tick(self, value: float) -> str:
        """A value beside an axis."""
        if self.logarithmic and not 0.01 <= value < 1000:
            return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
        return f"{value:.4g}"

    def ticks(self, most: int) -> list[float]:
        """A few round values inside."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        if self.logarithmic:
            found = LogLocator(numticks=most + 1).tick_values(self.low, self.high)
        else:
            found = MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        return [float(value) for value in found if self.low <= value <= self.high]
