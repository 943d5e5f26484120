"""Prior weights: the likelihood in plain Python, and signals drawn from the model itself."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize
from scipy.special import logit

from mifm_kipoi.finemapping.prior_weights import (
    Coefficients,
    FittedPrior,
    LocusEvidence,
    Reason,
    Scale,
    fit_prior_weights,
    to_feature,
)

Values = npt.NDArray[np.float64]

NAMES = ("score", "state")
Z = 6.0
"""Expectation of z at a causal variant."""

VARIANTS = 40
LD = 0.9 ** np.abs(np.subtract.outer(np.arange(VARIANTS), np.arange(VARIANTS)))
ROOT = np.linalg.cholesky(LD)


def weights_of(features: Values, slopes: Sequence[float], null: float, knot: float = 1e9) -> list[float]:
    """The formula of the module, one variant after the other; slopes a, b and c."""
    a, b, c = slopes
    predictors = [a * min(f, knot) + b * max(f - knot, 0) + c * x for f, x in features.tolist()]
    total = sum(math.exp(one) for one in predictors)
    return [(1 - null) * math.exp(one) / total + null / len(predictors) for one in predictors]


def draw(
    loci: int, slopes: tuple[float, float], null: float, seed: int, chromosomes: int = 6, knot: float = 1e9
) -> list[LocusEvidence]:
    """Loci with one signal, whose causal variant has the prior of the model, and exact Bayes factors."""
    generator = np.random.default_rng(seed)
    drawn = []
    for number in range(loci):
        features = np.column_stack([generator.normal(size=VARIANTS), generator.random(VARIANTS) < 0.2])
        # Above the knot the score says nothing.
        weights = np.array(weights_of(features, (slopes[0], 0.0, slopes[1]), null, knot))
        causal = generator.choice(VARIANTS, p=weights / weights.sum())
        z = Z * LD[causal] + ROOT @ generator.normal(size=VARIANTS)
        drawn.append(LocusEvidence(str(number % chromosomes), features, (Z * z - Z**2 / 2)[None]))
    return drawn


def likelihood(loci: Sequence[LocusEvidence], slopes: Sequence[float], null: float, knot: float) -> float:
    total = 0.0
    for locus in loci:
        weights = weights_of(locus.features, slopes, null, knot)
        for effect in locus.log_bf.tolist():
            top = max(effect)
            prior = sum(w * math.exp(one - top) for w, one in zip(weights, effect, strict=True))
            flat = sum(math.exp(one - top) for one in effect) / len(effect)
            total += math.log(prior / flat)
    return total


@pytest.fixture(scope="module")
def informative() -> list[LocusEvidence]:
    return draw(600, (1.5, 1.0), 0.3, seed=1)


@pytest.fixture(scope="module")
def fitted(informative: list[LocusEvidence]) -> FittedPrior:
    return fit_prior_weights(informative, NAMES)


def test_the_coefficients_of_drawn_signals_are_found(
    fitted: FittedPrior, informative: list[LocusEvidence]
) -> None:
    whole = fitted.whole
    # Few variants are above the knot.
    assert (np.abs(np.array(whole.slopes) - [1.5, 1.5, 1.0]) < [0.3, 1.2, 0.35]).all()
    scores = np.concatenate([one.features[:, 0] for one in informative])
    assert whole.knots == pytest.approx([np.sort(scores)[round(0.98 * len(scores))]], abs=0.01)
    assert whole.null == pytest.approx(0.3, abs=0.1)
    assert whole.signals == 600
    assert whole.reason is Reason.FITTED


def test_they_maximise_the_penalised_likelihood() -> None:
    """Against the plain formula and a search without gradients."""
    loci = draw(40, (1.5, 1.0), 0.2, seed=2)
    whole = fit_prior_weights(loci, NAMES).whole
    [knot] = whole.knots
    assert whole.gain == pytest.approx(likelihood(loci, whole.slopes, whole.null, knot) / 40)
    squares = sum(((one.features - one.features.mean(axis=0)) ** 2).sum(axis=0) for one in loci)
    # Both slopes of the score are penalised by its own units.
    deviation = np.sqrt(squares / (40 * (VARIANTS - 1)))[[0, 0, 1]]

    def loss(parameters: Values) -> float:
        if parameters[:2].min() < 0 or not 0.001 <= parameters[3] < 0.99:
            return math.inf
        penalty = 0.5 * float(((parameters[:3] * deviation) ** 2).sum())
        return penalty - likelihood(loci, parameters[:3].tolist(), float(parameters[3]), knot)

    start = np.array([1.0, 1.0, 0.5, 0.3])
    best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-5}).x
    assert [*whole.slopes, whole.null] == pytest.approx(best.tolist(), abs=0.02)


def test_weights_are_the_formula(fitted: FittedPrior, informative: list[LocusEvidence]) -> None:
    locus, one = informative[3], fitted.of("3")
    found = fitted.weights("3", locus.features)
    assert found == pytest.approx(weights_of(locus.features, one.slopes, one.null, one.knots[0]))
    assert found.sum() == pytest.approx(1)
    assert found.min() > one.null / VARIANTS


def test_a_chromosome_has_no_say_in_its_own_weights(
    fitted: FittedPrior, informative: list[LocusEvidence]
) -> None:
    changed = [
        dataclasses.replace(one, log_bf=one.log_bf[:, ::-1]) if one.chromosome == "2" else one
        for one in informative
    ]
    other = fit_prior_weights(changed, NAMES)
    # Both begin from the fit to all signals, so that they differ in the last digits.
    assert other.of("2").slopes == pytest.approx(fitted.of("2").slopes, rel=1e-3)
    assert other.of("2").null == pytest.approx(fitted.of("2").null, rel=1e-2)
    assert other.of("1").gain < fitted.of("1").gain - 0.05


def test_other_chromosomes_have_the_fit_to_all(fitted: FittedPrior) -> None:
    assert list(fitted.by_chromosome) == [str(number) for number in range(6)]
    assert fitted.of("X") is fitted.whole


@pytest.mark.parametrize("slopes", [(0.0, 0.0), (-2.0, 0.0)])
def test_scores_that_say_nothing_or_are_inverted_have_no_slope(slopes: tuple[float, float]) -> None:
    loci = draw(300, slopes, 0.0, seed=3)
    # Without the annotation, which could be in the way.
    loci = [dataclasses.replace(one, features=one.features[:, :1]) for one in loci]
    prior = fit_prior_weights(loci, NAMES[:1])
    flat = np.full(VARIANTS, 1 / VARIANTS)
    for one in loci[:6]:
        # At most a slope by chance: it changes no weight threefold.
        assert (np.abs(np.log(prior.weights(one.chromosome, one.features) / flat)) < math.log(3)).all()
    assert slopes[0] == 0 or not any(prior.whole.slopes)


def test_a_score_that_says_nothing_more_above_its_knot_is_flat_there() -> None:
    loci = draw(1500, (2.0, 0.0), 0.0, seed=8, knot=1.0)
    below, above, _ = fit_prior_weights(loci, NAMES).whole.slopes
    # The knot of the fit lies at 2.05, so that the line between is less steep.
    assert below > 1
    assert above == pytest.approx(0, abs=0.2)


def test_annotations_may_have_a_negative_coefficient() -> None:
    prior = fit_prior_weights(draw(400, (0.0, -3.0), 0.0, seed=4), NAMES)
    assert prior.whole.slopes[2] < -1.5
    # As a score it may not.
    both = fit_prior_weights(draw(400, (0.0, -3.0), 0.0, seed=4), NAMES, scores=2)
    assert both.names == ("score", "state", both.names[2], "state above 1")
    assert (both.whole.slopes[1], both.whole.slopes[3]) == (0, 0)


def test_units_and_origin_of_features_do_not_matter(
    fitted: FittedPrior, informative: list[LocusEvidence]
) -> None:
    moved = [
        dataclasses.replace(one, features=one.features * [1000, 1] + [7, number])
        for number, one in enumerate(informative)
    ]
    other = fit_prior_weights(moved, NAMES)
    assert other.whole.slopes[0] * 1000 == pytest.approx(fitted.whole.slopes[0], rel=1e-3)
    expected = fitted.weights("0", informative[0].features)
    assert other.weights("0", moved[0].features) == pytest.approx(expected, rel=1e-2)


def test_variants_without_a_score_count_as_the_mean_of_their_locus(fitted: FittedPrior) -> None:
    features = np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, np.nan], [0.5, 0.0]])
    weights = fitted.weights("0", features)
    assert weights[2] == pytest.approx(weights[3])
    none = fitted.weights("0", np.full((4, 2), np.nan))
    assert none == pytest.approx([0.25] * 4)


def test_few_chromosomes_give_flat_weights() -> None:
    for chromosomes, loci in ((1, 50), (2, 50)):
        prior = fit_prior_weights(draw(loci, (2.0, 0.0), 0.0, seed=5, chromosomes=chromosomes), NAMES)
        assert prior.of("0").reason is Reason.TOO_FEW
        assert prior.weights("0", np.zeros((5, 2))) == pytest.approx([0.2] * 5)
    none = fit_prior_weights([], NAMES)
    assert (none.whole.reason, none.whole.signals, none.by_chromosome) == (Reason.TOO_FEW, 0, {})
    without = LocusEvidence("1", np.ones((3, 2)), np.zeros((0, 3)))
    alone = fit_prior_weights([without], NAMES)
    assert (alone.whole.reason, alone.whole.signals) == (Reason.TOO_FEW, 0)


def test_constant_features_give_flat_weights(informative: list[LocusEvidence]) -> None:
    constant = [dataclasses.replace(one, features=np.full((VARIANTS, 2), 7.0)) for one in informative[:20]]
    prior = fit_prior_weights(constant, NAMES)
    assert prior.of("1").reason is Reason.CONSTANT
    assert prior.whole.flat


def test_bayes_factors_of_any_size_are_read() -> None:
    """Huge, tiny and none at all: only ratios within an effect count."""
    loci = draw(60, (1.5, 0.0), 0.0, seed=6)
    far = [dataclasses.replace(one, log_bf=one.log_bf + 5000) for one in loci]
    one, other = (fit_prior_weights(each, NAMES).whole for each in (loci, far))
    assert other.slopes == pytest.approx(one.slopes, rel=1e-3)
    without = loci[0].log_bf.copy()
    without[0, 5:] = -np.inf
    loci[0] = dataclasses.replace(loci[0], log_bf=without)
    whole = fit_prior_weights(loci, NAMES).whole
    finite = [dataclasses.replace(loci[0], log_bf=np.maximum(without, -1e4)), *loci[1:]]
    assert whole.gain == pytest.approx(likelihood(finite, whole.slopes, whole.null, whole.knots[0]) / 60)


def test_the_table_has_a_row_for_each_chromosome_and_coefficient(fitted: FittedPrior) -> None:
    table = fitted.table()
    assert list(table) == ["chrom", "feature", "coefficient", "signals", "gain", "held_out_gain", "reason"]
    above = f"score above {fitted.whole.knots[0]:.4g}"
    assert list(table["feature"]) == ["score", above, "state", "null"] * 7
    assert list(table["chrom"].unique()) == ["0", "1", "2", "3", "4", "5", "all"]
    last = table[table["chrom"] == "all"]
    assert last["coefficient"].tolist() == [*fitted.whole.slopes, fitted.whole.null]
    assert table["signals"].tolist() == [500] * 24 + [600] * 4


def test_scores_become_logits_where_they_are_probabilities() -> None:
    scores = np.array([0.1, np.nan, 0.9])
    feature, scale = to_feature(scores)
    assert feature[[0, 2]] == pytest.approx(logit([0.1, 0.9]))
    assert math.isnan(feature[1])
    assert scale is Scale.LOGIT
    for other in (np.array([0.2, 1.7]), np.array([-3.0, 0.5]), np.array([np.nan]), np.array([0.0, 1.0, 1.0])):
        feature, scale = to_feature(other)
        assert feature is other
        assert scale is Scale.RAW


def test_a_few_scores_of_0_or_1_do_not_change_the_scale() -> None:
    scores = np.linspace(0.01, 0.99, 500)
    feature, scale = to_feature(np.array([*scores, 0.0, 1.0, 1.0]))
    assert scale is Scale.LOGIT
    assert feature[:500] == pytest.approx(logit(scores))
    assert feature[500:] == pytest.approx(logit([0.01, 0.99, 0.99]))
    # Classes, such as thirds, are no probabilities.
    classes = np.array([0.0] * 95 + [1 / 3] * 4 + [1.0])
    assert to_feature(classes)[1] is Scale.RAW


def test_scores_that_were_turned_round_have_the_opposite_logits() -> None:
    scores = np.linspace(0.01, 0.99, 50)
    feature, scale = to_feature(-scores)
    assert scale is Scale.LOGIT
    assert feature == pytest.approx(-logit(scores))


def test_evidence_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4\).*\(effects, 3\)"):
        LocusEvidence("1", np.zeros((3, 1)), np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"\(3,\).*\(variants, features\)"):
        LocusEvidence("1", np.zeros(3), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="chr7 has a NaN"):
        LocusEvidence("chr7", np.zeros((2, 1)), np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match="without a finite number"):
        LocusEvidence("1", np.zeros((2, 1)), np.full((1, 2), -np.inf))
    one = LocusEvidence("1", np.zeros((2, 1)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="1 features; expected 2: score, state"):
        fit_prior_weights([one], NAMES)
    fitted = Coefficients((1.0, 1.0), (0.0,), 0.1, 3, 0.2, 0.1, Reason.FITTED)
    with pytest.raises(ValueError, match="2 features; expected 1"):
        fitted.weights(np.zeros((3, 2)))
