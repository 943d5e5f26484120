"""``mifm evaluate ranking``: numbers against plain recomputation, joins, strata, notes, files."""

import base64
import dataclasses
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.baselines.protocol import Evidence
from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.ranking.evaluate import clusters_of, evaluate
from mifm_kipoi.evaluation.ranking.labels import LabelOptions, Labels, read_labels
from mifm_kipoi.evaluation.ranking.records import COMMON, OWN, Evaluation, Measure
from mifm_kipoi.evaluation.ranking.report import Result
from mifm_kipoi.evaluation.ranking.run import RankingRun
from mifm_kipoi.evaluation.ranking.score_tables import Chosen, Scores, Source, choose_columns, read_scores
from mifm_kipoi.network.weights import file_sha256
from mifm_kipoi.statistics.ranking import (
    GroupedPrecision,
    auroc,
    average_precision,
    expected_average_precision,
)

RESAMPLES = 60


def variants(size: int = 400, seed: int = 1, chroms: tuple[str, ...] = ("1", "2", "9", "X")) -> pd.DataFrame:
    """Matched groups of ten rows, one of them positive, each on one chromosome."""
    generator = np.random.default_rng(seed)
    group = np.arange(size) // 10
    table = pd.DataFrame(
        {
            "chrom": np.array(chroms)[group % len(chroms)],
            "pos": generator.permutation(size) * 50_000 + 1,
            "ref": "A", "alt": "C",
            "positive": np.arange(size) % 10 == 0,
            "group": [f"g{number}" for number in group],
        }
    )  # fmt: skip
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


def scores(labels: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    """A good one with gaps, a bad one, a constant."""
    generator = np.random.default_rng(seed)
    size = len(labels)
    good = np.round(generator.normal(size=size) + 1.2 * labels["positive"], 1)
    good[generator.uniform(size=size) < 0.1] = np.nan
    return pd.DataFrame({"good": good, "bad": generator.normal(size=size), "same": 1.0}, index=labels.index)


@pytest.fixture(scope="module")
def labels() -> pd.DataFrame:
    return variants()


@pytest.fixture(scope="module")
def table(labels: pd.DataFrame) -> pd.DataFrame:
    return scores(labels)


@pytest.fixture(scope="module")
def found(labels: pd.DataFrame, table: pd.DataFrame) -> Evaluation:
    return evaluate(labels, table, held_out=("9", "X"), resamples=RESAMPLES)


def measure(found: Evaluation, stratum: str, rows: str, score: str, metric: str) -> Measure:
    (one,) = (
        one
        for one in found.measures
        if (one.stratum, one.rows, one.score, one.metric) == (stratum, rows, score, metric)
    )
    return one


STRATA = {"all": ("1", "2", "9", "X"), "held out": ("9", "X"), "others": ("1", "2")}


@pytest.mark.parametrize("rows", [COMMON, OWN])
@pytest.mark.parametrize("stratum", STRATA)
@pytest.mark.parametrize("score", ["good", "bad", "same"])
def test_each_metric_is_that_of_its_rows(
    labels: pd.DataFrame, table: pd.DataFrame, found: Evaluation, stratum: str, score: str, rows: str
) -> None:
    inside = labels["chrom"].isin(STRATA[stratum])
    inside &= table.notna().all(axis=1) if rows == COMMON else table[score].notna()
    own = labels[inside].assign(score=table[score][inside])
    values, positive = own["score"].to_numpy(), own["positive"].to_numpy()
    expected = {
        "auprc": (
            average_precision(values, positive),
            float(expected_average_precision(positive.sum(), positive.size)),
        ),
        "auroc": (auroc(values, positive), 0.5),
    }
    each = [
        (
            len(part),
            average_precision(part["score"].to_numpy(), part["positive"].to_numpy()),
            float(expected_average_precision(part["positive"].sum(), len(part))),
        )
        for _, part in own.groupby("chrom")
    ]
    expected["auprc_by_chromosome"] = (
        sum(size * area for size, area, _ in each) / len(own),
        sum(size * chance for size, _, chance in each) / len(own),
    )
    hits, chances = [], []
    for _, part in own.groupby("group"):
        if part["positive"].any() and not part["positive"].all():
            first = part["score"] == part["score"].max()
            hits.append((first & part["positive"]).sum() / first.sum())
            chances.append(part["positive"].mean())
    expected["top_1_group"] = np.mean(hits), np.mean(chances)
    for metric, (value, chance) in expected.items():
        one = measure(found, stratum, rows, score, metric)
        assert one.value == pytest.approx(value, abs=1e-12)
        assert one.chance == pytest.approx(chance, abs=1e-12)
        assert (one.variants, one.positives) == (len(own), positive.sum())
        if score == "same" and metric == "auroc":
            # All resamples are the same.
            assert np.isnan([one.low, one.high]).all()
        elif np.isfinite(one.low):
            assert 0 <= one.low <= one.high <= 1
            assert one.low - 1e-9 <= one.value <= one.high + 1e-9
        else:
            assert score == "same"
    assert measure(found, stratum, rows, score, "top_1_group").units == len(hits)
    assert measure(found, stratum, rows, score, "auprc_by_chromosome").units == len(STRATA[stratum])
    assert not [one for one in found.measures if one.metric == "top_1_block"]


def test_a_constant_gives_chance_or_the_share_of_positives(found: Evaluation) -> None:
    for one in found.measures:
        if one.score == "same" and one.metric == "auprc":
            assert one.value == pytest.approx(one.positives / one.variants, abs=1e-12)
        elif one.score == "same" and one.metric != "auprc_by_chromosome":
            assert one.value == pytest.approx(one.chance, abs=1e-12)


def test_random_scores_give_chance() -> None:
    """In few rows more than the share of positives: 22 chromosomes of 15 rows, a tenth of them positive."""
    generator = np.random.default_rng(3)
    labels = pd.DataFrame({"chrom": np.repeat([str(n) for n in range(22)], 15), "pos": range(330)})
    labels["positive"] = np.arange(330) % 10 == 0
    noise = pd.DataFrame({f"s{number}": generator.normal(size=330) for number in range(150)})
    measures = evaluate(labels, noise[["s0"]], resamples=2).of(COMMON)
    (one,) = (one for one in measures if one.metric == "auprc_by_chromosome")
    assert one.positives / one.variants == pytest.approx(0.1)
    group = labels["chrom"].astype(int).to_numpy()
    values = [
        float(GroupedPrecision(noise[name].to_numpy(), labels["positive"].to_numpy(), group).mean())
        for name in noise
    ]
    error = np.std(values, ddof=1) / len(values) ** 0.5
    assert one.chance == pytest.approx(np.mean(values), abs=3 * error)
    assert one.chance > 0.1 + 3 * error


def test_the_interval_is_that_of_groups_drawn_as_a_whole(labels: pd.DataFrame, table: pd.DataFrame) -> None:
    """Rows repeated as often as their group was drawn, in plain Python."""
    found = evaluate(labels, table[["bad"]], resamples=RESAMPLES, seed=7)
    names = labels["group"].unique()
    generator = np.random.default_rng(7)
    areas, tops = [], []
    for drawn in generator.multinomial(names.size, np.full(names.size, 1 / names.size), RESAMPLES):
        times = labels["group"].map(dict(zip(names, drawn, strict=True))).to_numpy()
        score, positive = np.repeat(table["bad"], times), np.repeat(labels["positive"], times)
        areas.append(auroc(score.to_numpy(), positive.to_numpy()))
        best = table["bad"].groupby(labels["group"]).transform("max") == table["bad"]
        tops.append((times * (best & labels["positive"])).sum() / drawn.sum())
    for metric, values in (("auroc", areas), ("top_1_group", tops)):
        one = measure(found, "all", COMMON, "bad", metric)
        assert [one.low, one.high] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist(), abs=1e-12)


