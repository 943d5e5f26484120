"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import logging
import platform

log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3), from malloc.h of glibc."""


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, for what it needs next; the memory goes back when it ends.

    glibc gives large blocks back to the system as soon as they are free. Every step of training on a CPU
    takes and frees gigabytes of activations, and finding and clearing pages anew takes a third of its time.

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
