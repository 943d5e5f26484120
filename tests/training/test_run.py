import dataclasses
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mifm_kipoi
from mifm_kipoi.cli import main as mifm
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.scoring.scores import variant_scores
from mifm_kipoi.sequence.windows import cut_windows
from mifm_kipoi.statistics.estimates import Estimate
from mifm_kipoi.support.configuration import ConfigurationError
from tests.builders import write_fasta, write_vcf
from tests.conftest import Run as Command
from tests.kipoi.predictions import predictions
from training.__main__ import main as training
from training.configuration import read_configuration
from training.data.credible_sets import CredibleSetsConfig
from training.data.negatives import NegativesConfig
from training.data.prepare import DataConfig
from training.data.splits import SplitsConfig
from training.distillation.config import STUDENT, BagDistilConfig, DistilConfig, SequenceDistilConfig
from training.export import ExportConfig
from training.fitting.config import EnsembleConfig, FitConfig
from training.fitting.verdict import Measures, Verdict
from training.mil.objective import ObjectiveConfig
from training.recipe import Recipe
from training.run import COMPLETE, STEPS, SUMMARY, Run, RunError, RunSummary

SMALL = MIFMConfig(
    stem_channels=4, stem_kernel=5, tower_channels=(4, 4, 4, 4), dilations=(2,), head_channels=8
)
"""Kipoi's windows have 512 bp, so that the window stays."""

