"""``mifm compare`` from files to files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi import score_variants
from mifm_kipoi.baselines.run import BaselineResult, BaselineRun
from mifm_kipoi.cli import main
from mifm_kipoi.network.weights import save_weights
from mifm_kipoi.support.files import OWNER, locked, made_folder
from tests.builders import TINY, random_network
from tests.conftest import Run

pytest.importorskip("matplotlib")


@pytest.fixture
def inputs(example: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """Variants, genome, and a table with a score of every other variant."""
    vcf, fasta = example / "variants.vcf", example / "genome.fa"
    table = score_variants(vcf, fasta)[["chrom", "pos", "ref", "alt"]].iloc[::2]
    path = tmp_path / "own.tsv"
    table.assign(own=np.linspace(0, 1, len(table))).to_csv(path, sep="\t", index=False)
    return vcf, fasta, path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let models run in this process; the labels of those that did."""
    ran: list[str] = []

    def run_apart(self: BaselineRun) -> BaselineResult:
        ran.append(self.spec.label)
        return self.run()

    monkeypatch.setattr(BaselineRun, "run_apart", run_apart)
    return ran


def compare(inputs: Sequence[Path], folder: Path, *arguments: str, models: Sequence[str] = ("mifm",)) -> int:
    vcf, fasta, table = inputs
    named = ",".join([*models, f"table:{table}:own"])
    return main(
        ["compare", "--models", named, str(vcf), str(fasta), "-o", str(folder),
         "--threads", "1", "--device", "cpu", "--resamples", "20", *arguments]
    )  # fmt: skip


@pytest.mark.usefixtures("here")
def test_one_table_of_all_scores(inputs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert compare(inputs, folder) == 0
    vcf, fasta, table = inputs
    joined = pd.read_parquet(folder / "scores.parquet")
    expected = score_variants(vcf, fasta)
    assert joined["mifm.status"].tolist() == expected["status"].tolist()
    np.testing.assert_allclose(joined["mifm.mifm_ref"], expected["mifm_ref"], atol=1e-6)
    own = pd.read_csv(table, sep="\t", dtype={"chrom": str})
    merged = joined.merge(own, how="left", on=["chrom", "pos", "ref", "alt"])
    scored = joined["own.status"] == "ok"
    np.testing.assert_array_equal(joined["own.own"][scored], merged["own"][scored])
    assert 0 < scored.sum() < len(joined)
    assert "not_in_table" in set(joined["own.status"])
    coverage = pd.read_csv(folder / "coverage.tsv", sep="\t").set_index("model")
    assert coverage["scored"].to_dict() == {
        "mifm": (expected["status"] == "ok").sum(), "own": scored.sum(),
    }  # fmt: skip
    manifest = json.loads((folder / "comparison.json").read_text())
    assert [model["label"] for model in manifest["models"]] == ["mifm", "own"]
    assert manifest["models"][0]["declaration"]["variant_index"] == 255
    for name in (
        "scores.tsv.gz",
        "correlations.tsv",
        "overlap.tsv",
        "blocks.tsv",
        "resources.tsv",
        "report.html",
    ):
        assert (folder / name).stat().st_size > 0
    page = (folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_only_new_models_are_scored(
    inputs: tuple[Path, Path, Path], tmp_path: Path, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, own = tmp_path / "out", tmp_path / "tiny.safetensors"
    save_weights(own, random_network(TINY), {"made_by": "a test"})
    assert compare(inputs, folder) == 0
    first = (folder / "models" / "mifm.parquet").stat().st_mtime_ns
    assert compare(inputs, folder, models=["mifm", f"mifm:{own}"]) == 0
    assert here == ["mifm", "own", "mifm", "tiny", "own"]
    assert (folder / "models" / "mifm.parquet").stat().st_mtime_ns == first
    assert "tiny.mifm_ref" in pd.read_parquet(folder / "scores.parquet")


@pytest.mark.parametrize(
    ("arguments", "models", "code", "message"),
    [
        ([], ["sei"], 2, "'sei' in 'sei' is not a kind of model"),
        ([], ["mifm:nothing"], 1, "no weights named 'nothing'"),
        (["--locus", "here"], ["mifm"], 2, "'here' is not a locus"),
        (["--background", "."], ["mifm"], 2, "none of the models has tracks"),
        (["--background", "."], ["mifm", "kipoi:x"], 2, "has no x.safetensors, the moments of x=kipoi"),
        (["--blocks", "no.bed"], ["mifm"], 1, "no.bed"),
    ],
)
def test_errors_are_one_line(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: list[str], models: list[str], code: int, message: str, here: list[str],
) -> None:  # fmt: skip
    assert compare(inputs, tmp_path / "out", *arguments, models=models) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("out/*.parquet"))
    # What is wrong is said before anything is scored.
    assert here == []


@pytest.mark.usefixtures("here")
def test_a_missing_package_is_said_before_anything_is_scored(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, here: list[str],
) -> None:  # fmt: skip
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "borzoi_pytorch" else found(name, *rest),
    )
    assert compare(inputs, tmp_path / "out", models=["mifm", "borzoi:x"]) == 1
    assert "pip install '.[borzoi]'" in capsys.readouterr().err
    assert here == []


MISSING = ["mifm:nothing", "borzoi:no/folder", "kipoi:no/such@dir", "table:no.tsv:x"]


def test_all_models_that_cannot_be_had_are_named_before_anything_is_scored(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], here: list[str]
) -> None:
    assert compare(inputs, tmp_path / "out", models=["mifm", *MISSING]) == 1
    error = capsys.readouterr().err
    assert "4 models are not available" in error
    assert "nothing=mifm:nothing: there are no weights named 'nothing'" in error
    assert "borzoi=borzoi:no/folder: " in error
    assert "no-such=kipoi:no/such@dir: there is no folder 'no/such'" in error
    assert "x=table:no.tsv:x: there is no file" in error
    assert "own=" not in error
    assert "Traceback" not in error
    assert here == []
    assert not (tmp_path / "out").exists()


