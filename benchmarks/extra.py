"""The packages of the extra ``benchmark``: asked for in one line, and quiet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mifm_kipoi.errors import MissingPackageError


@contextmanager
def needed() -> Iterator[None]:
    """Import within this context what needs the extra; its packages then say nothing below warnings.

    Raises
    ------
    MissingPackageError
        When one is not installed; the message has the command that installs it.
    """
    try:
        yield
    except ImportError as error:
        raise MissingPackageError(
            f"{error.name} is not installed; in the checkout: pip install -e '.[benchmark]'"
        ) from error
    logging.getLogger("msprime").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        # It logs every file, as the root logger.
        handler.addFilter(lambda record: "bed_reader" not in record.pathname)