def test_differences_are_of_the_same_resamples(found: Evaluation) -> None:
    pairs = {(one.stratum, one.first, one.second, one.metric): one for one in found.differences}
    assert len(pairs) == len(found.differences) == 3 * 3 * 3
    for (stratum, first, second, metric), one in pairs.items():
        values = [measure(found, stratum, COMMON, name, metric).value for name in (first, second)]
        assert [one.first_value, one.second_value] == values
        assert one.difference == pytest.approx(values[0] - values[1], abs=1e-12)
        assert one.low <= one.high
    best = pairs["all", "good", "bad", "auprc"]
    assert best.low > 0
    assert best.p_value == pytest.approx(2 / (RESAMPLES + 1))
    # The interval of a difference from a constant AUROC of 0.5 is that of the score itself.
    one, other = pairs["all", "bad", "same", "auroc"], measure(found, "all", COMMON, "bad", "auroc")
    assert [one.low, one.high] == pytest.approx([other.low - 0.5, other.high - 0.5], abs=1e-12)


def test_a_score_does_not_differ_from_itself_moved(labels: pd.DataFrame, table: pd.DataFrame) -> None:
    twice = pd.DataFrame({"one": table["bad"], "other": np.exp(table["bad"])})
    for one in evaluate(labels, twice, resamples=RESAMPLES).differences:
        assert (one.difference, one.p_value) == (0, 1)
        assert np.isnan([one.low, one.high]).all()


def test_paired_intervals_are_narrower_than_those_of_both(labels: pd.DataFrame, table: pd.DataFrame) -> None:
    """Two scores with the same noise: most of what resampling does to them is the same."""
    alike = pd.DataFrame({"one": table["bad"], "other": table["bad"] + 0.05 * labels["positive"]})
    found = evaluate(labels, alike, resamples=RESAMPLES)
    (difference,) = (one for one in found.differences if one.metric == "auroc")
    single = measure(found, "all", COMMON, "one", "auroc")
    assert difference.high - difference.low < 0.3 * (single.high - single.low)
    assert difference.difference < 0


def test_standard_errors(labels: pd.DataFrame, table: pd.DataFrame) -> None:
    """Within classes that of Hanley and McNeil; over chromosomes that of plain resampling."""
    found = evaluate(labels, table[["bad"]], resamples=2000)
    one = measure(found, "all", COMMON, "bad", "auroc")
    area, good, rest = one.value, 40, 360
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (good - 1) * (q1 - area**2) + (rest - 1) * (q2 - area**2)
    assert one.standard_error == pytest.approx((variance / good / rest) ** 0.5, rel=0.2)
    assert np.isnan(one.standard_error_chromosomes)
    each = [
        average_precision(table["bad"][own].to_numpy(), labels["positive"][own].to_numpy())
        for own in labels.groupby("chrom").groups.values()
    ]
    # Four chromosomes of equal size: the mean of four draws.
    error = measure(found, "all", COMMON, "bad", "auprc_by_chromosome").standard_error_chromosomes
    assert error == pytest.approx(np.std(each) / 2, rel=0.1)
    assert np.isnan(measure(found, "all", COMMON, "bad", "top_1_group").standard_error)


