"""Variants ranked within their loci, and what can be said of each locus."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.explanation.ranking.candidates import NUMBERS, SCORE, Candidates
from mifm_kipoi.explanation.ranking.loci import Loci, LocusRule
from mifm_kipoi.explanation.ranking.posteriors import Posteriors, posteriors
from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.statistics.estimates import Estimate, Values, mean_of_units

WITHOUT, WITH = "abf_pip", "abf_pip_with_score"
"""Columns of posterior probabilities, under a uniform prior and with the score as the prior."""

SET, SET_WITH = "in_abf_set", "in_abf_set_with_score"
"""Columns of their 95 % credible sets: 1 in the set, 0 outside."""

COLUMNS = (
    "locus", "rank", "chrom", "pos", "id", "ref", "alt", *NUMBERS, "pip", "pip_rank", "p_value",
    "neg_log10_p", "p_rank", "log_abf", WITHOUT, WITH, SET, SET_WITH, "status", "locus_name",
)  # fmt: skip
"""Columns of the table of ranked variants."""


@dataclasses.dataclass(frozen=True)
class Ranked:
    """Variants ranked within their loci.

    Parameters
    ----------
    table : pandas.DataFrame
        :data:`COLUMNS`: a row for each variant of a locus, by locus (from 1) and rank; variants without a
        score follow those that have one, and variants without a place come last, without a locus. ``rank``,
        ``pip_rank`` and ``p_rank`` are 1 for the highest score, the highest PIP and the lowest p-value of the
        locus, and the same for equal ones.
    candidates : Candidates
        The input.
    loci : Loci
        Of the rows of the candidates.
    posteriors : Posteriors, optional
        Of the rows of the table, where the study has effects.
    repeated : int
        Rows of the input that repeat a variant of their locus, and are left out.
    """

    table: pd.DataFrame
    candidates: Candidates
    loci: Loci
    posteriors: Posteriors | None
    repeated: int

    @property
    def evidence(self) -> str:
        """The column that stands for the study where one is needed: PIPs, else posteriors, else p-values."""
        for name in ("pip", WITHOUT, "neg_log10_p"):
            if self.table[name].notna().any():
                return name
        return ""

    def of_locus(self, number: int) -> pd.DataFrame:
        """The rows of a locus, from 0, by rank."""
        return self.table[self.table["locus"] == number + 1]

    def has(self, name: str) -> bool:
        """Whether any variant has a number of a column."""
        return bool(self.table[name].notna().any())


def rank_variants(candidates: Candidates, rule: LocusRule, slope: float | None = None) -> Ranked:
    """Divide variants into loci, and rank them.

    Parameters
    ----------
    candidates : Candidates
        The variants.
    rule : LocusRule
        What loci are.
    slope : float, optional
        Of the score as a prior (:func:`mifm_kipoi.explanation.ranking.posteriors.posteriors`).

    Raises
    ------
    MIFMError
        When blocks cannot be read, or scipy is missing where posteriors are computed.
    """
    loci = rule.loci(candidates)
    table = candidates.table.assign(locus=loci.of_rows)
    kept = _first_of_repeated(table)
    repeated = len(table) - len(kept)
    table = table.iloc[kept]
    of_rows = table["locus"].to_numpy(np.int64)
    found = None
    log_abf = table["log_abf"].to_numpy(np.float64)
    more: dict[str, Any] = dict.fromkeys((WITHOUT, WITH, SET, SET_WITH), np.nan)
    if np.isfinite(log_abf).any():
        logits = table["mifm_logit_ref"].to_numpy(np.float64)
        found = posteriors(logits, log_abf, of_rows, loci.regions, slope)
        more[WITHOUT], more[WITH] = found.without, found.with_score
        more[SET], more[SET_WITH] = (_sets(pip, of_rows) for pip in (found.without, found.with_score))
    ranks = {
        name: _ranks(table[column].to_numpy(np.float64), of_rows)
        for name, column in (("rank", "mifm_logit_ref"), ("pip_rank", "pip"), ("p_rank", "neg_log10_p"))
    }
    names = np.array([loci.name(number) for number in range(len(loci))] + [""], dtype=object)
    table = table.assign(**more, **ranks, locus_name=names[of_rows])
    # Variants of one position have one score: the better PIP, then the lower p comes first.
    places = np.where(of_rows < 0, len(loci), of_rows)
    keys = (_descending(table["neg_log10_p"]), _descending(table["pip"]), table["rank"], places)
    table = table.iloc[np.lexsort(keys)]
    of_rows = table["locus"].to_numpy(np.int64)
    table = table.assign(locus=np.where(of_rows < 0, np.nan, of_rows + 1.0))[list(COLUMNS)]
    return Ranked(table.reset_index(drop=True), candidates, loci, found, repeated)


def _descending(values: pd.Series[Any]) -> Values:
    """Keys by which the highest values come first, and missing ones last."""
    keys: Values = -np.nan_to_num(values.to_numpy(np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    return keys


def _first_of_repeated(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Each variant of a locus once: its row of the lowest p-value, else of the highest PIP."""
    keys = pd.DataFrame(
        {
            "locus": table["locus"].to_numpy(),
            "chrom": contig_keys(table["chrom"]).to_numpy(),
            **{name: table[name].to_numpy() for name in ("pos", "ref", "alt")},
        }
    )
    order = np.lexsort((_descending(table["pip"]), _descending(table["neg_log10_p"])))
    # Rows whose place is not known are no repetitions of each other.
    first = ~keys.iloc[order].duplicated().to_numpy() | (keys["locus"].to_numpy()[order] < 0)
    return np.sort(order[first]).astype(np.int64)


