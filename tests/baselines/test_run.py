"""A baseline over a file of variants: every variant has its row, and a run that was killed goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi import Genome, Variant, score_variants
from mifm_kipoi.baselines import run as run_module
from mifm_kipoi.baselines.mifm import MIFMBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.run import BaselineRun, described_inputs
from mifm_kipoi.baselines.specs import Spec, parse_specs
from mifm_kipoi.errors import InputError, OptionError, ReferenceMismatchError, WorkerError
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.records import ScoredVariants
from mifm_kipoi.scoring.run import read_manifest
from tests.builders import write_vcf


class KilledError(Exception):
    """Stands for the end of a process."""


@pytest.fixture
def make(example: Path, tmp_path: Path) -> Any:
    """Makes runs on the example."""

    def made(text: str = "mifm", variants: Path | None = None, **changed: Any) -> BaselineRun:
        (spec,) = parse_specs([text])
        variants, fasta = variants or example / "variants.vcf", example / "genome.fa"
        output = tmp_path / f"{spec.label}.parquet"
        return BaselineRun(
            spec, variants, fasta, output, described_inputs(variants, fasta), threads=1, **changed
        )

    return made


def test_every_variant_has_its_row(make: Any, example: Path) -> None:
    run = make()
    manifest = run.run().manifest
    expected = score_variants(example / "variants.vcf", example / "genome.fa")
    found = pd.read_parquet(run.output)
    keys = ["chrom", "pos", "id", "ref", "alt", "status"]
    pd.testing.assert_frame_equal(found[keys], expected[keys], check_dtype=False)
    for name in ("mifm_ref", "mifm_alt", "mifm_delta"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
    assert manifest["rows"] == len(expected)
    assert manifest["status"] == expected["status"].value_counts().to_dict()
    assert manifest["declaration"]["window"] == 512
    assert manifest["peak_bytes"] > 50e6
    assert read_manifest(run.output) == manifest
    assert not list(run.output.parent.glob("*.partial*"))


def test_goes_on_where_it_ended(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(chunk_size=3)
    run.run()
    whole = run.output.read_bytes()
    run.output.unlink()
    append, scored = Journal.append, []
    score = MIFMBaseline.score

    def ends(self: Journal, *arguments: Any) -> None:
        append(self, *arguments)
        if len(scored) == 2:
            raise KilledError("killed")

    def counted(self: MIFMBaseline, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        scored.append([variant.pos for variant in variants])
        return score(self, variants, genome)

    monkeypatch.setattr(Journal, "append", ends)
    monkeypatch.setattr(MIFMBaseline, "score", counted)
    with pytest.raises(KilledError, match="killed"):
        run.run()
    assert not run.output.exists()
    done = list(scored)
    monkeypatch.setattr(Journal, "append", append)
    run.run()
    assert run.output.read_bytes() == whole
    assert len(done) == 2
    assert not {pos for chunk in done for pos in chunk} & {pos for chunk in scored[2:] for pos in chunk}


def test_what_is_finished_is_not_scored_again(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make()
    manifest = run.run().manifest

    def refused(*_: Any) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(MIFMBaseline, "score", refused)
    assert run.run().manifest == manifest


def test_a_damaged_output_is_made_anew(make: Any) -> None:
    run = make()
    run.run()
    whole = run.output.read_bytes()
    run.output.write_bytes(whole[:-1])
    run.run()
    assert run.output.read_bytes() == whole


def test_other_variants_are_scored_anew(make: Any, tmp_path: Path, example: Path) -> None:
    run = make()
    run.run()
    contig, _ = next(iter(Genome(example / "genome.fa").contigs.items()))
    base = Genome(example / "genome.fa").fetch(contig, 599, 600).tobytes().decode()
    other = write_vcf(tmp_path / "other.vcf", [(contig, 600, base, "C" if base != "C" else "G")])
    assert make(variants=other).run().manifest["rows"] == 1
    assert len(pd.read_parquet(run.output)) == 1


def test_does_not_go_on_with_other_variants(
    make: Any, tmp_path: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Journal.append

    def ends(self: Journal, *arguments: Any) -> None:
        append(self, *arguments)
        raise KilledError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", ends)
        with pytest.raises(KilledError, match="killed"):
            make(chunk_size=3).run()
    other = tmp_path / "other.vcf"
    lines = (example / "variants.vcf").read_text().splitlines(keepends=True)
    other.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match="of another run: variants"):
        make(variants=other, chunk_size=3).run()


def test_another_genome_build_ends_the_run(make: Any, tmp_path: Path, example: Path) -> None:
    genome = Genome(example / "genome.fa")
    contig = next(iter(genome.contigs))
    wrong = {"A": "C", "C": "G", "G": "T", "T": "A"}
    bases = genome.fetch(contig, 599, 620).tobytes().decode()
    records = [(contig, 600 + place, wrong[base], base) for place, base in enumerate(bases)]
    run = make(variants=write_vcf(tmp_path / "wrong.vcf", records))
    with pytest.raises(ReferenceMismatchError, match="another genome build"):
        run.run()
    assert make(variants=tmp_path / "wrong.vcf", max_mismatch_fraction=1).run().manifest["status"] == {
        "ref_mismatch": 21
    }


@pytest.mark.parametrize("chunk_size", [3, 8192])
def test_a_few_mismatches_are_no_other_build_however_many_are_scored_together(
    make: Any, tmp_path: Path, example: Path, chunk_size: int
) -> None:
    """6 of 800 differ, 0.75 %, all of them at the beginning."""
    genome = Genome(example / "genome.fa")
    contig = next(iter(genome.contigs))
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    bases = genome.fetch(contig, 599, 1399).tobytes().decode()
    records = [
        (contig, 600 + row, other[base] if row < 6 else base, other[other[base]])
        for row, base in enumerate(bases)
    ]
    few = write_vcf(tmp_path / "few.vcf", records)
    status = make(variants=few, chunk_size=chunk_size).run().status
    assert status["ref_mismatch"] == 6
    assert status["ok"] > 700


def test_time_is_with_opening(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Spec.open

    def slow(self: Spec, *arguments: Any) -> Any:
        time.sleep(0.5)
        return opened(self, *arguments)

    monkeypatch.setattr(Spec, "open", slow)
    assert make().run().manifest["seconds"] >= 0.5


def test_an_error_says_how_to_go_on(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    score, calls = MIFMBaseline.score, []

    def fails(self: MIFMBaseline, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        calls.append(1)
        if len(calls) == 3:
            raise InputError("a table that is gone")
        return score(self, variants, genome)

    monkeypatch.setattr(MIFMBaseline, "score", fails)
    with pytest.raises(InputError, match=r"a table that is gone.*: the same command resumes with them"):
        make(chunk_size=3).run()


@pytest.mark.parametrize("chunk_size", [3, 8192])
def test_a_refused_table_is_refused_again(make: Any, tmp_path: Path, example: Path, chunk_size: int) -> None:
    """What it is judged by is counted from the first variant on, so nothing of it is kept."""
    variants = score_variants(example / "variants.vcf", example / "genome.fa")
    other = variants[["chrom", "pos", "ref", "alt"]].assign(ref="N", alt="N", own=1.0)
    base = {"A": "C", "C": "G", "G": "T", "T": "A"}
    other["ref"] = [base.get(ref[0], "A") for ref in variants["ref"]]
    other["alt"] = [base[base[ref]] for ref in other["ref"]]
    table = tmp_path / "other.tsv"
    other.drop_duplicates(["chrom", "pos"]).to_csv(table, sep="\t", index=False)
    for _ in range(2):
        with pytest.raises(InputError, match="has other alleles than the variants") as refused:
            make(f"table:{table}:own", chunk_size=chunk_size).run()
        assert "are kept" not in str(refused.value)
        assert not list(tmp_path.glob("own.parquet*"))


def test_device_is_told(make: Any) -> None:
    assert make(compute=ComputeOptions("cpu")).run().manifest["device"] == "cpu"


def test_a_background_for_what_has_no_tracks(make: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="has no tracks"):
        make(background=tmp_path / "mifm.safetensors").run()


class TestApart:
    def test_same_as_in_this_process(self, make: Any) -> None:
        manifest = make().run_apart().manifest
        run = make()
        assert manifest["rows"] == len(pd.read_parquet(run.output))
        assert run.run().manifest == manifest

    def test_errors_come_back(self, make: Any) -> None:
        with pytest.raises(Exception, match="no weights named 'nothing'"):
            make("mifm:nothing").run_apart()

    def test_a_killed_process(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run_module.BaselineRun, "__reduce__", _killing)
        with pytest.raises(WorkerError, match=r"the process of mifm was killed.*goes on where it ended"):
            make().run_apart()


def _killing(_: BaselineRun) -> tuple[Any, ...]:
    """What a process calls that should have been sent a run."""
    return _kill, ()


def _kill() -> None:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)


_PEAKS = """
import numpy as np
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.run import peak_bytes
before = peak_bytes()
np.ones(160_000_000 // 8)
print(before, peak_bytes())
"""


def test_peak_of_a_process_alone() -> None:
    """A process that is started by one that holds much begins with little."""
    held = np.ones(1_600_000_000 // 8)
    done = subprocess.run([sys.executable, "-c", _PEAKS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 20e6 < before < held.nbytes / 2
    assert 100e6 < after - before < 260e6


def test_manifest_is_json(make: Any) -> None:
    manifest = make().run().manifest
    assert json.loads(json.dumps(manifest)) == manifest
    assert Spec(manifest["label"], "mifm", "") == parse_specs([manifest["spec"]])[0]
