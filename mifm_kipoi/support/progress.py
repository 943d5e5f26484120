"""Progress of long work, one line on standard error."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

_COUNT = "{n:,} {desc}, {rate_noinv_fmt}"
_COUNT_AND_REST = f"{_COUNT}, {{percentage:.0f}}%, {{remaining}} left"


class Progress:
    """Shows how far some work is, its rate and, where it is known how much there is, the time left.

    The total is mostly known as a fraction alone, such as that of the bytes of a file that were read.

    Parameters
    ----------
    what : str
        What is counted, in the plural.
    show : bool, optional
        Whether to show anything; by default where standard error is a terminal.
    """

    _INTERVAL = 0.2
    """Seconds from one renewal of the line to the next."""

    def __init__(self, what: str, show: bool | None = None) -> None:
        self._show = sys.stderr.isatty() if show is None else show
        self._line = tqdm(
            desc=what, disable=not self._show, leave=False, mininterval=self._INTERVAL, miniters=1,
            delay=self._INTERVAL, unit="", bar_format=_COUNT, file=sys.stderr,
        )  # fmt: skip

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def shown(self) -> bool:
        """Whether anything is shown."""
        return self._show

    def update(self, count: int, fraction: float = 0.0) -> None:
        """Renew the line.

        Parameters
        ----------
        count : int
            How many are done since the start.
        fraction : float
            Which fraction of the work that is, from 0 to 1; 0 where it is not known.
        """
        if not self._show:
            return
        known = 0 < fraction <= 1
        self._line.total = count / fraction if known else None
        self._line.bar_format = _COUNT_AND_REST if known else _COUNT
        self._line.update(count - self._line.n)

    def close(self) -> None:
        """Leave an empty line behind."""
        self._line.close()
