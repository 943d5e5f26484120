"""Corrected p-values, verdicts, counts and means over traits."""

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.polygenic.evaluation.summaries import Verdict, means_of_methods, summarised, with_verdicts

pytest.importorskip("scipy")


def comparisons() -> pd.DataFrame:
    """Six traits, two baselines and two ancestries."""
    generator = np.random.default_rng(5)
    rows = [
        {
            "trait": f"t{number}",
            "baseline": baseline,
            "ancestry": ancestry,
            "setting": "top1",
            "kind": "binary",
        }
        for number in range(6)
        for baseline in ("p", "lead")
        for ancestry in ("EUR", "AFR")
    ]
    table = pd.DataFrame(rows)
    table["difference"] = generator.normal(0.01, 0.01, len(table)).round(4)
    table["p_value"] = generator.random(len(table)) ** 4
    table.loc[3, ["p_value", "difference"]] = np.nan
    return table


def test_verdicts_follow_corrected_p_values() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    table = comparisons()
    tested = table["p_value"].notna()
    for correction, method in (("bh", "fdr_bh"), ("holm", "holm")):
        found = with_verdicts(table, correction, 0.05)
        expected = multitest.multipletests(table.loc[tested, "p_value"], 0.05, method)
        np.testing.assert_allclose(found.loc[tested, f"p_{correction}"], expected[1], rtol=1e-12)
        significant = found["verdict"].isin([Verdict.WIN, Verdict.LOSS])
        assert significant[tested].tolist() == expected[0].tolist()
        assert (found.loc[found["verdict"] == Verdict.WIN, "difference"] > 0).all()
        assert (found.loc[found["verdict"] == Verdict.LOSS, "difference"] < 0).all()
    assert found.loc[3, "verdict"] == Verdict.NOT_TESTED


def test_a_trait_counts_once_in_means() -> None:
    found = with_verdicts(comparisons(), "bh", 0.05)
    summary = summarised(found)
    tested = found[found["verdict"] != Verdict.NOT_TESTED]
    total = summary[summary["by"] == "all"].iloc[0]
    assert (total["comparisons"], total["traits"]) == (23, 6)
    assert total["wins"] == (found["verdict"] == Verdict.WIN).sum() > 0
    assert total["wins"] + total["losses"] + total["not_significant"] == 23
    means = tested.groupby("trait")["difference"].mean()
    assert total["mean_difference"] == pytest.approx(means.mean())
    half = 2.570582 * means.std() / np.sqrt(6)
    assert (total["low"], total["high"]) == pytest.approx(
        (means.mean() - half, means.mean() + half), rel=1e-6
    )
    # All 2^6 signs of the traits' means.
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    reached = np.abs(means.to_numpy() @ signs) >= abs(means.sum()) - 1e-12
    assert total["p_value"] == pytest.approx(reached.mean())
    by_both = summary[summary["by"] == "baseline and ancestry"]
    assert by_both[["baseline", "ancestry", "comparisons"]].to_numpy().tolist() == [
        ["p", "EUR", 6], ["p", "AFR", 6], ["lead", "EUR", 6], ["lead", "AFR", 5],
    ]  # fmt: skip


def test_means_of_few_traits_have_no_interval() -> None:
    table = pd.DataFrame({
        "ancestry": "EUR", "setting": "", "method": ["p", "p", "p", "x"], "trait": ["a", "a", "b", "a"],
        "r2": [0.1, 0.3, 0.4, np.nan],
    })  # fmt: skip
    (row,) = means_of_methods(table).to_dict("records")
    assert (row["method"], row["traits"], row["mean"]) == ("p", 2, pytest.approx(0.3))
    assert np.isnan([row["low"], row["high"]]).all()


def test_without_comparisons_there_is_no_summary() -> None:
    empty = with_verdicts(comparisons().head(0), "bh", 0.05)
    assert summarised(empty).empty
