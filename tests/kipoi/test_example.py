"""The packaged example: a part of GRCh37 under GRCh37's coordinates."""

from __future__ import annotations

import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest

import mifm_kipoi
from mifm_kipoi.conventions import Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import read_variants


@pytest.fixture(scope="module")
def script(packaged_example: Path) -> types.ModuleType:
    """The script beside the files, as a module."""
    spec = importlib.util.spec_from_file_location("make_example", packaged_example / "make_example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def genome(packaged_example: Path) -> Genome:
    return Genome(packaged_example / "genome.fa.gz")


def test_every_variant_has_a_score(packaged_example: Path, genome: Genome) -> None:
    variants = list(read_variants(packaged_example / "variants.vcf"))
    windows = mifm_kipoi.cut_windows(variants, genome)
    assert set(windows.status) == {Status.OK}
    assert {variant.chrom for variant in variants} == {"20"}


def test_the_gene_lies_where_grch37_has_it(genome: Genome) -> None:
    """The last codons of SIRPA, which end at 1,918,214: a slip of one base would be seen."""
    codons = genome.fetch("20", 1_918_172, 1_918_214).tobytes().decode()
    code = {
        "TCC": "S", "TTC": "F", "AGC": "S", "GAG": "E", "TAC": "Y", "GCC": "A", "GTC": "V", "CAG": "Q",
        "CCG": "P", "AGG": "R", "AAG": "K", "TCA": "S", "TGA": "*",
    }  # fmt: skip
    assert "".join(code.get(codons[at : at + 3], "?") for at in range(0, len(codons), 3)) == "SFSEYASVQVPRK*"


def test_the_rest_of_the_contig_is_n(genome: Genome, script: types.ModuleType) -> None:
    (length,) = genome.contigs.values()
    assert length == script.END + script.FLANK
    known = np.flatnonzero(genome.fetch("20", 0, length) != ord("N"))
    assert known.tolist() == list(range(script.START - script.FLANK, length))


def test_the_script_cuts_the_files(
    script: types.ModuleType, packaged_example: Path, genome: Genome, reference_data: Path
) -> None:
    data = reference_data / "data"
    whole = Genome(data / "genome" / "GRCh37.mini.fa.gz")
    assert script.masked_contig(whole) == genome.fetch("20", 0, genome.contigs["20"]).tobytes()
    sites = data / "variants" / "1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    written = script.VCF_HEADER + "".join(script.common_sites(sites))
    assert written == (packaged_example / "variants.vcf").read_text()


def test_scores_are_those_of_the_whole_genome(
    packaged_example: Path, genome: Genome, reference_data: Path
) -> None:
    variants = list(read_variants(packaged_example / "variants.vcf"))
    whole = Genome(reference_data / "data" / "genome" / "GRCh37.mini.fa.gz")
    here, there = (mifm_kipoi.cut_windows(variants, fasta) for fasta in (genome, whole))
    np.testing.assert_array_equal(here.ref, there.ref)
    np.testing.assert_array_equal(here.alt, there.alt)
