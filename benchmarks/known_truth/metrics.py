"""How well scores find causal variants, with intervals over genealogies.

All take the variants of bags as arrays, in any order. Ties count by their expectation under a random order,
so that a constant score gives what chance gives, in closed form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RESAMPLES = 1000
"""Bootstrap resamples of genealogies."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Genealogies:
    """Bootstrap over genealogies: bags of one are drawn together, for their LD is the same.

    Parameters
    ----------
    genealogy : numpy.ndarray of int64, shape (n,)
        Of each row, bags or variants.
    seed : int
    """

    def __init__(self, genealogy: npt.NDArray[np.int64], seed: int = 1) -> None:
        self.names, self.index = np.unique(genealogy, return_inverse=True)
        generator = np.random.default_rng(seed)
        count = self.names.size
        self.weights = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float64)

    def interval(self, statistic: Callable[[Values], float]) -> Estimate:
        """A statistic of weights of the rows: as it is, and over resamples; NaN among these are left out."""
        value = statistic(np.ones(self.index.size))
        found = np.array([statistic(weights[self.index]) for weights in self.weights])
        return _estimate(value, found)

    def mean(self, values: Values) -> Estimate:
        """The mean of the rows' values."""
        sums = np.bincount(self.index, values, self.names.size)
        counts = np.bincount(self.index, minlength=self.names.size)
        with np.errstate(invalid="ignore"):
            found = (self.weights @ sums) / (self.weights @ counts)
        return _estimate(float(values.mean()) if values.size else float("nan"), found)


def top_k(score: Values, bag: npt.NDArray[np.int64], causal: Flags, k: int) -> pd.Series[float]:
    """Whether a causal variant is among the first k of its bag: of each bag that has one, by bag."""
    table = pd.DataFrame({"bag": bag, "score": score, "causal": causal}).sort_values(
        ["bag", "score"], ascending=[True, False], kind="stable"
    )
    return table.groupby("bag").apply(_first_k, k=k, include_groups=False).dropna()


def _first_k(rows: pd.DataFrame, k: int) -> float:
    """Probability that a causal variant is among the first k, rows of equal scores in random order."""
    causal, score = rows["causal"].to_numpy(), rows["score"].to_numpy()
    if not causal.any():
        return float("nan")
    if len(score) <= k or causal[score > score[k - 1]].any():
        return 1.0
    tied = score == score[k - 1]
    left = k - int((score > score[k - 1]).sum())
    total, good = int(tied.sum()), int(causal[tied].sum())
    if total - good < left:
        return 1.0
    # None of the causal ones among those drawn: C(total - good, left) / C(total, left).
    log_none = _log_choose(total - good, left) - _log_choose(total, left)
    return float(1 - np.exp(log_none))


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


class Curve:
    """Precision and recall at every threshold of a score.

    Parameters
    ----------
    score : numpy.ndarray of float64, shape (n,)
    causal : numpy.ndarray of bool, shape (n,)
    """

    def __init__(self, score: Values, causal: Flags) -> None:
        self._order = np.argsort(-score, kind="stable")
        ordered = score[self._order]
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        self._causal = causal[self._order].astype(np.float64)

    def points(self, weights: Values | None = None) -> tuple[Values, Values]:
        """Recall and precision, from the highest threshold on; weights are those of the rows."""
        own = np.ones(self._order.size) if weights is None else weights[self._order]
        hits = np.cumsum(own * self._causal)[self._ends]
        chosen = np.cumsum(own)[self._ends]
        with np.errstate(invalid="ignore", divide="ignore"):
            return hits / hits[-1], np.where(chosen > 0, hits / chosen, 1.0)

    def average_precision(self, weights: Values | None = None) -> float:
        """``sum (R_i - R_(i-1)) P_i``, as scikit-learn defines it; AUPRC."""
        recall, precision = self.points(weights)
        return float((np.diff(recall, prepend=0) * precision).sum())

    def power(self, fdr: float, weights: Values | None = None) -> float:
        """The highest recall at which the share of false ones is at most ``fdr``; 0 where it never is."""
        recall, precision = self.points(weights)
        good = recall[precision >= 1 - fdr]
        return float(good.max()) if good.size else 0.0


def calibration(pip: Values, causal: Flags, genealogies: Genealogies, bins: int = 10) -> pd.DataFrame:
    """Predicted and observed share of causal variants in bins of equal width.

    Returns
    -------
    pandas.DataFrame
        ``bin_low, bin_high, count, predicted, observed, low, high``; bins without variants are left out.
    """
    number = np.minimum((pip * bins).astype(int), bins - 1)
    rows = []
    for each in range(bins):
        inside = number == each
        if not inside.any():
            continue
        own = genealogies.weights[:, genealogies.index[inside]]
        with np.errstate(invalid="ignore"):
            found = (own @ causal[inside]) / own.sum(axis=1)
        estimate = _estimate(float(causal[inside].mean()), found)
        rows.append(
            {
                "bin_low": each / bins, "bin_high": (each + 1) / bins, "count": int(inside.sum()),
                "predicted": float(pip[inside].mean()), "observed": estimate.value,
                "low": estimate.low, "high": estimate.high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def calibration_error(pip: Values, causal: Flags, bins: int = 10) -> float:
    """Expected calibration error: ``sum over bins |observed - predicted| n_bin / n``."""
    number = np.minimum((pip * bins).astype(int), bins - 1)
    gaps = np.bincount(number, causal - pip, bins)
    return float(np.abs(gaps).sum() / pip.size)


def credible_set(pip: Values, level: float = 0.95) -> npt.NDArray[np.int64]:
    """The fewest variants whose PIPs sum to ``level`` of all; where they cannot, all: their rows."""
    order = np.argsort(-pip, kind="stable")
    needed = int(np.searchsorted(np.cumsum(pip[order]), level - 1e-9)) + 1
    return order[: min(needed, pip.size)]


def _estimate(value: float, resampled: Values) -> Estimate:
    finite = resampled[np.isfinite(resampled)]
    if not finite.size:
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
