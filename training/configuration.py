"""The configurations of the training code: those that come with it, and fields that had other names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from mifm_kipoi.support import configuration

T = TypeVar("T")

FORMER_KEYS = {"max_mismatch_share": "max_mismatch_fraction"}
"""Former names of fields, at any level, and those that stand for them now."""

SHIPPED = Path(__file__).parent / "configs"
"""Folder of the configurations that come with the package; each can be given by its name alone."""


def read_configuration(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    cls: type[T],
    settings: Sequence[str] = (),
) -> T:
    """Read YAML files into a dataclass, as :func:`mifm_kipoi.support.configuration.read_configuration` does.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        YAML files, or names of shipped configurations.
    cls : type
        The dataclass.
    settings : sequence of str
        ``KEY=VALUE``, which override the files.

    Returns
    -------
    instance of ``cls``
        The configuration.

    Raises
    ------
    ConfigurationError
        When a file cannot be read, a key is unknown or a value is refused.
    """
    return configuration.read_configuration(paths, cls, settings, SHIPPED, FORMER_KEYS)
