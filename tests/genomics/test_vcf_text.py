"""The text of VCF files: what changed in another program's hands, and definitions that BCF needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mifm_kipoi.genomics.bcf import refusal
from mifm_kipoi.genomics.vcf_text import Comparison, contig_lengths, declare_all

TYPES = {
    b"INFO/I": b"Integer", b"INFO/F": b"Float", b"INFO/S": b"String", b"INFO/FL": b"Flag",
    b"FORMAT/GT": b"String", b"FORMAT/AD": b"Integer", b"FORMAT/GP": b"Float",
}  # fmt: skip


def line(pos: str = "5", qual: str = ".", filters: str = ".", info: str = ".", *samples: str) -> bytes:
    return "\t".join(["1", pos, "rs1", "A", "C", qual, filters, info, *samples]).encode() + b"\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (line("0300"), line("300")),
        (line(qual="1e3"), line(qual="1000")),
        (line(qual=""), line(qual=".")),
        (line(filters="q10;s5"), line(filters="s5;q10")),
        (line(info="I=1;;"), line(info="I=1")),
        (line(info="I=;F="), line(info="I=.;F=.")),
        (line(info="I=+5,007,12.0"), line(info="I=5,7,12")),
        (line(info="F=0.12345678,NaN,1e-7"), line(info="F=0.123457,nan,1e-07")),
        (line(info="I=1;I=2"), line(info="I=1;I=2")),
        (line("5", ".", ".", ".", "GT:AD", "0/1", "1"), line("5", ".", ".", ".", "GT:AD", "0/1:.", "1:.")),
        (line("5", ".", ".", ".", "GP", "0.10,0.90"), line("5", ".", ".", ".", "GP", "0.1,0.9")),
    ],
)
def test_the_same_values(before: bytes, after: bytes) -> None:
    comparison = Comparison(TYPES)
    comparison.add(before, after)
    assert (comparison.records, str(comparison)) == (0, "")


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (line("300"), line("301"), "POS of 1 record (at 1:300 '300' becomes '301')"),
        (line(qual="abc"), line(qual="0"), "QUAL of 1 record (at 1:5 'abc' becomes '0')"),
        (line(qual=""), line(qual="0"), "QUAL of 1 record (at 1:5 '' becomes '0')"),
        (line(filters="q10;s5"), line(filters="q10"), "FILTER of 1 record (at 1:5 'q10;s5' becomes 'q10')"),
        (line(info="I=2148352434"), line(info="I=."), "INFO/I of 1 record (at 1:5 '2148352434' becomes '.')"),
        (line(info="I=1e3"), line(info="I=1"), "INFO/I of 1 record (at 1:5 '1e3' becomes '1')"),
        (line(info="I=12.7"), line(info="I=12"), "INFO/I of 1 record (at 1:5 '12.7' becomes '12')"),
        (line(info="I=16777217"), line(info="I=16777216"), "INFO/I of 1 record (at 1:5 '16777217' becomes"),
        (line(info="F=abc"), line(info="F=."), "INFO/F of 1 record (at 1:5 'abc' becomes '.')"),
        (line(info="F=1e-50"), line(info="F=0"), "INFO/F of 1 record (at 1:5 '1e-50' becomes '0')"),
        (line(info="F=1,2"), line(info="F=1"), "INFO/F of 1 record (at 1:5 '1,2' becomes '1')"),
        (line(info="S=1.0"), line(info="S=1"), "INFO/S of 1 record (at 1:5 '1.0' becomes '1')"),
        (line(info="FL=1"), line(info="FL"), "INFO/FL of 1 record (at 1:5 '1' becomes '')"),
        (line(info="I=1;S=x"), line(info="I=1"), "INFO/S of 1 record (at 1:5 'S=x' becomes 'nothing')"),
        (line(info="I=1;I=2"), line(info="I=1"), "INFO/I of 1 record (at 1:5 'I=2' becomes 'nothing')"),
        (
            line("5", ".", ".", ".", "GT:AD", "0/1:3", "1/1:4294967297"),
            line("5", ".", ".", ".", "GT:AD", "0/1:3", "1/1:."),
            "FORMAT/AD of 1 record (at 1:5 '4294967297' becomes '.')",
        ),
        (
            line("5", ".", ".", ".", "GT:AD", "0/1:3"),
            line("5", ".", ".", ".", "GT", "0/1"),
            "FORMAT of 1 record (at 1:5 'GT:AD' becomes 'GT')",
        ),
    ],
)
def test_other_values(before: bytes, after: bytes, change: str) -> None:
    comparison = Comparison(TYPES)
    comparison.add(before, after)
    assert comparison.records == 1
    assert str(comparison).startswith(change)


def test_changes_are_counted_by_record_and_tag() -> None:
    comparison = Comparison(TYPES)
    for pos in range(1, 6):
        comparison.add(
            line(str(pos), info="I=1e3;F=x"), line(str(pos), info=f"I=1;F={'.' if pos > 3 else 'x'}")
        )
    comparison.add(line("9", info="F=1"), line("9", info="F=1.0"))
    assert comparison.records == 5
    assert str(comparison) == (
        "INFO/I of 5 records (at 1:1 '1e3' becomes '1'); INFO/F of 2 records (at 1:4 'x' becomes '.')"
    )


def test_declare_all(tmp_path: Path) -> None:
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2"
    defined = ['##INFO=<ID=I,Number=1,Type=Integer,Description="x">', "##contig=<ID=2>"]
    (tmp_path / "x.vcf").write_text(
        "\n".join(["##fileformat=VCFv4.2", *defined, '##INFO=<ID=Q,Description="a "b"">', columns])
        + "\n1\t5\t\tA\tC\t\tlow\tI=1;Q=2\tGT:X\t0/1:3\n2\t6\t.\tA\tC\t.\tPASS\t.\n"
    )
    declared = declare_all(tmp_path / "x.vcf", tmp_path / "y.vcf")
    assert (declared.records, declared.types[b"INFO/I"]) == (2, b"Integer")
    assert declared.left_out == [b'##INFO=<ID=Q,Description="a "b"">']
    text = ',Number=.,Type=String,Description="not declared in the input">'
    assert (tmp_path / "y.vcf").read_text().splitlines() == [
        "##fileformat=VCFv4.2",
        *defined,
        "##contig=<ID=1>",
        '##FILTER=<ID=low,Description="not declared in the input">',
        f"##INFO=<ID=Q{text}",
        f"##FORMAT=<ID=GT{text}",
        f"##FORMAT=<ID=X{text}",
        columns,
        "1\t5\t.\tA\tC\t.\tlow\tI=1;Q=2\tGT:X\t0/1:3\t.",
        "2\t6\t.\tA\tC\t.\tPASS\t.\t.\t.\t.",
    ]


def test_format_without_samples(tmp_path: Path) -> None:
    """htslib cannot read it, and nothing is lost without it."""
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    (tmp_path / "x.vcf").write_text(f"##fileformat=VCFv4.2\n{columns}\tFORMAT\n1\t5\t.\tA\tC\t.\t.\t.\tGT\n")
    declare_all(tmp_path / "x.vcf", tmp_path / "y.vcf")
    assert (tmp_path / "y.vcf").read_text().splitlines()[-2:] == [columns, "1\t5\t.\tA\tC\t.\t.\t."]
    assert refusal(tmp_path / "y.vcf") == ""


def test_contigs_that_a_header_declares() -> None:
    header = [
        "##fileformat=VCFv4.3", "##contig=<ID=1,length=249250621>", "##contig=<assembly=b37,ID=chr2>",
        '##contig=<ID=X,md5=7e,length=155270560,species="man">', "##INFO=<ID=length,Number=1>",
    ]  # fmt: skip
    assert contig_lengths(header) == {"1": 249250621, "chr2": 0, "X": 155270560}
