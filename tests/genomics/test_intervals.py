"""BED files, interval by interval and merged into regions."""

from __future__ import annotations

import gzip
import logging
import re
import resource
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mifm_kipoi.errors import IntervalFileError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import (
    Interval,
    IntervalArrays,
    Regions,
    on_known_contigs,
    read_intervals,
)
from tests.builders import piped, write_fasta

needs_bedtools = pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")


def bed(folder: Path, text: str, name: str = "x.bed") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


class TestReadIntervals:
    """read_intervals: one Interval per line."""

    TEXT = "chr2\t700\t701\tn\t0\t+\nchr1\t10\t20\nchr1\t10\t20\nchr1\t-5\t507\tedge\n"
    INTERVALS = [  # noqa: RUF012 - never changed
        Interval("chr2", 700, 701, "n"),
        Interval("chr1", 10, 20, "."),
        Interval("chr1", 10, 20, "."),
        Interval("chr1", -5, 507, "edge"),
    ]

    @pytest.mark.parametrize("name", ["x.bed", "x.bed.gz", "gzipped.gz.bed"])
    def test_in_the_order_of_the_file(self, tmp_path: Path, name: str) -> None:
        path = bed(tmp_path, self.TEXT, name)
        if name.startswith("gzipped"):
            path.write_bytes(gzip.compress(path.read_bytes()))
        assert list(read_intervals(path)) == self.INTERVALS

    def test_the_path_can_be_a_string(self, tmp_path: Path) -> None:
        assert list(read_intervals(str(bed(tmp_path, self.TEXT)))) == self.INTERVALS

    def test_comments_track_lines_blank_lines_and_windows_line_ends(self, tmp_path: Path) -> None:
        head = "# made by hand\ntrack name=windows\nbrowser position chr1:1-100\n\n"
        text = head + self.TEXT.replace("chr1\t10", "#chr1\t1\t2\n \nchr1\t10", 1)
        assert list(read_intervals(bed(tmp_path, text.replace("\n", "\r\n")))) == self.INTERVALS

    @pytest.mark.parametrize("compressed", [False, True])
    def test_of_a_pipe(self, tmp_path: Path, compressed: bool) -> None:
        """More than what is read at once, of which the first bytes say what the format is."""
        lines = [f"chr1\t{start}\t{start + 1}\n" for start in range(20_000)]
        text = "".join(lines).encode()
        with piped(gzip.compress(text) if compressed else text, tmp_path / "pipe.bed") as pipe:
            assert [interval.start for interval in read_intervals(pipe)] == list(range(20_000))

    def test_contigs_that_are_named_like_lines_for_browsers(self, tmp_path: Path) -> None:
        path = bed(tmp_path, "track\tname=x\ntrack_1\t1\t2\nbrowser2\t3\t4\n")
        assert [interval.chrom for interval in read_intervals(path)] == ["track_1", "browser2"]

    def test_a_byte_order_mark_and_blanks_are_not_of_the_contig(self, tmp_path: Path) -> None:
        (interval,) = read_intervals(bed(tmp_path, "\ufeffchr1 \t1\t2\n"))
        assert interval.chrom == "chr1"

    def test_no_line_end_at_the_end(self, tmp_path: Path) -> None:
        assert list(read_intervals(bed(tmp_path, self.TEXT.rstrip("\n")))) == self.INTERVALS

    def test_an_empty_file_has_no_intervals(self, tmp_path: Path) -> None:
        assert list(read_intervals(bed(tmp_path, ""))) == []

    def test_an_id_that_is_not_utf8_survives(self, tmp_path: Path) -> None:
        path = tmp_path / "x.bed"
        path.write_bytes(b"1\t10\t20\tsite\xe9\n")
        (interval,) = read_intervals(path)
        assert interval.id.encode(errors="surrogateescape") == b"site\xe9"

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            (
                "chr1 10 20",
                r"line 3 of .*x\.bed is not BED \(it has 1 columns\); expected chrom, start and end",
            ),
            ("chr1\t10", r"line 3 of .* \(it has 2 columns\)"),
            ("chr1\tten\t20", r"line 3 of .*'ten'"),
            ("chr1\t10\t20.5", r"line 3 of .*'20\.5'"),
            ("chr1\t20\t10", "line 3 of .*start 20 is not before its end 10"),
            ("chr1\t1_0\t20", r"line 3 of .*'1_0' is not a whole number"),
            ("chr1\t10\t+20", r"line 3 of .*'\+20'"),
            ("chr1\t 10\t20", "line 3 of .*' 10'"),
            ("chr1\t\u0661\t20", "line 3 of .*'\u0661'"),
            ("chr1\t10\t2147483648", "line 3 of .*'2147483648' is not a whole number up to 2147483647"),
            ("chr1\t10\t" + "9" * 5000, "line 3 of .*'9{30}' is not a whole number"),
            ("chr1\t20\t20", "line 3 of .*start 20 is not before its end 20"),
        ],
    )
    def test_a_line_that_is_not_bed(self, tmp_path: Path, line: str, match: str) -> None:
        path = bed(tmp_path, f"# comment\nchr1\t1\t2\n{line}\nchr1\t3\t4\n")
        intervals = read_intervals(path)
        assert next(intervals) == Interval("chr1", 1, 2, ".")
        with pytest.raises(IntervalFileError, match=match):
            next(intervals)

    def test_gzip_cut_to_its_first_byte(self, tmp_path: Path) -> None:
        """The byte is a separator of records, which Python counts among the blanks."""
        path = tmp_path / "x.bed.gz"
        path.write_bytes(b"\x1f")
        with pytest.raises(IntervalFileError, match=r"line 1 of .* is not BED \(it has 1 columns\)"):
            list(read_intervals(path))

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(IntervalFileError, match=r"cannot read the BED file .*No such file"):
            list(read_intervals(tmp_path / "x.bed"))

    def test_truncated_gzip(self, tmp_path: Path) -> None:
        path = bed(tmp_path, self.TEXT, "x.bed.gz")
        path.write_bytes(path.read_bytes()[:-4])
        with pytest.raises(IntervalFileError, match=r"cannot read the BED file .*end-of-stream"):
            list(read_intervals(path))


