"""The page in the folder of a cohort that says what its files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.cohort.sizes import TRAITS, Cohort

TEMPLATE = Path(__file__).with_name("README.md.jinja")
"""Of the page."""

_USES = {
    "discovery": "a GWAS of its own",
    "replication": "a second GWAS",
    "target": "target of polygenic scores",
    "panel": "reference panel, of known ancestry",
}


def readme(cohort: Cohort, counts: Mapping[str, Any], cell_lines: int, silencers: float) -> str:
    """The text, in Markdown.

    Parameters
    ----------
    cohort : Cohort
        All settings.
    counts : mapping
        Counts of the manifest.
    cell_lines : int
        Of the chromatin states.
    silencers : float
        Odds ratio of silencers.
    """
    template = jinja2.Template(
        TEMPLATE.read_text(),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return template.render(
        cohort=cohort, counts=counts, traits=TRAITS, uses=_USES, cell_lines=cell_lines, silencers=silencers
    )
