"""Reading variants: one per ALT, whatever the file's format, and errors that say where."""

from __future__ import annotations

import errno
import gzip
import io
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from mifm_kipoi.errors import VariantFileError
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Variant, VariantFile, read_variants
from tests.builders import vcf_text, write_vcf

HEADER = """\
##fileformat=VCFv4.2
##contig=<ID=1,length=100000>
##contig=<ID=2,length=100000>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""

RECORDS = """\
2\t500\trs5\tA\tG\t.\t.\t.
1\t100\t.\tacg\ta,T,<DEL:ME>\t.\t.\t.
1\t90\trs1;rs2\tc\t.\t.\t.\t.
1\t90\trs1;rs2\tc\t.\t.\t.\t.
1\t0\ttelomere\tN\tg[2:321[,]2:321]t,.c,*,<*>\t.\t.\t.
"""

VARIANTS = [
    Variant("2", 500, "rs5", "A", "G"),
    Variant("1", 100, ".", "ACG", "A"),
    Variant("1", 100, ".", "ACG", "T"),
    Variant("1", 100, ".", "ACG", "<DEL:ME>"),
    Variant("1", 90, "rs1;rs2", "C", "."),
    Variant("1", 90, "rs1;rs2", "C", "."),
    Variant("1", 0, "telomere", "N", "g[2:321["),
    Variant("1", 0, "telomere", "N", "]2:321]t"),
    Variant("1", 0, "telomere", "N", ".c"),
    Variant("1", 0, "telomere", "N", "*"),
    Variant("1", 0, "telomere", "N", "<*>"),
]
"""RECORDS: unsorted, with duplicates, and in their order."""


def program(name: str) -> str:
    """Path of a program; the test is skipped where it is absent."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def write_bgzip(path: Path, text: str) -> Path:
    path.write_bytes(
        subprocess.run([program("bgzip"), "-c"], input=text.encode(), capture_output=True, check=True).stdout
    )
    return path


def bgzip_ends(packed: bytes) -> list[int]:
    """Offsets at which the blocks of a bgzip file end, from the sizes that their headers give."""
    ends = [0]
    while ends[-1] < len(packed):
        (size,) = struct.unpack_from("<H", packed, ends[-1] + 16)
        ends.append(ends[-1] + size + 1)
    return ends[1:]


def many_records() -> str:
    """A VCF of several bgzip blocks."""
    return vcf_text(("1", pos, "A", "C") for pos in range(1, 6001))


@pytest.mark.parametrize(
    ("variant", "start", "end", "is_snv", "key"),
    [
        (Variant("1", 5, "rs1", "A", "C"), 4, 5, True, "1:5:A:C"),
        (Variant("chr2", 1, ".", "ACG", "A"), 0, 3, False, "chr2:1:ACG:A"),
        (Variant("X", 10, ".", "A", "AT"), 9, 10, False, "X:10:A:AT"),
        (Variant("1", 5, ".", "A", "*"), 4, 5, False, "1:5:A:*"),
        (Variant("1", 5, ".", "N", "C"), 4, 5, False, "1:5:N:C"),
        (Variant("1", 5, ".", "A", "."), 4, 5, False, "1:5:A:."),
        (Variant("1", 5, ".", "AC", "GT"), 4, 6, False, "1:5:AC:GT"),
    ],
)
def test_what_a_variant_says_of_itself(
    variant: Variant, start: int, end: int, is_snv: bool, key: str
) -> None:
    assert (variant.start, variant.end, variant.is_snv, variant.key, str(variant)) == (
        start, end, is_snv, key, key
    )  # fmt: skip


def test_plain_vcf(tmp_path: Path) -> None:
    assert list(read_variants(write(tmp_path / "x.vcf", HEADER + RECORDS))) == VARIANTS


def test_the_path_can_be_a_string(tmp_path: Path) -> None:
    assert list(read_variants(str(write(tmp_path / "x.vcf", HEADER + RECORDS)))) == VARIANTS


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(gzip.compress((HEADER + RECORDS).encode()))
    assert list(read_variants(path)) == VARIANTS


