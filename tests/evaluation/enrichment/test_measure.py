"""Odds ratios, intervals and p-values against plain recomputation, and their error rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.enrichment import measure as measure_module
from mifm_kipoi.evaluation.enrichment.annotations import GROUP, STATE, Annotated, Annotation, Label
from mifm_kipoi.evaluation.enrichment.covariates import strata
from mifm_kipoi.evaluation.enrichment.measure import ENRICHMENT, TREND, Measured, Options, Subset, measure

Flags = npt.NDArray[np.bool_]
ANNOTATION = Annotation("s", (Path("x.bed"),), labelled=True, min_tracks=1)
A, B = Label("s", "a", GROUP), Label("s", "b", STATE)


def annotated(inside: Flags, *labels: Label, known: Flags | None = None) -> Annotated:
    known = np.ones(inside.shape[1], dtype=bool) if known is None else known
    return Annotated(ANNOTATION, labels, inside, known, 1)


@pytest.fixture(scope="module")
def data() -> dict[str, npt.NDArray]:
    """3,000 variants in 30 uneven blocks; a label that depends on the score, and both on a covariate."""
    generator = np.random.default_rng(1)
    size = 3000
    block = np.sort(generator.integers(0, 30, size) ** 2 // 30)
    covariate = generator.normal(size=size)
    score = np.round(covariate + generator.normal(size=size), 2)
    odds = np.exp(-1.5 + 0.4 * score + 0.8 * covariate + generator.normal(size=30)[block] * 0.5)
    inside = np.stack([generator.random(size) < odds / (1 + odds), generator.random(size) < 0.2])
    return {"block": block, "covariate": covariate, "score": score, "inside": inside}


@pytest.fixture(scope="module")
def measured(data: dict[str, npt.NDArray]) -> Measured:
    return measure(
        {"x": data["score"]},
        [annotated(data["inside"], A, B)],
        data["block"],
        {"c": data["covariate"]},
        [Subset(B, (A,))],
        Options((0.5, 0.9), shifts=99),
    )


def odds_ratio(selected: Flags, inside: Flags) -> float:
    a, b = (selected & inside).sum(), (selected & ~inside).sum()
    c, d = (~selected & inside).sum(), (~selected & ~inside).sum()
    return float(a * d / (b * c))


def test_columns_are_those_that_are_described(measured: Measured, data: dict[str, npt.NDArray]) -> None:
    assert measured.enrichment.columns.tolist() == list(ENRICHMENT)
    assert measured.trends.columns.tolist() == list(TREND)
    assert measured.blocks == np.unique(data["block"]).size
    texts = {"score", "annotation", "label", "kind", "within"}
    for table in (measured.enrichment, measured.trends):
        assert {name for name in table if table[name].dtype.kind not in "if"} == texts
    keys = measured.enrichment[["label", "within", "quantile"]].values.tolist()
    assert keys == [
        ["a", "", 0.5],
        ["a", "", 0.9],
        ["b", "", 0.5],
        ["b", "", 0.9],
        ["a", "b", 0.5],
        ["a", "b", 0.9],
    ]
    assert measured.enrichment.notna().all(axis=None)


@pytest.mark.parametrize("row", range(6))
def test_every_odds_ratio_and_error_is_that_of_plain_recomputation(
    measured: Measured, data: dict[str, npt.NDArray], row: int
) -> None:
    one = measured.enrichment.iloc[row]
    universe = data["inside"][1] if one["within"] else np.ones(3000, dtype=bool)
    # The threshold is that of all variants, in subsets too.
    assert one["threshold"] == np.quantile(data["score"], one["quantile"], method="inverted_cdf")
    selected = (data["score"] > one["threshold"])[universe]
    inside, block = data["inside"][0 if one["label"] == "a" else 1][universe], data["block"][universe]
    names = np.unique(block)
    assert [one["variants"], one["selected"], one["inside"], one["selected_inside"]] == [
        universe.sum(), selected.sum(), inside.sum(), (selected & inside).sum()
    ]  # fmt: skip
    assert one["expected_inside"] == pytest.approx(selected.sum() * inside.mean())
    assert one["odds_ratio"] == pytest.approx(odds_ratio(selected, inside))
    without = np.log([odds_ratio(selected[block != name], inside[block != name]) for name in names])
    error = np.sqrt((len(names) - 1) / len(names) * ((without - without.mean()) ** 2).sum())
    assert one["standard_error"] == pytest.approx(error)
    fraction = inside.mean()
    sizes = np.array([(inside[block == name].sum(), (block == name).sum()) for name in names])
    weight = sizes[:, 0] * (1 - fraction) ** 2 + (sizes[:, 1] - sizes[:, 0]) * fraction**2
    effective = weight.sum() ** 2 / (weight**2).sum()
    assert one["effective_blocks"] == pytest.approx(effective)
    half = stats.t.ppf(0.975, effective - 1) * error
    assert np.log([one["low"], one["high"]]) == pytest.approx(
        np.log(one["odds_ratio"]) + half * np.array([-1, 1])
    )
    assert one["p_value"] == pytest.approx(
        2 * stats.t.sf(abs(np.log(one["odds_ratio"])) / error, effective - 1)
    )
    table = np.array(
        [[(selected & inside).sum(), (selected & ~inside).sum()], [inside.sum(), (~inside).sum()]]
    )
    assert one["odds_ratio_all"] == pytest.approx(table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0]))
    assert one["fisher_p_all"] == pytest.approx(stats.fisher_exact(table).pvalue)
    rest = np.array([table[0], table[1] - table[0]])
    assert one["fisher_p"] == pytest.approx(stats.fisher_exact(rest).pvalue)
    assert one["p_value_family"] >= one["p_value"]


def test_a_trend_is_that_of_a_logistic_regression(measured: Measured, data: dict[str, npt.NDArray]) -> None:
    edges = np.unique(
        np.concatenate(
            [
                np.quantile(data["score"], np.arange(1, 100) / 100, method="inverted_cdf"),
                np.quantile(data["score"], [0.5, 0.9], method="inverted_cdf"),
            ]
        )
    )
    bins = np.searchsorted(edges, data["score"])
    sizes = np.bincount(bins)
    x = stats.norm.ppf((np.cumsum(sizes) - sizes / 2) / 3000)[bins]

    def slope(rows: Flags) -> float:
        outcome = data["inside"][0][rows].astype(float)
        return float(sm.Logit(outcome, sm.add_constant(x[rows])).fit(disp=0, tol=1e-12).params[1])

    trend = measured.trends.iloc[0]
    assert np.log(trend["odds_ratio"]) == pytest.approx(slope(np.ones(3000, dtype=bool)), abs=1e-7)
    names = np.unique(data["block"])
    without = np.array([slope(data["block"] != name) for name in names])
    error = np.sqrt((len(names) - 1) / len(names) * ((without - without.mean()) ** 2).sum())
    assert trend["standard_error"] == pytest.approx(error, rel=1e-5)


def test_adjusted_odds_ratios_are_those_of_statsmodels(
    measured: Measured, data: dict[str, npt.NDArray]
) -> None:
    scaled = (data["covariate"] - data["covariate"].mean()) / data["covariate"].std()
    for row in (0, 1, 2):
        one = measured.enrichment.iloc[row]
        selected = (data["score"] > one["threshold"]).astype(float)
        design = np.column_stack([np.ones(3000), selected, scaled, scaled**2])
        outcome = data["inside"][0 if one["label"] == "a" else 1].astype(float)
        oracle = sm.Logit(outcome, design).fit(
            disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": data["block"]}
        )
        half = stats.t.ppf(0.975, one["effective_blocks"] - 1) * oracle.bse[1]
        expected = [oracle.params[1], oracle.params[1] - half, oracle.params[1] + half]
        found = np.log(one[["adjusted_odds_ratio", "adjusted_low", "adjusted_high"]].to_numpy(float))
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_matched_background_has_the_covariates_of_the_selected_variants(
    measured: Measured, data: dict[str, npt.NDArray]
) -> None:
    one = measured.enrichment.iloc[1]
    selected, inside = data["score"] > one["threshold"], data["inside"][0]
    stratum = strata({"c": data["covariate"]})
    assert np.bincount(stratum).tolist() == [600] * 5
    used = [s for s in range(5) if (selected & (stratum == s)).any()]
    of_selected = np.array([(selected & (stratum == s)).sum() for s in used])
    rest = np.array([inside[~selected & (stratum == s)].mean() for s in used])
    background = (of_selected * rest).sum() / of_selected.sum()
    own = inside[selected].mean()
    expected = own / (1 - own) * (1 - background) / background
    assert one["matched_odds_ratio"] == pytest.approx(expected)
    assert one["matched_fraction"] == 1
    # The covariate explains a part of what is seen without it.
    assert one["adjusted_odds_ratio"] < one["matched_odds_ratio"] < one["odds_ratio"]


def test_variants_without_a_place_or_a_covariate_do_not_count(data: dict[str, npt.NDArray]) -> None:
    known = np.arange(3000) % 3 > 0
    covariate = np.where(np.arange(3000) % 5 > 0, data["covariate"], np.nan)
    found = measure(
        {"x": data["score"]}, [annotated(data["inside"], A, B, known=known)], data["block"], {"c": covariate}
    ).enrichment.iloc[4]
    selected = data["score"] > found["threshold"]
    assert found["variants"] == 2000
    assert found["odds_ratio"] == pytest.approx(odds_ratio(selected[known], data["inside"][0][known]))
    assert 0.7 < found["matched_fraction"] < 0.9
    both = known & ~np.isnan(covariate)
    design = np.column_stack([np.ones(both.sum()), selected[both], *_squares(covariate[both])])
    oracle = sm.Logit(data["inside"][0][both].astype(float), design).fit(disp=0)
    assert np.log(found["adjusted_odds_ratio"]) == pytest.approx(oracle.params[1], abs=1e-6)


def _squares(values: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    scaled = (values - values.mean()) / values.std()
    return [scaled, scaled**2]


def test_quantiles_that_select_the_same_variants_count_once() -> None:
    score = np.repeat([0.0, 1.0], [900, 100])
    inside = np.random.default_rng(1).random((1, 1000)) < 0.3
    found = measure({"truth": score}, [annotated(inside, A)], np.arange(1000) // 50).enrichment
    assert found[["quantile", "threshold", "selected"]].values.tolist() == [[0.9, 0.0, 100]]


def test_shifts_are_corrected_for_all_annotations_of_the_family() -> None:
    """Twenty labels that the score knows nothing of, in an annotation each or all in one: the same family."""
    generator = np.random.default_rng(3)
    score, inside = generator.random(2000), generator.random((20, 2000)) < 0.3
    block, options = np.arange(2000) // 20, Options((0.5, 0.9), shifts=199)
    together = [Label("s", f"l{row}", STATE) for row in range(20)]
    apart = [
        Annotated(
            Annotation(f"s{row}", (Path("x.bed"),), labelled=True, min_tracks=1),
            (Label(f"s{row}", f"l{row}", STATE),), inside[[row]], np.ones(2000, dtype=bool), 1,
        )
        for row in range(20)
    ]  # fmt: skip
    one = measure({"x": score}, [annotated(inside, *together)], block, options=options).enrichment
    many = measure({"x": score}, apart, block, options=options).enrichment
    assert many["shift_p"].tolist() == one["shift_p"].tolist()
    assert many["shift_p_family"].tolist() == one["shift_p_family"].tolist()
    # Of 40 tests one is small by itself.
    assert many["shift_p"].min() < 0.05 < many["shift_p_family"].min()


def test_covariates_have_fewer_bins_where_they_are_many() -> None:
    generator = np.random.default_rng(1)
    bins = []
    for count in (1, 5, 6, 7, 12):
        values = {f"c{number}": generator.random(100_000) for number in range(count)}
        bins.append(round((strata(values).max() + 1) ** (1 / count), 6))
    assert bins == [5, 5, 4, 3, 2]


@pytest.mark.parametrize("score", [np.zeros(200), np.repeat([0.0, 1.0], [10, 190])])
def test_a_score_that_selects_nothing_is_refused(score: npt.NDArray[np.float64]) -> None:
    """The same for all; and above no quantile, as so many have the best value."""
    inside = np.random.default_rng(1).random((1, 200)) < 0.3
    best = (score == score.max()).sum()
    with pytest.raises(InputError, match=f"quantile of flat: {best} of 200 .* lowest quantile is 0.1"):
        measure({"flat": score}, [annotated(inside, A)], np.arange(200) // 20)


def test_a_score_that_does_not_vary_where_an_annotation_is_known_has_no_numbers_there() -> None:
    generator = np.random.default_rng(1)
    inside = generator.random((1, 400)) < 0.3
    score = np.append(np.zeros(200), generator.random(200))
    found = measure(
        {"x": score}, [annotated(inside, A, known=np.arange(400) < 200)], np.arange(400) // 20,
        {"c": generator.random(400)}, options=Options((0.8, 0.9), shifts=19),
    )  # fmt: skip
    assert (found.enrichment["selected"] == 0).all()
    numbers = ["odds_ratio", "p_value", "p_value_family", "matched_p", "adjusted_p", "shift_p"]
    assert found.enrichment[numbers].isna().all(axis=None)
    assert found.trends[["p_value", "adjusted_p"]].isna().all(axis=None)


def test_what_cannot_be_measured_is_empty() -> None:
    generator = np.random.default_rng(1)
    inside = np.stack([np.zeros(400, dtype=bool), np.arange(400) == 399])
    score = np.arange(400.0)
    found = measure(
        {"x": score}, [annotated(inside, A, B)], np.arange(400) // 20, {"c": generator.random(400)}
    )
    empty = found.enrichment[found.enrichment["label"] == "a"]
    assert (
        empty[["odds_ratio", "low", "p_value", "p_value_family", "adjusted_odds_ratio"]].isna().all(axis=None)
    )
    assert (empty["fisher_p"] == 1).all()
    single = found.enrichment[found.enrichment["label"] == "b"]
    assert np.isinf(single["odds_ratio"]).all()
    assert single[["low", "high", "p_value"]].isna().all(axis=None)
    assert found.trends["p_value"].isna().all()


@pytest.mark.slow
def test_error_of_families_of_clustered_labels_and_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """How often any of 60 tests, and of 20 trends, is called when scores know nothing of 20 labels.

    Labels and scores are alike in runs of 20 variants, in 250 blocks of 40; labels hold 1 to 30 % of these,
    and 1 to 3 %. Of 600 families at 0.05, 99.9 % have 15 to 48 called.
    """
    # Fisher's test has no part in these p-values, and takes most of the time.
    monkeypatch.setattr(measure_module, "fisher_p", lambda a, *_: np.full(np.shape(a), np.nan))
    generator = np.random.default_rng(1)
    size = 10_000
    labels = [Label("s", f"t{row}", STATE) for row in range(20)]
    called = np.zeros(2)
    for fractions in (np.repeat([0.01, 0.03, 0.1, 0.3], 5), np.repeat([0.01, 0.02, 0.03], 7)[:20]):
        for _ in range(300):
            runs = generator.random((20, size // 20)) < fractions[:, np.newaxis]
            inside = [np.roll(row, generator.integers(size)) for row in runs.repeat(20, axis=1)]
            score = generator.normal(size=size) + 2 * generator.normal(size=size // 20).repeat(20)
            found = measure(
                {"x": score}, [annotated(np.stack(inside), *labels)], np.arange(size) // 40,
                options=Options((0.5, 0.9, 0.95)),
            )  # fmt: skip
            called += [table["p_value_family"].min() < 0.05 for table in (found.enrichment, found.trends)]
    assert (called >= 15).all()
    assert (called <= 48).all()


@pytest.mark.slow
@pytest.mark.parametrize(("inside", "without"), [(20, (0.35, 0.45)), (100, (0, 0.001))])
def test_labels_of_few_variants_are_tested_conservatively(inside: int, without: tuple[float, float]) -> None:
    """With 2 and 10 expected among the selected: few are called enriched, none depleted, some have no p."""
    generator = np.random.default_rng(inside)
    size, labels = 25_000, [Label("s", f"t{row}", STATE) for row in range(40)]
    parts = []
    for _ in range(25):
        flags = np.zeros((40, size), dtype=bool)
        for row in flags:
            row[generator.choice(size, inside, replace=False)] = True
        score = generator.random(size)
        options = Options((0.9,))
        parts.append(
            measure({"x": score}, [annotated(flags, *labels)], np.arange(size) // 100, options=options)
        )
    found = pd.concat([part.enrichment for part in parts])
    called = found["p_value"] < 0.05
    assert without[0] <= found["p_value"].isna().mean() <= without[1]
    assert (called & (found["odds_ratio"] < 1)).sum() == 0
    # The binomial 99.9 % bound of 1,000 tests at 0.025.
    assert 0 < (called & (found["odds_ratio"] > 1)).sum() <= 42


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_type_1_error_over_shifted_tracks(clustered: bool) -> None:
    """Scores that know nothing, alone and in clusters, against 4,000 shifted tracks of runs of 20 variants.

    The binomial 99 % interval of 4,000 tests at 0.05 is 0.041 to 0.059.
    """
    generator = np.random.default_rng(4)
    blocks, of_block, tracks = 250, 100, 4000
    size = blocks * of_block
    block = np.arange(size) // of_block
    score = generator.normal(size=size)
    if clustered:
        score += 2 * generator.normal(size=size // 20).repeat(20)
    # Tracks of one segmentation, shifted by any number of variants around the genome.
    runs = generator.random((40, size // 20)).repeat(20, axis=1) < 0.2
    shifts = generator.integers(size, size=tracks)
    p_values, fisher = [], []
    for first in range(0, tracks, 40):
        inside = np.stack([np.roll(runs[row], shifts[first + row]) for row in range(40)])
        labels = [Label("s", f"t{row}", STATE) for row in range(40)]
        found = measure({"x": score}, [annotated(inside, *labels)], block, options=Options((0.9,))).enrichment
        p_values.append(found["p_value"])
        fisher.append(found["fisher_p"])
    rate, plain = ((pd.concat(each) < 0.05).mean() for each in (p_values, fisher))
    assert 0.041 <= rate <= 0.059
    # Fisher's test holds where scores are not alike in a neighbourhood, and fails where they are.
    assert plain > 0.2 if clustered else 0.041 <= plain <= 0.059