STEP_NAMES = ["data", "ensemble", "distil", "export"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Bags on contig 1, and one for validation on contig 2, with negatives beside them."""
    return small_recipe(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def first(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    """The folder of a complete run, which tests leave as it is, and its summary."""
    out = tmp_path_factory.mktemp("run") / "out"
    return out, Run(recipe, out, "cpu").run()


def small_recipe(tmp_path: Path) -> Recipe:
    generator = np.random.default_rng(0)
    contigs = {name: "".join(generator.choice(list("ACGT"), 9000)) for name in ("1", "2")}
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    rows, negatives = ["CHR\tPOS\tREF\tALT\tP\tBLOCK"], []
    for chrom, bases in contigs.items():
        for block in range(6):
            for number in range(4):
                pos = 500 + block * 1200 + number * 30
                base = bases[pos - 1]
                rows.append(
                    f"{chrom}\t{pos}\t{base}\t{other[base]}\t{10.0 ** -(8 + number)}\t{chrom}-{block}"
                )
                negatives.append((chrom, pos + 7, bases[pos + 6], other[bases[pos + 6]]))
    (tmp_path / "associations.tsv").write_text("\n".join(rows) + "\n")
    vcf = write_vcf(tmp_path / "sites.vcf", negatives)
    text = vcf.read_text().replace("\t.\t.\t.\n", "\t.\t.\tAF=0.3\n")
    vcf.write_text(
        text.replace("#CHROM", '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">\n#CHROM')
    )
    table = CredibleSetsConfig(
        str(tmp_path / "associations.tsv"),
        "table",
        {
            "chrom": "CHR", "pos": "POS", "other_allele": "REF", "effect_allele": "ALT", "p_value": "P",
            "block": "BLOCK",
        },
    )  # fmt: skip
    return Recipe(
        fasta=str(write_fasta(tmp_path / "genome.fa", contigs)),
        data=DataConfig(
            credible_sets=table,
            negatives=NegativesConfig((str(vcf),)),
            splits=SplitsConfig(("2",), ()),
            min_bag_size=2,
        ),
        network=dataclasses.replace(SMALL, channels=5),
        fit=FitConfig(
            monitor="loss",
            # The table has no Bayes factors.
            objective=ObjectiveConfig(pooling="noisy_or"),
            epochs=2,
            bags_per_batch=3,
            negatives_per_bag=2,
            accelerator="cpu",
        ),
        ensemble=EnsembleConfig(members=2),
        student=SMALL,
        distil=DistilConfig(bags=BagDistilConfig(epochs=2, windows_per_batch=16)),
        export=ExportConfig(name="tiny", licence="CC0"),
    )


def test_every_step_is_made_once(recipe: Recipe, first: tuple[Path, RunSummary], tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(first[0], out)
    made = first[1]
    assert list(made.steps) == STEP_NAMES
    assert COMPLETE not in made.steps.values()
    assert made.counts == {
        split: {
            "positive_bags": 6, "negative_bags": 24, "positive_instances": 24, "negative_instances": 24,
            "studies_of_bags": 6,
        }
        for split in ("train", "validation")
    }  # fmt: skip
    files = [path for path in out.rglob("*") if path.is_file() and path.name != SUMMARY]
    written = {path: path.stat().st_mtime_ns for path in files}
    again = Run(recipe, out, "cpu").run()
    assert again.steps == dict.fromkeys(STEP_NAMES, COMPLETE)
    assert {path: path.stat().st_mtime_ns for path in files} == written
    assert dataclasses.replace(again, steps=made.steps, model=made.model) == made
    assert json.loads((out / SUMMARY).read_text()) == dataclasses.asdict(again)

    # What decides no numbers may change; a lost file is made again, and it alone.
    (out / "student" / STUDENT).unlink()
    elsewhere = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, log_every=7, seed=9))
    third = Run(elsewhere, out, "cpu").run()
    assert [name for name, state in third.steps.items() if state != COMPLETE] == ["distil"]
    assert third.agreement == made.agreement


def test_the_summary_in_words() -> None:
    """Every number says of what it is."""
    counts = {"positive_bags": 6, "negative_bags": 24, "positive_instances": 24, "negative_instances": 24}
    metrics = {"validation_loss": 0.5, "validation_auroc": 1.0, "validation_auprc": None}
    measures = Measures(
        9, 8, 8, 8, Estimate(0.5, 0.25, 0.75), 0.5, 0.25, Estimate(0.25), 0.5, 0.25, Estimate(0.25), 0.5, 0.1
    )
    verdict = Verdict("member 2", "validation", measures).to_dict()
    summary = RunSummary(
        {"data": COMPLETE, "export": "3.0 s"},
        {"train": counts},
        {
            "members": [{"seed": 2, "epoch": 7, "metrics": metrics, "verdict": verdict}],
            "mean": {"validation_auroc": 1.0, "verdict": {**verdict, "network": "members' mean"}},
            "pearson": 0.25,
        },
        {"loss": 0.1, "mse": 0.125, "pearson": -0.03, "same_top": 0.25, "auroc": 0.5, "teachers_auroc": 0.75},
        [Verdict("student", "test", measures, -0.03).to_dict()],
        ["it is bad"],
        "out/model",
    )
    shown = summary.lines()
    assert shown[0] == "train: 6 positive bags of 24 instances, 24 negative bags"
    assert "member 2: epoch 7" in shown[1]
    assert "validation loss 0.5000" in shown[1]
    assert shown[2].startswith(
        "member 2, validation bags, 8 loci: gain in likelihood (nats a study) +0.5000 (95 % interval"
    )
    assert "random one +0.2500 (no interval)" in shown[2]
    assert shown[3].startswith("members' mean, validation bags, 8 loci: ")
    assert "Pearson 0.2500" in shown[4]
    assert "Pearson -0.0300 of logits, mean squared difference 0.1250" in shown[5]
    assert "same first variant in 25% of positive bags" in shown[5]
    assert [line for line in shown if line.startswith("student, test bags: ")] == shown[6:11]
    # Sizes of bags alone make it 1.
    assert not any("AUROC" in line for line in shown)
    assert f"data {COMPLETE}, export 3.0 s" in shown[-2]
    assert "out/model" in shown[-1]


def test_other_inputs_are_refused(recipe: Recipe, first: tuple[Path, RunSummary], tmp_path: Path) -> None:
    """Nothing is made: the finished run is only compared with."""
    out, _ = first
    before = (out / STEPS).read_bytes()
    longer = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=3))
    with pytest.raises(RunError, match=r"step ensemble in .* other inputs .*: fit\.epochs was 2 and is 3"):
        Run(longer, out, "cpu").run()
    named = dataclasses.replace(recipe, export=ExportConfig(name="other", licence="CC0"))
    with pytest.raises(RunError, match=r"step export .*: export\.name was tiny and is other"):
        Run(named, out, "cpu").run()
    smaller = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, min_bag_size=3))
    with pytest.raises(RunError, match=r"step data .*: configuration\.data\.min_bag_size was 2 and is 3"):
        Run(smaller, out, "cpu").run()
    assert recipe.data.credible_sets is not None
    table = Path(recipe.data.credible_sets.path)
    text = table.read_text()
    try:
        table.write_text(text + "1\t10\tA\tC\t0.5\tX\n")
        with pytest.raises(
            RunError, match=r"step data .*: inputs\..*associations\.tsv was \w+\.\.\. and is \w+\.\.\."
        ):
            Run(recipe, out, "cpu").run()
        table.unlink()
        with pytest.raises(RunError, match=r"associations\.tsv was \w+\.\.\. and is not set"):
            Run(recipe, out, "cpu").run()
    finally:
        table.write_text(text)
    assert (out / STEPS).read_bytes() == before
    (tmp_path / STEPS).write_text("{")
    with pytest.raises(RunError, match=r"cannot read .*steps\.json"):
        Run(recipe, tmp_path, "cpu").run()


def test_recipes_that_cannot_be_run(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fasta is missing"):
        Run(dataclasses.replace(recipe, fasta=""), tmp_path / "out").run()
    sequence = DistilConfig(source="sequence", sequence=SequenceDistilConfig(("1",)))
    with pytest.raises(ConfigurationError, match=r"distil\.source is sequence"):
        Run(dataclasses.replace(recipe, distil=sequence), tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


@pytest.mark.reference
@pytest.mark.slow
def test_from_real_tables_to_kipoi_predict(
    reference_data: Path,
    run: Command,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The shipped smoke recipe; then Kipoi and mifm score give what the student itself computes."""
    data, out = reference_data / "data", tmp_path / "out"
    fasta = data / "genome" / "GRCh37.mini.fa.gz"
    sites = data / "variants" / "1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    settings = [
        f"fasta={fasta}",
        f"data.credible_sets.path={data / 'finemapping' / 'ukb_blood_traits.finemap.tsv.gz'}",
        f"data.negatives.vcf=['{sites}']",
        "fit.accelerator=cpu",
        "fit.epochs=3",
        "ensemble.members=2",
        "distil.bags.epochs=2",
    ]
    shipped = read_configuration("smoke", Recipe, settings)
    command = ["--threads", "1", "run", "--config", "smoke", "--out", str(out), "--set", *settings]
    assert training(command) == 0
    with caplog.at_level(logging.INFO):
        assert training(command) == 0
    assert all(f"{name}: {COMPLETE}" in caplog.messages for name in STEP_NAMES)
    summary = json.loads((out / SUMMARY).read_text())
    assert any(message.endswith(str(out / "model")) for message in caplog.messages)
    # Four bags at one end of a contig cannot show anything, and what is not shown is said last.
    assert summary["verdicts"][0]["learnt"] is None
    assert caplog.messages[-len(summary["warnings"]) :] == [
        f"CAUTION: {text}" for text in summary["warnings"]
    ]
    assert "student: it cannot be judged whether anything was learnt" in summary["warnings"][0]
    assert f"CAUTION: {summary['warnings'][0]}" in (out / "model" / "README.md").read_text()
    assert summary["counts"]["train"]["positive_bags"] >= 10
    assert summary["counts"]["validation"]["positive_bags"] >= 2
    assert min(counts["negative_bags"] for counts in summary["counts"].values()) > 100
    assert len(summary["ensemble"]["members"]) == shipped.ensemble.members

    assert "All predictions match" in run("kipoi", "test", out / "model", "--source=dir").stdout
    variants = [variant for variant, _ in zip(read_variants(sites), range(300), strict=False)]
    vcf = write_vcf(
        tmp_path / "some.vcf", [(one.chrom, one.pos, one.ref, one.alt) for one in variants], {"20": 63025520}
    )
    arguments = json.dumps({"vcf_file": str(vcf), "fasta_file": str(fasta)})
    table = tmp_path / "out.tsv"
    run("kipoi", "predict", out / "model", "--source=dir", "--dataloader_args", arguments, "-m", "-o", table)
    predicted = predictions(table)
    student = load_weights(out / "student" / STUDENT)
    windows = cut_windows(variants, mifm_kipoi.Genome(fasta))
    scored = np.array([status == "ok" for status in windows.status])
    expected = variant_scores(*Predictor(student.model()).variant_logits(windows.ref, windows.alt))
    weights = out / "model" / f"{shipped.export.name}.safetensors"
    monkeypatch.setenv("HOME", str(home))
    assert mifm(["weights", "import", str(weights)]) == 0
    scores = tmp_path / "scores.parquet"
    assert mifm(["score", str(vcf), str(fasta), "-o", str(scores), "--weights", shipped.export.name]) == 0
    imported = pd.read_parquet(scores)
    assert scored.sum() > 290
    for name, values in expected.items():
        np.testing.assert_allclose(predicted[name][scored], values[scored], atol=1e-6)
        np.testing.assert_allclose(imported[name][scored], values[scored], atol=1e-6)