def test_gzip_of_several_members(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(gzip.compress(HEADER.encode()) + gzip.compress(RECORDS.encode()))
    assert list(read_variants(path)) == VARIANTS


def test_the_name_does_not_decide_the_format(tmp_path: Path) -> None:
    path = tmp_path / "variants.txt"
    path.write_bytes(gzip.compress((HEADER + RECORDS).encode()))
    assert list(read_variants(path)) == VARIANTS


def test_bgzip(tmp_path: Path) -> None:
    assert list(read_variants(write_bgzip(tmp_path / "x.vcf.gz", HEADER + RECORDS))) == VARIANTS


@pytest.mark.parametrize("kind", ["b", "u"])
def test_bcf(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / "x.vcf", HEADER + RECORDS)
    path = tmp_path / "x.bcf"
    subprocess.run(
        [program("bcftools"), "view", f"-O{kind}", "-o", path, source], check=True, capture_output=True
    )
    assert list(read_variants(path)) == VARIANTS


def test_sample_columns_change_nothing(tmp_path: Path) -> None:
    header = HEADER.rstrip("\n") + "\tFORMAT\tS1\tS2\n"
    records = "".join(f"{line}\tGT\t0/1\t./.\n" for line in RECORDS.splitlines())
    assert list(read_variants(write(tmp_path / "x.vcf", header + records))) == VARIANTS


def test_records_without_samples_under_a_header_with_samples(tmp_path: Path) -> None:
    header = HEADER.rstrip("\n") + "\tFORMAT\tS1\n"
    assert list(read_variants(write(tmp_path / "x.vcf", header + RECORDS))) == VARIANTS


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="windows line ends"),
        pytest.param(lambda text: text.rstrip("\n"), id="no line end at the end"),
        pytest.param(lambda text: text.replace("2\t500", "\n2\t500") + "\n\n", id="blank lines"),
        pytest.param(
            lambda text: text.replace("##contig=<ID=1,length=100000>\n", ""), id="undeclared contig"
        ),
    ],
)
def test_harmless_irregularities(tmp_path: Path, change) -> None:
    text = change(HEADER + RECORDS)
    assert text != HEADER + RECORDS
    assert list(read_variants(write(tmp_path / "x.vcf", text))) == VARIANTS


def test_empty_alleles_and_ids_are_missing_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "x.vcf", HEADER + "1\t5\t\tA\t\t.\t.\t.\n1\t6\tx\t\tG,,T\t.\t.\t.\n")
    assert list(read_variants(path)) == [
        Variant("1", 5, ".", "A", "."),
        Variant("1", 6, "x", ".", "G"),
        Variant("1", 6, "x", ".", "."),
        Variant("1", 6, "x", ".", "T"),
    ]


def test_an_id_that_is_not_utf8_survives(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    path.write_bytes(HEADER.encode() + b"1\t5\trs\xe9\tA\tC\t.\t.\t.\n")
    (variant,) = read_variants(path)
    assert variant.id.encode(errors="surrogateescape") == b"rs\xe9"


def test_empty_columns_at_the_end_of_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "x.vcf", HEADER + "1\t5\t.\tA\tC\t.\t.\t.\t\t \n")
    assert list(read_variants(path)) == [Variant("1", 5, ".", "A", "C")]


def test_a_file_without_records_has_no_variants(tmp_path: Path) -> None:
    assert list(read_variants(write(tmp_path / "x.vcf", HEADER))) == []


def test_a_bcf_file_without_records_has_no_variants(tmp_path: Path) -> None:
    source = write(tmp_path / "x.vcf", HEADER)
    path = tmp_path / "x.bcf"
    subprocess.run([program("bcftools"), "view", "-Ob", "-o", path, source], check=True, capture_output=True)
    assert list(read_variants(path)) == []


def test_reading_streams(tmp_path: Path) -> None:
    """The first variant comes before the damaged second line is read."""
    path = write(tmp_path / "x.vcf", HEADER + "1\t5\t.\tA\tC\t.\t.\t.\nnonsense\n")
    variants = read_variants(path)
    assert next(variants) == Variant("1", 5, ".", "A", "C")
    with pytest.raises(VariantFileError, match="after 1:5: line 6 has 1 columns instead of 8"):
        next(variants)


@pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")
class TestRegions:
    """Only variants whose reference allele overlaps a region."""

    def test_the_whole_reference_allele_counts(self, tmp_path: Path) -> None:
        bed = write(tmp_path / "x.bed", "1\t100\t110\n")
        path = write_vcf(
            tmp_path / "x.vcf",
            [
                ("1", 100, "A", "C"),  # 0-based 99: just before
                ("1", 101, "A", "C"),  # 0-based 100: the first base
                ("1", 110, "A", "C"),  # 0-based 109: the last base
                ("1", 111, "A", "C"),  # 0-based 110: just behind
                ("1", 98, "ACGT", "A"),  # [97, 101) reaches in
                ("1", 97, "ACGT", "A"),  # [96, 100) does not
                ("1", 100, "A", "ACGTACGT"),  # an insertion covers its one reference base
                ("2", 105, "A", "C"),  # another contig
            ],
        )
        kept = list(read_variants(path, Regions(bed)))
        assert [variant.id for variant in kept] == ["v2", "v3", "v5"]

    def test_a_file_of_which_nothing_is_kept(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        regions = Regions(write(tmp_path / "x.bed", "7\t100\t110\n"))
        records = [("1", 105, "A", "C"), ("7", 105, "A", "C")]
        assert len(list(read_variants(write_vcf(tmp_path / "x.vcf", records), regions))) == 1
        assert list(read_variants(write_vcf(tmp_path / "none.vcf", []), regions)) == []
        assert caplog.messages == []
        assert list(read_variants(write_vcf(tmp_path / "other.vcf", records[:1]), regions)) == []
        (message,) = caplog.messages
        assert re.search(
            r"no record of .*other\.vcf overlaps a region of .*x\.bed, .* contigs are 7", message
        )

    def test_all_alleles_of_a_record_share_its_fate(self, tmp_path: Path) -> None:
        bed = write(tmp_path / "x.bed", "1\t100\t110\n")
        path = write_vcf(tmp_path / "x.vcf", [("1", 105, "A", "C,G,<DEL>"), ("1", 205, "A", "C,G")])
        assert [variant.alt for variant in read_variants(path, Regions(bed))] == ["C", "G", "<DEL>"]

    def test_contigs_match_with_and_without_chr(self, tmp_path: Path) -> None:
        bed = write(tmp_path / "x.bed", "chr1\t100\t110\n")
        path = write_vcf(
            tmp_path / "x.vcf", [("1", 105, "A", "C"), ("chr1", 106, "A", "C"), ("11", 105, "A", "C")]
        )
        assert [variant.pos for variant in read_variants(path, Regions(bed))] == [105, 106]


def test_records_without_info(tmp_path: Path) -> None:
    records = "1\t10\t.\tA\tG\t.\tPASS\n1\t20\t.\tA\tC\t.\tPASS\n"
    found = list(read_variants(write(tmp_path / "x.vcf", HEADER + records)))
    assert found == [Variant("1", 10, ".", "A", "G"), Variant("1", 20, ".", "A", "C")]


class TestSkip:
    """Records that are passed over, and counted, without being read."""

    def bcf(self, source: Path, path: Path, form: str) -> Path:
        """BCF of a VCF file: ``b`` as bcftools packs it, ``u`` its bytes unpacked."""
        command = [program("bcftools"), "view", "-Ob", "-o", path, source]
        subprocess.run(command, check=True, capture_output=True)
        if form == "u":
            path.write_bytes(gzip.decompress(path.read_bytes()))
        return path

    @pytest.mark.parametrize("form", ["vcf", "vcf.gz", "b", "u"])
    @pytest.mark.parametrize("lines", [False, True])
    def test_the_rest_is_that_of_the_whole_file(self, tmp_path: Path, form: str, lines: bool) -> None:
        text = HEADER + RECORDS.replace("1\t90", "\n\r\n1\t90", 1) + "\n"
        path = write(tmp_path / "x.vcf", text)
        if form == "vcf.gz":
            path = write_bgzip(tmp_path / "x.vcf.gz", text)
        elif form in "bu":
            source = write(tmp_path / "plain.vcf", HEADER + RECORDS)
            path = self.bcf(source, tmp_path / "x.bcf", form)
        with VariantFile(path, lines) as file:
            records = list(file)
        assert [variant for record in records for variant in record.variants] == VARIANTS
        for start in (0, 1, 3, 5, 9):
            with VariantFile(path, lines) as file:
                assert file.skip(start) == min(start, 5)
                assert list(file) == records[start:]
        with VariantFile(path, lines) as file:
            next(iter(file))
            assert file.skip() == 4
            assert file.skip() == 0

    def test_an_error_behind_names_the_same_place(self, tmp_path: Path) -> None:
        records = "1\t10\t.\tA\tG\t.\t.\t.\n2\t20\t.\tA\tG\t.\t.\t.\n1\tx\t.\tA\tG\t.\t.\t.\n"
        path = write(tmp_path / "x.vcf", HEADER + records)
        for start in (0, 1, 2):
            with VariantFile(path) as file:
                file.skip(start)
                with pytest.raises(VariantFileError, match="after 2:20: POS of line 7 is 'x'"):
                    list(file)

    def test_damaged_lines_are_left_to_those_who_read_them(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.vcf", HEADER + "nonsense\n1\tx\n1\t5\t.\tA\tC\t.\t.\t.\n1\t20\tcut")
        with VariantFile(path) as file:
            assert file.skip() == 4
        with VariantFile(path) as file:
            assert file.skip(2) == 2
            records = iter(file)
            assert next(records).variants == (Variant("1", 5, ".", "A", "C"),)
            with pytest.raises(VariantFileError, match="after 1:5: line 8 has 3 columns instead of 8"):
                next(records)

    def test_damaged_compression_is_an_error(self, tmp_path: Path) -> None:
        packed = gzip.compress(many_records().encode())
        path = tmp_path / "x.vcf.gz"
        path.write_bytes(packed[:-9])
        match = r"after 1:\d+: Compressed file ended before"
        with VariantFile(path) as file, pytest.raises(VariantFileError, match=match):
            file.skip()
        path.write_bytes(packed[:-6] + bytes([packed[-6] ^ 0xFF]) + packed[-5:])
        with VariantFile(path) as file, pytest.raises(VariantFileError, match="after 1:6000: CRC check"):
            file.skip()

    def test_a_cut_bcf_file_is_an_error(self, tmp_path: Path) -> None:
        source = write(tmp_path / "x.vcf", many_records())
        for form in "bu":
            path = self.bcf(source, tmp_path / "x.bcf", form)
            packed = path.read_bytes()
            with VariantFile(path) as file:
                assert file.skip() == 6000
            end = packed[bgzip_ends(packed)[-2] :] if form == "b" else b""
            path.write_bytes(packed[: len(packed) // 2] + end)
            with (
                VariantFile(path) as file,
                pytest.raises(VariantFileError, match=r"cannot read .* after 1:\d+"),
            ):
                file.skip()


class TestErrors:
    """What cannot be read is an error that names the file and the place."""

    def fails(self, path: Path, match: str) -> None:
        with pytest.raises(VariantFileError, match=match) as caught:
            list(read_variants(path))
        assert str(path) in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.fails(tmp_path / "x.vcf", "cannot read the variant file .*No such file")

    def test_folder(self, tmp_path: Path) -> None:
        self.fails(tmp_path, "cannot read the variant file .*directory")

    def test_empty(self, tmp_path: Path) -> None:
        self.fails(write(tmp_path / "x.vcf", ""), "is empty; expected a VCF or BCF file")

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            (
                "chrom,pos,ref,alt\n1,2,A,C\n",
                r"begins with 'chrom,pos,ref,alt', not with '##fileformat=VCF'",
            ),
            (">1\nACGT\n", "begins with '>', as a FASTA file does"),
            ("1\t10\t.\tA\tG\t.\t.\t.\n", "before the first record: it begins with"),
            ("##fileformat=VCFv4.2\n1\t10\t.\tA\tG\t.\t.\t.\n", "line 2 is not a header line"),
            (
                "##fileformat=VCFv4.2\n#CHROM POS ID REF ALT QUAL FILTER INFO\n",
                "line 2 has columns .* by blanks",
            ),
            ("##fileformat=VCFv4.2\n##contig=<ID=1>\n", "its header has no end"),
        ],
    )
    def test_no_vcf_or_no_header(self, tmp_path: Path, text: str, match: str) -> None:
        self.fails(write(tmp_path / "x.vcf", text), match)

    @pytest.mark.parametrize("pos", ["1x0", "", "-5", "+5", "1_0", " 5", "1.0", "\u0663", "2147483648"])
    def test_malformed_position(self, tmp_path: Path, pos: str) -> None:
        records = f"1\t10\t.\tA\tG\t.\t.\t.\n2\t20\t.\tA\tG\t.\t.\t.\n1\t{pos}\t.\tA\tG\t.\t.\t.\n"
        self.fails(write(tmp_path / "x.vcf", HEADER + records), "after 2:20: POS of line 7 is '")

    def test_the_largest_position(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.vcf", HEADER + "1\t2147483647\t.\tA\tG\t.\t.\t.\n")
        assert [variant.pos for variant in read_variants(path)] == [2147483647]

    def test_no_contig(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.vcf", HEADER + "1\t10\t.\tA\tG\t.\t.\t.\n\t10\t.\tA\tG\t.\t.\t.\n")
        self.fails(path, "after 1:10: line 6 has no CHROM")

    # A line that is the first on an undeclared contig is where htslib's own check has a hole.
    @pytest.mark.parametrize("contig", ["1", "undeclared"])
    @pytest.mark.parametrize(
        ("cut", "columns"),
        [
            ("{}", 1),
            ("{}\t20", 2),
            ("{}\t20\tx\tAC", 4),
            ("{}\t20\tx\tAC\tACG", 5),
            ("{}\t20\tx\tAC\tG\t.\t.", 7),
        ],
    )
    def test_truncated_line(self, tmp_path: Path, contig: str, cut: str, columns: int) -> None:
        path = write(tmp_path / "x.vcf", HEADER + "1\t10\t.\tA\tG\t.\t.\t.\n" + cut.format(contig))
        self.fails(path, f"after 1:10: line 6 has {columns} columns instead of 8")

    def test_line_truncated_in_the_samples(self, tmp_path: Path) -> None:
        header = HEADER.rstrip("\n") + "\tFORMAT\tS1\tS2\n"
        record = "1\t{}\t.\tA\tG\t.\t.\t.\tGT\t0/1"
        path = write(tmp_path / "x.vcf", header + record.format(10) + "\t0/0\n" + record.format(20))
        self.fails(path, "after 1:10: line 6 has 10 columns instead of 11")

    def test_a_lost_line_end(self, tmp_path: Path) -> None:
        """The second record would stand in columns that nobody reads."""
        records = "1\t10\t.\tA\tG\t.\t.\t.1\t20\t.\tA\tC\t.\t.\t.\n"
        path = write(tmp_path / "x.vcf", HEADER + records)
        self.fails(path, "line 5 has 15 columns instead of 8; is a line end missing")

    def test_a_lost_line_end_of_the_header(self, tmp_path: Path) -> None:
        record = "1\t10\t.\tA\tG\t.\t.\t.\n"
        path = write(tmp_path / "x.vcf", HEADER.rstrip("\n") + record * 2)
        self.fails(path, "line 4 continues after INFO with '1.*, not with FORMAT and the samples")
        samples = HEADER.rstrip("\n") + "\tFORMAT\tS"
        self.fails(
            write(tmp_path / "x.vcf", samples + record * 2), "line 4 names a sample twice, or a line end"
        )

    def test_truncated_gzip(self, tmp_path: Path) -> None:
        packed = gzip.compress(many_records().encode())
        for cut in (len(packed) // 2, len(packed) - 8, len(packed) - 1):
            path = tmp_path / f"{cut}.vcf.gz"
            path.write_bytes(packed[:cut])
            self.fails(path, r"after 1:\d+: Compressed file ended before the end-of-stream marker")

    def test_damaged_gzip(self, tmp_path: Path) -> None:
        packed = bytearray(gzip.compress(many_records().encode()))
        packed[-6] ^= 0xFF  # in the checksum
        path = tmp_path / "x.vcf.gz"
        path.write_bytes(packed)
        self.fails(path, "after 1:6000: CRC check failed")

    def test_bgzip_cut_inside_a_block(self, tmp_path: Path) -> None:
        path = write_bgzip(tmp_path / "x.vcf.gz", many_records())
        packed = path.read_bytes()
        ends = bgzip_ends(packed)
        assert len(ends) > 3
        path.write_bytes(packed[: ends[1] + 50])
        self.fails(path, "is truncated: bgzip's end-of-file mark is missing")

    def test_bgzip_cut_at_the_end_of_a_block(self, tmp_path: Path) -> None:
        """Every block is whole, and only the empty one that marks the end is missing."""
        path = write_bgzip(tmp_path / "x.vcf.gz", HEADER + RECORDS)
        packed = path.read_bytes()
        ends = bgzip_ends(packed)
        assert len(ends) == 2
        path.write_bytes(packed[: ends[0]])
        self.fails(path, "is truncated: bgzip's end-of-file mark is missing")

    def test_bgzip_with_a_hole(self, tmp_path: Path) -> None:
        """A mark at the end does not hide a block that was cut."""
        path = write_bgzip(tmp_path / "x.vcf.gz", many_records())
        packed = path.read_bytes()
        ends = bgzip_ends(packed)
        path.write_bytes(packed[: ends[1] - 100] + packed[ends[-2] :])
        self.fails(path, r"cannot read .* after 1:\d+")

    def test_cut_bcf(self, tmp_path: Path) -> None:
        source = write(tmp_path / "x.vcf", many_records())
        path = tmp_path / "x.bcf"
        subprocess.run(
            [program("bcftools"), "view", "-Ob", "-o", path, source], check=True, capture_output=True
        )
        packed = path.read_bytes()
        path.write_bytes(packed[: len(packed) // 2])
        self.fails(path, "is truncated: bgzip's end-of-file mark is missing")
        path.write_bytes(packed[: len(packed) // 2] + packed[bgzip_ends(packed)[-2] :])
        self.fails(path, r"cannot read .* after 1:\d+")


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "records"),
    [("kipoiseq_chr22_ENST00000319363.vcf.gz", 9212), ("kipoiseq_test_with_multiple_variants.vcf.gz", None)],
)
def test_real_files(reference_data: Path, name: str, records: int | None) -> None:
    path = reference_data / "data" / "variants" / name
    with gzip.open(path, "rt") as lines:
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
    expected = [(row[0], int(row[1]), row[3].upper(), len(row[4].split(","))) for row in rows]
    assert records in (None, len(rows))
    found = list(read_variants(path))
    assert len(found) == sum(alleles for *_, alleles in expected)
    places = [(chrom, pos, ref) for chrom, pos, ref, alleles in expected for _ in range(alleles)]
    assert [(variant.chrom, variant.pos, variant.ref) for variant in found] == places


SPREADSHEETS = [
    (lambda text: b"\xef\xbb\xbf" + text, "it begins with a byte order mark, as spreadsheets write it"),
    (lambda text: text.decode().encode("utf-16"), "it begins as text in UTF-16, as spreadsheets write it"),
    (lambda text: text.replace(b"##fileformat", b'"##fileformat'), "it begins with a quote, as spreadsheets"),
    (lambda text: text.replace(b"##contig", b'"##contig'), "line 2 is in quotes, as spreadsheets"),
    (lambda text: text.replace(b"\t", b";"), "line 3 has columns that are separated by semicolons"),
    (lambda text: text.replace(b"\t", b","), "line 3 has columns that are separated by commas"),
    (lambda text: text.replace(b"\t", b" "), "line 3 has columns that are separated by blanks"),
    (
        lambda text: text.replace(b"9\t", b"9 ").replace(b"\t.", b" ."),
        "line 4 has columns that are separated",
    ),
    (lambda text: b">1\nACGT\n" + text, "it begins with '>', as a FASTA file does; the variants come first"),
]


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(("change", "match"), SPREADSHEETS)
def test_what_a_spreadsheet_saves_is_named(
    tmp_path: Path, change: Callable[[bytes], bytes], match: str, gzipped: bool
) -> None:
    columns = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    head = b"##fileformat=VCFv4.2\n##contig=<ID=1,length=9>\n"
    content = change(head + columns + b"1\t9\t.\tA\tC\t.\t.\t.\n")
    path = tmp_path / "x.vcf"
    path.write_bytes(gzip.compress(content) if gzipped else content)
    with pytest.raises(VariantFileError, match=f"cannot read .*x.vcf .*{match}"):
        list(read_variants(path))


@pytest.mark.parametrize("text", ["AC=1;DB", "a b c d e f g h", "x,y,z,1,2,3,4,5"])
def test_text_in_info_is_not_taken_for_columns(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.vcf"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_text(f"{head}1\t9\t.\tA\tC\t.\t.\t{text}\n")
    assert len(list(read_variants(path))) == 1


def test_a_full_temporary_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BCF from a pipe is copied; the error is not the file's."""
    source = tmp_path / "x.vcf"
    source.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    path = tmp_path / "x.bcf"
    subprocess.run([program("bcftools"), "view", "-Ob", "-o", path, source], check=True, capture_output=True)

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with path.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        with pytest.raises(
            VariantFileError, match=r"cannot copy - into the temporary folder .*No space left"
        ):
            VariantFile("-")
