"""Scores of variants that are looked up in a scan: those that are computed, or a reason."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest
from Bio import bgzf

from mifm_kipoi.cli import main
from mifm_kipoi.conventions import SourceStatus
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genome_scan.look_up import GenomeSource
from mifm_kipoi.genome_scan.run import GenomeRun
from mifm_kipoi.network.weights import save_weights
from mifm_kipoi.scoring.merge import merge
from mifm_kipoi.scoring.run import ScoringRun
from mifm_kipoi.scoring.scorer import ScoringOptions, score_variants
from tests.builders import random_network, write_fasta, write_vcf
from tests.genome_scan import SMALL
from tests.tables import read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome, weights, variants, and scans: of everything, and of one contig."""
    folder = tmp_path_factory.mktemp("look_up")
    generator = random.Random(3)
    bases = {
        name: "".join(generator.choices("ACGT", k=length)) for name, length in (("chr1", 5000), ("chr2", 900))
    }
    bases["chr1"] = bases["chr1"][:3000] + "N" * 200 + bases["chr1"][3200:]
    write_fasta(folder / "genome.fa", bases)
    save_weights(folder / "small.safetensors", random_network(SMALL), {})
    records = []
    for contig, text in bases.items():
        for pos in [*range(280, 700, 3), *range(2500, len(text) - 5, 40)]:
            ref = text[pos - 1]
            one, two = [base for base in "ACGT" if base != ref][:2]
            alts = [one, f"{two},{one}", f"{ref}G", "<DEL>", ".", f"{one},{ref}TT"]
            wrong = one if generator.random() < 0.02 else ref
            records.append((contig.removeprefix("chr"), pos, wrong, generator.choice([*alts[:1] * 5, *alts])))
    write_vcf(folder / "variants.vcf", records)
    outputs = (folder / "x.bw", folder / "x.tsv.gz")
    weights = str(folder / "small.safetensors")
    GenomeRun(folder / "genome.fa", outputs, weights, alleles=True).run()
    GenomeRun(folder / "genome.fa", (folder / "part.tsv.gz",), weights, contigs=("chr1",)).run()
    return folder


Run = Callable[..., ScoringRun]


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Run:
    def make(scores: str, output: str = "out.tsv", **others: Any) -> ScoringRun:
        options = {"max_mismatch_fraction": 1, **others.pop("options", {})}
        return ScoringRun(
            str(folder / "variants.vcf"),
            others.pop("fasta", folder / "genome.fa"),
            tmp_path / output,
            ScoringOptions((str(folder / others.pop("weights", "small.safetensors")),), **options),
            source=GenomeSource(others.pop("folder", folder) / scores),
            chunk_size=50,
            **others,
        )

    return make


@pytest.fixture(scope="module")
def expected(folder: Path) -> pd.DataFrame:
    options = ScoringOptions((str(folder / "small.safetensors"),), max_mismatch_fraction=1)
    return score_variants(folder / "variants.vcf", folder / "genome.fa", options)


@pytest.mark.parametrize("scores", ["x.bw", "x.tsv.gz", "part.tsv.gz"])
def test_scores_are_those_that_are_computed(
    run: Run, expected: pd.DataFrame, tmp_path: Path, scores: str
) -> None:
    manifest = run(scores).run().manifest
    assert manifest["scores"]["name"] == scores
    assert manifest["scan"] is None
    found = read_table(tmp_path / "out.tsv")
    assert found[["chrom", "pos", "ref", "alt"]].equals(expected[["chrom", "pos", "ref", "alt"]])
    ok = expected["status"] == "ok"
    snv = ok & (expected["ref"].str.len() == 1) & (expected["alt"].str.len() == 1)
    has_ref = ok & ((expected["chrom"] == "1") if scores == "part.tsv.gz" else True)
    has_alt = snv if scores == "x.tsv.gz" else snv & False
    assert has_ref.sum() > 100
    assert (ok & ~snv).sum() > 20
    status = expected["status"].mask(ok, SourceStatus.NOT_IN_SCORES.value)
    status = status.mask(has_ref, SourceStatus.ALT_NOT_IN_SCORES.value).mask(has_alt, "ok")
    assert found["status"].tolist() == status.tolist()
    assert {"ref_mismatch", "too_many_n", "symbolic_alt"} < set(status)
    for names, there in ((("mifm_ref", "mifm_logit_ref"), has_ref), (("mifm_alt", "mifm_delta"), has_alt)):
        for name in names:
            assert found[name].notna().tolist() == there.tolist()
            # The track has scores, of which logits are known to 1e-5 at least.
            np.testing.assert_allclose(
                found[name][there], expected[name][there], atol=1e-5 if "logit" in name else 1e-6
            )


