"""The report of built scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.score_tables import JoinedScores
from mifm_kipoi.polygenic.building import figures
from mifm_kipoi.polygenic.building.assembly import ALL, LEAD
from mifm_kipoi.polygenic.building.linkage import Linkage
from mifm_kipoi.polygenic.building.studies import Members
from mifm_kipoi.polygenic.building.weights import Weighting
from mifm_kipoi.reports.page import Section, Table, listed, settings_table
from mifm_kipoi.reports.prose import rendered

_TEMPLATE = Path(__file__).with_name("report.md.jinja")

_MOST = 40
"""Rows of a table in the report, at most."""

_LOW_COVERAGE = 0.9
"""A method that has scores of a smaller fraction of members is named in a caution."""

_FEW_PEOPLE = 0.1
"""Variants of a region for each person of the LD reference, above which joint effects get a caution:
correlations of that many have relative errors of about the square root of this."""

_MANY_TIES = 0.05
"""As is one of which chance decides in a larger fraction of signals."""

_FOUND = {"ok": "have a score", "not_in_table": "are not in the table", "value_missing": "have an empty one"}
"""What a table of scores says of variants, in words."""

_WEIGHTS = {
    Weighting.MEAN: "mean: effects, divided by the number of picked variants of the signal that there are.",
    Weighting.SHRUNK: "shrunk: the same with effects times W / (V + W), which expects the winner's curse; V "
    "is the squared standard error, W the variance of effects that Bayes factors expect.",
    Weighting.PIP: "pip: effects weighted by the posterior inclusion probabilities of the picked variants, "
    "which sum to 1 in each signal; those of the method, where it is of such.",
    Weighting.POSTERIOR: "posterior: effects times W / (V + W) and the posterior inclusion probability.",
    Weighting.JOINT: "joint: effects in one model of all picked variants, by their correlations in the LD "
    "reference; effects are marginal in secondary signals, too.",
    Weighting.JOINT_SHRUNK: "joint-shrunk: posterior means of joint effects, with the same W.",
}


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a report is about.

    Parameters
    ----------
    members : Members
        Of all signals.
    table : pandas.DataFrame
        The scores.
    picks : pandas.DataFrame
        Of each study and method (:meth:`mifm_kipoi.polygenic.building.assembly.Assembly.picks`).
    first : mapping of str to numpy.ndarray of int64
        The row that each method picks first in each signal; -1 for none.
    joined : JoinedScores
        Of the tables of scores.
    linkage : Linkage, optional
        Of joint weights.
    build : str
        Genome build, or empty.
    top : tuple of int
        Variants of each signal.
    as_in_paper : bool
        Whether signals are as published.
    weightings : list of str
        Names of the weights.
    draws : int
        Random ones.
    shared : int, optional
        Members that all methods have a score of, where they pick among these alone.
    """

    members: Members
    table: pd.DataFrame
    picks: pd.DataFrame
    first: Mapping[str, npt.NDArray[np.int64]]
    joined: JoinedScores
    linkage: Linkage | None
    build: str
    top: Sequence[int]
    as_in_paper: bool
    weightings: list[str]
    draws: int
    shared: int | None = None

    def cautions(self) -> list[str]:
        """What a reader must know before trusting the scores, the gravest first, without full stops."""
        texts = []
        if self.as_in_paper:
            texts.append(
                "signals are as published: secondary signals of a block are pooled, with marginal effects, "
                "and signals without a significant variant count"
            )
        if not self.build:
            texts.append(
                "the genome build of the studies is not known, so that the scoring files cannot state it; "
                "name it (--genome-build)"
            )
        if self.shared is not None:
            texts.append(
                f"all methods but lead pick among the {self.shared:,} of {len(self.members.table):,} members "
                "that all have a score of"
            )
        of_methods = self.picks[~self.picks["method"].isin([LEAD, ALL])].groupby("method", sort=False)
        for name, rows in of_methods:
            scored, members = int(rows["scored"].sum()), int(rows["members"].sum())
            if self.shared is None and scored < _LOW_COVERAGE * members:
                texts.append(
                    f"{name} has scores of {100 * scored / members:.0f} % of the members, and picks among "
                    "these alone; --same-variants lets all methods pick among the same"
                )
            signals = int(rows["signals"].sum())
            counted = [top for top in self.top if top]
            ties = int(rows[f"ties{counted[0]}"].fillna(0).sum()) if counted else 0
            if ties > _MANY_TIES * signals:
                texts.append(
                    f"equal scores of {name} were put in order by chance in {ties:,} of {signals:,} signals "
                    f"(best {counted[0]})"
                )
        left_out = self.table[self.table["left_out"] > 0]
        if len(left_out):
            texts.append(
                f"{len(left_out):,} scores lack picked variants that have no weight, up to "
                f"{int(left_out['left_out'].max()):,} (column left_out of scores.tsv)"
            )
        if 0 < self.members.without_pip < len(self.members.signals) and self.uses_pips:
            texts.append(
                f"{self.members.without_pip:,} of {len(self.members.signals):,} signals have no posterior "
                "inclusion probabilities of the table for all members; theirs follow from Bayes factors"
            )
        if self.linkage is not None and (large := self.linkage.largest) > _FEW_PEOPLE * self.linkage.people:
            texts.append(
                f"a region has {large:,} variants and the LD reference {self.linkage.people:,} people; joint "
                f"effects of more than about {int(_FEW_PEOPLE * self.linkage.people):,} variants are mostly "
                "noise of their correlations: take a larger reference, or fewer variants"
            )
        texts += [note.rstrip(".") for counts in self.members.counts.values() for note in counts.notes]
        return [*texts, *(note.rstrip(".") for note in self.joined.notes)]

    @property
    def uses_pips(self) -> bool:
        """Whether some weights use posterior inclusion probabilities."""
        return any(Weighting(name).uses_pips for name in self.weightings)

    def signals_table(self) -> pd.DataFrame:
        """A row for each signal, with the variant that each method picks first."""
        members = self.members.table
        names = members["chrom"].astype(str) + ":" + members["pos"].astype(str)
        names = names + ":" + members["other_allele"].astype(str) + ":" + members["effect_allele"].astype(str)
        padded = np.append(names.to_numpy(object), "")
        own = {f"first.{name}": padded[rows] for name, rows in self.first.items() if name not in (LEAD, ALL)}
        signals = self.members.signals.drop(columns="weight_type").reset_index(drop=True)
        return signals.assign(**own)


