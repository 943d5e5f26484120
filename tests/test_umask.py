"""All files obey the umask, also those written under a temporary name: genotypes are not for everybody."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.kipoi import demo
from mifm_kipoi.mutagenesis.run import MutagenesisRun
from mifm_kipoi.scoring.run import ScoringRun
from tests.builders import write_fasta, write_vcf

UMASKS = pytest.mark.parametrize("mask", [0o077, 0o002], ids=["077", "002"])

BASES = "".join(np.random.default_rng(5).choice(list("ACGT"), 2000))


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    records = [("1", pos, BASES[pos - 1], other[BASES[pos - 1]]) for pos in range(900, 930, 10)]
    fasta = write_fasta(tmp_path / "x.fa", {"1": BASES})
    return write_vcf(tmp_path / "x.vcf", records), fasta


def check(folder: Path, mask: int, names: set[str]) -> None:
    """All files of a folder have the modes of a file that is simply opened, and no other is there."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}
    assert modes == dict.fromkeys(names, 0o666 & ~mask)


@UMASKS
def test_of_commands(
    tmp_path: Path, inputs: tuple[Path, Path], mask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcf, fasta = inputs
    table = pd.DataFrame(
        {"chrom": "1", "pos": [900], "id": "a", "ref": "A", "alt": "C", "mifm_ref": 0.1, "mifm_alt": 0.2,
         "mifm_delta": 0.1, "mifm_percentile": 50.0, "mifm_phred": 3.0, "status": "ok"}
    )  # fmt: skip
    monkeypatch.setattr(demo, "predict", lambda vcf, fasta: table)
    out = tmp_path / "out"
    with umask(mask):
        out.mkdir()
        for suffix in ("tsv", "vcf.gz", "parquet"):
            ScoringRun(vcf, fasta, out / f"s.{suffix}").run()
        MutagenesisRun(fasta, out / "m.h5", vcf=vcf, flank=2, plot=out / "m.png", bigwig=out / "m").run()
        MutagenesisRun(fasta, out / "m.parquet", vcf=vcf, flank=2).run()
        demo.run(str(vcf), str(fasta), out, 3)
    scores = {f"s.{suffix}" for suffix in ("tsv", "vcf.gz", "parquet")}
    indices = {"s.vcf.gz.tbi"}
    figures = {"m.1.png", "m.2.png", "m.3.png"}
    tracks = {"m.importance.bw", "m.strongest.bw"}
    check(
        out,
        mask,
        scores | {f"{name}.json" for name in scores} | indices | figures | tracks
        | {"m.h5", "m.parquet", "ranked.tsv", "ranked.png", "inputs.json"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["veff", "veff2"])
@UMASKS
def test_of_the_bridges(
    tmp_path: Path, home: Path, inputs: tuple[Path, Path], mask: int, engine: str
) -> None:
    package = {"veff": "kipoi_veff", "veff2": "kipoi_veff2"}[engine]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    vcf, fasta = map(str, inputs)
    out = tmp_path / "out"
    arguments = {
        "veff": ["score_variants", "MIFM", "-i", vcf, "-o", "out.vcf", "-s", "diff", "--dataloader_args",
                 json.dumps({"fasta_file": fasta})],
        "veff2": [vcf, fasta, "out.vcf", "-m", "MIFM", "-s", "diff"],
    }[engine]  # fmt: skip
    out.mkdir()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"mifm_kipoi.kipoi.bridges.{engine}", *arguments],
        env={**os.environ, "HOME": str(home)}, cwd=out, umask=mask, check=True, capture_output=True,
    )  # fmt: skip
    check(out, mask, {"out.vcf"})