@pytest.mark.parametrize("suffix", ["vcf", "parquet"])
def test_other_formats(run: Run, expected: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    """A row with the score of the reference alone has it in INFO too."""
    run("x.bw", f"out.{suffix}").run()
    found = read_table(tmp_path / f"out.{suffix}")
    there = (found["status"] == SourceStatus.ALT_NOT_IN_SCORES).to_numpy()
    assert there.sum() == (expected["status"] == "ok").sum()
    np.testing.assert_allclose(found["mifm_ref"][there], expected["mifm_ref"][there], atol=1e-6)
    assert found["mifm_alt"].isna().all()


def test_parts_and_workers(run: Run, tmp_path: Path) -> None:
    whole = run("x.tsv.gz", "whole.tsv").run()
    parts = [tmp_path / f"{part}.tsv" for part in (1, 2, 3)]
    for part, path in enumerate(parts, start=1):
        run("x.tsv.gz", path.name, shard=(part, 3), workers=2 * (part == 1)).run()
    merge(parts, tmp_path / "merged.tsv")
    assert (tmp_path / "merged.tsv").read_bytes() == whole.output.read_bytes()
    run("x.bw", "1.tsv", shard=(1, 3)).run()
    with pytest.raises(InputError, match=r"is of another run .*: scores was x\.bw and is x\.tsv\.gz"):
        merge(parts, tmp_path / "again.tsv")


def test_a_scan_of_something_else(run: Run, folder: Path, tmp_path: Path) -> None:
    save_weights(tmp_path / "other.safetensors", random_network(SMALL, seed=9), {})
    with pytest.raises(
        InputError, match=r"x\.bw is of the weights small, not of .*other\.safetensors: tensors_sha256"
    ):
        run("x.bw", weights=tmp_path / "other.safetensors").run()
    fasta = write_fasta(tmp_path / "genome.fa", {"chr1": "ACGT" * 500})
    with pytest.raises(InputError, match=r"x\.bw is of the FASTA genome\.fa \(sha256 .* has other content"):
        run("x.bw", fasta=fasta).run()
    with pytest.raises(InputError, match=r"at most 0\.1 of N; max_n_fraction is 0\.2"):
        run("x.bw", options={"max_n_fraction": 0.2}).run()


@pytest.mark.parametrize("options", [{"shift": 1}, {"reverse_complement": True}, {"method": "scan"}])
def test_what_would_have_to_be_computed(run: Run, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"looked up in .*x\.bw, and nothing is computed"):
        run("x.bw", options=options).run()


def test_a_file_that_was_changed(run: Run, folder: Path, tmp_path: Path) -> None:
    for name in ("x.bw", "x.bw.json"):
        shutil.copy(folder / name, tmp_path / name)
    content = bytearray((tmp_path / "x.bw").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "x.bw").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.bw is not as its manifest says"):
        run("x.bw", folder=tmp_path).run()


def test_an_index_of_another_table(run: Run, folder: Path, tmp_path: Path) -> None:
    for name in ("x.tsv.gz", "x.tsv.gz.json"):
        shutil.copy(folder / name, tmp_path / name)
    with bgzf.BgzfWriter(tmp_path / "y.tsv.gz") as file:
        file.write(b"chrom\tpos\nchr1\t300\n")
    layout = {"seq_col": 0, "start_col": 1, "end_col": 1, "line_skip": 1, "zerobased": False}
    pysam.tabix_index(str(tmp_path / "y.tsv.gz"), **layout)
    (tmp_path / "y.tsv.gz.tbi").rename(tmp_path / "x.tsv.gz.tbi")
    with pytest.raises(InputError, match=r"x\.tsv\.gz\.tbi is not the index that was made with x\.tsv\.gz"):
        run("x.tsv.gz", folder=tmp_path).run()


def test_from_the_command_line(
    folder: Path, tmp_path: Path, expected: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.tsv"
    command = ["score", str(folder / "variants.vcf"), str(folder / "genome.fa"), "-o", str(out)]
    command += ["--weights", str(folder / "small.safetensors"), "--max-mismatch-fraction", "1"]
    assert main([*command, "--scores", str(folder / "x.bw")]) == 0
    assert f"{(expected['status'] == 'ok').sum()} alt_not_in_scores" in capsys.readouterr().out
    assert json.loads(Path(f"{out}.json").read_text())["status"]["alt_not_in_scores"] > 100
    assert main([*command, "--scores", str(folder / "genome.fa")]) == 1
    assert "genome.fa" in capsys.readouterr().err
    with pytest.raises(OptionError, match=r"x\.tsv\.gz would replace the input .*x\.tsv\.gz"):
        ScoringRun(
            str(folder / "variants.vcf"), folder / "genome.fa", folder / "x.tsv.gz",
            source=GenomeSource(folder / "x.tsv.gz"),
        )  # fmt: skip
