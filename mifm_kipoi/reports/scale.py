"""How a score is drawn along an axis: linear, or logarithmic where it is skewed."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

_SKEWED = 10
"""How many times farther the upper tail reaches than the lower one where a logarithmic scale is used."""

_DECADES = 6
"""Most decades of a logarithmic scale."""

_SMALLEST, _LARGEST = 1e-300, 1e300
"""Lowest end of a logarithmic scale, and largest size of any end: matplotlib looks beyond the ends."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How a score is drawn: linear, or logarithmic where it is skewed.

    Parameters
    ----------
    logarithmic : bool
        Whether equal steps along the axis are equal ratios.
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

    def positions(self, values: Numbers) -> Numbers:
        """Positions along the axis: from 0 at the lower end to 1 at the upper end."""
        low, high, inside = np.array(self.low), np.array(self.high), self.limited(values)
        if self.logarithmic:
            low, high, inside = np.log10(low), np.log10(high), np.log10(inside)
        positions: Numbers = (inside - low) / (high - low)
        return positions

    def tick(self, value: float) -> str:
        """A value beside an axis."""
        if self.logarithmic and not 0.01 <= value < 1000:
            return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
        return f"{value:.4g}"

    def ticks(self, most: int) -> list[float]:
        """A few round values inside."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        if self.logarithmic:
            ticks = LogLocator(numticks=most + 1).tick_values(self.low, self.high)
        else:
            ticks = MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        return [float(value) for value in ticks if self.low <= value <= self.high]
