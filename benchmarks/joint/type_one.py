"""Type I errors of all tests, with real clumps of genotypes and traits that are simulated under the null."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mifm_kipoi.association.models import NullModel, linear_model, logistic_model
from mifm_kipoi.evaluation.joint.cohort import Cohort, clump_dosages, exact_fit, products_of
from mifm_kipoi.evaluation.joint.controls import CONTROLS, OBSERVED, count
from mifm_kipoi.evaluation.joint.models import FilterOptions, JointTests, choose, limits_of
from mifm_kipoi.evaluation.joint.records import Evaluation
from mifm_kipoi.evaluation.joint.second import located
from mifm_kipoi.genetics.genotypes import open_genotypes
from mifm_kipoi.statistics.joint import added_test, joint_fit
from mifm_kipoi.statistics.matched_draws import upper_tail_p
from mifm_kipoi.statistics.replication import difference_p, equality_p, replicates

Values = npt.NDArray[np.float64]

LEVEL = 0.05

_PEOPLE = 4_000
"""Of each sample, for speed; type I errors do not depend on it."""

_CLUMPS = 40
_LEAD_Z = 8.0
"""Of the lead variant, which alone has an effect where a null says that the others have none."""

_SAME_PEOPLE = "variant of the lowest p, tested in the people who selected it"
_OTHER_PEOPLE = "variant of the lowest p, tested in others"
"""Selection by p: only the second has its level."""

_RANDOM = "random"
"""The name of random scores."""

_FILTERS = {"percentiles": False, "one size": True}
"""How random scores filter; whether within clumps."""

_FEWEST_SCORES = 30
"""Random scores from which on their mean excess over random filters is near a normal distribution."""


@dataclasses.dataclass(frozen=True)
class _Clump:
    """The kept variants of a clump in both samples, each (k, people)."""

    first: Values
    second: Values


def type_one_errors(
    evaluation: Evaluation,
    variants: pd.DataFrame,
    first: Path,
    second: Path,
    trials: int,
    draws: int,
    on_progress: Callable[[str], None],
) -> pd.DataFrame:
    """How often each test rejects at 0.05 what is true.

    Parameters
    ----------
    evaluation : Evaluation
        Whose clumps are taken.
    variants : pandas.DataFrame
        Its candidates.
    first, second : Path
        Genotypes of its sample and of another.
    trials : int
        Simulated traits; a fifth of them binary.
    draws : int
        Random filters of each of the tests against them, which have a fiftieth of the trials: scores of all
        variants are drawn, and filter as others do.
    on_progress : callable
        Gets a line of text for each step.

    Returns
    -------
    pandas.DataFrame
        ``test``, ``level``, ``rejected``, ``trials``, ``rate``, ``low`` and ``high`` (the middle 99 % of the
        binomial distribution with the level), ``inside``; of random scores ``excess``, the mean of what they
        find more than the mean of random filters, and ``excess_se``, its standard error.
    """
    rng = np.random.default_rng(1)
    several = [one for one in evaluation.tested if len(one.kept) >= 3][:_CLUMPS]
    clumps = list(_read(several, variants, first, second))
    counts: dict[str, list[int]] = {}
    for trial in range(trials):
        clump = clumps[trial % len(clumps)]
        results = _quantitative(clump, rng) | (_binary(clump, rng) if trial % 5 == 0 else {})
        for name, rejected in results.items():
            own = counts.setdefault(name, [0, 0])
            own[0] += rejected
            own[1] += 1
    on_progress(f"{trials:,} simulated traits")
    excess: dict[str, list[float]] = {}
    for number in range(max(1, trials // 50)):
        for name, (p, more) in _against_random(evaluation, len(variants), min(draws, 199), number).items():
            own = counts.setdefault(name, [0, 0])
            own[0] += p <= LEVEL
            own[1] += 1
            excess.setdefault(name, []).append(more)
    rows = []
    for name, (rejected, number) in counts.items():
        level = LEVEL / 2 if name.startswith("replication") else LEVEL
        low, high = (int(end) for end in stats.binom.interval(0.99, number, level))
        # Counts are few, so that a p-value against random filters is seldom exactly at its level.
        inside = rejected <= high and (rejected >= low or name.startswith("random"))
        ends = (low / number, high / number)
        differences = np.array(excess.get(name, []))
        mean = error = math.nan
        if len(differences):
            mean, error = differences.mean(), differences.std() / math.sqrt(len(differences))
        inside &= len(differences) < _FEWEST_SCORES or bool(abs(mean) <= stats.norm.isf(0.005) * error)
        known = name != _SAME_PEOPLE
        rows.append((name, level, rejected, number, rejected / number, *ends, inside, known, mean, error))
    names = [
        "test", "level", "rejected", "trials", "rate", "low", "high", "inside", "valid", "excess",
        "excess_se",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _read(
    tested: Sequence[JointTests], variants: pd.DataFrame, first: Path, second: Path
) -> Iterator[_Clump]:
    """The kept variants of clumps in the first people of both samples."""
    one, other = (open_genotypes([str(path)]) for path in (first, second))
    rows, _ = located(other, variants)
    own = variants["row"].to_numpy(np.int64)
    dosages = []
    for genotypes, places in ((one, own), (other, rows)):
        cohort = Cohort(genotypes, np.arange(min(_PEOPLE, len(genotypes))), {}, [])
        dosages.append(dict(clump_dosages(cohort, [places[each.members] for each in tested])))
    for number in range(len(tested)):
        yield _Clump(dosages[0][number], dosages[1][number])


def _model(x: Values, effect: float, rng: np.random.Generator, binary: bool = False) -> NullModel:
    """A trait on which the first of the variants has an effect, with a covariate."""
    size = x.shape[1]
    age = rng.normal(size=size)
    trait = effect * x[0] + 0.3 * age + rng.normal(size=size)
    design, everyone = np.column_stack([np.ones(size), age]), np.ones(size, dtype=bool)
    if binary:
        cases = (trait > np.quantile(trait, 0.7)).astype(np.float64)
        return logistic_model("trait", everyone, cases, design)
    return linear_model("trait", everyone, trait, design)


def _quantitative(clump: _Clump, rng: np.random.Generator) -> dict[str, bool]:
    """One trial of each test of a quantitative trait."""
    size = len(clump.first)
    effect = _LEAD_Z / (clump.first[0].std() * math.sqrt(clump.first.shape[1]))
    one, other = (products_of(_model(x, effect, rng), x) for x in (clump.first, clump.second))
    every = np.arange(size)
    secondary = int(rng.integers(1, size))
    some = np.concatenate([[0], 1 + np.flatnonzero(rng.random(size - 1) < 0.5)])
    full, full_other = joint_fit(one), joint_fit(other)
    part, part_other = joint_fit(one, some), joint_fit(other, some)
    # Alone, where the sign of the effect is known, as the test takes it to be.
    alone = joint_fit(one, [0])
    twice = joint_fit(products_of(_model(clump.second, 2 * effect, rng), clump.second), [0])
    alike = difference_p(
        part.coefficients[:1], part.standard_errors[:1], part_other.coefficients[:1],
        part_other.standard_errors[:1],
    )  # fmt: skip
    from_full = difference_p(
        part.coefficients[:1], part.standard_errors[:1], full_other.coefficients[:1],
        full_other.standard_errors[:1],
    )  # fmt: skip
    equal = equality_p(
        alone.coefficients, alone.standard_errors, twice.coefficients, twice.standard_errors, 2
    )
    replicated = replicates(
        full.coefficients[[secondary]], full_other.coefficients[[secondary]], full_other.log_p[[secondary]],
        LEVEL,
    )  # fmt: skip
    return {
        "effect in a joint model (t)": bool(full.log_p[secondary] < math.log(LEVEL)),
        "secondary variants together (F)": added_test(one, [0], every[1:]).log_p < math.log(LEVEL),
        "difference between samples": bool(alike[0] < LEVEL),
        "difference from all of the clump": bool(from_full[0] < LEVEL),
        "replication (sign and p)": bool(replicated[0]),
        "equality at the edge (TOST)": bool(equal[0] < LEVEL),
    } | _selected(clump, rng)


def _selected(clump: _Clump, rng: np.random.Generator) -> dict[str, bool]:
    """The variant of the lowest p of a trait without effects, in the people who selected and in others."""
    selecting = products_of(_model(clump.first, 0.0, rng), clump.first)
    others = products_of(_model(clump.second, 0.0, rng), clump.second)
    lead = int(np.argmin([joint_fit(selecting, [row]).log_p[0] for row in range(len(selecting))]))
    return {
        name: bool(joint_fit(products, [lead]).log_p[0] < math.log(LEVEL))
        for name, products in ((_SAME_PEOPLE, selecting), (_OTHER_PEOPLE, others))
    }


def _binary(clump: _Clump, rng: np.random.Generator) -> dict[str, bool]:
    """One trial of each test of a binary trait."""
    size = len(clump.first)
    effect = _LEAD_Z / (clump.first[0].std() * math.sqrt(clump.first.shape[1]))
    model = _model(clump.first, effect, rng, binary=True)
    products = products_of(model, clump.first)
    secondary = int(rng.integers(1, size))
    fit = joint_fit(products)
    exact = exact_fit(model, clump.first, fit.estimable)
    z = exact.coefficients[secondary] / exact.standard_errors[secondary]
    return {
        "effect in a joint model of a binary trait (one step)": bool(fit.log_p[secondary] < math.log(LEVEL)),
        "effect in a joint model of a binary trait (likelihood)": bool(abs(z) > stats.norm.isf(LEVEL / 2)),
        "secondary variants together, binary trait (chi-squared)": (
            added_test(products, [0], np.arange(1, size)).log_p < math.log(LEVEL)
        ),
    }


def _against_random(
    evaluation: Evaluation, variants: int, draws: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Random scores of all variants, as filters, against random filters.

    Returns
    -------
    dict of str to (float, float)
        By test: the p-value, and what the scores find more than the mean of random filters.
    """
    scores = {_RANDOM: np.random.default_rng([2, seed]).random(variants)}
    levels, everything = {"nominal": LEVEL}, np.ones(len(evaluation.tested), dtype=bool)
    found: dict[str, tuple[float, float]] = {}
    for form, within in _FILTERS.items():
        options = FilterOptions(within_clumps=within)
        limits = {
            trait: limits_of([clump for clump in evaluation.clumps if clump.trait == trait], scores, options)
            for trait in dict.fromkeys(one.clump.trait for one in evaluation.tested)
        }
        scored = []
        for one in evaluation.tested:
            chosen, pool = choose(one.clump, one.kept, scores, limits[one.clump.trait], options)
            scored.append(dataclasses.replace(one, chosen=chosen, pool=pool))
        totals = {
            control: count(
                scored, None, _RANDOM, control, levels, evaluation.causal, draws, 1000 + seed
            )["nominal"].totals(everything, LEVEL)
            for control in (OBSERVED, *CONTROLS)
        }  # fmt: skip
        for measure in ("significant", *(("true",) if evaluation.causal is not None else ())):
            observed = float(totals[OBSERVED][measure][0])
            for control in CONTROLS:
                drawn = totals[control][measure].astype(np.float64)
                words = "significant" if measure == "significant" else "causal among them"
                name = f"random scores against random filters, {form}, {control}: {words}"
                found[name] = upper_tail_p(observed, drawn), observed - float(drawn.mean())
    return found