def _ranks(values: Values, locus: npt.NDArray[np.int64]) -> Values:
    """1 for the highest of a locus; NaN without a value or a locus."""
    ranks = pd.Series(np.where(locus < 0, np.nan, values)).groupby(locus).rank(method="min", ascending=False)
    return np.asarray(ranks, dtype=np.float64)


def _sets(pip: Values, locus: npt.NDArray[np.int64]) -> Values:
    """1 in the 95 % credible set of the locus, 0 outside, NaN without a posterior."""
    rows = np.flatnonzero(np.isfinite(pip))
    inside = np.full(len(pip), np.nan)
    inside[rows] = in_credible_set(pip[rows], locus[rows])
    return inside


LOCUS_COLUMNS = (
    "locus", "locus_name", "chrom", "start", "end", "variants", "scored", "top_mifm", "top_mifm_score",
    "top_mifm_pip", "top_pip", "top_pip_pip", "top_pip_rank", "lowest_p", "lowest_p_value", "lowest_p_rank",
    "abf_set", "abf_set_with_score",
)  # fmt: skip
"""Columns of the table of loci."""


def loci_table(ranked: Ranked) -> pd.DataFrame:
    """A row for each locus.

    Parameters
    ----------
    ranked : Ranked
        The variants.

    Returns
    -------
    pandas.DataFrame
        :data:`LOCUS_COLUMNS`: where the locus lies; its variants, and how many have a score; the variant of
        the highest score with its PIP; those of the highest PIP and the lowest p-value with their ranks by
        score; variants in the 95 % credible sets. Of equal variants the first of the table of ranked variants
        is named; empty where there is none.
    """
    rows = []
    for number, part in ranked.table.groupby("locus"):
        locus = round(float(str(number))) - 1
        chrom, start, end = ranked.loci.places[locus]
        top, pip, low = (best(part, name) for name in (SCORE, "pip", "neg_log10_p"))
        rows.append(
            (
                locus + 1, ranked.loci.name(locus), chrom, start, end, len(part),
                int(part[SCORE].notna().sum()),
                variant_name(top), _number(top, SCORE), _number(top, "pip"),
                variant_name(pip), _number(pip, "pip"), _number(pip, "rank"),
                variant_name(low), _number(low, "p_value"), _number(low, "rank"),
                *(part[name].sum() if part[name].notna().any() else np.nan for name in (SET, SET_WITH)),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(LOCUS_COLUMNS))


def best(part: pd.DataFrame, column: str) -> pd.Series[Any] | None:
    """The first row of the highest value; None where no row has one above 0."""
    values = part[column].to_numpy(np.float64)
    if not np.any(values > 0):
        return None
    return part.iloc[int(np.nanargmax(values))]


def variant_name(row: pd.Series[Any] | None) -> str:
    """The variant of a row: its identifier, else its place and alleles; empty for None."""
    if row is None:
        return ""
    own = f"{row['chrom']}:{row['pos']}:{row['ref']}:{row['alt']}"
    return own if row["id"] == "." else f"{row['id']}"


def _number(row: pd.Series[Any] | None, name: str) -> float:
    return float("nan") if row is None else float(row[name])


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Where the study's best variants stand by score.

    Parameters
    ----------
    evidence : str
        The column of the study.
    above : Estimate
        Fraction of a locus' other scored variants that score higher than its best variant by the study, half
        of those that score the same: the mean over regions, 0.5 by chance, with its interval.
    same : int
        Loci in which the best variant by the study has the highest score.
    by_chance : float
        How many these would be if the best variant were any of the locus.
    loci, regions : int
        With two scored variants or more, the best by the study among them.
    """

    evidence: str
    above: Estimate
    same: int
    by_chance: float
    loci: int
    regions: int


def agreement(ranked: Ranked) -> Agreement | None:
    """Compare the order by score with what the study says; None where it says nothing."""
    evidence = ranked.evidence
    if not evidence:
        return None
    above, same, chance, regions = [], 0, 0.0, []
    for number, part in ranked.table[ranked.table["rank"].notna()].groupby("locus"):
        one = best(part, evidence)
        if one is None or len(part) < 2:
            continue
        logits, own = part["mifm_logit_ref"].to_numpy(np.float64), float(one["mifm_logit_ref"])
        others = len(part) - 1
        above.append((np.sum(logits > own) + (np.sum(logits == own) - 1) / 2) / others)
        same += int(one["rank"] == 1)
        chance += float((part["rank"] == 1).mean())
        regions.append(int(ranked.loci.regions[round(float(str(number))) - 1]))
    if not above:
        return None
    of_regions = pd.Series(above).groupby(regions).mean().to_numpy(np.float64)
    return Agreement(evidence, mean_of_units(of_regions), same, chance, len(above), len(of_regions))


def strongest(ranked: Ranked, count: int) -> list[int]:
    """The loci, from 0, that come first by what the study says, else by score; in the order of the genome.

    Parameters
    ----------
    ranked : Ranked
        The variants.
    count : int
        How many.
    """
    columns: Sequence[str] = [name for name in ("neg_log10_p", "pip", SCORE) if ranked.has(name)]
    scored = ranked.table[ranked.table[SCORE].notna()]
    if scored.empty:
        return []
    highest = scored.groupby("locus")[list(columns)].max()
    chosen = highest.sort_values(list(columns), ascending=False, kind="stable").index[:count]
    return sorted(round(float(number)) - 1 for number in chosen)
