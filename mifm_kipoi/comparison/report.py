"""Write what a comparison found: tables, figures, and a report as Markdown and as a page in one file."""

from __future__ import annotations

import os
from pathlib import Path

from mifm_kipoi.comparison.comparison import Comparison
from mifm_kipoi.comparison.locus import default_locus, in_locus, parse_locus
from mifm_kipoi.comparison.results import measure, write_tables
from mifm_kipoi.comparison.sections import sections
from mifm_kipoi.reports import page
from mifm_kipoi.support.files import made_folder

TITLE = "Scores of variants side by side"


def write_report(
    comparison: Comparison,
    folder: str | os.PathLike[str],
    locus: str | None = None,
    seed: int = 1,
    resamples: int = 1000,
) -> list[Path]:
    """Write the tables, ``figures/*.png``, ``report.md`` and ``report.html``, which opens without a network.

    Parameters
    ----------
    comparison : Comparison
    folder : path-like
        Made where it is missing; files of these names are replaced.
    locus : str, optional
        ``chrom:start-end`` of the regional view, 1-based with both ends inside; by default
        :func:`mifm_kipoi.comparison.locus.default_locus`.
    seed, resamples : int
        Of the intervals; the same give the same files.

    Returns
    -------
    list of Path
        The files, in the order in which they were written.

    Raises
    ------
    OptionError
        When the locus is not understood, or no variant lies in it; nothing is written.
    MissingPackageError
        When matplotlib is not installed; nothing is written.
    OutputError
        When a file cannot be written.
    """
    place = parse_locus(locus) if locus else default_locus(comparison)
    # Before what takes long.
    in_locus(comparison, place)
    results = measure(comparison, resamples, seed)
    parts = list(sections(results, place))
    folder = made_folder(folder)
    return [*write_tables(results, folder), *page.write_page(folder, TITLE, parts)]
