"""Resamples against closed forms and plain Python."""

import numpy as np
import pytest
import scipy.stats

from mifm_kipoi.statistics import bootstrap
from mifm_kipoi.statistics.bootstrap import RESAMPLES, Bootstrap, resampled_within_classes
from mifm_kipoi.statistics.correlation import spearman
from mifm_kipoi.statistics.estimates import centred, estimate, standard_error, two_sided_p
from mifm_kipoi.statistics.ranking import Curve


def weights_of(drawn: Bootstrap) -> bootstrap.Values:
    return np.concatenate(list(drawn.weights()))


def test_the_mean_has_the_interval_of_independent_values() -> None:
    values = np.random.default_rng(1).exponential(size=400)
    found = Bootstrap.of_clusters(np.arange(400)).mean(values)
    error = 1.96 * values.std() / 20
    assert found.value == values.mean()
    assert found.value - found.low == pytest.approx(error, rel=0.1)
    assert found.high - found.value == pytest.approx(error, rel=0.1)


def test_rows_of_one_cluster_count_once() -> None:
    values = np.random.default_rng(2).normal(size=150)
    repeated = np.repeat(values, 6)
    once = Bootstrap.of_clusters(np.arange(150)).mean(values)
    together = Bootstrap.of_clusters(np.repeat(np.arange(150) * 5 - 100, 6)).mean(repeated)
    apart = Bootstrap.of_clusters(np.arange(900)).mean(repeated)
    assert (together.low, together.high) == pytest.approx((once.low, once.high), rel=1e-9)
    # The ends of either are known to some percent, from a thousand resamples.
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(6**0.5, rel=0.2)


def test_the_interval_of_a_statistic_is_that_of_the_mean() -> None:
    generator = np.random.default_rng(3)
    cluster = generator.integers(0, 12, 200)
    values = generator.normal(size=200)
    clusters = Bootstrap.of_clusters(cluster)
    mean = clusters.mean(values)
    found = clusters.estimate(lambda weights: values @ weights / weights.sum(axis=0))
    assert (found.value, found.low, found.high) == pytest.approx((mean.value, mean.low, mean.high), rel=1e-9)
    weights = weights_of(clusters)
    assert weights.shape == (RESAMPLES, 12)
    assert (weights.sum(axis=1) == 12).all()


def test_the_seed_decides_the_interval() -> None:
    values = np.arange(30.0)
    first, again, other = (Bootstrap.of_clusters(np.arange(30), seed).mean(values) for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert (first.low, first.high) != (other.low, other.high)


def test_the_order_of_rows_leaves_the_interval() -> None:
    generator = np.random.default_rng(4)
    cluster, values = generator.integers(0, 9, 60), generator.normal(size=60)
    order = generator.permutation(60)
    one = Bootstrap.of_clusters(cluster).mean(values)
    other = Bootstrap.of_clusters(cluster[order]).mean(values[order])
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)


def test_a_statistic_that_resamples_lack_has_no_interval() -> None:
    """The only positive row is in one of six clusters, which a third of the resamples lack."""
    clusters = Bootstrap.of_clusters(np.arange(6))
    score, positive = np.arange(6.0), np.arange(6) == 4
    found = clusters.estimate(Curve(score, positive).average_precision)
    assert np.isnan(clusters.resampled(Curve(score, positive).average_precision)).mean() > 0.3
    assert found.value == 0.5
    assert np.isnan([found.low, found.high]).all()


def test_a_mean_of_some_rows_needs_enough_of_their_clusters() -> None:
    clusters = Bootstrap.of_clusters(np.repeat(np.arange(40), 2))
    values = np.random.default_rng(5).normal(size=80)
    for count, known in ((4, False), (5, True)):
        rows = np.arange(80 - 2 * count, 80)
        found = clusters.mean(values[rows], rows)
        assert found.value == values[rows].mean()
        assert np.isfinite([found.low, found.high]).tolist() == [known, known]


def test_many_clusters_are_drawn_in_parts() -> None:
    many = Bootstrap.of_clusters(np.arange(3_000_000), 1, 2)
    parts = list(many.weights())
    assert [part.shape for part in parts] == [(1, 3_000_000)] * 2
    again = np.random.default_rng(1).multinomial(3_000_000, np.full(3_000_000, 1 / 3_000_000), 2)
    assert all((part[0] == one).all() for part, one in zip(parts, again, strict=True))
    assert many.sums(np.ones(3_000_000)).tolist() == [3_000_000] * 2


def test_clusters_are_drawn_with_replacement() -> None:
    weights = weights_of(Bootstrap.of_clusters(np.arange(50), 1, 4000))
    assert weights.shape == (4000, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.02)
    assert (weights_of(Bootstrap.of_clusters(np.arange(50), 1, 4000)) == weights).all()
    assert (weights_of(Bootstrap.of_clusters(np.arange(50), 2, 4000)) != weights).any()