def sections_of(findings: Findings, settings: Mapping[str, Any]) -> tuple[str, list[Section]]:
    """The report.

    Parameters
    ----------
    findings : Findings
        What it is about.
    settings : mapping of str to object
        Plain options, shown at the end.

    Returns
    -------
    title : str
    sections : list of Section
    """
    members, table = findings.members, findings.table
    signals = members.signals
    ranking = {name: rows for name, rows in findings.first.items() if name not in (LEAD, ALL)}
    sizes = signals["members"].to_numpy(np.int64)
    left_out = [f"{number:,} signals ({reason})" for reason, number in members.left_out.items()]
    linkage = findings.linkage
    values = {
        "scores": len(table), "studies": signals["study"].nunique(), "signals": len(signals),
        "members": len(members.table), "cautions": findings.cautions(),
        "signals_are": (
            "the primary signal of a block, or all of its secondary ones" if findings.as_in_paper
            else "what the table tells apart within a block; else a block, or a clump"
        ),
        "studies_table": _studies_table(findings), "alone": int((sizes == 1).sum()),
        "left_out": " and ".join(left_out), "tops": ", ".join(str(top) for top in findings.top if top),
        "methods_table": _methods_table(findings), "agreement": len(ranking) > 1, "draws": findings.draws,
        "pips": (
            "PIPs that the weights of other methods use follow from Bayes factors, as the tables have none."
            if findings.uses_pips and members.without_pip == len(signals) else ""
        ),
        "weightings": [_WEIGHTS[Weighting(name)] for name in findings.weightings],
        "linkage": "" if linkage is None else (
            f"The LD reference has {linkage.people:,} people (founders), and variants in "
            f"{len(linkage.regions):,} regions, {linkage.largest:,} at most; directions of their "
            f"correlations with an eigenvalue below {linkage.least_eigenvalue:g} are not used"
            + "".join(f"; {number:,} variants left out: {why}" for why, number in linkage.absent.items())
            + "."
        ),
        "scores_table": _scores_table(table),
        "rows_table": Table(
            ("table", "rows"),
            tuple((Path(name).name, counts.in_words()) for name, counts in members.counts.items()),
            numbers=False,
        ),
        "score_tables": [
            f"{Path(name).name}: "
            + listed(f"{number:,} variants {_FOUND.get(why, why)}" for why, number in counts.items())
            + "."
            for name, counts in findings.joined.statuses.items()
        ],
        "settings": settings_table(settings),
    }  # fmt: skip
    drawn = {
        "signal_sizes": lambda: figures.image(figures.sizes_figure(sizes)),
        "same_pick": lambda: figures.image(figures.agreement_figure(ranking)),
    }
    return rendered(_TEMPLATE, values, drawn)


