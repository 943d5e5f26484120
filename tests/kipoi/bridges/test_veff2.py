"""kipoi-veff2: the scores, that every ALT has a row, and the errors."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run
from tests.kipoi.bridges.bridge_runs import ENGINE_SCORES, annotated, check_agreement, first_records, predict

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("kipoi_veff2") is None,
    reason="kipoi-veff2 is not installed (pip install git+https://github.com/kipoi/kipoi-veff2)",
)

VEFF2 = "mifm_kipoi.kipoi.bridges.veff2"
ALL_SCORES = [option for name in ENGINE_SCORES for option in ("-s", name)]


def table(path: Path, model: str = "MIFM") -> pd.DataFrame:
    """The output, its scores under their names in upper case, empty ones NaN."""
    text = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    assert text.columns[:5].tolist() == ["#CHROM", "POS", "ID", "REF", "ALT"]
    prefix = f"{model}/mifm/"
    names = [name for name in text if name.startswith(prefix)]
    assert text.columns[5:].tolist() == [*names, "MIFM_STATUS"]
    found = text.iloc[:, :5].set_axis(["chrom", "pos", "id", "ref", "alt"], axis=1)
    found["pos"] = found["pos"].astype(int)
    for name in names:
        values = [float(value) if value else float("nan") for value in text[name]]
        found[name.removeprefix(prefix).upper()] = values
    return found.assign(status=text["MIFM_STATUS"])


def test_scores_are_those_of_predict(run: Run, example: Path, tmp_path: Path) -> None:
    vcf, fasta, out = example / "variants.vcf", example / "genome.fa", tmp_path / "out.tsv"
    run(VEFF2, vcf, fasta, out, "-m", "MIFM", *ALL_SCORES, "--max-n-fraction", "0.5")
    found = table(out)
    predicted = predict(run, vcf, fasta, tmp_path / "predicted.tsv", max_n_fraction=0.5)
    assert check_agreement(found, predicted) > 25
    assert found["DIFF"].abs().min() > 1e-4
    over = found[found["status"] == "window_over_contig_end"]
    assert over["pos"].tolist() == [1, 6000, 1400]
    assert set(predicted["status"]) <= set(found["status"])


def test_the_issues_command(run: Run, example: Path, tmp_path: Path) -> None:
    for name in ("variants.vcf", "genome.fa"):
        (tmp_path / name).write_bytes((example / name).read_bytes())
    arguments = ["variants.vcf", "genome.fa", "out.tsv", "-m", "MIFM", "-s", "diff", "-s", "logit"]
    run(VEFF2, *arguments, cwd=tmp_path)
    header = (tmp_path / "out.tsv").read_text().splitlines()[0]
    assert header.split("\t")[5:] == ["MIFM/mifm/diff", "MIFM/mifm/logit", "MIFM_STATUS"]
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["genome.fa", "genome.fa.fai", "home", "out.tsv", "variants.vcf"]


@pytest.mark.skipif(importlib.util.find_spec("kipoi_veff") is None, reason="kipoi_veff is not installed")
@pytest.mark.slow
@pytest.mark.reference
def test_both_engines_agree_on_1000_genomes(run: Run, reference_data: Path, tmp_path: Path) -> None:
    source = reference_data / "data/variants/1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    fasta = reference_data / "data/genome/GRCh37.mini.fa.gz"
    vcf, out, veff = (
        first_records(source, tmp_path / "in.vcf", 500),
        tmp_path / "out.tsv",
        tmp_path / "veff.vcf",
    )
    run(VEFF2, vcf, fasta, out, "-m", "MIFM", *ALL_SCORES)
    found = table(out)
    assert check_agreement(found, predict(run, vcf, fasta, tmp_path / "predicted.tsv")) >= 500
    options = ["-o", veff, "-s", "diff", "ref", "--dataloader_args", f"fasta_file={fasta}"]
    run("mifm_kipoi.kipoi.bridges.veff", "score_variants", "MIFM", "-i", vcf, *options)
    for name in ("DIFF", "REF"):
        difference = (annotated(veff)[name] - found[name]).abs()
        assert difference.notna().sum() >= 500
        assert difference.max() < 1e-6


def test_another_genome_build_is_an_error(run: Run, example: Path, tmp_path: Path) -> None:
    vcf, out = tmp_path / "in.vcf", tmp_path / "out.tsv"
    vcf.write_text((example / "variants.vcf").read_text().replace("\tA\t", "\tT\t"))
    command = [vcf, example / "genome.fa", out, "-m", "MIFM"]
    done = run(VEFF2, *command, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("kipoi-veff2: error: ")
    assert "REF alleles differ from" in done.stderr
    assert not out.exists()
    run(VEFF2, *command, "--max-mismatch-fraction", "1")
    assert (table(out)["status"] == "ref_mismatch").sum() > 5


ERRORS = {
    "model": (["-m", "Basset"], 1, "there is no model 'Basset' here; expected one of MIFM, MIFM/published"),
    "published": (["-m", "MIFM/published"], 1, "mifm weights fetch published"),
    "score": (["-m", "MIFM", "-s", "diff", "-s", "dif"], 2, "there is no score dif"),
    "length": (
        ["-m", "MIFM", "-l", "1000"],
        1,
        "--seq-length 1000 cannot be used: the windows of MIFM have 512 bp",
    ),
    "missing": (["-s", "diff"], 2, "Missing option '-m'"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(run: Run, example: Path, tmp_path: Path, case: str) -> None:
    arguments, code, message = ERRORS[case]
    done = run(
        VEFF2, example / "variants.vcf", example / "genome.fa", tmp_path / "out.tsv", *arguments, check=False
    )
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.tsv").exists()
