"""BCF through htslib: the lines that a child process writes, and the checked lengths of records."""

from __future__ import annotations

import gzip
import io
import subprocess
from pathlib import Path

import pytest

from mifm_kipoi.errors import VariantFileError
from mifm_kipoi.genomics.bcf import as_vcf, record_sites, refusal
from mifm_kipoi.genomics.variants import Variant, VariantFile, read_variants
from tests.genomics.fuzz.test_bcf import header, record, site, string
from tests.genomics.test_variants import HEADER, program

DEFINITIONS = (
    "##contig=<ID=1,length=9>\n##contig=<ID=2,length=9>\n"
    '##INFO=<ID=I,Number=.,Type=Integer,Description="x">\n##INFO=<ID=F,Number=.,Type=Float,Description="x">\n'
    '##INFO=<ID=S,Number=1,Type=String,Description="x">\n'
    '##FORMAT=<ID=A,Number=.,Type=Integer,Description="x">\n'
)
"""In the dictionary of strings, PASS is number 0, I 1, F 2, S 3 and A 4."""

INFO = b"\x11\x01\x11\x05\x12\x02\x00\x25" + bytes(8) + b"\x11\x03" + string(b"x" * 300)
"""An integer, two floats under a name of two bytes, and a long string."""

TWO_SAMPLES = b"\x11\x04" + b"\x21\x02\x04\x02\x02"
"""Two integers of one byte for each of two samples."""


def bcf(*records: bytes, samples: str = "\tFORMAT\tS1\tS2") -> bytes:
    return header(DEFINITIONS, samples) + b"".join(records)


SAMPLES = record(site(rest=b"\x11\0" + INFO, info=3, formats=1, samples=2), TWO_SAMPLES)
PLAIN = record(site(1, 7, string(b"rs1"), (string(b"AC" * 200), b"\x17*", string(b"<DEL>"))))
WITHOUT = record(site(formats=0, samples=0))


def sites(content: bytes) -> list[tuple[int, int, int]]:
    return list(record_sites(io.BytesIO(content)))


def test_sites_of_literals() -> None:
    assert sites(bcf(SAMPLES, PLAIN, record(site(alleles=(b"\x17A",), rest=b"")))) == [
        (5, 2, 3),
        (7, 3, 0),
        (5, 1, 0),
    ]
    assert sites(bcf()) == []


