"""Genes of a GTF."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.genes import Gene, check_genes, read_features, read_genes

_GENCODE = """\
##description: a comment
chr5\tHAVANA\tgene\t101\t200\t.\t-\t.\tgene_id "E1.4"; gene_type "protein_coding"; gene_name "TERT"; level 2;
chr5\tHAVANA\ttranscript\t101\t200\t.\t-\t.\tgene_id "E1.4"; gene_type "protein_coding"; gene_name "TERT";
chr5\tHAVANA\texon\t181\t200\t.\t-\t.\tgene_id "E1.4"; gene_type "protein_coding"; gene_name "TERT";
chr5\tHAVANA\texon\t101\t120\t.\t-\t.\tgene_id "E1.4"; gene_type "protein_coding"; gene_name "TERT";
chr5\tHAVANA\texon\t111\t130\t.\t-\t.\tgene_id "E1.4"; gene_type "protein_coding"; gene_name "TERT";
chr5\tHAVANA\tgene\t251\t260\t.\t+\t.\tgene_id "E2.1"; gene_type "lncRNA"; gene_name "NEAR-AS1";
chr5\tHAVANA\tCDS\t111\t130\t.\t-\t0\tgene_id "E9"
"""


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_gene_is_what_its_lines_span_with_its_exons_joined(tmp_path: Path) -> None:
    genes = read_genes(_file(tmp_path / "a.gtf", _GENCODE))
    assert genes.by_contig == {
        "5": (
            Gene("TERT", 100, 200, "-", True, ((100, 130), (180, 200))),
            Gene("NEAR-AS1", 250, 260, "+", False, ()),
        )
    }
    # Without lines of genes: those of exons alone, whose quotes and order are a program's own.
    alone = "\n".join(line for line in _GENCODE.splitlines() if "\texon\t" in line).replace("chr5", "5")
    (gene,) = read_genes(_file(tmp_path / "b.gtf", alone)).by_contig["5"]
    assert gene == genes.by_contig["5"][0]


def test_genes_of_gff3_and_without_a_type_are_read(tmp_path: Path) -> None:
    text = "1\tRefSeq\tgene\t11\t20\t.\t+\t.\tID=gene-A1;Name=A1;gbkey=Gene\n"
    (gene,) = read_genes(_file(tmp_path / "a.gff3", text)).by_contig["1"]
    assert gene == Gene("A1", 10, 20, "+", True, ())


def test_genes_of_a_region_and_the_nearest_one(tmp_path: Path) -> None:
    genes = read_genes(_file(tmp_path / "a.gtf", _GENCODE))
    names = [
        [gene.name for gene in genes.of_region("chr5", *ends)] for ends in ((1, 100), (1, 101), (200, 251))
    ]
    assert names == [[], ["TERT"], ["TERT", "NEAR-AS1"]]
    assert genes.of_region("6", 1, 1000) == []
    distances = {pos: genes.nearest("5", pos)[1] for pos in (100, 101, 200, 201, 300)}  # type: ignore[index]
    assert distances == {100: 1, 101: 0, 200: 0, 201: 1, 300: 100}
    assert genes.nearest("5", 300, most_bp=99) is None
    assert genes.nearest("6", 300) is None


def test_what_cannot_be_read_is_an_error_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.gtf.gz"
    path.write_bytes(gzip.compress(_GENCODE.encode())[:-20])
    with pytest.raises(InputError, match=r"cannot read .*a\.gtf\.gz"):
        list(read_features(path, ["gene"]))
    with pytest.raises(InputError, match=r"line 2 of .*b\.gtf"):
        read_genes(_file(tmp_path / "b.gtf", _GENCODE.replace("\t101\t200", "\tx\t200", 1)))
    with pytest.raises(InputError, match=r"d\.gtf"):
        check_genes(tmp_path / "d.gtf")
    check_genes(_file(tmp_path / "e.gtf", _GENCODE))
    for read in (read_genes, check_genes):
        with pytest.raises(InputError, match=r"c\.gtf has no gene"):
            read(_file(tmp_path / "c.gtf", 'chr1\tx\tCDS\t1\t2\t.\t+\t.\tgene_id "A"\n'))
