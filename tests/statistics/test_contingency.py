"""Odds ratios and Fisher's test against scipy and statsmodels."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2

from mifm_kipoi.statistics.contingency import Counts, fisher_p, independent_interval, log_odds_ratio


def test_fisher_p_of_any_shape() -> None:
    """Tables with their p as of R's fisher.test; 1 where a margin is empty."""
    tables = np.array([[[3, 1, 1, 3], [10, 2, 3, 15]], [[0, 0, 4, 5], [3, 0, 5, 0]]])
    found = fisher_p(*np.moveaxis(tables, -1, 0))
    assert found == pytest.approx(np.array([[0.4857143, 0.0005367241], [1, 1]]), rel=1e-6)


@pytest.mark.parametrize("table", [(30_150, 230_000, 260_000, 2_100_000), (12, 260_000, 80, 2_300_000)])
def test_fisher_p_of_millions_of_rows_sums_the_rarer_tables(table: tuple[int, int, int, int]) -> None:
    a, b, c, _ = table
    chances = stats.hypergeom(sum(table), a + c, a + b).pmf(np.arange(a + c + 1))
    assert fisher_p(*table).item() == pytest.approx(
        chances[chances <= chances[a] * (1 + 1e-7)].sum(), rel=1e-6
    )


@hypothesis.given(*[st.integers(1, 10_000)] * 4)
@hypothesis.settings(max_examples=100, deadline=None)
def test_odds_ratio_and_interval_are_those_of_statsmodels(a: int, b: int, c: int, d: int) -> None:
    table = Table2x2([[a, b], [c, d]], shift_zeros=False)
    assert log_odds_ratio(a, b, c, d) == pytest.approx(table.log_oddsratio, abs=1e-12)
    low, high = independent_interval(a, b, c, d)
    assert (float(low), float(high)) == pytest.approx(table.log_oddsratio_confint(), abs=1e-9)


def test_against_all_counts_the_selected_rows_twice() -> None:
    counts = Counts(np.array(30.0), np.array(100.0), np.array(130.0), np.array(1000.0))
    assert [float(cell) for cell in counts.cells] == [30, 70, 100, 800]
    assert np.exp(counts.log_odds_ratio) == pytest.approx(30 * 800 / (70 * 100))
    assert np.exp(counts.log_odds_ratio_all) == pytest.approx(30 * 870 / (70 * 130))


def test_a_constant_odds_ratio_rises_with_the_quantile_against_all() -> None:
    """What the published figures show: 1.15 at every quantile, seen as 1.01 to 1.13."""
    inside, shown = 0.2, []
    for selected in (0.9, 0.7, 0.5, 0.3, 0.1):
        # Cells of a population with the odds ratio 1.15 and these margins.
        a = next(
            x
            for x in np.linspace(inside * selected, inside, 1_000_001)
            if x * (1 - selected - inside + x) >= 1.15 * (selected - x) * (inside - x)
        )
        counts = Counts(np.array(a), np.array(selected), np.array(inside), np.array(1.0))
        assert np.exp(counts.log_odds_ratio) == pytest.approx(1.15, abs=1e-4)
        shown.append(float(np.exp(counts.log_odds_ratio_all)))
    assert shown == pytest.approx([1.014, 1.042, 1.071, 1.101, 1.133], abs=0.002)


@pytest.mark.parametrize(("a", "b", "c", "d"), [(0, 5, 5, 5), (5, 0, 5, 5), (5, 5, 0, 5), (0, 0, 5, 5)])
def test_empty_cells_have_no_interval(a: int, b: int, c: int, d: int) -> None:
    assert not np.isfinite(log_odds_ratio(a, b, c, d))
    assert np.isnan(independent_interval(a, b, c, d)).all()
