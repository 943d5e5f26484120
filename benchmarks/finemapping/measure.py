"""What PIPs and credible sets are worth where the causal variants are known, with intervals over loci."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.finemapping.fits import Mapped
from benchmarks.known_truth.metrics import calibration, calibration_error, power_at_fdr
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.estimates import estimate
from mifm_kipoi.statistics.ranking import Curve

FLAT = "flat"
"""The arm that the others are compared with."""

CERTAIN = 0.95
"""PIP above which a variant is said to be causal."""

FDR = 0.05
"""False discovery rate at which power is compared."""

ALL, TESTED = "all", "tested"
"""Which loci of studies count: all, or those in which the study has every variant that acts on its trait."""

_NEGLIGIBLE = 1e-4
"""Variants of which none with a smaller PIP is called causal at any rate that is looked at."""

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Arm:
    """Fine-mapped loci with one prior, beside the truth.

    Parameters
    ----------
    variants : pandas.DataFrame
        ``study, locus, pip, causal, tested``: one row a variant, in an order that all arms share. ``tested``
        says whether the study has every variant of the locus that acts on its trait.
    sets : pandas.DataFrame
        ``study, locus, size, purity, covered, tested``: one row a credible set; ``covered`` if it holds a
        causal variant.
    """

    variants: pd.DataFrame
    sets: pd.DataFrame


def arm_of(mapped: Sequence[Mapped], truth: pd.DataFrame) -> Arm:
    """Put the truth beside what was fine-mapped.

    Parameters
    ----------
    mapped : sequence of Mapped
        Loci of studies, which are named ``T1S01`` ..., of trait 1.
    truth : pandas.DataFrame
        Of all variants: ``locus``, ``effect_K`` on trait K, and ``hidden_K``, the effect of the variant of
        the locus that is in no file.
    """
    variants, sets = [], []
    of_locus = truth.groupby("locus").indices
    effects = {name: truth[name].to_numpy(np.float64) for name in truth if "effect_" in str(name)}
    hidden = {name: truth[name].to_numpy(np.float64) for name in truth if "hidden_" in str(name)}
    for one in mapped:
        trait = one.study[1]
        effect = effects[f"effect_{trait}"]
        causal = effect[one.variants] != 0
        every = of_locus[one.locus]
        acting = int((effect[every] != 0).sum()) + int(hidden[f"hidden_{trait}"][every[0]] != 0)
        tested = int(causal.sum()) == acting
        variants.append(
            pd.DataFrame(
                {
                    "study": one.study, "locus": one.locus, "pip": one.fit.pip, "causal": causal,
                    "tested": tested,
                }
            )
        )  # fmt: skip
        sets += [
            (
                one.study, one.locus, each.members.size, each.min_abs_corr,
                bool(causal[each.members].any()), tested,
            )
            for each in one.fit.sets
        ]  # fmt: skip
    columns = ["study", "locus", "size", "purity", "covered", "tested"]
    return Arm(pd.concat(variants, ignore_index=True), pd.DataFrame(sets, columns=columns))


class Measures:
    """Arms of the same loci, side by side.

    Parameters
    ----------
    loci : numpy.ndarray of int64
        Numbers of all loci, of which resamples are drawn.
    arms : mapping of str to Arm
        :data:`FLAT` among them.
    """

    def __init__(self, loci: Rows, arms: Mapping[str, Arm]) -> None:
        self._arms = arms
        self._loci = np.unique(loci)
        self._bootstrap = Bootstrap.of_clusters(self._loci)

    def table(self) -> pd.DataFrame:
        """All numbers, with intervals over loci, alone and over those of the flat prior.

        Returns
        -------
        pandas.DataFrame
            ``arm, loci, measure, value, low, high, over_flat, over_flat_low, over_flat_high``; the ratio is
            of the same resamples. Measures are ``true`` and ``false`` (variants with a PIP above 0.95),
            ``fdr`` (false of these), ``power`` (true of all causal ones that the study has),
            ``power_at_fdr_0.05`` (at the threshold that gives this rate), ``sets``, ``coverage``, ``size``
            (mean), ``purity`` (mean), ``single`` (sets of one variant), ``median_size``, and
            ``calibration_error``.
        """
        rows = []
        for loci in (ALL, TESTED):
            sampled = {name: self._of_arm(arm, loci) for name, arm in self._arms.items()}
            for name, numbers in sampled.items():
                for measure, (value, resampled) in numbers.items():
                    flat_value, flat = sampled[FLAT][measure]
                    own = estimate(value, resampled, self._loci.size)
                    with np.errstate(divide="ignore", invalid="ignore"):
                        ratio = estimate(
                            float(np.divide(value, flat_value)), resampled / flat, self._loci.size
                        )
                    rows.append(
                        (
                            name,
                            loci,
                            measure,
                            own.value,
                            own.low,
                            own.high,
                            ratio.value,
                            ratio.low,
                            ratio.high,
                        )
                    )
        columns = ["arm", "loci", "measure", "value", "low", "high"]
        return pd.DataFrame(rows, columns=[*columns, *(f"over_flat{end}" for end in ("", "_low", "_high"))])

    def _of_arm(self, arm: Arm, loci: str) -> dict[str, tuple[float, Values]]:
        variants, sets = arm.variants, arm.sets
        if loci == TESTED:
            variants, sets = variants[variants["tested"]], sets[sets["tested"]]
        pip, causal = variants["pip"].to_numpy(), variants["causal"].to_numpy(bool)
        certain = pip > CERTAIN
        of_variants, of_sets = (self._place(one["locus"]) for one in (variants, sets))
        covered, size = sets["covered"].to_numpy(np.float64), sets["size"].to_numpy(np.float64)
        ones = np.ones(len(sets))
        counts = {
            "true": (of_variants, certain & causal), "false": (of_variants, certain & ~causal),
            "causal": (of_variants, causal), "sets": (of_sets, ones), "covered": (of_sets, covered),
            "sizes": (of_sets, size), "purities": (of_sets, sets["purity"].to_numpy(np.float64)),
            "ones": (of_sets, size == 1),
        }  # fmt: skip
        sums: Values = np.stack(
            [
                np.bincount(place, np.asarray(values, np.float64), self._loci.size).astype(np.float64)
                for place, values in counts.values()
            ]
        )
        totals = dict(zip(counts, sums.sum(axis=1), strict=True))
        drawn = dict(zip(counts, self._bootstrap.sums(sums), strict=True))
        found: dict[str, tuple[float, Values]] = {
            name: (float(totals[name]), drawn[name]) for name in ("true", "false", "sets")
        }
        ratios = {
            "fdr": ("false", None), "power": ("true", "causal"), "coverage": ("covered", "sets"),
            "size": ("sizes", "sets"), "purity": ("purities", "sets"), "single": ("ones", "sets"),
        }  # fmt: skip
        for name, (above, below) in ratios.items():
            pair = []
            for source in (totals, drawn):
                divisor = source["true"] + source["false"] if below is None else source[below]
                with np.errstate(divide="ignore", invalid="ignore"):
                    pair.append(source[above] / divisor)
            found[name] = (float(pair[0]), pair[1])
        found[f"power_at_fdr_{FDR}"] = self._power(pip, causal, of_variants)
        found["median_size"] = self._median(size, of_sets)
        found["calibration_error"] = (calibration_error(pip, causal), np.array([]))
        return found

    def _place(self, locus: pd.Series) -> Rows:
        return np.searchsorted(self._loci, locus.to_numpy(np.int64))

    def _power(self, pip: Values, causal: Flags, place: Rows) -> tuple[float, Values]:
        """The highest fraction of causal variants above any PIP at which at most :data:`FDR` are false."""
        # Each locus has variants of these, so that all arms have the same resamples.
        rows = np.flatnonzero((pip > _NEGLIGIBLE) | causal)
        statistic = functools.partial(power_at_fdr, Curve(pip[rows], causal[rows]), FDR)
        resampled = Bootstrap.of_clusters(place[rows]).resampled(statistic)
        return float(statistic(np.ones((rows.size, 1)))[0]), resampled

    def _median(self, size: Values, place: Rows) -> tuple[float, Values]:
        order = np.argsort(size, kind="stable")
        parts = []
        for weights in (np.ones((1, self._loci.size)), *self._bootstrap.weights()):
            total = np.cumsum(weights[:, place[order]], axis=1)
            half = (total >= total[:, -1:] / 2).argmax(axis=1)
            parts.append(size[order][half])
        return float(parts[0][0]), np.concatenate(parts[1:])

    def calibration(self) -> pd.DataFrame:
        """PIPs and fractions of causal variants in ten bins, of all loci and of :data:`TESTED`.

        Returns
        -------
        pandas.DataFrame
            ``arm, loci``, and :func:`benchmarks.known_truth.metrics.calibration`.
        """
        parts = []
        for name, arm in self._arms.items():
            for loci in (ALL, TESTED):
                variants = arm.variants[arm.variants["tested"]] if loci == TESTED else arm.variants
                found = calibration(
                    variants["pip"].to_numpy(), variants["causal"].to_numpy(bool),
                    Bootstrap.of_clusters(variants["locus"].to_numpy(np.int64)),
                )  # fmt: skip
                found.insert(0, "loci", loci)
                found.insert(0, "arm", name)
                parts.append(found)
        return pd.concat(parts, ignore_index=True)
