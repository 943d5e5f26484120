"""The bytes of FASTA files: bases are bases, in every layout, at indexing and at reading."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from mifm_kipoi.errors import GenomeError
from mifm_kipoi.genomics.fasta_index import find_contigs
from mifm_kipoi.genomics.genome import Genome
from tests.builders import write_fasta

BASES = {"a": "ACGTNacgtnRY-*ACGTTTG", "b": "GGCCA"}

LAYOUTS = {
    "unix": (7, b"\n", True),
    "dos": (7, b"\r\n", True),
    "one long line": (1000, b"\n", True),
    "one long line without end": (1000, b"\n", False),
    "last line without end": (7, b"\n", False),
    "dos, last line without end": (7, b"\r\n", False),
    "blanks behind lines": (7, b" \n", True),
    "tabs and blanks behind lines": (7, b"\t \r\n", True),
}
"""Bases a line, its end, and whether the last line has one."""


def layout(name: str) -> bytes:
    length, end, ended = LAYOUTS[name]
    lines = []
    for contig, bases in BASES.items():
        lines += [f">{contig} x".encode()]
        lines += [bases[at : at + length].encode() for at in range(0, len(bases), length)]
    return end.join(lines) + (end if ended else b"")


def store(path: Path, content: bytes, bgzipped: bool) -> Path:
    """The content, where asked for compressed with bgzip, in small blocks."""
    path.write_bytes(content)
    if not bgzipped:
        return path
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(subprocess.run(["bgzip", "-c", path], capture_output=True, check=True).stdout)
    return packed


def read(path: Path) -> dict[str, str]:
    genome = Genome(path)
    return {name: genome.fetch(name, 0, length).tobytes().decode() for name, length in genome.contigs.items()}


def slow(content: bytes) -> dict[str, str] | None:
    """An obviously right reader; None where a line has what is not a base, or none reads the file at all."""
    contigs: dict[str, str] = {}
    name = ""
    for line in content.split(b"\n"):
        if line.startswith(b">"):
            words = line[1:].split()
            if not words or words[0].decode("latin-1") in contigs or b"\r" in line.rstrip(b"\r"):
                return None
            name = words[0].decode("latin-1")
            contigs[name] = ""
        elif bases := line.rstrip(b" \t\r"):
            if not name or bases.translate(None, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-*"):
                return None
            contigs[name] += bases.decode().upper()
    return contigs


PACKINGS = [
    False,
    pytest.param(True, marks=pytest.mark.skipif(shutil.which("bgzip") is None, reason="bgzip is missing")),
]


@pytest.mark.parametrize("bgzipped", PACKINGS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path: Path, name: str, bgzipped: bool) -> None:
    path = store(tmp_path / "x.fa", layout(name), bgzipped)
    assert read(path) == {contig: bases.upper() for contig, bases in BASES.items()}
    genome = Genome(path)
    for start in range(21):
        assert genome.fetch("a", start, start + 1).tobytes().decode() == BASES["a"][start].upper()


@pytest.mark.parametrize("bgzipped", PACKINGS)
@pytest.mark.parametrize("byte", [b" ", b"\t", b"1", b">", b"\0", b"\x80", b"\xc3\xa9", b"\r", b".", b"\x1a"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_not_a_base(tmp_path: Path, name: str, byte: bytes, bgzipped: bool) -> None:
    """Within a line, in place of a base and as one more; with a new index, and with an old one."""
    content = layout(name)
    at = content.index(b"CGTNac")
    for changed in (
        content[:at] + byte + content[at + len(byte) :],
        content[:at] + byte + content[at:],
    ):
        path = store(tmp_path / "x.fa", changed, bgzipped)
        with pytest.raises(GenomeError, match=r"cannot index .*: line 2 has .* among the bases, in column 2"):
            Genome(path)
    shown = {b" ": "a blank", b"\t": "a tab", b"\0": "a zero byte"}.get(byte, "'")
    with pytest.raises(GenomeError, match=f"line 2 has {shown}"):
        Genome(path)
    # The index of the file as it was, on which the file with a byte in place of a base lies.
    index = "".join(
        f"{entry.name}\t{entry.length}\t{entry.offset}\t{entry.line_bases}\t{entry.line_bytes}\n"
        for entry in find_contigs(content.splitlines(keepends=True))
    )
    path = store(tmp_path / "y.fa", content[:at] + byte + content[at + len(byte) :], bgzipped)
    if bgzipped:
        Genome(store(tmp_path / "z.fa", content, bgzipped))
        (tmp_path / "z.fa.gz.gzi").rename(f"{path}.gzi")
    Path(f"{path}.fai").write_text(index)
    genome = Genome(path)
    message = "its lines are not of" if byte == b"\r" else r"line 2 \(a:2\), which has .* among the bases"
    with pytest.raises(GenomeError, match=message):
        genome.fetch("a", 15, 16)


def test_leading_blanks(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\n ACG\n TTT\n")
    with pytest.raises(GenomeError, match="line 2 has a blank among the bases, in column 1"):
        Genome(path)
    # As samtools indexes it: three bases in lines of five bytes.
    Path(f"{path}.fai").write_text("a\t6\t3\t3\t5\n")
    with pytest.raises(GenomeError, match=r"its lines are not of 3 bases|the end of its last contig"):
        Genome(path).fetch("a", 0, 6)


def test_an_index_that_samtools_makes_is_used(tmp_path: Path) -> None:
    """Beside lines with blanks behind them, and without the contigs that have no bases."""
    pysam = pytest.importorskip("pysam")
    path = tmp_path / "x.fa"
    path.write_bytes(b">e\n>a\nACG  \nTTT  \nG\n>f\n>b\nAC\n")
    pysam.faidx(str(path))
    index = Path(f"{path}.fai")
    assert index.read_text() == "a\t7\t6\t3\t6\nb\t2\t26\t2\t3\n"
    assert read(path) == {"a": "ACGTTTG", "b": "AC"}
    index.unlink()
    assert read(path) == {"e": "", "a": "ACGTTTG", "f": "", "b": "AC"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b">a\rACGT\rACGT\r", "line 1 has a carriage return within it, the line end of old Macs"),
        (b"\xef\xbb\xbf>a\nACGT\n", "it begins with a byte order mark"),
        (">a\nACGT\n".encode("utf-16"), "it begins with UTF-16"),
        (b">a\n\nACGT\n", "line 3 follows line 2, which is shorter"),
        (b">a\nACGT\nAC \nAC\n", "line 4 follows line 3, which is shorter"),
        (b">a\nACGT \nACGT\nAC\n", "line 4 follows line 3, which is shorter"),
        (b"\nACGT\n>a\nACGT\n", "line 2 begins with 'A'; expected '>' and a name"),
        (b">a\nAC>b\nAC\n", r"line 2 has '>' among the bases, in column 3"),
        (b">a\n     1 ACGT\n     5 ACGT\n", "line 2 has a blank among the bases, in column 1"),
        (b">a\nACGT 4\nACGT 8\n", "line 2 has a blank among the bases, in column 5"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(content)
    with pytest.raises(GenomeError, match=match):
        Genome(path)
    assert [name.name for name in tmp_path.iterdir()] == ["x.fa"]


@pytest.mark.parametrize(
    "line", ["a\t4\t3\t4\n", "a\t4\t3\tfour\t5\n", "a\n", "a\t4\t3\t4\t5\na\t4\t3\t4\t5\n"]
)
def test_a_damaged_index_is_named(tmp_path: Path, line: str) -> None:
    path = write_fasta(tmp_path / "x.fa", {"a": "ACGT"})
    Path(f"{path}.fai").write_text(line)
    with pytest.raises(GenomeError, match=r"cannot read the index .*x\.fa\.fai, line [12] \(.*delete it to"):
        Genome(path)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">f\xfcr\nACGT\n")
    for _ in range(2):
        assert read(path) == {"f\udcfcr": "ACGT"}


def test_random_files(tmp_path: Path) -> None:
    """Every file is read as an obviously right reader does, or refused."""
    rng = random.Random(7)
    pieces = [
        b"ACGT",
        b"AC",
        b"A",
        b"acgt",
        b"\n",
        b"\n",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b">x\n",
        b">y z\n",
        b"1",
    ]
    read_whole = 0
    for number in range(1500):
        clean = rng.random() < 0.5
        if clean:
            length, end = rng.randrange(1, 6), rng.choice([b"\n", b"\r\n", b" \n"])
            bases = "".join(rng.choices("ACGTN", k=rng.randrange(1, 20))).encode()
            content = b">x" + end + end.join(bases[at : at + length] for at in range(0, len(bases), length))
            content += rng.choice([b"", end, b"\n\n"]) + rng.choice([b"", b"\n>y\nAC\n"])
        else:
            content = b">w\n" + b"".join(rng.choices(pieces, k=rng.randrange(1, 14)))
        path = tmp_path / f"{number}.fa"
        path.write_bytes(content)
        expected = slow(content)
        try:
            found = read(path)
        except GenomeError:
            assert not clean, content
            continue
        assert found == expected, content
        read_whole += 1
    assert read_whole > 800
