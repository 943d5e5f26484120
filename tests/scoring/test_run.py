"""Runs of ``mifm score``: every format read back, shards, and going on after a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import io
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pysam
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import (
    FormatError,
    InputError,
    OptionError,
    OutputError,
    ReferenceMismatchError,
    VariantFileError,
    WorkerError,
)
from mifm_kipoi.network.background import LogitCounts
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.weights import load_weights, save_weights
from mifm_kipoi.scoring import journal as journal_module
from mifm_kipoi.scoring import scorer as scoring
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.merge import merge
from mifm_kipoi.scoring.run import ScoringRun
from mifm_kipoi.scoring.scorer import score_variants
from tests.builders import random_network, write_fasta, write_vcf
from tests.tables import assert_same_rows, read_table

FORMATS = ["tsv", "tsv.gz", "vcf", "vcf.gz", "bcf", "parquet"]

RESUMED = ["tsv.gz", "bcf"]
"""One format that grows as it is, and one that is converted in the end; both have an index."""

small_run = functools.partial(ScoringRun, chunk_size=20)
"""Runs of several chunks."""

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bases = "".join(random.Random(1).choices("ACGT", k=4000))
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", {"1": bases, "2": bases[::-1]})


@pytest.fixture(scope="module")
def vcf(fasta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sorted, with samples, several ALTs, indels, symbols and records without ALT."""
    generator = random.Random(2)
    with pysam.FastaFile(str(fasta)) as file:
        bases = {name: file.fetch(name) for name in file.references}
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name},length=4000>" for name in bases)]
    lines += [
        '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        '##INFO=<ID=MIFM_REF,Number=1,Type=Float,Description="of an older version">',
        '##INFO=<ID=DB,Number=0,Type=Flag,Description="In a data base">',
        '##ALT=<ID=DEL,Description="Deletion">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2",
    ]
    for name, text in bases.items():
        for number, pos in enumerate(range(300, 3700, 80)):
            ref = text[pos - 1 : pos - 1 + generator.choice([1, 1, 1, 3])]
            other = "ACGT"[("ACGT".index(ref[0]) + 1) % 4]
            alt = [other, f"{other},{ref}TT", "<DEL>", ".", f"*,{other}", ref[0] + other][number % 6]
            if alt == ref:
                alt = f"{ref}A"
            info = ["DP=7;MIFM_REF=0.5", "DB", "."][number % 3]
            lines.append(f"{name}\t{pos}\trs{pos}\t{ref}\t{alt}\t9\tPASS\t{info}\tGT\t0/1\t1/1")
    path = tmp_path_factory.mktemp("variants") / "variants.vcf"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def expected(vcf: Path, fasta: Path) -> pd.DataFrame:
    return score_variants(vcf, fasta)


def base_at_600(fasta: Path) -> str:
    """The base at position 600 of contig 1."""
    with pysam.FastaFile(str(fasta)) as file:
        return str(file.fetch("1", 599, 600))