@needs_bedtools
class TestRegions:
    """Regions: merged, half-open, sought by contig."""

    def test_boundaries(self, tmp_path: Path) -> None:
        regions = Regions(bed(tmp_path, "1\t100\t110\n1\t200\t201\n"))
        expected = {
            (99, 100): False,
            (100, 101): True,
            (109, 110): True,
            (110, 111): False,
            (90, 100): False,
            (90, 101): True,
            (109, 300): True,
            (110, 200): False,
            (150, 160): False,
            (200, 201): True,
            (201, 202): False,
            (0, 10_000): True,
        }
        assert {span: regions.overlap("1", *span) for span in expected} == expected

    def test_unsorted_nested_and_adjoining_intervals_merge(self, tmp_path: Path) -> None:
        """[10, 20) + [15, 30) + [12, 14) + [30, 40) make [10, 40); [41, 50) stays apart."""
        regions = Regions(bed(tmp_path, "1\t41\t50\n1\t15\t30\n1\t30\t40\n1\t10\t20\n1\t12\t14\n"))
        covered = [position for position in range(60) if regions.overlap("1", position, position + 1)]
        assert covered == [*range(10, 40), *range(41, 50)]
        assert regions.cover("1", 10, 40)
        assert not regions.cover("1", 10, 41)
        assert not regions.cover("1", 9, 12)
        assert not regions.cover("1", 39, 42)
        assert regions.cover("1", 41, 50)
        assert not regions.cover("1", 0, 5)
        assert not regions.cover("1", 55, 58)

    def test_contigs_are_apart(self, tmp_path: Path) -> None:
        regions = Regions(bed(tmp_path, "2\t100\t110\n10\t200\t210\n"))
        assert regions.overlap("2", 105, 106)
        assert not regions.overlap("10", 105, 106)
        assert not regions.overlap("1", 105, 106)
        assert not regions.cover("1", 105, 106)

    @pytest.mark.parametrize(
        ("in_file", "sought", "found"),
        [
            ("chr1", "1", True),
            ("1", "chr1", True),
            ("chrM", "MT", True),
            ("MT", "chrM", True),
            ("M", "chrMT", True),
            ("chr1", "chr11", False),
            ("Chr1", "1", True),
            ("chrX", "23", True),
            ("1", "NC_000001.10", True),
        ],
    )
    def test_names_of_contigs(self, tmp_path: Path, in_file: str, sought: str, found: bool) -> None:
        regions = Regions(bed(tmp_path, f"{in_file}\t100\t110\n"))
        assert regions.overlap(sought, 105, 106) is found
        assert regions.cover(sought, 105, 106) is found

    def test_one_file_may_name_a_contig_in_several_ways(self, tmp_path: Path) -> None:
        regions = Regions(bed(tmp_path, "20\t100\t110\nchr20\t105\t120\nchrM\t5\t6\nMT\t8\t9\n"))
        for name in ("20", "chr20"):
            covered = [start for start in range(90, 130) if regions.overlap(name, start, start + 1)]
            assert covered == list(range(100, 120))
            assert regions.cover(name, 100, 120)
        assert [regions.overlap("M", start, start + 1) for start in range(4, 10)] == [
            False, True, False, False, True, False,
        ]  # fmt: skip
        assert regions.contigs == ("20", "chr20", "chrM", "MT")

    def test_what_reaches_over_the_start_of_a_contig(self, tmp_path: Path) -> None:
        regions = Regions(bed(tmp_path, "1\t-5\t20\n2\t-9\t-4\n"))
        assert regions.cover("1", 0, 20)
        assert not regions.overlap("2", 0, 100)

    def test_of_a_pipe(self, tmp_path: Path) -> None:
        text = "".join(f"1\t{start}\t{start + 2}\n" for start in range(0, 40_000, 4))
        with piped(text.encode(), tmp_path / "pipe.bed") as pipe:
            regions = Regions(pipe)
        assert [regions.overlap("1", start, start + 1) for start in (0, 1, 2, 3, 39_996, 39_998)] == [
            True, True, False, False, True, False,
        ]  # fmt: skip

    def test_a_temporary_folder_that_is_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file that cannot be written is named, not the one that was read."""
        lines = "".join(f"1\t{start}\t{start + 1}\n" for start in range(0, 20_000, 3))
        path = bed(tmp_path, lines)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, before[1]))
        try:
            with pytest.raises(
                IntervalFileError, match=rf"in the temporary folder {tmp_path}: File too large"
            ):
                Regions(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert [left.name for left in tmp_path.iterdir()] == ["x.bed"]

    def test_accessions_of_another_build(self, tmp_path: Path) -> None:
        genome = Genome(write_fasta(tmp_path / "x.fa", {"NC_000001.11": "ACGT" * 20}))
        assert Regions(bed(tmp_path, "NC_000001.11\t1\t2\n1\t5\t6\n"), genome).overlap("chr1", 5, 6)
        with pytest.raises(IntervalFileError, match=r"NC_000001\.11 of GRCh38, NC_000001\.10 of GRCh37"):
            Regions(bed(tmp_path, "NC_000001.10\t1\t2\n"), genome)
        with pytest.raises(IntervalFileError, match=r"NC_000001\.11 of GRCh38, NC_000002\.11 of GRCh37"):
            Regions(bed(tmp_path, "NC_000001.11\t1\t2\nNC_000002.11\t1\t2\n"))

    def test_contigs_that_the_genome_does_not_have(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        genome = Genome(write_fasta(tmp_path / "x.fa", {"1": "ACGT" * 20, "2": "ACGT" * 20}))
        some = bed(tmp_path, "chr1\t1\t2\n7\t1\t2\n", "some.bed")
        none = bed(tmp_path, "".join(f"c{number}\t1\t2\n" for number in range(9)), "none.bed")
        Regions(some, genome)
        list(on_known_contigs(read_intervals(some), genome, some))
        assert caplog.messages == []
        Regions(none, genome)
        list(on_known_contigs(read_intervals(none), genome, none))
        said = r"x\.fa has none of the contigs of .*none\.bed \(c0, c1, c2, c3, c4 and 4 more\), but 1, 2;"
        assert [bool(re.search(said, message)) for message in caplog.messages] == [True, True]
        assert {record.levelno for record in caplog.records} == {logging.WARNING}

    def test_gzip_comments_and_further_columns(self, tmp_path: Path) -> None:
        text = "# comment\ntrack name=x\nchr1\t10\t20\tname\t0\t+\n"
        regions = Regions(bed(tmp_path, text, "x.bed.gz"))
        assert regions.overlap("chr1", 19, 20)
        assert not regions.overlap("chr1", 20, 21)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(IntervalFileError, match=r"cannot read the BED file .*x\.bed: No such file"):
            Regions(tmp_path / "x.bed")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(IntervalFileError, match=r"cannot read the BED file .*: Is a directory"):
            Regions(tmp_path)

    @pytest.mark.parametrize("text", ["", "# nothing but a comment\n"])
    def test_empty(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(IntervalFileError, match="has no interval; expected BED lines"):
            Regions(bed(tmp_path, text))

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("chr1\t10\t20\nchr1\t30\n", r"line 2 of .* \(it has 2 columns\)"),
            ("chr1 10 20\n", r"line 1 of .* \(it has 1 columns\)"),
            ("chr1\t20\t10\n", "line 1 of .*start 20 is not before its end 10"),
            ("chr1\tten\t20\n", "line 1 of .*'ten' is not a whole number"),
            ("chr1\t10\t20x\n", "line 1 of .*'20x' is not a whole number"),
        ],
    )
    def test_malformed(self, tmp_path: Path, text: str, match: str) -> None:
        path = bed(tmp_path, text)
        with pytest.raises(IntervalFileError, match=match) as caught:
            Regions(path)
        assert str(path) in str(caught.value)

    def test_gzip_cut_behind_a_line(self, tmp_path: Path) -> None:
        """The text that is left is whole lines, which bedtools takes for all of the file."""
        lines = "".join(f"1\t{start}\t{start + 5}\n" for start in range(0, 100_000, 10))
        path = bed(tmp_path, lines, "x.bed.gz")
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(IntervalFileError, match=r"cannot read the BED file .*end-of-stream"):
            Regions(path)


def test_regions_without_bedtools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(
        IntervalFileError, match="bedtools, which reads BED files, is not installed; install it"
    ):
        Regions(bed(tmp_path, "1\t10\t20\n"))


def same_arrays(path: Path) -> IntervalArrays:
    """The arrays of a file, which must be what reading it line by line gives."""
    arrays = IntervalArrays.read(path)
    rows = zip(
        (arrays.contigs[code] for code in arrays.contig),
        arrays.start.tolist(),
        arrays.end.tolist(),
        (arrays.names[code] for code in arrays.name),
        strict=True,
    )
    assert [Interval(*row) for row in rows] == list(read_intervals(path))
    return arrays


@pytest.mark.parametrize(
    "text",
    [
        "1\t0\t5\n2\t3\t9\n",
        "chr1\t0\t5\ta\nchr1\t3\t9\tb\nchr2\t-4\t9\ta",
        "track\n1\t0\t5\tA\n1\t6\t7\tB\nbrowser\n2\t1\t2\tC\n",
        "track\r1\t0\t5\n1\t6\t7\n",
        "# comment\ntrack name=x\nbrowser position\ntracked\t1\t2\n\n1\t5\t6\n \t\n#\n1\t7\t8\n",
        "\ufeff1\t0\t5\tNA\n1\t6\t7\t\n",
        "1\t0\t5\r\n1\t6\t7\r\n",
        "1\t0\t5\tx\t960\t+\n2\t1\t2\ty\t1\t-\n",
        "1\t0\t5\tx\n2\t1\t2\n",
        ' 1\t0\t5\t"x\n1\t5\t6\tx"\n',
        "",
        "#nothing\n",
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_what_lines_give(tmp_path: Path, text: str, compressed: bool) -> None:
    path = tmp_path / "a.bed"
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    same_arrays(path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.sampled_from(
            [
                "track", "browser", "track name=x", "track\tname=x", "browser ", "tracks\t1\t2\ta",
                "#", "# x", "", " ", "\t", "1\t0\t5\ta", "1\t7\t9\tb", "chr2\t-3\t4\tc",
            ]
        )
    ),
    end=st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    last=st.booleans(),
)  # fmt: skip
def test_arrays_are_what_lines_give_for_any_lines_between_intervals(
    tmp_path: Path, lines: list[str], end: str, last: bool
) -> None:
    path = tmp_path / "a.bed"
    path.write_bytes((end.join(lines) + end * last).encode())
    assert len(same_arrays(path)) == sum(line.count("\t") == 3 for line in lines)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1\t0\t5\n1\t7\t7\n", "line 2 of .*a.bed is not BED"),
        (b"1\t0\t5\n1\t0x1\t7\n", "line 2 of .*'0x1' is not a whole number"),
        (b"1\t0\t99999999999\n", "line 1 of .*'99999999999' is not a whole number"),
        (b"1\t0\n", "line 1 of .*it has 2 columns"),
        (b"1 0 5\n", "line 1 of .*it has 1 columns"),
        (gzip.compress(b"1\t0\t5\n" * 1000, mtime=0)[:-9], "cannot read the BED file .* after line"),
    ],
)
def test_what_is_not_bed_is_the_same_error_as_of_lines(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.bed"
    path.write_bytes(content)
    with pytest.raises(IntervalFileError, match=words):
        IntervalArrays.read(path)
