"""The oracle of damaged BCF: records made byte by byte, and damage that it notices."""

from __future__ import annotations

import io
import struct

import pytest

from tests.genomics.fuzz.bcf import read_bcf

CONTIGS = '##contig=<ID=1,length=9,note="ID=no, IDX=7">\n##contig=<length=9,ID=2>\n'


def header(contigs: str = CONTIGS, samples: str = "") -> bytes:
    text = f"##fileformat=VCFv4.2\n{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO{samples}\n\0"
    return b"BCF\2\2" + struct.pack("<I", len(text)) + text.encode()


def string(text: bytes) -> bytes:
    """A typed string: short ones with their length in the type, long ones with an integer behind it."""
    if len(text) < 15:
        return bytes([len(text) << 4 | 7]) + text
    return b"\xf7\x12" + struct.pack("<h", len(text)) + text


def site(
    contig: int = 0,
    pos: int = 5,
    name: bytes = b"\x07",
    alleles: tuple[bytes, ...] = (b"\x17A", b"\x17C"),
    rest: bytes = b"\x11\x00",
    info: int = 0,
    formats: int = 0,
    samples: int = 0,
) -> bytes:
    head = struct.pack("<iiifHHI", contig, pos - 1, 1, 0.0, info, len(alleles), formats << 24 | samples)
    return head + name + b"".join(alleles) + rest


def record(site: bytes, samples: bytes = b"") -> bytes:
    return struct.pack("<II", len(site), len(samples)) + site + samples


def read(content: bytes) -> list[tuple[str, int, str, str, list[str]]]:
    return list(read_bcf(io.BytesIO(content)))


def test_literals() -> None:
    info = (
        b"\x11\x01" + b"\x11\x05"  # an integer
        b"\x11\x02" + b"\x25\0\0\0\0\0\0\0\0"  # two floats
        b"\x12\x03\x01" + b"\x00"  # a flag, whose name has two bytes
        b"\x11\x04" + string(b"x" * 300)
    )
    genotypes = b"\x11\x01" + b"\x21\x02\x04\x02\x02" + b"\x11\x02" + b"\x12\x01\x00\x02\x00"
    long = b"ACGT" * 100
    content = header(samples="\tFORMAT\tS1\tS2") + b"".join(
        [
            record(site()),
            record(site(1, 0, string(b"rs1"), (string(long), b"\x17*", string(b"<DEL>")))),
            record(site(rest=b"\x21\0\1" + info, info=4, formats=2, samples=2), genotypes),
            record(site(alleles=(b"\x17A",), rest=b"\x00")),
            record(site(alleles=(b"\x07", b"\x07"), rest=b"")),
            record(site(name=b"\x17\x07", alleles=(b"\x17A", b"\x17\x07"))),
        ]
    )
    assert read(content) == [
        ("1", 5, "", "A", ["C"]),
        ("2", 0, "rs1", long.decode(), ["*", "<DEL>"]),
        ("1", 5, "", "A", ["C"]),
        ("1", 5, "", "A", []),
        ("1", 5, "", "", [""]),
        ("1", 5, "", "A", [""]),
    ]


def test_contigs_are_numbered_by_idx() -> None:
    contigs = "##contig=<ID=b,IDX=4>\n##contig=<ID=a,length=3,IDX=0>\n"
    assert [row[0] for row in read(header(contigs) + record(site(4)) + record(site(0)))] == ["b", "a"]


def test_a_contig_declared_twice_has_its_first_number() -> None:
    contigs = "##contig=<ID=a>\n##contig=<ID=a>\n##contig=<ID=b>\n"
    assert [row[0] for row in read(header(contigs) + record(site(1)))] == ["b"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"BCF\4\2" + header()[5:], "begins with b'BCF.x04.x02'; expected BCF version 2.1 or 2.2"),
        (b"BCF\2\2\1", "expected BCF version"),
        (header()[:-1], r"the header should have \d+ bytes, and the file ends after \d+"),
        (b"BCF\2\2\3\0\0\0##\n", "its header has no end"),
        (header("##contig=<length=5>\n"), "its header has b'##contig=<length=5>'; expected"),
        (header("##contig=<ID=a,IDX=x>\n"), "its header has b'##contig=<ID=a,IDX=x>'"),
        (header("##contig=<ID=a,IDX=1>\n##contig=<ID=b,IDX=1>\n"), "have the same IDX"),
    ],
)
def test_damaged_headers(content: bytes, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        read(content)


@pytest.mark.parametrize(
    ("damaged", "match"),
    [
        (b"\x20\0\0", "it is cut in its first 8 bytes"),
        (record(site())[:-1], "the site should have 31 bytes, and the file ends after 30"),
        (record(site(), b"abc")[:-1], "the samples should have 3 bytes, and the file ends after 2"),
        (record(b"short"), "a value reaches past its end"),
        (record(site(2)), "contig number 2, and its header has no such contig"),
        (record(site(-1)), "contig number -1"),
        (record(site(pos=-1)), "its POS is -1"),
        (record(site(name=b"\x11\x05")), "an ID or allele is of type 1"),
        (record(site(name=b"\x37a\tb")), "its ID is b'a.tb'"),
        (record(site(alleles=(b"\x17A", b"\x11\x00"))), "an ID or allele is of type 1"),
        (record(site(alleles=(b"\x37A,C",))), "an allele is b'A,C'"),
        (record(site(alleles=(b"\x27A\0",))), "an allele is b'A.x00'"),
        (record(site(alleles=(b"\x27A\x07",))), "an allele is b'A.x07'"),
        (record(site(alleles=(b"\xf7\x11\xffA",))), "a column has -1 values"),
        (record(site(alleles=(b"\xf7\x17A",))), "byte 0x17 is where an integer should begin"),
        (record(site(alleles=(b"\x17A", b"\xf7\x11\x7fC"))), "a value reaches past its end"),
        (record(site(rest=b"\x16\x00")), "values of type 6, which BCF does not have"),
        (record(site(rest=b"\x11\0\x11\0\x11\0")), "its site has 35 bytes, and its columns take 31"),
        (record(site(rest=b"\x41\0")), "its site has 31 bytes, and its columns take 34"),
        (record(site(info=1)), "a value reaches past its end"),
        (record(site(rest=b"\x11\0\x11\xff\x11\0", info=1)), "column is number -1"),
        (record(site(), b"\x11\x01\x11\x02"), "its samples have 4 bytes, and its columns take 0"),
        (record(site(formats=1, samples=3), b"\x11\x01\x11\x02"), "4 bytes, and its columns take 6"),
        # Two records in one, by the length of the first:
        (record(site() + record(site())), "its site has 70 bytes, and its columns take 31"),
    ],
)
def test_damaged_records(damaged: bytes, match: str) -> None:
    """The record before it is read, the error counts from one."""
    records = read_bcf(io.BytesIO(header() + record(site()) + damaged))
    assert next(records) == ("1", 5, "", "A", ["C"])
    with pytest.raises(ValueError, match=f"record 2 is damaged: .*{match}"):
        next(records)
