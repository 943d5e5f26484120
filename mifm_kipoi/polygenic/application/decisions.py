"""What becomes of each score and of each of its rows, and what a user must know of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.matching import CODE, OUTCOMES, Matches, Outcome, counts, resolve
from mifm_kipoi.polygenic.application.sources import UNDECIDED, ScoreRows
from mifm_kipoi.polygenic.application.sums import ScoreSums

GOOD_OVERLAP = 0.75
"""Fraction of a score's rows below which a match is called low, as the PGS Catalog's calculator has it."""

_FEW_NAMES = 3
"""Names at other positions that say nothing yet of another genome build."""

OK, LOW_OVERLAP, BELOW_MIN_OVERLAP, NO_MATCHES, OTHER_BUILD = (
    "ok", "low_overlap", "below_min_overlap", "no_matches", "other_build",
)  # fmt: skip
"""What a score is: the first two are computed."""

_SHOWN = 3
"""Names that a caution lists."""


@dataclasses.dataclass
class Score:
    """A score on its way: its rows, what they match, and what it is worth."""

    rows: ScoreRows
    matches: Matches
    outcome: npt.NDArray[np.int8]
    status: str
    ambiguous_kept: bool
    min_overlap: float
    why: str = ""
    missing: float = np.nan
    swapped: tuple[int, int] = (0, 0)

    @property
    def at(self) -> npt.NDArray[np.int64]:
        """Rows that are matched."""
        return np.flatnonzero(self.outcome == CODE[Outcome.MATCHED])

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """Rows of the genotypes that the score needs."""
        return self.matches.row[self.at]

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Whether each matched row's effect allele is the counted one."""
        return self.matches.counted[self.at]

    def judge(self) -> None:
        """Decide whether it is computed, by how many of its rows are matched."""
        fraction = len(self.at) / len(self.rows)
        if not fraction:
            self.status = NO_MATCHES
        elif fraction < self.min_overlap:
            self.status = BELOW_MIN_OVERLAP
        else:
            self.status = OK if fraction >= GOOD_OVERLAP else LOW_OVERLAP

    def note(self, genotyped: pd.DataFrame, sums: ScoreSums) -> None:
        """Note what only the genotypes say: variants without any, how many are missing, and frequencies.

        Whether the score is computed is judged anew: variants without genotypes are not matched.
        """
        place = np.searchsorted(genotyped["row"].to_numpy(), self.used)
        unusable = sums.unusable[place]
        self.outcome[self.at[unusable]] = CODE[Outcome.ALL_MISSING]
        place = place[~unusable]
        self.missing = float(sums.missing[place].mean() / sums.people) if len(place) else np.nan
        self.judge()
        seen = np.where(self.counted, sums.frequency[place], 1 - sums.frequency[place])
        stated = self.rows.effect_frequency[self.at]
        with np.errstate(invalid="ignore"):
            telling = (np.abs(seen - 0.5) > 0.1) & (np.abs(stated - 0.5) > 0.1)
            opposite = telling & (np.abs(stated - seen) > np.abs(stated - (1 - seen)))
        self.swapped = (int(opposite.sum()), int(telling.sum()))

    def row(self, build: str) -> dict[str, Any]:
        """The row of ``matching.tsv``."""
        number = counts(self.outcome)
        weight = np.abs(self.rows.weight)
        file = self.rows.file
        strand = self.matches.other_strand[self.at]
        return {
            "score": self.rows.name,
            "file": file.path.name,
            "trait": file.header.get("trait_reported", ""),
            "status": self.status,
            "rows": len(self.rows),
            "matched": number[Outcome.MATCHED],
            "fraction": number[Outcome.MATCHED] / len(self.rows),
            "weight_fraction": weight[self.at].sum() / np.nansum(weight) if np.nansum(weight) else np.nan,
            "build": file.build,
            "genotype_build": build,
            "lifted": int(bool(self.rows.lifted_from)),
            "effect_allele_counted": int(self.counted.sum()),
            "other_strand": int(strand.sum()),
            "ambiguous_kept": int(self.matches.palindromic[self.at].sum()),
            "missing_genotypes": self.missing,
            **{outcome.value: number[outcome] for outcome in OUTCOMES[1:]},
        }


def note_genotypes(scores: Sequence[Score], genotyped: pd.DataFrame, sums: ScoreSums) -> None:
    """Note of each score what only the genotypes say: what is missing, and frequencies.

    Parameters
    ----------
    scores : sequence of Score
        Those that were computed.
    genotyped : pandas.DataFrame
        The variants of the sums, in their order, with ``row``.
    sums : ScoreSums
        After all variants have passed.
    """
    for score in scores:
        score.note(genotyped, sums)


