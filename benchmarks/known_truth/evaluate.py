"""From scores to the tables of the report."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.known_truth.arms import Arm
from benchmarks.known_truth.metrics import calibration, calibration_error, credible_set, power_at_fdr
from benchmarks.known_truth.rule import Kind
from benchmarks.known_truth.steps import BenchmarkError, write_table
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.estimates import Estimate, Values
from mifm_kipoi.statistics.ranking import Curve, top_k

FDRS = (0.05, 0.1, 0.2)

SIZE_BOUNDS = ((1, 9), (10, 20), (21, 40), (41, 80), (81, 10_000))
"""Ranges of sizes of bags, inclusive, in which top-1 is reported."""

_POINTS = 200
"""Of the curves that are drawn."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scores of the test variants by an arm.

    Parameters
    ----------
    arm : Arm
        Which method.
    score : numpy.ndarray of float64, shape (n,)
        Higher is more likely causal; of the rows of the test table.
    by_seed : mapping of int to numpy.ndarray
        Of single networks, where the arm has several.
    pip : numpy.ndarray of float64, optional
        Where the score is one.
    validation_top_1 : float
        By which the arms that the report names best are chosen; NaN for baselines.
    """

    arm: Arm
    score: Values
    by_seed: Mapping[int, Values] = dataclasses.field(default_factory=dict)
    pip: Values | None = None
    validation_top_1: float = float("nan")


class Test:
    """The variants of positive test bags, and every number about scores of them.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :func:`benchmarks.known_truth.datasets.held_out_variants`.
    """

    __test__ = False  # not a test of pytest

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table.reset_index(drop=True)
        self.bag = self.table["bag"].to_numpy(np.int64)
        self.causal = self.table["causal"].to_numpy(bool)
        self.rows = Bootstrap.of_clusters(self.table["genealogy"].to_numpy(np.int64))
        self.bags = self.table.groupby("bag").agg(
            genealogy=("genealogy", "first"), size=("size", "first"), causal=("causal", "any")
        )
        if not self.bags["causal"].any():
            raise BenchmarkError(
                f"none of {len(self.bags)} bags has a causal variant; expected a larger simulation"
            )

    def top(self, score: Values, k: int, bags: pd.Index | None = None) -> Estimate:
        """Fraction of bags with a causal variant that have one among the first k."""
        hits = top_k(score, self.bag, self.causal, k)
        hits = hits if bags is None else hits[hits.index.isin(bags)]
        genealogy = self.bags["genealogy"][hits.index].to_numpy(np.int64)
        return Bootstrap.of_clusters(genealogy).mean(hits.to_numpy(np.float64))

    def metrics(self, score: Values) -> dict[str, Estimate]:
        """By name, as the report knows them."""
        curve = Curve(score, self.causal)
        metrics = {"top_1": self.top(score, 1), "top_5": self.top(score, 5)}
        metrics["auprc"] = self.rows.estimate(curve.average_precision)
        for fdr in FDRS:
            metrics[f"power_at_fdr_{fdr}"] = self.rows.estimate(functools.partial(power_at_fdr, curve, fdr))
        return metrics


def write_results(folder: Path, test: Test, scored: Sequence[Scored]) -> None:
    """Write the tables that are made of scores alone."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "metrics.tsv", _metrics(test, scored))
    write_table(folder / "seeds.tsv", _seeds(test, scored))
    write_table(folder / "top_1_by_size.tsv", _by_size(test, scored))
    curves = _curves(test, scored)
    write_table(folder / "precision_recall.tsv", curves[["arm", "recall", "precision"]])
    power = curves.assign(fdr=1 - curves["precision"], power=curves["recall"])
    write_table(folder / "power.tsv", _envelope(power))
    write_table(folder / "kinds.tsv", _kinds(test, scored))
    write_table(folder / "calibration.tsv", _calibration(test, scored))
    write_table(folder / "differences.tsv", _differences(test, scored))


