"""A list of variants is scored as a VCF of the same variants: every format, shards, after a kill."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.scoring.formats.tsv import OutputFormat
from mifm_kipoi.scoring.merge import merge
from mifm_kipoi.scoring.run import ScoringRun
from mifm_kipoi.scoring.scorer import score_variants
from tests.tables import read_table

small_run = functools.partial(ScoringRun, chunk_size=7)


@pytest.fixture
def vcf(example: Path, tmp_path: Path) -> Path:
    """The example without its REF mismatch, which a list does not have: there the FASTA says what REF is."""
    path = tmp_path / "example.vcf"
    table = score_variants(example / "variants.vcf", example / "genome.fa")
    mismatches = table[table["status"] == "ref_mismatch"]
    wrong = [f"\t{pos}\t{name}\t" for pos, name in zip(mismatches["pos"], mismatches["id"], strict=True)]
    lines = (example / "variants.vcf").read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not any(text in line for text in wrong)))
    return path


@pytest.fixture
def fasta(example: Path) -> Path:
    return example / "genome.fa"


@pytest.fixture
def table(tmp_path: Path, vcf: Path, fasta: Path) -> Path:
    """The variants of the example, with the alleles of every second SNV exchanged."""
    status = score_variants(vcf, fasta)["status"]
    lines = ["SNP\tCHR\tBP\tother_allele\teffect_allele\tP"]
    for number, v in enumerate(read_variants(vcf)):
        alleles = (v.alt, v.ref) if v.is_snv and number % 2 and status[number] == "ok" else (v.ref, v.alt)
        lines.append("\t".join([v.id, v.chrom, str(v.pos), *alleles, "0.5"]))
    path = tmp_path / "list.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", ["tsv", "tsv.gz", "parquet", "vcf", "vcf.gz", "bcf"])
def test_the_same_numbers_as_of_a_vcf(
    tmp_path: Path, table: Path, vcf: Path, fasta: Path, suffix: str
) -> None:
    outputs = [tmp_path / f"{name}.{suffix}" for name in ("of_list", "of_vcf")]
    for variants, output in zip((table, vcf), outputs, strict=True):
        assert main(["score", str(variants), str(fasta), "-o", str(output), "--threads", "1"]) == 0
    ours, other = map(read_table, outputs)
    numbers = [name for name in ours.columns if name.startswith("mifm_")]
    assert ours[["chrom", "pos", "ref", "alt", "status"]].equals(
        other[["chrom", "pos", "ref", "alt", "status"]]
    )
    assert ours[numbers].equals(other[numbers])


def test_shards_and_the_manifest(tmp_path: Path, table: Path, fasta: Path) -> None:
    whole = ScoringRun(str(table), fasta, tmp_path / "whole.tsv", threads=1).run()
    assert whole.manifest["variants"]["name"] == "list.tsv"
    assert len(whole.manifest["variants"]["sha256"]) == 64
    parts = [tmp_path / f"{part}.tsv" for part in (1, 2, 3)]
    for part, output in enumerate(parts, start=1):
        ScoringRun(str(table), fasta, output, shard=(part, 3), threads=1).run()
    merge(parts, tmp_path / "merged.tsv")
    merged, expected = (read_table(tmp_path / name) for name in ("merged.tsv", "whole.tsv"))
    assert merged["id"].tolist() == expected["id"].tolist()
    assert merged["mifm_ref"].tolist() == pytest.approx(expected["mifm_ref"].tolist(), abs=1e-6, nan_ok=True)


def test_goes_on_after_a_kill(
    tmp_path: Path, table: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(str(table), fasta, tmp_path / "out.tsv", threads=1)
    run.run()
    expected = (tmp_path / "out.tsv").read_bytes()
    (tmp_path / "out.tsv").unlink()
    encode, calls = OutputFormat.encode, []

    def killed(self: OutputFormat, *arguments: object) -> bytes:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(OutputFormat, "encode", killed)
        with pytest.raises(KeyboardInterrupt):
            run.run()
    dataclasses.replace(run, resume=True).run()
    assert (tmp_path / "out.tsv").read_bytes() == expected


def test_another_table_is_another_run(tmp_path: Path, table: Path, fasta: Path) -> None:
    run = ScoringRun(str(table), fasta, tmp_path / "out.tsv", threads=1, resume=True)
    first = run.run().manifest["finished"]
    assert json.loads((tmp_path / "out.tsv.json").read_text())["finished"] == first
    assert run.run().manifest["finished"] == first
    table.write_text(table.read_text() + "new\t20\t1000\tA\tC\t0.5\n")
    assert run.run().rows > 0
    assert "new" in (tmp_path / "out.tsv").read_text()


def test_python(table: Path, vcf: Path, fasta: Path) -> None:
    ours, other = (score_variants(path, fasta) for path in (table, vcf))
    assert ours["mifm_alt"].equals(other["mifm_alt"])


def test_regions(tmp_path: Path, table: Path, vcf: Path, fasta: Path) -> None:
    some = list(read_variants(vcf))[3]
    bed = tmp_path / "r.bed"
    bed.write_text(f"{some.chrom}\t{some.start}\t{some.end}\n")
    ours, other = (score_variants(path, fasta, regions=bed) for path in (table, vcf))
    assert ours["pos"].tolist() == other["pos"].tolist() != []


def test_the_output_never_replaces_the_list(table: Path, fasta: Path) -> None:
    with pytest.raises(OptionError, match="would replace the input"):
        ScoringRun(str(table), fasta, table)


def test_a_table_without_variants(tmp_path: Path, fasta: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("gene\tscore\nA\t1\n")
    with pytest.raises(InputError, match="its columns are gene, score"):
        ScoringRun(str(path), fasta, tmp_path / "out.tsv").run()
    assert not (tmp_path / "out.tsv.partial").exists()
