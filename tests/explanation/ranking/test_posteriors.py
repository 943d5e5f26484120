"""Posteriors without and with the score, and where the slope comes from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mifm_kipoi.explanation.ranking.posteriors import FOLDS, MIN_REGIONS, Reason, posteriors
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor

NAN = float("nan")


def _simulated(
    loci: int, slope: float, seed: int = 1
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Logits, log Bayes factors, loci and causal variants; neighbours are in LD."""
    random = np.random.default_rng(seed)
    logits, log_abf, of_locus, causal = [], [], [], []
    for locus in range(loci):
        count = int(random.integers(5, 40))
        distance = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
        correlation = 0.9**distance
        own = random.normal(0, 0.5, count)
        prior = np.exp(slope * own)
        chosen = random.choice(count, p=prior / prior.sum())
        z = 6 * correlation[:, chosen]
        z = z + np.linalg.cholesky(correlation + 1e-6 * np.eye(count)) @ random.normal(size=count)
        logits.append(own)
        log_abf.append(log_bayes_factor(z, np.full(count, 0.02**2), 0.0225))
        of_locus.append(np.full(count, locus))
        causal.append(np.arange(count) == chosen)
    return (
        np.concatenate(logits), np.concatenate(log_abf), np.concatenate(of_locus), np.concatenate(causal)
    )  # fmt: skip


def test_without_the_score_they_are_bayes_factors_over_their_sum() -> None:
    found = posteriors(np.zeros(4), np.log([1.0, 3.0, 5.0, 2.0]), np.array([0, 0, 1, -1]), np.array([0, 1]))
    np.testing.assert_allclose(found.without, [0.25, 0.75, 1.0, NAN])
    np.testing.assert_allclose(found.with_score, [0.25, 0.75, 1.0, NAN])


def test_a_slope_that_is_given_is_used() -> None:
    found = posteriors(np.log([1.0, 2.0]), np.log([4.0, 1.0]), np.array([0, 0]), np.array([0]), slope=2.0)
    # Priors of 1 and 4 beside Bayes factors of 4 and 1.
    np.testing.assert_allclose(found.with_score, [0.5, 0.5])
    assert (found.reason, found.slopes) == (Reason.GIVEN, (2.0, 2.0))


def test_few_regions_leave_the_posterior_as_it_is() -> None:
    logits, log_abf, locus, _ = _simulated(MIN_REGIONS, 5.0)
    few = posteriors(logits, log_abf, locus, np.arange(MIN_REGIONS) // 2)
    assert (few.reason, few.slopes, few.regions) == (Reason.TOO_FEW, (0.0, 0.0), MIN_REGIONS // 2)
    np.testing.assert_array_equal(few.without, few.with_score)
    assert np.isnan(few.fitted)
    enough = posteriors(logits, log_abf, locus, np.arange(MIN_REGIONS))
    assert enough.reason is Reason.ESTIMATED


def test_a_score_that_says_something_is_found_and_helps() -> None:
    logits, log_abf, locus, causal = _simulated(150, 3.0)
    found = posteriors(logits, log_abf, locus, np.arange(150))
    assert found.reason is Reason.ESTIMATED
    assert found.fitted == pytest.approx(3.0, rel=0.25)
    assert 2 < found.slopes[0] <= found.fitted <= found.slopes[1] < 4
    assert found.gain.low > 0
    assert found.with_score[causal].mean() > found.without[causal].mean() + 0.02
    np.testing.assert_allclose(np.bincount(locus, found.with_score), 1)


@pytest.mark.parametrize("seed", range(4))
def test_a_score_that_says_nothing_changes_little_or_nothing(seed: int) -> None:
    logits, log_abf, locus, _ = _simulated(80, 0.0, seed)
    found = posteriors(logits, log_abf, locus, np.arange(80))
    assert found.reason in (Reason.NO_GAIN, Reason.ESTIMATED)
    assert found.slopes[1] < 0.8
    if found.reason is Reason.NO_GAIN:
        np.testing.assert_array_equal(found.without, found.with_score)


def test_the_slope_of_a_region_does_not_depend_on_its_own_statistics() -> None:
    logits, log_abf, locus, _ = _simulated(40, 3.0)
    regions = np.arange(40)
    before = posteriors(logits, log_abf, locus, regions)
    changed = log_abf.copy()
    own = locus < 40 // FOLDS
    # Evidence against the score in the first part: another slope for the others, and none for itself.
    changed[own] = -20 * logits[own]
    after = posteriors(logits, changed, locus, regions)
    ratio = [
        [
            (np.log(found.with_score[rows] / found.without[rows]) @ centred) / (centred @ centred)
            for rows in (np.flatnonzero(locus == 0), np.flatnonzero(locus == 39))
            for centred in [logits[rows] - logits[rows].mean()]
        ]
        for found in (before, after)
    ]
    assert ratio[0][0] == pytest.approx(ratio[1][0])
    assert abs(ratio[0][1] - ratio[1][1]) > 0.1


def test_a_variant_without_a_score_has_the_mean_logit_of_its_locus() -> None:
    found = posteriors(
        np.array([0.0, 2.0, NAN]), np.zeros(3), np.zeros(3, np.int64), np.array([0]), slope=1.0
    )
    weights = np.exp([0, 2, 1])
    np.testing.assert_allclose(found.with_score, weights / weights.sum())
    assert found.without_logit == 1
    assert np.isnan(
        posteriors(np.zeros(1), np.array([NAN]), np.zeros(1, np.int64), np.array([0])).without
    ).all()
