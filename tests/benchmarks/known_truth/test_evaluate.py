"""Tables of results, of scores about which everything is known."""

from math import comb
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from benchmarks.known_truth import evaluate
from benchmarks.known_truth import results as tables
from benchmarks.known_truth.arms import ABF, CLEAR_POOLINGS, LOWEST_P, ORACLE, RANDOM, Arm
from benchmarks.known_truth.evaluate import Scored, Test, credible_sets, monitors, write_results
from benchmarks.known_truth.intervals import over_networks, ratio
from benchmarks.known_truth.metrics import power_at_fdr
from benchmarks.known_truth.rule import Kind
from benchmarks.known_truth.steps import BenchmarkError, write_table
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.ranking import Curve, top_k

Values = npt.NDArray[np.float64]

MAX, NOISY_OR = CLEAR_POOLINGS[:2]
KINDS = [kind.value for kind in Kind]
PRIOR = Arm("max+abf", "prior", "max + ABF", "of a test")


def test_each_monitor_chooses_an_epoch_of_each_network() -> None:
    """Of equal epochs the first; the second network has no likelihood."""
    curves = pd.DataFrame(
        {
            "arm": "max", "seed": [1] * 4 + [2] * 2, "epoch": [0, 1, 2, 3, 0, 1],
            "validation_loss": [0.5, 0.3, 0.3, 0.4, 0.2, 0.3],
            "validation_likelihood": [0.1, 0.0, 0.2, 0.2, 0.1, np.nan],
            "validation_top_1": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
            "validation_auprc": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06],
        }
    )  # fmt: skip
    assert list(monitors(curves).itertuples(index=False, name=None)) == [
        ("max", 1, "loss", 1, 0.2, 0.02),
        ("max", 1, "likelihood", 2, 0.3, 0.03),
        ("max", 1, "last", 3, 0.4, 0.04),
        ("max", 2, "loss", 0, 0.5, 0.05),
        ("max", 2, "last", 1, 0.6, 0.06),
    ]


