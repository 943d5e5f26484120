"""workflow/paper/: from nothing to the page, downloads, and what is said before anything runs."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import runpy
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.test_workflow import NEEDS_SNAKEMAKE, SNAKEMAKE, jobs

PAPER = ROOT / "workflow" / "paper"

needs_snakemake = pytest.mark.skipif(shutil.which(SNAKEMAKE) is None, reason=NEEDS_SNAKEMAKE)


def snakemake(folder: Path, config: dict[str, Any], *arguments: str, fails: bool = False) -> str:
    """Run the workflow to the end and return all that was said."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [
        SNAKEMAKE, "--snakefile", PAPER / "Snakefile", "--configfile", "config.yaml", "--workflow-profile",
        PAPER / "profiles" / "local", "--cores", "2", "--retries", "0", "--nocolor", *arguments,
    ]  # fmt: skip
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    if bool(done.returncode) is not fails:
        pytest.fail(f"snakemake ended with {done.returncode}:\n{done.stdout[-20000:]}")
    return done.stdout


def shipped(name: str) -> dict[str, Any]:
    """A configuration that comes with the workflow, for the environment of the tests."""
    config: dict[str, Any] = yaml.safe_load((PAPER / name).read_text())
    return {**config, "mifm": f"{sys.executable} -m mifm_kipoi.cli", "python": sys.executable}


@pytest.fixture
def tiny() -> dict[str, Any]:
    """known-truth.yaml of the smallest sizes, with one member that is trained for an epoch."""
    config = shipped("known-truth.yaml")
    config["known_truth"]["people"] = "tiny"
    config["output"] = "out"
    config["training"] |= {
        "members": 1,
        "recipes": [str(PAPER / "known-truth-recipe.yaml")],
        "set": [
            *config["training"]["set"], "fit.epochs=1", "fit.negatives_per_bag=1", "distil.bags.epochs=1",
            "distil.bags.negatives_per_bag=1",
        ],
    }  # fmt: skip
    config["scores"]["shards"] = 1
    config["motifs"] |= {"sample": 300, "seqlets": 300}
    study, traits = config["polygenic"]["study"], ["q1", "q2"]
    study["build"] |= {"top": [1], "draws": 2}
    study["scoring_files"] = study["scoring_files"][: len(traits)]
    study["evaluate"]["traits"] = traits
    joint = config["joint"]
    joint["gwas"] = {trait: joint["gwas"][trait] for trait in traits}
    # So few people have no p of 5e-8.
    joint |= {"traits": traits, "draws": 20, "options": ["--p1", "1e-3", "--p2", "0.05", "--r2", "0.5"]}
    return config


@needs_snakemake
@pytest.mark.slow
def test_from_nothing_to_the_page(tmp_path: Path, tiny: dict[str, Any]) -> None:
    snakemake(tmp_path, tiny)
    out = tmp_path / "out"
    text = (out / "page" / "report.md").read_text()
    sections = [line for line in text.splitlines() if line.startswith("## ")]
    assert sections == [
        "## In short", "## Training (Table S1)", "## Enrichment (Fig 2)", "## Motifs (Table 1)",
        "## Motif swap (Fig 3)", "## Polygenic scores (Fig 4, Tables S2 and S3)",
        "## Joint tests (Fig 5, Table 2)", "## Time and memory", "## What it was made of",
    ]  # fmt: skip
    # The untrained network went through what the trained one went through.
    scores = pd.read_csv(out / "scores" / "variants.tsv.gz", sep="\t", nrows=10)
    assert {"mifm_ref_student", "mifm_ref_untrained"} <= set(scores.columns)
    compared = pd.read_parquet(out / "comparisons" / "people" / "scores.parquet")
    assert {"mifm.mifm_ref", "untrained.mifm_ref", "oracle.oracle"} <= set(compared.columns)
    counts = pd.read_csv(out / "motifs" / "found" / "counts.tsv", sep="\t")
    assert set(counts["network"]) == {"student", "untrained (seed 0)"}
    made = pd.read_csv(out / "polygenic" / "study" / "evaluate" / "performance.tsv", sep="\t")
    assert {"mifm", "untrained", "mifm+abf", "oracle", "truth", "p"} <= set(made["method"])
    filters = pd.read_csv(out / "joint-as-in-paper" / "filters.tsv", sep="\t")
    assert {"all", "p", "mifm.mifm_ref", "untrained.mifm_ref", "oracle.oracle"} <= set(filters["model"])

    # What is done is left as it is; a change goes as far as what depends on it.
    assert "Nothing to be done" in snakemake(tmp_path, tiny)
    tiny["motifs"]["seqlets"] = 301
    assert jobs(snakemake(tmp_path, tiny, "--dry-run")) == {"motifs": 1, "motif_swap": 1, "page": 1, "all": 1}
    # Without people there is no comparison, and the page is of the rest.
    del tiny["polygenic"], tiny["joint"]
    tiny["motifs"]["seqlets"] = 300
    assert jobs(snakemake(tmp_path, tiny, "--dry-run")) == {"page": 1, "all": 1}


