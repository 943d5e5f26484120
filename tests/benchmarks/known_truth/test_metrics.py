"""Power, calibration and credible sets against brute force and closed forms."""

import itertools
from fractions import Fraction

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import strategies as st

from benchmarks.known_truth.metrics import calibration, calibration_error, credible_set, power_at_fdr
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.ranking import Curve
from tests.evaluation.ranking.ranked_rows import SETTINGS, Flags, Rows, Values, arrays, rows_of, with_positive


@hypothesis.given(data=st.data(), rows=rows_of(12).filter(with_positive))
@SETTINGS
def test_weights_are_repeated_rows(data: st.DataObject, rows: Rows) -> None:
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    score, causal = arrays(rows)
    hypothesis.assume(causal[np.array(times) > 0].any())
    repeated = Curve(np.repeat(score, times), np.repeat(causal, times))
    curve, weights = Curve(score, causal), np.array(times, dtype=np.float64)
    assert curve.average_precision(weights) == pytest.approx(repeated.average_precision(), rel=1e-12)
    for fdr in (0.05, 0.2, 0.5):
        assert power_at_fdr(curve, fdr, weights) == power_at_fdr(repeated, fdr)


def slow_power(rows: Rows, fdr: Fraction) -> Fraction:
    every = sum(causal for _, causal in rows)
    powers = [Fraction(0)]
    for threshold, _ in rows:
        chosen = [causal for score, causal in rows if score >= threshold]
        if Fraction(chosen.count(False), len(chosen)) <= fdr:
            powers.append(Fraction(sum(chosen), every))
    return max(powers)


@hypothesis.given(
    rows=st.lists(st.tuples(st.integers(0, 8).map(float), st.booleans()), min_size=1, max_size=40).filter(
        with_positive
    ),
    fdr=st.sampled_from(["0.05", "0.1", "0.2", "0.5"]),
)
@SETTINGS
def test_power_is_that_of_plain_python(rows: Rows, fdr: str) -> None:
    found = power_at_fdr(Curve(*arrays(rows)), float(fdr))
    assert found == pytest.approx(float(slow_power(rows, Fraction(fdr))), abs=1e-12)


@pytest.mark.parametrize(("fdr", "causal"), [(0.05, 19), (0.1, 9), (0.2, 4)])
def test_a_share_of_just_the_fdr_is_allowed(fdr: float, causal: int) -> None:
    """One of twenty, ten, five is false; the last causal one comes with many false ones."""
    score = np.repeat([2.0, 1, 0], [1, causal, 100])
    flags = (score == 1) | (np.arange(score.size) == score.size - 1)
    assert power_at_fdr(Curve(score, flags), fdr) == causal / (causal + 1)
    assert power_at_fdr(Curve(score, flags), fdr - 0.001) == 0


def test_calibration_by_hand() -> None:
    pip = np.array([0.0, 0.05, 0.1, 0.19, 0.95, 1.0])
    causal = np.array([False, False, True, False, True, True])
    found = calibration(pip, causal, Bootstrap.of_clusters(np.arange(6)))
    assert found["bin_low"].tolist() == pytest.approx([0, 0.1, 0.9])
    assert found["bin_high"].tolist() == pytest.approx([0.1, 0.2, 1])
    assert found["count"].tolist() == [2, 2, 2]
    assert found["predicted"].tolist() == pytest.approx([0.025, 0.145, 0.975])
    assert found["observed"].tolist() == [0, 0.5, 1]
    # Two genealogies in each bin are too few for an interval.
    assert found[["low", "high"]].isna().all(axis=None)
    error = (2 * 0.025 + 2 * (0.5 - 0.145) + 2 * 0.025) / 6
    assert calibration_error(pip, causal) == pytest.approx(error)
    # In one bin the gaps cancel out.
    assert calibration_error(pip, causal, bins=1) == pytest.approx(abs(causal.mean() - pip.mean()))


