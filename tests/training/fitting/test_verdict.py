import dataclasses
import json
import math

import numpy as np
import pytest

from mifm_kipoi.finemapping.prior import fit_slope, slope_gains
from training.fitting.verdict import HeldOutRows, Verdict, conclusion, measure


def rows_of(sizes: list[int], log_evidence: list[float], locus: list[int] | None = None) -> HeldOutRows:
    """Studies of some rows each, which have no variant in common, each at a locus of its own by default."""
    study = np.repeat(np.arange(len(sizes)), sizes)
    return HeldOutRows(
        np.arange(len(study)), study, np.array(log_evidence), np.ones(len(sizes)),
        np.arange(len(sizes)) if locus is None else np.array(locus), np.ones(len(sizes), dtype=bool),
    )  # fmt: skip


def simulated(seed: int, studies: int = 120, size: int = 12) -> tuple[HeldOutRows, np.ndarray]:
    """Studies whose causal variant is any of theirs, and which rows are causal.

    The z of a variant in LD with the causal one is a part of that one's, so that the evidence is spread.
    """
    generator = np.random.default_rng(seed)
    causal = generator.integers(size, size=studies)
    r = generator.uniform(0.7, 1, (studies, size))
    r[np.arange(studies), causal] = 1
    z = r * generator.normal(7, 1, (studies, 1)) + generator.normal(size=(studies, size)) * np.sqrt(
        1 - r**2 + 0.05
    )
    order = np.argsort(-np.abs(z), axis=1)
    log_bf = np.take_along_axis(0.5 * 0.9 * z**2, order, axis=1)
    rows = rows_of([size] * studies, log_bf.ravel().tolist())
    return rows, (order == causal[:, np.newaxis]).ravel()


def test_measures_by_hand() -> None:
    """Two studies: Bayes factors 6, 3, 1 and 3, 1; the network puts the second and the first one first."""
    rows = rows_of([3, 2], np.log([6, 3, 1, 3, 1]).tolist())
    found = measure(np.array([0.0, 2, 1, 5, 4]), rows)
    # The sets need 0.6 + 0.3 + 0.1 and 0.75 + 0.25 for 95 %.
    assert found.first_pip == pytest.approx((0.3 + 0.75) / 2)
    assert found.set_pip == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found.pip_gain.value == pytest.approx(found.first_pip - found.set_pip)
    assert (found.lead_first, found.lead_chance) == (0.5, pytest.approx((1 / 3 + 1 / 2) / 2))
    assert found.lead_gain.value == pytest.approx(1 / 2 - 5 / 12)
    assert (found.studies, found.loci, found.with_evidence) == (2, 2, 2)
    assert found.logit_sd == pytest.approx(np.std([0, 2, 1, 5, 4]))
    assert math.isnan(found.gain.low)
    assert not found.can_judge


def test_the_slope_of_a_study_is_that_of_other_loci() -> None:
    rows, causal = simulated(0, studies=10)
    logits = np.random.default_rng(1).normal(size=len(causal)) + causal
    gains = []
    for fold in range(5):
        others, own = rows.of(np.arange(10) % 5 != fold), rows.of(np.arange(10) % 5 == fold)
        slope = fit_slope(logits[others.instance], others.log_evidence, others.study).slope
        gains += slope_gains(slope, logits[own.instance], own.log_evidence, own.study).tolist()
    assert measure(logits, rows).gain.value == pytest.approx(np.mean(gains))


def test_a_network_that_knows() -> None:
    rows, causal = simulated(0)
    logits = np.random.default_rng(1).normal(size=len(causal)) + 3 * causal
    found = measure(logits, rows)
    assert found.learnt
    assert found.gain.low > 0
    assert found.pip_gain.low > 0
    assert found.lead_gain.low > 0
    verdict = Verdict("member 1", "validation", found)
    assert verdict.learnt
    assert verdict.warnings == ()


def test_a_network_that_knows_nothing() -> None:
    """Of 40 such networks one or two may be found to have learnt; none gains likelihood on average."""
    found = []
    for seed in range(40):
        rows, causal = simulated(seed, studies=60)
        found.append(measure(np.random.default_rng(1000 + seed).normal(size=len(causal)), rows))
    assert np.sum([one.learnt for one in found]) <= 2
    assert np.mean([one.gain.value for one in found]) < 0
    assert np.mean([one.pip_gain.value for one in found]) == pytest.approx(0, abs=0.01)
    assert np.mean([one.lead_gain.value for one in found]) == pytest.approx(0, abs=0.02)
    verdict = Verdict("student", "test", next(one for one in found if not one.learnt))
    assert verdict.learnt is False
    assert verdict.warnings[0].startswith("student: nothing was learnt that shows on its test bags")