def test_the_standard_error_over_chromosomes_of_unequal_sizes() -> None:
    """Whole chromosomes drawn in plain Python, each with the weight of its rows."""
    generator = np.random.default_rng(15)
    sizes = [200, 60, 30, 12, 8]
    labels = pd.DataFrame({"chrom": np.repeat(list("12345"), sizes), "pos": range(sum(sizes))})
    labels["positive"] = generator.uniform(size=len(labels)) < 0.2
    labels.loc[labels.groupby("chrom").head(1).index, "positive"] = True
    labels.loc[labels.groupby("chrom").tail(1).index, "positive"] = False
    score = pd.DataFrame({"s": generator.normal(size=len(labels)) + labels["positive"]})
    found = evaluate(labels, score, resamples=4000)
    error = measure(found, "all", COMMON, "s", "auprc_by_chromosome").standard_error_chromosomes
    areas = [
        average_precision(score["s"][own].to_numpy(), labels["positive"][own].to_numpy())
        for own in (labels["chrom"] == chrom for chrom in "12345")
    ]
    means = []
    for _ in range(4000):
        drawn = generator.integers(0, 5, 5)
        means.append(sum(sizes[one] * areas[one] for one in drawn) / sum(sizes[one] for one in drawn))
    assert error == pytest.approx(np.std(means, ddof=1), rel=0.05)
    # That of equal weights is another.
    assert np.std(areas) / 5**0.5 != pytest.approx(error, rel=0.5)


def test_a_group_of_two_blocks_is_drawn_with_that_of_its_positive() -> None:
    """The positive row is the second of each group; blocks of positives are hit, or missed, together."""
    labels = pd.DataFrame(
        {
            "chrom": "1", "pos": range(1, 61), "positive": np.arange(60) % 2 == 1,
            "group": [f"g{row // 2}" for row in range(60)],
            # Negatives in blocks of their own, positives in ten blocks of three.
            "block": [f"p{row // 6}" if row % 2 else f"n{row}" for row in range(60)],
        }
    )  # fmt: skip
    hit = np.repeat([1.0, 0.0] * 5, 3)
    score = np.zeros(60)
    score[1::2], score[::2] = hit, 1 - hit
    found = evaluate(labels, pd.DataFrame({"s": score}), resamples=500, seed=5)
    one = measure(found, "all", COMMON, "s", "top_1_group")
    clusters = pd.factorize(labels["chrom"] + " " + labels["block"])[0]
    count = clusters.max() + 1
    means = []
    for times in np.random.default_rng(5).multinomial(count, np.full(count, 1 / count), 500):
        drawn = times[clusters[1::2]]
        if drawn.sum():
            means.append((drawn * hit).sum() / drawn.sum())
    assert [one.low, one.high] == pytest.approx(np.quantile(means, [0.025, 0.975]).tolist(), abs=1e-12)
    wrong = times_of_first_rows(clusters, hit, count)
    assert [one.low, one.high] != pytest.approx(wrong, abs=0.02)


def times_of_first_rows(clusters: np.ndarray, hit: np.ndarray, count: int) -> list[float]:
    """The interval if groups were drawn with their first rows."""
    drawn = np.random.default_rng(5).multinomial(count, np.full(count, 1 / count), 500)[:, clusters[::2]]
    return np.quantile((drawn @ hit) / drawn.sum(axis=1), [0.025, 0.975]).tolist()


def test_what_is_resampled_as_a_whole() -> None:
    labels = pd.DataFrame(
        {
            "chrom": ["1", "1", "2", "2", "1"], "pos": [10, 999_999, 10, 1_000_000, 1_000_001],
            "group": ["a", "b", "a", None, None], "block": ["x", "x", "x", None, "y"],
        }
    )  # fmt: skip

    def clusters(columns: list[str]) -> tuple[list[int], str]:
        numbers, words = clusters_of(labels[columns])
        return numbers.tolist(), words

    assert clusters(["chrom", "pos"]) == ([0, 0, 1, 2, 3], "regions of 1 Mb")
    assert clusters(["chrom", "pos", "group"]) == ([0, 1, 0, 2, 3], "matched groups")
    assert clusters(["chrom", "pos", "group", "block"]) == ([0, 0, 1, 2, 3], "blocks")


def test_top_1_in_blocks_and_groups_with_blocks_drawn() -> None:
    """Groups reach over two blocks; each is drawn with the block of its positive row."""
    labels = variants(200)
    labels["block"] = (labels["group"].str[1:].astype(int) % 7 + labels.index % 2 * 7).astype(str)
    table = scores(labels)[["bad"]]
    found = evaluate(labels, table, resamples=RESAMPLES)
    assert found.resampled == "blocks"
    assert found.clusters == labels.groupby(["chrom", "block"]).ngroups
    best = table["bad"] == table["bad"].groupby([labels["chrom"], labels["block"]]).transform("max")
    good = labels.groupby(["chrom", "block"])["positive"].transform("any")
    one = measure(found, "all", COMMON, "bad", "top_1_block")
    assert one.value == pytest.approx((best & labels["positive"]).sum() / (best & good).sum())
    assert one.units == (best & good).sum()
    assert measure(found, "all", COMMON, "bad", "top_1_group").units == 20


def test_blocks_of_one_class_do_not_count() -> None:
    labels = pd.DataFrame(
        {
            "chrom": "1", "pos": range(1, 9), "positive": [1, 0, 1, 1, 0, 0, 1, 0],
            "block": ["a", "a", "b", "b", "c", "c", None, None],
        }
    ).astype({"positive": bool})  # fmt: skip
    found = evaluate(labels, pd.DataFrame({"s": np.arange(8.0)}), resamples=RESAMPLES)
    one = measure(found, "all", COMMON, "s", "top_1_block")
    assert (one.value, one.chance, one.units) == (0, 0.5, 1)
    # From a single block nothing is known of the spread.
    assert np.isnan([one.low, one.high]).all()


