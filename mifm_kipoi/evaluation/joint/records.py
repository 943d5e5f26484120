"""The tables of an evaluation: clumps, variants, models, effects, and filters beside random ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.evaluation.joint.candidates import Candidates
from mifm_kipoi.evaluation.joint.clumps import Clump
from mifm_kipoi.evaluation.joint.controls import CONTROLS, CORRECTED, MEASURES, OBSERVED, Counts
from mifm_kipoi.evaluation.joint.models import ALL, JointTests
from mifm_kipoi.evaluation.joint.second import Replicated
from mifm_kipoi.statistics.matched_draws import upper_tail_p
from mifm_kipoi.statistics.replication import difference_p, equality_p, replicates, replication_power

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Significance:
    """What is called significant, replicated and equal.

    Parameters
    ----------
    alpha : float
        Level of each family of tests.
    factor : float
        Effects in two samples are equal where one is less than this times the other.
    """

    alpha: float = 0.05
    factor: float = 2.0


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """All that was measured.

    Parameters
    ----------
    clumps : list of Clump
        Of all traits; those of one variant are not tested.
    tested : list of JointTests
        Clumps of several variants.
    second : list of Replicated, optional
        The same in a second sample.
    filters : tuple of str
        In their order, beside all.
    thresholds : dict of str to float
        By level (:data:`mifm_kipoi.evaluation.joint.controls.CORRECTED` and the other): the p-value below
        which a variant of a joint model is significant.
    tests : int
        Effects that were tested: of the variants of all models of all filters.
    counts : dict of (str, str, str) to Counts
        By filter, control and level.
    causal : list of numpy.ndarray of bool, optional
        Of each clump, which kept variants are causal or stand for one.
    """

    clumps: list[Clump]
    tested: list[JointTests]
    second: list[Replicated] | None
    filters: tuple[str, ...]
    thresholds: dict[str, float]
    tests: int
    counts: dict[tuple[str, str, str], Counts]
    causal: list[Flags] | None

    @property
    def models(self) -> tuple[str, ...]:
        """All filters, that of all variants first."""
        return (ALL, *self.filters)


def tests_of(tested: Sequence[JointTests], filters: Sequence[str]) -> int:
    """Effects that are tested: those that the data determine, in the models of all filters."""
    return sum(int(one.fits[name].estimable.sum()) for one in tested for name in (ALL, *filters))


def clump_table(tested: Sequence[JointTests], candidates: Candidates, filters: Sequence[str]) -> pd.DataFrame:
    """A row for each clump of several variants."""
    variants = candidates.variants
    rows = []
    for one in tested:
        lead = variants.iloc[one.clump.members[0]]
        rows.append(
            {
                "trait": one.clump.trait,
                "clump": one.clump.number,
                "chrom": lead["chrom"],
                "pos": lead["pos"],
                "lead": lead["id"],
                "p_value": math.exp(one.clump.log_p[0]),
                "members": len(one.clump),
                "kept": len(one.kept),
                "rank": one.fits[ALL].rank,
                "lowest_r2": one.clump.r2.min(),
                **{f"kept_by_{name}": int(one.chosen[name].sum()) for name in filters},
                "dependent": "; ".join(
                    " ".join(variants["id"].iloc[one.members[rows]]) for rows in one.dependent
                ),
            }
        )
    return pd.DataFrame(rows)


def variant_table(
    evaluation: Evaluation, candidates: Candidates, scores: Mapping[str, Values]
) -> pd.DataFrame:
    """A row for each member of each clump: what selected it, and its effect alone in the people tested.

    Clumps of one variant are among them, since percentiles are over all associated variants; they are not
    tested.
    """
    variants = candidates.variants
    tested = {(one.clump.trait, one.clump.number): one for one in evaluation.tested}
    parts = []
    for clump in evaluation.clumps:
        rows = clump.members
        own = variants.iloc[rows]
        part = pd.DataFrame(
            {
                "trait": clump.trait,
                "clump": clump.number,
                "chrom": own["chrom"],
                "pos": own["pos"],
                "id": own["id"],
                "effect_allele": own["counted"],
                "other_allele": own["other"],
                "lead": np.arange(len(rows)) == 0,
                "r2_with_lead": clump.r2,
                "selection_p": np.exp(clump.log_p),
                **{name: values[rows] for name, values in scores.items()},
            }
        )
        one = tested.get((clump.trait, clump.number))
        if one is not None:
            alone, place = one.alone, np.full(len(rows), -1)
            place[one.kept] = np.arange(len(one.kept))
            kept = place >= 0
            part["stands_for_it"] = own["id"].to_numpy()[one.stands_for]
            for name, values in (
                ("r_tested", one.r),
                ("beta_alone", alone.coefficients),
                ("standard_error_alone", alone.standard_errors),
                ("p_alone", np.exp(alone.log_p)),
            ):
                part[name] = np.where(kept, values[place], np.nan)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def model_table(evaluation: Evaluation) -> pd.DataFrame:
    """A row for each clump and filter: size, rank and whether the secondary variants add to the lead."""
    rows = []
    for one in evaluation.tested:
        for name in evaluation.models:
            fit, added = one.fits[name], one.added[name]
            exact = one.exact.get(name)
            finite = fit.vif[np.isfinite(fit.vif)]
            rows.append(
                {
                    "trait": one.clump.trait,
                    "clump": one.clump.number,
                    "model": name,
                    "variants": len(fit.vif),
                    "rank": fit.rank,
                    "freedom": fit.freedom,
                    "largest_vif": finite.max() if len(finite) else np.nan,
                    "added_freedom": added.added,
                    "added_statistic": added.statistic,
                    "added_p": math.exp(added.log_p) if math.isfinite(added.log_p) else np.nan,
                    **{
                        level: int((fit.log_p < math.log(threshold)).sum())
                        for level, threshold in evaluation.thresholds.items()
                    },
                    "exact_fit": exact.status if exact else "",
                }
            )
    table = pd.DataFrame(rows)
    tests = int(table["added_p"].notna().sum())
    return table.assign(added_p_corrected=np.minimum(table["added_p"] * max(tests, 1), 1))


def effect_table(evaluation: Evaluation, candidates: Candidates, options: Significance) -> pd.DataFrame:
    """A row for each variant of each model: its joint effect, and the same in the second sample."""
    variants = candidates.variants
    parts = []
    for number, one in enumerate(evaluation.tested):
        second = evaluation.second[number] if evaluation.second is not None else None
        for name in evaluation.models:
            rows = np.flatnonzero(one.chosen[name])
            own = variants.iloc[one.members[rows]]
            fit, exact = one.fits[name], one.exact.get(name)
            part = pd.DataFrame(
                {
                    "trait": one.clump.trait,
                    "clump": one.clump.number,
                    "model": name,
                    "chrom": own["chrom"].to_numpy(),
                    "pos": own["pos"].to_numpy(),
                    "id": own["id"].to_numpy(),
                    "effect_allele": own["counted"].to_numpy(),
                    "other_allele": own["other"].to_numpy(),
                    "lead": rows == 0,
                    "beta": fit.coefficients,
                    "standard_error": fit.standard_errors,
                    "statistic": fit.statistics,
                    "log_p": fit.log_p,
                    "vif": fit.vif,
                    "p_alone": np.exp(one.alone.log_p[rows]),
                }
            )
            if exact is not None:
                part["exact_beta"], part["exact_standard_error"] = exact.coefficients, exact.standard_errors
            if evaluation.causal is not None:
                part["causal"] = evaluation.causal[number][rows]
            if second is not None:
                part = part.assign(**_second_columns(second, name, rows))
            parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    log_p = table["log_p"].to_numpy(np.float64)
    table = table.assign(
        p_value=np.exp(log_p),
        neg_log_10_p=-log_p / math.log(10),
        p_corrected=np.minimum(np.exp(log_p) * evaluation.tests, 1),
        **{level: log_p < math.log(threshold) for level, threshold in evaluation.thresholds.items()},
    ).drop(columns="log_p")
    return table if evaluation.second is None else _replication(table, tuple(evaluation.thresholds), options)


def _second_columns(second: Replicated, name: str, rows: npt.NDArray[np.int64]) -> dict[str, Values]:
    fit, full = second.fits[name], second.fits[ALL]
    return {
        "second_beta": fit.coefficients,
        "second_standard_error": fit.standard_errors,
        "second_log_p": fit.log_p,
        "second_full_beta": full.coefficients[rows],
        "second_full_standard_error": full.standard_errors[rows],
    }


def _replication(table: pd.DataFrame, levels: Sequence[str], options: Significance) -> pd.DataFrame:
    """Replication of the significant variants of each model, and how equal effects are."""
    beta, error, second, second_error, full, full_error = (
        table[name].to_numpy(np.float64)
        for name in (
            "beta", "standard_error", "second_beta", "second_standard_error", "second_full_beta",
            "second_full_standard_error",
        )
    )  # fmt: skip
    log_p = table["second_log_p"].to_numpy(np.float64)
    columns: dict[str, npt.NDArray[Any]] = {"second_p": np.exp(log_p)}
    for level in levels:
        significant = table[level].to_numpy(dtype=bool)
        k = table["model"].map(table[significant].groupby("model").size()).fillna(0).to_numpy(np.float64)
        limit = options.alpha / np.maximum(k, 1)
        columns[f"replicates_{level}"] = significant & replicates(beta, second, log_p, limit)
        power = replication_power(beta, second_error, limit)
        # Of what is not significant there is nothing to replicate.
        columns[f"power_{level}"] = np.where(significant, power, np.nan)
    columns |= {
        "difference_p": difference_p(beta, error, second, second_error),
        "difference_from_full_p": difference_p(beta, error, full, full_error),
        "equality_p": equality_p(beta, error, second, second_error, options.factor),
    }
    return table.drop(columns="second_log_p").assign(**columns)


def scopes_of(
    evaluation: Evaluation, candidates: Candidates, held_out: Sequence[str]
) -> dict[tuple[str, str], Flags]:
    """Clumps that are counted together: all, those of each trait, and those on held-out chromosomes."""
    trait = np.array([one.clump.trait for one in evaluation.tested], dtype=object)
    scopes: dict[tuple[str, str], Flags] = {("all", ""): np.ones(len(trait), dtype=bool)}
    names = list(dict.fromkeys(trait))
    if len(names) > 1:
        scopes |= {("trait", name): trait == name for name in names}
    if held_out:
        leads = [one.clump.members[0] for one in evaluation.tested]
        inside = candidates.variants["chrom"].iloc[leads].isin(list(held_out)).to_numpy(dtype=bool)
        scopes |= {("held out", ", ".join(held_out)): inside, ("not held out", ""): ~inside}
    return scopes


def filter_table(
    evaluation: Evaluation,
    scopes: Mapping[tuple[str, str], Flags],
    effects: pd.DataFrame,
    options: Significance,
) -> pd.DataFrame:
    """Tables 1 and 2: what each filter finds in each scope, and its random controls."""
    number = {(one.clump.trait, one.clump.number): i for i, one in enumerate(evaluation.tested)}
    clump = np.array([number[key] for key in zip(effects["trait"], effects["clump"], strict=True)])
    rows = []
    for (scope, label), inside in scopes.items():
        tested = [evaluation.tested[place] for place in np.flatnonzero(inside)]
        for level, threshold in evaluation.thresholds.items():
            for name in evaluation.models:
                own = effects[inside[clump] & (effects["model"] == name).to_numpy()]
                sure = own[own[level]]
                added = [one.added[name].log_p for one in tested]
                row = {
                    "scope": scope,
                    "which": label,
                    "level": level,
                    "model": name,
                    "clumps_tested": len(tested),
                    "clumps_with_secondary": sum(int(one.chosen[name].sum()) > 1 for one in tested),
                    "variants": len(own),
                    "median_vif": float(own["vif"].median()) if len(own) else math.nan,
                    "not_significant_alone": int((sure["p_alone"] >= threshold).sum()),
                    "added_signals": int(np.sum(np.array(added) < _added_level(evaluation, level, options))),
                }
                if evaluation.second is not None:
                    row |= _second_counts(sure, level, options)
                rows.append(row | _against_controls(evaluation, name, level, inside, options))
    return pd.DataFrame(rows)


def _added_level(evaluation: Evaluation, level: str, options: Significance) -> float:
    """Log p below which secondary variants add to a lead variant; corrected for all models, or not."""
    added = (one.added[name].log_p for one in evaluation.tested for name in evaluation.models)
    tests = sum(map(math.isfinite, added)) if level == CORRECTED else 1
    return math.log(options.alpha / max(tests, 1))


def _second_counts(sure: pd.DataFrame, level: str, options: Significance) -> dict[str, float]:
    return {
        "expected_to_replicate": float(sure[f"power_{level}"].sum()),
        "differ": int((sure["difference_p"] < options.alpha).sum()),
        "differ_from_full": int((sure["difference_from_full_p"] < options.alpha).sum()),
        "equal": int((sure["equality_p"] < options.alpha).sum()),
    }


def _against_controls(
    evaluation: Evaluation, name: str, level: str, inside: Flags, options: Significance
) -> dict[str, float]:
    row: dict[str, float] = {}
    observed = evaluation.counts[name, OBSERVED, level].totals(inside, options.alpha)
    drawn = {
        control: evaluation.counts[name, control, level].totals(inside, options.alpha)
        for control in (CONTROLS if name != ALL else ())
    }
    for measure in MEASURES:
        if measure not in observed or (measure == "replicated" and evaluation.second is None):
            continue
        row[measure] = int(observed[measure][0])
        for control, totals in drawn.items():
            counts = totals[measure].astype(np.float64)
            low, high = np.percentile(counts, [2.5, 97.5])
            row |= {
                f"{measure}_{control}": float(counts.mean()),
                f"{measure}_{control}_low": float(low),
                f"{measure}_{control}_high": float(high),
                f"{measure}_{control}_p": upper_tail_p(row[measure], counts),
            }
    return row


def draw_table(evaluation: Evaluation, options: Significance) -> pd.DataFrame:
    """What each random filter finds in all clumps: a row for each level, filter, control and draw."""
    everything = np.ones(len(evaluation.tested), dtype=bool)
    parts = []
    for (name, control, level), counts in evaluation.counts.items():
        if control == OBSERVED:
            continue
        totals = counts.totals(everything, options.alpha)
        if evaluation.second is None:
            totals.pop("replicated")
        part = pd.DataFrame({"level": level, "model": name, "control": control} | totals)
        parts.append(part.assign(draw=np.arange(1, len(part) + 1)))
    return pd.concat(parts, ignore_index=True)