def test_a_constant_network_does_not_find_the_leads_that_come_first() -> None:
    rows, causal = simulated(0)
    found = measure(np.zeros(len(causal)), rows)
    assert found.lead_first == pytest.approx(found.lead_chance)
    assert found.pip_gain.value == pytest.approx(0, abs=1e-12)
    assert found.gain.value == 0
    warnings = Verdict("student", "validation", found, pearson=math.nan).warnings
    assert [message.split(": ")[1] for message in warnings] == [
        "nothing was learnt that shows on its validation bags",
        "it does not score as its teachers",
        "its scores are all but constant",
    ]


def test_studies_of_one_variant_leave_nothing_to_choose() -> None:
    several = rows_of([3, 2], np.log([6, 3, 1, 3, 1]).tolist())
    with_single = rows_of([1, 3, 1, 2], np.log([9, 6, 3, 1, 9, 3, 1]).tolist())
    logits = np.array([0.0, 2, 1, 5, 4])
    alone, together = measure(logits, several), measure(np.insert(logits, [0, 3], 1.0), with_single)
    for field in dataclasses.fields(alone):
        if not field.name.endswith("_sd"):
            assert str(getattr(alone, field.name)) == str(getattr(together, field.name)), field.name


def test_a_signal_that_many_studies_see_counts_once() -> None:
    rows, causal = simulated(0, studies=30)
    logits = np.random.default_rng(1).normal(size=len(causal)) + causal
    times = 3
    repeated = HeldOutRows(
        np.tile(rows.instance, times), np.repeat(np.arange(30 * times), 12),
        np.tile(rows.log_evidence, times), np.tile(rows.weight, times) / times, np.tile(rows.locus, times),
        np.tile(rows.led, times),
    )  # fmt: skip
    once, thrice = measure(logits, rows), measure(logits, repeated)
    for name in ("gain", "pip_gain", "lead_gain"):
        assert dataclasses.astuple(getattr(once, name)) == pytest.approx(
            dataclasses.astuple(getattr(thrice, name)), abs=1e-5
        )


@pytest.mark.parametrize("loci", [0, 1, 4])
def test_too_few_loci_are_no_verdict(loci: int) -> None:
    rows, causal = simulated(0, studies=max(loci, 1) * 5)
    locus = np.arange(rows.weight.size) % max(loci, 1)
    rows = dataclasses.replace(rows, locus=locus)
    if not loci:
        rows = rows.of(np.zeros(rows.weight.size, dtype=bool))
    verdict = Verdict("member 2", "validation", measure(3.0 * causal if loci else np.zeros(0), rows))
    assert verdict.learnt is None
    counted = f"{loci} {'locus' if loci == 1 else 'loci'}"
    assert f"its validation bags reach {counted} with studies" in verdict.warnings[0]
    assert all(math.isnan(one.low) for one in verdict.measures.judged_by)
    assert len(verdict.lines()) == (5 if loci else 1)
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_without_bayes_factors_or_pips_leads_decide() -> None:
    rows, causal = simulated(0)
    rows = dataclasses.replace(rows, log_evidence=np.full(len(causal), np.nan))
    lead = np.tile(np.arange(12) == 0, 120)
    generator = np.random.default_rng(1)
    knows = Verdict("member 1", "test", measure(generator.normal(size=len(causal)) + 2 * lead, rows))
    assert knows.learnt
    assert math.isnan(knows.measures.gain.value)
    assert len(knows.lines()) == 3
    nothing = Verdict("member 1", "test", measure(generator.normal(size=len(causal)), rows))
    assert nothing.learnt is False
    assert "no more often than by chance" in nothing.warnings[0]