def test_sums_are_those_of_weighted_rows() -> None:
    generator = np.random.default_rng(11)
    cluster, values = generator.integers(0, 7, 50), generator.normal(size=(2, 3, 50))
    bootstrap = Bootstrap.of_clusters(cluster, 3, 25)
    sums = np.apply_along_axis(lambda row: np.bincount(bootstrap.index, row), -1, values)
    found = bootstrap.sums(sums)
    assert found.shape == (2, 3, 25)
    np.testing.assert_allclose(found, bootstrap.resampled(lambda weights: values @ weights), atol=1e-12)


def test_nothing_to_draw() -> None:
    nothing = Bootstrap.of_clusters(np.zeros(0, np.int64), resamples=3)
    assert nothing.sums(np.zeros((2, 0))).tolist() == [[0, 0, 0]] * 2
    none = Bootstrap.of_circular_blocks(np.array([4, 4, 9]), 50, resamples=0)
    assert none.resampled(lambda weights: weights.sum(axis=0)).shape == (0,)
    assert np.isnan(none.mean(np.ones(3)).low)


def test_resamples_are_those_of_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a cluster are there as often as it was drawn, whatever is in memory at once."""
    generator = np.random.default_rng(6)
    cluster, values = generator.integers(3, 9, 40), generator.normal(size=40)
    clusters = Bootstrap.of_clusters(cluster, seed=4, resamples=57)
    expected = []
    for drawn in weights_of(clusters):
        times = dict(zip(clusters.names.tolist(), drawn.tolist(), strict=True))
        expected.append(
            sum(value * times[name] for name, value in zip(cluster.tolist(), values, strict=True))
        )

    def total(weights: bootstrap.Values) -> bootstrap.Values:
        return np.stack([values @ weights, weights.sum(axis=0)])

    for chunk_size in (1, 40 * 10, 1 << 20):
        monkeypatch.setattr(bootstrap, "_ROW_WEIGHTS", chunk_size)
        found = clusters.resampled(total)
        assert found.shape == (2, 57)
        assert found[0].tolist() == pytest.approx(expected)
        sizes = weights_of(clusters) @ np.bincount(cluster)[3:]
        assert found[1].tolist() == sizes.tolist()


def test_values_that_are_drawn_with_some_rows() -> None:
    """Of groups whose rows are in clusters: one value of each group, drawn with one of its rows."""
    clusters = Bootstrap.of_clusters(np.array([5, 5, 8, 8, 9]), seed=2, resamples=200)
    found = clusters.means(np.array([1.0, 4.0]), np.array([1, 4]))
    fives, _, nines = weights_of(clusters).T
    with np.errstate(invalid="ignore"):
        expected = (1 * fives + 4 * nines) / (fives + nines)
    assert found.tolist() == pytest.approx(expected.tolist(), nan_ok=True)
    assert np.isnan(found).any()


def test_classes_are_drawn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    positive = np.arange(50) % 5 == 0

    def sums(weights: bootstrap.Values) -> bootstrap.Values:
        return np.stack([weights[positive].sum(axis=0), weights[~positive].sum(axis=0), weights[0]])

    monkeypatch.setattr(bootstrap, "_ROW_WEIGHTS", 50 * 7)
    found = resampled_within_classes(positive, sums, seed=3, resamples=300)
    assert found.shape == (3, 300)
    assert set(found[0]) == {10}
    assert set(found[1]) == {40}
    # Binomial with 10 draws of 1/10 each.
    assert found[2].mean() == pytest.approx(1, abs=0.2)
    assert found[2].var() == pytest.approx(0.9, rel=0.3)
    again = resampled_within_classes(positive, sums, seed=3, resamples=300)
    assert (again == found).all()
    assert (resampled_within_classes(positive, sums, seed=4, resamples=300) != found).any()


def test_the_standard_error_within_classes_is_that_of_the_mean() -> None:
    generator = np.random.default_rng(7)
    positive, values = np.arange(900) < 400, generator.normal(size=900)
    found = resampled_within_classes(positive, lambda w: values[positive] @ w[positive] / 400, resamples=2000)
    assert standard_error(found) == pytest.approx(values[positive].std() / 20, rel=0.08)


def test_centred_intervals_hold_the_truth_more_often() -> None:
    """Of a score that is no better than chance, in matched groups of one positive and nine others."""
    generator = np.random.default_rng(8)
    plain = better = 0
    for seed in range(120):
        score, positive = generator.normal(size=200), np.arange(200) % 10 == 0
        curve = Curve(score, positive)
        resampled = Bootstrap.of_clusters(np.arange(200) // 10, seed, 300).resampled(curve.average_precision)
        value = float(curve.average_precision())
        found, moved = (estimate(value, each, 20) for each in (resampled, centred(value, resampled)))
        plain += found.low <= 0.1 <= found.high
        better += moved.low <= 0.1 <= moved.high
    assert plain / 120 < 0.92
    assert better / 120 > 0.93


def test_p_values_are_even_where_nothing_differs() -> None:
    generator = np.random.default_rng(9)
    found = [
        two_sided_p(Bootstrap.of_clusters(np.arange(60), seed, 400).means(generator.normal(size=60)), 60)
        for seed in range(300)
    ]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.09)


def test_rows_of_a_position_are_drawn_together() -> None:
    positions = np.array([30, 10, 10, 20, 30, 30])
    draws = Bootstrap.of_circular_blocks(positions, 5, resamples=500)
    assert (draws.names.tolist(), draws.blocks) == ([10, 20, 30], 3)
    weights = weights_of(draws)
    assert weights.shape == (500, 3)
    assert (weights.sum(axis=1) == 3).all()
    # Each position comes once a draw on average; its count is binomial (3, 1/3).
    assert weights.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    rows = draws.resampled(lambda drawn: drawn)
    assert (weights[:, [2, 0, 0, 1, 2, 2]] == rows.T).all()
    assert (weights_of(Bootstrap.of_circular_blocks(positions, 5, resamples=500)) == weights).all()
    assert (weights_of(Bootstrap.of_circular_blocks(positions, 5, (2, 3), 500)) != weights).any()


def test_the_interval_is_that_of_plain_resampling() -> None:
    random = np.random.default_rng(3)
    positions = np.repeat(np.arange(230), 3)
    shared = random.normal(size=230)[positions]
    x = shared + 0.3 * random.normal(size=690)
    y = 0.4 * shared + random.normal(size=230)[positions]
    found = Bootstrap.of_circular_blocks(positions, 50, 4, 2000).estimate(
        lambda weights: spearman(x, y, weights)
    )
    plain = []
    for _ in range(2000):
        # Five blocks of 50 of 230 positions, around the end; the last is cut.
        chosen = [(start + step) % 230 for start in random.integers(0, 230, 5) for step in range(50)][:230]
        rows = np.concatenate([np.arange(3 * p, 3 * p + 3) for p in chosen])
        plain.append(scipy.stats.spearmanr(x[rows], y[rows]).statistic)
    low, high = np.percentile(plain, (2.5, 97.5))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    assert found.value == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)


@pytest.mark.parametrize(
    ("positions", "length"),
    [
        (np.arange(600), 50),
        (np.arange(151), 50),
        (np.arange(30), 30),
        (np.arange(2), 2),
        # One of five bases was measured.
        (np.arange(0, 600, 5), 10),
        (np.array([1, 1000, 5000]), 1),
    ],
)
def test_blocks_of_positions_are_drawn(positions: np.ndarray, length: int) -> None:
    draws = Bootstrap.of_circular_blocks(np.repeat(positions, 3), 50, resamples=300)
    assert draws.block_length == length
    assert draws.blocks == -(-len(positions) // length)
    times = weights_of(draws)
    assert (times.sum(axis=1) == len(positions)).all()
    # Counts change where a block begins or ends, and nowhere else.
    changes = np.abs(times - np.roll(times, 1, axis=1)).sum(axis=1)
    assert changes.max() <= 2 * draws.blocks
    assert times.mean(axis=0) == pytest.approx(np.ones(len(positions)), abs=0.35)


def test_noise_that_is_alike_at_neighbours_seldom_seems_to_correlate() -> None:
    """Positions drawn one by one exclude 0 in half of such elements."""
    random = np.random.default_rng(6)
    excluded = 0
    for seed in range(60):
        x, y = (np.convolve(random.normal(size=309), np.ones(10), "valid") for _ in range(2))
        draws = Bootstrap.of_circular_blocks(np.arange(300), 50, seed, 200)
        found = draws.estimate(lambda weights, x=x, y=y: spearman(x, y, weights))
        excluded += not found.low <= 0 <= found.high
    assert excluded < 20


@pytest.mark.parametrize(("size", "known"), [(200, False), (201, True)])
def test_an_element_of_few_blocks_has_no_interval(size: int, known: bool) -> None:
    x, y = np.random.default_rng(7).normal(size=(2, size))
    found = Bootstrap.of_circular_blocks(np.arange(size), 50).estimate(lambda w: spearman(x, y, w))
    assert np.isfinite([found.value, found.low, found.high]).tolist() == [True, known, known]