def test_a_bin_is_as_wide_as_its_genealogies_are_apart() -> None:
    """Of ten genealogies each is wholly causal, or not at all."""
    genealogy = np.repeat(np.arange(10), 30)
    causal = genealogy < 5
    pip = np.full(300, 0.55)
    (together,) = calibration(pip, causal, Bootstrap.of_clusters(genealogy)).itertuples()
    (apart,) = calibration(pip, causal, Bootstrap.of_clusters(np.arange(300))).itertuples()
    assert together.observed == apart.observed == 0.5
    assert together.high - together.low == pytest.approx(2 * 1.96 * 0.5 / 10**0.5, rel=0.15)
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * 0.5 / 300**0.5, rel=0.15)


@pytest.fixture(scope="module")
def calibrated() -> tuple[Values, Flags, npt.NDArray[np.int64]]:
    """Bags of which the PIPs say the truth: one variant is causal, or none, by their probabilities."""
    generator = np.random.default_rng(5)
    bags, size = 3000, 8
    pip = generator.dirichlet(np.full(size + 1, 0.25), bags)
    chosen = (generator.uniform(size=(bags, 1)) > pip.cumsum(axis=1)).sum(axis=1)
    causal = np.arange(size) == chosen[:, None]
    return pip[:, :size].ravel(), causal.ravel(), np.repeat(np.arange(bags) // 6, size)


def test_calibrated_probabilities_are_within_the_interval(
    calibrated: tuple[Values, Flags, npt.NDArray[np.int64]],
) -> None:
    pip, causal, genealogy = calibrated
    found = calibration(pip, causal, Bootstrap.of_clusters(genealogy))
    assert len(found) == 10
    assert found["count"].sum() == pip.size
    assert found["predicted"].between(found["low"], found["high"]).sum() >= 9
    assert found["observed"].between(found["low"], found["high"]).all()
    assert calibration_error(pip, causal) < 0.006
    assert calibration_error(pip**0.5, causal) > 0.1


def test_credible_sets_cover_what_they_say(
    calibrated: tuple[Values, Flags, npt.NDArray[np.int64]],
) -> None:
    pip, causal = (values.reshape(-1, 8) for values in calibrated[:2])
    reached = pip.sum(axis=1) >= 0.8
    sets = [credible_set(one, 0.8) for one in pip]
    covered = np.array([own[chosen].any() for own, chosen in zip(causal, sets, strict=True)])
    held = np.array([own[chosen].sum() for own, chosen in zip(pip, sets, strict=True)])
    assert (held[reached] >= 0.8).all()
    assert {len(chosen) for chosen, whole in zip(sets, reached, strict=True) if not whole} == {8}
    error = np.sqrt((held * (1 - held)).sum()) / held.size
    assert abs(covered.mean() - held.mean()) < 3 * error


@hypothesis.given(
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=7).filter(any),
    level=st.sampled_from([0.5, 0.8, 0.95]),
)
@SETTINGS
def test_no_smaller_set_has_the_level(weights: list[int], level: float) -> None:
    pip = np.array(weights) / sum(weights)
    chosen = credible_set(pip, level)
    assert len(set(chosen.tolist())) == len(chosen)
    assert pip[chosen].sum() >= level - 1e-9
    smaller = itertools.combinations(pip, len(chosen) - 1)
    assert all(sum(one) < level - 1e-9 for one in smaller)


def test_credible_sets_by_hand() -> None:
    assert credible_set(np.array([0.2, 0.5, 0.3])).tolist() == [1, 2, 0]
    assert credible_set(np.array([0.01, 0.96, 0.03])).tolist() == [1]
    assert credible_set(np.array([0.1, 0.3, 0.2])).tolist() == [1, 2, 0]
    # Twenty of 0.05 have a sum of a bit less than one.
    assert len(credible_set(np.full(20, 0.05))) == 19
