import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi import Genome, Predictor, cut_windows, read_variants, variant_scores
from mifm_kipoi.errors import OutputError
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.weights import Weights, load_weights, save_weights
from tests.builders import TINY, random_network
from tests.conftest import Run
from tests.kipoi.predictions import SCORES, arguments, predictions
from training.export import ExportConfig, ExportError, export

CONFIG = ExportConfig("mine", ("A. Author", "B. Author"), "For a test.", "CC0")


def new_weights(folder: Path, config: MIFMConfig) -> Weights:
    path = folder / "network.safetensors"
    save_weights(
        path, random_network(config), {"made_by": "a test", "counts": {"bags": 3}, "teachers": [{"seed": 7}]}
    )
    return load_weights(path)


@pytest.mark.parametrize("channels", [4, 5])
def test_kipoi_uses_what_was_exported(run: Run, example: Path, tmp_path: Path, channels: int) -> None:
    """kipoi test passes, and kipoi predict and mifm score give the network's own numbers."""
    weights = new_weights(tmp_path, MIFMConfig(channels=channels))
    path = export(weights, tmp_path / "models" / "mine", CONFIG)
    assert load_weights(path).sha256 == weights.sha256
    for model in (path.parent, path.parent / "sequence"):
        assert "All predictions match" in run("kipoi", "test", ".", "--source=dir", cwd=model).stdout
    out = tmp_path / "predictions.tsv"
    run(
        "kipoi", "predict", path.parent, "--source=dir", "--dataloader_args", arguments(example), "-m",
        "-o", out, cwd=tmp_path,
    )  # fmt: skip
    windows = cut_windows(list(read_variants(example / "variants.vcf")), Genome(example / "genome.fa"))
    expected = variant_scores(*Predictor(weights.model()).variant_logits(windows.ref, windows.alt))
    scored = [reason == "ok" for reason in windows.status]
    table = predictions(out)
    for name in SCORES:
        np.testing.assert_allclose(table[name][scored], expected[name][scored], atol=1e-6)
        assert table[name][np.logical_not(scored)].isna().all()


def test_the_expected_predictions_are_those_of_these_weights(run: Run, tmp_path: Path) -> None:
    """kipoi test notices when the weights are exchanged for others."""
    folder = tmp_path / "mine"
    export(new_weights(tmp_path, MIFMConfig()), folder, CONFIG)
    other = random_network(MIFMConfig())
    other.head.bias.data += 1
    save_weights(folder / "mine.safetensors", other, {})
    done = run("kipoi", "test", ".", "--source=dir", cwd=folder, check=False)
    assert done.returncode != 0
    assert "All predictions match" not in done.stdout + done.stderr


def test_the_card_says_what_made_them(tmp_path: Path) -> None:
    weights = new_weights(tmp_path, MIFMConfig())
    path = export(weights, tmp_path / "mine", CONFIG)
    card = (path.parent / "README.md").read_text()
    for text in (
        "# mine",
        "For a test.",
        "A. Author, B. Author",
        "CC0",
        weights.sha256,
        "24,655",
        "bags: 3",
        "    - seed: 7",
    ):
        assert text in card
    assert json.dumps(weights.config.to_dict(), indent=1) in card


def test_an_export_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    weights = new_weights(tmp_path, MIFMConfig())
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="other exists and is no exported model; name another folder"):
        export(weights, other, CONFIG)
    export(weights, tmp_path / "mine", CONFIG)
    export(weights, tmp_path / "mine", dataclasses.replace(CONFIG, name="newer"))
    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert names >= {"newer.safetensors", "newer.h5"}
    assert "mine.safetensors" not in names
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "other", "network.safetensors"}


def test_networks_with_other_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"reads windows of \d+ bp; Kipoi models of MIFM read 512 bp"):
        export(new_weights(tmp_path, TINY), tmp_path / "mine", CONFIG)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("name", ["embedded", "published", "../up", "", "a b"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected letters, digits"):
        ExportConfig(name=name)
