"""Sums of many scores: against plain loops over people, scores and variants."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.polygenic.application import sums as sums_module
from mifm_kipoi.polygenic.application.sums import EFFECT_TYPES, Entries, ScoreSums

PEOPLE, VARIANTS, SCORES = 23, 30, 5


def drawn(seed: int, missing: float) -> tuple[np.ndarray, Entries, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    dosages = rng.integers(0, 3, (VARIANTS, PEOPLE)).astype(np.float32)
    dosages[:5] = rng.uniform(0, 2, (5, PEOPLE))
    dosages[rng.random(dosages.shape) < missing] = np.nan
    variant, score = np.nonzero(rng.random((VARIANTS, SCORES)) < 0.6)
    entries = Entries(
        variant,
        score,
        rng.normal(size=len(variant)),
        rng.random(len(variant)) < 0.5,
        rng.integers(0, 3, len(variant)).astype(np.int8),
    )
    return dosages, entries, rng.random(PEOPLE) < 0.7, rng.random(PEOPLE) < 0.5, rng.random(VARIANTS) < 0.3


def plain(
    dosages: np.ndarray,
    entries: Entries,
    founders: np.ndarray,
    male: np.ndarray,
    one_x: np.ndarray,
    impute: bool,
    given: np.ndarray | None,
) -> np.ndarray:
    result = np.zeros((SCORES, PEOPLE))
    for variant, score, weight, counted, kind in zip(
        entries.variant, entries.score, entries.weight, entries.counted, entries.effect_type, strict=True
    ):
        copies = alleles = 0.0
        for person in range(PEOPLE):
            if founders[person] and not np.isnan(dosages[variant, person]):
                haplotypes = 1 if one_x[variant] and male[person] else 2
                copies += float(dosages[variant, person]) * haplotypes / 2
                alleles += haplotypes
        frequency = copies / alleles if alleles else np.nan
        if given is not None and not np.isnan(given[variant]):
            frequency = given[variant]
        if np.isnan(frequency) and np.isnan(dosages[variant]).any():
            continue
        for person in range(PEOPLE):
            dosage = float(dosages[variant, person])
            if np.isnan(dosage) and not impute:
                continue
            dosage = 2 * frequency if np.isnan(dosage) else dosage
            effect = dosage if counted else 2 - dosage
            unknown = np.isnan(dosages[variant, person])
            p = effect / 2
            if EFFECT_TYPES[kind] == "dominant":
                effect = 1 - (1 - p) ** 2 if unknown else min(effect, 1)
            if EFFECT_TYPES[kind] == "recessive":
                effect = p**2 if unknown else max(effect - 1, 0)
            result[score, person] += weight * effect
    return result


@pytest.mark.parametrize("impute", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("stated", [True, False])
def test_sums_equal_plain_loops(
    monkeypatch: pytest.MonkeyPatch, impute: bool, missing: float, stated: bool
) -> None:
    monkeypatch.setattr(sums_module, "PEOPLE_TOGETHER", 7)
    for seed in range(4):
        dosages, entries, founders, male, one_x = drawn(seed, missing)
        # Nobody's genotype is known; no founder's is.
        dosages[7] = np.nan
        dosages[8, founders] = np.nan
        given = None
        if stated:
            given = np.where(np.arange(VARIANTS) % 3 == 0, 0.3, np.nan)
        scores = ScoreSums(entries, SCORES, VARIANTS, founders, male, impute, given)
        first = 0
        for size in (1, 12, 13, 4):
            scores.add(first, dosages[first : first + size], one_x[first : first + size])
            first += size
        found = np.concatenate(scores.finished(), axis=1)
        expected = plain(dosages, entries, founders, male, one_x, impute, given)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        assert scores.missing.tolist() == np.isnan(dosages).sum(axis=1).tolist()
        assert np.flatnonzero(scores.unusable).tolist() == [7, 8]


def test_frequencies_are_those_of_founders() -> None:
    founders = np.array([True, True, True, False])
    male = np.array([True, False, False, False])
    nothing = np.empty(0, dtype=np.int64)
    entries = Entries(nothing, nothing, nothing.astype(float), nothing.astype(bool), nothing.astype(np.int8))
    scores = ScoreSums(entries, 1, 3, founders, male)
    dosages = np.array([[2, 1, 0, 2], [2, 1, 0, 2], [np.nan, 1, np.nan, 2]], dtype=np.float32)
    scores.add(0, dosages, np.array([False, True, True]))
    # Of a man's one X, half of 2 copies is 1 of 1 allele.
    assert scores.frequency.tolist() == [3 / 6, 2 / 5, 1 / 2]
