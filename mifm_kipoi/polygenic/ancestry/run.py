"""``mifm pgs ancestry`` from files to files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics import ancestry
from mifm_kipoi.genetics.ancestry import Assigned, AssignmentOptions, AxesOptions, Panel, Placed
from mifm_kipoi.genetics.genotypes import Genotypes, open_genotypes
from mifm_kipoi.genetics.people_tables import read_people
from mifm_kipoi.polygenic.ancestry.report import Findings, sections_of
from mifm_kipoi.reports.page import Section, write_page
from mifm_kipoi.support.files import check_outputs, made_folder, write_json, write_table
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

MANIFEST = "ancestry.json"
TABLE = "ancestry.tsv"

LABEL = "ancestry"
"""Its column of labels."""

_OUTPUTS = (TABLE, "reference.tsv", "variants.tsv", "held_out.tsv", "report.md", "report.html", MANIFEST)


@dataclasses.dataclass(frozen=True)
class PgsAncestryResult:
    """Labels of people, and their files.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a person, in the order of the genotypes: family, sample, ancestry (empty where nobody is near
        enough), nearest (the most probable group), probability (of that), isolation, observed (fraction of
        the variants with a genotype), p_GROUP (probability of each group), PC1, PC2 ...
    held_out : pandas.DataFrame
        The panel's people, labelled by the others of the panel: true label, nearest, ancestry, people.
    accuracy : float
        The fraction of the panel's people whose nearest group is theirs, when the panel does not have them.
    findings : Findings
        What the report tells.
    title, sections
        The report.
    files : list of Path
        All that were written, the manifest last.
    """

    table: pd.DataFrame
    held_out: pd.DataFrame
    accuracy: float
    findings: Findings
    title: str
    sections: list[Section]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """Who got which label, in lines of text."""
        counts = self.table["ancestry"].replace("", "without a label").value_counts(sort=False).sort_index()
        return [
            f"{len(self.table):,} people by {len(self.findings.panel.variants):,} variants; held-out people "
            f"of the panel have the right label in {100 * self.accuracy:.1f} %",
            ", ".join(f"{name} {number:,}" for name, number in counts.items()),
        ]


@dataclasses.dataclass(frozen=True)
class PgsAncestryRun:
    """Whom to label, and by which panel.

    Parameters
    ----------
    genotypes : tuple of Path
        Genotypes of the people, of any format, one or several files.
    reference : tuple of Path
        Genotypes of the panel, of the same genome build.
    labels : Path
        Table with the label of each person of the panel.
    folder : Path
        Of the outputs; made where it is missing.
    label : str
        Its column of labels.
    axes : AxesOptions
        Variants and components.
    assignment : AssignmentOptions
        How people are labelled.
    everyone : bool
        Use people of the panel who have parents in it, too. By default founders alone: relatives are near
        each other on any axis, and held-out people must not have them in the panel.
    folds : int
        Of the panel's people, each labelled by the others.
    seed : int
        Of the folds.
    threads : int
        That decode genotypes.
    """

    genotypes: tuple[Path, ...]
    reference: tuple[Path, ...]
    labels: Path
    folder: Path
    label: str = "ancestry"
    axes: AxesOptions = dataclasses.field(default_factory=AxesOptions)
    assignment: AssignmentOptions = dataclasses.field(default_factory=AssignmentOptions)
    everyone: bool = False
    folds: int = 5
    seed: int = 1
    threads: int = 1

    def run(self, on_progress: Callable[[str], None] | None = None) -> PgsAncestryResult:
        """Read, place, label and write.

        The folder gets ``ancestry.tsv``, ``reference.tsv`` (the panel on the same axes), ``variants.tsv``
        (frequencies and loadings), ``held_out.tsv``, ``report.html``, ``report.md``, ``figures/`` and, last,
        ``ancestry.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, panel and genotypes share too few variants,
            a package is missing or an output cannot be written.
        """
        on_progress = on_progress or (lambda _: None)
        needed("matplotlib", "plot")
        needed("scipy", "genotypes")
        if self.folds < 2:
            raise OptionError(f"folds is {self.folds}; expected 2 or more")
        reference = open_genotypes(self.reference, self.threads)
        target = open_genotypes(self.genotypes, self.threads)
        inputs = [*reference.files, *target.files, self.labels]
        check_outputs([self.folder / name for name in _OUTPUTS], inputs)
        people, labels, notes = self._panel_people(reference)
        on_progress(f"{len(people):,} people of the panel with a label")
        shared = ancestry.shared_variants(reference, target)
        on_progress("; ".join(f"{number:,} {what}" for what, number in shared.counts.items()))
        chosen = ancestry.choose_variants(reference, people, target, shared, self.axes)
        on_progress(f"{len(chosen.reference):,} variants for the axes")
        panel = ancestry.fit_panel(reference, people, labels, chosen, self.axes.components)
        held_out = ancestry.held_out(panel, self.assignment, self.folds, self.seed)
        placed = ancestry.place(target, chosen, panel)
        assigned = ancestry.assign(panel.points, panel.codes, panel.groups, placed.points, self.assignment)
        on_progress(f"{len(target):,} people placed and labelled")
        table = _table(target, panel, placed, assigned)
        crossed = _crossed(panel, held_out)
        accuracy = float((held_out.nearest == panel.codes).mean())
        alike = target.samples["sample"].isin(reference.samples["sample"].iloc[people])
        findings = Findings(
            panel, placed, assigned, held_out, chosen.counts, self.assignment, notes, self.folds,
            int(alike.sum()),
        )  # fmt: skip
        made_folder(self.folder)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        title, sections = sections_of(findings, self._options())
        files = [
            write_table(self.folder / TABLE, table),
            write_table(self.folder / "reference.tsv", _reference_table(reference, panel, held_out)),
            write_table(self.folder / "variants.tsv", _variants_table(panel)),
            write_table(self.folder / "held_out.tsv", crossed),
            *write_page(self.folder, title, sections),
        ]
        manifest = {
            "mifm_kipoi": __version__,
            "inputs": [described(path) for path in inputs],
            "options": self._options(),
            "variants": chosen.counts,
            "people": {"panel": len(people), "genotypes": len(target)},
            "accuracy": accuracy,
            "cautions": findings.cautions(),
            "files": [str(path.relative_to(self.folder)) for path in files],
        }
        path = self.folder / MANIFEST
        write_json(path, manifest)
        return PgsAncestryResult(table, crossed, accuracy, findings, title, sections, [*files, path])

    def _panel_people(self, reference: Genotypes) -> tuple[np.ndarray, list[str], list[str]]:
        """Rows of the panel's people who are used, their labels, and what to say about the others."""
        everybody = read_people([self.labels], labels=[self.label])
        aligned = everybody.aligned(reference.samples)
        labels = aligned.people.labels[self.label]
        labelled = np.array([bool(one) for one in labels])
        founder = reference.samples["founder"].to_numpy(bool)[aligned.samples]
        kept = labelled if self.everyone else labelled & founder
        notes = []
        if len(everybody) > len(aligned.samples):
            absent = len(everybody) - len(aligned.samples)
            notes.append(f"{absent:,} people of {self.labels.name} have no genotypes in the panel")
        if labelled.sum() < len(reference):
            notes.append(f"{len(reference) - labelled.sum():,} people of the panel have no label")
        if (labelled & ~kept).any():
            notes.append(
                f"{(labelled & ~kept).sum():,} people of the panel have parents in it, and are not used"
            )
        chosen = [str(one) for one in labels[kept]]
        if len(set(chosen)) < 2:
            raise InputError(
                f"{self.labels} has {len(set(chosen))} labels in column {self.label} for people of the "
                "panel; expected at least two groups"
            )
        return aligned.samples[kept], chosen, notes

    def _options(self) -> dict[str, Any]:
        """All that decides the outputs but for the inputs, as plain JSON types."""
        return {
            "label": self.label, **dataclasses.asdict(self.axes), **dataclasses.asdict(self.assignment),
            "everyone": self.everyone, "folds": self.folds, "seed": self.seed,
        }  # fmt: skip


