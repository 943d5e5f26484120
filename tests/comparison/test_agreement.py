"""Correlations, their intervals, overlaps of the top and agreement within blocks, recomputed plainly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats

from mifm_kipoi.comparison.agreement import (
    CORRELATION_COLUMNS,
    BlockedColumn,
    block_agreement,
    correlations,
    overlaps,
)
from mifm_kipoi.comparison.blocks import independent_blocks
from mifm_kipoi.comparison.records import Comparison
from mifm_kipoi.statistics.bootstrap import Bootstrap
from tests.comparison.builders import comparison

Numbers = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def mixed() -> Comparison:
    """Scores that are skewed, tied, missing, huge and tiny, over twelve blocks, some rows outside all."""
    generator = np.random.default_rng(1)
    size = 600
    shared = generator.normal(size=size)

    def noisy(weight: float) -> Numbers:
        return weight * shared + generator.normal(size=size)

    scores = {
        "a": {"skewed": np.exp(2 * noisy(2)), "tied": np.round(noisy(1))},
        "b": {"huge": 1e300 * noisy(0.5), "tiny": 1e-300 * noisy(3)},
        "c": {"missing": np.where(generator.random(size) < 0.4, np.nan, noisy(1)), "far": 1e9 + noisy(2)},
    }
    block = np.repeat(np.arange(12), size // 12)
    block[generator.random(size) < 0.1] = -1
    return comparison(scores, pos=np.arange(1, size + 1) * 2000, block=block)


def _both(found: Comparison, a: str, b: str) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    x, y = found.table[a].to_numpy(), found.table[b].to_numpy()
    rows = ~(np.isnan(x) | np.isnan(y))
    return x[rows], y[rows], rows


def test_correlations_are_those_of_scipy_over_the_variants_that_both_score(mixed: Comparison) -> None:
    table = correlations(mixed, resamples=20)
    assert tuple(table.columns) == CORRELATION_COLUMNS
    assert len(table) == 15
    for row in table.itertuples():
        x, y, _ = _both(mixed, row.model_a, row.model_b)
        assert row.n == len(x)
        # scipy's own sums overflow.
        scale = 1e-300 if "huge" in row.model_a + row.model_b else 1.0
        x, y = (x * scale if "huge" in row.model_a else x), (y * scale if "huge" in row.model_b else y)
        x, y = (x * 1e300 if "tiny" in row.model_a else x), (y * 1e300 if "tiny" in row.model_b else y)
        assert row.pearson == pytest.approx(scipy.stats.pearsonr(x, y)[0], abs=1e-9)
        assert row.spearman == pytest.approx(scipy.stats.spearmanr(x, y)[0], abs=1e-9)
        assert row.note == ""
    assert table["spearman"].abs().max() > 0.5


def test_intervals_are_those_of_a_loop_over_resamples(mixed: Comparison) -> None:
    table = correlations(mixed, resamples=60, seed=5)
    block = independent_blocks(mixed)
    weights = next(Bootstrap.of_clusters(block, 5, 60).weights()).astype(int)
    for row in table.itertuples():
        x, y, rows = _both(mixed, row.model_a, row.model_b)
        pearson, spearman = [], []
        rank_x, rank_y = scipy.stats.rankdata(x), scipy.stats.rankdata(y)
        for weight in weights:
            times = weight[block[rows]]
            again = np.repeat(x / np.abs(x).max(), times), np.repeat(y / np.abs(y).max(), times)
            pearson.append(np.corrcoef(*again)[0, 1])
            spearman.append(np.corrcoef(np.repeat(rank_x, times), np.repeat(rank_y, times))[0, 1])
        wanted = [*np.quantile(pearson, [0.025, 0.975]), *np.quantile(spearman, [0.025, 0.975])]
        got = [row.pearson_low, row.pearson_high, row.spearman_low, row.spearman_high]
        assert got == pytest.approx(wanted, abs=1e-6)
        assert row.blocks == len(np.unique(block[rows]))


def test_rows_outside_all_blocks_are_in_regions_of_their_contig() -> None:
    found = comparison(
        {"a": {"x": np.arange(7.0)}},
        chrom=["1", "1", "1", "1", "2", "2", "1"],
        pos=[5, 100_000, 100_001, 200_000, 100_000, 7, 200_001],
        block=[0, -1, -1, -1, -1, 1, 0],
    )
    block = independent_blocks(found)
    assert block[0] == block[6]
    assert block[2] == block[3]
    assert sorted(set(block.tolist())) == [0, 1, 2, 3, 4]
    assert len({block[row] for row in (0, 1, 2, 4, 5)}) == 5


def test_a_score_without_a_correlation_says_why() -> None:
    values = np.arange(12.0)
    found = comparison(
        {
            "a": {"x": values, "same": np.full(12, 0.1)},
            "b": {"few": np.where(values < 2, values, np.nan), "none": np.full(12, np.nan)},
            "c": {"infinite": np.where(values == 3, np.inf, values)},
        },
        block=np.repeat(np.arange(6), 2),
    )
    table = correlations(found, resamples=50).set_index(["model_a", "model_b"])
    notes = {
        ("a.x", "a.same"): "a.same constant",
        ("a.x", "b.few"): "fewer than 3 variants have both",
        ("a.x", "b.none"): "fewer than 3 variants have both",
        ("a.x", "c.infinite"): "no Pearson: c.infinite infinite",
    }
    for pair, note in notes.items():
        row = table.loc[pair]
        assert row["note"] == note
        assert np.isnan(row["pearson"])
        assert np.isnan(row["pearson_low"])
        assert np.isnan(row["spearman"]) == ("infinite" not in note)
    wanted = scipy.stats.spearmanr(values, scipy.stats.rankdata(found.table["c.infinite"]))[0]
    assert table.loc[("a.x", "c.infinite"), "spearman"] == pytest.approx(wanted, abs=1e-12)
    assert list(table["n"])[:3] == [12, 2, 0]


@pytest.mark.parametrize(("blocks", "known"), [(4, False), (5, True)])
def test_few_blocks_give_no_interval(blocks: int, known: bool) -> None:
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(2, 40))
    found = comparison({"a": {"x": x}, "b": {"y": y}}, block=np.arange(40) % blocks)
    row = correlations(found, resamples=200).iloc[0]
    assert np.isfinite(row["spearman_low"]) == known
    assert row["blocks"] == blocks


def test_blocks_are_those_that_have_both_scores() -> None:
    generator = np.random.default_rng(2)
    x, y, z = generator.normal(size=(3, 60))
    block = np.arange(60) % 6
    y[block < 2] = np.nan
    table = correlations(comparison({"a": {"x": x, "y": y, "z": z}}, block=block), resamples=100)
    assert list(table["blocks"]) == [4, 6, 4]
    for kind in ("pearson_low", "spearman_high"):
        assert np.isnan(table[kind]).tolist() == [True, False, True]


def test_a_score_that_varies_in_one_block_alone_gives_no_interval() -> None:
    generator = np.random.default_rng(2)
    block = np.repeat(np.arange(10), 10)
    pip = np.where(block == 3, generator.random(100), 0.0)
    found = comparison({"a": {"x": generator.normal(size=100)}, "b": {"pip": pip}}, block=block)
    row = correlations(found, resamples=200).iloc[0]
    assert np.isfinite(row["pearson"])
    assert np.isnan(row["pearson_low"])
    assert np.isnan(row["spearman_high"])


def test_resamples_that_are_all_alike_give_no_interval() -> None:
    x = np.random.default_rng(2).normal(size=100)
    found = comparison({"a": {"x": x}, "b": {"y": 2 * x + 1}}, block=np.arange(100) % 10)
    row = correlations(found, resamples=50).iloc[0]
    assert row["pearson"] == pytest.approx(1, abs=1e-12)
    assert np.isnan(row["pearson_low"])


def test_the_same_seed_gives_the_same_table(mixed: Comparison) -> None:
    first, again = correlations(mixed, 30, seed=3), correlations(mixed, 30, seed=3)
    assert first.equals(again)
    assert not first.equals(correlations(mixed, 30, seed=4))


def test_one_score_has_no_pairs() -> None:
    found = comparison({"a": {"x": np.arange(5.0)}})
    for table in (correlations(found), overlaps(found), block_agreement(found)):
        assert table.empty
        assert "model_a" in table.columns


def test_overlaps_are_those_of_sets_where_nothing_is_tied() -> None:
    generator = np.random.default_rng(4)
    x = generator.normal(size=2500)
    y = x + generator.normal(size=2500)
    y[generator.random(2500) < 0.1] = np.nan
    found = comparison({"a": {"x": x}, "b": {"y": y}})
    table = overlaps(found)
    rows = np.flatnonzero(~np.isnan(y))
    n = len(rows)
    assert list(table["top"]) == ["10", "100", "1000", "1 %"]
    assert list(table["k"]) == [10, 100, 1000, round(n / 100)]
    for row in table.itertuples():
        tops = [set(rows[np.argsort(-values[rows])][: row.k].tolist()) for values in (x, y)]
        assert row.overlap == pytest.approx(len(tops[0] & tops[1]) / row.k, abs=1e-12)
        assert (row.n, row.chance) == (n, row.k / n)
        assert (row.tied_a, row.tied_b) == (0, 0)
    assert 0.05 < table["overlap"].min() < table["overlap"].max() < 1


def test_overlap_of_a_score_without_order_is_that_of_chance() -> None:
    found = comparison({"a": {"x": np.arange(50.0)}, "b": {"same": np.zeros(50)}})
    (row,) = overlaps(found).itertuples()
    assert row.overlap == pytest.approx(row.chance)
    assert row.chance == 10 / 50
    assert (row.tied_a, row.tied_b) == (0, pytest.approx(1))


@pytest.mark.parametrize(("size", "tops"), [(20, []), (21, ["10"]), (49, ["10"]), (51, ["10", "1 %"])])
def test_tops_are_below_half_of_the_variants(size: int, tops: list[str]) -> None:
    found = comparison({"a": {"x": np.arange(float(size))}, "b": {"y": np.arange(float(size))}})
    assert list(overlaps(found)["top"]) == tops


@pytest.fixture(scope="module")
def blocked() -> Comparison:
    """Blocks of one variant to twelve, ties, missing values, one constant block, rows outside all."""
    generator = np.random.default_rng(6)
    sizes = [1, 2, 3, 4, 5, 6, 8, 12, 12, 7, 9, 11]
    block = np.repeat(np.arange(len(sizes)), sizes)
    generator.shuffle(block)
    block = np.concatenate([block, [-1] * 10])
    x = generator.integers(0, 4, len(block)).astype(float)
    y = x + generator.integers(0, 3, len(block))
    x[generator.random(len(block)) < 0.1] = np.nan
    y[block == 8] = 1.0
    return comparison({"a": {"x": x}, "b": {"y": y}}, block=block)


def _blocks(found: Comparison, smallest: int) -> tuple[dict[int, float], dict[int, float], list[float], int]:
    """Of each block the probability of the same best, and Spearman; chances; constant blocks."""
    x, y = found.table["a.x"].to_numpy(), found.table["b.y"].to_numpy()
    same, spearman, chances, constant = {}, {}, [], 0
    for number in range(found.block.max() + 1):
        rows = [row for row in range(len(x)) if found.block[row] == number and not np.isnan(x[row] + y[row])]
        if len(rows) >= smallest:
            best = [{row for row in rows if v[row] == max(v[rows])} for v in (x, y)]
            same[number] = len(best[0] & best[1]) / (len(best[0]) * len(best[1]))
            chances.append(1 / len(rows))
        if len(rows) >= 5:
            if len(set(x[rows])) == 1 or len(set(y[rows])) == 1:
                constant += 1
            else:
                spearman[number] = scipy.stats.spearmanr(x[rows], y[rows])[0]
    return same, spearman, chances, constant


@pytest.mark.parametrize("smallest", [2, 4])
def test_agreement_within_blocks_is_that_of_a_loop(blocked: Comparison, smallest: int) -> None:
    (row,) = block_agreement(blocked, resamples=80, seed=2, smallest=smallest).itertuples()
    same, spearman, chances, constant = _blocks(blocked, smallest)
    assert (row.blocks, row.spearman_blocks, row.constant_blocks) == (len(same), len(spearman), constant)
    assert constant == 1
    assert row.same_best == pytest.approx(np.mean(list(same.values())), abs=1e-12)
    assert row.chance == pytest.approx(np.mean(chances), abs=1e-12)
    assert row.mean_spearman == pytest.approx(np.mean(list(spearman.values())), abs=1e-12)
    (weights,) = Bootstrap.of_clusters(np.arange(len(blocked.block_names)), 2, 80).weights()
    for values, low, high in (
        (same, row.same_best_low, row.same_best_high),
        (spearman, row.mean_spearman_low, row.mean_spearman_high),
    ):
        numbers = np.array(list(values))
        means = [np.average(list(values.values()), weights=weight[numbers]) for weight in weights]
        assert [low, high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-12)


def test_ranks_within_blocks_are_those_of_a_loop(blocked: Comparison) -> None:
    values = blocked.table["a.x"].to_numpy()
    column = BlockedColumn(values, blocked.block, 12)
    rows = column.present & (np.arange(len(values)) % 3 > 0)
    rank, first = column.ranked(rows)
    for number in range(12):
        inside = rows & (blocked.block == number)
        if inside.any():
            wanted = scipy.stats.rankdata(values[inside]) - (inside.sum() + 1) / 2
            assert (rank[inside] == wanted).all()
            best = values[inside] == values[inside].max()
            assert first[inside] == pytest.approx(best / best.sum())
    assert (rank[~rows] == 0).all()
    assert (first[~rows] == 0).all()


def test_blocks_that_count_for_nothing() -> None:
    found = comparison({"a": {"x": np.arange(6.0)}, "b": {"y": np.arange(6.0)}}, block=[0, 1, 2, 3, -1, -1])
    (row,) = block_agreement(found, resamples=20).itertuples()
    assert (row.blocks, row.spearman_blocks) == (0, 0)
    assert np.isnan([row.same_best, row.chance, row.mean_spearman, row.same_best_low]).all()
    none = comparison({"a": {"x": np.arange(6.0)}, "b": {"y": np.arange(6.0)}}, block=[-1] * 6)
    assert block_agreement(none).empty
