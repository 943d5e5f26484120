"""Principal components beside numpy's decomposition, and new rows beside components of all rows together."""

import numpy as np
import pytest

from mifm_kipoi.statistics.components import principal_components, projected


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    matrix = np.random.default_rng(1).normal(size=(12, 40))
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    for count, kept in ((3, 3), (12, 12), (20, 12)):
        found = principal_components(matrix @ matrix.T, count)
        np.testing.assert_allclose(found.singular, singular[:kept])
        signs = np.sign((found.vectors * left[:, :kept]).sum(axis=0))
        np.testing.assert_allclose(found.vectors, left[:, :kept] * signs, atol=1e-10)
        assert (found.vectors[np.abs(found.vectors).argmax(axis=0), range(kept)] > 0).all()
    np.testing.assert_allclose(found.scores @ found.scores.T, matrix @ matrix.T)


def test_a_matrix_of_lower_rank_has_no_more_components() -> None:
    generator = np.random.default_rng(2)
    matrix = generator.normal(size=(10, 3)) @ generator.normal(size=(3, 30))
    assert len(principal_components(matrix @ matrix.T, 8).singular) == 3


def test_new_rows_are_where_components_of_all_rows_have_them() -> None:
    """Brute force: the components of the matrix with the row, brought onto the old ones."""
    generator = np.random.default_rng(3)
    matrix, new = generator.normal(size=(8, 50)) + 1, generator.normal(size=(5, 50))
    found = principal_components(matrix @ matrix.T, 8)
    axes = matrix.T @ found.vectors / found.singular
    placed = projected(found, new @ axes, (new**2).sum(axis=1))
    for row, mine in zip(new, placed, strict=True):
        left, singular, _ = np.linalg.svd(np.vstack([matrix, row]), full_matrices=False)
        scores = (left * singular)[:, :8]
        u, stretch, vt = np.linalg.svd(scores[:8].T @ found.scores)
        scale = stretch.sum() / (scores[:8] ** 2).sum()
        np.testing.assert_allclose(mine, scale * scores[8] @ u @ vt, atol=1e-10)


def test_new_rows_are_not_shrunk_towards_the_centre() -> None:
    """Two groups of few people and many variables, in which products with the axes are."""
    generator = np.random.default_rng(4)
    between = generator.normal(size=2000) * 0.3
    group = np.repeat([-1.0, 1.0], 30)
    matrix = generator.normal(size=(60, 2000)) + np.outer(group, between)
    found = principal_components(matrix @ matrix.T, 10)
    rows = 5000
    new = generator.normal(size=(rows, 2000)) + np.outer(np.resize([1.0, -1.0], rows), between)
    axes = matrix.T @ found.vectors / found.singular
    scores = new @ axes
    placed = projected(found, scores, (new**2).sum(axis=1))
    assert placed.shape == (rows, 10)
    old = np.abs(found.scores[:, 0]).mean()
    assert np.abs(scores[:, 0]).mean() < 0.85 * old
    assert np.abs(placed[:, 0]).mean() == pytest.approx(old, rel=0.05)
