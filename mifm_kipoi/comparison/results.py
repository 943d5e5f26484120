"""All tables of a comparison."""

from __future__ import annotations

from pathlib import Path

from mifm_kipoi.comparison.agreement import block_agreement, correlations, overlaps
from mifm_kipoi.comparison.coverage import coverage, resources
from mifm_kipoi.comparison.records import Comparison, Results
from mifm_kipoi.statistics.bootstrap import RESAMPLES
from mifm_kipoi.support.files import written_whole


def measure(comparison: Comparison, resamples: int = RESAMPLES, seed: int = 1) -> Results:
    """All tables.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    resamples, seed : int
        Of the intervals.
    """
    return Results(
        comparison,
        coverage(comparison),
        correlations(comparison, resamples, seed),
        overlaps(comparison),
        block_agreement(comparison, resamples, seed),
        resources(comparison),
        resamples,
    )


def write_tables(results: Results, folder: Path) -> list[Path]:
    """Write each table as ``NAME.tsv``: ten digits, an empty field where there is no number.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    paths = []
    for name in ("coverage", "correlations", "overlap", "blocks", "resources"):
        path = folder / f"{name}.tsv"
        with written_whole(path) as temporary:
            getattr(results, name).to_csv(
                temporary, sep="\t", index=False, float_format="%.10g", lineterminator="\n"
            )
        paths.append(path)
    return paths
