"""The command mifm: exit codes and messages; no traceback without --debug."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mifm_kipoi import __version__
from mifm_kipoi.cli import main
from mifm_kipoi.errors import MIFMError
from mifm_kipoi.network.weights import save_weights
from mifm_kipoi.support.guard import guarded
from tests.builders import TINY, random_network
from tests.conftest import Run


@pytest.fixture(autouse=True)
def _no_user_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"mifm {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["weights"],
        ["weights", "fetch", "others"],
        ["demo", "--top", "0"],
        ["demo", "only.vcf"],
        ["compare", "v.vcf", "g.fa", "-o", "out"],
        ["compare", "v.vcf", "g.fa", "--models", "mifm", "-o", "out", "--seed", "-1"],
        ["compare", "v.vcf", "g.fa", "--models", "mifm", "-o", "out", "--resamples", "0"],
        ["compare", "background", "v.vcf", "--models", "mifm", "-o", "out"],
        ["evaluate"],
        ["mutagenesis", "genome.fa", "-o", "out.h5"],
        ["mutagenesis", "genome.fa", "--bed", "r.bed"],
        ["mutagenesis", "genome.fa", "--bed", "r.bed", "--vcf", "v.vcf", "-o", "out.h5"],
        ["mutagenesis", "genome.fa", "--bed", "r.bed", "-o", "out.tsv"],
        ["mutagenesis", "genome.fa", "--bed", "r.bed", "-o", "out.h5", "--plot", "out.gif"],
        ["mutagenesis", "genome.fa", "--bed", "r.bed", "-o", "out.h5", "--flank", "5"],
        ["mutagenesis", "genome.fa", "--vcf", "v.vcf", "-o", "out.h5", "--flank", "-1"],
        ["mutagenesis", "genome.fa", "--vcf", "v.vcf", "-o", "out.h5", "--centre", "middle"],
        ["mutagenesis", "genome.fa", "--vcf", "v.vcf", "-o", "out.h5", "--max-n-fraction", "2"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: mifm" in capsys.readouterr().err


def test_input_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "show", "nothing"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"mifm: error: there are no weights named 'nothing'[^\n]*\n", err)


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(MIFMError, match="no weights named 'nothing'"):
        main(["--debug", "weights", "show", "nothing"])


def test_unexpected_errors_and_interrupts(capsys: pytest.CaptureFixture[str]) -> None:
    def divide() -> None:
        raise ZeroDivisionError("division by zero")

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert guarded("program", False, divide) == 1
    assert (
        capsys.readouterr().err
        == "program: unexpected error: ZeroDivisionError: division by zero (more with --debug)\n"
    )
    assert guarded("program", False, interrupt) == 130
    with pytest.raises(ZeroDivisionError, match="division"):
        guarded("program", True, divide)


def test_weights_list_show_import_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, random_network(TINY), {"made": "by a test"})
    assert main(["weights", "import", str(path), "--name", "tiny"]) == 0
    assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ["embedded", "tiny", "published"]
    assert "mifm weights fetch published" in out
    assert main(["weights", "show", "tiny"]) == 0
    shown = dict(line.split("\t", 1) for line in capsys.readouterr().out.splitlines() if "\t" in line)
    assert int(shown["parameters"]) == sum(p.numel() for p in random_network(TINY).parameters())
    assert '"window": 64' in shown["configuration"]
    assert shown["licence"] == "none stated"
    assert main(["weights", "show", "embedded"]) == 0
    assert "The authors state no licence for their checkpoint" in capsys.readouterr().out
    assert main(["weights", "verify"]) == 0
    assert [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["embedded", "ok"],
        ["tiny", "ok"],
    ]


def test_verify_of_damaged_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, random_network(TINY), {})
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["weights", "verify", str(path)]) == 1
    assert "cannot read the weights file" in capsys.readouterr().err


def test_importing_the_package_costs_nothing(run: Run) -> None:
    heavy = {"torch", "kipoi", "pandas", "cyvcf2"}
    code = f"import sys, mifm_kipoi, mifm_kipoi.cli; print({heavy} & set(sys.modules))"
    done = run("timeit", "-n", "1", "-r", "1", code)
    assert "set()" in done.stdout


def test_demo_ranks_and_plots_the_example(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = run("mifm_kipoi.cli", "demo", "-o", out, "--top", "5")
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r" *\d+ ", line)]
    scores = [float(row[6]) for row in rows[:5]]
    assert scores == sorted(scores, reverse=True)
    assert "make demo VCF=YOUR.vcf.gz FASTA=YOUR.fa" in done.stdout
    assert "not a probability of causality" in done.stdout
    files = [out / name for name in ("ranked.tsv", "ranked.png", "inputs.json")]
    assert f"written: {', '.join(map(str, files))}" in done.stdout
    assert sorted(out.iterdir()) == sorted(files)
    lines = (out / "ranked.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        "chrom", "pos", "id", "ref", "alt", "mifm_ref", "mifm_alt", "mifm_delta", "mifm_percentile",
        "mifm_phred", "status",
    ]  # fmt: skip
    assert len(lines) == 1 + 440  # alternative alleles of the example's 426 sites
    assert (out / "ranked.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("vcf", "fasta", "message"),
    [
        ("none.vcf", "genome.fa", "cannot read the variant file"),
        ("variants.vcf", "none.fa", "cannot read the FASTA file"),
        ("genome.fa", "genome.fa", "expected a complete VCF or BCF file"),
    ],
)
def test_demo_on_bad_input(run: Run, example: Path, vcf: str, fasta: str, message: str) -> None:
    done = run("mifm_kipoi.cli", "demo", example / vcf, example / fasta, check=False)
    assert done.returncode == 1
    assert re.fullmatch(rf"mifm: error: .*{message}[^\n]*\n", done.stderr)


@pytest.mark.parametrize("centre", ["variant", "position"])
def test_mutagenesis_of_the_example(run: Run, example: Path, tmp_path: Path, centre: str) -> None:
    """In a process of its own, as a user runs it."""
    files = (example / "genome.fa", "--vcf", example / "variants.vcf", "--flank", "3")
    out = tmp_path / "out.parquet"
    done = run("mifm_kipoi.cli", "mutagenesis", *files, "--centre", centre, "-o", out)
    assert re.match(r"\d+ regions, \d+ positions, \d+ substitutions\n", done.stdout)
    assert done.stdout.endswith(f"written: {out}\n")
    assert done.stderr == ""
    table = pq.read_table(out).to_pandas()
    scored = table[table["status"] == "ok"]
    assert scored["mifm_delta"].notna().all()
    assert (scored.groupby(["region", "pos"]).size() == 3).all()
    assert (scored["centre"].notna() == (centre == "variant")).all()
    records = [tuple(line.split("\t")[:4]) for line in (example / "variants.vcf").read_text().splitlines()]
    assert table["region"].nunique() == len([record for record in records if record[0][0] != "#"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.fa", "--bed", "intervals.bed"], "cannot read the FASTA file none.fa"),
        (["genome.fa", "--bed", "none.bed"], "cannot read the BED file none.bed"),
        (["genome.fa", "--vcf", "none.vcf"], "cannot read the variant file none.vcf"),
        (["genome.fa", "--bed", "variants.vcf"], "line 12 of variants.vcf is not BED"),
        (["genome.fa", "--bed", "intervals.bed", "--weights", "none"], "there are no weights named 'none'"),
    ],
)
def test_mutagenesis_on_bad_input(
    arguments: list[str],
    message: str,
    example: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(example)
    assert main(["mutagenesis", *arguments, "-o", str(tmp_path / "out.h5")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"mifm: error: [^\n]*{message}[^\n]*\n", err)
    assert not (tmp_path / "out.h5").exists()


def test_the_home_folder_in_every_path(
    tmp_path: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the shell does not replace it: in quotes, behind ``=``, and within models."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("variants.vcf", "genome.fa", "genome.fa.fai"):
        (tmp_path / name).write_bytes((example / name).read_bytes())
    (tmp_path / "t.tsv").write_text("chrom\tpos\tref\talt\tP\n1\t5\tA\tC\t0.5\n")
    inputs = ("~/variants.vcf", "~/genome.fa")
    assert main(["score", *inputs, "--output=~/out.tsv", "--threads", "1"]) == 0
    assert (tmp_path / "out.tsv").exists()
    models = "--models=P=table:~/t.tsv:P,q=pvalue:~/t.tsv"
    assert main(["compare", *inputs, models, "-o", "~/compared", "--resamples", "5"]) == 0
    assert (tmp_path / "compared" / "scores.parquet").exists()
