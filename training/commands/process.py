"""The process of a command that trains: the memory that it keeps, and the progress that it shows."""

from __future__ import annotations

import ctypes
import logging
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.contrib.logging import logging_redirect_tqdm

from mifm_kipoi.support.progress import Progress

log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3), from malloc.h of glibc."""


@contextmanager
def training_process(what: str) -> Iterator[Callable[[int, float], None]]:
    """Keep freed memory, and show the progress of a run in one line where standard error is a terminal.

    Parameters
    ----------
    what : str
        What is counted, in the plural.

    Yields
    ------
    callable
        For ``on_progress`` of a run. Lines of the log are written above the line of the progress.
    """
    keep_freed_memory()
    progress, last = Progress(what), 0

    def on_progress(count: int, fraction: float) -> None:
        nonlocal progress, last
        if count < last:
            # A run of several steps counts each from 0, with a rate of its own.
            progress.close()
            progress = Progress(what)
        last = count
        progress.update(count, fraction)

    with logging_redirect_tqdm():
        try:
            yield on_progress
        finally:
            progress.close()


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, until it ends.

    glibc gives large blocks back to the system as soon as they are free. Every step of training on a CPU
    allocates and frees gigabytes of activations, and mapping and clearing pages again takes a third of its
    time.

    Returns
    -------
    bool
        Whether it does: only with glibc. Other libraries are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    done = bool(library.mallopt(_MMAP_MAX, 0)) and bool(library.mallopt(_TRIM_THRESHOLD, -1))
    log.debug("memory that is freed is kept: %s", done)
    return done
