"""Principal components against a singular value decomposition."""

import numpy as np
import pytest

from benchmarks.cohort.components import components, independent


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    generator = np.random.default_rng(1)
    samples = {}
    frequency = generator.uniform(0.2, 0.8, (60, 1))
    for name, shift in (("a", 0.0), ("b", 0.15), ("c", -0.15)):
        own = np.clip(frequency + shift * generator.choice([-1, 1], (60, 1)), 0.05, 0.95)
        samples[name] = generator.binomial(2, own, (60, 100)).astype(np.uint8)
    samples["a"][5], samples["b"][5], samples["c"][5] = 0, 0, 0
    found = components(samples, ["a", "b"], count=3)
    together = np.concatenate([samples["a"], samples["b"]], axis=1).astype(float)
    p = together.mean(axis=1) / 2
    varying = p > 0
    p = p[varying, None]
    X = ((together[varying] - 2 * p) / np.sqrt(2 * p * (1 - p))).T
    left, values, axes = np.linalg.svd(X, full_matrices=False)
    scores = np.concatenate([found["a"], found["b"]])
    assert scores.shape == (200, 3)
    for column in range(3):
        expected = left[:, column] * values[column]
        assert abs(np.corrcoef(scores[:, column], expected)[0, 1]) == pytest.approx(1, abs=1e-9)
        assert np.std(scores[:, column]) == pytest.approx(1)
    other = (samples["c"][varying] - 2 * p) / np.sqrt(2 * p * (1 - p))
    projected = other.T @ axes[0]
    assert abs(np.corrcoef(found["c"][:, 0], projected)[0, 1]) == pytest.approx(1, abs=1e-9)


def test_independent_variants_are_common_and_in_little_ld() -> None:
    generator = np.random.default_rng(2)
    dosages = generator.binomial(2, 0.4, (20, 500)).astype(np.uint8)
    dosages[1], dosages[3] = dosages[0], 2 - dosages[2]
    dosages[4] = generator.binomial(2, 0.01, 500)
    chosen = independent(dosages)
    assert chosen[:3].tolist() == [0, 2, 5]
    assert chosen.size == 12
    assert not independent(np.zeros((3, 10), dtype=np.uint8)).size