def test_strata_without_a_class_have_no_numbers(labels: pd.DataFrame, table: pd.DataFrame) -> None:
    found = evaluate(labels, table, held_out=("22",), resamples=RESAMPLES)
    assert {one.stratum for one in found.measures} == {"all", "others"}
    assert found.count("good", "held out").labelled == 0
    assert found.count(None).scored == table.notna().all(axis=1).sum()
    assert found.count("good").scored_positives == (table["good"].notna() & labels["positive"]).sum()


def test_the_seed_decides(labels: pd.DataFrame, table: pd.DataFrame) -> None:
    one, same, other = (evaluate(labels, table, seed=seed, resamples=RESAMPLES) for seed in (1, 1, 2))
    assert repr(one.measures) == repr(same.measures)
    assert repr(one.differences) == repr(same.differences)
    assert repr(one.measures) != repr(other.measures)


# From files to files.


def declaration(
    ranks: dict[str, bool], held_out: list[str], leakage: str = "trained on blood", *, net: bool
) -> dict[str, Any]:
    scores = [{"name": name, "meaning": "", "ranks": yes, "signed": not yes} for name, yes in ranks.items()]
    return {
        "name": "A model", "scores": scores, "held_out": held_out, "leakage": leakage,
        "alleles": "both", "formula": "x", "citation": "none", "window": 512 if net else None,
    }  # fmt: skip


def write_comparison(folder: Path, labels: pd.DataFrame, **held_out: list[str]) -> Path:
    """``scores.parquet`` and ``comparison.json`` of two models, with chr in their names of contigs."""
    table = scores(labels)
    columns = labels[["chrom", "pos", "ref", "alt"]].assign(chrom="chr" + labels["chrom"], id=".")
    models = []
    for label, name in (("net", "good"), ("pips", "bad")):
        missing = table[name].isna()
        columns[f"{label}.first"] = table[name]
        columns[f"{label}.signed"] = -table[name]
        columns[f"{label}.status"] = np.where(missing, "too_many_n", "ok")
        spec = f"{label}={'mifm:weights' if label == 'net' else 'causaldb:file'}"
        declared = declaration({"first": True, "signed": False}, held_out.get(label, []), net=label == "net")
        models.append({"label": label, "spec": spec, "declaration": declared})
    folder.mkdir(exist_ok=True)
    path = folder / "scores.parquet"
    columns.to_parquet(path)
    (folder / "comparison.json").write_text(json.dumps({"mifm_kipoi": "1", "models": models}))
    return path


def write_labels(path: Path, labels: pd.DataFrame, **more: object) -> Path:
    table = labels[["chrom", "pos", "ref", "alt"]].assign(label=labels["positive"].astype(int), **more)
    table.to_csv(path, sep="\t", index=False)
    return path


def read_manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return found


