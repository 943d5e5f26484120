"""workflow/: shards that are scored and merged by Snakemake, also after they were killed."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from mifm_kipoi.scoring.run import ScoringRun
from mifm_kipoi.scoring.scorer import score_variants
from tests.builders import write_vcf
from tests.conftest import ROOT
from tests.tables import assert_same_rows, read_table

WORKFLOW = ROOT / "workflow"
SNAKEMAKE = Path(os.environ.get("MIFM_SNAKEMAKE", ROOT / ".venv-workflow" / "bin" / "snakemake"))
NEEDS_SNAKEMAKE = f"no {SNAKEMAKE}: 'make workflow' installs it, or MIFM_SNAKEMAKE names one"

pytestmark = pytest.mark.skipif(shutil.which(SNAKEMAKE) is None, reason=NEEDS_SNAKEMAKE)

Config = dict[str, Any]


class Folder:
    """A folder in which Snakemake runs, with a configuration."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config

    def command(self, *arguments: str) -> list[str]:
        (self.path / "config.yaml").write_text(yaml.safe_dump(self.config))
        command = [SNAKEMAKE, "--snakefile", WORKFLOW / "Snakefile", "--configfile", "config.yaml"]
        command += ["--workflow-profile", WORKFLOW / "profiles" / "local", "--cores", "2", "--nocolor"]
        return [*map(str, command), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run to the end and return all that was said."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        if bool(done.returncode) is not fails:
            pytest.fail(f"snakemake ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def files(self, pattern: str) -> set[str]:
        out = self.path / "out"
        return {str(path.relative_to(out)) for path in out.glob(pattern) if path.is_file()}


MakeFolder = Callable[..., Folder]


@pytest.fixture
def folder(tmp_path: Path, example: Path) -> MakeFolder:
    """Make a folder for Snakemake; the example, unless the configuration says otherwise."""

    def make(**config: Any) -> Folder:
        given: Config = {
            "mifm": f"{shlex.quote(sys.executable)} -m mifm_kipoi.cli",
            "fasta": str(example / "genome.fa"),
            "variants": {"example": str(example / "variants.vcf")},
            "output": "out",
            "shards": 2,
            "options": {"device": "cpu"},
        }
        path = tmp_path / "run"
        path.mkdir(exist_ok=True)
        given.update(config)
        return Folder(path, {key: value for key, value in given.items() if value is not ...})

    return make


@pytest.fixture
def whole(example: Path) -> pd.DataFrame:
    """The example, scored without shards."""
    return score_variants(example / "variants.vcf", example / "genome.fa", device="cpu")


def test_two_files_in_two_shards(
    folder: MakeFolder, example: Path, tmp_path: Path, whole: pd.DataFrame
) -> None:
    text = (example / "variants.vcf").read_text().splitlines(keepends=True)
    other = tmp_path / "first part.vcf.gz"
    other.write_bytes(gzip.compress("".join(text[:-20]).encode()))
    run = folder(variants={"example": str(example / "variants.vcf"), 20: str(other)})
    run.snakemake()

    out = run.path / "out"
    assert_same_rows(read_table(out / "example.tsv.gz"), whole)
    assert_same_rows(read_table(out / "20.tsv.gz"), whole[:-20])
    manifest = json.loads((out / "example.tsv.gz.json").read_text())
    assert manifest["records"] == [0, 43]
    assert [part["name"] for part in manifest["parts"]] == [f"{part}-of-2.tsv.gz" for part in (1, 2)]
    names = {f"{name}.tsv.gz{end}" for name in ("example", "20") for end in ("", ".json", ".tbi")}
    assert run.files("*") == names
    shards = {f"{name}/{part}-of-2" for name in ("example", "20") for part in (1, 2)}
    assert run.files("logs/**/*") == {
        "logs/check.log",
        "logs/merge/20.log",
        "logs/merge/example.log",
        *(f"logs/score/{shard}.log" for shard in shards),
    }
    assert run.files("benchmarks/**/*") == {f"benchmarks/{shard}.tsv" for shard in shards}
    assert not run.files("**/*.partial*")

    # What is finished is left as it is, also without the shards and by other ways of running.
    shutil.rmtree(out / "shards")
    run.config["options"]["batch_size"] = 64
    run.config["mifm"] = "another"
    assert "Nothing to be done" in run.snakemake()
    run.config["options"]["max_n_fraction"] = 0.2
    assert jobs(run.snakemake("--dry-run")) == {"check": 1, "score": 4, "merge": 2, "all": 1}
    del run.config["options"]["max_n_fraction"]
    other.write_bytes(gzip.compress("".join(text[:-21]).encode()))
    assert jobs(run.snakemake("--dry-run")) == {"score": 2, "merge": 1, "all": 1}


def jobs(said: str) -> dict[str, int]:
    """How many jobs of each rule Snakemake wants to run."""
    table = said.partition("Job stats:")[2].partition("total")[0]
    return {words[0]: int(words[1]) for words in map(str.split, table.splitlines()[3:]) if words}


DYING = """
import functools, os, signal, sys, time
from pathlib import Path
from mifm_kipoi.cli import main
from mifm_kipoi.scoring import run
from mifm_kipoi.scoring.journal import Journal

HOW = "{how}"
FOLDER = Path(__file__).parent
append, go_on = Journal.append, Journal._go_on
run.ScoringRun = functools.partial(run.ScoringRun, chunk_size=2)

def append_and_die(self, content, records, *counts):
    append(self, content, records, *counts)
    if self.output.name.startswith("2-of-2") and self.records - self._first >= 5:
        if not (FOLDER / "died").exists():
            (FOLDER / "died").touch()
            if HOW == "sleep":
                time.sleep(300)
            os.kill(os.getpid(), signal.SIGKILL)

def go_on_and_tell(self, noted):
    go_on(self, noted)
    (FOLDER / f"{{self.output.name}}.went_on").write_text(str(self.records - self._first))

Journal.append, Journal._go_on = append_and_die, go_on_and_tell
sys.exit(main())
"""


def dying(folder: Path, how: str) -> str:
    """A ``mifm`` that ends, or waits for its end, once: amid the 22 records of the second shard."""
    script = folder / "dying.py"
    script.write_text(DYING.format(how=how))
    return shlex.join([sys.executable, str(script)])


def check_that_it_went_on(folder: Path) -> None:
    """The second shard was not begun anew; the first may have been finished, or cut short too."""
    assert 5 <= int((folder / "2-of-2.tsv.went_on").read_text()) < 22


@pytest.mark.slow
@pytest.mark.parametrize("again", ["retried by Snakemake", "run again"])
def test_a_killed_shard_goes_on(folder: MakeFolder, tmp_path: Path, whole: pd.DataFrame, again: str) -> None:
    run = folder(mifm=dying(tmp_path, "kill"), format="tsv")
    if again == "run again":
        said = run.snakemake("--retries", "0", fails=True)
        assert "Error in rule score" in said
        assert run.files("shards/example/*.tsv") == {"shards/example/1-of-2.tsv"}
        kept = run.files("shards/example/*.partial*")
        assert kept == {f"shards/example/2-of-2.tsv.partial{end}" for end in ("", ".json")}
    run.snakemake()
    check_that_it_went_on(tmp_path)
    assert_same_rows(read_table(run.path / "out" / "example.tsv"), whole)
    assert not run.files("**/*.partial*")


@pytest.mark.slow
def test_a_killed_workflow_goes_on(folder: MakeFolder, tmp_path: Path, whole: pd.DataFrame) -> None:
    """Snakemake and its jobs end without a chance to tidy up, as when a machine fails."""
    run = folder(mifm=dying(tmp_path, "sleep"), format="tsv")
    with subprocess.Popen(
        run.command(),
        cwd=run.path,
        env=run.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "died").exists():
            assert process.poll() is None, "snakemake ended before the shard was begun"
            assert time.monotonic() < deadline, "the shard was not begun"
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    assert "--unlock" in run.snakemake(fails=True)
    run.snakemake("--unlock")
    run.snakemake()
    check_that_it_went_on(tmp_path)
    assert_same_rows(read_table(run.path / "out" / "example.tsv"), whole)


@pytest.mark.slow
@pytest.mark.reference
def test_1000_genomes(folder: MakeFolder, reference_data: Path, tmp_path: Path) -> None:
    vcf = reference_data / "data" / "variants" / "1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    fasta = reference_data / "data" / "genome" / "GRCh37.mini.fa.gz"
    run = folder(variants={"chr20": str(vcf)}, fasta=str(fasta), format="vcf.gz")
    run.snakemake()
    ScoringRun(str(vcf), fasta, tmp_path / "whole.vcf.gz", device="cpu").run()
    merged = read_table(run.path / "out" / "chr20.vcf.gz")
    assert len(merged) == 29_144
    assert_same_rows(merged, read_table(tmp_path / "whole.vcf.gz"))


def test_the_commands(folder: MakeFolder, example: Path, tmp_path: Path) -> None:
    """Every key of the configuration reaches mifm, and files are inputs."""
    weights = tmp_path / "of mine.safetensors"
    weights.touch()
    run = folder(
        weights=["embedded", str(weights)],
        regions=str(example / "intervals.bed"),
        format="bcf",
        shards=3,
        options={
            "max_mismatch_fraction": 0.5,
            "max_unknown_share": 0.25,
            "reverse_complement": True,
            "shift": 2,
            "drop_samples": True,
            "device": "cuda:1",
            "batch_size": 32,
        },
    )
    said = run.snakemake("--dry-run", "--printshellcmds", "--set-threads", "score=2")
    scoring = (
        f"--weights embedded --weights '{weights}' --max-mismatch-fraction 0.5 --max-n-fraction 0.25 "
        f"--shift 2 --reverse-complement --drop-samples --regions {example / 'intervals.bed'}"
    )
    assert (
        f"score {example / 'variants.vcf'} {example / 'genome.fa'} --output out/shards/example/3-of-3.bcf "
        f"--shard 3/3 --resume --threads 2 --no-progress {scoring} --device cuda:1 --batch-size 32 "
        ">> out/logs/score/example/3-of-3.log"
    ) in said
    assert "options: max_unknown_share is now max_n_fraction" in said
    assert "output: out/example.bcf.csi, out/example.bcf, out/example.bcf.json" in said
    weights.unlink()
    assert str(weights) in run.snakemake("--dry-run", fails=True)


def test_unsorted_variants_have_no_index(folder: MakeFolder, tmp_path: Path, whole: pd.DataFrame) -> None:
    scored = whole[whole["status"] == "ok"].sort_values("pos", ascending=False)[:3]
    rows = list(scored[["chrom", "pos", "ref", "alt"]].itertuples(index=False, name=None))
    vcf = write_vcf(tmp_path / "x.vcf", rows)
    run = folder(variants={"x": str(vcf)}, shards=1)
    assert "set index: false in the configuration" in run.snakemake("--retries", "0", fails=True)
    run.config["index"] = False
    said = run.snakemake()
    assert "rule merge" in said
    assert "rule score" not in said
    assert run.files("*") == {"x.tsv.gz", "x.tsv.gz.json"}


def test_what_is_wrong_for_all_is_found_first(folder: MakeFolder) -> None:
    run = folder(weights=["unheard_of"])
    said = run.snakemake(fails=True)
    assert "mifm: error: " in said
    assert "unheard_of" in said
    assert "rule score:" not in said


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shardz": 3}, "unknown key shardz; expected mifm, fasta, variants, output, format"),
        ({"options": {"threads": 2}}, "options: unknown key threads; expected max_mismatch_fraction"),
        ({"shards": 0}, "shards: 0 is less than the minimum of 1"),
        ({"format": "csv"}, "format: 'csv' is not one of ['tsv', "),
        ({"variants": {"a/b": "x.vcf"}}, "variants: 'a/b' does not match"),
        ({"fasta": ...}, "'fasta' is a required property"),
        ({"variants": {"x": "absent.vcf"}}, "Missing input files for rule score"),
    ],
)
def test_a_wrong_configuration(folder: MakeFolder, config: Config, message: str) -> None:
    run = folder(**config)
    said = run.snakemake("--dry-run", fails=True)
    assert message in said
    assert "Traceback" not in said


def test_the_example_configuration_and_the_profiles(folder: MakeFolder) -> None:
    run = folder()
    run.config = yaml.safe_load((WORKFLOW / "config.yaml").read_text())
    run.config |= {"fasta": str(ROOT / run.config["fasta"])}
    run.config["variants"] = {name: str(ROOT / path) for name, path in run.config["variants"].items()}
    slurm = run.snakemake("--dry-run", "--workflow-profile", str(WORKFLOW / "profiles" / "slurm"))
    assert "mem_mb=2000, " in slurm
    assert "threads: 2" in slurm