def _axes(points: np.ndarray) -> dict[str, np.ndarray]:
    return {f"PC{number + 1}": points[:, number] for number in range(points.shape[1])}


def _labels(panel: Panel, assigned: Assigned) -> dict[str, Any]:
    return {
        LABEL: assigned.label,
        "nearest": np.array(panel.groups, dtype=object)[assigned.nearest],
        "probability": assigned.probabilities.max(axis=1),
        "isolation": assigned.isolation,
    }


def _table(target: Genotypes, panel: Panel, placed: Placed, assigned: Assigned) -> pd.DataFrame:
    return target.samples[["family", "sample"]].assign(
        **_labels(panel, assigned),
        observed=placed.observed,
        **{f"p_{group}": assigned.probabilities[:, code] for code, group in enumerate(panel.groups)},
        **_axes(placed.points),
    )


def _reference_table(reference: Genotypes, panel: Panel, held_out: Assigned) -> pd.DataFrame:
    """The panel's people on its axes, with the labels that they get when they are held out."""
    people = reference.samples.iloc[panel.people][["family", "sample"]].reset_index(drop=True)
    labels = _labels(panel, held_out)
    return people.assign(
        ancestry=[panel.groups[code] for code in panel.codes],
        **{f"held_out_{name}": values for name, values in labels.items()},
        **_axes(panel.points),
    )


def _variants_table(panel: Panel) -> pd.DataFrame:
    return panel.variants.drop(columns="row").assign(**_axes(panel.loadings[:, : panel.used]))


def _crossed(panel: Panel, held_out: Assigned) -> pd.DataFrame:
    """True and given labels of held-out people, and how many have them."""
    names = np.array(panel.groups, dtype=object)
    rows = pd.DataFrame(
        {"true": names[panel.codes], "nearest": names[held_out.nearest], "ancestry": held_out.label}
    )
    return rows.groupby(["true", "nearest", "ancestry"], sort=True).size().rename("people").reset_index()
