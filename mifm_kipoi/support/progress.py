"""Progress of long work, one line on standard error."""

from __future__ import annotations

import sys
import time


class Progress:
    """Shows how far some work is, its rate and the time that is left.

    Parameters
    ----------
    what : str
        What is counted, in the plural.
    show : bool, optional
        Whether to show anything; by default where standard error is a terminal.
    """

    _INTERVAL = 0.2

    def __init__(self, what: str, show: bool | None = None) -> None:
        self._what = what
        self._show = sys.stderr.isatty() if show is None else show
        self._began = self._shown = time.monotonic()
        self._width = 0

    @property
    def shown(self) -> bool:
        """Whether anything is shown."""
        return self._show

    def update(self, count: int, fraction: float = 0.0) -> None:
        """Say that ``count`` are done since the start, and which share of the work that is, if known."""
        now = time.monotonic()
        if not self._show or now - self._shown < self._INTERVAL:
            return
        self._shown = now
        seconds = now - self._began
        text = f"{count:,} {self._what}, {count / seconds:,.0f}/s"
        if 0 < fraction <= 1:
            text += f", {fraction:.0%}, {duration(seconds * (1 - fraction) / fraction)} left"
        self._write(text)

    def close(self) -> None:
        """Leave an empty line behind."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)


def duration(seconds: float) -> str:
    """A length of time in words: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
