"""From members and scores to the variants and weights of each polygenic score."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import OptionError
from mifm_kipoi.finemapping.prior import uniform_pips
from mifm_kipoi.polygenic.building.linkage import Linkage
from mifm_kipoi.polygenic.building.priors import posterior_with_prior
from mifm_kipoi.polygenic.building.selection import decided_by_ties, picked, ranks_within
from mifm_kipoi.polygenic.building.studies import ABF, Members
from mifm_kipoi.polygenic.building.weights import (
    Weighting,
    joint_weights,
    mean_weights,
    pip_weights,
    shrinkage,
)
from mifm_kipoi.statistics.normal import z_of_log_p

P_VALUE, LEAD, ALL, RANDOM = "p", "lead", "all", "random"
"""Methods that need no score: by |z|; the lead variant; all members; members drawn at random."""

OF_TABLE = "table."
"""Before the name of a score of a table that is also that of a method of studies."""

_NAME = re.compile(r"[^A-Za-z0-9_+-]+")

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to pick variants.

    Parameters
    ----------
    name : str
        Of the method.
    source : str
        What it picks by, in words.
    values : numpy.ndarray of float64, shape (members,)
        Higher is picked; NaN where a variant cannot be.
    pip : bool
        Whether the values are posterior inclusion probabilities, which weights then use.
    """

    name: str
    source: str
    values: Values
    pip: bool = False


@dataclasses.dataclass(frozen=True)
class Built:
    """A polygenic score.

    Parameters
    ----------
    name : str
        Of the score, and of its file.
    study, method, source, top, weighting : str
        Where it comes from; ``top`` is a number or ``all``.
    draw : int
        Of ``random``, from 1; else 0.
    rows : pandas.DataFrame
        As of :func:`mifm_kipoi.polygenic.scoring_files.write_scoring_file`.
    signals, blocks, signals_without, left_out, ambiguous : int
        Signals that it has variants of, their blocks, and signals of the study that it has none of; picked
        variants without a weight; A/T and C/G variants.
    """

    name: str
    study: str
    method: str
    source: str
    top: str
    weighting: str
    draw: int
    rows: pd.DataFrame
    signals: int
    blocks: int
    signals_without: int
    left_out: int
    ambiguous: int


def methods_of(
    members: Members,
    joined: Mapping[str, Values],
    sources: Mapping[str, str],
    names: Sequence[str] = (),
    priors: Sequence[str] = (),
) -> list[Method]:
    """All methods but the random one: p-values, the studies' own scores, Bayes factors, tables, lead, all.

    A score of ``priors`` also gives the method ``NAME+abf``: the posterior inclusion probabilities of Bayes
    factors with the score as the prior (:func:`mifm_kipoi.polygenic.building.priors.posterior_with_prior`).

    Parameters
    ----------
    members : Members
        Of all signals.
    joined : mapping of str to numpy.ndarray of float64, shape (members,)
        Scores from tables, by method.
    sources : mapping of str to str
        Where these come from.
    names : sequence of str
        The methods that are wanted; empty for all.
    priors : sequence of str
        Scores from tables that are priors, too.

    Raises
    ------
    OptionError
        When a wanted method, or a prior, is not there.
    """
    table = members.table
    z, log_p = (table[name].to_numpy(np.float64) for name in ("z", "log_p"))
    # By |z|: p-values of strong associations are all 0, and those near 1 are all 1.
    size = np.where(np.isnan(z), z_of_log_p(np.where(np.isnan(log_p), 0.0, log_p)), np.abs(z))
    size[np.isnan(z) & np.isnan(log_p)] = np.nan
    found = [Method(P_VALUE, "|z| of the study", size)]
    for name in members.scores:
        values = table[f"score:{name}"].to_numpy(np.float64)
        # CAUSALdb2 has columns of all tools, and -1 where one was not run.
        if np.isnan(values).all():
            continue
        found.append(Method(name, f"{name} of the study", values, name in members.pips))
    log_bf, signal = table["log_bf"].to_numpy(np.float64), table["signal"].to_numpy(np.int64)
    if ABF not in [method.name for method in found]:
        pip = np.full(len(table), np.nan)
        known = ~np.isnan(log_bf)
        pip[known] = uniform_pips(log_bf[known], signal[known])
        found.append(Method(ABF, "Bayes factor of the study", pip, pip=True))
    own = {P_VALUE, LEAD, ALL, RANDOM, *(method.name for method in found)}
    for name, values in joined.items():
        # Of a model that is called abf or susie, too: it is not of one study.
        found.append(Method(f"{OF_TABLE}{name}" if name in own else name, sources[name], values))
    for name in priors:
        if name not in joined:
            raise OptionError(
                f"the prior {name} is not a score of a table; those are {', '.join(joined) or 'none'}"
            )
        pip, slopes = posterior_with_prior(joined[name], log_bf, signal, table["chrom"].to_numpy(object))
        span = f"slope {min(slopes.values()):.3g} to {max(slopes.values()):.3g}, of other chromosomes"
        found.append(Method(f"{name}+abf", f"Bayes factor with the prior {name}, {span}", pip, pip=True))
    lead = np.where(table["lead"].to_numpy(bool), 1.0, np.nan)
    found += [Method(LEAD, "lead variant", lead), Method(ALL, "all members", np.zeros(len(table)))]
    known = [method.name for method in found]
    if absent := [name for name in names if name not in (*known, RANDOM)]:
        raise OptionError(
            f"there is no method {', '.join(absent)}; those that are there: {', '.join(known)}, {RANDOM}"
        )
    return [method for method in found if not names or method.name in names]


