"""From scores to the tables of the report."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.known_truth.arms import Arm
from benchmarks.known_truth.intervals import Sampled, clipped, difference, over_networks, ratio
from benchmarks.known_truth.metrics import calibration, calibration_error, power_at_fdr
from benchmarks.known_truth.steps import BenchmarkError, write_table
from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.statistics.bootstrap import Bootstrap, Statistic
from mifm_kipoi.statistics.estimates import Estimate, Values
from mifm_kipoi.statistics.ranking import Curve, top_k

FDRS = (0.05, 0.1, 0.2)

SIZE_BOUNDS = ((1, 9), (10, 20), (21, 40), (41, 80), (81, 10_000))
"""Ranges of sizes of bags, inclusive, in which top-1 is reported."""

STUDY_BOUNDS = ((1, 1), (2, 4), (5, 10_000))
"""Ranges of the number of studies of one trait that see a signal, inclusive, in which top-1 is reported."""

_NOT_LOW = 0.1
"""PIPs above this are few, and what is read of a credible set."""

_TWIN = 1 - 1e-6
"""Smallest correlation, by size, of variants with the same genotypes."""

MONITORS = {"loss": -1, "likelihood": 1, "last": 1}
"""What may choose an epoch, as ``fit.monitor`` has it, and whether more of it is better."""

ABF = "abf"
_COMPARED = ("lowest_p", ABF, "random")

_POINTS = 200
"""Of the curves that are drawn."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scores of the test variants by an arm.

    Parameters
    ----------
    arm : Arm
        Which method.
    scores : tuple of numpy.ndarray of float64, each of shape (n,)
        Higher is more likely causal; of the rows of the test table. One for each of the arm's networks,
        whose numbers are averaged; baselines have one.
    pips : tuple of numpy.ndarray of float64
        One for each of the scores, where these come from posterior inclusion probabilities.
    validation_auprc : float
        Of ABF with the logits as prior on validation genealogies, mean over networks: by this the arms that
        the report names best are chosen. NaN for baselines.
    validation_gain : float
        How much better the logits as a prior explain the summary statistics of validation studies than a
        uniform prior does, in nats a study, mean over networks
        (:func:`mifm_kipoi.finemapping.prior.fit_slope`): what can be known without the truth.
    """

    arm: Arm
    scores: tuple[Values, ...]
    pips: tuple[Values, ...] = ()
    validation_auprc: float = float("nan")
    validation_gain: float = float("nan")

    @property
    def first(self) -> Values:
        """The scores of the first network: what is drawn of curves."""
        return self.scores[0]


class Test:
    """The variants of positive test bags, and every number about scores of them.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :func:`benchmarks.known_truth.datasets.held_out_variants`. Bags of a single variant are not
        ranked; they count in ``top_1_all`` alone, as hits where the variant is causal.
    """

    __test__ = False  # not a test of pytest

    def __init__(self, table: pd.DataFrame) -> None:
        single = table["size"] == 1
        self._resolved = table.loc[single & table["causal"], "genealogy"].to_numpy(np.int64)
        self.table = table[~single].reset_index(drop=True)
        self.bag = self.table["bag"].to_numpy(np.int64)
        self.causal = self.table["causal"].to_numpy(bool)
        self.genealogy = self.table["genealogy"].to_numpy(np.int64)
        self.rows = Bootstrap.of_clusters(self.genealogy)
        self.bags = self.table.groupby("bag").agg(
            genealogy=("genealogy", "first"), size=("size", "first"), causal=("causal", "any"),
            studies=("studies", "first"),
        )  # fmt: skip
        if not self.bags["causal"].any():
            raise BenchmarkError(
                f"none of {len(self.bags)} bags has a causal variant; expected a larger simulation"
            )

    def top(self, score: Values, k: int, bags: pd.Index | None = None) -> Sampled:
        """Fraction of bags with a causal variant that have one among the first k."""
        hits = top_k(score, self.bag, self.causal, k)
        hits = hits if bags is None else hits[hits.index.isin(bags)]
        values = hits.to_numpy(np.float64)
        genealogy = self.bags["genealogy"][hits.index].to_numpy(np.int64)
        return Sampled(float(values.mean()), Bootstrap.of_clusters(genealogy).means(values))

    def top_1_all(self, score: Values) -> Sampled:
        """Top-1 of all bags with a causal variant, those of a single variant among them."""
        hits = top_k(score, self.bag, self.causal, 1)
        values = np.concatenate([hits.to_numpy(np.float64), np.ones(self._resolved.size)])
        own = self.bags["genealogy"][hits.index].to_numpy(np.int64)
        bootstrap = Bootstrap.of_clusters(np.concatenate([own, self._resolved]))
        return Sampled(float(values.mean()), bootstrap.means(values))

    def auprc(self, score: Values) -> Sampled:
        """Area under the curve of precision and recall over all rows."""
        return self._sampled(Curve(score, self.causal).average_precision)

    def _sampled(self, statistic: Statistic) -> Sampled:
        return Sampled(float(statistic(np.ones((len(self.table), 1)))[0]), self.rows.resampled(statistic))

    def clusters(self, bags: pd.Index | None = None) -> int:
        """Genealogies of the bags with a causal variant."""
        kept = self.bags[self.bags["causal"]]
        kept = kept if bags is None else kept[kept.index.isin(bags)]
        return int(kept["genealogy"].nunique())

    def sampled(self, score: Values) -> dict[str, Sampled]:
        """The metrics of one network by name, as the report knows them."""
        curve = Curve(score, self.causal)
        metrics = {"top_1": self.top(score, 1), "top_5": self.top(score, 5), "auprc": self.auprc(score)}
        metrics["top_1_all"] = self.top_1_all(score)
        for fdr in FDRS:
            metrics[f"power_at_fdr_{fdr}"] = self._sampled(functools.partial(power_at_fdr, curve, fdr))
        return metrics

    def metrics(self, *scores: Values) -> dict[str, Estimate]:
        """Means over networks, by name."""
        return self.means([self.sampled(score) for score in scores])

    def means(self, networks: Sequence[Mapping[str, Sampled]]) -> dict[str, Estimate]:
        """Means over networks of their metrics, with intervals."""
        clusters = dict.fromkeys(("top_1", "top_5", "top_1_all"), self.clusters())
        return {
            name: clipped(
                over_networks([one[name] for one in networks], clusters.get(name, self.rows.blocks))
            )
            for name in networks[0]
        }


def write_results(
    folder: Path, test: Test, scored: Sequence[Scored], kinds: Sequence[str], main: str
) -> None:
    """Write the tables that are made of scores alone.

    Parameters
    ----------
    folder : Path
        Made where missing.
    test : Test
        The variants of test bags.
    scored : sequence of Scored
        All arms.
    kinds : sequence of str
        Those of variants, in the order of tables.
    main : str
        The arm against which the others are compared too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sampled = {one.arm.name: [test.sampled(score) for score in one.scores] for one in scored}
    write_table(folder / "metrics.tsv", _metrics(test, scored, sampled))
    write_table(folder / "seeds.tsv", _seeds(sampled))
    sizes = [(test.bags.index[inside], bounds) for bounds, inside in _size_ranges(test)]
    write_table(folder / "top_1_by_size.tsv", _by_range(test, scored, sizes, "size"))
    studies = [(test.bags.index[inside], bounds) for bounds, inside in _study_ranges(test)]
    write_table(folder / "top_1_by_studies.tsv", _by_range(test, scored, studies, "studies"))
    curves = _curves(test, scored)
    write_table(folder / "precision_recall.tsv", curves[["arm", "recall", "precision"]])
    power = curves.assign(fdr=1 - curves["precision"], power=curves["recall"])
    write_table(folder / "power.tsv", _envelope(power))
    write_table(folder / "kinds.tsv", _kinds(test, scored, kinds))
    write_table(folder / "calibration.tsv", _calibration(test, scored))
    write_table(folder / "differences.tsv", _differences(test, sampled, (*_COMPARED, main)))
    write_table(folder / "ratios.tsv", _ratios(test, sampled))