def bags_table(bags: int = 45, seed: int = 1) -> pd.DataFrame:
    """Bags of 4 to 95 variants of fifteen genealogies, the rows shuffled; every fifth has no causal one."""
    generator = np.random.default_rng(seed)
    parts = []
    for bag in range(bags):
        size = int(generator.integers(4, 96))
        kind = generator.choice([one.value for one in Kind if one is not Kind.CAUSAL], size)
        if bag % 5:
            kind[generator.choice(size, 1 + bag % 2, replace=False)] = "causal"
        known = {"bag": bag * 2 + 1, "size": size, "studies": 1 + bag % 7, "genealogy": bag // 3}
        parts.append(pd.DataFrame({**known, "kind": kind}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(causal=table["kind"] == "causal").sample(frac=1, random_state=2)


@pytest.fixture(scope="module")
def test() -> Test:
    return Test(bags_table())


@pytest.fixture(scope="module")
def noisy(test: Test) -> Values:
    """A score that finds some of the causal ones."""
    return np.random.default_rng(3).normal(size=len(test.table)) + 2 * test.causal


@pytest.fixture(scope="module")
def pip(test: Test, noisy: Values) -> Values:
    odds = np.exp(2 * noisy)
    sums = np.bincount(test.bag, odds)
    return odds / (sums[test.bag] + 20)


@pytest.fixture(scope="module")
def scored(test: Test, noisy: Values, pip: Values) -> list[Scored]:
    other = np.random.default_rng(4).normal(size=noisy.size)
    return [
        Scored(MAX, (noisy, other)),
        Scored(NOISY_OR, (np.round(noisy),)),
        Scored(LOWEST_P, (other,)),
        Scored(ABF, (pip,), (pip,)),
        Scored(RANDOM, (np.zeros(noisy.size),)),
        Scored(ORACLE, (test.causal.astype(np.float64),)),
        Scored(PRIOR, (pip**2, pip), (pip**2, pip)),
    ]


@pytest.fixture(scope="module")
def results(test: Test, scored: list[Scored], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known-truth") / "results"
    write_results(folder, test, scored, KINDS, "max")
    return folder


def read(results: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(results / f"{name}.tsv", sep="\t")


def by_arm(table: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table.set_index("arm")


METRICS = [
    "top_1",
    "top_5",
    "auprc",
    "top_1_all",
    "power_at_fdr_0.05",
    "power_at_fdr_0.1",
    "power_at_fdr_0.2",
]


def test_a_perfect_score_has_one_in_every_metric(test: Test) -> None:
    found = test.metrics(test.causal * 3.0 - 1)
    assert list(found) == METRICS
    assert {one.value for one in found.values()} == {1.0}
    # All resamples are the same, from which nothing can be learnt of the spread.
    assert np.isnan([[one.low, one.high] for one in found.values()]).all()


def test_the_worst_score_finds_nothing(test: Test) -> None:
    found = test.metrics(-test.causal.astype(np.float64))
    assert found["top_1"].value == found["power_at_fdr_0.2"].value == 0
    assert found["auprc"].value == pytest.approx(test.causal.mean())


def test_a_constant_score_has_what_chance_gives(test: Test) -> None:
    found = test.metrics(np.zeros(len(test.table)))
    counts = test.table.groupby("bag")["causal"].agg(["size", "sum"])
    held = counts[counts["sum"] > 0]
    assert len(counts) == 45
    assert len(held) == 36
    for k in (1, 5):
        chances = [
            1 - comb(size - causal, min(k, size)) / comb(size, min(k, size))
            for size, causal in held.itertuples(index=False, name=None)
        ]
        one = found[f"top_{k}"]
        assert one.value == pytest.approx(np.mean(chances))
        assert one.low < one.value < one.high
    assert found["auprc"].value == pytest.approx(test.causal.mean())
    assert [found[name].value for name in METRICS[4:]] == [0, 0, 0]


def test_bags_of_one_variant_are_hits_of_every_score_or_of_none(test: Test) -> None:
    """They are not ranked; of three, two hold a causal variant."""
    single = test.table.groupby("genealogy").head(1).head(3)
    single = single.assign(bag=[1000, 1001, 1002], size=1, causal=[True, False, True])
    score = np.arange(len(test.table)) % 7.0
    found = Test(pd.concat([single, test.table]))
    pd.testing.assert_frame_equal(found.table, test.table)
    one, other = found.metrics(score), test.metrics(score)
    assert one["top_1"] == other["top_1"] == other["top_1_all"]
    assert one["top_1_all"].value == pytest.approx((36 * other["top_1"].value + 2) / 38)
    assert one["auprc"] == other["auprc"]


def test_bags_without_a_causal_variant_count_for_precision_alone(test: Test, noisy: Values) -> None:
    held = test.table.groupby("bag")["causal"].transform("any").to_numpy()
    some = Test(test.table[held])
    one, other = test.metrics(noisy), some.metrics(noisy[held])
    assert one["top_1"] == other["top_1"]
    assert one["auprc"].value < other["auprc"].value
    # None of its rows is causal, but the first is false.
    spoilt = np.where(held, test.causal, 2.0)
    assert test.metrics(spoilt)["top_1"].value == 1
    assert test.metrics(spoilt)["power_at_fdr_0.2"].value == 0


def test_the_order_of_rows_does_not_matter(test: Test, noisy: Values) -> None:
    order = np.random.default_rng(5).permutation(noisy.size)
    one, other = test.metrics(noisy), Test(test.table.iloc[order]).metrics(noisy[order])
    for name in METRICS:
        numbers = [(found.value, found.low, found.high) for found in (one[name], other[name])]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-9, nan_ok=True)


def test_intervals_are_over_genealogies(test: Test, noisy: Values) -> None:
    """With one genealogy for all bags there is nothing to draw."""
    one = Test(test.table.assign(genealogy=4)).metrics(noisy)["auprc"]
    assert np.isnan([one.low, one.high]).all()
    usual = test.metrics(noisy)
    hits = top_k(noisy, test.bag, test.causal, 1)
    genealogy = (hits.index.to_numpy() - 1) // 2 // 3
    expected = Bootstrap.of_clusters(genealogy).mean(hits.to_numpy())
    assert vars(usual["top_1"]) == pytest.approx(vars(expected))
    assert usual["auprc"].value == one.value
    assert usual["auprc"].low < one.value < usual["auprc"].high


def test_the_report_reads_the_tables(results: Path, test: Test, scored: list[Scored]) -> None:
    arms = pd.DataFrame([vars(one.arm) for one in scored])[["name", "group", "label", "description"]]
    arms = arms.rename(columns={"name": "arm"}).assign(
        members=1, windows=0, seconds=0.0, validation_auprc=0.5, validation_gain=0.1
    )
    write_table(results / "arms.tsv", arms)
    write_table(results / "credible_sets.tsv", credible_sets(test, scored))
    found = tables.read(results)
    assert {*tables.COLUMNS} - {*found} == {"learning_curves", "monitors", "attribution"}
    for name, table in found.items():
        assert tuple(table.columns) == tables.COLUMNS[name]
    names = [one.arm.name for one in scored]
    for name in ("metrics", "top_1_by_size", "top_1_by_studies", "precision_recall", "power", "kinds"):
        assert {*found[name]["arm"]} == {*names}
    assert list(dict.fromkeys(found["metrics"]["arm"])) == names
    assert {*found["calibration"]["arm"]} == {*found["credible_sets"]["arm"]} == {"abf", "max+abf"}


def test_the_table_of_metrics(results: Path, test: Test, noisy: Values, pip: Values) -> None:
    found = read(results, "metrics")
    for name, one in test.metrics(np.round(noisy)).items():
        row = by_arm(found, metric=name).loc["noisy_or"]
        expected = [one.value, one.low, one.high]
        assert row[["value", "low", "high"]].tolist() == pytest.approx(expected, rel=1e-5)
    sums = by_arm(found, metric="pips_per_bag")["value"]
    assert sums["abf"] == pytest.approx(pip.sum() / 45, rel=1e-5)
    held = by_arm(found, metric="causal_per_bag")["value"]
    assert held["abf"] == pytest.approx(test.causal.sum() / 45, rel=1e-5)
    high = by_arm(found, metric="calibration_error_above_0.1")["value"]["abf"]
    gaps = pd.Series(test.causal[pip > 0.1] - pip[pip > 0.1]).groupby((pip[pip > 0.1] * 10).astype(int)).sum()
    assert high == pytest.approx(gaps.abs().sum() / (pip > 0.1).sum(), rel=1e-5)
    errors = by_arm(found, metric="calibration_error")
    assert errors.index.tolist() == ["abf", "max+abf"]
    bins = by_arm(read(results, "calibration")).loc["abf"]
    gaps = (bins["observed"] - bins["predicted"]).abs() * bins["count"]
    assert errors["value"]["abf"] == pytest.approx(gaps.sum() / pip.size, rel=1e-3)
    assert bins["count"].sum() == pip.size
    assert errors[["low", "high"]].isna().all(axis=None)


def test_the_table_of_seeds(results: Path, test: Test, scored: list[Scored]) -> None:
    found = read(results, "seeds")
    rows = found[found["arm"] == "max"]
    assert rows[["seed", "metric"]].to_numpy().tolist() == [
        [seed, metric] for seed in (1, 2) for metric in ("top_1", "auprc")
    ]
    assert {*found["arm"]} == {"max", "max+abf"}
    own = scored[0].scores[1]
    expected = [top_k(own, test.bag, test.causal, 1).mean(), Curve(own, test.causal).average_precision()]
    assert rows["value"].tolist()[2:] == pytest.approx(expected, rel=1e-5)


def test_an_arm_is_the_mean_of_its_networks(results: Path, test: Test, scored: list[Scored]) -> None:
    """Its interval is wider by the variance of training."""
    row = by_arm(read(results, "metrics"), metric="auprc").loc["max"]
    networks = [test.sampled(score)["auprc"] for score in scored[0].scores]
    expected = over_networks(networks, 15)
    assert row["value"] == pytest.approx(np.mean([one.value for one in networks]), rel=1e-5)
    assert row["low"] == pytest.approx(max(expected.low, 0), rel=1e-4)
    assert row["high"] == pytest.approx(min(expected.high, 1), rel=1e-4)
    alone = test.metrics(scored[0].first)["auprc"]
    assert row["high"] - row["low"] > alone.high - alone.low


def test_the_table_of_sizes(results: Path, test: Test, noisy: Values) -> None:
    found = by_arm(read(results, "top_1_by_size"))
    hits = top_k(np.round(noisy), test.bag, test.causal, 1)
    sizes = test.table.groupby("bag").size()[hits.index]
    largest = test.table["size"].max()
    bounds = [(1, 9), (10, 20), (21, 40), (41, 80), (81, largest)]
    rows = found.loc["noisy_or"]
    assert list(rows[["size_low", "size_high"]].itertuples(index=False, name=None)) == bounds
    for (low, high), row in zip(bounds, rows.itertuples(), strict=True):
        inside = sizes.between(low, high)
        assert row.bags == inside.sum() > 0
        assert row.value == pytest.approx(hits[inside].mean(), rel=1e-5)
        genealogies = len(np.unique((hits[inside].index.to_numpy() - 1) // 2 // 3))
        assert np.isnan(row.low) == (genealogies < 5)
        assert not row.low > row.value
        assert not row.value > row.high
    assert rows["low"].notna().any()
    assert rows["bags"].sum() == len(sizes)
    assert (found.loc["oracle", "value"] == 1).all()


def test_the_table_of_studies(results: Path, test: Test, noisy: Values) -> None:
    found = by_arm(read(results, "top_1_by_studies")).loc["noisy_or"]
    hits = top_k(np.round(noisy), test.bag, test.causal, 1)
    studies = test.bags["studies"][hits.index]
    for row in found.itertuples():
        inside = studies.between(row.studies_low, row.studies_high)
        assert row.bags == inside.sum() > 0
        assert row.value == pytest.approx(hits[inside].mean(), rel=1e-5)
    assert found["bags"].sum() == len(hits)
    assert found["studies_high"].tolist() == [1, 4, 7]


def test_one_study_has_no_table_of_studies(test: Test, scored: list[Scored], tmp_path: Path) -> None:
    write_results(tmp_path, Test(test.table.assign(studies=1)), scored[1:4], KINDS, "noisy_or")
    assert read(tmp_path, "top_1_by_studies").empty


def test_ratios_to_abf(results: Path, test: Test, scored: list[Scored], pip: Values) -> None:
    """A single network: the quantiles of the ratios of the same resamples."""
    found = by_arm(read(results, "ratios"), metric="auprc")
    assert "abf" not in found.index
    drawn = [test.sampled(score)["auprc"] for score in (scored[1].first, pip)]
    ratios = drawn[0].resampled / drawn[1].resampled
    expected = [drawn[0].value / drawn[1].value, *np.quantile(ratios, [0.025, 0.975])]
    row = found.loc["noisy_or", ["value", "low", "high"]].tolist()
    assert row == pytest.approx(expected, rel=1e-3)
    several = ratio([test.sampled(score)["auprc"] for score in scored[0].scores], drawn[1], 15)
    assert found.loc["max", "low"] == pytest.approx(several.low, rel=1e-4)
    assert {*read(results, "ratios")["metric"]} == {"top_1", "top_1_all", "auprc"}


def test_the_curve_of_precision_and_recall(results: Path, test: Test, noisy: Values) -> None:
    found = by_arm(read(results, "precision_recall"))
    recall, precision = Curve(noisy, test.causal).points()
    # The first threshold of each recall is there, as there are fewer of these than points.
    _, first = np.unique(recall, return_index=True)
    assert 30 < first.size < 100
    rows = found.loc["max"].to_numpy()
    np.testing.assert_allclose(rows, np.column_stack([recall, precision])[first], rtol=1e-5)
    assert found.loc["oracle"].tolist() == [1, 1]
    assert found.loc["random"].tolist() == pytest.approx([1, test.causal.mean()], rel=1e-5)


def test_drawn_curves_have_few_points() -> None:
    generator = np.random.default_rng(6)
    causal = generator.uniform(size=5000) < 0.5
    known = {"bag": np.arange(5000) // 50, "size": 50, "studies": 1, "genealogy": 0}
    table = pd.DataFrame({**known, "kind": "causal", "causal": causal})
    score = generator.normal(size=5000) + causal
    found = evaluate._curves(Test(table), [Scored(MAX, (score,))])
    assert len(found) <= 200
    assert found["recall"].iloc[-1] == 1
    assert found["recall"].diff().max() < 0.01
    exact = Curve(score, causal).average_precision()
    assert np.trapezoid(found["precision"], found["recall"]) == pytest.approx(exact, abs=0.01)


def test_the_power_rises_with_the_share_of_false_ones(results: Path, test: Test, noisy: Values) -> None:
    found = read(results, "power")
    for _, rows in found.groupby("arm"):
        assert rows["fdr"].is_monotonic_increasing
        assert rows["power"].is_monotonic_increasing
    rows = found[found["arm"] == "max"]
    curve = Curve(noisy, test.causal)
    for fdr in (0.1, 0.2, 0.5, 0.8):
        allowed = rows[rows["fdr"] <= fdr + 1e-6]["power"]
        assert allowed.max() == pytest.approx(power_at_fdr(curve, fdr), abs=1e-5)


def test_the_kinds_that_are_first(results: Path, test: Test, scored: list[Scored]) -> None:
    found = read(results, "kinds")
    assert found.groupby("arm")["first_share"].sum().tolist() == pytest.approx([1] * len(scored), rel=1e-4)
    assert found.groupby("arm")["kind"].apply(list).tolist() == [[kind.value for kind in Kind]] * len(scored)
    counts = test.table["kind"].value_counts()
    assert (found["count"] == found["kind"].map(counts)).all()
    causal = by_arm(found, kind="causal")
    assert causal["first_share"]["oracle"] == 1
    top = by_arm(read(results, "metrics"), metric="top_1")["value"]
    pd.testing.assert_series_equal(causal["first_share"], top, check_names=False, rtol=1e-4)


def test_kinds_that_nobody_knows_are_an_error(test: Test, noisy: Values) -> None:
    with pytest.raises(BenchmarkError, match="the kinds causal; expected other"):
        evaluate._kinds(Test(test.table.assign(kind="causal")), [Scored(MAX, (noisy,))], ["other"])


def test_the_scores_of_kinds(results: Path, test: Test, noisy: Values) -> None:
    found = read(results, "kinds").set_index(["arm", "kind"])
    logits = noisy[test.table["kind"] == "repressor"]
    numbers = found.loc[("max", "repressor"), ["q25", "median_logit", "q75"]].tolist()
    assert numbers == pytest.approx(np.quantile(logits, [0.25, 0.5, 0.75]).tolist(), rel=1e-5)
    others = found.loc[["lowest_p", "abf", "random", "oracle", "max+abf"], ["q25", "median_logit", "q75"]]
    assert others.isna().all(axis=None)


def test_ties_for_the_first_place_are_shared() -> None:
    """A bag of two first rows, one without a causal variant, and one of one first row."""
    table = pd.DataFrame(
        {
            "bag": [0, 0, 0, 1, 1, 2, 2], "size": [3, 3, 3, 2, 2, 2, 2], "genealogy": 0, "studies": 1,
            "kind": ["causal", "repressor", "causal", "repressor", "repressor", "causal", "near_motif"],
            "causal": [True, False, True, False, False, True, False],
        }
    )  # fmt: skip
    score = np.array([5.0, 5, 1, 9, 9, 0, 1])
    found = evaluate._kinds(Test(table), [Scored(MAX, (score,))], KINDS).set_index("kind")["first_share"]
    expected = {"causal": 0.25, "repressor": 0.25, "near_motif": 0.5}
    assert found.to_dict() == {kind.value: expected.get(kind.value, 0) for kind in Kind}


def test_differences_are_those_of_the_same_bags(results: Path, test: Test, scored: list[Scored]) -> None:
    found = read(results, "differences")
    pairs = {(arm, other) for arm, other in found[["arm", "against"]].itertuples(index=False, name=None)}
    names = [one.arm.name for one in scored]
    against = ("lowest_p", "abf", "random", "max")
    assert pairs == {(arm, other) for arm in names for other in against if arm != other}
    assert len(found) == 2 * len(pairs)
    by_name = {one.arm.name: one.first for one in scored if len(one.scores) == 1}
    single = found[found["arm"].isin(by_name) & found["against"].isin(by_name) & (found["metric"] == "top_1")]
    assert len(single) > 5
    for row in single.itertuples():
        hits, others = (top_k(by_name[name], test.bag, test.causal, 1) for name in (row.arm, row.against))
        genealogy = (hits.index.to_numpy() - 1) // 2 // 3
        paired = Bootstrap.of_clusters(genealogy).mean((hits - others).to_numpy())
        expected = [paired.value, paired.low, paired.high]
        assert [row.value, row.low, row.high] == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)
    assert single["low"].notna().any()


def test_an_arm_that_differs_nowhere_has_no_interval(test: Test, noisy: Values) -> None:
    """Of the same scores in two arms; their own intervals are wide."""
    sampled = {"max": [test.sampled(noisy)], "lowest_p": [test.sampled(3 * noisy + 1)]}
    for row in evaluate._differences(test, sampled, ["lowest_p"]).itertuples():
        assert (row.arm, row.against, row.value) == ("max", "lowest_p", 0)
        assert np.isnan([row.low, row.high]).all()


SETS = pd.DataFrame(
    {
        "bag": [4, 9, 4, 9, 4, 6, 6, 4, 8, 8], "size": [4, 2, 4, 2, 4, 2, 2, 4, 2, 2], "genealogy": 0,
        "studies": 1, "kind": "background",
        "causal": [False, False, True, True, False, False, False, False, True, False],
    }
)  # fmt: skip
"""Rows of four bags among each other; that of number 6 has no causal one."""

SET_PIPS = np.array([0.02, 0.97, 0.5, 0.03, 0.47, 0.6, 0.4, 0.01, 0.4, 0.1])


def test_credible_sets_by_hand() -> None:
    """Bag 4 has two of four rows and its causal one, bag 9 one without it; bag 8, of sum 0.5, needs both."""
    ld = np.eye(4)
    ld[1, 2] = ld[2, 1] = -0.8
    ld[0, 1] = ld[1, 0] = ld[3, 1] = 0.1
    blocks = {4: ld, 9: np.array([[1, 0.2], [0.2, 1]]), 8: np.ones((2, 2)), 6: np.zeros((2, 2))}
    table = SETS.assign(genealogy=SETS["bag"])
    found = credible_sets(
        Test(table), [Scored(MAX, (SET_PIPS,)), Scored(ABF, (SET_PIPS,), (SET_PIPS,))], blocks
    )
    (row,) = found.to_dict("records")
    assert row.pop("arm") == "abf"
    assert row == pytest.approx(
        {
            "sets": 3, "coverage": 2 / 3, "low": np.nan, "high": np.nan, "mean_size": 5 / 3,
            "median_size": 2, "purity": (0.8 + 1 + 1) / 3,
        },
        nan_ok=True,
    )  # fmt: skip
    assert tuple(found.columns) == tables.COLUMNS["credible_sets"]


def test_credible_sets_without_ld_have_no_purity() -> None:
    found = credible_sets(Test(SETS), [Scored(ABF, (SET_PIPS,), (SET_PIPS,))])
    assert found["purity"].isna().all()
    assert found["coverage"].tolist() == pytest.approx([2 / 3])


def test_the_purity_is_that_of_the_least_correlated_pair() -> None:
    ld = np.array([[1, 0.9, -0.3], [0.9, 1, 0.5], [-0.3, 0.5, 1]])
    known = {"bag": [1] * 3, "size": 3, "studies": 1, "genealogy": 0, "kind": "causal", "causal": True}
    pip = np.array([0.3, 0.3, 0.3])
    found = credible_sets(Test(pd.DataFrame(known)), [Scored(ABF, (pip,), (pip,))], {1: ld})
    assert found[["mean_size", "purity"]].to_numpy().tolist() == [[3, pytest.approx(0.3)]]


def test_no_arm_with_pips_has_a_table_without_rows(test: Test, noisy: Values) -> None:
    found = credible_sets(test, [Scored(MAX, (noisy,))])
    assert tuple(found.columns) == tables.COLUMNS["credible_sets"]
    assert found.empty
    assert (
        tuple(evaluate._calibration(test, [Scored(MAX, (noisy,))]).columns) == tables.COLUMNS["calibration"]
    )
    assert tuple(evaluate._seeds({"max": [test.sampled(noisy)]}).columns) == tables.COLUMNS["seeds"]


def test_the_ceiling_of_the_evidence_is_by_twins() -> None:
    """Bag 4: the causal variant is one of three with its genotypes; bag 9: one of one; bag 8: one of two."""
    ld = np.eye(4)
    ld[1, 2] = ld[2, 1] = -1
    ld[1, 0] = ld[0, 1] = 1
    blocks = {4: ld, 9: np.eye(2), 8: np.ones((2, 2)), 6: np.ones((2, 2))}
    own = SETS[SETS["bag"] == 4]["causal"].tolist()
    assert own == [False, True, False, False]
    assert evaluate.evidence_ceiling(Test(SETS), blocks) == pytest.approx((1 / 3 + 1 + 1 / 2) / 3)
