import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mifm_kipoi
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.scoring.scores import variant_scores
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import write_fasta, write_vcf
from tests.conftest import Run
from tests.kipoi.predictions import predictions
from training.configuration import ConfigurationError, read_configuration
from training.data.credible_sets import CredibleSetsConfig
from training.data.negatives import NegativesConfig
from training.data.prepare import DataConfig
from training.data.splits import SplitsConfig
from training.distillation.bags import BagDistilConfig
from training.distillation.distil import DistilConfig
from training.distillation.sequence import SequenceDistilConfig
from training.export import ExportConfig
from training.fitting.config import FitConfig
from training.fitting.ensemble import EnsembleConfig
from training.mil.objective import ObjectiveConfig
from training.recipe import Recipe
from training.run import COMPLETE, STEPS, SUMMARY, RunError, lines, run

SMALL = MIFMConfig(
    stem_channels=4, stem_kernel=5, tower_channels=(4, 4, 4, 4), dilations=(2,), head_channels=8
)
"""Kipoi's windows have 512 bp, so that the window stays."""

STEP_NAMES = ["data", "ensemble", "distil", "export"]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Bags on contig 1, and one for validation on contig 2, with negatives beside them."""
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


def test_every_step_is_made_once(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(recipe, out, "cpu")
    assert list(first["steps"]) == STEP_NAMES
    assert COMPLETE not in first["steps"].values()
    assert first["counts"] == {
        split: {
            "positive_bags": 6, "negative_bags": 24, "positive_instances": 24, "negative_instances": 24,
        }
        for split in ("train", "validation")
    }  # fmt: skip
    files = [path for path in out.rglob("*") if path.is_file() and path.name != SUMMARY]
    written = {path: path.stat().st_mtime_ns for path in files}
    again = run(recipe, out, "cpu")
    assert again["steps"] == dict.fromkeys(STEP_NAMES, COMPLETE)
    assert {path: path.stat().st_mtime_ns for path in files} == written
    assert {**again, "steps": None} == {**first, "steps": None}
    assert json.loads((out / SUMMARY).read_text()) == again

    # What decides no numbers may change; a lost file is made again, and it alone.
    (out / "student" / "student.safetensors").unlink()
    elsewhere = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, log_every=7, seed=9))
    third = run(elsewhere, out, "cpu")
    assert [name for name, what in third["steps"].items() if what != COMPLETE] == ["distil"]
    assert third["agreement"] == first["agreement"]
    shown = "\n".join(lines(third))
    assert "train: 6 positive bags of 24 instances, 24 negative ones" in shown
    assert "member 2: epoch" in shown


def test_other_inputs_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(recipe, out, "cpu")
    before = (out / STEPS).read_bytes()
    longer = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=3))
    with pytest.raises(RunError, match=r"step ensemble in .* was made of other inputs: fit\.epochs was 2"):
        run(longer, out, "cpu")
    named = dataclasses.replace(recipe, export=ExportConfig(name="other", licence="CC0"))
    with pytest.raises(RunError, match=r"step export .*: export\.name was tiny and is other; name another"):
        run(named, out, "cpu")
    smaller = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, min_bag_size=3))
    with pytest.raises(RunError, match=r"step data .*: configuration\.data\.min_bag_size was 2 and is 3"):
        run(smaller, out, "cpu")
    table = tmp_path / "associations.tsv"
    table.write_text(table.read_text() + "1\t10\tA\tC\t0.5\tX\n")
    with pytest.raises(RunError, match=r"step data .*: inputs\..*associations\.tsv was \w+ and is \w+"):
        run(recipe, out, "cpu")
    table.unlink()
    with pytest.raises(RunError, match=r"associations\.tsv was \w+ and is None"):
        run(recipe, out, "cpu")
    assert (out / STEPS).read_bytes() == before
    (out / STEPS).write_text("{")
    with pytest.raises(RunError, match=r"cannot read .*steps\.json"):
        run(recipe, out, "cpu")


def test_recipes_that_cannot_be_run(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fasta is missing"):
        run(dataclasses.replace(recipe, fasta=""), tmp_path / "out")
    sequence = DistilConfig(source="sequence", sequence=SequenceDistilConfig(("1",)))
    with pytest.raises(ConfigurationError, match="a run distils on bags"):
        run(dataclasses.replace(recipe, distil=sequence), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.reference
@pytest.mark.slow
def test_from_real_tables_to_kipoi_predict(
    reference_data: Path, run: Run, root: Path, home: Path, tmp_path: Path
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
        "ensemble.members=2",
    ]
    shipped = read_configuration("smoke", Recipe, settings)
    command = ("--threads", "1", "run", "--config", "smoke", "--out", out, "--set", *settings)
    run("training", *command, cwd=root)
    done = run("training", *command, cwd=root)
    assert all(f"{name}: {COMPLETE}" in done.stderr for name in STEP_NAMES)
    summary = json.loads((out / SUMMARY).read_text())
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
    found = predictions(table)
    student = load_weights(out / "student" / "student.safetensors")
    windows = cut_windows(variants, mifm_kipoi.Genome(fasta))
    scored = np.array([status == "ok" for status in windows.status])
    expected = variant_scores(*Predictor(student.model()).variant_logits(windows.ref, windows.alt))
    weights = out / "model" / f"{shipped.export.name}.safetensors"
    run("mifm_kipoi.cli", "weights", "import", weights)
    scores = tmp_path / "scores.parquet"
    run("mifm_kipoi.cli", "score", vcf, fasta, "-o", scores, "--weights", shipped.export.name)
    imported = pd.read_parquet(scores)
    assert scored.sum() > 290
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][scored], values[scored], atol=1e-6)
        np.testing.assert_allclose(imported[name][scored], values[scored], atol=1e-6)