Metrics = Mapping[str, Sequence[Mapping[str, Sampled]]]
"""Of each arm, of each of its networks: numbers by their names."""


def _metrics(test: Test, scored: Sequence[Scored], sampled: Metrics) -> pd.DataFrame:
    rows = []
    for one in scored:
        means = test.means(sampled[one.arm.name])
        rows += [{"arm": one.arm.name, "metric": name, **vars(value)} for name, value in means.items()]
        for name, value in _of_pips(test, one.pips).items() if one.pips else ():
            rows.append({"arm": one.arm.name, "metric": name, "value": value, "low": np.nan, "high": np.nan})
    return pd.DataFrame(rows)


def _of_pips(test: Test, pips: Sequence[Values]) -> dict[str, float]:
    """How far PIPs are from the truth, mean over networks.

    Most PIPs are near 0, and so is the error of all of them: it is given for those above 0.1 too, and the sum
    of the PIPs of a bag, beside the number of its causal variants.
    """
    high = [pip > _NOT_LOW for pip in pips]
    return {
        "calibration_error": float(np.mean([calibration_error(pip, test.causal) for pip in pips])),
        "calibration_error_above_0.1": float(
            np.mean(
                [
                    calibration_error(pip[own], test.causal[own]) if own.any() else np.nan
                    for pip, own in zip(pips, high, strict=True)
                ]
            )
        ),
        "pips_per_bag": float(np.mean([pip.sum() for pip in pips]) / len(test.bags)),
        "causal_per_bag": float(test.causal.sum() / len(test.bags)),
    }


