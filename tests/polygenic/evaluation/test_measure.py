"""R2, AUC and tests of scores against models that statsmodels fits, fold by fold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.genetics.people import People
from mifm_kipoi.genetics.people_tables import read_people
from mifm_kipoi.polygenic.evaluation.inputs import ancestries_of, groups_of
from mifm_kipoi.polygenic.evaluation.measure import (
    EVALUATED,
    SAME,
    UNKNOWN_VALUES,
    Measured,
    Options,
    measure,
)
from mifm_kipoi.polygenic.evaluation.methods import Score
from mifm_kipoi.statistics.folds import k_folds, random_splits
from mifm_kipoi.statistics.sign_flip import sign_flip_draws

pytest.importorskip("scipy")

SIZE = 400
FOLDS = 4


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """Traits that depend on age, centre and a score; everyone is of one of two ancestries."""
    generator = np.random.default_rng(7)
    frame = pd.DataFrame({
        "IID": [f"p{number}" for number in range(2 * SIZE)],
        "age": generator.normal(55, 8, 2 * SIZE).round(1),
        "centre": generator.choice(["a", "b", "c"], 2 * SIZE, p=[0.5, 0.3, 0.2]),
        "pop": ["X"] * SIZE + ["Y"] * SIZE,
        "house": [f"h{number // 2}" for number in range(2 * SIZE)],
    })  # fmt: skip
    score = generator.normal(size=2 * SIZE)
    frame["score"] = score
    base = 0.05 * frame["age"] + 0.5 * (frame["centre"] == "b") + 0.7 * score
    frame["height"] = (base + generator.normal(size=2 * SIZE)).round(6)
    frame["ill"] = (base - base.mean() - 0.8 + generator.logistic(size=2 * SIZE) > 0).astype(int)
    path = tmp_path_factory.mktemp("measure") / "people.tsv"
    frame.to_csv(path, sep="\t", index=False)
    return read_people([path], ["height", "ill", "score"], ["age", "centre"], labels=["pop", "house"])


@pytest.fixture(scope="module")
def values(people: People) -> dict[str, np.ndarray]:
    """A good score, one with more noise, one that is constant and one that lacks a value."""
    generator = np.random.default_rng(8)
    score = people.traits["score"].values
    lacking = score.copy()
    lacking[3] = np.nan
    return {
        "good": 3 + 0.01 * (score + 0.3 * generator.normal(size=len(score))),
        "worse": score + 1.5 * generator.normal(size=len(score)),
        "twice": 3 + 0.01 * score, "constant": np.full(len(score), 0.1), "lacking": lacking,
    }  # fmt: skip


SCORES = [Score("good", "", "mifm"), Score("worse", "", "p")]


def measured(
    people: People, values: dict[str, np.ndarray], trait: str, scores: list[Score], **options: object
) -> Measured:
    chosen = {"folds": FOLDS, "seed": 3} | options
    cluster = people.labels["house"] if chosen.pop("houses", False) else None
    (group, _) = groups_of(people, people.traits[trait], ancestries_of(people, "pop", ()), 100, 20)
    return measure(people, group, scores, values, Options(**chosen), cluster)  # type: ignore[arg-type]


def frame_of(people: People) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Design with plain coding, height and illness of the first ancestry."""
    rows = slice(0, SIZE)
    centre = people.covariates["centre"].values[rows]
    design = np.column_stack([np.ones(SIZE), people.covariates["age"].values[rows], centre == 1, centre == 2])
    return design, people.traits["height"].values[rows], people.traits["ill"].values[rows]


