"""Areas under ROC curves: against scikit-learn, all pairs of rows, and the bootstrap."""

import numpy as np
import pytest

from mifm_kipoi.statistics.bootstrap import resampled_within_classes
from mifm_kipoi.statistics.delong import areas
from mifm_kipoi.statistics.ranking import Curve

metrics = pytest.importorskip("sklearn.metrics")


def data(size: int = 300, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Three scores, the last with ties, and classes."""
    generator = np.random.default_rng(seed)
    positive = generator.random(size) < 0.3
    scores = (
        generator.normal(size=(size, 3)) + generator.normal(size=(size, 1)) + positive[:, None] * [1, 0.7, 1]
    )
    return np.column_stack([scores[:, :2], scores[:, 2].round()]), positive


def all_pairs(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area and DeLong's covariance, as the paper writes them."""
    cases, controls = scores[positive], scores[~positive]
    kernel = (cases[:, None] > controls[None]) + 0.5 * (cases[:, None] == controls[None])
    return kernel.mean(axis=(0, 1)), np.cov(kernel.mean(axis=1).T) / len(cases) + np.cov(
        kernel.mean(axis=0).T
    ) / len(controls)


def test_areas_and_covariance_are_those_of_all_pairs() -> None:
    scores, positive = data()
    measures, expected = areas(scores, positive), all_pairs(scores, positive)
    assert measures.values == pytest.approx(expected[0], rel=1e-12)
    assert measures.covariance == pytest.approx(expected[1], rel=1e-10)
    oracle = [metrics.roc_auc_score(positive, score) for score in scores.T]
    assert measures.values == pytest.approx(oracle, rel=1e-12)


def test_covariance_is_that_of_the_bootstrap() -> None:
    scores, positive = data(1000)
    drawn = np.stack(
        [resampled_within_classes(positive, Curve(score, positive).auroc, 2, 1500) for score in scores.T]
    )
    measures = areas(scores, positive)
    assert measures.covariance == pytest.approx(np.cov(drawn), rel=0.15)
    assert measures.difference(0, 1).standard_error == pytest.approx((drawn[0] - drawn[1]).std(), rel=0.08)


def test_strata_are_compared_within_themselves() -> None:
    scores, positive = data()
    fold = np.arange(300) % 3
    parts = [all_pairs(scores[fold == one], positive[fold == one]) for one in range(3)]
    pairs = np.array([positive[fold == one].sum() * (~positive[fold == one]).sum() for one in range(3)])
    weights = pairs / pairs.sum()
    # What a model adds to all of its predictions does not matter within folds.
    measures = areas(scores + 100 * fold[:, None], positive, fold)
    assert measures.values == pytest.approx(sum(w * p[0] for w, p in zip(weights, parts, strict=True)))
    assert measures.covariance == pytest.approx(
        sum(w**2 * p[1] for w, p in zip(weights, parts, strict=True)), rel=1e-9
    )
    # A stratum without cases has no pairs.
    more = areas(np.vstack([scores, scores[:5]]), np.append(positive, [False] * 5), np.append(fold, [9] * 5))
    assert more.values == pytest.approx(areas(scores, positive, fold).values)


def test_without_both_classes_there_is_no_area() -> None:
    scores, positive = data()
    assert np.isnan(areas(scores, positive & False).values).all()
    broken = scores.copy()
    broken[3, 1] = np.nan
    measures = areas(broken, positive)
    assert list(np.isnan(measures.values)) == [False, True, False]
    assert np.isfinite(measures.standard_errors[[0, 2]]).all()
