"""Alternative windows are stretches of the contig that ``bcftools consensus`` edits."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from mifm_kipoi.conventions import Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import write_fasta, write_vcf

pytestmark = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")

LENGTH = 3000
EACH = 6
"""Records of each kind; every one is a file and an edited contig of its own."""


@pytest.fixture(scope="module")
def contig() -> str:
    return "".join(random.Random(20).choices("ACGT", k=LENGTH))


@pytest.fixture(scope="module")
def fasta(contig: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contig with a soft-masked stretch; bcftools keeps its case, windows do not."""
    folder = tmp_path_factory.mktemp("fasta")
    return write_fasta(folder / "genome.fa", {"1": contig[:1000] + contig[1000:1400].lower() + contig[1400:]})


def bcftools(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bcftools", *map(str, arguments)], capture_output=True, text=True, check=True)


def other(base: str, generator: random.Random) -> str:
    return generator.choice([letter for letter in "ACGT" if letter != base])


def draw_alleles(kind: str, contig: str, pos: int, generator: random.Random) -> tuple[str, str]:
    """REF and ALT of a record at a 1-based position; insertions and deletions share their first base."""
    first = contig[pos - 1]
    if kind == "snv":
        return first, other(first, generator)
    if kind == "mnv":
        ref = contig[pos - 1 : pos - 1 + generator.randint(2, 6)]
        return ref, "".join(other(base, generator) for base in ref)
    if kind == "insertion":
        return first, first + "".join(
            generator.choices("ACGT", k=generator.choice([1, 3, 40, 255, 256, 400]))
        )
    if kind == "deletion":
        return contig[pos - 1 : pos + generator.choice([1, 3, 40, 256, 257, 400])], first
    ref = contig[pos - 1 : pos - 1 + generator.randint(2, 9)]
    return ref, first + "".join(generator.choices("ACGT", k=generator.randint(10, 14)))


def consensus(fasta: Path, vcf: Path, packed: Path) -> str:
    """The contig with the one record of a VCF file applied."""
    bcftools("view", "-Oz", "-o", packed, vcf)
    bcftools("index", packed)
    done = bcftools("consensus", "-f", fasta, packed)
    assert "Applied 1 variants" in done.stderr
    name, *lines = done.stdout.split("\n")
    assert name == ">1"
    return "".join(lines).upper()


@pytest.mark.parametrize("kind", ["snv", "mnv", "insertion", "deletion", "complex"])
def test_alternative_windows(tmp_path: Path, fasta: Path, contig: str, kind: str) -> None:
    """Records whose windows lie inside the contig, before and after the edit."""
    generator = random.Random(f"alleles of {kind}")
    genome = Genome(fasta)
    for number in range(EACH):
        pos = generator.randint(256, LENGTH - 256 - 401)
        ref, alt = draw_alleles(kind, contig, pos, generator)
        vcf = write_vcf(tmp_path / f"{number}.vcf", [("1", pos, ref, alt)], {"1": LENGTH})
        edited = consensus(fasta, vcf, packed=tmp_path / f"{number}.vcf.gz")
        assert edited != contig
        windows = cut_windows(list(read_variants(tmp_path / f"{number}.vcf.gz")), genome)
        assert windows.status == [Status.OK]
        assert "".join("ACGTN"[code] for code in windows.ref[0]) == contig[pos - 256 : pos + 256]
        assert "".join("ACGTN"[code] for code in windows.alt[0]) == edited[pos - 256 : pos + 256]
