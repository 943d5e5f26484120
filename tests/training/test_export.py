import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi import Genome, Predictor, cut_windows, read_variants, variant_scores
from mifm_kipoi.errors import OutputError
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.weights import Weights, load_weights, save_weights
from mifm_kipoi.statistics.estimates import Estimate
from tests.builders import TINY, random_network
from tests.conftest import ROOT, Run
from tests.kipoi.predictions import SCORES, arguments, predictions
from training.export import Export, ExportConfig, ExportError
from training.fitting.verdict import Measures, Verdict

CONFIG = ExportConfig("mine", ("A. Author", "B. Author"), "For a test.", "CC0")


def new_weights(folder: Path, config: MIFMConfig) -> Weights:
    path = folder / "network.safetensors"
    save_weights(
        path, random_network(config), {"made_by": "a test", "counts": {"bags": 3}, "teachers": [{"seed": 7}]}
    )
    return load_weights(path)


@pytest.fixture(scope="module", params=[4, 5], ids=["4 channels", "5 channels"])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Weights, Path]:
    """Weights, and the Kipoi model of them, which tests leave as it is."""
    folder = tmp_path_factory.mktemp("exported")
    weights = new_weights(folder, MIFMConfig(channels=request.param))
    made = Export(weights, folder / "models" / "mine", CONFIG).run()
    assert load_weights(made.weights).sha256 == weights.sha256
    return weights, made.folder


IN_KIPOI = """
import os, sys
from kipoi.__main__ import command_functions
model, arguments, out = sys.argv[1:]
for folder in (model, os.path.join(model, "sequence")):
    os.chdir(folder)
    command_functions["test"]("test", [".", "--source=dir"])
command_functions["predict"](
    "predict", [model, "--source=dir", "--dataloader_args", arguments, "-m", "-o", out]
)
"""
"""Kipoi's commands one after the other, for its import takes most of their time."""


def test_kipoi_uses_what_was_exported(
    exported: tuple[Weights, Path], example: Path, home: Path, tmp_path: Path
) -> None:
    """kipoi test passes, and kipoi predict gives the network's own numbers."""
    weights, folder = exported
    out = tmp_path / "predictions.tsv"
    command = [sys.executable, "-W", "ignore", "-c", IN_KIPOI, str(folder), arguments(example), str(out)]
    environment = {**os.environ, "HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("All predictions match") == 2
    windows = cut_windows(list(read_variants(example / "variants.vcf")), Genome(example / "genome.fa"))
    expected = variant_scores(*Predictor(weights.model()).variant_logits(windows.ref, windows.alt))
    scored = [reason == "ok" for reason in windows.status]
    table = predictions(out)
    for name in SCORES:
        np.testing.assert_allclose(table[name][scored], expected[name][scored], atol=1e-6)
        assert table[name][np.logical_not(scored)].isna().all()


@pytest.mark.parametrize("exported", [4], indirect=True)
def test_the_expected_predictions_are_those_of_these_weights(
    run: Run, exported: tuple[Weights, Path], tmp_path: Path
) -> None:
    """kipoi test notices when the weights are replaced by others."""
    folder = tmp_path / "mine"
    shutil.copytree(exported[1], folder)
    other = random_network(MIFMConfig())
    other.head.bias.data += 1
    save_weights(folder / "mine.safetensors", other, {})
    done = run("kipoi", "test", ".", "--source=dir", cwd=folder, check=False)
    assert done.returncode != 0
    assert "All predictions match" not in done.stdout + done.stderr


@pytest.mark.parametrize("exported", [4], indirect=True)
def test_the_card_says_what_made_them(exported: tuple[Weights, Path]) -> None:
    weights, folder = exported
    card = (folder / "README.md").read_text()
    for text in (
        "# mine",
        "For a test.",
        "A. Author, B. Author",
        "CC0",
        weights.sha256,
        "24,655",
        "bags: 3",
        "    - seed: 7",
        "no verdict on held-out bags",
    ):
        assert text in card
    assert json.dumps(weights.config.to_dict(), indent=1) in card


@pytest.mark.parametrize(
    ("licence", "head"),
    [
        ("none stated", {"license": "unknown"}),
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("for members only", {"license": "other", "license_name": "for members only"}),
    ],
)
def test_hubs_can_read_the_head_of_the_card(
    licence: str, head: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the library of the hub whose format it is."""
    hub = pytest.importorskip("huggingface_hub", reason="the reader of model cards is not installed")
    monkeypatch.setattr("training.export._expect", lambda model, path: path.write_bytes(b""))
    nothing, knows = Estimate(0.0, -0.25, 0.25), Estimate(0.5, 0.25, 0.75)
    measures = Measures(9, 8, 8, 8, knows, 0.5, 0.25, nothing, 0.5, 0.25, nothing, 0.5, 0.1)
    path = tmp_path / "mine.safetensors"
    verdicts = [Verdict("student", "test", measures).to_dict()]
    save_weights(path, random_network(MIFMConfig()), {"verdicts": verdicts})
    config = ExportConfig(name="mine", licence=licence)
    exported = Export(load_weights(path), tmp_path / "mine", config).run()
    card = hub.ModelCard.load(exported.folder / "README.md").data.to_dict()
    assert card["library_name"] == "mifm-kipoi"
    assert {name: value for name, value in card.items() if name.startswith("license")} == head
    (result,) = card["model-index"][0]["results"]
    assert result["dataset"]["name"] == "student, test bags: 9 studies at 8 loci"
    assert [metric["value"] for metric in result["metrics"]] == [0.5, 0.0]


def test_the_card_warns_of_weights_that_have_learnt_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.export._expect", lambda model, path: path.write_bytes(model.name.encode()))
    nothing, knows = Estimate(0.0, -0.25, 0.25), Estimate(0.5, 0.25, 0.75)
    cards = []
    for name, found in (("nothing", nothing), ("knows", knows)):
        measures = Measures(9, 8, 8, 8, found, 0.5, 0.25, nothing, 0.5, 0.25, nothing, 0.5, 0.1)
        verdict = Verdict("student", "test", measures).to_dict()
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, random_network(MIFMConfig()), {"verdicts": [verdict]})
        exported = Export(load_weights(path), tmp_path / name, CONFIG).run()
        cards.append((exported.folder / "README.md").read_text())
    assert "**CAUTION: student: nothing was learnt that shows on its test bags" in cards[0]
    assert "CAUTION" not in cards[1]
    for card in cards:
        assert "- student, test bags: 9 studies with two or more variants, at 8 loci\n" in card
        assert "verdicts:" not in card


def test_an_export_is_replaced_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Kipoi predicts is shown above.
    monkeypatch.setattr("training.export._expect", lambda model, path: path.write_bytes(model.name.encode()))
    weights = new_weights(tmp_path, MIFMConfig())
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="other exists and is not an exported model"):
        Export(weights, other, CONFIG).run()
    Export(weights, tmp_path / "mine", CONFIG).run()
    Export(weights, tmp_path / "mine", dataclasses.replace(CONFIG, name="newer")).run()
    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert names >= {"newer.safetensors", "newer.h5"}
    assert "mine.safetensors" not in names
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "other", "network.safetensors"}


def test_networks_with_other_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"reads windows of \d+ bp; Kipoi models of MIFM read 512 bp"):
        Export(new_weights(tmp_path, TINY), tmp_path / "mine", CONFIG).run()
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("name", ["embedded", "published", "../up", "", "a b"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected letters, digits"):
        ExportConfig(name=name)
