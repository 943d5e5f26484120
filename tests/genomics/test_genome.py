"""FASTA access: the right bases wherever they lie, and errors with a remedy."""

from __future__ import annotations

import concurrent.futures
import gzip
import multiprocessing
import os
import pickle
import random
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from Bio import bgzf

from mifm_kipoi.errors import GenomeError
from mifm_kipoi.genomics import fasta_index
from mifm_kipoi.genomics import genome as genome_module
from mifm_kipoi.genomics.genome import Genome
from tests.builders import write_fasta

BLOCK = 65_536

needs_bgzip = pytest.mark.skipif(shutil.which("bgzip") is None, reason="bgzip is not installed")


def text(genome: Genome, contig: str, start: int, end: int) -> str:
    return genome.fetch(contig, start, end).tobytes().decode()


def compress(path: Path) -> Path:
    """A bgzip copy of a file, without an index."""
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(subprocess.run(["bgzip", "-c", path], capture_output=True, check=True).stdout)
    return packed


def random_bases(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def rewrite(path: Path, content: bytes, seconds_later: float) -> None:
    """Replace a file's content, its time shifted against the time that it has now."""
    time = path.stat().st_mtime + seconds_later
    path.write_bytes(content)
    os.utime(path, (time, time))


class TestFetch:
    """fetch: 0-based half-open, upper case, N outside."""

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (0, 10, "ACGTNACGTN"),
            (0, 1, "A"),
            (9, 10, "N"),
            (3, 7, "TNAC"),
            (5, 5, ""),
            (-3, 2, "NNNAC"),
            (8, 12, "TNNN"),
            (-2, 12, "NNACGTNACGTNNN"),
            (-5, 0, "NNNNN"),
            (10, 13, "NNN"),
            (-9, -4, "NNNNN"),
            (100, 103, "NNN"),
        ],
    )
    @pytest.mark.parametrize("line", [1, 3, 5, 10, 60])
    def test_literals(self, tmp_path: Path, line: int, start: int, end: int, expected: str) -> None:
        contigs = {"before": "GGGGGGG", "x": "ACgtnacGTN", "after": "CCCCC"}
        genome = Genome(write_fasta(tmp_path / "x.fa", contigs, line))
        assert text(genome, "x", start, end) == expected
        assert genome.fetch("x", start, end).dtype == "uint8"

    def test_contigs_and_their_lengths(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fa"
        path.write_text(">chr1 a description\nACGT\nAC\n>2\nA\n>empty\n")
        genome = Genome(path)
        assert genome.contigs == {"chr1": 6, "2": 1, "empty": 0}
        assert text(genome, "chr1", 0, 6) == "ACGTAC"
        assert text(genome, "empty", -1, 1) == "NN"

    def test_windows_line_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fa"
        path.write_bytes(b">a\r\nACG\r\nTTT\r\nG\r\n>b\r\nCCC\r\n")
        genome = Genome(path)
        assert genome.contigs == {"a": 7, "b": 3}
        assert text(genome, "a", 1, 9) == "CGTTTGNN"
        assert text(genome, "b", 0, 3) == "CCC"

    def test_other_letters_stay(self, tmp_path: Path) -> None:
        genome = Genome(write_fasta(tmp_path / "x.fa", {"a": "ryKMn"}))
        assert text(genome, "a", 0, 5) == "RYKMN"

    @needs_bgzip
    @pytest.mark.parametrize("bgzipped", [False, True])
    def test_around_the_blocks_of_the_cache(self, tmp_path: Path, bgzipped: bool) -> None:
        contigs = {
            "x": random_bases(7),
            "a": random_bases(3 * BLOCK + 10),
            "b": random_bases(2 * BLOCK, seed=1),
        }
        path = write_fasta(tmp_path / "x.fa", contigs)
        genome = Genome(compress(path) if bgzipped else path)
        for contig in ("a", "b"):
            bases = contigs[contig]
            for edge in (BLOCK, 2 * BLOCK, 3 * BLOCK):
                for start, end in [
                    (edge - 1, edge),
                    (edge, edge + 1),
                    (edge - 300, edge + 212),
                    (edge - 5, edge + 5),
                ]:
                    assert text(genome, contig, start, end) == bases[start:end].ljust(end - start, "N")
            assert text(genome, contig, BLOCK - 1, 2 * BLOCK) == bases[BLOCK - 1 : 2 * BLOCK]
            assert text(genome, contig, -1, len(bases) + 1) == f"N{bases}N"

    @needs_bgzip
    def test_bgzip_gives_the_same_as_plain(self, tmp_path: Path) -> None:
        contigs = {"1": random_bases(100_000), "2": random_bases(50_000, seed=1).lower()}
        path = write_fasta(tmp_path / "x.fa", contigs)
        plain, packed = Genome(path), Genome(compress(path))
        assert plain.contigs == packed.contigs == {"1": 100_000, "2": 50_000}
        generator = random.Random(2)
        for _ in range(200):
            contig = generator.choice(["1", "2"])
            start = generator.randrange(-600, plain.contigs[contig] + 100)
            end = start + generator.randrange(700)
            assert text(packed, contig, start, end) == text(plain, contig, start, end)
        assert text(packed, "2", 0, 50_000) == contigs["2"].upper()


class TestContigs:
    """Names with and without chr, and those of the mitochondrion."""

    @pytest.mark.parametrize(
        ("in_fasta", "sought", "found"),
        [
            ("chr1", "1", "chr1"),
            ("1", "chr1", "1"),
            ("chr1", "chr1", "chr1"),
            ("chr1", "11", None),
            ("chr1", "CHR1", None),
            ("chrM", "MT", "chrM"),
            ("chrM", "M", "chrM"),
            ("MT", "chrM", "MT"),
            ("M", "chrMT", "M"),
            ("chrMT", "M", "chrMT"),
        ],
    )
    def test_find_contig(self, tmp_path: Path, in_fasta: str, sought: str, found: str | None) -> None:
        assert Genome(write_fasta(tmp_path / "x.fa", {in_fasta: "ACGT"})).find_contig(sought) == found

    def test_the_exact_name_wins(self, tmp_path: Path) -> None:
        """hg19 has two mitochondria that differ, chrM and MT: which one M means cannot be known."""
        names = ["chr1", "1", "chrM", "MT"]
        genome = Genome(write_fasta(tmp_path / "x.fa", dict.fromkeys(names, "ACGT")))
        assert [genome.find_contig(name) for name in names] == names
        assert genome.find_contig("M") is None


class TestIndex:
    """The index is made where it is missing or outdated, or the error says what to do."""

    def test_is_made(self, tmp_path: Path) -> None:
        path = write_fasta(tmp_path / "x.fa", {"a": "ACGTAC", "b": "GG"}, line=4)
        Genome(path)
        # name, bases, offset of the first base, bases per line, bytes per line
        assert (tmp_path / "x.fa.fai").read_text() == "a\t6\t3\t4\t5\nb\t2\t14\t2\t3\n"

    @needs_bgzip
    def test_is_made_for_bgzip(self, tmp_path: Path) -> None:
        path = compress(write_fasta(tmp_path / "x.fa", {"a": random_bases(200_000)}))
        Genome(path)
        assert (tmp_path / "x.fa.gz.fai").read_text() == "a\t200000\t3\t60\t61\n"
        index = (tmp_path / "x.fa.gz.gzi").read_bytes()
        # 203,337 bytes are four bgzip blocks of up to 65,280 bytes; the first has no entry.
        assert struct.unpack_from("<Q", index) == (3,)

    @needs_bgzip
    def test_of_bgzip_is_what_bgzip_makes(self, tmp_path: Path) -> None:
        path = compress(write_fasta(tmp_path / "x.fa", {"a": random_bases(200_000)}))
        Genome(path)
        made = (tmp_path / "x.fa.gz.gzi").read_bytes()
        subprocess.run(["bgzip", "--reindex", path], check=True, capture_output=True)
        assert (tmp_path / "x.fa.gz.gzi").read_bytes() == made

    def test_missing_in_a_folder_that_cannot_be_written_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_fasta(tmp_path / "x.fa", {"a": "ACGT"})
        monkeypatch.setattr(fasta_index.os, "access", lambda *_: False)
        with pytest.raises(
            GenomeError, match=r"has no index \(x\.fa\.fai\) and its folder cannot be written to; copy"
        ):
            Genome(path)
        assert not (tmp_path / "x.fa.fai").exists()

    @needs_bgzip
    def test_half_an_index_in_a_folder_that_cannot_be_written_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = compress(write_fasta(tmp_path / "x.fa", {"a": "ACGT"}))
        Genome(path)
        (tmp_path / "x.fa.gz.gzi").unlink()
        monkeypatch.setattr(fasta_index.os, "access", lambda *_: False)
        with pytest.raises(GenomeError, match=r"has no index \(x\.fa\.gz\.gzi\)"):
            Genome(path)

    def test_suffices_in_a_folder_that_cannot_be_written_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_fasta(tmp_path / "x.fa", {"a": "ACGT"})
        Genome(path)
        monkeypatch.setattr(fasta_index.os, "access", lambda *_: False)
        assert text(Genome(path), "a", 0, 4) == "ACGT"

    def test_outdated_is_made_anew(self, tmp_path: Path) -> None:
        path = write_fasta(tmp_path / "x.fa", {"a": "A" * 500, "b": "C" * 500})
        Genome(path)
        rewrite(path, b">a\n" + b"G" * 777 + b"\n>b\n" + b"T" * 500 + b"\n", seconds_later=60)
        genome = Genome(path)
        assert genome.contigs == {"a": 777, "b": 500}
        assert text(genome, "a", 0, 778) == "G" * 777 + "N"
        assert text(genome, "b", 0, 500) == "T" * 500

    @needs_bgzip
    def test_outdated_is_made_anew_for_bgzip(self, tmp_path: Path) -> None:
        path = compress(write_fasta(tmp_path / "x.fa", {"a": "A" * 500, "b": "C" * 500}))
        Genome(path)
        other = compress(write_fasta(tmp_path / "other.fa", {"a": random_bases(200_000), "b": "T" * 500}))
        rewrite(path, other.read_bytes(), seconds_later=60)
        genome = Genome(path)
        assert text(genome, "a", 0, 200_000) == random_bases(200_000)
        assert text(genome, "b", 0, 500) == "T" * 500

    def test_outdated_in_a_folder_that_cannot_be_written_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Copies of a FASTA and its index are of any age: what counts is that they fit."""
        path = write_fasta(tmp_path / "x.fa", {"a": "ACGT"})
        Genome(path)
        monkeypatch.setattr(fasta_index.os, "access", lambda *_: False)
        rewrite(path, b">a\nGGGG\n", seconds_later=60)
        assert text(Genome(path), "a", 0, 4) == "GGGG"
        rewrite(path, b">a\nGGGGG\n", seconds_later=60)
        with pytest.raises(GenomeError, match=r"the end of its last contig .*copy or link the file, without"):
            Genome(path)

    @pytest.mark.parametrize("writable", [True, False])
    def test_empty(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool) -> None:
        """As a program that was killed leaves it."""
        path = write_fasta(tmp_path / "x.fa", {"a": "ACGT"})
        (tmp_path / "x.fa.fai").touch()
        if writable:
            assert text(Genome(path), "a", 0, 4) == "ACGT"
            return
        monkeypatch.setattr(fasta_index.os, "access", lambda *_: False)
        with pytest.raises(GenomeError, match=r"has an empty index \(x\.fa\.fai\) and its folder cannot"):
            Genome(path)

    @needs_bgzip
    @pytest.mark.parametrize("bgzipped", [False, True])
    def test_of_a_file_whose_time_lies_in_the_future(self, tmp_path: Path, bgzipped: bool) -> None:
        """As on a file server with another clock: the index is made once."""
        path = write_fasta(tmp_path / "x.fa", {"a": "ACGT"})
        path = compress(path) if bgzipped else path
        later = path.stat().st_mtime + 3600
        os.utime(path, (later, later))
        Genome(path)
        made = {name: name.stat().st_ino for name in tmp_path.glob("*i")}
        assert len(made) == 1 + bgzipped
        assert text(Genome(path), "a", 0, 4) == "ACGT"
        assert {name: name.stat().st_ino for name in tmp_path.glob("*i")} == made

    def test_of_a_longer_fasta(self, tmp_path: Path) -> None:
        """A FASTA cut after its index was made, whose time does not tell."""
        path = write_fasta(tmp_path / "x.fa", {"a": "A" * 500})
        genome = Genome(path)
        rewrite(path, path.read_bytes()[:300], seconds_later=-60)
        with pytest.raises(
            GenomeError, match=r"a:1-500: the file ends 211 bytes too early; .* delete x\.fa\.fai"
        ):
            genome.fetch("a", 0, 500)
        with pytest.raises(GenomeError, match=r"the end of its last contig .* delete x\.fa\.fai"):
            Genome(path)


class TestErrors:
    """What is no FASTA file with random access is refused with the reason."""

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(GenomeError, match=r"cannot read the FASTA file .*x\.fa: No such file"):
            Genome(tmp_path / "x.fa")

    def test_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "x.fa")
        with pytest.raises(GenomeError, match=r"x\.fa is a pipe and is read in any order; save it to a file"):
            Genome(tmp_path / "x.fa")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(GenomeError, match=r"cannot read the FASTA file .*directory"):
            Genome(tmp_path)

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (b"", "is empty; expected a FASTA file"),
            (b"@read\nACGT\n+\nIIII\n", "is not a FASTA file: it begins with '@'; expected '>'"),
            (b"ACGT\n", "is not a FASTA file: it begins with 'A'"),
            (b"\n\n", "cannot index the FASTA file"),
            (b">a\nAC\n>a\nGT\n", "cannot index the FASTA file .*: lines 1 and 3 have the same name, 'a'"),
            (
                b">a\nACGT\nAC\nACGT\n",
                "those of 'a' have 4 bases, and line 4 follows line 3, which is shorter",
            ),
            (b">\nACGT\n", "cannot index the FASTA file .*: line 1 has '>' and no name"),
        ],
    )
    def test_not_fasta(self, tmp_path: Path, content: bytes, match: str) -> None:
        path = tmp_path / "x.fa"
        path.write_bytes(content)
        with pytest.raises(GenomeError, match=match):
            Genome(path)

    def test_plain_gzip(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fa.gz"
        path.write_bytes(gzip.compress(b">a\nACGT\n"))
        with pytest.raises(
            GenomeError, match=r"plain gzip, .*: gunzip -c x\.fa\.gz \| bgzip -c > x\.fa\.bgz"
        ):
            Genome(path)

    @needs_bgzip
    def test_bgzip_by_another_name(self, tmp_path: Path) -> None:
        packed = compress(write_fasta(tmp_path / "x.fa", {"a": "ACGT"}))
        with pytest.raises(GenomeError, match=r"its name must end in \.gz or \.bgz"):
            Genome(packed.rename(tmp_path / "y.fa"))

    @needs_bgzip
    def test_damaged_bgzip(self, tmp_path: Path) -> None:
        bases = random_bases(300_000)
        path = compress(write_fasta(tmp_path / "x.fa", {"a": bases}))
        Genome(path)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        rewrite(path, content, seconds_later=0)
        genome = Genome(path)
        assert text(genome, "a", 0, 500) == bases[:500]
        with pytest.raises(GenomeError, match=r"cannot read .* at a:131073-196608: .*the file is damaged"):
            genome.fetch("a", 150_000, 150_512)
        assert text(genome, "a", 299_000, 300_000) == bases[299_000:]

    @needs_bgzip
    @pytest.mark.parametrize("fraction", [0.5, 1.0])
    def test_cut_bgzip(self, tmp_path: Path, fraction: float) -> None:
        """Cut inside a block, and before the mark at the end."""
        path = compress(write_fasta(tmp_path / "x.fa", {"a": random_bases(300_000)}))
        content = path.read_bytes()[:-28]
        path.write_bytes(content[: int(fraction * len(content))])
        for _ in range(2):
            with pytest.raises(GenomeError, match="cannot index the FASTA file"):
                Genome(path)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fa"
        path.write_bytes(">a\nAC\u00e9GT\n".encode())
        with pytest.raises(
            GenomeError, match=r"line 2 has '\\xc3' among the bases, in column 3; only letters"
        ):
            Genome(path)
        path.write_bytes(b">a\nACG\xc3\xa9T\nC\n")
        Path(f"{path}.fai").write_text("a\t7\t3\t6\t7\n")
        genome = Genome(path)
        with pytest.raises(GenomeError, match=r"cannot read .* at line 2 \(a:4\), which has '\\xc3' among"):
            genome.fetch("a", 0, 4)


class TestProcesses:
    """Every process reads for itself."""

    @pytest.fixture
    def bases(self) -> str:
        return random_bases(4 * BLOCK)

    @pytest.fixture
    def genome(self, tmp_path: Path, bases: str) -> Genome:
        return Genome(write_fasta(tmp_path / "x.fa", {"a": bases}))

    def test_pickling(self, genome: Genome, bases: str) -> None:
        genome.fetch("a", 0, 4 * BLOCK)
        packed = pickle.dumps(genome)
        assert len(packed) < 1000
        copy = pickle.loads(packed)
        assert (copy.path, copy.contigs) == (genome.path, {"a": 4 * BLOCK})
        assert text(copy, "a", BLOCK - 10, BLOCK + 10) == bases[BLOCK - 10 : BLOCK + 10]

    def test_in_a_spawned_worker(self, genome: Genome, bases: str) -> None:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            found = pool.submit(genome.fetch, "a", 2 * BLOCK - 256, 2 * BLOCK + 256).result()
        assert found.tobytes().decode() == bases[2 * BLOCK - 256 : 2 * BLOCK + 256]

    # Newer Pythons warn of forking beside threads, which torch starts in other tests.
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_in_a_forked_process(self, genome: Genome, bases: str) -> None:
        """The child has the right bases, and does not move the parent's position in the file."""
        assert text(genome, "a", 0, 10) == bases[:10]
        descriptor = genome._file.fileno()
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(write_end, text(genome, "a", 3 * BLOCK - 100, 3 * BLOCK + 100).encode())
            finally:
                os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            found = pipe.read().decode()
        assert os.waitpid(child, 0)[1] == 0
        assert found == bases[3 * BLOCK - 100 : 3 * BLOCK + 100]
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == position
        assert text(genome, "a", BLOCK, BLOCK + 10) == bases[BLOCK : BLOCK + 10]


class TestCache:
    """A bounded number of blocks is kept, those used last."""

    @pytest.fixture
    def genome(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Genome:
        """Five blocks of 100 bases, of which three are kept."""
        monkeypatch.setattr(genome_module, "_BLOCK", 100)
        monkeypatch.setattr(genome_module, "_CACHED_BLOCKS", 3)
        return Genome(write_fasta(tmp_path / "x.fa", {"a": random_bases(500)}))

    @pytest.fixture
    def reads(self, genome: Genome, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """First positions of the blocks read from the file."""
        read = genome._file.read_bases
        starts: list[int] = []

        def recorded(contig: str, start: int, end: int) -> npt.NDArray[np.uint8]:
            starts.append(start)
            return read(contig, start, end)

        monkeypatch.setattr(genome._file, "read_bases", recorded)
        return starts

    def test_blocks_are_read_once(self, genome: Genome, reads: list[int]) -> None:
        for start in (0, 10, 90, 150, 5):
            genome.fetch("a", start, start + 20)
        assert reads == [0, 100]

    def test_the_block_used_longest_ago_goes(self, genome: Genome, reads: list[int]) -> None:
        for start in (0, 100, 200, 0, 300, 0, 100):
            genome.fetch("a", start, start + 1)
        assert reads == [0, 100, 200, 300, 100]

    def test_is_bounded(self, genome: Genome, reads: list[int]) -> None:
        for start in (0, 100, 200, 300, 400) * 3:
            assert text(genome, "a", start, start + 100) == random_bases(500)[start : start + 100]
            assert len(genome._blocks) <= 3
        assert len(reads) == 15

    def test_memory_is_four_mebibytes(self) -> None:
        assert genome_module._BLOCK * genome_module._CACHED_BLOCKS == 4 * 2**20


class TestFetchWindows:
    """fetch_windows: many stretches of one length; fetch is the reference."""

    @pytest.mark.parametrize("block", [1, 7, 100, BLOCK])
    @pytest.mark.parametrize(
        "starts",
        [
            [],
            [5],
            [-20, -1, 0, 1, 90, 99, 100, 101, 199, 240, 249, 260],
            [240, 3, 3, 100, -5, 99, 240, 0],
        ],
    )
    def test_are_those_of_single_looks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, starts: list[int]
    ) -> None:
        monkeypatch.setattr(genome_module, "_BLOCK", block)
        genome = Genome(write_fasta(tmp_path / "genome.fa", {"1": random_bases(250), "2": "ACGT"}))
        found = genome.fetch_windows("1", np.array(starts, dtype=np.int64), 20)
        assert (found.shape, found.dtype) == ((len(starts), 20), np.uint8)
        assert [row.tobytes().decode() for row in found] == [
            text(genome, "1", start, start + 20) for start in starts
        ]


def test_an_index_of_another_file_is_noticed(tmp_path: Path) -> None:
    """A FASTA that is replaced by an older one, whose time does not tell."""
    path = write_fasta(tmp_path / "genome.fa", {"1": "ACGT" * 100})
    Genome(path)
    for contigs in ({"1": "ACGT" * 50}, {"1": "ACGT" * 150}, {"1": "ACGT" * 100, "2": "ACGT"}):
        write_fasta(path, contigs)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        with pytest.raises(GenomeError, match=r"the end of its last contig.*delete genome.fa.fai"):
            Genome(path)


class TestLayout:
    """The index is compared with the file: names before contigs, nothing behind, lines of one length."""

    FASTA = ">a x\nACGTAC\nGT\n>b\nGG\n\n>c\nTTTTTT\nA\n"
    INDEX = "a\t8\t5\t6\t7\nb\t2\t18\t2\t3\nc\t7\t25\t6\t7\n"

    def write(self, folder: Path, fasta: str, index: str) -> Path:
        path = folder / "x.fa"
        path.write_text(fasta)
        (folder / "x.fa.fai").write_text(index)
        return path

    def test_fits(self, tmp_path: Path) -> None:
        genome = Genome(self.write(tmp_path, self.FASTA, self.INDEX))
        assert genome.contigs == {"a": 8, "b": 2, "c": 7}
        assert [text(genome, name, 0, 9) for name in "abc"] == ["ACGTACGTN", "GGNNNNNNN", "TTTTTTANN"]

    def test_comments_before_the_first_contig(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fa"
        path.write_text("; a comment\n\n" + self.FASTA)
        assert Genome(path).contigs == {"a": 8, "b": 2, "c": 7}

    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            pytest.param("b\t2\t18\t2\t3\n", "", "the name of contig c", id="a contig is missing"),
            pytest.param("a\t8\t5\t6\t7\n", "", "the name of contig b", id="the first is missing"),
            pytest.param("c\t7\t25\t6\t7\n", "", "the end of its last contig", id="the last is missing"),
            pytest.param("b\t2", "d\t2", r"the name of contig d \(found '>b'", id="another name"),
            pytest.param("a\t8", "a\t6", "the name of contig b", id="a contig is cut"),
            pytest.param("c\t7", "c\t6", "the end of its last contig", id="the last contig is cut"),
            pytest.param("c\t7", "c\t9", "the end of its last contig", id="the last contig is longer"),
            pytest.param("\t18\t", "\t19\t", "the name of contig b", id="another offset"),
            pytest.param("6\t7\nb", "6\t9\nb", "the name of contig b", id="line ends of three bytes"),
            pytest.param("a\t8", "a\t-8", "the name of contig a", id="a negative length"),
        ],
    )
    def test_an_index_that_does_not_fit(self, tmp_path: Path, old: str, new: str, match: str) -> None:
        assert old in self.INDEX
        path = self.write(tmp_path, self.FASTA, self.INDEX.replace(old, new, 1))
        with pytest.raises(GenomeError, match=rf"cannot read .* at {match}.* delete x\.fa\.fai"):
            Genome(path)

    def test_lines_of_other_lengths_than_the_index_has(self, tmp_path: Path) -> None:
        """As many bytes and as many line ends, elsewhere."""
        fasta = self.FASTA.replace("ACGTAC\nGT\n", "ACG\nTACGT\n")
        genome = Genome(self.write(tmp_path, fasta, self.INDEX))
        with pytest.raises(GenomeError, match=r"at a:1-8: its lines are not of 6 bases; the file is damaged"):
            genome.fetch("a", 0, 8)

    @pytest.mark.parametrize("block", [3, 6, 8, 1000])
    def test_a_line_end_between_two_blocks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
    ) -> None:
        """A base in the place of a line end."""
        monkeypatch.setattr(genome_module, "_BLOCK", block)
        path = self.write(tmp_path, self.FASTA, self.INDEX)
        assert text(Genome(path), "a", 0, 8) == "ACGTACGT"
        path = self.write(tmp_path, self.FASTA.replace("ACGTAC\nGT", "ACGTACCGT"), self.INDEX)
        genome = Genome(path)
        with pytest.raises(GenomeError, match="its lines are not of 6 bases"):
            genome.fetch("a", 0, 8)

    def test_a_last_line_longer_than_the_others(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fa"
        path.write_text(">a\nACG\nACGTTTT\n>b\nGG\n")
        with pytest.raises(GenomeError, match="have 3 bases, and line 3 is longer, with 7"):
            Genome(path)
        Path(f"{path}.fai").write_text("a\t10\t3\t3\t4\nb\t2\t18\t2\t3\n")
        with pytest.raises(GenomeError, match=r"the name of contig b.*its lines differ in length"):
            Genome(path)
        path.write_text(">a\nACG\nACGTT\n>b\nGG\n")
        Path(f"{path}.fai").write_text("a\t8\t3\t3\t4\nb\t2\t16\t2\t3\n")
        genome = Genome(path)
        with pytest.raises(GenomeError, match=r"a:1-8: its lines are not of 3 bases; .* differ in length"):
            genome.fetch("a", 0, 8)

    @needs_bgzip
    @pytest.mark.parametrize("field", [0, 1])
    def test_a_wrong_entry_of_the_gzi_index(self, tmp_path: Path, field: int) -> None:
        """Off by a whole line, so that only the blocks can tell."""
        path = compress(write_fasta(tmp_path / "x.fa", {"a": random_bases(300_000)}))
        Genome(path)
        index = Path(f"{path}.gzi")
        count, *values = struct.unpack("<Q8Q", index.read_bytes())
        values[2 + field] += 61
        index.write_bytes(struct.pack("<Q8Q", count, *values))
        genome = Genome(path)
        with pytest.raises(GenomeError, match=r"entry 2 of the \.gzi index is not where a block begins"):
            genome.fetch("a", 65_536, 131_072)

    def test_bgzip_blocks_of_the_largest_size(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Biopython's have 65,536 bytes; their end is one more than an offset inside a block can be."""
        monkeypatch.setattr(genome_module, "_BLOCK", BLOCK - len(">a\n"))
        bases = random_bases(200_000)
        path = tmp_path / "x.fa.gz"
        with bgzf.BgzfWriter(str(path), "wb") as file:
            file.write(f">a\n{bases}\n".encode())
        genome = Genome(path)
        assert text(genome, "a", 65_533, 65_600) == bases[65_533:65_600]
        assert text(genome, "a", 0, 200_000) == bases


def test_an_index_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that reads while another makes the index finds all of it or nothing."""
    path = write_fasta(tmp_path / "x.fa", {"a": "ACGT" * 50, "b": "CC"})
    replace = Path.replace
    names: list[set[str]] = []

    def watched(self: Path, target: Path) -> Path:
        names.append({name.name for name in tmp_path.iterdir() if not name.name.startswith(".")})
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    assert set(Genome(path).contigs) == {"a", "b"}
    assert names == [{"x.fa"}]
    assert {name.name for name in tmp_path.iterdir()} == {"x.fa", "x.fa.fai"}