def _seeds(sampled: Metrics) -> pd.DataFrame:
    rows = [
        {"arm": arm, "seed": seed, "metric": metric, "value": network[metric].value}
        for arm, networks in sampled.items()
        if len(networks) > 1
        for seed, network in enumerate(networks, start=1)
        for metric in ("top_1", "auprc")
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "metric", "value"])


def _size_ranges(test: Test) -> Iterator[tuple[tuple[int, int], pd.Series]]:
    largest = int(test.bags["size"].max())
    for low, high in SIZE_BOUNDS:
        yield (low, min(high, largest)), test.bags["causal"] & test.bags["size"].between(low, high)


def _study_ranges(test: Test) -> Iterator[tuple[tuple[int, int], pd.Series]]:
    most = int(test.bags["studies"].max())
    if most > 1:
        for low, high in STUDY_BOUNDS:
            yield (low, min(high, most)), test.bags["causal"] & test.bags["studies"].between(low, high)


def _by_range(
    test: Test, scored: Sequence[Scored], ranges: Sequence[tuple[pd.Index, tuple[int, int]]], of: str
) -> pd.DataFrame:
    """Top-1 in the bags of each range of sizes, or of numbers of studies."""
    rows = []
    for bags, (low, high) in ranges:
        if not len(bags):
            continue
        given = {f"{of}_low": low, f"{of}_high": high, "bags": len(bags)}
        clusters = test.clusters(bags)
        for one in scored:
            found = over_networks([test.top(score, 1, bags) for score in one.scores], clusters)
            rows.append({"arm": one.arm.name, **given, **vars(clipped(found))})
    return pd.DataFrame(rows, columns=["arm", f"{of}_low", f"{of}_high", "bags", "value", "low", "high"])


def monitors(curves: pd.DataFrame) -> pd.DataFrame:
    """The epoch of each network that each monitor would choose, and what the network is worth then.

    Parameters
    ----------
    curves : pandas.DataFrame
        One row per network and epoch: ``arm, seed, epoch, validation_loss, validation_likelihood,
        validation_top_1, validation_auprc``.

    Returns
    -------
    pandas.DataFrame
        ``arm, seed, monitor, epoch, top_1, auprc``, the last two of the validation variants. Of epochs that
        are equal to a monitor it is the first, as in a fit; a monitor that is not a number in all epochs of a
        network chooses none.
    """
    columns = ["arm", "seed", "monitor", "epoch", "top_1", "auprc"]
    rows = []
    for (arm, seed), log in curves.groupby(["arm", "seed"], sort=False):
        for monitor, sign in MONITORS.items():
            watched = sign * log["epoch" if monitor == "last" else f"validation_{monitor}"]
            if watched.notna().all():
                chosen = log.loc[watched.idxmax()]
                values = chosen[["epoch", "validation_top_1", "validation_auprc"]]
                rows.append((arm, seed, monitor, *values))
    return pd.DataFrame(rows, columns=columns).astype({"epoch": np.int64})