def test_the_rest_is_compared_without_what_is_missing(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], here: list[str]
) -> None:
    folder = tmp_path / "out"
    assert compare(inputs, folder, "--skip-missing", models=["mifm:nothing", "mifm", "table:no.tsv:x"]) == 0
    assert here == ["mifm", "own"]
    assert "left out, as it is not available: nothing=mifm:nothing: " in capsys.readouterr().out
    manifest = json.loads((folder / "comparison.json").read_text())
    assert [model["label"] for model in manifest["models"]] == ["mifm", "own"]
    assert [(model["label"], model["spec"]) for model in manifest["skipped"]] == [
        ("nothing", "nothing=mifm:nothing"),
        ("x", "x=table:no.tsv:x"),
    ]
    report = (folder / "report.md").read_text()
    assert "## Models left out" in report
    assert "x=table:no.tsv:x" in report
    assert compare(inputs, folder) == 0
    assert json.loads((folder / "comparison.json").read_text())["skipped"] == []
    assert "Models left out" not in (folder / "report.md").read_text()


def test_nothing_is_left_to_compare(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], here: list[str]
) -> None:
    missing = (*inputs[:2], tmp_path / "no.tsv")
    assert compare(missing, tmp_path / "out", "--skip-missing", models=["mifm:nothing"]) == 1
    assert "2 models are not available" in capsys.readouterr().err
    assert here == []


