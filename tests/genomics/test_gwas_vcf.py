"""Tests of mifm_kipoi.genomics.gwas_vcf."""

import gzip

import numpy as np
import pysam
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genomics.columns import find_layout
from mifm_kipoi.genomics.gwas_vcf import gwas_table

HEADER = """##fileformat=VCFv4.2
##contig=<ID=1,length=1000>
##contig=<ID=X,length=1000>
##FILTER=<ID=PASS,Description="All filters passed">
##FORMAT=<ID=NS,Number=A,Type=Integer,Description="Variant-specific number of samples">
##FORMAT=<ID=EZ,Number=A,Type=Float,Description="Z-score">
##FORMAT=<ID=ES,Number=A,Type=Float,Description="Effect size estimate relative to the alternative allele">
##FORMAT=<ID=SE,Number=A,Type=Float,Description="Standard error of effect size estimate">
##FORMAT=<ID=LP,Number=A,Type=Float,Description="-log10 p-value for effect estimate">
##FORMAT=<ID=AF,Number=A,Type=Float,Description="Alternate allele frequency">
##FORMAT=<ID=SS,Number=A,Type=Float,Description="Sample size">
##FORMAT=<ID=ID,Number=1,Type=String,Description="Study variant identifier">
##SAMPLE=<ID=two,TotalVariants=3,TotalControls=1000,TotalCases=500,StudyType=CaseControl>
"""
COLUMNS = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT"
RECORDS = [
    "1 100 rs1 A G . PASS . ES:SE:LP:AF:SS:ID 0.5:0.1:6.25:0.25:2000:rs1 -0.5:0.25:1.5:0.5",
    "1 200 rs2 C T . PASS . ES:SE:LP:ID -0.25:0.125:1.25:rs2 .:.:.:rs2",
    "X 300 rs3 G A,C . PASS . ES:SE:LP:SS 0.5,0.75:0.25,0.125:2.5,9.5:2000 1.5,2:1,1:1,2:10,20",
]


def _write(path, studies=("one", "two"), records=RECORDS, header=HEADER):
    lines = [" ".join([COLUMNS, *studies]), *(" ".join(line.split()[: 9 + len(studies)]) for line in records)]
    path.write_text(header + "".join("\t".join(line.split()) + "\n" for line in lines))
    return path


def _bcf(path):
    with pysam.VariantFile(str(path)) as source:
        target = str(path.with_suffix(".bcf"))
        with pysam.VariantFile(target, "wb", header=source.header) as file:
            for record in source:
                file.write(record)
    return target


def _columns(table, *names):
    batches = list(table.batches())
    texts = [[value for batch in batches for value in batch.text(name).to_pylist()] for name in names]
    return list(zip(*texts, strict=True))


def test_a_study_is_a_table(tmp_path):
    table = gwas_table(_write(tmp_path / "g.vcf"), "one")
    assert table.columns == (
        "#CHROM",
        "POS",
        "ID",
        "REF",
        "ALT",
        "ES",
        "SE",
        "LP",
        "AF",
        "SS",
        "EZ",
        "LP.two",
    )
    assert _columns(table, "#CHROM", "POS", "REF", "ALT", "ES", "SE", "LP", "AF", "SS") == [
        ("1", "100", "A", "G", "0.5", "0.1", "6.25", "0.25", "2000"),
        ("1", "200", "C", "T", "-0.25", "0.125", "1.25", "", ""),
        ("X", "300", "G", "A", "0.5", "0.25", "2.5", "", "2000"),
        ("X", "300", "G", "C", "0.75", "0.125", "9.5", "", "2000"),
    ]
    (batch,) = table.batches(["POS"])
    assert batch.lines.tolist() == [15, 16, 17, 17]
    assert batch.where(3).startswith("line 17 of")


