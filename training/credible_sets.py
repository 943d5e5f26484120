"""Credible sets of fine-mapping: CAUSALdb2's table, or any other by a map of columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal


@dataclasses.dataclass(frozen=True)
class CredibleSetsConfig:
    """A table of credible sets.

    Parameters
    ----------
    path : str
        Text separated by tabs or commas, plain or gzipped, with a header.
    columns : str or mapping
    """

    path: str
    format: Literal["causaldb2", "table"] = "causaldb2"
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
