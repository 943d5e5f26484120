"""The time that is left, and the figures so far: each measurement is written when it is made."""

from __future__ import annotations

import dataclasses
import json
import math
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.support.files import written_whole

Figures = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Deadline:
    """When something must have stopped.

    Parameters
    ----------
    end : float
        In seconds of :func:`time.monotonic`.
    """

    end: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds, 0 when it is over."""
        return max(self.end - time.monotonic(), 0.0)

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.left <= 0

    def part(self, fraction: float) -> Deadline:
        """When a fraction of the time that is left will be up."""
        return Deadline.after(self.left * fraction)


class Record:
    """The figures of a run, in a file that is whole after each measurement.

    Parameters
    ----------
    path : Path
        JSON; replaced each time.
    facts : mapping of plain JSON types
        What was run where.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self._path = path
        self.figures: Figures = {**facts, "parts": {}}
        self.write()

    def write(self) -> None:
        """Write the figures."""
        with written_whole(self._path) as temporary:
            temporary.write_text(json.dumps(_plain(self.figures), indent=1) + "\n")

    def measure(
        self, part: str, name: str, deadline: Deadline, needs: float, measurement: Callable[[], Figures]
    ) -> Figures:
        """Make a measurement if there is time, and keep it, its error, or that it was not made.

        Parameters
        ----------
        part, name : str
            Where it stands in the figures.
        deadline : Deadline
            Of the part.
        needs : float
            Seconds without which it is not begun.
        measurement : callable
            Gives plain JSON types; ``seconds`` is added.
        """
        began = time.monotonic()
        if deadline.left < needs:
            made: Figures = {
                "not_run": f"{deadline.left:.0f} s of the part's time were left; it needs {needs:.0f} s"
            }
        else:
            try:
                made = {**measurement(), "seconds": round(time.monotonic() - began, 2)}
            # Whatever a device refuses, the other measurements go on.
            except Exception as error:
                made = {
                    "error": f"{type(error).__name__}: {error}"[:500],
                    "trace": traceback.format_exc()[-2000:],
                }
        self.keep(part, name, made)
        return made

    def seconds(self, part: str, name: str) -> float:
        """Seconds that a measurement took; 0 where it was not made."""
        return float(self.figures["parts"].get(part, {}).get(name, {}).get("seconds", 0))

    def keep(self, part: str, name: str, made: Figures) -> None:
        """Keep a measurement, and write all of them."""
        self.figures["parts"].setdefault(part, {})[name] = made
        self.write()


def _plain(value: Any) -> Any:
    """Without numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