def _curves(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    parts = []
    for one in scored:
        recall, precision = Curve(one.first, test.causal).points()
        # At evenly spaced recalls: there are ten thousands of thresholds.
        kept = np.unique(
            np.searchsorted(recall, np.linspace(recall[0], 1, _POINTS)).clip(max=len(recall) - 1)
        )
        parts.append(
            pd.DataFrame({"arm": one.arm.name, "recall": recall[kept], "precision": precision[kept]})
        )
    return pd.concat(parts, ignore_index=True)


def _envelope(table: pd.DataFrame) -> pd.DataFrame:
    """The highest power up to each fraction of false positives."""
    ordered = table.sort_values(["arm", "fdr", "power"], kind="stable")
    ordered["power"] = ordered.groupby("arm")["power"].cummax()
    return ordered[["arm", "fdr", "power"]]


def _kinds(test: Test, scored: Sequence[Scored], order: Sequence[str]) -> pd.DataFrame:
    """Which kind is first in bags with a causal variant, and the scores of each kind."""
    kinds = test.table["kind"].to_numpy()
    if unknown := sorted(set(kinds) - set(order)):
        raise BenchmarkError(f"the truth has the kinds {', '.join(unknown)}; expected {', '.join(order)}")
    holds = test.bags["causal"][test.bag].to_numpy()
    total = int(test.bags["causal"].sum())
    rows = []
    for one in scored:
        fractions = np.mean([_first_fractions(test, score, holds) for score in one.scores], axis=0)
        for kind in order:
            of_kind = kinds == kind
            low = middle = high = np.nan
            if of_kind.any() and one.arm.group not in ("baseline", "prior"):
                low, middle, high = np.quantile(one.first[of_kind], [0.25, 0.5, 0.75])
            rows.append(
                {
                    "arm": one.arm.name, "kind": kind, "count": int(of_kind.sum()),
                    "first_share": float(fractions[of_kind].sum() / total),
                    "median_logit": middle, "q25": low, "q75": high,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _first_fractions(test: Test, score: Values, holds: npt.NDArray[np.bool_]) -> Values:
    """How probable it is that each row is the first of its bag; 0 in bags without a causal variant."""
    top = pd.Series(score).groupby(test.bag).transform("max").to_numpy()
    first = (score == top) & holds
    fractions: Values = first / np.maximum(pd.Series(first).groupby(test.bag).transform("sum").to_numpy(), 1)
    return fractions


def _calibration(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    """The PIPs of all networks of an arm together; what is drawn for intervals are genealogies."""
    parts = []
    for one in scored:
        if one.pips:
            many = len(one.pips)
            genealogies = Bootstrap.of_clusters(np.tile(test.genealogy, many))
            table = calibration(np.concatenate(one.pips), np.tile(test.causal, many), genealogies)
            # Variants are counted once, whatever the number of networks.
            parts.append(table.assign(arm=one.arm.name, count=table["count"] / many))
    columns = ["arm", "bin_low", "bin_high", "count", "predicted", "observed", "low", "high"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def _differences(test: Test, sampled: Metrics, against: Sequence[str]) -> pd.DataFrame:
    """Top-1 and AUPRC less those of other arms, on the same resamples."""
    rows = []
    for name, networks in sampled.items():
        for other in dict.fromkeys(against):
            if name == other or other not in sampled:
                continue
            for metric, clusters in (("top_1", test.clusters()), ("auprc", test.rows.blocks)):
                own, others = ([network[metric] for network in arm] for arm in (networks, sampled[other]))
                found = difference(own, others, clusters)
                rows.append({"arm": name, "against": other, "metric": metric, **vars(found)})
    return pd.DataFrame(rows, columns=["arm", "against", "metric", "value", "low", "high"])


def _ratios(test: Test, sampled: Metrics) -> pd.DataFrame:
    """Top-1, of the bags that are ranked and of all, and AUPRC over those of ABF, on the same resamples."""
    rows = []
    clusters = {"top_1": test.clusters(), "top_1_all": test.clusters(), "auprc": test.rows.blocks}
    for name, networks in sampled.items():
        if name == ABF or ABF not in sampled:
            continue
        (abf,) = sampled[ABF]
        for metric, count in clusters.items():
            found = ratio([network[metric] for network in networks], abf[metric], count)
            rows.append({"arm": name, "against": ABF, "metric": metric, **vars(found)})
    return pd.DataFrame(rows, columns=["arm", "against", "metric", "value", "low", "high"])


def credible_sets(
    test: Test, scored: Sequence[Scored], ld: Mapping[int, Values] | None = None
) -> pd.DataFrame:
    """Coverage, size and purity of 95 % sets, over test bags with a causal variant.

    Parameters
    ----------
    test : Test
        The variants of test bags.
    scored : sequence of Scored
        Those without PIPs are left out.
    ld : mapping of int to numpy.ndarray
        Of each bag the correlations of its variants, in the order of the table.
    """
    rows = []
    for one in scored:
        if not one.pips:
            continue
        tables = [_sets(test, pip, ld) for pip in one.pips]
        samples = []
        for table in tables:
            genealogy = test.bags["genealogy"][table["bag"]].to_numpy(np.int64)
            covered = table["covered"].to_numpy(np.float64)
            samples.append(Sampled(float(covered.mean()), Bootstrap.of_clusters(genealogy).means(covered)))
        coverage = clipped(over_networks(samples, test.clusters()))
        together = pd.concat(tables)
        rows.append(
            {
                "arm": one.arm.name, "sets": len(tables[0]), "coverage": coverage.value,
                "low": coverage.low, "high": coverage.high, "mean_size": together["size"].mean(),
                "median_size": together["size"].median(), "purity": together["purity"].mean(),
            }
        )  # fmt: skip
    columns = ["arm", "sets", "coverage", "low", "high", "mean_size", "median_size", "purity"]
    return pd.DataFrame(rows, columns=columns)


def _sets(test: Test, pip: Values, ld: Mapping[int, Values] | None) -> pd.DataFrame:
    """Of each bag with a causal variant: whether its 95 % set holds one, the set's size and purity.

    A set has 95 % of the PIPs of its bag, whatever they sum to: only bags with a causal variant are judged.
    """
    sets = []
    inside = in_credible_set(pip, test.bag)
    for bag, members in test.table.groupby("bag").indices.items():
        if test.causal[members].any():
            chosen = np.flatnonzero(inside[members])
            pure = np.nan if ld is None else float(np.abs(ld[bag][np.ix_(chosen, chosen)]).min())
            sets.append((bag, test.causal[members][chosen].any(), len(chosen), pure))
    return pd.DataFrame(sets, columns=["bag", "covered", "size", "purity"])


def evidence_ceiling(test: Test, ld: Mapping[int, Values]) -> float:
    """The highest top-1 of any score of genotypes and traits alone, at whatever sample size.

    Variants with the same genotypes as a causal one, or the opposite ones, have its z-score up to the sign:
    of such twins one is a hit only by chance. The mean over bags with a causal variant of the fraction of
    causal ones among the twins of that with the fewest.

    Parameters
    ----------
    test : Test
        The variants of test bags.
    ld : mapping of int to numpy.ndarray
        Of each bag the correlations of its variants, in the order of the table.
    """
    chances = []
    for bag, members in test.table.groupby("bag").indices.items():
        causal = test.causal[members]
        if causal.any():
            twins = np.abs(ld[bag][causal]) > _TWIN
            chances.append(float((twins[:, causal].sum(axis=1) / twins.sum(axis=1)).max()))
    return float(np.mean(chances))