def test_incremental_r2_is_that_of_statsmodels(people: People, values: dict[str, np.ndarray]) -> None:
    api = pytest.importorskip("statsmodels.api")
    design, height, _ = frame_of(people)
    squares, null = np.zeros((3, SIZE)), (height - height.mean()) ** 2
    for split in k_folds(SIZE, FOLDS, 3):
        for number, name in enumerate((None, "good", "worse")):
            columns = design if name is None else np.column_stack([design, values[name][:SIZE]])
            fit = api.OLS(height[split.train], columns[split.train]).fit()
            squares[number, split.test] = (height[split.test] - fit.predict(columns[split.test])) ** 2
    found = measured(people, values, "height", SCORES)
    assert found.scenario["status"] == EVALUATED
    assert found.scenario["covariates_r2"] == pytest.approx(1 - squares[0].sum() / null.sum(), abs=1e-9)
    for row, own in zip(found.performance, squares[1:], strict=True):
        assert row["r2"] == pytest.approx((squares[0] - own).sum() / null.sum(), abs=1e-9)
        assert row["whole_r2"] == pytest.approx(1 - own.sum() / null.sum(), abs=1e-9)
        assert np.isnan(row["auc"])
    (row,) = found.comparisons
    assert (row["method"], row["baseline"], row["people"]) == ("mifm", "p", SIZE)
    assert row["difference"] == pytest.approx((squares[2] - squares[1]).sum() / null.sum(), abs=1e-9)
    drawn = sign_flip_draws(squares[2] - squares[1], 200_000)
    assert row["p_value"] < 1e-5
    assert drawn.p_value < 1e-4
    resampled = np.random.default_rng(1).integers(0, SIZE, (2000, SIZE))
    spread = ((squares[2] - squares[1])[resampled].sum(axis=1) / null[resampled].sum(axis=1)).std()
    assert row["difference_se"] == pytest.approx(spread, rel=0.08)


def test_binary_traits_are_those_of_statsmodels_and_scikit_learn(
    people: People, values: dict[str, np.ndarray]
) -> None:
    api = pytest.importorskip("statsmodels.api")
    metrics = pytest.importorskip("sklearn.metrics")
    design, _, ill = frame_of(people)
    losses, areas = np.zeros((2, SIZE)), []
    linear = np.zeros((2, SIZE))
    for split in k_folds(SIZE, FOLDS, 3, ill):
        for number, name in enumerate((None, "good")):
            columns = design if name is None else np.column_stack([design, values[name][:SIZE] * 100])
            fit = api.Logit(ill[split.train], columns[split.train]).fit(disp=0, tol=1e-12, maxiter=100)
            chance = fit.predict(columns[split.test])
            case = ill[split.test] == 1
            losses[number, split.test] = -np.log(np.where(case, chance, 1 - chance))
            least = api.OLS(ill[split.train], columns[split.train]).fit()
            linear[number, split.test] = (ill[split.test] - least.predict(columns[split.test])) ** 2
        areas.append((metrics.roc_auc_score(ill[split.test], chance), case.sum() * (~case).sum()))
    found = measured(people, values, "ill", SCORES, prevalence={"ill": 0.1})
    row = found.performance[0]
    assert row["r2"] == pytest.approx(1 - losses[1].sum() / losses[0].sum(), abs=1e-9)
    area, weight = np.array(areas).T
    assert row["auc"] == pytest.approx((area * weight).sum() / weight.sum(), abs=1e-9)
    # Lee et al. (2012), equation 15, by hand.
    from scipy.stats import norm

    observed = (linear[0] - linear[1]).sum() / ((ill - ill.mean()) ** 2).sum()
    cases, threshold = ill.mean(), norm.isf(0.1)
    mean = norm.pdf(threshold) / 0.1
    theta = mean * (cases - 0.1) / 0.9 * (mean * (cases - 0.1) / 0.9 - threshold)
    factor = 0.1 * 0.9 / norm.pdf(threshold) ** 2 * 0.1 * 0.9 / (cases * (1 - cases))
    assert row["liability_r2"] == pytest.approx(observed * factor / (1 + observed * theta * factor), abs=1e-9)
    assert found.scenario["cases"] == ill.sum()
    assert found.scenario["prevalence"] == 0.1


def test_p_values_are_those_of_random_signs(people: People, values: dict[str, np.ndarray]) -> None:
    generator = np.random.default_rng(11)
    noise = {name: generator.normal(size=len(people)) for name in ("good", "worse")}
    design, height, _ = frame_of(people)
    squares = np.zeros((2, SIZE))
    for split in k_folds(SIZE, FOLDS, 3):
        for number, name in enumerate(("good", "worse")):
            columns = np.column_stack([design, noise[name][:SIZE]])
            effects = np.linalg.lstsq(columns[split.train], height[split.train], rcond=None)[0]
            squares[number, split.test] = (height[split.test] - columns[split.test] @ effects) ** 2
    drawn = sign_flip_draws(squares[1] - squares[0], 200_000, seed=2)
    (row,) = measured(people, noise, "height", SCORES).comparisons
    assert row["p_value"] == pytest.approx(drawn.p_value, abs=0.01)
    assert row["test"] == "saddlepoint"


