"""Swaps of patterns and their controls: logits of the edited windows, and what they amount to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.attribution.files import Attributions
from mifm_kipoi.evaluation.motif_swap.edits import Codes, Edit, Sites, edit_of
from mifm_kipoi.evaluation.motifs.patterns import SIGNS, Pattern, similarity
from mifm_kipoi.scoring.scores import probability
from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.means import mean_of_clusters
from mifm_kipoi.statistics.multiple_testing import holm

EDITS = ("swapped", "random", "unrelated", "consensus")
"""The other pattern; so many random substitutions at the positions that it changes; an unrelated pattern; the
likely bases of the pattern itself."""

CONTRASTS = {
    "swapped - original": ("swapped", "original"),
    "swapped - random": ("swapped", "random"),
    "swapped - unrelated": ("swapped", "unrelated"),
}
"""Paired differences of logits with p-values."""

CONTROLLED = ("swapped - random", "swapped - unrelated")
"""Those whose p-values are corrected. Any edit moves the logit from that of the window as it is."""

CHANGES = {f"{edit} - original": (edit, "original") for edit in EDITS}
"""Paired differences of logits that are shown."""

POOLED = "all"
"""What stands for the patterns of a sign together."""

DRAWS = 5
"""Random substitutions of each window."""

Logits = Callable[[Codes], npt.NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Group:
    """Patterns to swap: each of one sign with each of the other.

    Parameters
    ----------
    name : str
        The factor whose motif they resemble, or empty.
    positive, negative : list of Pattern
        At least one of each.
    """

    name: str
    positive: list[Pattern]
    negative: list[Pattern]

    @property
    def directions(self) -> list[tuple[Pattern, Pattern]]:
        """Pairs of a pattern that is replaced and one that is inserted, positive ones replaced first."""
        return [
            *((one, other) for one in self.positive for other in self.negative),
            *((other, one) for one in self.positive for other in self.negative),
        ]


@dataclasses.dataclass(frozen=True)
class Swap:
    """Windows of a pattern with another in its place.

    Parameters
    ----------
    group : str
        See :class:`Group`.
    sign : str
        Of the pattern that is replaced.
    replaced, inserted, unrelated : str
        Names of patterns; ``unrelated`` is empty where there was none, ``inserted`` is :data:`POOLED` for
        several together, and so may ``replaced`` be.
    offset : int
        See :class:`mifm_kipoi.evaluation.motif_swap.edits.Edit`.
    reverse : bool
        The same.
    rows : numpy.ndarray of int64, shape (k,)
        Windows of the seqlets, by their row in the file of attributions.
    clusters : numpy.ndarray of int64, shape (k,)
        Windows of one cluster overlap, directly or through others.
    changed : dict of str to numpy.ndarray of float64, shape (k,)
        Bases that each of :data:`EDITS` but ``random`` changed, which changes as many as ``swapped``; NaN
        without an unrelated pattern.
    logits : dict of str to numpy.ndarray of float64, shape (k,)
        ``original`` and each of :data:`EDITS`; that of ``random`` is the mean of the draws. Without an
        unrelated pattern its logits are NaN.
    drawn : numpy.ndarray of float64, shape (draws, k)
        Logits of the random substitutions.
    self_change : float
        The largest change of a logit when the pattern is replaced by the very bases of the window, which
        must be 0.
    """

    group: str
    sign: str
    replaced: str
    inserted: str
    unrelated: str
    offset: int
    reverse: bool
    rows: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]
    changed: dict[str, Values]
    logits: dict[str, Values]
    drawn: Values
    self_change: float

    def scores(self, kind: str) -> Values:
        """Scores of ``original`` or an edit: (k,), and of ``random`` those of all draws: (draws * k,).

        A mean over draws would vary less than the scores of the other edits, each of which is done once.
        """
        logits = self.drawn.ravel() if kind == "random" else self.logits[kind]
        return probability(logits).astype(np.float64)

    def difference(self, one: str, other: str) -> Values:
        """Paired differences of logits: (k,)."""
        return np.asarray(self.logits[one] - self.logits[other])


def clusters_of(attributions: Attributions) -> npt.NDArray[np.int64]:
    """Clusters of windows that overlap, directly or through others, in what the network reads.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
    """
    chroms = np.unique(np.array(attributions.chroms, dtype=object), return_inverse=True)[1]
    order = np.lexsort((attributions.pos, chroms))
    start, end = attributions.support
    apart = (np.diff(chroms[order]) != 0) | (np.diff(attributions.pos[order]) >= end - start)
    clusters = np.empty(len(order), np.int64)
    clusters[order] = np.concatenate([[0], np.cumsum(apart)])
    return clusters


def unrelated_to(
    replaced: Pattern, inserted: Pattern, group: Group, patterns: Sequence[Pattern]
) -> Pattern | None:
    """The pattern that resembles either the least: not flat and of the sign of ``inserted``, if any.

    Parameters
    ----------
    replaced, inserted : Pattern
        The pair.
    group : Group
        Whose patterns are none.
    patterns : sequence of Pattern
        All.
    """
    own = {pattern.name for pattern in (*group.positive, *group.negative)}
    others = [pattern for pattern in patterns if pattern.name not in own]
    # Of a flat pattern few bases are written.
    others = [pattern for pattern in others if not pattern.flat] or others
    others = [pattern for pattern in others if pattern.sign == inserted.sign] or others
    if not others:
        return None
    return min(others, key=lambda other: max(abs(similarity(other, each)) for each in (replaced, inserted)))


def swapped(
    group: Group,
    patterns: Sequence[Pattern],
    attributions: Attributions,
    logits: Logits,
    draws: int,
    seed: int,
    on_progress: Callable[[str], None],
) -> list[Swap]:
    """All swaps of a group, in both directions, and their controls.

    Parameters
    ----------
    group : Group
        What is swapped.
    patterns : sequence of Pattern
        All of the search, among which the unrelated ones are.
    attributions : Attributions
        Has the windows.
    logits : callable
        Of coded windows.
    draws : int
        See :data:`DRAWS`.
    seed : int
        Of the random substitutions.
    on_progress : callable
        Gets a line before each.

    Returns
    -------
    list of Swap
        Those of each pair, and behind them those of each sign together where there are several.

    Raises
    ------
    InputError
        When the attributions cannot be read.
    """
    clusters = clusters_of(attributions)
    found = []
    for number, (replaced, inserted) in enumerate(group.directions):
        on_progress(f"{inserted.name} in the place of {replaced.name}")
        rows = replaced.seqlets.rows
        sites = Sites(attributions.arrays(rows)[0], replaced.seqlets, attributions.centre)
        unrelated = unrelated_to(replaced, inserted, group, patterns)
        edit = edit_of(replaced, inserted)
        generator = np.random.default_rng([seed, number])
        of, changed = _edited(sites, edit, replaced, unrelated, logits, draws, generator)
        drawn = np.array([of[f"random {draw}"] for draw in range(draws)])
        values = {kind: drawn.mean(axis=0) if kind == "random" else of[kind] for kind in ("original", *EDITS)}
        self_change = float(np.abs(of["self"] - of["original"]).max())
        found.append(
            Swap(
                group.name, replaced.sign, replaced.name, inserted.name, unrelated.name if unrelated else "",
                edit.offset, edit.reverse, rows, clusters[rows], changed, values, drawn, self_change,
            )
        )  # fmt: skip
    return [*found, *_pooled(found)]


def _edited(
    sites: Sites,
    edit: Edit,
    replaced: Pattern,
    unrelated: Pattern | None,
    logits: Logits,
    draws: int,
    generator: np.random.Generator,
) -> tuple[dict[str, Values], dict[str, Values]]:
    """Logits of the windows, of each edit, of each draw and of a self-swap; bases that edits changed."""
    consensus = edit_of(replaced, replaced)
    windows = {
        "original": sites.codes,
        "swapped": sites.written(edit.positions, edit.bases),
        "consensus": sites.written(consensus.positions, consensus.bases),
        # All the way of a swap, with the bases of the window itself.
        "self": sites.written(edit.positions, sites.read(edit.positions)),
    }
    if unrelated is not None:
        other = edit_of(replaced, unrelated)
        windows["unrelated"] = sites.written(other.positions, other.bases)
    for draw in range(draws):
        windows[f"random {draw}"] = sites.substituted(edit, generator)
    # Each window once: equal windows have equal logits, to the last bit.
    distinct, index = np.unique(np.concatenate(list(windows.values())), axis=0, return_inverse=True)
    all_logits = logits(distinct)[index.ravel()].astype(np.float64)
    of = dict(zip(windows, all_logits.reshape(len(windows), len(sites)), strict=True))
    changed = {
        edit: (codes != sites.codes).sum(axis=1).astype(np.float64)
        for edit, codes in windows.items()
        if edit in EDITS
    }
    missing = {"unrelated": np.full(len(sites), np.nan)}
    return {**missing, **of}, {**missing, **changed}


def _pooled(swaps: Sequence[Swap]) -> list[Swap]:
    """The swaps of each sign together, where there are several."""
    pooled = []
    for sign in SIGNS:
        ones = [swap for swap in swaps if swap.sign == sign]
        if len(ones) < 2:
            continue
        pooled.append(
            Swap(
                ones[0].group, sign, f"{POOLED} {sign}", POOLED, POOLED, 0, False,
                np.concatenate([one.rows for one in ones]),
                np.concatenate([one.clusters for one in ones]),
                {edit: np.concatenate([one.changed[edit] for one in ones]) for edit in ones[0].changed},
                {kind: np.concatenate([one.logits[kind] for one in ones]) for kind in ones[0].logits},
                np.concatenate([one.drawn for one in ones], axis=1),
                max(one.self_change for one in ones),
            )
        )  # fmt: skip
    return pooled


def score_table(swaps: Sequence[Swap]) -> pd.DataFrame:
    """What the paper reports: means and standard deviations of scores, before and after.

    Returns
    -------
    pandas.DataFrame
        A row a swap: ``motif, replaced, inserted, unrelated, offset, strand``; ``seqlets, windows,
        clusters``; ``changed``, mean number of bases that the swap and the random substitutions change, and
        ``changed_unrelated, changed_consensus``; ``score_KIND, sd_KIND`` of ``original`` and of each of
        :data:`EDITS`, those of ``random`` over windows and draws; ``self_change``.
    """
    rows = []
    for swap in swaps:
        row: dict[str, Any] = {
            "motif": swap.group,
            "replaced": swap.replaced,
            "inserted": swap.inserted,
            "unrelated": swap.unrelated,
            "offset": None if swap.inserted == POOLED else swap.offset,
            "strand": None if swap.inserted == POOLED else "+-"[swap.reverse],
            "seqlets": len(swap.rows),
            "windows": len(np.unique(swap.rows)),
            "clusters": len(np.unique(swap.clusters)),
            "changed": float(swap.changed["swapped"].mean()),
            "changed_unrelated": float(swap.changed["unrelated"].mean()),
            "changed_consensus": float(swap.changed["consensus"].mean()),
        }
        for kind in ("original", *EDITS):
            scores = swap.scores(kind)
            row[f"score_{kind}"] = float(scores.mean())
            row[f"sd_{kind}"] = float(scores.std(ddof=1)) if len(scores) > 1 else float("nan")
        rows.append({**row, "self_change": swap.self_change})
    return pd.DataFrame(rows).astype({"offset": "Int64"})


def difference_table(swaps: Sequence[Swap]) -> pd.DataFrame:
    """Paired differences of logits, with intervals over clusters of overlapping windows.

    Returns
    -------
    pandas.DataFrame
        A row a swap and difference: ``motif, replaced, inserted, difference``, ``mean, low, high`` (95 %
        interval), ``clusters``, of :data:`CONTRASTS` ``p_value``, and ``p_holm``, Holm's over
        :data:`CONTROLLED` of the patterns of each sign together (of the pair, where a group has only one);
        pairs repeat these, and have none.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    pooled = {swap.group for swap in swaps if swap.inserted == POOLED}
    rows = []
    corrected = []
    for swap in swaps:
        for name, (one, other) in {**CONTRASTS, **CHANGES}.items():
            corrected.append(name in CONTROLLED and (swap.inserted == POOLED or swap.group not in pooled))
            values = swap.difference(one, other)
            known = np.isfinite(values)
            tested = mean_of_clusters(values[known], swap.clusters[known])
            rows.append(
                {
                    "motif": swap.group,
                    "replaced": swap.replaced,
                    "inserted": swap.inserted,
                    "difference": name,
                    "mean": tested.estimate.value,
                    "low": tested.estimate.low,
                    "high": tested.estimate.high,
                    "clusters": tested.clusters,
                    "p_value": tested.p_value if name in CONTRASTS else float("nan"),
                }
            )
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(np.where(corrected, table["p_value"], np.nan)))