@pytest.mark.parametrize(
    ("damaged", "match"),
    [
        (b"\x20\0\0", "it is cut in its first 32 bytes"),
        (record(site())[:-1], "its site should have 7 more bytes, and the file ends after 6"),
        (record(site(), b"abc")[:-1], "its samples should have 3 more bytes, and the file ends after 2"),
        (record(site(info=1)), "a value reaches past its end"),
        (record(site(alleles=(b"\xf7\x17A",))), "byte 0x17 is where an integer should begin"),
        (record(site(rest=b"\x11\0\x11\0\x11\0")), "its site should have 7 bytes by its columns, and has 11"),
        (record(site(rest=b"\x41\0")), "its site should have 10 bytes by its columns, and has 7"),
        (record(site(), b"\x11\x01\x11\x02"), "its samples should have 0 bytes by its columns, and has 4"),
        (record(site(formats=1, samples=3), TWO_SAMPLES), "its samples should have 9 bytes by .*, and has 7"),
        # Two records in one, by the length of the first, of which htslib says nothing:
        (record(site() + record(site())), "its site should have 7 bytes by its columns, and has 46"),
    ],
)
def test_lengths_that_are_wrong(damaged: bytes, match: str) -> None:
    """The record before is read, the error counts from one."""
    records = record_sites(io.BytesIO(bcf(SAMPLES, damaged)))
    assert next(records) == (5, 2, 3)
    with pytest.raises(ValueError, match=f"record 2 is damaged: .*{match}"):
        next(records)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_record_of_two_is_an_error(tmp_path: Path, compressed: bool) -> None:
    """bcftools, and cyvcf2 as well, make one record of it and end well."""
    content = bcf(WITHOUT, record(site(pos=6) + record(site(pos=7))), samples="")
    path = tmp_path / "x.bcf"
    path.write_bytes(gzip.compress(content) if compressed else content)
    with path.open("rb", buffering=0) as file, as_vcf(file) as lines:
        assert [line.split(b"\t")[1] for line in lines if not line.startswith(b"#")] == [b"5", b"6"]
    with pytest.raises(VariantFileError, match=r"x.bcf after 1:5: record 2 is damaged: its site should have"):
        list(read_variants(path))


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(record(site(2)), id="contig that the header lacks"),
        pytest.param(record(site(pos=-1)), id="negative position"),
        pytest.param(record(site(name=b"\x11\x05")), id="ID of a number"),
        pytest.param(record(site(name=string(b"a\tb"))), id="tab in an ID"),
        pytest.param(record(site(alleles=(string(b"A,C"),))), id="comma in REF"),
        pytest.param(record(site(alleles=(b"\x17A", string(b"A,C")))), id="comma in ALT"),
        pytest.param(record(site(rest=b"\x16\x00")), id="type that BCF does not have"),
        pytest.param(record(site(rest=b"\x11\0\x11\x09\x11\0", info=1)), id="INFO that the header lacks"),
    ],
)
def test_damage_that_htslib_notices(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "x.bcf"
    path.write_bytes(bcf(WITHOUT, damaged, samples=""))
    with pytest.raises(VariantFileError, match=r"x.bcf (near its start|after 1:5): "):
        list(read_variants(path))


@pytest.mark.parametrize("value", [b"a;b", b"x;I=7"])
def test_a_semicolon_in_a_value_of_info(tmp_path: Path, value: bytes) -> None:
    """VCF has none there: two entries would be made of one."""
    path = tmp_path / "x.bcf"
    text = b"\x11\x03" + string(value)
    path.write_bytes(bcf(WITHOUT, record(site(rest=b"\x11\0" + text, info=1)), samples=""))
    with VariantFile(path) as file:
        assert len(list(file)) == 2
    with (
        VariantFile(path, lines=True) as file,
        pytest.raises(
            VariantFileError, match="record 2 is damaged: a value in INFO at position 5 has a semi"
        ),
    ):
        list(file)


@pytest.mark.parametrize("compressed", [False, True])
def test_lines_of_the_header_that_htslib_leaves_out(
    tmp_path: Path, compressed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.bcf"
    odd = '##GATKCommandLine=<ID=X,CommandLine="say "a" twice">\n'
    for more, said in (("", []), (odd, [f"1 lines of the header of {path}, such as {odd.strip()}"])):
        content = header(DEFINITIONS + more) + WITHOUT
        path.write_bytes(gzip.compress(content) if compressed else content)
        with VariantFile(path, lines=True) as file:
            assert len(list(file)) == 1
        assert [message.partition("leaves out, ")[2] for message in caplog.messages] == said


def test_a_refusal_names_the_record(tmp_path: Path) -> None:
    head = "##fileformat=VCFv4.2\n##contig=<ID=1>\n" + DEFINITIONS.partition("\n")[2].partition("\n")[2]
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
    path = tmp_path / "x.vcf"
    path.write_text(head + columns + "1\t5\t.\tA\tC\t.\t.\t.\tA\t7\n")
    assert refusal(path) == ""
    path.write_text(head + columns + "1\t5\t.\tA\tC\t.\t.\t.\tA\tseven\n")
    assert "'A' FORMAT field at 1:5" in refusal(path)


def test_lines_with_and_without_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.bcf"
    path.write_bytes(bcf(SAMPLES))
    for samples, end in ((True, b"\tA\t2,4\t2,2"), (False, b"")):
        with path.open("rb", buffering=0) as file, as_vcf(file, samples) as lines:
            *head, line = lines
        assert head[0].startswith(b"##fileformat=VCFv4.2")
        assert head[-1].endswith(b"INFO\tFORMAT\tS1\tS2\n" if samples else b"INFO\n")
        assert line == b"1\t5\t.\tA\tC\t0\tPASS\tI=5;F=0,0;S=" + b"x" * 300 + end + b"\n"


def test_the_child_ends_with_the_reader(tmp_path: Path) -> None:
    """More is written than a pipe holds, and nobody reads it."""
    path = tmp_path / "x.bcf"
    path.write_bytes(bcf(*[SAMPLES] * 20_000))
    with VariantFile(path) as file:
        assert next(iter(file)).variants[0].pos == 5
        assert 0 < file.fraction_read <= 1


@pytest.mark.parametrize("compressed", [False, True])
def test_an_id_that_is_not_utf8_survives(tmp_path: Path, compressed: bool) -> None:
    content = bcf(record(site(name=string(b"rs\xe9"))), samples="")
    path = tmp_path / "x.bcf"
    path.write_bytes(gzip.compress(content) if compressed else content)
    for lines in (False, True):
        with VariantFile(path, lines=lines) as file:
            ((record_read),) = file
        (variant,) = record_read.variants
        assert variant == Variant("1", 5, "rs\udce9", "A", "C")
        assert record_read.line == (b"1\t5\trs\xe9\tA\tC\t0\tPASS\t." if lines else b"")


def test_bcf_2_1_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.bcf"
    path.write_bytes(b"BCF\2\1" + bcf(WITHOUT, samples="")[5:])
    with pytest.raises(VariantFileError, match=r"x.bcf near its start: bcftools cannot read it"):
        list(read_variants(path))


def test_a_plain_gzip_file_that_is_cut(tmp_path: Path) -> None:
    packed = gzip.compress(bcf(*[SAMPLES] * 3000))
    for cut in (len(packed) // 2, len(packed) - 8, len(packed) - 1):
        path = tmp_path / f"{cut}.bcf"
        path.write_bytes(packed[:cut])
        with pytest.raises(VariantFileError, match=rf"cannot read .*{cut}.bcf"):
            list(read_variants(path))


@pytest.mark.parametrize("kind", ["-Ob", "-Ou"])
def test_cyvcf2_reads_the_same(example: Path, tmp_path: Path, kind: str) -> None:
    cyvcf2 = pytest.importorskip("cyvcf2")
    path = tmp_path / "x.bcf"
    vcf = example / "variants.vcf"
    written = subprocess.run([program("bcftools"), "view", kind, vcf], check=True, capture_output=True).stdout
    assert (written[:3] == b"BCF") == (kind == "-Ou")
    path.write_bytes(written)
    reader = cyvcf2.VCF(str(path))
    expected = [(row.CHROM, row.POS, row.ID or ".", row.REF, row.ALT or ["."]) for row in reader]
    reader.close()
    assert len(expected) > 30
    with VariantFile(path) as file:
        found = [record.variants for record in file]
    assert [
        (first.chrom, first.pos, first.id, first.ref, [first.alt, *(each.alt for each in rest)])
        for first, *rest in found
    ] == expected


def test_header_lines(tmp_path: Path) -> None:
    """The header's lines are those of a VCF, the last that of the columns."""
    source = tmp_path / "x.vcf"
    source.write_text(HEADER)
    path = tmp_path / "x.bcf"
    subprocess.run([program("bcftools"), "view", "-Ob", "-o", path, source], check=True)
    with VariantFile(path, lines=True) as file:
        assert file.header[0] == b"##fileformat=VCFv4.2"
        assert b"##contig=<ID=2,length=100000>" in file.header
        assert file.header[-1] == b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