@pytest.mark.parametrize("trait", ["height", "ill"])
def test_the_same_score_at_another_place_is_not_tested(
    people: People, values: dict[str, np.ndarray], trait: str
) -> None:
    """Columns of a product of matrices are rounded by their place, which is no difference of scores."""
    # As wide as the models of many scores, whose products are computed in blocks of columns.
    many = {f"same{number}": values["good"] * (1 + number) for number in range(9)}
    scores = [Score("good", "", "mifm"), *(Score(name, "", name) for name in many)]
    result = measured(people, values | many, trait, scores)
    assert [row["status"] for row in result.comparisons] == [SAME] * len(many)
    assert {row["difference"] for row in result.comparisons} == {0.0}
    assert all(np.isnan(row["p_value"]) for row in result.comparisons)


def test_a_trait_that_follows_from_covariates_is_not_evaluated(
    tmp_path: Path, values: dict[str, np.ndarray]
) -> None:
    generator = np.random.default_rng(9)
    frame = pd.DataFrame({"IID": [f"p{number}" for number in range(400)]})
    frame["height"] = generator.normal(size=400).round(4)
    frame["inches"] = frame["height"] * 2.54
    path = tmp_path / "people.tsv"
    frame.to_csv(path, sep="\t", index=False)
    people = read_people([path], ["height"], ["inches"])
    (group,) = groups_of(people, people.traits["height"], ancestries_of(people, "", ()), 100, 20)
    result = measure(people, group, SCORES, {name: each[:400] for name, each in values.items()}, Options())
    assert result.scenario["status"] == "the trait follows from the covariates"
    assert not result.comparisons


def test_clusters_stay_in_one_fold_and_flip_together(people: People, values: dict[str, np.ndarray]) -> None:
    house = np.unique(people.labels["house"][:SIZE].astype(str), return_inverse=True)[1]
    splits = k_folds(SIZE, FOLDS, 3, None, house)
    design, height, _ = frame_of(people)
    squares = np.zeros((2, SIZE))
    for split in splits:
        assert not set(house[split.train]) & set(house[split.test])
        for number, name in enumerate(("good", "worse")):
            columns = np.column_stack([design, values[name][:SIZE]])
            effects = np.linalg.lstsq(columns[split.train], height[split.train], rcond=None)[0]
            squares[number, split.test] = (height[split.test] - columns[split.test] @ effects) ** 2
    (row,) = measured(people, values, "height", SCORES, houses=True).comparisons
    total = ((height - height.mean()) ** 2).sum()
    assert row["difference"] == pytest.approx((squares[1] - squares[0]).sum() / total, abs=1e-9)
    sums = [np.bincount(house, one) for one in (squares[1] - squares[0], (height - height.mean()) ** 2)]
    resampled = np.random.default_rng(1).integers(0, len(sums[0]), (4000, len(sums[0])))
    spread = (sums[0][resampled].sum(axis=1) / sums[1][resampled].sum(axis=1)).std()
    assert row["difference_se"] == pytest.approx(spread, rel=0.08)


def test_scores_without_a_model_have_a_reason(people: People, values: dict[str, np.ndarray]) -> None:
    scores = [
        Score("good", "", "mifm"), Score("good", "", "copy"), Score("constant", "", "constant"),
        Score("lacking", "", "lacking"),
    ]  # fmt: skip
    found = measured(people, values, "height", scores)
    assert {row["method"]: row["status"] for row in found.performance} == {
        "mifm": "fitted", "copy": "fitted", "constant": "constant", "lacking": UNKNOWN_VALUES,
    }  # fmt: skip
    assert {row["baseline"]: row["status"] for row in found.comparisons} == {
        "copy": SAME, "constant": "constant",
    }  # fmt: skip
    assert all(np.isnan(row["p_value"]) for row in found.comparisons)