@needs_snakemake
def test_public_files_that_are_there_are_not_fetched(tmp_path: Path) -> None:
    config = shipped("config.yaml")
    said = snakemake(tmp_path, config, "--dry-run", fails=True)
    for name, page in (
        ("credible_set.txt.gz", "mulinlab.org"), ("meta.txt", "mulinlab.org"), ("GenoSTAN", "cmm.in.tum.de"),
        ("Homo_sapiens.bed", "health.tsinghua.edu.cn"),
    ):  # fmt: skip
        assert any(name in line and page in line for line in said.splitlines())
    downloads = tmp_path / "downloads"
    (downloads / "GenoSTAN").mkdir(parents=True)
    for name in ("credible_set.txt.gz", "meta.txt", "Homo_sapiens.bed"):
        (downloads / name).touch()
    wanted = jobs(snakemake(tmp_path, config, "--dry-run"))
    assert (wanted["download"], wanted["unpack"], wanted["member"]) == (4, 1, 5)
    for name in ("hg19.fa", "hg19ToHg38.over.chain.gz"):
        (downloads / name).touch()
    slurm = str(PAPER / "profiles" / "slurm")
    said = snakemake(tmp_path, config, "--dry-run", "--workflow-profile", slurm)
    assert jobs(said)["download"] == 2
    assert "unpack" not in jobs(said)
    assert "runtime=2880" in said


@needs_snakemake
def test_wrong_configurations(tmp_path: Path, tiny: dict[str, Any]) -> None:
    def said(config: dict[str, Any]) -> str:
        text = snakemake(tmp_path, config, "--dry-run", fails=True)
        return next(line for line in text.splitlines() if "configuration" in line)

    assert "motifs: unknown key seqlet; expected databases" in said(
        {**tiny, "motifs": {"databases": ["m.meme"], "seqlet": 3}}
    )
    assert "no comparison cohort, which joint names; expected one of people" in said(
        {**tiny, "joint": {**tiny["joint"], "comparison": "cohort"}}
    )


class Server(http.server.BaseHTTPRequestHandler):
    """Sends a file, by ranges where it is asked to; the first answer of each path breaks off where told."""

    content = bytes(range(256)) * 5000
    breaks: dict[str, int]
    asked: list[str]

    def do_GET(self) -> None:
        """Send the file, or what a range asks for."""
        self.asked.append(self.headers.get("Range", ""))
        content = self.content
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if self.path.startswith("/plain"):
            begin = 0
        if begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin : self.breaks.pop(self.path, len(content))])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server."""
    Server.breaks, Server.asked = {"/file": 70_000, "/plain": 70_000}, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def download(*arguments: str) -> tuple[int, str]:
    """The exit code of a download and what it said."""
    done = subprocess.run(
        [sys.executable, str(PAPER / "download.py"), *arguments],
        stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_downloads(tmp_path: Path, address: str) -> None:
    md5 = hashlib.md5(Server.content).hexdigest()
    sha256 = hashlib.sha256(Server.content).hexdigest()
    for path, ranges in (("file", ["", "bytes=70000-"]), ("plain", ["", "bytes=70000-"])):
        out = tmp_path / path / "got.gz"
        Server.asked.clear()
        code, said = download(f"{address}/{path}", "--output", str(out), "--md5", md5)
        assert code == 1
        assert said.startswith("cannot download got.gz: the connection broke after 70,000 of 1,280,000 bytes")
        assert not out.exists()
        # It goes on; a server that knows no ranges sends all of it again.
        assert download(f"{address}/{path}", "--output", str(out), "--md5", md5) == (0, "")
        assert Server.asked == ranges
        assert out.read_bytes() == Server.content
        noted = json.loads(out.with_name("got.gz.json").read_text())
        assert (noted["address"], noted["bytes"]) == (f"{address}/{path}", 1_280_000)
        assert (noted["md5"], noted["sha256"]) == (md5, sha256)
        assert sorted(one.name for one in out.parent.iterdir()) == ["got.gz", "got.gz.json"]

    # A part that is complete has nothing more to come.
    (tmp_path / "whole.part").write_bytes(Server.content)
    assert download(f"{address}/file", "--output", str(tmp_path / "whole")) == (0, "")

    for expected, what in (
        (("--md5", "0" * 32), f"its MD5 is {md5}"),
        (("--bytes", "7"), "its size is 1280000"),
    ):
        other = tmp_path / "other"
        code, said = download(f"{address}/file", "--output", str(other), *expected)
        assert code == 1
        assert what in said
        assert not other.exists()
        assert (tmp_path / "other.unexpected").read_bytes() == Server.content
    code, said = download(f"{address}/missing", "--output", str(tmp_path / "never"))
    assert code == 1
    assert "404" in said


def test_which_patterns_are_swapped() -> None:
    choose = runpy.run_path(str(PAPER / "patterns.py"))["choose"]

    def chosen(
        rows: list[tuple[str, str, int, str]],
        factors: Sequence[str] = (),
        patterns: Sequence[str] = (),
        most: int = 3,
    ) -> tuple[list[str], str]:
        table = pd.DataFrame(rows, columns=["pattern", "sign", "seqlets", "factor"])
        options, choice = choose(table.assign(matched=table["factor"] != ""), factors, patterns, most)
        return options, choice["why"]

    rows = [
        ("positive.0", "positive", 50, "A"), ("positive.1", "positive", 90, "B"),
        ("positive.2", "positive", 70, ""), ("negative.0", "negative", 20, "B"),
        ("negative.1", "negative", 30, ""),
    ]  # fmt: skip
    assert chosen(rows) == (["--factors", "B"], "factors with patterns of both signs")
    words, why = chosen(rows, factors=["A"], most=2)
    assert words == ["--patterns", "positive.1,positive.2,negative.1,negative.0"]
    assert why.startswith("there are no patterns of both signs of A")
    assert chosen(rows[:3]) == ([], "there are no negative patterns")
    assert chosen(rows, patterns=["positive.2", "negative.0"])[0] == ["--patterns", "positive.2,negative.0"]
