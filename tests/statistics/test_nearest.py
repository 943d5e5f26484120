"""Groups of points by their neighbours and means, beside scipy's and scikit-learn's."""

import numpy as np
import pytest

from mifm_kipoi.statistics.nearest import Centroids, neighbour_fractions, neighbours


@pytest.fixture
def points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    groups = generator.integers(0, 3, 300)
    means = generator.normal(size=(3, 4)) * 1.5
    spread = generator.normal(size=(4, 4))
    known = means[groups] + generator.normal(size=(300, 4)) @ spread
    return known, groups, generator.normal(size=(5000, 4)) * 3


def test_probabilities_by_means_are_those_of_normal_distributions(
    points: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    from scipy.stats import multivariate_normal
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    known, groups, others = points
    means = np.stack([known[groups == group].mean(axis=0) for group in range(3)])
    pooled = np.cov((known - means[groups]).T) * 299 / 297
    logarithms = np.stack([multivariate_normal(mean, pooled).logpdf(others) for mean in means], axis=1)
    logarithms -= logarithms.max(axis=1, keepdims=True)
    probabilities = Centroids.of(known, groups, 3).probabilities(others)
    expected = np.exp(logarithms) / np.exp(logarithms).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=1e-10)
    oracle = LinearDiscriminantAnalysis(priors=np.full(3, 1 / 3)).fit(known, groups)
    assert (probabilities.argmax(axis=1) == oracle.predict(others)).mean() > 0.999


def test_fractions_of_neighbours_are_those_of_scikit_learn(
    points: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    known, groups, others = points
    oracle = KNeighborsClassifier(7).fit(known, groups)
    rows, distances = neighbours(known, others, 7)
    np.testing.assert_allclose(neighbour_fractions(rows, groups, 3), oracle.predict_proba(others))
    np.testing.assert_allclose(np.sort(distances, axis=1), oracle.kneighbors(others)[0], atol=1e-6)


def test_a_dimension_without_spread_does_not_decide() -> None:
    known = np.array([[0.0, 1], [1, 1], [10, 1], [11, 1]])
    probabilities = Centroids.of(known, np.array([0, 0, 1, 1]), 2).probabilities(
        np.array([[0.5, 1], [10.5, 1]])
    )
    np.testing.assert_allclose(probabilities, np.eye(2), atol=1e-6)
