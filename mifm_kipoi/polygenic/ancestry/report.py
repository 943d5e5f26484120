"""The report of labels of ancestry; its words are in a template."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mifm_kipoi.genetics.ancestry import ENOUGH_VARIANTS, Assigned, AssignmentOptions, Panel, Placed
from mifm_kipoi.polygenic.ancestry.figures import axes_figure
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png, svg
from mifm_kipoi.reports.page import Image, Section, Table, percent, settings_table

_REPORT = Path(__file__).with_name("report.md.jinja")

_MOST_COLUMNS, _MOST_ROWS = 10, 20
"""Groups of a table with a column for each; rows of the table in its place."""

ENOUGH_RIGHT = 0.9
"""The fraction of held-out people with the right group below which axes do not tell the groups apart."""

FEW_OBSERVED = 0.9
"""The fraction of variants with a genotype below which a person's place is rough."""


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the report tells.

    Parameters
    ----------
    panel : Panel
        The axes and the panel's people.
    placed : Placed
        Where the labelled people lie.
    assigned, held_out : Assigned
        Their labels, and those of the panel's people when they are held out.
    counts : dict of str to int
        What became of the panel's variants.
    options : AssignmentOptions
        How labels are given.
    notes : sequence of str
        About people of the panel who are not used.
    folds : int
        Of held-out people.
    named_alike : int
        People with genotypes who have the name of one of the panel.
    """

    panel: Panel
    placed: Placed
    assigned: Assigned
    held_out: Assigned
    counts: Mapping[str, int]
    options: AssignmentOptions
    notes: Sequence[str]
    folds: int
    named_alike: int = 0

    def cautions(self) -> list[str]:
        """What a reader must know before using the labels."""
        panel, variants = self.panel, len(self.panel.variants)
        cautions = [
            "a label says which group of the panel is nearest, not that the panel has the right group: "
            "people of a group that it lacks get the label of another"
        ]
        if variants < ENOUGH_VARIANTS:
            cautions.insert(
                0, f"{variants} variants are too few for axes; expected {ENOUGH_VARIANTS} or more"
            )
        sizes = np.bincount(panel.codes, minlength=len(panel.groups))
        few = [
            group for group, size in zip(panel.groups, sizes, strict=True) if size <= self.options.neighbours
        ]
        if few:
            cautions.append(
                f"{', '.join(few)} have at most {self.options.neighbours} people in the panel, as many as "
                "count as near: their labels are rare"
            )
        right = float((self.held_out.nearest == panel.codes).mean())
        if right < ENOUGH_RIGHT:
            cautions.insert(
                0,
                f"held-out people of the panel have the right group in {percent(right)} %: these variants "
                "do not tell the groups apart",
            )
        if self.named_alike:
            cautions.append(
                f"{self.named_alike:,} people have the name of one of the panel; whoever is in both counts "
                "among the nearest people"
            )
        rough = int((self.placed.observed < FEW_OBSERVED).sum())
        if rough:
            cautions.append(
                f"{rough:,} people lack the genotypes of more than {100 * (1 - FEW_OBSERVED):.0f} % of the "
                "variants: their places are rough"
            )
        return [*cautions, *self.notes]


def sections_of(findings: Findings, settings: Mapping[str, Any]) -> tuple[str, list[Section]]:
    """The title and the sections of the report.

    Parameters
    ----------
    findings : Findings
        What it tells.
    settings : mapping of str to plain JSON types
        Options of the run.
    """
    panel, held_out, assigned = findings.panel, findings.held_out, findings.assigned
    right = held_out.nearest == panel.codes
    labelled = held_out.label != ""
    values = {
        "people": len(assigned.label),
        "panel_people": len(panel.codes),
        "variants": len(panel.variants),
        "components": panel.used,
        "method": findings.options.method,
        "neighbours": findings.options.neighbours,
        "min_probability": findings.options.min_probability,
        "without": int((assigned.label == "").sum()),
        "folds": findings.folds,
        "accuracy": float(right.mean()),
        "labelled": float(labelled.mean()),
        "accuracy_labelled": float(right[labelled].mean()) if labelled.any() else float("nan"),
        "cautions": findings.cautions(),
        "labels": _label_table(panel, assigned, held_out),
        "matrix": len(panel.groups) <= _MOST_COLUMNS,
        "confusion": _confusion_table(panel, held_out),
        "counts": Table(
            ("variants", "number"), tuple((what, f"{number:,}") for what, number in findings.counts.items())
        ),
        "settings": settings_table(settings),
    }

    def axes() -> Image:
        figure = axes_figure(panel, findings.placed, assigned)
        return Image(png(figure), svg(figure))

    return prose.rendered(_REPORT, values, {"axes": axes})


def _label_table(panel: Panel, assigned: Assigned, held_out: Assigned) -> Table:
    """How many people have each label, and how well the panel's own people get it back."""
    rows = []
    for code, group in enumerate(panel.groups):
        own = panel.codes == code
        called = held_out.nearest == code
        right = float((held_out.nearest[own] == code).mean())
        precise = float((panel.codes[called] == code).mean()) if called.any() else float("nan")
        rows.append(
            (
                group, f"{(assigned.label == group).sum():,}", f"{own.sum():,}", f"{percent(right)} %",
                f"{percent(precise)} %" if called.any() else "none called",
            )
        )  # fmt: skip
    rows.append(("without a label", f"{(assigned.label == '').sum():,}", "", "", ""))
    return Table(
        (
            "group",
            "people",
            "panel",
            "held-out people of the group called so",
            "of those called so, in the group",
        ),
        tuple(rows),
    )


def _confusion_table(panel: Panel, held_out: Assigned) -> Table:
    """Held-out people by their group and the nearest one; of many groups, the most frequent errors."""
    if len(panel.groups) > _MOST_COLUMNS:
        wrong = held_out.nearest != panel.codes
        pairs = collections.Counter(
            zip(panel.codes[wrong].tolist(), held_out.nearest[wrong].tolist(), strict=True)
        )
        return Table(
            ("group", "nearest when held out", "people"),
            tuple(
                (panel.groups[own], panel.groups[other], f"{number:,}")
                for (own, other), number in pairs.most_common(_MOST_ROWS)
            ),
        )
    rows = [
        (
            group,
            *(
                f"{((panel.codes == code) & (held_out.nearest == other)).sum():,}"
                for other in range(len(panel.groups))
            ),
            f"{((panel.codes == code) & (held_out.label == '')).sum():,}",
        )
        for code, group in enumerate(panel.groups)
    ]
    return Table(("group", *(f"nearest {group}" for group in panel.groups), "without a label"), tuple(rows))