def decided(
    rows: ScoreRows, matches: Matches, variants: pd.DataFrame, ambiguous: str, min_overlap: float
) -> Score:
    """What becomes of a score, and of each of its rows.

    Parameters
    ----------
    rows : ScoreRows
        The rows of its file.
    matches : Matches
        Theirs, in the same order.
    variants : pandas.DataFrame
        The different variants of all files.
    ambiguous : str
        ``auto``, ``keep`` or ``drop``: see :func:`mifm_kipoi.genetics.matching.resolve`.
    min_overlap : float
        Fraction of rows that must match.
    """
    open_rows = np.flatnonzero(rows.outcome == UNDECIDED)
    outcome = rows.outcome.copy()
    if rows.refusal:
        outcome[open_rows] = CODE[Outcome.NOT_COMPARED]
        return Score(rows, matches, outcome, OTHER_BUILD, False, min_overlap, rows.refusal)
    some = matches.take(open_rows)
    keep = {"auto": None, "keep": True, "drop": False}[ambiguous]
    outcome[open_rows], kept = resolve(some, keep)
    elsewhere, here = int((some.other_pos > 0).sum()), int(some.id_at_place.sum())
    if elsewhere > max(here, _FEW_NAMES - 1):
        row = int(np.argmax(some.other_pos > 0))
        variant = variants.iloc[rows.variant[open_rows[row]]]
        why = (
            f"of its {elsewhere + here:,} names that the genotypes have, these have {elsewhere:,} at other "
            f"positions, such as {variant['id']}, which it has at {variant['chrom']}:{variant['pos']}, at "
            f"{some.other_pos[row]}"
        )
        return Score(rows, matches, outcome, OTHER_BUILD, kept, min_overlap, why)
    score = Score(rows, matches, outcome, NO_MATCHES, kept, min_overlap)
    score.judge()
    return score


def build_cautions(files: Sequence[ScoreRows], build: str) -> list[str]:
    """What is not known of genome builds."""
    stated = sorted({rows.file.build for rows in files} - {""})
    unknown = [rows.name for rows in files if not rows.file.build]
    if not build and stated:
        return [
            "the genotypes do not state their genome build, so positions of scoring files "
            f"({', '.join(stated)}) were taken as they are; name it with --build"
        ]
    if build and unknown:
        return [
            f"{_named(unknown)} without a genome build: taken as {build}, that of the genotypes; name it "
            "with --score-build"
        ]
    return []


def score_cautions(scores: Sequence[Score]) -> list[str]:
    """What a reader must know of scores that are not as they should be."""
    by_status: dict[str, list[Score]] = {}
    for score in scores:
        by_status.setdefault(score.status, []).append(score)
    lines = [
        f"{score.rows.name} is not computed: {score.why}; give the right chain file with --lift-over, or a "
        "file of the genotypes' build"
        for score in by_status.get(OTHER_BUILD, [])[:_SHOWN]
    ]
    more = len(by_status.get(OTHER_BUILD, [])) - _SHOWN
    if more > 0:
        lines.append(f"{more:,} more scores are of another build, and not computed")
    for status, what, fewer in (
        (NO_MATCHES, "not computed", "none"),
        (BELOW_MIN_OVERLAP, "not computed", "a smaller fraction than --min-overlap asks for"),
        (LOW_OVERLAP, "computed all the same", f"fewer than {100 * GOOD_OVERLAP:.0f} %"),
    ):
        some = by_status.get(status, [])
        if not some:
            continue
        least = min(some, key=lambda score: len(score.at) / len(score.rows))
        matched = f"{len(least.at):,} of its {len(least.rows):,} variants"
        if len(some) == 1:
            lines.append(f"{least.rows.name} matches in {matched}: {what}")
        else:
            names = _named([score.rows.name for score in some])
            lines.append(
                f"{len(some):,} scores ({names}) match in {fewer} of their variants, such as "
                f"{least.rows.name} in {matched}: {what}"
            )
    swapped = [score.rows.name for score in scores if score.swapped[0] > max(score.swapped[1] / 2, 2)]
    if swapped:
        lines.append(
            f"{_named(swapped)}: most stated frequencies of effect alleles are those of the other allele "
            "here; are the two columns of alleles exchanged?"
        )
    dropped = sum(counts(score.outcome)[Outcome.AMBIGUOUS] for score in scores if score.status != OTHER_BUILD)
    if dropped:
        lines.append(
            f"{dropped:,} A/T and C/G variants are left out, as it is not known on which strand they are "
            "(--ambiguous keep takes them as of the same strand)"
        )
    return lines


def _named(names: Sequence[str]) -> str:
    """Some names, and how many more there are, in words."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"