@pytest.mark.parametrize("place", ["scores.tsv.gz", "models/own.parquet", "coverage.tsv"])
def test_no_input_is_replaced(
    inputs: tuple[Path, Path, Path], tmp_path: Path, place: str, here: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "out"
    (folder / "models").mkdir(parents=True)
    table = pd.read_csv(inputs[2], sep="\t")
    if place.endswith("parquet"):
        table.to_parquet(folder / place)
    else:
        table.to_csv(folder / place, sep="\t", index=False)
    before = (folder / place).read_bytes()
    assert compare((*inputs[:2], folder / place), folder) == 2
    assert "would replace the input" in capsys.readouterr().err
    assert (folder / place).read_bytes() == before
    assert here == []


@pytest.mark.usefixtures("here")
def test_no_older_report_is_left_beside_newer_scores(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert compare(inputs, folder) == 0
    left = folder / ".scores.parquet.mifm-0"
    left.mkdir()
    for name in (OWNER, "new.parquet"):
        (left / name).touch()
    (folder / ".scores.parquet.notes").touch()
    assert compare(inputs, folder, "--locus", "nowhere:1-10") == 2
    assert "nowhere" in capsys.readouterr().err
    assert not list(folder.glob("*.tsv"))
    assert not list(folder.glob("*report*"))
    assert not (folder / "comparison.json").exists()
    assert compare(inputs, folder) == 0
    assert (folder / "comparison.json").exists()
    # What a killed run left is gone, and what it did not make is not.
    assert [path.name for path in folder.glob(".*")] == [".scores.parquet.notes"]


def test_two_runs_do_not_write_into_one_folder(
    inputs: tuple[Path, Path, Path], tmp_path: Path, here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    models = made_folder(tmp_path / "out" / "models")
    with locked(models):
        assert compare(inputs, tmp_path / "out") == 1
    assert "another process is writing into" in capsys.readouterr().err
    assert here == []
    assert compare(inputs, tmp_path / "out") == 0


def test_a_missing_variant_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], example: Path) -> None:
    inputs = (tmp_path / "no.vcf", example / "genome.fa", tmp_path / "own.tsv")
    assert compare(inputs, tmp_path / "out") == 1
    assert "no.vcf is not a file" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_repeated_variants_count_once(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vcf, fasta, table = inputs
    lines = vcf.read_text().splitlines(keepends=True)
    twice = tmp_path / "twice.vcf"
    records = [line for line in lines if not line.startswith("#")]
    twice.write_text("".join([*lines, *records[:3]]))
    assert compare((twice, fasta, table), tmp_path / "out") == 0
    assert compare(inputs, tmp_path / "once") == 0
    one, other = (pd.read_csv(tmp_path / folder / "correlations.tsv", sep="\t") for folder in ("once", "out"))
    assert one["n"].tolist() == other["n"].tolist()
    repeated = json.loads((tmp_path / "out" / "comparison.json").read_text())["repeated_rows"]
    assert repeated >= 3
    assert f"{repeated} rows of the file repeat a variant" in (tmp_path / "out" / "report.md").read_text()
    assert len(pd.read_parquet(tmp_path / "out" / "scores.parquet")) >= 3 + len(records)


@pytest.mark.usefixtures("here")
def test_options_of_tables_of_a_gwas(
    inputs: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(inputs[2], sep="\t", dtype={"chrom": str})[["chrom", "pos", "ref", "alt"]]
    table = table[table["alt"].str.fullmatch("[ACGT]+") & table["ref"].str.fullmatch("[ACGT]+")]
    both = pd.concat([table.assign(p=0.25, pip=0.5, trait="BMI"), table.assign(p=1e-9, pip=0.7, trait="LDL")])
    path = tmp_path / "gwas.tsv"
    both.to_csv(path, sep="\t", index=False)
    models = (f"a=pvalue:{path}", f"b=pvalue:{path}:phenotype=LDL", f"pip:{path}:phenotype=LDL")
    assert compare(inputs, tmp_path / "out", "--phenotype", "BMI", models=models) == 0
    assert f"{len(table):,} kept, {len(table):,} not chosen (LDL)" in capsys.readouterr().out
    scores = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    for column, value in {"a.neg_log10_p": -np.log10(0.25), "b.neg_log10_p": 9, "pip.pip": 0.7}.items():
        np.testing.assert_allclose(scores[column].dropna().unique(), [value])
    manifest = json.loads((tmp_path / "out" / "models" / "a.parquet.json").read_text())
    assert manifest["declaration"]["made_by"]["options"] == "phenotype: BMI"
    # With other options the model is scored again.
    assert compare(inputs, tmp_path / "out", models=models) == 0
    scores = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    np.testing.assert_allclose(scores["a.neg_log10_p"].dropna().unique(), [9])
    assert compare(inputs, tmp_path / "out", "--gwas-format", "excel", models=models) == 2
    assert "format is 'excel'" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_contigs_that_the_fasta_lacks_are_said(
    inputs: tuple[Path, Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gwas.tsv"
    with (inputs[1].with_name("genome.fa.fai")).open() as index:
        contig, length = index.readline().split("\t")[:2]
    rows = ["1.5\t10", "1.5\t20", f"{contig}\t{int(length) + 1}", f"{contig}\t999999999", f"{contig}\t10"]
    path.write_text("chrom\tpos\tref\talt\tp\n" + "".join(f"{row}\tA\tC\t0.1\n" for row in rows))
    assert compare(inputs, tmp_path / "out", models=("mifm", f"pvalue:{path}")) == 0
    assert "has 2 rows on contigs that the FASTA does not have: '1.5' (2 rows)" in caplog.text
    assert "2 of 3 variants of" in caplog.text
    assert "lie beyond the ends of the FASTA's contigs" in caplog.text


@pytest.mark.usefixtures("here")
def test_conflicting_rows_come_with_advice(inputs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    table = inputs[2]
    rows = pd.read_csv(table, sep="\t", dtype={"chrom": str})
    pd.concat([rows, rows.assign(own=2 * rows["own"] + 1)]).to_csv(table, sep="\t", index=False)
    assert compare(inputs, tmp_path / "out") == 0
    assert "use pip:FILE, which has a score for each trait" in (tmp_path / "out" / "report.md").read_text()


def test_as_a_command_with_processes_of_their_own(
    inputs: tuple[Path, Path, Path], tmp_path: Path, run: Run
) -> None:
    vcf, fasta, table = inputs
    done = run(
        "mifm_kipoi.cli", "compare", vcf, fasta, "--models", f"mifm,table:{table}:own",
        "-o", tmp_path / "out", "--resamples", "10",
    )  # fmt: skip
    assert "mifm: " in done.stdout
    assert "own: " in done.stdout
    resources = pd.read_csv(tmp_path / "out" / "resources.tsv", sep="\t")
    assert len(resources) == 2
