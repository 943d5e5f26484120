"""Scores as functions of two logits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from mifm_kipoi.scoring.scores import SCORES, both_alleles_logit, probability, variant_scores

LOGITS = np.array([-90.0, -30.0, -5.5, -1.0, -1e-6, 0.0, 1e-6, 0.5, 2.0, 17.0, 90.0])


class TestProbability:
    """probability: the logistic function in float32."""

    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
    def test_is_the_logistic_function(self, kind: type[np.floating]) -> None:
        logits = LOGITS.astype(kind)
        found = probability(logits)
        assert found.dtype == np.float32
        # Half a unit in the last place of float32; below 1e-38, of its subnormal numbers.
        np.testing.assert_allclose(found, expit(logits.astype(np.float64)), rtol=6e-8, atol=7.1e-46)

    def test_literals(self) -> None:
        """1 / (1 + e^0) = 1/2; a logit of log 3 is odds of 3 to 1."""
        assert probability(np.array([0.0, np.log(3.0), -np.log(3.0)])).tolist() == [0.5, 0.75, 0.25]

    @pytest.mark.filterwarnings("error")
    def test_extremes(self) -> None:
        """No overflow and no warning; the smallest probabilities do not become zero too early."""
        logits = np.array([np.inf, 1e30, 800.0, -100.0, -800.0, -1e30, -np.inf])
        found = probability(logits)
        assert found[:3].tolist() == [1.0, 1.0, 1.0]
        assert found[3] == pytest.approx(3.783506e-44, rel=0.05)  # a subnormal number of float32
        assert found[4:].tolist() == [0.0, 0.0, 0.0]

    def test_nan_stays_nan(self) -> None:
        found = probability(np.array([np.nan, 0.0, np.nan], dtype=np.float32))
        assert np.isnan(found).tolist() == [True, False, True]
        assert found[1] == 0.5

    def test_any_shape(self) -> None:
        assert probability(np.zeros((2, 3))).tolist() == [[0.5] * 3] * 2
        assert probability(np.empty(0)).shape == (0,)

    def test_leaves_its_input_alone(self) -> None:
        logits = LOGITS.copy()
        probability(logits)
        np.testing.assert_array_equal(logits, LOGITS)


class TestVariantScores:
    """variant_scores: mifm_ref, mifm_alt, mifm_delta."""

    def test_names(self) -> None:
        assert SCORES == ("mifm_ref", "mifm_alt", "mifm_delta")
        assert tuple(variant_scores(np.zeros(1), np.zeros(1))) == SCORES

    def test_literals(self) -> None:
        scores = variant_scores(np.array([0.0, np.log(3.0)]), np.array([np.log(3.0), 0.0]))
        assert scores["mifm_ref"].tolist() == [0.5, 0.75]
        assert scores["mifm_alt"].tolist() == [0.75, 0.5]
        assert scores["mifm_delta"].tolist() == [0.25, -0.25]

    def test_against_the_logistic_function(self) -> None:
        ref, alt = np.meshgrid(LOGITS, LOGITS)
        scores = variant_scores(ref.ravel(), alt.ravel())
        np.testing.assert_allclose(scores["mifm_ref"], expit(ref.ravel()), rtol=6e-8, atol=7.1e-46)
        np.testing.assert_allclose(scores["mifm_alt"], expit(alt.ravel()), rtol=6e-8, atol=7.1e-46)
        # The difference of two rounded numbers up to 1.
        np.testing.assert_allclose(scores["mifm_delta"], expit(alt.ravel()) - expit(ref.ravel()), atol=1.2e-7)
        assert {values.dtype for values in scores.values()} == {np.dtype(np.float32)}

    def test_swapped_alleles_negate_delta(self) -> None:
        generator = np.random.default_rng(0)
        ref, alt = generator.normal(0, 3, size=(2, 1000)).astype(np.float32)
        there, back = variant_scores(ref, alt), variant_scores(alt, ref)
        np.testing.assert_array_equal(back["mifm_delta"], -there["mifm_delta"])
        np.testing.assert_array_equal(back["mifm_ref"], there["mifm_alt"])
        assert (there["mifm_delta"] != 0).all()

    def test_equal_windows_have_no_delta(self) -> None:
        assert (variant_scores(LOGITS, LOGITS)["mifm_delta"] == 0).all()

    def test_nan_in_one_window(self) -> None:
        scores = variant_scores(np.array([np.nan, 0.0, 0.0]), np.array([0.0, np.nan, 0.0]))
        assert np.isnan(scores["mifm_ref"]).tolist() == [True, False, False]
        assert np.isnan(scores["mifm_alt"]).tolist() == [False, True, False]
        assert np.isnan(scores["mifm_delta"]).tolist() == [True, True, False]


class TestBothAlleles:
    """both_alleles_logit: the mean of two logits plus their difference."""

    def test_literals(self) -> None:
        ref, alt = np.array([1.0, -2.0, 0.5]), np.array([3.0, -3.0, 0.5])
        assert both_alleles_logit(ref, alt).tolist() == [4.0, -1.5, 0.5]
        assert both_alleles_logit(alt, ref).tolist() == [4.0, -1.5, 0.5]

    def test_unknown_logits_stay_unknown(self) -> None:
        assert np.isnan(both_alleles_logit(np.array([np.nan]), np.array([1.0]))).all()
