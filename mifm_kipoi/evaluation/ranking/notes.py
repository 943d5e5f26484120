"""What a reader must know before trusting an evaluation of rankings, in sentences."""

from __future__ import annotations

import dataclasses
from typing import Any

from mifm_kipoi.baselines.protocol import Evidence
from mifm_kipoi.evaluation.ranking.labels import Labels
from mifm_kipoi.evaluation.ranking.records import ALL, COMMON, HELD_OUT, METRICS, OTHERS, TOPS, Evaluation
from mifm_kipoi.evaluation.ranking.score_tables import Chosen, Scores
from mifm_kipoi.reports.page import percent

FEW = 20
"""Positive variants, or clusters, below which intervals are rough."""

_LITTLE = 0.8
"""Share of the labelled variants that all scores have, below which it is said which score lacks most."""


@dataclasses.dataclass(frozen=True)
class Result:
    """An evaluation and where it comes from.

    Parameters
    ----------
    labels : Labels
    chosen : Chosen
    scores : Scores
    found : Evaluation
    held_out : tuple of str
        Chromosomes that were looked at apart.
    held_out_was_asked_for : bool
        Whether they were named by the user, and not by the models.
    made_by : dict of plain JSON types
        Inputs and options.
    """

    labels: Labels
    chosen: Chosen
    scores: Scores
    found: Evaluation
    held_out: tuple[str, ...]
    held_out_was_asked_for: bool
    made_by: dict[str, Any]

    @property
    def notes(self) -> list[str]:
        """Warnings, the gravest first."""
        return [*self._circular(), *self._rows(), *self._labels(), *self._held_out(), *self._columns()]

    @property
    def associations(self) -> tuple[str, ...]:
        """Scores that are made of associations or PIPs."""
        return tuple(name for name in self.chosen.columns if self._of_associations(name))

    def _of_associations(self, column: str) -> bool:
        evidence = self.chosen.evidence(column)
        source = self.chosen.source(column)
        name = column.removeprefix(f"{source.label}.") if source else column
        of_labels = name.lower() == self.labels.columns.get("pip", "").lower()
        return evidence in (Evidence.PIP, Evidence.ASSOCIATION) or (
            of_labels and evidence is not Evidence.SEQUENCE
        )

    def _circular(self) -> list[str]:
        if not self.labels.made_of_pips:
            return []
        notes = []
        if self.associations:
            notes.append(
                f"circular: the labels are made of PIPs, and {_listed(self.associations)} of the same kind "
                "of evidence; that they find each other says nothing of how well either finds causal variants"
            )
        others = tuple(name for name in self.chosen.columns if name not in self.associations)
        if others and self.made_by["scores"]["sha256"] == self.made_by["labels"]["sha256"]:
            notes.append(
                f"circular, unless added from elsewhere: {_listed(others)} of the table that has the PIPs of "
                "the labels; results of one fine-mapping find each other"
            )
        return notes

    def _rows(self) -> list[str]:
        notes = []
        for common in (one for one in self.found.counts if one.score is None):
            where = _WORDS[common.stratum]
            positives, size = common.scored_positives, common.scored
            if positives in (0, size):
                notes.append(
                    f"no comparison{where}: of the variants that all scores have, {positives:,} are positive "
                    f"and {size - positives:,} negative"
                )
            elif positives < FEW:
                notes.append(
                    f"only {positives} positive variants{where} that all scores have: intervals are rough"
                )
        common = self.found.count(None)
        if common.scored < _LITTLE * common.labelled:
            least = min((self.found.count(name) for name in self.chosen.columns), key=lambda one: one.scored)
            notes.append(
                f"only {percent(common.scored / common.labelled)} % of the labelled variants have all "
                f"scores; {least.score} has the fewest, {least.scored:,}"
            )
        units = {one.metric: one.units for one in self.found.of(COMMON, ALL) if one.metric in TOPS.values()}
        notes += [
            f"{METRICS[metric]}: only {count} of them have both classes"
            for metric, count in units.items()
            if count < FEW
        ]
        if self.found.clusters < FEW:
            notes.append(
                f"only {self.found.clusters} {self.found.resampled} to resample: intervals are rough"
            )
        return notes

    def _labels(self) -> list[str]:
        notes = []
        if self.scores.not_found:
            turned = self.scores.exchanged
            also = f"; {turned:,} of them are there with REF and ALT exchanged" if turned else ""
            notes.append(
                f"{self.scores.not_found:,} of {len(self.labels.table):,} labelled variants have no row in "
                f"the table of scores{also}"
            )
        if self.labels.made_of_pips and self.labels.counts["repeated"]:
            notes.append(
                f"{self.labels.counts['repeated']:,} rows of labels are of a variant that has another row; "
                "the highest PIP of each variant counts"
            )
        losses = self.labels.counts.get("blocks_with_losses", 0)
        if losses:
            notes.append(
                f"{losses:,} of {self.labels.counts['blocks']:,} blocks lack variants that have rows in "
                "several blocks, for each counts in one alone, that of its "
                f"{'highest PIP' if self.labels.made_of_pips else 'first row'}: such blocks are easier or "
                "harder than they are as a whole"
            )
        return notes

    def _held_out(self) -> list[str]:
        declared = [source for source in self.chosen.sources if source.held_out]
        if self.held_out_was_asked_for or self.held_out or not declared:
            return []
        return [
            "no chromosome was held out by all models that say what they held out: "
            + "; ".join(f"{one.label} {', '.join(one.held_out)}" for one in declared)
        ]

    def _columns(self) -> list[str]:
        if not self.chosen.undeclared:
            return []
        return [f"by the word of the models, {_listed(self.chosen.undeclared)} not meant to rank variants"]


_WORDS = {
    ALL: "",
    HELD_OUT: " on the chromosomes that were held out",
    OTHERS: " on the chromosomes that were not held out",
}


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