def _metrics(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    rows = []
    for one in scored:
        metrics = test.metrics(one.score)
        rows += [{"arm": one.arm.name, "metric": name, **vars(value)} for name, value in metrics.items()]
        if one.pip is not None:
            error = calibration_error(one.pip, test.causal)
            rows.append(
                {
                    "arm": one.arm.name,
                    "metric": "calibration_error",
                    "value": error,
                    "low": np.nan,
                    "high": np.nan,
                }
            )
    return pd.DataFrame(rows)


def _seeds(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    rows = [
        {"arm": one.arm.name, "seed": seed, "metric": metric, "value": value}
        for one in scored
        for seed, score in one.by_seed.items()
        for metric, value in (
            ("top_1", test.top(score, 1).value),
            ("auprc", Curve(score, test.causal).average_precision()),
        )
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "metric", "value"])


def _by_size(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    rows = []
    largest = int(test.bags["size"].max())
    for low, high in SIZE_BOUNDS:
        inside = test.bags["causal"] & test.bags["size"].between(low, high)
        bags = test.bags.index[inside]
        if len(bags):
            sizes = {"size_low": low, "size_high": min(high, largest), "bags": len(bags)}
            rows += [{"arm": one.arm.name, **sizes, **vars(test.top(one.score, 1, bags))} for one in scored]
    columns = ["arm", "size_low", "size_high", "bags", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _curves(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    parts = []
    for one in scored:
        recall, precision = Curve(one.score, test.causal).points()
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


def _kinds(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    """Which kind is first in bags with a causal variant, and the scores of each kind."""
    kinds = test.table["kind"].to_numpy()
    holds = test.bags["causal"][test.bag].to_numpy()
    rows = []
    for one in scored:
        top = pd.Series(one.score).groupby(test.bag).transform("max").to_numpy()
        first = (one.score == top) & holds
        fraction = 1 / np.maximum(pd.Series(first).groupby(test.bag).transform("sum").to_numpy(), 1)
        total = int(test.bags["causal"].sum())
        for kind in Kind:
            of_kind = kinds == kind.value
            low, middle, high = (
                np.quantile(one.score[of_kind], [0.25, 0.5, 0.75]) if of_kind.any() else [np.nan] * 3
            )
            if one.arm.group in ("baseline", "prior"):
                low = middle = high = np.nan
            rows.append(
                {
                    "arm": one.arm.name, "kind": kind.value, "count": int(of_kind.sum()),
                    "first_share": float(fraction[first & of_kind].sum() / total),
                    "median_logit": middle, "q25": low, "q75": high,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _calibration(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    parts = [
        calibration(one.pip, test.causal, test.rows).assign(arm=one.arm.name)
        for one in scored
        if one.pip is not None
    ]
    columns = ["arm", "bin_low", "bin_high", "count", "predicted", "observed", "low", "high"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def _differences(test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
    """Top-1 less that of the baselines, on the same bags."""
    hits = {one.arm.name: top_k(one.score, test.bag, test.causal, 1) for one in scored}
    rows = []
    for name, own in hits.items():
        genealogies = Bootstrap.of_clusters(test.bags["genealogy"][own.index].to_numpy(np.int64))
        for other in ("lowest_p", "abf", "random"):
            if name != other and other in hits:
                difference = genealogies.mean((own - hits[other]).to_numpy(np.float64))
                rows.append({"arm": name, "against": other, "metric": "top_1", **vars(difference)})
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
        if one.pip is None:
            continue
        sets = []
        for bag, members in test.table.groupby("bag").indices.items():
            if not test.causal[members].any():
                continue
            chosen = credible_set(one.pip[members])
            pure = np.nan if ld is None else float(np.abs(ld[bag][np.ix_(chosen, chosen)]).min())
            sets.append((bag, test.causal[members][chosen].any(), len(chosen), pure))
        table = pd.DataFrame(sets, columns=["bag", "covered", "size", "purity"])
        genealogy = test.bags["genealogy"][table["bag"]].to_numpy(np.int64)
        coverage = Bootstrap.of_clusters(genealogy).mean(table["covered"].to_numpy(np.float64))
        rows.append(
            {
                "arm": one.arm.name, "sets": len(table), "coverage": coverage.value, "low": coverage.low,
                "high": coverage.high, "mean_size": table["size"].mean(),
                "median_size": table["size"].median(), "purity": table["purity"].mean(),
            }
        )  # fmt: skip
    columns = ["arm", "sets", "coverage", "low", "high", "mean_size", "median_size", "purity"]
    return pd.DataFrame(rows, columns=columns)