def test_the_layout_of_a_study(tmp_path):
    layout = find_layout(gwas_table(_write(tmp_path / "g.vcf"), "one"))
    assert layout.format == "gwas-vcf"
    assert layout.ordered
    assert {
        "effect_allele": "ALT",
        "other_allele": "REF",
        "beta": "ES",
        "neg_log_10_p_value": "LP",
    }.items() <= (layout.columns.items())


def test_fields_that_are_left_out_and_sample_sizes_of_the_header(tmp_path):
    table = gwas_table(_write(tmp_path / "g.vcf"), "two")
    assert _columns(table, "ES", "AF", "SS") == [
        ("-0.5", "0.5", "1500"), (".", "", "1500"), ("1.5", "", "10"), ("2", "", "20"),
    ]  # fmt: skip


@pytest.mark.parametrize("make", ["vcf", "bcf"])
def test_p_values_of_the_other_studies_stand_beside(tmp_path, make):
    path = _write(tmp_path / "g.vcf")
    path = path if make == "vcf" else _bcf(path)
    table = gwas_table(path, "two")
    layout = find_layout(table)
    assert layout.columns["neg_log_10_p_value"] == "LP"
    assert layout.beside == (("neg_log_10_p_value", "LP.one"),)
    assert _columns(table, "ALT", "LP", "LP.one") == [
        ("G", "1.5", "6.25"), ("T", ".", "1.25"), ("A", "1", "2.5"), ("C", "2", "9.5"),
    ]  # fmt: skip
    *_, others = AssociationTable(str(path), phenotype="two").batches(max_p_value=1e-5, others=True)
    assert list(zip(others.pos, others.effect_allele, strict=True)) == [(100, "G"), (300, "C")]
    (batch,) = table.batches(["LP.one"])
    assert batch.rows.column_names == ["LP.one"]


@pytest.mark.parametrize("make", ["gzip", "bcf"])
def test_other_files_of_the_same_study(tmp_path, make):
    path = _write(tmp_path / "g.vcf")
    other = _bcf(path) if make == "bcf" else tmp_path / "g.vcf.gz"
    if make == "gzip":
        other.write_bytes(gzip.compress(path.read_bytes()))
    names = ("#CHROM", "POS", "REF", "ALT", "ES", "SE", "LP", "SS")
    expected, found = _columns(gwas_table(path, "two"), *names), _columns(gwas_table(other, "two"), *names)
    assert [row[:4] for row in found] == [row[:4] for row in expected]
    numbers = [
        [[float(value if value != "." else "nan") for value in row[4:]] for row in rows]
        for rows in (found, expected)
    ]
    np.testing.assert_allclose(*numbers, rtol=1e-6)


def test_blocks_do_not_matter(tmp_path):
    path = _write(tmp_path / "g.vcf")
    for file in (path, _bcf(path)):
        table = gwas_table(file, "one")
        batches = [batch.text("ALT").to_pylist() for batch in table.batches(["ALT"], block_bytes=64)]
        assert batches == [["G"], ["T"], ["A", "C"]]


def test_a_single_study_needs_no_name(tmp_path):
    assert len(_columns(gwas_table(_write(tmp_path / "g.vcf", ["one"])), "ES")) == 4


@pytest.mark.parametrize(
    ("study", "match"), [("", "one, two, and none is named"), ("six", "'six' is not one")]
)
def test_studies_are_asked_for(tmp_path, study, match):
    with pytest.raises(InputError, match=match):
        gwas_table(_write(tmp_path / "g.vcf"), study)


def test_a_vcf_without_statistics(tmp_path):
    header = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String>\n"
    with pytest.raises(InputError, match="without statistics of a GWAS"):
        gwas_table(_write(tmp_path / "g.vcf", header=header), "one")


def test_other_tables_are_read_as_they_are(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("chr\tbp\n1\t5\n")
    assert gwas_table(path).columns == ("chr", "bp")
    with pytest.raises(InputError, match=r"missing\.tsv"):
        gwas_table(tmp_path / "missing.tsv")