class Assembly:
    """Puts scores together from members.

    Parameters
    ----------
    members : Members
        Of all signals.
    seed : int
        Of random draws, and of the order of variants with equal scores.

    Attributes
    ----------
    studies : list of str
        Their names.
    variants : pandas.DataFrame
        Each variant of each study once: study, chrom, pos, effect_allele, other_allele; the effect allele is
        that of its first row, and of scoring files.
    """

    def __init__(self, members: Members, seed: int = 1) -> None:
        table = self._table = members.table.reset_index(drop=True)
        self._seed = seed
        self._signal = table["signal"].to_numpy(np.int64)
        of_signals = members.signals["study"].to_numpy(object)
        self._study, names = pd.factorize(of_signals[self._signal])
        self.studies = [str(name) for name in names]
        self._signals_of_study = np.bincount(pd.factorize(of_signals)[0])
        self._block = pd.factorize(pd.MultiIndex.from_frame(members.signals[["study", "chrom", "block"]]))[0][
            self._signal
        ]
        effect, other = (table[name].to_numpy(object) for name in ("effect_allele", "other_allele"))
        pairs = np.sort(np.column_stack([effect, other]).astype(str), axis=1)
        keys = [self._study, table["chrom"].to_numpy(object), table["pos"].to_numpy(), *pairs.T]
        self._variant = pd.factorize(pd.MultiIndex.from_arrays(keys))[0].astype(np.int64)
        first = self._first_row = np.unique(self._variant, return_index=True)[1]
        # Rows of a variant may state the effect of either allele; that of its first row is kept.
        self._sign = np.where(effect == effect[first][self._variant], 1.0, -1.0)
        names_of = members.signals["block"].astype(str) + " " + members.signals["signal"].astype(str)
        self._locus = names_of.str.strip().to_numpy(object)
        variants = table.iloc[first].reset_index(drop=True)
        self.variants = variants[["chrom", "pos", "effect_allele", "other_allele"]].assign(
            study=np.array(self.studies, dtype=object)[self._study[first]]
        )
        self._rows = self._scoring_rows(variants)
        contigs = {
            name: number for number, name in enumerate(sorted(variants["chrom"].unique(), key=_contig_order))
        }
        by_place = np.lexsort((variants["pos"], variants["chrom"].map(contigs)))
        self._place = np.empty(len(variants), dtype=np.int64)
        self._place[by_place] = np.arange(len(variants))

    def scores(
        self,
        methods: Sequence[Method],
        tops: Sequence[int],
        weightings: Sequence[Weighting],
        draws: int,
        linkage: Linkage | None = None,
        eligible: npt.NDArray[np.bool_] | None = None,
    ) -> Iterator[Built]:
        """All scores of all studies, one after the other; those that have no variant are left out.

        Parameters
        ----------
        methods : sequence of Method
            What picks.
        tops : sequence of int
            How many variants of each signal; 0 for all of them, of methods that are posterior inclusion
            probabilities, with weights that use these. ``lead`` picks one, ``all`` all, whatever these are.
        weightings : sequence of Weighting
            How they are weighted.
        draws : int
            Of random members, for each of ``tops``, all with the weights ``mean``. The members of a draw are
            among those of the same draw with a larger ``top``.
        linkage : Linkage, optional
            LD of :attr:`variants`, for joint weights.
        eligible : numpy.ndarray of bool, shape (members,), optional
            The members among which the random ones are drawn; by default all.
        """
        places = None if linkage is None else _RegionPlaces(linkage, len(self._first_row))
        for method in methods:
            ranks = self.ranks(method)
            for top in self._tops(method, tops):
                rows = picked(ranks, top)
                for weighting in weightings:
                    if top is None and method.name != ALL and not weighting.uses_pips:
                        continue
                    yield from self._of_studies(method, top, weighting, rows, places)
        random = np.random.default_rng([self._seed, 1])
        for draw in range(1, draws + 1):
            method = Method(RANDOM, "members at random", random.random(len(self._table)))
            values = method.values if eligible is None else np.where(eligible, method.values, np.nan)
            ranks = ranks_within(values, self._signal, method.values)
            for top in filter(None, tops):
                yield from self._of_studies(method, top, Weighting.MEAN, picked(ranks, top), None, draw)

    def needs_linkage(self, methods: Sequence[Method], tops: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Which of :attr:`variants` some method picks, shape (variants,)."""
        needed = np.zeros(len(self._first_row), dtype=bool)
        for method in methods:
            ranks = self.ranks(method)
            for top in self._tops(method, [top for top in tops if top]):
                needed[self._variant[picked(ranks, top)]] = True
        return needed

    def ranks(self, method: Method) -> Integers:
        """The rank of each member in its signal, from 0; -1 where the method has no score of it."""
        ties = np.random.default_rng([self._seed, 0]).random(len(self._table))
        return ranks_within(method.values, self._signal, ties)

    def picks(
        self, methods: Sequence[Method], tops: Sequence[int]
    ) -> tuple[pd.DataFrame, dict[str, Integers]]:
        """What each method picks first, and how often chance decides.

        Returns
        -------
        table : pandas.DataFrame
            For each study and method: members, scored, signals, without (signals without any score),
            same_lead (signals in which the lead comes first) and ``tiesK`` for each of ``tops`` (signals in
            which equal scores were put in order by chance at that rank).
        first : dict of str to numpy.ndarray of int64, shape (signals,)
            By method, the row of :attr:`Members.table` that comes first; -1 where there is none.
        """
        number = int(self._signal.max()) + 1
        lead_row = np.full(number, -1, dtype=np.int64)
        leads = np.flatnonzero(self._table["lead"].to_numpy(bool))
        lead_row[self._signal[leads]] = leads
        study_of = np.empty(number, dtype=np.int64)
        study_of[self._signal] = self._study
        rows, firsts = [], {}
        for method in methods:
            ranks = self.ranks(method)
            first = np.full(number, -1, dtype=np.int64)
            best = np.flatnonzero(ranks == 0)
            first[self._signal[best]] = best
            firsts[method.name] = first
            for study, name in enumerate(self.studies):
                own, signals = self._study == study, study_of == study
                ties = {
                    f"ties{top}": decided_by_ties(method.values[own], self._signal[own], ranks[own], top)
                    for top in self._tops(method, tops) if top is not None
                }  # fmt: skip
                rows.append({
                    "study": name, "method": method.name, "source": method.source, "members": int(own.sum()),
                    "scored": int((ranks[own] >= 0).sum()), "signals": int(signals.sum()),
                    "without": int((first[signals] < 0).sum()),
                    "same_lead": int((first[signals] == lead_row[signals]).sum()), **ties,
                })  # fmt: skip
        columns = ["study", "method", "source", "members", "scored", "signals", "without", "same_lead"]
        columns += [f"ties{top}" for top in tops if top]
        return pd.DataFrame(rows, columns=columns), firsts

    def _tops(self, method: Method, tops: Sequence[int]) -> list[int | None]:
        """How many variants a method picks of each signal; None for all."""
        if method.name in (LEAD, ALL):
            return [1] if method.name == LEAD else [None]
        return [top or None for top in tops if top or method.pip]

    def _of_studies(
        self,
        method: Method,
        top: int | None,
        weighting: Weighting,
        rows: Integers,
        places: _RegionPlaces | None,
        draw: int = 0,
    ) -> Iterator[Built]:
        """The scores of each study, of rows that were picked."""
        if weighting.is_joint:
            assert places is not None
            weights = self._joint(rows, weighting, places)
        else:
            weights = self._single(rows, weighting, method.values if method.pip else None)
        usable = ~np.isnan(weights)
        words = ALL if top is None else str(top)
        for study, name in enumerate(self.studies):
            own = self._study[rows] == study
            used = rows[own & usable]
            if not len(used):
                continue
            table = self._added_up(used, weights[own & usable])
            signals = np.unique(self._signal[used])
            parts = [method.name, name, f"top{words}" if top is not None else ALL, str(weighting)]
            if method.name in (LEAD, ALL):
                parts = [method.name, name, str(weighting)]
            if draw:
                parts.append(f"draw{draw:03d}")
            yield Built(
                ".".join(_NAME.sub("_", part) for part in parts), name, method.name, method.source, words,
                str(weighting), draw, table, len(signals), len(np.unique(self._block[used])),
                int(self._signals_of_study[study]) - len(signals), int((own & ~usable).sum()),
                int(_is_palindromic(table).sum()),
            )  # fmt: skip

    def _single(self, rows: Integers, weighting: Weighting, pips: Values | None) -> Values:
        """Weights of rows from their own effects; NaN where a variance counts and is not known."""
        effect, variance, prior, pip = (
            self._table[name].to_numpy(np.float64)[rows]
            for name in ("effect", "variance", "prior_variance", "pip")
        )
        # The method's own probabilities, where it is of such: picked rows have one.
        pip = pip if pips is None else pips[rows]
        if weighting in (Weighting.SHRUNK, Weighting.POSTERIOR):
            effect = effect * shrinkage(variance, prior)
        weights = np.full(len(rows), np.nan)
        known = ~np.isnan(effect)
        if not known.any():
            return weights
        group = pd.factorize(self._signal[rows[known]])[0].astype(np.int64)
        if weighting is Weighting.POSTERIOR:
            weights[known] = effect[known] * pip[known]
        elif weighting is Weighting.PIP:
            weights[known] = pip_weights(effect[known], pip[known], group)
        else:
            weights[known] = mean_weights(effect[known], group)
        return weights

    def _joint(self, rows: Integers, weighting: Weighting, places: _RegionPlaces) -> Values:
        """Joint effects of rows, at the first row of each variant; NaN without LD, 0 in its further rows."""
        weights = np.full(len(rows), np.nan)
        variants, first = np.unique(self._variant[rows], return_index=True)
        lead = self._first_row[variants]
        effect = self._table["marginal_effect"].to_numpy(np.float64)[lead]
        ridge = None
        usable = places.region[variants] >= 0
        if weighting is Weighting.JOINT_SHRUNK:
            variance, prior = (
                self._table[name].to_numpy(np.float64)[lead]
                for name in ("marginal_variance", "prior_variance")
            )
            ridge = variance / prior
            usable &= ~np.isnan(ridge)
        known = np.flatnonzero(usable)
        order = known[np.argsort(places.region[variants[known]], kind="stable")]
        regions = places.region[variants[order]]
        for some in np.split(order, np.flatnonzero(np.diff(regions)) + 1) if len(order) else ():
            region = places.linkage.regions[int(places.region[variants[some[0]]])]
            at = places.index[variants[some]]
            own, _ = joint_weights(
                effect[some], region.correlations[np.ix_(at, at)], region.deviations[at],
                None if ridge is None else ridge[some], places.linkage.least_eigenvalue,
            )  # fmt: skip
            weights[first[some]] = own
        repeated = np.ones(len(rows), dtype=bool)
        repeated[first] = False
        weights[repeated & np.isin(self._variant[rows], variants[known])] = 0.0
        # Effects are those of the effect allele of the first row; adding up takes those of the rows' own.
        return weights * self._sign[rows]

    def _added_up(self, rows: Integers, weights: Values) -> pd.DataFrame:
        """Rows of a scoring file: each variant once, in the order of the genome."""
        variants, code = np.unique(self._variant[rows], return_inverse=True)
        totals = np.bincount(code, weights * self._sign[rows])
        loci = self._locus[self._signal[rows]]
        names = np.full(len(variants), "", dtype=object)
        for one, locus in zip(code.tolist(), loci.tolist(), strict=True):
            names[one] = f"{names[one]}; {locus}" if names[one] else locus
        order = np.argsort(self._place[variants], kind="stable")
        table = self._rows.iloc[variants[order]].assign(weight=totals[order], locus_name=names[order])
        kept: pd.DataFrame = table.reset_index(drop=True)
        return kept

    def _scoring_rows(self, variants: pd.DataFrame) -> pd.DataFrame:
        rows = variants[["chrom", "pos", "id", "effect_allele", "other_allele"]].copy()
        rows["id"] = rows["id"].where(rows["id"] != ".", "")
        rows["weight"] = 0.0
        if variants["frequency"].notna().any():
            rows["allelefrequency_effect"] = variants["frequency"]
        return rows


class _RegionPlaces:
    """Where each variant of the studies is in the regions of LD."""

    def __init__(self, linkage: Linkage, variants: int) -> None:
        self.linkage = linkage
        self.region = np.full(variants, -1, dtype=np.int64)
        self.index = np.zeros(variants, dtype=np.int64)
        for number, region in enumerate(linkage.regions):
            self.region[region.variants] = number
            self.index[region.variants] = np.arange(len(region.variants))


def _is_palindromic(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Where the alleles of an SNV are those of its other strand: A/T and C/G."""
    return np.asarray((rows["effect_allele"] + rows["other_allele"]).isin(["AT", "TA", "CG", "GC"]))


def _contig_order(chrom: str) -> tuple[int, str]:
    return (int(chrom), "") if chrom.isdecimal() else (99, chrom)
