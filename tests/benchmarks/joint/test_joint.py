"""Joint tests of the tiny cohort in all forms, and type I errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.joint.command import FORMS as NAMES
from benchmarks.joint.experiment import FORMS, Experiment
from mifm_kipoi.evaluation.joint.clumps import ClumpOptions


@pytest.mark.slow
def test_all_forms_of_a_cohort_and_type_one_errors(cohort: Path, tmp_path: Path) -> None:
    truth = pd.read_parquet(cohort / "truth" / "variants.parquet")
    scores = truth[["chrom", "pos", "ref", "alt"]].assign(oracle=truth["score_optimal"])
    scores.to_csv(tmp_path / "scores.tsv", sep="\t", index=False)
    experiment = Experiment(
        cohort, tmp_path / "scores.tsv", ("oracle",), tmp_path / "out", ("q1",), 20, 300,
        ClumpOptions(p1=1e-3, p2=1e-2, r2=0.5),
    )  # fmt: skip
    assert tuple(form.name for form in FORMS) == NAMES
    lines = experiment.run(lambda _: None)
    assert "type I errors outside their 99 % interval" in lines[-1]
    filters = pd.read_csv(tmp_path / "out" / "filters.tsv", sep="\t")
    assert set(filters["form"]) == {form.name for form in FORMS}
    found = filters[(filters["scope"] == "all") & (filters["level"] == "nominal")].set_index(
        ["form", "model"]
    )
    assert (found["true"] + found["false"] == found["significant"]).all()
    # In twice as many people, of whom all are tested, more is found.
    assert found.loc[("two-samples", "all"), "significant"] > 0
    errors = pd.read_csv(tmp_path / "out" / "type_one.tsv", sep="\t").set_index("test")
    # Eight are of random scores: percentiles and one size, two controls, significant and causal variants.
    assert len(errors) == 11 + 8
    random = errors[errors["excess"].notna()]
    assert len(random) == 8
    # Six draws of scores: their excess over random filters is no more than noise allows.
    assert (random["excess"].abs() <= 5 * np.maximum(random["excess_se"], 0.2)).all()
    for name, row in errors[errors["valid"]].iterrows():
        high = stats.binom.ppf(1 - 1e-5, row["trials"], row["level"])
        assert row["rejected"] <= high, name
    same = errors.loc["variant of the lowest p, tested in the people who selected it"]
    assert same["rejected"] > errors.loc["variant of the lowest p, tested in others", "rejected"]
