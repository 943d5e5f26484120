"""How many significant variants random filters find: as many at random, or as many that are matched on r."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.evaluation.joint.models import ALL, JointTests
from mifm_kipoi.evaluation.joint.second import Replicated
from mifm_kipoi.statistics.joint import log_p_two_sided, subset_fits
from mifm_kipoi.statistics.matched_draws import matched_subsets, strata
from mifm_kipoi.support.packages import needed

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MATCHED = "matched"
"""As many secondary variants at random from strata of neighbours in their correlation with the lead
variant."""

PERMUTED = "permuted"
"""As many at random: what the filter keeps when its numbers are permuted among secondary variants of a
clump."""

CONTROLS = (MATCHED, PERMUTED)

OBSERVED = "observed"
"""The filter itself."""

CORRECTED, NOMINAL = "corrected", "nominal"
"""Levels of significance: below alpha over all effects that are tested, and below alpha itself."""

MEASURES = ("significant", "secondary", "clumps", "replicated", "true", "false")
"""Counts of significant variants; of those that are not the lead; of clumps that have one; of those that
replicate; and, where causal variants are known, of those that are causal or stand for one, and of the
others."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """Significant variants of a filter in all clumps, under each draw.

    Parameters
    ----------
    significant, secondary, true : numpy.ndarray of int32, shape (clumps, draws)
        Counts; ``true`` is empty where causal variants are not known.
    entry_clump, entry_draw : numpy.ndarray of int64, shape (entries,)
        Of each significant variant that has the same sign in the second sample.
    entry_log_p : numpy.ndarray of float64, shape (entries,)
        Its log p there.
    """

    significant: npt.NDArray[np.int32]
    secondary: npt.NDArray[np.int32]
    true: npt.NDArray[np.int32]
    entry_clump: Rows
    entry_draw: Rows
    entry_log_p: Values

    def totals(self, clumps: Flags, alpha: float) -> dict[str, npt.NDArray[np.int64]]:
        """:data:`MEASURES` over some of the clumps.

        Parameters
        ----------
        clumps : numpy.ndarray of bool, shape (clumps,)
        alpha : float
            A variant replicates with p below this over the significant variants of all clumps.

        Returns
        -------
        dict of str to numpy.ndarray of int64, shape (draws,)
        """
        some = self.significant[clumps]
        draws = self.significant.shape[1]
        totals = {
            "significant": some.sum(axis=0, dtype=np.int64),
            "secondary": self.secondary[clumps].sum(axis=0, dtype=np.int64),
            "clumps": (some > 0).sum(axis=0),
        }
        level = np.log(alpha) - np.log(np.maximum(self.significant.sum(axis=0), 1))
        own = clumps[self.entry_clump] & (self.entry_log_p < level[self.entry_draw])
        totals["replicated"] = np.bincount(self.entry_draw[own], minlength=draws)
        if self.true.size:
            totals["true"] = self.true[clumps].sum(axis=0, dtype=np.int64)
            totals["false"] = totals["significant"] - totals["true"]
        return totals


class _Counting:
    """Counts of one filter and control at one threshold, while clumps are counted."""

    def __init__(self, clumps: int, draws: int, log_threshold: float, with_truth: bool) -> None:
        shape = clumps, draws
        self._log_threshold = log_threshold
        self._significant, self._secondary = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
        self._true = np.zeros(shape if with_truth else (0, 0), dtype=np.int32)
        self._entries: list[tuple[int, Rows, Values]] = []

    def add(
        self,
        clump: int,
        subsets: Rows,
        effects: Values,
        errors: Values,
        freedom: Values,
        causal: Flags | None,
        second: Replicated | None,
    ) -> None:
        """Count the models of a clump: variants, effects and errors, each of shape (draws, size)."""
        with np.errstate(invalid="ignore"):
            hits = np.abs(effects / errors) > _critical(self._log_threshold, freedom)[:, np.newaxis]
        self._significant[clump] = hits.sum(axis=1)
        self._secondary[clump] = hits[:, 1:].sum(axis=1)
        if causal is not None:
            self._true[clump] = (hits & causal[subsets]).sum(axis=1)
        if second is not None and hits.any():
            self._entries.append((clump, *_replicating(second, subsets, hits, effects)))

    def counts(self) -> Counts:
        """All that was added."""
        nothing = np.zeros(0, dtype=np.int64)
        entries = self._entries
        return Counts(
            self._significant,
            self._secondary,
            self._true,
            np.concatenate([np.full(len(draw), clump) for clump, draw, _ in entries] or [nothing]),
            np.concatenate([draw for _, draw, _ in entries] or [nothing]),
            np.concatenate([log_p for _, _, log_p in entries] or [np.zeros(0)]),
        )


def count(
    tested: Sequence[JointTests],
    second: Sequence[Replicated] | None,
    name: str,
    control: str,
    thresholds: Mapping[str, float],
    causal: Sequence[Flags] | None,
    draws: int,
    seed: int,
) -> dict[str, Counts]:
    """Count what a filter, or a control of it, finds.

    Parameters
    ----------
    tested : sequence of JointTests
        All clumps.
    second : sequence of Replicated, optional
        The same in a second sample.
    name : str
        The filter.
    control : str
        One of :data:`CONTROLS`, or :data:`OBSERVED`.
    thresholds : mapping of str to float
        By level: the p-value below which a variant is significant.
    causal : sequence of numpy.ndarray of bool, optional
        Of each clump which of its kept variants are causal or stand for one.
    draws : int
        Of the control.
    seed : int
        A random filter keeps the variants of the lowest random numbers. A variant has the same numbers in all
        clumps, whatever else is counted: traits share loci, and a score is the same for all of them.

    Returns
    -------
    dict of str to Counts
        By level.
    """
    draws = 1 if control == OBSERVED else draws
    levels = {
        level: _Counting(len(tested), draws, math.log(threshold), causal is not None)
        for level, threshold in thresholds.items()
    }
    for number, one in enumerate(tested):
        if control == OBSERVED:
            subsets = np.flatnonzero(one.chosen[name])[np.newaxis]
        else:
            subsets = _drawn(one, name, control, draws, seed)
        fits = subset_fits(one.products, subsets)
        own = None if causal is None else causal[number]
        for counting in levels.values():
            counting.add(number, subsets, *fits, own, None if second is None else second[number])
    return {level: counting.counts() for level, counting in levels.items()}


def _drawn(one: JointTests, name: str, control: str, draws: int, seed: int) -> Rows:
    """Random subsets of the kept variants, the lead variant first: (draws, size)."""
    pool = np.flatnonzero(one.pool[name])
    chosen = one.chosen[name][pool]
    stratum = np.zeros(len(pool), dtype=np.int64)
    if control == MATCHED:
        stratum = strata(one.r[pool] ** 2)
    keys = np.empty((draws, len(pool)))
    for column, variant in enumerate(one.members[pool].tolist()):
        keys[:, column] = np.random.default_rng([seed, 1, variant]).random(draws)
    secondary = pool[matched_subsets(chosen, stratum, keys)]
    return np.concatenate([np.zeros((draws, 1), dtype=np.int64), secondary.astype(np.int64)], axis=1)


def _critical(log_threshold: float, freedom: Values) -> Values:
    """The absolute statistic whose two-sided p-value is the threshold, shape (s,)."""
    stats = needed("scipy.stats", "evaluation")
    unique, which = np.unique(freedom, return_inverse=True)
    half = math.exp(log_threshold) / 2
    critical = [
        math.inf
        if not one > 0
        else float(stats.norm.isf(half) if math.isinf(one) else stats.t.isf(half, one))
        for one in unique
    ]
    return np.array(critical)[which.reshape(-1)]


def _replicating(second: Replicated, subsets: Rows, hits: Flags, coefficients: Values) -> tuple[Rows, Values]:
    """Draws, and log p in the second sample, of significant variants with the same sign there."""
    some = np.flatnonzero(hits.any(axis=1))
    effects, errors, freedom = subset_fits(second.products, subsets[some])
    with np.errstate(invalid="ignore"):
        same = hits[some] & (np.sign(effects) == np.sign(coefficients[some]))
    draw, column = np.nonzero(same)
    log_p = log_p_two_sided(effects[draw, column] / errors[draw, column], freedom[draw])
    return some[draw].astype(np.int64), log_p


def count_all(
    tested: Sequence[JointTests],
    second: Sequence[Replicated] | None,
    filters: Sequence[str],
    thresholds: Mapping[str, float],
    causal: Sequence[Flags] | None,
    draws: int,
    seed: int,
    on_progress: Callable[[str], None],
) -> dict[tuple[str, str, str], Counts]:
    """Count all filters and their controls; by filter, control and level.

    Parameters
    ----------
    tested, second, thresholds, causal, draws, seed
        See :func:`count`.
    filters : sequence of str
        Beside :data:`mifm_kipoi.evaluation.joint.models.ALL`, which has no control.
    on_progress : callable
        Gets a line of text for each filter.
    """
    arguments = (thresholds, causal, draws, seed)
    counts = {}
    for name in (ALL, *filters):
        for control in (OBSERVED, *(CONTROLS if name != ALL else ())):
            for level, own in count(tested, second, name, control, *arguments).items():
                counts[name, control, level] = own
        if name != ALL:
            on_progress(f"{name}: {draws:,} random filters of each kind")
    return counts
