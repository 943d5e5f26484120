"""The report of motif swaps; the words are in the template."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mifm_kipoi.evaluation.motif_swap import plots
from mifm_kipoi.evaluation.motif_swap.edits import LEAST_PROBABILITY
from mifm_kipoi.evaluation.motif_swap.swaps import CONTRASTS, CONTROLLED, EDITS, POOLED
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Table, settings_table, signed, with_interval, write_page
from mifm_kipoi.statistics.estimates import FEW_CLUSTERS, MIN_CLUSTERS

if TYPE_CHECKING:
    from mifm_kipoi.evaluation.motif_swap.run import Evaluated

_REPORT = Path(__file__).with_name("report.md.jinja")


def cautions_of(evaluated: Evaluated) -> list[str]:
    """What a reader must know before trusting the numbers, without full stops."""
    scores = evaluated.scores
    cautions = []
    if (wrong := scores["self_change"].max()) > 0:
        cautions.append(f"a swap of bases by themselves changed a logit by {wrong:.2g}; it must change none")
    fewest = int(scores["clusters"].min())
    if fewest < MIN_CLUSTERS:
        cautions.append(
            f"the windows of some swap form {fewest} clusters that do not overlap; there are no intervals "
            f"and tests with fewer than {MIN_CLUSTERS}"
        )
    elif fewest < FEW_CLUSTERS:
        cautions.append(
            f"the windows of some swap form {fewest} clusters that do not overlap; intervals of fewer than "
            f"{FEW_CLUSTERS} are too narrow"
        )
    if (scores["unrelated"] == "").any():
        cautions.append("there is no unrelated pattern: the search found no others")
    flat = {
        each.name: each.information
        for group in evaluated.groups
        for each in (*group.positive, *group.negative)
        if each.flat
    }
    return cautions + [
        f"{name} has {bits:.1f} bits: it is nearly flat, and few of its bases are written"
        for name, bits in flat.items()
    ]


def write_report(evaluated: Evaluated, cautions: Sequence[str], folder: Path) -> list[Path]:
    """Write ``report.html``, which holds its figures, ``report.md`` and ``figures/``.

    Parameters
    ----------
    evaluated : Evaluated
        What was found.
    cautions : sequence of str
        From :func:`cautions_of`.
    folder : Path
        Must exist.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    MissingPackageError
        When matplotlib or scipy is not installed.
    OutputError
        When a file cannot be written.
    """
    title, sections = prose.rendered(_REPORT, _values(evaluated, cautions), _figures(evaluated))
    return write_page(folder, title, sections)


def _values(evaluated: Evaluated, cautions: Sequence[str]) -> dict[str, Any]:
    provenance = evaluated.provenance
    tests = evaluated.differences
    return {
        "network": evaluated.network,
        "windows": len(evaluated.discovery.attributions),
        "swaps": int((evaluated.scores["inserted"] != POOLED).sum()),
        "tests": int(tests["p_holm"].notna().sum()),
        "cautions": cautions,
        "groups": [_group(evaluated, number) for number in range(len(evaluated.groups))],
        "most": plots.MOST,
        "least": LEAST_PROBABILITY,
        "index": evaluated.discovery.attributions.centre,
        "draws": provenance["draws"],
        "self_change": f"{evaluated.scores['self_change'].max():g}",
        "settings": settings_table(
            {
                "mifm_kipoi": provenance["mifm_kipoi"],
                "weights": provenance["made_of"]["weights"]["name"],
                "tensors_sha256": provenance["made_of"]["weights"]["tensors_sha256"],
                "attributions": provenance["attributions"],
                "patterns": provenance["patterns"],
                "seed": provenance["seed"],
            }
        ),
    }


def _group(evaluated: Evaluated, number: int) -> dict[str, Any]:
    group = evaluated.groups[number]
    scores = evaluated.scores[evaluated.scores["motif"] == group.name]
    tests = evaluated.differences[evaluated.differences["motif"] == group.name]
    return {
        "name": group.name,
        "title": f"{group.name}: " if group.name else "",
        "positive": len(group.positive),
        "negative": len(group.negative),
        "number": number,
        "scores": _score_rows(scores),
        "tests": _test_rows(tests),
    }


def _direction(replaced: str, inserted: str) -> str:
    return f"{replaced}, by any" if inserted == POOLED else f"{replaced} by {inserted}"


def _score_rows(scores: pd.DataFrame) -> Table:
    rows = tuple(
        (
            _direction(row["replaced"], row["inserted"]),
            f"{row['seqlets']:,}",
            f"{row['clusters']:,}",
            " / ".join(_mean_of(row[name]) for name in ("changed", "changed_unrelated", "changed_consensus")),
            *(_with_sd(row, kind) for kind in ("original", *EDITS)),
        )
        for _, row in scores.iterrows()
    )
    header = (
        "replaced", "seqlets", "clusters", "bases changed (swap / unrelated / consensus)", "as it is",
        "swapped", "random", "unrelated", "consensus",
    )  # fmt: skip
    return Table(header, rows)


def _mean_of(changed: float) -> str:
    return "none" if math.isnan(changed) else f"{changed:.1f}"


def _with_sd(row: pd.Series[Any], kind: str) -> str:
    mean, sd = row[f"score_{kind}"], row[f"sd_{kind}"]
    return "none" if math.isnan(mean) else f"{mean:.3f} ({sd:.3f})"


def _test_rows(tests: pd.DataFrame) -> Table:
    rows = list[tuple[str, ...]]()
    for (replaced, inserted), part in tests.groupby(["replaced", "inserted"], sort=False):
        named = part.set_index("difference")
        cells = []
        for name in CONTRASTS:
            row: Any = named.loc[name]
            if math.isnan(row["mean"]):
                cells.append("none")
            else:
                difference = row["mean"], row["low"], row["high"]
                cells.append(with_interval(lambda value: signed(value, 3), *difference))
            if name in CONTROLLED:
                cells.append(_corrected(row))
        rows.append((_direction(str(replaced), str(inserted)), *cells))
    titles = ((name, "p (Holm)") if name in CONTROLLED else (name,) for name in CONTRASTS)
    return Table(("replaced", *(title for pair in titles for title in pair)), tuple(rows))


def _corrected(row: Any) -> str:
    """A p-value; empty where there is no difference, or its p-value is not corrected."""
    if not math.isnan(row["p_holm"]):
        return f"{row['p_holm']:.2g}"
    return "none" if math.isnan(row["p_value"]) and not math.isnan(row["mean"]) else ""


def _figures(evaluated: Evaluated) -> prose.Figures:
    figures: dict[str, Callable[[], bytes]] = {}
    for number, group in enumerate(evaluated.groups, start=1):
        figures[f"densities_{number}"] = functools.partial(_densities, evaluated, group.name)
        figures[f"changes_{number}"] = functools.partial(_changes, evaluated, group.name)
    return figures


def _densities(evaluated: Evaluated, group: str) -> bytes:
    swaps = [swap for swap in evaluated.swaps if swap.group == group]
    return png(plots.densities(swaps, evaluated.discovery.patterns))


def _changes(evaluated: Evaluated, group: str) -> bytes:
    return png(plots.changes(evaluated.differences[evaluated.differences["motif"] == group]))