class TestFormats:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_every_format_holds_every_row(
        self, tmp_path: Path, vcf: Path, fasta: Path, expected: pd.DataFrame, suffix: str
    ) -> None:
        out = tmp_path / f"out.{suffix}"
        manifest = small_run(str(vcf), fasta, out).run().manifest
        assert_same_rows(read_table(out), expected)
        assert manifest["rows"] == len(expected)
        assert manifest["status"] == expected["status"].value_counts().to_dict()
        assert manifest["records"] == [0, 86]
        assert json.loads(Path(f"{out}.json").read_text()) == manifest
        assert {path.name for path in tmp_path.iterdir()} - {manifest["index"]} == {
            out.name,
            f"{out.name}.json",
        }

    @pytest.mark.parametrize(("suffix", "index"), [("tsv.gz", "tbi"), ("vcf.gz", "tbi"), ("bcf", "csi")])
    def test_an_index_finds_rows(
        self, tmp_path: Path, vcf: Path, fasta: Path, expected: pd.DataFrame, suffix: str, index: str
    ) -> None:
        out = tmp_path / f"out.{suffix}"
        assert small_run(str(vcf), fasta, out).run().manifest["index"] == f"out.{suffix}.{index}"
        inside = expected[(expected["chrom"] == "2") & expected["pos"].between(1000, 1400)]
        if suffix == "tsv.gz":
            with pysam.TabixFile(str(out)) as file:
                found = [int(line.split("\t")[1]) for line in file.fetch("2", 999, 1400)]
            assert found == inside["pos"].tolist()
        else:
            with pysam.VariantFile(str(out)) as records:
                positions = [record.pos for record in records.fetch("2", 999, 1400)]
            assert positions == inside["pos"].unique().tolist()

    @pytest.mark.parametrize("suffix", ["tsv.gz", "vcf.gz", "bcf"])
    def test_unsorted_variants_are_kept_in_their_order_without_an_index(
        self, tmp_path: Path, fasta: Path, suffix: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pysam.FastaFile(str(fasta)) as file:
            bases = file.fetch("1")
        records = [("1", pos, bases[pos - 1], "<DEL>") for pos in (900, 300)]
        records.append(("1", 600, bases[599], "ACGT".replace(bases[599], "")[0]))
        vcf = write_vcf(tmp_path / "x.vcf", records)
        out = tmp_path / f"out.{suffix}"
        assert main(["score", str(vcf), str(fasta), "-o", str(out)]) == 0
        assert "not indexed, since the variants are not sorted" in capsys.readouterr().out
        assert read_table(out)["pos"].tolist() == [900, 300, 600]

    def test_vcf_keeps_all_else_as_it_is(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        out = tmp_path / "out.vcf"
        small_run(str(vcf), fasta, out).run()
        before, after = vcf.read_text().splitlines(), out.read_text().splitlines()
        ours = re.compile(r"##mifm_kipoi=|##INFO=<ID=MIFM_")
        kept = [line for line in after if not ours.match(line)]
        assert len(kept) == len([line for line in before if not ours.match(line)])
        for old, new in zip((line for line in before if not ours.match(line)), kept, strict=True):
            if old.startswith("#"):
                assert new == old
                continue
            old_fields, new_fields = old.split("\t"), new.split("\t")
            assert new_fields[:7] + new_fields[8:] == old_fields[:7] + old_fields[8:]
            others = [entry for entry in new_fields[7].split(";") if not entry.startswith("MIFM_")]
            assert others == [e for e in old_fields[7].split(";") if e != "." and not e.startswith("MIFM_")]
            assert new_fields[7].count("MIFM_REF=") <= 1

    def test_samples_can_be_dropped(
        self, tmp_path: Path, vcf: Path, fasta: Path, expected: pd.DataFrame
    ) -> None:
        out = tmp_path / "out.vcf.gz"
        small_run(str(vcf), fasta, out, drop_samples=True).run()
        with pysam.VariantFile(str(out)) as file:
            assert list(file.header.samples) == []
        assert_same_rows(read_table(out), expected)

    @needs_bcftools
    @pytest.mark.parametrize("suffix", ["vcf.gz", "bcf"])
    def test_bcftools_reads_the_output_without_complaint(
        self, tmp_path: Path, vcf: Path, fasta: Path, suffix: str
    ) -> None:
        out = tmp_path / f"out.{suffix}"
        small_run(str(vcf), fasta, out).run()
        command = ["bcftools", "query", "-f", "%POS %INFO/MIFM_REF %INFO/MIFM_STATUS\n", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert len(done.stdout.splitlines()) == 86

    @needs_bcftools
    def test_bcf_in(self, tmp_path: Path, vcf: Path, fasta: Path, expected: pd.DataFrame) -> None:
        """BCF and gzip in, and standard input, give what the plain file gives."""
        bcf = tmp_path / "in.bcf"
        subprocess.run(["bcftools", "view", "-Ob", "-o", bcf, vcf], check=True, capture_output=True)
        for name in ("out.vcf", "out.tsv"):
            small_run(str(bcf), fasta, tmp_path / name).run()
            assert_same_rows(read_table(tmp_path / name), expected)

    def test_the_provenance_is_in_the_file(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        for name in ("out.vcf", "out.parquet"):
            small_run(str(vcf), fasta, tmp_path / name).run()
        text = (tmp_path / "out.vcf").read_text()
        in_vcf = json.loads(next(line for line in text.splitlines() if line.startswith("##mifm_kipoi="))[13:])
        in_parquet = json.loads(pq.read_schema(tmp_path / "out.parquet").metadata[b"mifm_kipoi"])
        assert in_vcf == in_parquet
        assert in_vcf["weights"][0]["name"] == "embedded"
        assert len(in_vcf["fasta"]["sha256"]) == 64

    def test_tags_without_any_value_are_left_out(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        """Weights without a background have no percentiles, and no empty ones."""
        out, own = tmp_path / "out.vcf", tmp_path / "own.safetensors"
        save_weights(own, random_network(), {})
        small_run(str(vcf), fasta, out, scoring.ScoringOptions(weights=("embedded", str(own)))).run()
        records = [line for line in out.read_text().splitlines() if line[0] != "#"]
        assert sum("MIFM_PHRED_embedded=" in line for line in records) > 50
        assert sum("MIFM_REF_own=" in line for line in records) > 50
        assert not any("MIFM_PHRED_own" in line or "MIFM_PERCENTILE_own" in line for line in records)

    def test_an_unknown_format(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        with pytest.raises(OptionError, match=r"out.csv ends in no known format; expected one of .tsv,"):
            small_run(str(vcf), fasta, tmp_path / "out.csv")

    def test_weights_that_are_the_same_as_tags(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        for name in ("a-b", "a_b"):
            save_weights(tmp_path / f"{name}.safetensors", random_network(), {})
        weights = tuple(str(tmp_path / f"{name}.safetensors") for name in ("a-b", "a_b"))
        with pytest.raises(OptionError, match="not distinguished as INFO tags"):
            small_run(str(vcf), fasta, tmp_path / "x.vcf", scoring.ScoringOptions(weights=weights)).run()


class TestStandardInput:
    @pytest.mark.parametrize("kind", ["plain", "bgzip", "bcf"])
    def test_is_read(
        self,
        tmp_path: Path,
        vcf: Path,
        fasta: Path,
        expected: pd.DataFrame,
        monkeypatch: pytest.MonkeyPatch,
        kind: str,
    ) -> None:
        source = vcf
        if kind != "plain":
            if shutil.which("bcftools") is None:
                pytest.skip("bcftools is not installed")
            source = tmp_path / "in"
            letter = {"bgzip": "z", "bcf": "b"}[kind]
            subprocess.run(["bcftools", "view", f"-O{letter}", "-o", source, vcf], check=True)
        out = tmp_path / "out.tsv"
        with source.open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert main(["score", "-", str(fasta), "-o", str(out)]) == 0
        assert_same_rows(read_table(out), expected)
        assert json.loads(Path(f"{out}.json").read_text())["variants"]["sha256"]

    def test_a_cut_stream_is_an_error(
        self,
        tmp_path: Path,
        vcf: Path,
        fasta: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Cut at the end of a bgzip block, where gzip itself notices nothing."""
        packed = tmp_path / "in.gz"
        pysam.tabix_compress(str(vcf), str(packed))
        out = tmp_path / "out.tsv"
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed.read_bytes()[:-28])))
        assert main(["score", "-", str(fasta), "-o", str(out)]) == 1
        assert "bgzip's end-of-file mark is missing" in capsys.readouterr().err
        assert not out.exists()

    @pytest.mark.parametrize("options", [{"resume": True}, {"shard": (1, 2)}])
    def test_cannot_be_read_twice(self, tmp_path: Path, fasta: Path, options: dict[str, Any]) -> None:
        with pytest.raises(OptionError, match=r"^- is not a file that can be read twice"):
            small_run("-", fasta, tmp_path / "out.tsv", **options)


class Killed(BaseException):
    """Ends a run in the middle, as a signal would, without any clean-up of ours."""


class TestResume:
    @pytest.fixture(params=RESUMED)
    def whole(self, tmp_path: Path, vcf: Path, fasta: Path, request: pytest.FixtureRequest) -> Path:
        """The output of a run that went through."""
        out = tmp_path / "whole" / f"out.{request.param}"
        out.parent.mkdir()
        small_run(str(vcf), fasta, out).run()
        return out

    @pytest.mark.parametrize("step", ["before", "half", "after"])
    def test_goes_on_to_the_same_bytes(
        self, tmp_path: Path, vcf: Path, fasta: Path, whole: Path, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ended again and again while a run of records is written: before, in the middle, after."""
        out = tmp_path / whole.name
        append = Journal.append

        def ended(self: Journal, content: bytes, records: int, *counts: Any) -> None:
            if self.records == ended.last:  # type: ignore[attr-defined]
                ended.last = None  # type: ignore[attr-defined]
                if step == "half":
                    assert self._file is not None
                    self._file.write(content[: len(content) // 2])
                    self._file.flush()
                if step == "after":
                    append(self, content, records, *counts)
                raise Killed
            if ended.last is None:  # type: ignore[attr-defined]
                ended.last = records  # type: ignore[attr-defined]
            append(self, content, records, *counts)

        ended.last = 0  # type: ignore[attr-defined]
        monkeypatch.setattr(Journal, "append", ended)
        for attempt in range(100):
            try:
                small_run(str(vcf), fasta, out, resume=attempt > 0).run()
            except Killed:
                assert not out.exists()
                continue
            break
        assert attempt > 3
        assert out.read_bytes() == whole.read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
            path.name for path in whole.parent.iterdir()
        )

    @pytest.mark.parametrize("older", [False, True])
    def test_goes_on_after_an_end_while_finishing(
        self,
        tmp_path: Path,
        vcf: Path,
        fasta: Path,
        whole: Path,
        monkeypatch: pytest.MonkeyPatch,
        older: bool,
    ) -> None:
        """Ended at each renaming of the last steps, where scores of other weights stand already or none."""
        out = tmp_path / whole.name
        if older:
            weights = tmp_path / "older.safetensors"
            save_weights(weights, random_network(), {})
            options = scoring.ScoringOptions(weights=(str(weights),))
            small_run(str(vcf), fasta, out, options).run()
        replace = Path.replace
        for step in range(4):
            calls = iter(range(100))

            def ended(self: Path, target: Path, step: int = step, calls: Iterator[int] = calls) -> Path:
                if ".partial.json" not in str(target) and next(calls) == step:
                    raise Killed
                return replace(self, target)

            monkeypatch.setattr(Path, "replace", ended)
            try:
                small_run(str(vcf), fasta, out, resume=True).run()
            except Killed:
                monkeypatch.setattr(Path, "replace", replace)
                assert older or not out.exists()
                continue
            break
        assert step > 0
        monkeypatch.setattr(Path, "replace", replace)
        assert out.read_bytes() == whole.read_bytes()

    def test_another_background_is_another_run(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        """Percentiles of before and after ``mifm genome background`` do not come into one file."""
        out, own = tmp_path / "out.tsv", tmp_path / "own.safetensors"
        save_weights(own, random_network(), {})
        options = scoring.ScoringOptions(weights=(str(own),))
        small_run(str(vcf), fasta, out, options).run()
        assert read_table(out)["mifm_phred"].isna().all()
        read = load_weights(own)
        counts = LogitCounts()
        counts.add(np.linspace(-1, 1, 100, dtype=np.float32))
        background = counts.background({"name": "a test", "weights": read.identity})
        save_weights(own, read.model(), read.provenance, background)
        manifest = small_run(str(vcf), fasta, out, options, resume=True).run().manifest
        assert manifest["weights"][0]["background"]["name"] == "a test"
        table = read_table(out)
        assert table.loc[table["status"] == "ok", "mifm_phred"].notna().all()

    def test_a_finished_run_is_left_as_it_is(
        self, tmp_path: Path, vcf: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out.tsv"
        manifest = small_run(str(vcf), fasta, out).run().manifest
        monkeypatch.setattr(ScoringRun, "_score", None)
        assert small_run(str(vcf), fasta, out, resume=True).run().manifest == manifest

    @pytest.mark.parametrize("damage", ["cut", "no index"])
    def test_a_finished_run_that_was_damaged_is_done_again(
        self, tmp_path: Path, vcf: Path, fasta: Path, damage: str
    ) -> None:
        out = tmp_path / "out.tsv.gz"
        small_run(str(vcf), fasta, out).run()
        whole = out.read_bytes()
        if damage == "cut":
            out.write_bytes(whole[:2000])
        else:
            Path(f"{out}.tbi").unlink()
        small_run(str(vcf), fasta, out, resume=True).run()
        assert out.read_bytes() == whole
        assert Path(f"{out}.tbi").exists()

    @pytest.fixture
    def begun(self, tmp_path: Path, vcf: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The output of a run that was ended after three runs of records."""
        out = tmp_path / "out.tsv"
        append = Journal.append

        def ended(self: Journal, content: bytes, records: int, *counts: Any) -> None:
            if records > 40:
                raise Killed
            append(self, content, records, *counts)

        with monkeypatch.context() as patched:
            patched.setattr(Journal, "append", ended)
            with pytest.raises(Killed):
                small_run(str(vcf), fasta, out).run()
        return out

    def test_what_is_left_is_not_overwritten(self, begun: Path, vcf: Path, fasta: Path) -> None:
        with pytest.raises(InputError, match=r"left from a run that did not end; add --resume"):
            small_run(str(vcf), fasta, begun).run()
        Path(f"{begun}.partial.json").unlink()
        before = Path(f"{begun}.partial").read_bytes()
        with pytest.raises(
            InputError, match=r"out\.tsv\.partial exists, and there is no out\.tsv\.partial\.json"
        ):
            small_run(str(vcf), fasta, begun).run()
        assert Path(f"{begun}.partial").read_bytes() == before
        Path(f"{begun}.partial").unlink()
        small_run(str(vcf), fasta, begun).run()

    def test_other_options_or_inputs_are_refused(
        self, tmp_path: Path, begun: Path, vcf: Path, fasta: Path
    ) -> None:
        other = tmp_path / "other.vcf"
        other.write_text(vcf.read_text().replace("rs300", "rs301"))
        with pytest.raises(
            InputError,
            match=r"of another run: variants was variants\.vcf and is other\.vcf; go on with the same",
        ):
            small_run(str(other), fasta, begun, resume=True).run()
        options = scoring.ScoringOptions(shift=1)
        with pytest.raises(InputError, match=r"of another run: options\.shift was 0 and is"):
            small_run(str(vcf), fasta, begun, options, resume=True).run()

    def test_a_damaged_note(self, begun: Path, vcf: Path, fasta: Path) -> None:
        for note in ("", "{}", "[]", '{"identity": 1}', "\\"):
            Path(f"{begun}.partial.json").write_text(note)
            with pytest.raises(
                InputError,
                match=r"tsv.partial.json cannot be read .*delete .*tsv.partial and out.tsv.partial.json",
            ):
                small_run(str(vcf), fasta, begun, resume=True).run()

    def test_a_lost_file(self, begun: Path, vcf: Path, fasta: Path) -> None:
        Path(f"{begun}.partial").unlink()
        with pytest.raises(InputError, match="is not there, but its note is; delete"):
            small_run(str(vcf), fasta, begun, resume=True).run()

    def test_an_error_keeps_what_is_done(
        self, tmp_path: Path, vcf: Path, fasta: Path, expected: pd.DataFrame
    ) -> None:
        """A record that cannot be read, mended before the run goes on, is another input."""
        lines = vcf.read_text().splitlines()
        broken = tmp_path / "broken.vcf"
        broken.write_text("\n".join([*lines[:60], "1\tx\t.\tA\tC\t.\t.\t."]) + "\n")
        out = tmp_path / "out.tsv"
        with pytest.raises(
            VariantFileError,
            match=r"POS of line 61 is 'x'.*rows are kept in .*: go on with --resume where the "
            "inputs stay as they are; with others, delete .*partial and out.tsv.partial.json to start again",
        ):
            small_run(str(broken), fasta, out).run()
        assert not out.exists()
        assert Path(f"{out}.partial").exists()

    @pytest.mark.parametrize("number", [1, 43, 44, 86])
    def test_a_damaged_line_is_reported_by_the_part_that_has_it(
        self, tmp_path: Path, vcf: Path, fasta: Path, number: int
    ) -> None:
        lines = vcf.read_text().splitlines(keepends=True)
        header = sum(line.startswith("#") for line in lines)
        lines[header + number - 1] = "nonsense\n"
        broken = tmp_path / "broken.vcf"
        broken.write_text("".join(lines))
        with_damage = 1 if number <= 43 else 2
        with pytest.raises(VariantFileError, match=f"line {header + number} has 1 columns"):
            small_run(str(broken), fasta, tmp_path / "damaged.tsv", shard=(with_damage, 2)).run()
        whole = small_run(str(vcf), fasta, tmp_path / "whole.tsv", shard=(3 - with_damage, 2)).run()
        other = small_run(str(broken), fasta, tmp_path / "other.tsv", shard=(3 - with_damage, 2)).run()
        assert other.manifest["records"] == whole.manifest["records"]
        pd.testing.assert_frame_equal(read_table(other.output), read_table(whole.output))

    def test_an_error_at_once_leaves_nothing(self, tmp_path: Path, vcf: Path) -> None:
        wrong = write_fasta(tmp_path / "wrong.fa", {"1": "A" * 4000, "2": "A" * 4000})
        with pytest.raises(ReferenceMismatchError, match="REF alleles differ"):
            small_run(str(vcf), wrong, tmp_path / "out.tsv").run()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["wrong.fa", "wrong.fa.fai"]

    @pytest.mark.parametrize(("last", "end"), [(7, ""), (8, ".json")])
    def test_a_full_disk(
        self, tmp_path: Path, vcf: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch, last: int, end: str
    ) -> None:
        """Full for rows, or for the note of them."""
        out = tmp_path / "out.tsv"
        count = iter(range(100))

        def full(descriptor: int) -> None:
            if next(count) == last:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(journal_module.os, "fsync", full)
            message = rf"cannot write .*out.tsv.partial{end}: No space left on device. (\d+) rows are kept"
            with pytest.raises(OutputError, match=message) as error:
                small_run(str(vcf), fasta, out).run()
        kept = json.loads(Path(f"{out}.partial.json").read_text())["statuses"]
        found = re.search(message, str(error.value))
        assert found
        assert int(found[1]) == sum(kept.values()) > 0
        small_run(str(vcf), fasta, out, resume=True).run()
        small_run(str(vcf), fasta, tmp_path / "whole.tsv").run()
        assert out.read_bytes() == (tmp_path / "whole.tsv").read_bytes()

    def test_a_disk_that_is_full_while_the_output_is_finished(
        self,
        tmp_path: Path,
        vcf: Path,
        fasta: Path,
        whole: Path,
        expected: pd.DataFrame,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """No file may grow beyond 600 bytes then, so that every write of the last steps fails."""
        out = tmp_path / whole.name
        finish = ScoringRun._finish

        def full(self: ScoringRun, *arguments: Any) -> dict[str, Any]:
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
            try:
                return finish(self, *arguments)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        with monkeypatch.context() as patched:
            patched.setattr(ScoringRun, "_finish", full)
            message = rf"cannot (write|index) .*{len(expected)} rows are kept in .*: go on with --resume"
            with pytest.raises(OutputError, match=message):
                small_run(str(vcf), fasta, out).run()
        assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
            f"{out.name}.partial",
            f"{out.name}.partial.json",
        }
        small_run(str(vcf), fasta, out, resume=True).run()
        assert out.read_bytes() == whole.read_bytes()

    def test_a_worker_that_is_killed(
        self, tmp_path: Path, vcf: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, whole = tmp_path / "out.tsv.gz", tmp_path / "whole.tsv.gz"
        append = Journal.append

        def killing(self: Journal, content: bytes, records: int, *counts: Any) -> None:
            append(self, content, records, *counts)
            if killing.at is not None and records >= killing.at:  # type: ignore[attr-defined]
                killing.at = None  # type: ignore[attr-defined]
                worker = multiprocessing.active_children()[0]
                worker.kill()
                worker.join()

        monkeypatch.setattr(Journal, "append", killing)
        start = functools.partial(ScoringRun, str(vcf), fasta, workers=2, chunk_size=5)
        killing.at = 30  # type: ignore[attr-defined]
        with pytest.raises(WorkerError, match=r"(\d+) rows are kept in .*: go on with --resume") as caught:
            start(out).run()
        found = re.search(r"killed.* (\d+) rows are kept", str(caught.value))
        assert found
        assert int(found[1]) >= 30
        assert not out.exists()
        for output, resume in ((out, True), (whole, False)):
            ScoringRun(str(vcf), fasta, output, threads=1, chunk_size=5, resume=resume).run()
        assert out.read_bytes() == whole.read_bytes()

    @pytest.mark.parametrize("resume", [False, True])
    def test_two_runs_of_one_output(self, tmp_path: Path, vcf: Path, fasta: Path, resume: bool) -> None:
        """The second leaves the files of the first alone, also where an older output is finished."""
        out = tmp_path / "out.tsv"
        small_run(str(vcf), fasta, out).run()
        first = Journal(out, {}, 0)
        with first.locked():
            first.begin(b"head", resume=False)
            with pytest.raises(OutputError, match="another process is writing"):
                small_run(str(vcf), fasta, out, resume=resume).run()
            assert first.partial.read_bytes() == b"head"
            assert first.note.exists()


class TestRefusals:
    """What is refused before anything is scored."""

    def test_an_output_that_is_an_input(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        copy = tmp_path / "in.vcf"
        shutil.copy(vcf, copy)
        (tmp_path / "link.vcf").symlink_to(copy)
        for name in ("in.vcf", "link.vcf"):
            with pytest.raises(OptionError, match="would replace the input"):
                small_run(str(copy), fasta, tmp_path / name)
        assert copy.read_bytes() == vcf.read_bytes()

    @pytest.mark.parametrize("name", ["out.tsv", "out.tsv.json", "out.tsv.partial.json"])
    def test_a_folder_where_a_file_is_to_be(self, tmp_path: Path, vcf: Path, fasta: Path, name: str) -> None:
        (tmp_path / name).mkdir()
        with pytest.raises(OptionError, match=f"{name} exists and is not a regular file"):
            small_run(str(vcf), fasta, tmp_path / "out.tsv")

    def test_a_name_that_is_a_suffix(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        with pytest.raises(OptionError, match="ends in no known format"):
            small_run(str(vcf), fasta, tmp_path / ".tsv")

    @pytest.mark.parametrize("options", [{"resume": True}, {"shard": (1, 2)}])
    def test_variants_that_are_not_there(self, tmp_path: Path, fasta: Path, options: dict[str, Any]) -> None:
        with pytest.raises(VariantFileError, match="No such file"):
            small_run(str(tmp_path / "none.vcf"), fasta, tmp_path / "out.tsv", **options).run()

    def test_columns_of_one_name(self) -> None:
        with pytest.raises(OptionError, match="not distinguished by their names"):
            scoring.ScoringOptions(weights=("averaged_x", "x"), reverse_complement=True)

    def test_usage_errors_exit_with_2(
        self, tmp_path: Path, vcf: Path, fasta: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["score", str(vcf), str(fasta), "-o", str(tmp_path / "out.csv")]) == 2
        assert "mifm: error: the name out.csv ends in no known format" in capsys.readouterr().err


class TestCommand:
    """What ``mifm score`` prints and returns, in one interpreter."""

    def test_weights_may_stand_before_the_files(
        self,
        tmp_path: Path,
        vcf: Path,
        fasta: Path,
        expected: pd.DataFrame,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        out = tmp_path / "out.tsv.gz"
        assert main(["score", "--weights", "embedded", str(vcf), str(fasta), "-o", str(out)]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        assert printed.out.splitlines()[0].startswith(f"{len(expected)} rows of 86 records: ")
        assert printed.out.splitlines()[-1] == f"written: {out}, {out}.tbi, {out}.json"
        assert_same_rows(read_table(out), expected)

    def test_progress_is_that_of_this_run(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        seen: list[tuple[int, float]] = []
        result = small_run(str(vcf), fasta, tmp_path / "1.tsv", shard=(2, 2)).run(
            lambda rows, fraction: seen.append((rows, fraction))
        )
        assert [rows for rows, _ in seen] == sorted(rows for rows, _ in seen)
        assert seen[-1] == (result.rows, 1.0)
        assert 0 < seen[0][1] < 0.9

    def test_a_run_without_a_score_fails_and_keeps_its_files(
        self, tmp_path: Path, fasta: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        vcf = write_vcf(
            tmp_path / "x.vcf", [("NC_000020.10", 600, "A", "C"), ("NC_000020.10", 601, "A", "C")]
        )
        out = tmp_path / "out.tsv"
        for resume in ([], ["--resume"]):
            assert main(["score", str(vcf), str(fasta), "-o", str(out), *resume]) == 1
            printed = capsys.readouterr()
            assert printed.out.splitlines()[-1] == f"written: {out}, {out}.json"
            contigs = "of other names" if resume else "NC_000020[.]10"
            assert re.match(
                r"mifm: error: none of the 2 rows of .*out\.tsv could be scored: 2 contig_not_in_fasta\. The "
                rf"variants are on contigs {contigs}; .*genome\.fa has 1, 2\.",
                printed.err,
            )
        assert read_table(out)["status"].tolist() == ["contig_not_in_fasta"] * 2

    def test_contigs_that_only_some_rows_have(
        self, tmp_path: Path, fasta: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Names with and without chr are mixed; what is on no contig of the FASTA is named."""
        base = base_at_600(fasta)
        alt = "C" if base != "C" else "G"
        vcf = write_vcf(
            tmp_path / "x.vcf", [("1", 600, base, alt), ("chr1", 600, base, alt), ("9", 600, "A", "C")]
        )
        out = tmp_path / "out.tsv"
        assert main(["score", str(vcf), str(fasta), "-o", str(out)]) == 0
        assert "the first contigs that the FASTA does not have: 9" in capsys.readouterr().out.splitlines()
        table = read_table(out)
        assert table["status"].tolist() == ["ok", "ok", "contig_not_in_fasta"]
        assert table["mifm_ref"][0] == table["mifm_ref"][1]

    def test_other_reasons_name_no_contigs(
        self, tmp_path: Path, fasta: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        vcf = write_vcf(tmp_path / "x.vcf", [("1", 600, base_at_600(fasta), "<DEL>")])
        assert main(["score", str(vcf), str(fasta), "-o", str(tmp_path / "out.tsv")]) == 1
        assert capsys.readouterr().err.endswith("out.tsv could be scored: 1 symbolic_alt\n")

    def test_parts_and_files_without_variants_may_have_no_score(self, tmp_path: Path, fasta: Path) -> None:
        """The whole of the parts may not."""
        vcf = write_vcf(tmp_path / "x.vcf", [("9", 600, "A", "C"), ("9", 601, "A", "C")])
        parts = [str(tmp_path / f"{part}.tsv") for part in (1, 2)]
        for part, path in enumerate(parts, start=1):
            assert main(["score", str(vcf), str(fasta), "-o", path, "--shard", f"{part}/2"]) == 0
        assert main(["merge", *parts, "-o", str(tmp_path / "whole.tsv")]) == 1
        assert (tmp_path / "whole.tsv").exists()
        empty = write_vcf(tmp_path / "empty.vcf", [])
        assert main(["score", str(empty), str(fasta), "-o", str(tmp_path / "empty.tsv")]) == 0

    @pytest.mark.parametrize(
        "content", [b"##fileformat=VCFv4.2\n", b"hello\n", b"\xff\xfe\t\t", b"\x1f\x8bx"]
    )
    def test_what_is_neither_table_nor_vcf(
        self, tmp_path: Path, fasta: Path, capsys: pytest.CaptureFixture[str], content: bytes
    ) -> None:
        (tmp_path / "x").write_bytes(content)
        assert main(["score", str(tmp_path / "x"), str(fasta), "-o", str(tmp_path / "out.tsv")]) == 1
        assert f"{tmp_path / 'x'}" in capsys.readouterr().err

    @pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
    def test_threads_are_those_that_the_process_may_use(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        out = tmp_path / "out.tsv"
        cpu = str(min(os.sched_getaffinity(0)))
        command = [
            "taskset",
            "-c",
            cpu,
            sys.executable,
            "-m",
            "mifm_kipoi.cli",
            "score",
            vcf,
            fasta,
            "-o",
            out,
        ]
        subprocess.run(command, check=True, capture_output=True)
        assert json.loads(Path(f"{out}.json").read_text())["threads"] == 1


class TestBcf:
    """BCF holds only what its header declares."""

    def test_what_the_input_does_not_declare(self, tmp_path: Path, fasta: Path) -> None:
        base = base_at_600(fasta)
        lines = [
            "##fileformat=VCFv4.2",
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1",
            f"1\t600\ta\t{base}\t<DEL>\t.\tlow\tXX=1,2;YY\tGT:ZZ\t0/1:7",
            f"1\t600\tb\t{base}\t<DEL>\t.\t.",
        ]
        vcf = tmp_path / "x.vcf"
        vcf.write_text("\n".join(lines) + "\n")
        out = tmp_path / "out.bcf"
        assert small_run(str(vcf), fasta, out).run().manifest["rows"] == 2
        with pysam.VariantFile(str(out)) as records:
            first, second = records
        assert (first.id, list(first.filter), first.info["XX"]) == ("a", ["low"], ("1", "2"))
        assert (second.id, second.info["MIFM_STATUS"]) == ("b", ("symbolic_alt",))

    def test_a_record_that_bcf_cannot_hold(self, tmp_path: Path, fasta: Path) -> None:
        """Its genotype is no number. Nothing that was scored is lost, and nothing is promised of --resume."""
        base = base_at_600(fasta)
        lines = [
            "##fileformat=VCFv4.2",
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1",
            f"1\t600\ta\t{base}\t<DEL>\t.\t.\t.\tGT\t0/1",
            f"1\t600\tb\t{base}\t<DEL>\t.\t.\t.\tGT\tx/y",
        ]
        vcf, out = tmp_path / "x.vcf", tmp_path / "out.bcf"
        vcf.write_text("\n".join(lines) + "\n")
        for resume in (False, True):
            message = (
                r"a record cannot be written as BCF \(Couldn't read GT data: .* at 1:600\); --resume "
                r"would end here again. All 2 rows are in .*out.bcf.partial, a whole VCF file: rename it, or "
                r"score again into another format$"
            )
            with pytest.raises(FormatError, match=message):
                small_run(str(vcf), fasta, out, resume=resume).run()
            assert sorted(path.name for path in tmp_path.glob("out*")) == [
                "out.bcf.partial",
                "out.bcf.partial.json",
            ]
        small_run(str(vcf), fasta, tmp_path / "other.vcf").run()
        assert Path(f"{out}.partial").read_bytes() == (tmp_path / "other.vcf").read_bytes()

    def test_values_that_bcf_would_change(self, tmp_path: Path, fasta: Path) -> None:
        """The tags are counted and named, and the whole file is there as VCF."""
        base = base_at_600(fasta)
        lines = [
            "##fileformat=VCFv4.2",
            '##INFO=<ID=RS,Number=1,Type=Integer,Description="of dbSNP, which needs more than 31 bits">',
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
            f"1\t600\ta\t{base}\t<DEL>\t.\t.\tRS=7",
            f"1\t600\tb\t{base}\t<DEL>\t.\t.\tRS=2148352434",
            f"1\t0600\tb\t{base}\t<DEL>\t.\t.\tRS=1e3",
        ]
        vcf, out = tmp_path / "x.vcf", tmp_path / "out.bcf"
        vcf.write_text("\n".join(lines) + "\n")
        message = (
            r"BCF cannot hold the values of 2 of 3 records by the types that the header defines: INFO/RS of "
            r"2 records \(at 1:600 '2148352434' becomes '\.'\); .*All 3 rows are in .*out.bcf.partial, a "
        )
        with pytest.raises(FormatError, match=message):
            small_run(str(vcf), fasta, out).run()
        small_run(str(vcf), fasta, tmp_path / "other.vcf").run()
        assert Path(f"{out}.partial").read_bytes() == (tmp_path / "other.vcf").read_bytes()

    def test_definitions_that_htslib_cannot_parse(
        self, tmp_path: Path, fasta: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        base = base_at_600(fasta)
        lines = [
            "##fileformat=VCFv4.2",
            '##INFO=<ID=A,Number=1,Type=Integer,Description="a "quoted" word">',
            '##INFO=<ID=B,Number=1,Type=Integer,Description="no end',
            '##INFO=<ID=C,Number=1,Type=Integer,Description="x">',
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
            f"1\t600\t\t{base}\t<DEL>\t\t\tA=1e3;B=2;C=3",
        ]
        vcf, out = tmp_path / "x.vcf", tmp_path / "out.bcf"
        vcf.write_text("\n".join(lines) + "\n")
        small_run(str(vcf), fasta, out).run()
        assert caplog.messages == [
            "1 lines of the header are not in the BCF file, since htslib cannot parse them; tags that they "
            f"define are text there. The first is {lines[1]}"
        ]
        with pysam.VariantFile(str(out)) as records:
            (record,) = records
        assert [record.info[tag] for tag in "ABC"] == [("1e3",), 2, 3]
        assert (record.id, record.qual, list(record.filter)) == (None, None, [])

    @pytest.mark.parametrize(
        "name", ["-o.bcf", "file:o.bcf", "o\udcff.bcf", "o\udcff.vcf.gz", "o\udcff.parquet", "a b$.bcf"]
    )
    def test_names_reach_htslib_as_they_are(
        self, tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        record = f"1\t600\ta\t{base_at_600(fasta)}\t<DEL>\t.\t.\t.\n"
        Path("x.vcf").write_text(
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + record
        )
        result = small_run("x.vcf", fasta, Path(name)).run()
        assert (result.index is not None) == (not name.endswith("parquet"))
        assert all(path.is_file() for path in result.written)
        assert {path.name for path in Path().iterdir()} == {"x.vcf", *map(str, result.written)}

    @needs_bcftools
    @pytest.mark.parametrize("kind", ["b", "u"])
    @pytest.mark.parametrize("suffix", ["vcf", "bcf"])
    def test_text_that_is_not_utf8_stays_as_it_is(
        self, tmp_path: Path, fasta: Path, kind: str, suffix: str
    ) -> None:
        """Latin-1 in an identifier and in INFO, from BCF that is compressed and that is not."""
        base = base_at_600(fasta)
        alt = "ACGT".replace(base, "")[0]
        header = (
            "##fileformat=VCFv4.2\n##contig=<ID=1>\n"
            '##INFO=<ID=NOTE,Number=1,Type=String,Description="Bemerkung f\xfcr Menschen">\n'
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        )
        record = f"1\t600\tZ\xfcrich\t{base}\t{alt}\t.\t.\tNOTE=caf\xe9"
        (tmp_path / "in.vcf").write_bytes(f"{header}{record}\n".encode("latin-1"))
        command = ["bcftools", "view", f"-O{kind}", "-o", tmp_path / "in.bcf", tmp_path / "in.vcf"]
        subprocess.run(command, check=True, capture_output=True)
        out = tmp_path / f"out.{suffix}"
        assert small_run(str(tmp_path / "in.bcf"), fasta, out).run().manifest["status"] == {"ok": 1}
        text = subprocess.run(["bcftools", "view", out], check=True, capture_output=True).stdout
        assert "f\xfcr Menschen".encode("latin-1") in text
        assert f"{record};MIFM_REF=".encode("latin-1") in text

    def test_merged_numbers_are_those_of_the_parts(self, tmp_path: Path, parts: Path) -> None:
        """Bit by bit: they do not go through text."""
        merge([parts / f"{part}.bcf" for part in (1, 2, 3)], tmp_path / "out.bcf")
        found, expected = [], []
        for path, values in [(tmp_path / "out.bcf", found)] + [
            (parts / f"{part}.bcf", expected) for part in (1, 2, 3)
        ]:
            with pysam.VariantFile(str(path)) as records:
                values += [record.info.get("MIFM_REF") for record in records]
        assert found == expected


def test_workers_end_with_the_process_that_they_work_for(tmp_path: Path, vcf: Path, fasta: Path) -> None:
    """Killed by the kernel, it cannot end them."""
    command = [*KILLED_RUN, vcf, fasta, tmp_path / "out.tsv", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        workers: list[int] = []
        while process.poll() is None and len(workers) < 2:
            workers = children(process.pid)
        process.kill()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert workers
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def children(process: int) -> list[int]:
    """Process numbers of the workers of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            command = status.with_name("cmdline").read_bytes()
            if int(text.rpartition(")")[2].split()[1]) == process and b"spawn_main" in command:
                found.append(int(status.parent.name))
    return found


RUN_OF_SMALL_CHUNKS = """
import sys
from pathlib import Path
from mifm_kipoi.scoring.run import ScoringRun
vcf, fasta, out, workers, *resume = sys.argv[1:]
ScoringRun(
    vcf, Path(fasta), Path(out), resume=bool(resume), workers=int(workers), threads=1, chunk_size=5
).run()
"""
KILLED_RUN = [sys.executable, "-c", RUN_OF_SMALL_CHUNKS]


@pytest.mark.slow
def test_sigkill_at_any_moment(tmp_path: Path, vcf: Path, fasta: Path) -> None:
    """Killed by the kernel after ever more records, and resumed: the same bytes."""

    def start(out: Path, *options: str) -> subprocess.Popen[bytes]:
        command = [*KILLED_RUN, vcf, fasta, out, "0", *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    whole = tmp_path / "whole.tsv.gz"
    ScoringRun(str(vcf), fasta, whole, threads=1, chunk_size=5).run()
    out, generator = tmp_path / "out.tsv.gz", random.Random(int(os.environ.get("MIFM_KILL_SEED", "0")))
    note, kills = Path(f"{out}.partial.json"), 0
    for aim in (10, 50, 10_000):
        records = 0
        with start(out, "resume") as process:
            while process.poll() is None:
                # The note comes and goes while it is looked at.
                with contextlib.suppress(FileNotFoundError):
                    records = json.loads(note.read_text())["records"]
                if records >= aim:
                    time.sleep(generator.random() / 100)
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    break
            assert process.wait() in (0, -signal.SIGKILL), process.stderr and process.stderr.read()
    assert kills > 0
    assert out.read_bytes() == whole.read_bytes()
    assert not note.exists()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, vcf: Path, fasta: Path) -> Path:
    """Outputs of three parts in every format."""
    folder = tmp_path_factory.mktemp("parts")
    for suffix in FORMATS:
        for part in (1, 2, 3):
            small_run(str(vcf), fasta, folder / f"{part}.{suffix}", shard=(part, 3)).run()
    return folder


class TestMerge:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_is_the_whole_run(
        self, tmp_path: Path, parts: Path, vcf: Path, fasta: Path, expected: pd.DataFrame, suffix: str
    ) -> None:
        merged, whole = tmp_path / f"merged.{suffix}", tmp_path / f"whole.{suffix}"
        manifest = merge([parts / f"{part}.{suffix}" for part in (3, 1, 2)], merged).manifest
        alone = small_run(str(vcf), fasta, whole).run().manifest
        assert_same_rows(read_table(merged), expected)
        assert manifest["rows"] == len(expected)
        for key in ("records", "status", "weights", "variants", "shard", "columns"):
            assert manifest[key] == alone[key], key
        assert (manifest["index"] is None) == (alone["index"] is None)
        if suffix == "vcf":
            headers = [
                [line for line in path.read_text().splitlines() if line.startswith("#")]
                for path in (merged, whole)
            ]
            assert headers[0] == headers[1]
        assert {path.name for path in tmp_path.glob("merged*")} - {manifest["index"]} == {
            merged.name,
            f"{merged.name}.json",
        }

    def test_gaps_and_overlaps(self, tmp_path: Path, parts: Path) -> None:
        out = tmp_path / "out.tsv"
        with pytest.raises(InputError, match="missing: part 2 of 3"):
            merge([parts / "1.tsv", parts / "3.tsv"], out)
        with pytest.raises(InputError, match="part 1 of 3 is there 2 times"):
            merge([parts / f"{part}.tsv" for part in (1, 1, 2, 3)], out)
        assert not list(tmp_path.iterdir())

    def test_other_formats(self, tmp_path: Path, parts: Path) -> None:
        with pytest.raises(OptionError, match=r"1.vcf has another format than"):
            merge([parts / "1.vcf"], tmp_path / "out.tsv")

    def test_parts_of_other_runs(self, tmp_path: Path, parts: Path, vcf: Path, fasta: Path) -> None:
        weights = tmp_path / "other.safetensors"
        save_weights(weights, random_network(), {})
        other = tmp_path / "other.tsv"
        options = scoring.ScoringOptions(weights=(str(weights),))
        small_run(str(vcf), fasta, other, options, shard=(2, 3)).run()
        with pytest.raises(InputError, match=r"weights\[0\]\.name was embedded and is other"):
            merge([parts / "1.tsv", other, parts / "3.tsv"], tmp_path / "out.tsv")
        small_run(str(vcf), fasta, other, shard=(2, 4)).run()
        with pytest.raises(InputError, match="the parts are of runs of 3 and of 4 parts"):
            merge([parts / "1.tsv", other, parts / "3.tsv"], tmp_path / "out.tsv")

    def test_what_is_no_part(self, tmp_path: Path, parts: Path, vcf: Path, fasta: Path) -> None:
        whole = tmp_path / "whole.tsv"
        small_run(str(vcf), fasta, whole).run()
        with pytest.raises(InputError, match="is not a part of a run"):
            merge([whole], tmp_path / "out.tsv")
        shutil.copy(parts / "1.tsv", tmp_path / "alone.tsv")
        with pytest.raises(InputError, match=r"alone.tsv has no manifest alone.tsv.json"):
            merge([tmp_path / "alone.tsv"], tmp_path / "out.tsv")

    def test_files_of_others_are_left_alone(self, tmp_path: Path, parts: Path) -> None:
        notes = tmp_path / "out.tsv.partial_notes.txt"
        notes.write_text("mine")
        merge([parts / f"{part}.tsv" for part in (1, 2, 3)], tmp_path / "out.tsv")
        assert notes.exists()
        Path(tmp_path / "other.tsv.partial.json").write_text("{}")
        with pytest.raises(InputError, match="is of a run that did not end"):
            merge([parts / f"{part}.tsv" for part in (1, 2, 3)], tmp_path / "other.tsv")
        with pytest.raises(OptionError, match="would replace the input"):
            merge([parts / f"{part}.tsv" for part in (1, 2, 3)], parts / "1.tsv")

    def test_a_part_that_was_changed(self, tmp_path: Path, parts: Path) -> None:
        for name in ("1.tsv", "1.tsv.json"):
            shutil.copy(parts / name, tmp_path / name)
        (tmp_path / "1.tsv").write_text("chrom\n")
        with pytest.raises(InputError, match="is not as its manifest says"):
            merge([tmp_path / "1.tsv"], tmp_path / "out.tsv")

    def test_more_parts_than_records(self, tmp_path: Path, fasta: Path) -> None:
        base = base_at_600(fasta)
        vcf = write_vcf(tmp_path / "one.vcf", [("1", 600, base, "<DEL>")])
        paths = [tmp_path / f"{part}.vcf.gz" for part in (1, 2, 3)]
        for part, path in enumerate(paths, start=1):
            small_run(str(vcf), fasta, path, shard=(part, 3)).run()
        assert merge(paths, tmp_path / "out.vcf.gz").rows == 1
        with gzip.open(tmp_path / "out.vcf.gz", "rt") as file:
            assert sum(not line.startswith("#") for line in file) == 1


class TestFilesOfOthers:
    """What lies beside the output and was not made by a run is neither written nor removed."""

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_they_stay(self, tmp_path: Path, vcf: Path, fasta: Path, suffix: str) -> None:
        """Names that began like those of unfinished files; one of them is the input itself."""
        out = tmp_path / f"out.{suffix}"
        ends = (".partial.vcf", ".partial.bcf", ".partial.declared.vcf", ".partial.parquet", ".partial.tbi")
        strangers = {Path(f"{out}{end}"): vcf.read_bytes() for end in ends}
        strangers |= {Path(f"{out}.partial_notes.json"): b"{}"}
        if suffix in ("tsv", "vcf", "parquet"):
            # No output of this format has an index.
            strangers |= {Path(f"{out}.tbi"): b"mine", Path(f"{out}.csi"): b"mine"}
        for path, content in strangers.items():
            path.write_bytes(content)
        for resume in (False, True):
            small_run(f"{out}.partial.vcf", fasta, out, resume=resume).run()
            assert {path: path.read_bytes() for path in strangers} == strangers

    @pytest.mark.parametrize("end", ["", ".json", ".partial", ".partial.json"])
    @pytest.mark.parametrize("kind", ["symlink", "hard link"])
    def test_an_input_that_is_a_name_of_the_run(
        self, tmp_path: Path, vcf: Path, fasta: Path, end: str, kind: str
    ) -> None:
        given, name = tmp_path / "in.vcf", tmp_path / f"out.tsv{end}"
        given.write_bytes(vcf.read_bytes())
        name.symlink_to(given) if kind == "symlink" else name.hardlink_to(given)
        with pytest.raises(OptionError, match=r"out\.tsv.* (would replace the input|is a link)"):
            small_run(str(given), fasta, tmp_path / "out.tsv")
        assert given.read_bytes() == vcf.read_bytes()

    @pytest.mark.parametrize("end", [".partial", ".partial.json"])
    def test_links_are_not_followed(self, tmp_path: Path, vcf: Path, fasta: Path, end: str) -> None:
        """Also where they are made after the check of the options, and where they lead nowhere."""
        mine, out = tmp_path / "mine.txt", tmp_path / "out.tsv"
        for target in (mine, tmp_path / "nowhere"):
            mine.write_text("precious")
            run = small_run(str(vcf), fasta, out)
            Path(f"{out}{end}").symlink_to(target)
            with pytest.raises(InputError, match=r"out\.tsv\.partial"):
                run.run()
            with pytest.raises(OptionError, match=rf"out\.tsv{end} "):
                small_run(str(vcf), fasta, out, resume=True)
            assert mine.read_text() == "precious"
            assert not (tmp_path / "nowhere").exists()
            assert Path(f"{out}{end}").is_symlink()
            Path(f"{out}{end}").unlink()

    @pytest.mark.parametrize("resume", [False, True])
    @pytest.mark.parametrize("content", [b"", b"precious"])
    def test_a_growing_file_without_a_note(
        self, tmp_path: Path, vcf: Path, fasta: Path, content: bytes, resume: bool
    ) -> None:
        out = tmp_path / "out.tsv"
        Path(f"{out}.partial").write_bytes(content)
        with pytest.raises(InputError, match=r"exists, and there is no out\.tsv\.partial\.json that says"):
            small_run(str(vcf), fasta, out, resume=resume).run()
        assert Path(f"{out}.partial").read_bytes() == content
        assert not out.exists()

    @pytest.mark.parametrize("kind", ["other content", "second name", "link"])
    def test_a_growing_file_that_is_not_that_of_its_note(
        self, tmp_path: Path, vcf: Path, fasta: Path, kind: str
    ) -> None:
        out = tmp_path / "out.tsv"
        journal = Journal(out, {}, 0)
        with journal.locked():
            journal.begin(b"head", resume=False)
            journal.append(b"rows", 1)
        partial = journal.partial
        if kind == "other content":
            partial.write_bytes(b"headROWS and more")
        else:
            (tmp_path / "mine").write_bytes(b"headrows and more")
            partial.unlink()
            make = partial.hardlink_to if kind == "second name" else partial.symlink_to
            make(tmp_path / "mine")
        before = partial.read_bytes()
        for call in (lambda again: again.begin(b"head", resume=True), lambda again: again.remove()):
            again = Journal(out, {}, 0)
            with again.locked(), contextlib.suppress(InputError):
                call(again)
            assert partial.read_bytes() == before
            assert again.note.exists()

    def test_a_manifest_that_is_another_file(self, tmp_path: Path, vcf: Path, fasta: Path) -> None:
        manifest = tmp_path / "out.tsv.json"
        for content in ("", "[1]", '{"mine": 1}'):
            manifest.write_text(content)
            with pytest.raises(OptionError, match=r"out\.tsv\.json, where the manifest .* is another file"):
                small_run(str(vcf), fasta, tmp_path / "out.tsv")
            assert manifest.read_text() == content


def test_an_index_that_htslib_cannot_make(tmp_path: Path, fasta: Path) -> None:
    """Two records at POS 0, as PLINK writes markers without a place: the scores have no index."""
    base = base_at_600(fasta)
    other = "ACGT".replace(base, "")[0]
    vcf = write_vcf(tmp_path / "x.vcf", [("1", 0, "A", "C"), ("1", 0, "A", "G"), ("1", 600, base, other)])
    for resume in (False, True):
        out = tmp_path / "out.bcf"
        result = small_run(str(vcf), fasta, out, resume=resume).run()
        assert (result.rows, result.index) == (3, None)
        assert "htslib cannot index all positions" in result.manifest["not_indexed"]
        assert len(read_table(out)) == 3
        assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.bcf", "out.bcf.json"]


def test_another_configuration_of_the_same_tensors_is_another_run(
    tmp_path: Path, vcf: Path, fasta: Path
) -> None:
    """Parts of two networks are not joined."""
    network = random_network(seed=5)
    config = network.config
    other = MIFM(dataclasses.replace(config, dilations=tuple(reversed(config.dilations))))
    other.load_state_dict(network.state_dict())
    for part, each in ((1, network), (2, other)):
        path = tmp_path / str(part) / "own.safetensors"
        path.parent.mkdir()
        save_weights(path, each, {})
        options = scoring.ScoringOptions(weights=(str(path),))
        small_run(str(vcf), fasta, tmp_path / f"{part}.tsv", options, shard=(part, 2)).run()
    with pytest.raises(InputError, match=r"of another run .*: weights\[0\]\.configuration\.dilations was"):
        merge([tmp_path / "1.tsv", tmp_path / "2.tsv"], tmp_path / "out.tsv")