def test_studies_whose_lead_is_unknown_are_not_judged_by_it() -> None:
    rows, causal = simulated(0, studies=20)
    logits = np.random.default_rng(1).normal(size=len(causal)) + causal
    led = np.arange(20) >= 8
    found = measure(logits, dataclasses.replace(rows, led=led))
    assert (found.studies, found.loci, found.with_evidence, found.with_lead) == (20, 20, 20, 12)
    assert found.lead_gain == measure(logits, rows.of(led)).lead_gain
    assert found.gain == measure(logits, rows).gain
    without = dataclasses.replace(rows, led=np.zeros(20, dtype=bool))
    verdict = Verdict("member 1", "test", measure(logits, without))
    assert verdict.learnt is not None
    assert not any("lead variant" in line for line in verdict.lines())
    # Neither evidence nor a lead: there is nothing to judge by.
    nothing = dataclasses.replace(without, log_evidence=np.full(len(causal), np.nan))
    verdict = Verdict("member 1", "test", measure(logits, nothing))
    assert verdict.learnt is None
    assert "its test bags reach 0 loci" in verdict.warnings[0]
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_bags_that_chose_the_epoch_make_a_verdict_optimistic() -> None:
    rows, causal = simulated(0)
    found = measure(np.random.default_rng(1).normal(size=len(causal)) + 3 * causal, rows)
    verdict = Verdict("member 1", "validation", found, chose_epoch=True)
    said = "; optimistic, for these bags chose the epoch"
    assert verdict.lines()[0].endswith(f"at 120 loci{said}")
    assert verdict.brief().endswith(f"chance is 0{said}")
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict
    plain = Verdict("member 1", "validation", found)
    assert "optimistic" not in " ".join([*plain.lines(), plain.brief()])


def test_only_studies_with_evidence_are_judged_by_it() -> None:
    rows, causal = simulated(0, studies=20)
    log_evidence = rows.log_evidence.copy()
    log_evidence[rows.study < 8] = np.nan
    logits = np.random.default_rng(1).normal(size=len(causal)) + causal
    found = measure(logits, dataclasses.replace(rows, log_evidence=log_evidence))
    alone = measure(logits, rows.of(np.arange(20) >= 8))
    assert (found.studies, found.loci, found.with_evidence) == (20, 20, 12)
    assert found.pip_gain == alone.pip_gain
    assert found.gain == alone.gain
    assert found.lead_gain != alone.lead_gain


def test_the_verdict_in_words() -> None:
    rows, causal = simulated(0)
    found = measure(np.random.default_rng(1).normal(size=len(causal)) + 3 * causal, rows)
    verdict = Verdict("student", "test", found, pearson=-0.03)
    shown = verdict.lines()
    assert shown[0] == "student, test bags: 120 studies with two or more variants, at 120 loci"
    assert (
        f"nats a study (chance: 0): {found.gain.value:+.4f} (95 % interval {found.gain.low:+.4f} to"
        in shown[1]
    )
    assert f"95 % sets {found.first_pip:.4f}, of all variants of the sets {found.set_pip:.4f}" in shown[2]
    assert f"first in {found.lead_first:.1%} of the studies, by chance 8.3%" in shown[3]
    assert f"logits {found.logit_sd:.3g}, of scores" in shown[4]
    (warning,) = verdict.warnings
    assert "Pearson -0.0300 of logits, expected 0.5 or more" in warning
    plain = verdict.to_dict()
    assert plain["measures"]["gain"]["low"] == found.gain.low
    assert (plain["learnt"], plain["warnings"]) == (True, [warning])
    json.dumps(plain, allow_nan=False)
    assert Verdict.from_dict(json.loads(json.dumps(plain))) == verdict
    assert verdict.brief().startswith("student, test bags, 120 loci: gain in likelihood ")


def test_test_bags_decide_where_they_can() -> None:
    """No epoch was chosen by them."""
    rows, causal = simulated(0)
    knows = 3 * causal + np.random.default_rng(1).normal(size=len(causal))
    noise = np.random.default_rng(2).normal(size=len(causal))
    validation = Verdict("student", "validation", measure(knows, rows))
    assert conclusion([validation, Verdict("student", "test", measure(noise, rows))]) != ()
    few = Verdict("student", "test", measure(noise, rows.of(np.arange(120) < 3)))
    assert conclusion([validation, few]) == ()
    assert "its test bags reach 3 loci" in conclusion([few])[0]
    assert conclusion([]) == ()


def test_logits_that_are_not_finite_are_refused() -> None:
    rows = rows_of([2], [1.0, 0.0])
    with pytest.raises(ValueError, match="not finite"):
        measure(np.array([math.nan, 1]), rows)
