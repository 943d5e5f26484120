from pathlib import Path

import pandas as pd
import pytest
import yaml

import mifm_kipoi.network
from benchmarks.polygenic.experiment import Experiment


@pytest.mark.slow
def test_a_cohort_leads_to_one_report_beside_its_truth(cohort: Path, tmp_path: Path) -> None:
    weights = Path(mifm_kipoi.network.__file__).with_name("embedded.safetensors")
    settings = (
        "build.top=[1]", "build.weightings=[mean]", "evaluate.traits=[q1,q2]", "build.priors=[]",
        "build.signals.lead_p_value=1e-5",
    )  # fmt: skip
    experiment = Experiment(cohort, (weights,), (), tmp_path, draws=2, settings=settings)
    result = experiment.run()
    assert list(result.steps) == ["build", "score", "evaluate"]
    assert all(result.steps.values())
    assert (tmp_path / "study" / "report.html").is_file()
    assert yaml.safe_load((tmp_path / "study.yaml").read_text())["evaluate"]["bound"] == "truth"
    picks = pd.read_csv(tmp_path / "truth.tsv", sep="\t").groupby("method")[["signals", "causal"]].sum()
    # The rule itself picks a causal variant wherever there is one; no method can pick more.
    assert picks.loc["oracle", "causal"] == picks["causal"].max() > 0
    performance = pd.read_csv(tmp_path / "study" / "evaluate" / "performance.tsv", sep="\t")
    assert {"mifm", "p", "abf", "oracle", "truth", "random"} <= set(performance["method"])
    again = experiment.run()
    assert not any(again.steps.values())