def _studies_table(findings: Findings) -> Table:
    rows = []
    for study, part in findings.members.signals.groupby("study", sort=False):
        sizes = part["members"]
        rows.append((
            str(study), str(part["trait"].iloc[0]),
            str(part["kind"].iloc[0]).replace("_", "-") or "not known",
            f"{part[['chrom', 'block']].drop_duplicates().shape[0]:,}", f"{len(part):,}", f"{sizes.sum():,}",
            f"{sizes.median():g}", f"{sizes.max():,}",
        ))  # fmt: skip
    header = ("study", "trait", "kind", "blocks", "signals", "members", "median of a signal", "largest")
    return Table(header, _cut(rows, len(header)))


def _methods_table(findings: Findings) -> Table:
    tops = [f"ties{top}" for top in findings.top if top]
    rows = []
    for method, part in findings.picks.groupby("method", sort=False):
        signals = part["signals"].sum()
        ties = [
            f"{part[name].sum():,.0f}" if name in part and part[name].notna().any() else "" for name in tops
        ]
        rows.append((
            f"{method} ({part['source'].iloc[0]})",
            f"{100 * part['scored'].sum() / part['members'].sum():.1f}",
            f"{part['without'].sum():,}", f"{100 * part['same_lead'].sum() / signals:.1f}", *ties,
        ))  # fmt: skip
    header = (
        "method", "members scored (%)", "signals without", "lead first (%)",
        *(f"ties, best {top}" for top in findings.top if top),
    )  # fmt: skip
    return Table(header, tuple(rows))


def _scores_table(table: pd.DataFrame) -> Table:
    rows = []
    for (method, top), part in table.groupby(["method", "top"], sort=False):
        sizes = part["variants"]
        span = f"{sizes.min():,}" if sizes.min() == sizes.max() else f"{sizes.min():,} to {sizes.max():,}"
        rows.append((
            str(method), str(top), ", ".join(part["weighting"].unique()), f"{len(part):,}", span,
            f"{100 * part['ambiguous'].sum() / sizes.sum():.1f}", f"{part['left_out'].max():,}",
        ))  # fmt: skip
    header = ("method", "best", "weights", "scores", "variants", "A/T or C/G (%)", "without weight, at most")
    return Table(header, _cut(rows, len(header), 200))


def _cut(rows: Sequence[tuple[str, ...]], width: int, most: int = _MOST) -> tuple[tuple[str, ...], ...]:
    """The first rows, and how many more there are."""
    if len(rows) <= most:
        return tuple(rows)
    return (*rows[:most], (f"and {len(rows) - most:,} more", *([""] * (width - 1))))