def test_a_comparison_is_evaluated(
    tmp_path: Path, labels: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_comparison(tmp_path / "compared", labels, net=["9", "10"], pips=["chr9", "X"])
    truth = write_labels(tmp_path / "l.tsv", labels, match_group=labels["group"])
    arguments = ["evaluate", "ranking", str(path), "--labels", str(truth), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--resamples", str(RESAMPLES)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^net\.first +0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)", out, re.MULTILINE)
    assert "written: " in out
    metrics = pd.read_csv(tmp_path / "out" / "metrics.tsv", sep="\t")
    assert list(metrics.columns) == [field.name for field in dataclasses.fields(Measure)]
    expected = evaluate(labels, scores(labels)[["good", "bad"]], ("9",), resamples=RESAMPLES)
    assert len(metrics) == len(expected.measures)
    renamed = {"net.first": "good", "pips.first": "bad"}
    for row in metrics.itertuples():
        one = measure(expected, row.stratum, row.rows, renamed[row.score], row.metric)
        assert [row.value, row.low, row.high] == pytest.approx([one.value, one.low, one.high], rel=1e-9)
    paired = pd.read_csv(tmp_path / "out" / "paired.tsv", sep="\t")
    assert len(paired) == len(expected.differences)
    manifest = read_manifest(tmp_path / "out")
    assert manifest["held_out"] == ["9"]
    assert manifest["evaluated"] == ["net.first", "pips.first"]
    assert manifest["counts"]["without_score"] == {
        "net.first": {"too_many_n": int(scores(labels)["good"].isna().sum())}, "pips.first": {},
    }  # fmt: skip
    assert {len(manifest[name]["sha256"]) for name in ("scores", "labels", "comparison")} == {64}
    report = (tmp_path / "out" / "report.md").read_text()
    assert "trained on blood" in report
    assert "chromosomes 9, which every model" in report
    page = (tmp_path / "out" / "report.html").read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    names = ["overview", "precision_recall", "roc"]
    files = [(tmp_path / "out" / "figures" / f"{name}.png").read_bytes() for name in names]
    assert [base64.b64decode(one) for one in pictures] == files
    assert len(page) < 5_000_000


def run(scores: Path, labels: Path, folder: Path, **options: Any) -> dict[str, Any]:
    RankingRun(scores, labels, folder, **{"resamples": 20, **options}).run()
    return read_manifest(folder)


def test_models_that_held_out_nothing_together(tmp_path: Path, labels: pd.DataFrame) -> None:
    path = write_comparison(tmp_path / "c", labels, net=["9"], pips=["X"])
    truth = write_labels(tmp_path / "l.tsv", labels)
    found = run(path, truth, tmp_path / "out")
    assert found["held_out"] == []
    assert (
        "no chromosome was held out by all models that declare held-out chromosomes: net 9; pips X"
        in found["notes"]
    )
    assert run(path, truth, tmp_path / "out", held_out=("chrX",))["held_out"] == ["X"]
    assert run(path, truth, tmp_path / "out", columns=("net.first",))["held_out"] == ["9"]
    assert run(path, truth, tmp_path / "out", columns=("net.first",), held_out=())["held_out"] == []


def section(folder: Path, title: str) -> str:
    return (folder / "report.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_report_names_the_best_score_that_is_not_circular(tmp_path: Path, labels: pd.DataFrame) -> None:
    """A PIP that finds labels made of PIPs is no result, however high its numbers are."""
    path = write_comparison(tmp_path / "c", labels)
    table = pd.read_parquet(path)
    table["pips.first"] = labels["positive"].astype(float)
    table.to_parquet(path)
    truth = write_labels(tmp_path / "l.tsv", labels, pip=labels["positive"] * 0.95)
    out = tmp_path / "out"
    run(path, truth, out, label_options=LabelOptions(pip="pip"))
    short = section(out, "In short")
    assert "Highest AUPRC of the scores that are not circular: **net.first**, 0." in short
    assert "**pips.first**" not in short
    assert "same kind of evidence as the labels: pips.first" in short
    rows = re.findall(r"^\| (\S+ ?\S*) \| 3\d\d ", section(out, "Scores compared"), re.MULTILINE)
    assert rows == ["pips.first (circular)", "net.first"]
    # Of labels that are not made of PIPs it is a result.
    run(path, truth, out)
    short = section(out, "In short")
    assert "Highest AUPRC: **pips.first**, 1.000" in short
    assert "circular" not in short
    run(path, truth, out, label_options=LabelOptions(pip="pip"), columns=("pips.first",))
    short = section(out, "In short")
    assert "**All scores are circular:**" in short
    assert "Highest" not in short


def test_models_that_may_know_the_labels_are_named(tmp_path: Path, labels: pd.DataFrame) -> None:
    path = write_comparison(tmp_path / "c", labels, pips=["9"])
    manifest = json.loads((path.parent / "comparison.json").read_text())
    manifest["models"][0]["declaration"]["window"] = 512
    truth = write_labels(tmp_path / "l.tsv", labels)
    manifest["models"][0]["kind"] = "enformer"
    (path.parent / "comparison.json").write_text(json.dumps(manifest))
    # A network that was trained on no variants may declare it, and is not under suspicion.
    assert not [note for note in run(path, truth, tmp_path / "out")["notes"] if "trained" in note]
    manifest["models"][0]["kind"] = "mifm"
    (path.parent / "comparison.json").write_text(json.dumps(manifest))
    (note,) = (note for note in run(path, truth, tmp_path / "out")["notes"] if "trained" in note)
    assert note.startswith("net may have been trained on these labels")
    assert note.endswith(": trained on blood")
    assert f"**Caution:** {note}." in section(tmp_path / "out", "In short")
    declaration = manifest["models"][0]["declaration"]
    declaration["made_by"] = {"trained_on": {"l.tsv": file_sha256(Path(truth))}}
    (path.parent / "comparison.json").write_text(json.dumps(manifest))
    (note,) = (note for note in run(path, truth, tmp_path / "out")["notes"] if "trained" in note)
    assert note == "net was trained on this very table: the labels do not test it"
    manifest["models"][0]["declaration"]["held_out"] = ["9"]
    (path.parent / "comparison.json").write_text(json.dumps(manifest))
    (note,) = (note for note in run(path, truth, tmp_path / "out")["notes"] if "trained" in note)
    assert note == "net was trained on this very table: only the chromosomes that it held out, 9, test it"
    del declaration["made_by"]
    (path.parent / "comparison.json").write_text(json.dumps(manifest))
    assert not [note for note in run(path, truth, tmp_path / "out")["notes"] if "trained" in note]


def test_labels_without_a_row_of_scores_are_told(tmp_path: Path, labels: pd.DataFrame) -> None:
    moved = labels.copy()
    moved.loc[:4, "pos"] += 1
    moved.loc[5:7, ["ref", "alt"]] = ["C", "A"]
    path = write_comparison(tmp_path / "c", moved)
    found = run(path, write_labels(tmp_path / "l.tsv", labels), tmp_path / "out")
    assert found["counts"]["labels_without_row_of_scores"] == 8
    assert found["counts"]["of_these_exchanged_alleles"] == 3
    assert found["counts"]["without_score"]["pips.first"] == {"no row of the variant": 8}
    (note,) = (note for note in found["notes"] if "have no row" in note)
    assert note == (
        "8 of 400 labelled variants have no row in the table of scores; 3 of them are there with REF and ALT "
        "swapped"
    )
    by_score = {row["score"]: row for row in found["strata"]}
    assert (by_score["pips.first"]["labelled"], by_score["pips.first"]["scored"]) == (400, 392)


def test_contigs_without_scores_are_named(tmp_path: Path, labels: pd.DataFrame) -> None:
    """Among labels of chromosomes 23 and Q, the first is X."""
    some, rest = labels.copy(), labels.copy()
    some.loc[:2, "chrom"], rest.loc[:2, "chrom"] = "23", "X"
    some.loc[5:6, "chrom"] = "Q"
    path = write_comparison(tmp_path / "c", rest)
    found = run(path, write_labels(tmp_path / "l.tsv", some), tmp_path / "out")
    assert found["counts"]["labels_without_row_of_scores"] == 2
    (note,) = (note for note in found["notes"] if "no row on" in note)
    assert note == "the table of scores has no row on Q, where labelled variants lie"


def test_lifted_labels_are_evaluated(tmp_path: Path, labels: pd.DataFrame) -> None:
    """All chromosomes but one are moved by 1,000 bases."""
    pytest.importorskip("liftover")
    contigs, length = labels["chrom"].unique().tolist(), int(labels["pos"].max()) + 10
    end = length + 1000
    blocks = [
        f"chain 1 chr{name} {length} + 0 {length} chr{name} {end} + 1000 {end} {number}\n{length}\n\n"
        for number, name in enumerate(contigs[:-1], start=1)
    ]
    chain = tmp_path / "a.chain"
    chain.write_text("".join(blocks))
    path = write_comparison(tmp_path / "c", labels.assign(pos=labels["pos"] + 1000))
    truth = write_labels(tmp_path / "l.tsv", labels)
    found = run(path, truth, tmp_path / "out", label_options=LabelOptions(lift_over=chain))
    lost = int((labels["chrom"] == contigs[-1]).sum())
    assert found["counts"]["labels_without_row_of_scores"] == 0
    assert found["counts"]["labels"]["lost"] == lost
    assert found["lift_over"]["name"] == "a.chain"
    assert any(
        note.startswith(f"of the rows of labels, the lift-over lost {lost}, and 0") for note in found["notes"]
    )
    both = write_labels(tmp_path / "both.tsv", labels, s=1.0)
    with pytest.raises(OptionError, match="leave --lift-over out"):
        run(both, both, tmp_path / "same", columns=("s",), label_options=LabelOptions(lift_over=chain))


def test_no_labelled_variant_is_found(tmp_path: Path, labels: pd.DataFrame) -> None:
    path = write_comparison(tmp_path / "c", labels.assign(ref="C", alt="A"))
    with pytest.raises(
        InputError, match=r"none of the 400 labelled .*; 400 are there with REF and ALT swapped"
    ):
        run(path, write_labels(tmp_path / "l.tsv", labels), tmp_path / "out")
    path = write_comparison(tmp_path / "c", labels.assign(pos=labels["pos"] + 1))
    with pytest.raises(InputError, match="both must be of one genome build, with 1-based positions"):
        run(path, write_labels(tmp_path / "l.tsv", labels), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scores_of_one_variant_that_differ_are_refused(tmp_path: Path, labels: pd.DataFrame) -> None:
    truth = write_labels(tmp_path / "l.tsv", labels)
    path = write_comparison(tmp_path / "c", labels)
    table = pd.read_parquet(path)
    pd.concat([table, table[:9]]).to_parquet(path)
    found = run(path, truth, tmp_path / "out")
    assert found["counts"]["rows_of_scores"] == 409
    assert found["counts"]["repeated_rows_of_scores"] == 9
    said = "9 rows of scores are of a variant that has another row, with the same scores; each counts once"
    assert said in found["notes"]
    other = table[3:4].assign(**{"net.first": 77.0})
    pd.concat([table, other]).to_parquet(path)
    with pytest.raises(InputError, match=r"several rows of \w+:\d+:A:C with different scores"):
        run(path, truth, tmp_path / "out")
    # Of a variant without a label it does not matter.
    pd.concat([table, other.assign(pos=3), other.assign(pos=3, **{"net.first": 1.0})]).to_parquet(path)
    run(path, truth, tmp_path / "out")


def test_any_table_with_lower_and_higher(tmp_path: Path, labels: pd.DataFrame) -> None:
    """A p-value ranks from low to high; nothing is guessed of columns that are not named."""
    table = scores(labels)
    columns = labels[["chrom", "pos", "ref", "alt"]].assign(p=-table["good"], s=table["bad"], id="x")
    columns.to_csv(tmp_path / "s.csv.gz", index=False)
    truth = write_labels(tmp_path / "l.tsv", labels)
    found = run(tmp_path / "s.csv.gz", truth, tmp_path / "out", lower=("p",), columns=("s",))
    assert (found["evaluated"], found["lower_is_better"], found["comparison"]) == (["s", "p"], ["p"], None)
    metrics = pd.read_csv(tmp_path / "out" / "metrics.tsv", sep="\t").set_index(["rows", "score", "metric"])
    expected = evaluate(labels.drop(columns="group"), table, resamples=20)
    one = measure(expected, "all", OWN, "good", "auprc")
    assert metrics.loc[("own", "p", "auprc"), "value"] == pytest.approx(one.value)
    with pytest.raises(OptionError, match=r"comparison\.json .* columns rank variants"):
        run(tmp_path / "s.csv.gz", truth, tmp_path / "out")
    columns.rename(columns={"s": "mifm_ref"}).to_csv(tmp_path / "scored.csv.gz", index=False)
    assert run(tmp_path / "scored.csv.gz", truth, tmp_path / "scored")["evaluated"] == ["mifm_ref"]
    lower = run(tmp_path / "scored.csv.gz", truth, tmp_path / "lower", lower=("p",))
    assert lower["evaluated"] == ["p"]
    with pytest.raises(OptionError, match="has no scores 'q'; its columns are chrom"):
        run(tmp_path / "s.csv.gz", truth, tmp_path / "out", columns=("q",))
    with pytest.raises(OptionError, match="p cannot be in --columns and in --lower"):
        run(tmp_path / "s.csv.gz", truth, tmp_path / "out", columns=("p",), lower=("p",))
    with pytest.raises(InputError, match=r"line 2 of .*s\.csv\.gz: id is 'x'; expected a number"):
        run(tmp_path / "s.csv.gz", truth, tmp_path / "out", columns=("id",))


def test_labels_may_hold_the_scores(tmp_path: Path) -> None:
    """Of a variant with several rows the scores are those of the row that its label is of."""
    (tmp_path / "t.tsv").write_text(
        "chrom\tpos\tref\talt\tpip\ts\n1\t1\tA\tC\t0.001\t9\n1\t1\tA\tC\t0.95\t5\n1\t2\tA\tC\t0\t1\n"
        "2\t3\tA\tC\t0\t6\n2\t4\tA\tC\t1\t7\n"
    )
    labels = read_labels(tmp_path / "t.tsv", LabelOptions(pip="pip"))
    chosen = choose_columns(tmp_path / "t.tsv", ["s"], [])
    assert read_scores(tmp_path / "t.tsv", chosen, labels, of_labels=True).table["s"].tolist() == [5, 1, 6, 7]
    with pytest.raises(InputError, match="several rows of 1:1:A:C with different scores"):
        read_scores(tmp_path / "t.tsv", chosen, labels)
    with pytest.raises(OptionError, match="'pip' makes the labels and is named as a score too"):
        run(tmp_path / "t.tsv", tmp_path / "t.tsv", tmp_path / "o", label_options=LabelOptions(pip="pip"),
            columns=("pip",))  # fmt: skip
    found = run(
        tmp_path / "t.tsv",
        tmp_path / "t.tsv",
        tmp_path / "o",
        label_options=LabelOptions(pip="pip"),
        columns=("s",),
    )
    assert found["pip_limits"] == {"positive_above": 0.9, "negative_below": 0.01}
    (note,) = (note for note in found["notes"] if note.startswith("circular"))
    assert note.startswith("circular, unless added from elsewhere: s is of the table that has the PIPs")


@pytest.mark.parametrize("name", ["common", "own", "variant", "self", "row", "group", "positive", "value"])
def test_scores_may_have_any_name(tmp_path: Path, labels: pd.DataFrame, name: str) -> None:
    table = scores(labels)
    columns = labels[["chrom", "pos", "ref", "alt"]].assign(other=table["bad"])
    columns[name] = table["good"]
    columns.to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    truth = write_labels(tmp_path / "l.tsv", labels)
    found = run(tmp_path / "s.tsv", truth, tmp_path / "out", columns=(name, "other"))
    scored = {row["score"]: row["scored"] for row in found["strata"]}
    assert scored == {name: table["good"].notna().sum(), "other": 400, None: table["good"].notna().sum()}
    report = (tmp_path / "out" / "report.md").read_text()
    assert re.search(rf"^\| {name} \| {scored[name]} .*\| \d+ no value \|$", report, re.MULTILINE)
    assert re.search(r"^\| other \| 400 \(100", report, re.MULTILINE)


def test_blocks_that_lack_variants_are_told(tmp_path: Path, labels: pd.DataFrame) -> None:
    pip = labels["positive"] * 0.95
    both = pd.concat([labels.assign(pip=pip, block="a"), labels[:7].assign(pip=0.0, block="b")])
    truth = write_labels(tmp_path / "l.tsv", both, pip=both["pip"], block=both["block"])
    options = {"label_options": LabelOptions(pip="pip"), "columns": ("net.first",)}
    found = run(write_comparison(tmp_path / "c", labels), truth, tmp_path / "out", **options)
    lost = labels["chrom"][:7].nunique()
    assert found["counts"]["labels"]["blocks_with_losses"] == lost
    (note,) = (note for note in found["notes"] if "blocks lack variants" in note)
    assert note.startswith(f"{lost} of {4 + lost} blocks lack variants")
    assert "that of its highest PIP" in note


def test_circular_scores_are_named(tmp_path: Path, labels: pd.DataFrame) -> None:
    path = write_comparison(tmp_path / "c", labels)
    truth = write_labels(tmp_path / "l.tsv", labels, pip=labels["positive"] * 0.95)
    found = run(path, truth, tmp_path / "out", label_options=LabelOptions(pip="pip"))
    (note,) = (note for note in found["notes"] if note.startswith("circular"))
    assert "pips.first is of the same kind" in note
    assert "net.first" not in note
    assert not [note for note in run(path, truth, tmp_path / "out")["notes"] if note.startswith("circular")]
    # Without a comparison it goes by the name.
    (path.parent / "comparison.json").unlink()
    table = pd.read_parquet(path).rename(columns={"net.first": "P_value", "pips.first": "pipeline"})
    table.to_parquet(path)
    columns = {"lower": ("P_value",), "columns": ("pipeline",), "label_options": LabelOptions(pip="pip")}
    (note,) = (one for one in run(path, truth, tmp_path / "out", **columns)["notes"] if "circular" in one)
    assert "P_value is of" in note


CIRCULAR = ["p", "P", "p_value", "pval", "z", "Z", "zscore", "z_score", "bf", "lbf", "log10bf", "log10_bf",
            "neg_log10_p", "mlog10p", "susie_pip", "PIP2", "posterior", "P.value", "my_pips"]  # fmt: skip
OTHERWISE = ["pipeline", "phred", "p300", "np", "raw_score", "zebra", "bfx", "chip", "deltaz2", "step"]


@pytest.mark.parametrize("evidence", [Evidence.ANNOTATION, Evidence.SEQUENCE, Evidence.PIP, None])
def test_evidence_tells_what_is_circular(evidence: Evidence | None) -> None:
    """Names count where nothing is declared; a network is not circular, whatever its score is called."""
    names = [*CIRCULAR, *OTHERWISE, "causality"]
    columns = tuple(f"x.{name}" for name in names)
    declared = dict.fromkeys(columns, evidence) if evidence else {}
    source = Source("x", "a model", columns, (), "", declared)
    chosen = Chosen(columns, frozenset(), (), (source,))
    labels = Labels(pd.DataFrame(), {"pip": "Causality"}, {})
    nothing = Scores(pd.DataFrame(), {}, 0, 0, 0, (), 0)
    found = Evaluation((), (), (), {}, "blocks", 1, 1)
    result = Result(labels, chosen, nothing, found, (), False, {})
    expected = {
        Evidence.ANNOTATION: ["x.causality"],
        Evidence.SEQUENCE: [],
        Evidence.PIP: list(columns),
        None: [f"x.{name}" for name in [*CIRCULAR, "causality"]],
    }[evidence]
    assert list(result.associations) == expected


def test_what_makes_numbers_rough_is_told(tmp_path: Path) -> None:
    few = variants(60)
    path = write_comparison(tmp_path / "c", few)
    truth = write_labels(tmp_path / "l.tsv", few, block=few["group"].str[1:].astype(int) // 2)
    table = pd.read_parquet(path)
    table.loc[:30, "pips.first"] = np.nan
    table.to_parquet(path)
    notes = run(path, truth, tmp_path / "out", columns=("net.first", "pips.signed", "pips.first"))["notes"]
    text = " | ".join(notes)
    assert re.search(r"only [1-6] positive variants that all scores have: intervals are rough", text)
    assert re.search(
        r"only \d\d\.\d % of the labelled variants have all scores; pips\.first has the fewest", text
    )
    assert re.search(r"only \d blocks to resample", text)
    assert "pips.signed is not meant to rank variants" in text


def test_scores_without_common_rows(tmp_path: Path, labels: pd.DataFrame) -> None:
    """Nothing can be compared, but each score has its numbers."""
    path = write_comparison(tmp_path / "c", labels)
    table = pd.read_parquet(path)
    table.loc[table.index % 2 == 0, "net.first"] = np.nan
    table.loc[table.index % 2 == 1, "pips.first"] = np.nan
    table.to_parquet(path)
    found = run(path, write_labels(tmp_path / "l.tsv", labels), tmp_path / "out")
    assert (
        "no comparison: of the variants that all scores have, 0 are positive and 0 negative" in found["notes"]
    )
    metrics = pd.read_csv(tmp_path / "out" / "metrics.tsv", sep="\t")
    assert set(metrics["rows"]) == {"own"}
    assert set(metrics["score"]) == {"net.first", "pips.first"}
    assert pd.read_csv(tmp_path / "out" / "paired.tsv", sep="\t").empty
    assert "Each score on all variants that it has" in (tmp_path / "out" / "report.md").read_text()


def test_many_scores(tmp_path: Path, labels: pd.DataFrame) -> None:
    """More than there are colours: the curves show the best."""
    generator = np.random.default_rng(5)
    columns = labels[["chrom", "pos", "ref", "alt"]].copy()
    names = [f"a-score-with-a-very-long-name-{number}.of_it" for number in range(10)]
    for name in names:
        columns[name] = generator.normal(size=len(labels))
    columns.to_parquet(tmp_path / "s.parquet")
    truth = write_labels(tmp_path / "l.tsv", labels)
    run(tmp_path / "s.parquet", truth, tmp_path / "out", columns=tuple(names))
    report = (tmp_path / "out" / "report.md").read_text()
    assert "The 8 scores with the highest AUPRC are shown." in report
    pairs = re.findall(r"\| (\S+) less (\S+) \|", report)
    order = re.findall(r"^\| (a-score\S+) \| 400", report, re.MULTILINE)[:10]
    assert pairs == list(itertools.combinations(order, 2))


@pytest.mark.parametrize("content", ["{", "[]", '{"models": 1}', '{"models": [{"label": "net"}]}'])
def test_a_manifest_that_is_none(tmp_path: Path, labels: pd.DataFrame, content: str) -> None:
    path = write_comparison(tmp_path / "c", labels)
    (path.parent / "comparison.json").write_text(content)
    with pytest.raises(InputError, match=r"comparison\.json does not describe models"):
        run(path, write_labels(tmp_path / "l.tsv", labels), tmp_path / "out")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--labels", "l.tsv"],
        ["--labels", "l.tsv", "-o", "out", "--pip", "a", "--label-column", "b"],
        ["--labels", "l.tsv", "-o", "out", "--pip", "a", "--positive", "1.5"],
        ["--labels", "l.tsv", "-o", "out", "--resamples", "0"],
        ["--labels", "l.tsv", "-o", "out", "--seed", "-1"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "ranking", "s.tsv", *arguments])


def test_impossible_options_exit_with_2(tmp_path: Path, labels: pd.DataFrame) -> None:
    path = write_comparison(tmp_path / "c", labels)
    truth = write_labels(tmp_path / "l.tsv", labels)
    arguments = ["evaluate", "ranking", str(path), "--labels", str(truth), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--positive", "0.5"]) == 2
    assert main([*arguments, "--columns", "nothing"]) == 2
    assert main([*arguments[:-1], str(truth)]) == 1
