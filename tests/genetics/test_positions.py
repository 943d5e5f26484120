"""Tests of mifm_kipoi.genetics.positions."""

import gzip

import numpy as np
import pyarrow as pa
import pysam
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.positions import (
    OTHER_ALLELES,
    SEVERAL_PAIRS,
    SEVERAL_PLACES,
    UNKNOWN_NAME,
    Positions,
)

VARIANTS = [
    ("1", "rs1", 100, "A", "G"),
    ("1", "rs2", 200, "C", "T"),
    ("1", "rs2", 200, "C", "T"),
    ("1", "rs3", 300, "G", "A"),
    ("1", "rs3", 300, "G", "C"),
    ("2", "rs4", 400, "A", "C"),
    ("3", "rs4", 450, "T", "G"),
    ("X", "rs5", 500, "AT", "A"),
    ("X", "other", 600, "A", "C"),
]


def _write(path, kind):
    if kind == "bim":
        path = path / "p.bim"
        path.write_text("".join(f"{c} {name} 0 {pos} {two} {one}\n" for c, name, pos, one, two in VARIANTS))
        return path
    contigs = "".join(f"##contig=<ID={c},length=1000>\n" for c in ("1", "2", "3", "X"))
    head = f"##fileformat=VCFv4.2\n{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    body = "".join(f"{c}\t{pos}\t{name}\t{one}\t{two}\t.\t.\t.\n" for c, name, pos, one, two in VARIANTS)
    vcf = path / "p.vcf"
    vcf.write_text(head + body)
    if kind == "gz":
        (path / "p.vcf.gz").write_bytes(gzip.compress(vcf.read_bytes()))
        return path / "p.vcf.gz"
    if kind == "bcf":
        with (
            pysam.VariantFile(str(vcf)) as source,
            pysam.VariantFile(str(path / "p.bcf"), "wb", header=source.header) as target,
        ):
            for record in source:
                target.write(record)
        return path / "p.bcf"
    return vcf


def _find(path, *rows):
    names, effect, other = (np.array(column, dtype=object) for column in zip(*rows, strict=True))
    positions = Positions.of(path, [pa.array(names, pa.string())])
    found = positions.find(names, effect, other)
    return [
        tuple(row)
        for row in zip(found.chrom, found.pos, found.first, found.second, found.reason, strict=True)
    ]


@pytest.mark.parametrize("kind", ["bim", "vcf", "gz", "bcf"])
def test_names_have_places_and_alleles(tmp_path, kind):
    path = _write(tmp_path, kind)
    found = _find(
        path,
        ("rs1", "A", "G"),  # as it stands
        ("rs1", "G", "A"),  # in the other order
        ("rs1", "T", "C"),  # on the other strand
        ("rs1", "A", "T"),  # other alleles
        ("rs2", "T", "C"),  # in the file twice
        ("rs3", "C", "G"),  # one of two variants of the name
        ("rs3", "A", ""),  # the effect allele alone
        ("rs3", "G", ""),
        ("rs4", "G", "T"),  # the alleles choose the place
        ("rs4", "", ""),
        ("rs5", "A", ""),
        ("rs9", "A", "C"),
    )  # fmt: skip
    pairs = [(*row[:2], set(row[2:4]), row[4]) for row in found]
    assert pairs == [
        ("1", 100, {"A", "G"}, ""),
        ("1", 100, {"A", "G"}, ""),
        ("1", 100, {"A", "G"}, ""),
        ("1", 100, {""}, OTHER_ALLELES),
        ("1", 200, {"C", "T"}, ""),
        ("1", 300, {"G", "C"}, ""),
        ("1", 300, {"A", "G"}, ""),
        ("1", 300, {""}, SEVERAL_PAIRS),
        ("", 0, {""}, SEVERAL_PLACES),
        ("", 0, {""}, SEVERAL_PLACES),
        ("X", 500, {"AT", "A"}, ""),
        ("", 0, {""}, UNKNOWN_NAME),
    ]
    positions = Positions.of(path, [pa.array(["rs5"])])
    assert positions.ordered == (kind != "bim")
    if positions.ordered:
        assert (found[0][2], found[10][2]) == ("A", "AT")


def test_only_the_names_asked_for_are_held(tmp_path):
    positions = Positions.of(_write(tmp_path, "vcf"), [pa.array(["rs1", None, "rs9"]), pa.array(["rs1"])])
    assert positions.names.tolist() == ["rs1", "rs9"]
    assert len(positions.pos) == 1


def test_several_alleles_and_names_of_a_record(tmp_path):
    path = tmp_path / "p.vcf"
    path.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "chr1\t100\trs1;rs2\tA\tC,G\t.\t.\t.\n"
    )
    assert _find(path, ("rs2", "G", "A"), ("rs1", "C", ""), ("rs1", "A", "")) == [
        ("1", 100, "A", "G", ""),
        ("1", 100, "A", "C", ""),
        ("1", 100, "", "", SEVERAL_PAIRS),
    ]


def test_without_alleles(tmp_path):
    positions = Positions.of(_write(tmp_path, "bim"), [pa.array(["rs1", "rs3", "rs9"])])
    found = positions.find(np.array(["rs1", "rs3", "rs9"], dtype=object))
    assert found.pos.tolist() == [100, 300, 0]
    assert found.first.tolist() == ["G", "", ""]
    assert found.reason.tolist() == ["", SEVERAL_PAIRS, UNKNOWN_NAME]


def test_all_alternative_alleles_without_alleles(tmp_path):
    names = np.array(["rs1", "rs3", "rs4"], dtype=object)
    found = Positions.of(_write(tmp_path, "vcf"), [pa.array(names, pa.string())]).find(names)
    assert found.first.tolist() == ["A", "G", ""]
    assert found.second.tolist() == ["G", "A,C", ""]
    assert found.reason.tolist() == ["", "", SEVERAL_PLACES]


def test_numbers_of_plink_and_variants_that_it_passes_over(tmp_path):
    path = tmp_path / "p.bim"
    path.write_text("25 a 0 5 A C\n26 b 0 6 A C\n23 c 0 7 A C\n1 d 0 -8 A C\n1 e 0 0 A C\n")
    found = _find(path, *((name, "A", "C") for name in "abcde"))
    assert [row[:2] for row in found] == [("X", 5), ("M", 6), ("X", 7), ("", 0), ("", 0)]


def test_nothing_asked_for(tmp_path):
    positions = Positions.of(_write(tmp_path, "bim"), [])
    assert positions.find(np.array(["rs1"], dtype=object)).reason.tolist() == [UNKNOWN_NAME]


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match=r"missing\.bim"):
        Positions.of(tmp_path / "missing.bim", [])
    path = tmp_path / "p.bim"
    path.write_text("1 rs1 0 x A C\n")
    with pytest.raises(InputError, match=r"line 1 .*'x'"):
        Positions.of(path, [])
    path.write_text("#chr\tbp\n1\t5\n")
    with pytest.raises(InputError, match="no column #CHROM"):
        Positions.of(path, [])