def test_levels_without_cases_in_a_training_fold_are_left_out_and_named(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    size = 300
    site = np.array(["a", "b"] * 150, dtype=object)
    ill = generator.random(size) < 0.4
    # Two cases at site c: in some fold, both are tested and none is left for training.
    site[:10], ill[:10] = "c", [True] + [False] * 9
    frame = pd.DataFrame({"IID": np.arange(size), "site": site, "ill": ill.astype(int)})
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    people = read_people([tmp_path / "t.tsv"], ["ill"], ["site"])
    (group,) = groups_of(people, people.traits["ill"], ancestries_of(people, "", ()), 100, 20)
    score = {"good": generator.normal(size=size)}
    found = measure(people, group, [Score("good", "", "mifm")], score, Options())
    assert found.scenario["status"] == EVALUATED
    assert found.scenario["dropped"] == "site=c (one class in 1 of 5 folds)"
    assert found.performance[0]["status"] == "fitted"


def test_small_groups_are_not_evaluated_and_said(people: People, values: dict[str, np.ndarray]) -> None:
    (group, other) = groups_of(people, people.traits["ill"], ancestries_of(people, "pop", ()), 401, 20)
    assert group.reason == other.reason == "400 people, fewer than 401"
    found = measure(people, group, SCORES, values, Options())
    assert (found.scenario["status"], found.performance) == (group.reason, [])
    rare = groups_of(people, people.traits["ill"], ancestries_of(people, "pop", ()), 100, 250)
    assert [one.reason.split(",")[1] for one in rare] == [" fewer than 250"] * 2


def test_random_draws_are_summarised(people: People, values: dict[str, np.ndarray]) -> None:
    generator = np.random.default_rng(4)
    drawn = {f"r{number}": generator.normal(size=len(people)) for number in range(50)}
    scores = [Score("good", "", "mifm", "s", "1", "mean")]
    scores += [Score(name, "", "random", "s", "1", "mean", number + 1) for number, name in enumerate(drawn)]
    found = measured(people, values | drawn, "height", scores)
    r2 = [row["r2"] for row in found.performance if row["method"] == "random"]
    (row,) = found.random
    assert (row["draws"], row["above"], row["p_value"]) == (50, 1.0, pytest.approx(1 / 51))
    assert row["mean"] == pytest.approx(np.mean(r2))
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(r2, [0.025, 0.975])))
    assert found.comparisons == []


def test_the_forms_of_the_paper(people: People, values: dict[str, np.ndarray]) -> None:
    api = pytest.importorskip("statsmodels.api")
    design, height, ill = frame_of(people)
    columns = np.column_stack([design, values["good"][:SIZE] * 100])
    linear, mcfadden, code = [], [], []
    for split in random_splits(SIZE, 5, 0.33, 3):
        y = height[split.test]
        fit = api.OLS(height[split.train], columns[split.train]).fit()
        squares = (y - fit.predict(columns[split.test])) ** 2
        linear.append(1 - squares.sum() / ((y - y.mean()) ** 2).sum())
        fit = api.Logit(ill[split.train], columns[split.train]).fit(disp=0, tol=1e-12, maxiter=100)
        case, chance = ill[split.test], fit.predict(columns[split.test])
        null = np.full(len(case), ill[split.train].mean())
        likelihoods = [(case * np.log(p) + (1 - case) * np.log(1 - p)).sum() for p in (chance, null)]
        mcfadden.append(1 - likelihoods[0] / likelihoods[1])
        # As the authors' code has it, with probabilities where log odds belong.
        odd = [(case * p - np.log(1 + np.exp(p))).sum() for p in (chance, null)]
        code.append(1 - odd[0] / odd[1])
    found = measured(people, values, "height", SCORES, as_in_paper=True, paper_models=500)
    assert found.performance[0]["paper_r2"] == pytest.approx(np.mean(linear), abs=1e-9)
    (row,) = found.comparisons
    assert row["paper_difference"] == pytest.approx(
        found.performance[0]["paper_r2"] - found.performance[1]["paper_r2"]
    )
    assert 0 <= row["paper_p"] < 0.05
    binary = measured(people, values, "ill", SCORES, as_in_paper=True, paper_models=500).performance[0]
    assert binary["paper_r2"] == pytest.approx(np.mean(mcfadden), abs=1e-9)
    assert binary["paper_code_r2"] == pytest.approx(np.mean(code), abs=1e-9)
