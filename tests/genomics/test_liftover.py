"""Lift-over: known places, both strands, blocks, several places, damaged chains, the missing package."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError, MissingPackageError
from mifm_kipoi.genomics.liftover import LiftOver

CHAINS = """\
chain 1000 chr1 100 + 10 30 chrA 200 - 50 68 1
10\t2\t0
8

chain 900 chr1 100 + 40 60 chrB 300 + 0 23 2
10\t0\t3
10

chain 900 chr1 100 + 55 58 chrC 300 + 0 3 3
3

chain 900 chr1 100 + 80 100 chrB 300 + 100 120 4
5\t5\t5
10

"""
"""Of chr1, 1-based: 11-20 lie on the opposite strand of chrA at 150-141, 23-30 at 140-133; 41-50 are chrB
1-10 and 51-60 are chrB 14-23, 56-58 also chrC 1-3;
81-100 are chrB 101-120, where 86-90 are not aligned."""


@pytest.fixture
def lift_over(tmp_path: Path) -> LiftOver:
    pytest.importorskip("liftover")
    path = tmp_path / "a.chain"
    path.write_text(CHAINS)
    return LiftOver(path)


def lifted(lift_over: LiftOver, *places: tuple[str, int]) -> list[tuple[str, int, str, str]]:
    chrom, pos = zip(*places, strict=True)
    result = lift_over.lift(chrom, pos)
    return list(zip(result.chrom, result.pos.tolist(), result.strand, result.status, strict=True))


def variant(lift_over: LiftOver, pos: int, first: str, second: str) -> tuple[str, ...]:
    result, firsts, seconds = lift_over.lift_variants(["1"], [pos], [first], [second])
    return (result.status[0], result.chrom[0], int(result.pos[0]), firsts[0], seconds[0])


def test_single_bases(lift_over: LiftOver) -> None:
    assert lifted(
        lift_over,
        ("chr1", 10), ("1", 11), ("chr1", 20), ("chr1", 21), ("chr1", 23), ("1", 30), ("1", 41), ("1", 51),
        ("1", 56), ("1", 101), ("1", 0), ("1", 2**40), ("chr2", 11), ("", 0), ("1", 11),
    ) == [
        ("", 0, "", "lost"), ("chrA", 150, "-", "ok"), ("chrA", 141, "-", "ok"), ("", 0, "", "lost"),
        ("chrA", 140, "-", "ok"), ("chrA", 133, "-", "ok"), ("chrB", 1, "+", "ok"), ("chrB", 14, "+", "ok"),
        ("", 0, "", "ambiguous"), ("", 0, "", "lost"), ("", 0, "", "lost"), ("", 0, "", "lost"),
        ("", 0, "", "lost"), ("", 0, "", "lost"), ("chrA", 150, "-", "ok"),
    ]  # fmt: skip
    assert lift_over.has_contig("1")
    assert not lift_over.has_contig("2")


def test_no_position_at_all(lift_over: LiftOver) -> None:
    assert len(lift_over.lift([], [])) == 0
    result, first, second = lift_over.lift_variants([], [], [], [])
    assert (len(result), len(first), len(second)) == (0, 0, 0)
    assert result.counts() == {"ok": 0, "lost": 0, "ambiguous": 0}


@pytest.mark.parametrize(
    ("pos", "first", "second", "expected"),
    [
        (41, "A", "G", ("ok", "chrB", 1, "A", "G")),
        (11, "A", "G", ("ok", "chrA", 150, "T", "C")),
        (11, "A", "T", ("ok", "chrA", 150, "T", "A")),
        (11, "A", "-", ("ok", "chrA", 150, "T", "-")),
        (11, "a", "<DEL>", ("ok", "chrA", 150, "t", "<DEL>")),
        # A block of three bases: its first base on the opposite strand is the last one here.
        (12, "ACG", "TTA", ("ok", "chrA", 147, "CGT", "TAA")),
        # An insertion or deletion has another base before it on the opposite strand.
        (12, "ACG", "A", ("lost", "", 0, "ACG", "A")),
        (41, "ACG", "A", ("ok", "chrB", 1, "ACG", "A")),
        (41, "A", "ACG", ("ok", "chrB", 1, "A", "ACG")),
        # The other build has three bases more within the block.
        (49, "ACG", "A", ("lost", "", 0, "ACG", "A")),
        (50, "A", "AC", ("lost", "", 0, "A", "AC")),
        # A block of which the start or the end is lost, or the end has two places.
        (59, "ACG", "A", ("lost", "", 0, "ACG", "A")),
        (39, "ACG", "A", ("lost", "", 0, "ACG", "A")),
        (54, "ACG", "A", ("ambiguous", "", 0, "ACG", "A")),
        (56, "A", "C", ("ambiguous", "", 0, "A", "C")),
        # Both ends are in their places.
        (84, "ACGTACGT", "A", ("ok", "chrB", 104, "ACGTACGT", "A")),
    ],
)
def test_variants(lift_over: LiftOver, pos: int, first: str, second: str, expected: tuple[str, ...]) -> None:
    assert variant(lift_over, pos, first, second) == expected


def test_rows_do_not_depend_on_each_other(lift_over: LiftOver) -> None:
    rows = [
        (pos, first, second)
        for pos in range(1, 105)
        for first, second in (("A", "G"), ("ACG", "A"), ("AC", "TT"))
    ]
    pos, first, second = zip(*rows, strict=True)
    result, firsts, seconds = lift_over.lift_variants(["chr1"] * len(rows), pos, first, second)
    together = list(zip(result.status, result.chrom, result.pos.tolist(), firsts, seconds, strict=True))
    assert together == [variant(lift_over, *row) for row in rows]
    assert result.counts()["ok"] == result.known.sum() > 100


def test_gzip_gives_the_same(lift_over: LiftOver, tmp_path: Path) -> None:
    path = tmp_path / "b.chain.gz"
    path.write_bytes(gzip.compress(CHAINS.encode()))
    pos = np.arange(1, 105)
    one, other = (each.lift(["1"] * len(pos), pos) for each in (lift_over, LiftOver(path)))
    assert one.pos.tolist() == other.pos.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no chain"),
        (b"CHR\tPOS\n1\t5\n", "expected a whole chain file"),
        (CHAINS.encode()[:60], "expected a whole chain file"),
        (CHAINS.replace("200 - 50 68", "200 - 50 70").encode(), "expected a whole chain file"),
        (gzip.compress(CHAINS.encode())[:-20], "expected a whole chain file"),
    ],
    ids=["empty", "a table", "cut", "other sizes", "cut gzip"],
)
def test_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    pytest.importorskip("liftover")
    path = tmp_path / ("a.chain.gz" if content[:2] == b"\x1f\x8b" else "a.chain")
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        LiftOver(path)
    assert str(path) in str(error.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    pytest.importorskip("liftover")
    with pytest.raises(InputError, match=r"none\.chain: No such file"):
        LiftOver(tmp_path / "none.chain")
    with pytest.raises(InputError, match="Is a directory"):
        LiftOver(tmp_path)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "liftover", None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[liftover\]'"):
        LiftOver(tmp_path / "a.chain")


@pytest.mark.reference
def test_real_chains(reference_data: Path) -> None:
    pytest.importorskip("liftover")
    folder = reference_data / "data" / "liftover"
    forward, back = (LiftOver(folder / f"{name}.over.chain.gz") for name in ("hg19ToHg38", "hg38ToHg19"))
    # rs12740374 (SORT1), rs7903146 (TCF7L2), rs1421085 (FTO) and rs6983267 (MYC), by dbSNP.
    known = {
        ("1", 109817590): ("chr1", 109274968), ("10", 114758349): ("chr10", 112998590),
        ("16", 53800954): ("chr16", 53767042), ("8", 128413305): ("chr8", 127401060),
    }  # fmt: skip
    assert [place[:2] for place in lifted(forward, *known)] == list(known.values())
    pos = np.random.default_rng(1).integers(1_000_000, 50_000_000, 100_000)
    there = forward.lift(["20"] * len(pos), pos)
    ok = there.known
    assert ok.mean() > 0.9
    again = back.lift(there.chrom[ok], there.pos[ok])
    returned = (again.pos == pos[ok]) & (again.strand == there.strand[ok])
    assert returned.mean() > 0.995
