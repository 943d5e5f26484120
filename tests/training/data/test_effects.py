"""Studies whose rows have Bayes factors in different units, by literals."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from mifm_kipoi.statistics.bayes_factors import Trait, log_bayes_factor, prior_variances
from training.data.effects import EffectCounts

N, F = 400_000.0, 0.3
INFORMATION = 2 * N * F * (1 - F)


def units(*rows: tuple[str, Trait, float, float, float]) -> EffectCounts:
    """Counts of rows of a study, trait, squared standard error, frequency, and fraction of cases."""
    study, trait, variance, frequency, cases = (np.array(column) for column in zip(*rows, strict=True))
    size = np.full(len(rows), N)
    counts = EffectCounts()
    prior = prior_variances(trait, variance, size, frequency, cases)
    counts.add_units(study.astype(object), trait, prior, np.isfinite(frequency))
    return counts


def test_studies_of_mixed_units_are_counted_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    quantitative, binary, unknown = Trait.QUANTITATIVE, Trait.CASE_CONTROL, Trait.UNKNOWN
    small, one, linear = 0.01 / INFORMATION, 1 / INFORMATION, 0.0196 / INFORMATION
    # The same association, with and without a frequency: its Bayes factors differ tenfold.
    prior = prior_variances([quantitative] * 2, [small] * 2, [N] * 2, [F, np.nan], [np.nan] * 2)
    log_bf = log_bayes_factor(np.full(2, 6.0), np.full(2, small), prior)
    assert np.exp(log_bf[0] - log_bf[1]) == pytest.approx(10, rel=0.01)
    counts = units(
        ("mixed", quantitative, small, F, np.nan),
        ("mixed", quantitative, small, np.nan, np.nan),
        ("mixed", quantitative, small, np.nan, np.nan),
        ("linear", binary, linear, F, 0.02),
        ("linear", binary, linear, np.nan, 0.02),
        ("known", quantitative, small, F, np.nan),
        ("of variance 1", quantitative, one, F, np.nan),
        ("of variance 1", quantitative, one, np.nan, np.nan),
        ("log odds", binary, 1 / (0.0196 * INFORMATION), F, 0.02),
        ("log odds", binary, 1 / (0.0196 * INFORMATION), np.nan, 0.02),
        ("unknown", unknown, small, F, np.nan),
        ("unknown", unknown, small, np.nan, np.nan),
    )
    found = counts.to_dict()
    assert (found["studies_of_mixed_units"], found["rows_of_assumed_units_in_these"]) == (2, 3)
    with caplog.at_level(logging.WARNING):
        counts.warn()
    assert "2 studies (linear, mixed)" in caplog.text
    assert "the 3 such rows" in caplog.text


def test_studies_of_one_unit_give_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    counts = units(("one", Trait.QUANTITATIVE, 0.01 / INFORMATION, np.nan, np.nan))
    counts.warn()
    assert counts.to_dict()["studies_of_mixed_units"] == 0
    assert not caplog.records
