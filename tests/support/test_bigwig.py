"""bigWig files, read back by libBigWig (pyBigWig)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.support import bigwig
from mifm_kipoi.support.bigwig import BigWig, Outline, join_files, outline_of

pyBigWig = pytest.importorskip("pyBigWig", reason="pyBigWig is not installed")  # noqa: N816 - its name

LENGTHS = [(f"contig{number}", 3000 + number) for number in range(600)] + [("long", 3_000_000)]
"""More contigs than a node of their tree has room for."""


def values(count: int, seed: int, unknown: int = 0) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=count).astype(np.float32)
    numbers[generator.integers(0, count, unknown)] = np.nan
    return numbers


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, int], npt.NDArray]]:
    path = tmp_path_factory.mktemp("bigwig") / "x.bw"
    file = BigWig(path, LENGTHS)
    of_runs = {(f"contig{number}", 100): values(900, number, 80) for number in range(0, 600, 7)}
    long = values(2_500_000, 1)
    # Two chunks apart, so that one has no value.
    long[1_048_576 - 12_345 : 2_097_152 - 12_345] = np.nan
    of_runs["long", 12_345] = long
    for (contig, start), numbers in of_runs.items():
        for low in range(0, len(numbers), 70_000):
            file.add(contig, start + low, numbers[low : low + 70_000])
    file.finish()
    return path, of_runs


def test_every_value_is_read_back(written: tuple[Path, dict[tuple[str, int], npt.NDArray]]) -> None:
    path, of_runs = written
    with pyBigWig.open(str(path)) as file:
        assert file.chroms() == dict(LENGTHS)
        for (contig, start), numbers in of_runs.items():
            read = file.values(contig, start, start + len(numbers), numpy=True).astype(np.float32)
            np.testing.assert_array_equal(read, numbers)
            assert np.isnan(file.values(contig, start - 1, start))
        assert np.isnan(file.values("contig1", 0, 3001)).all()


def test_the_summary_is_that_of_all_values(written: tuple[Path, dict[tuple[str, int], npt.NDArray]]) -> None:
    path, of_runs = written
    numbers = np.concatenate([each[~np.isnan(each)] for each in of_runs.values()]).astype(float)
    with pyBigWig.open(str(path)) as file:
        header = file.header()
    assert header["nBasesCovered"] == len(numbers)
    assert header["nLevels"] == len(bigwig.ZOOMS)
    outline = outline_of(path)
    assert (outline.least, outline.largest) == (numbers.min(), numbers.max())
    known = np.flatnonzero(~np.isnan(of_runs["contig0", 100]))
    assert outline.first == (0, 100 + int(known[0]))
    # pyBigWig rounds these down.
    assert header["sumData"] == pytest.approx(numbers.sum(), abs=1)
    assert header["sumSquared"] == pytest.approx(np.square(numbers).sum(), abs=1)


@pytest.mark.parametrize("width", bigwig.ZOOMS)
def test_levels_of_zoom_are_sums_of_the_values(
    written: tuple[Path, dict[tuple[str, int], npt.NDArray]], width: int
) -> None:
    path, of_runs = written
    numbers = of_runs["long", 12_345].astype(float)
    start, bins = 262_144, 3
    # libBigWig takes the coarsest level with records of at most half a bin.
    end = start + bins * 2 * width
    here = numbers[start - 12_345 : end - 12_345].reshape(bins, -1)
    with pyBigWig.open(str(path)) as file:
        for kind, expected in (
            ("max", here.max(axis=1)), ("min", here.min(axis=1)), ("mean", here.mean(axis=1)),
        ):  # fmt: skip
            if end <= 1_048_576:
                found = file.stats("long", start, end, type=kind, nBins=bins)
                np.testing.assert_allclose(found, expected, atol=1e-6)


def test_files_of_parts_are_joined_byte_for_byte(tmp_path: Path) -> None:
    contigs = [("1", 2_200_000), ("2", 5000)]
    runs = [("1", 5, values(60, 2)), ("1", 1_100_000, values(9000, 3, 20)), ("2", 0, values(5000, 4))]
    whole = BigWig(tmp_path / "whole.bw", contigs)
    parts = []
    for number, run in enumerate(runs):
        whole.add(*run)
        parts.append(tmp_path / f"{number}.bw")
        part = BigWig(parts[-1], contigs)
        part.add(*run)
        part.finish()
    whole.finish()
    join_files(parts, tmp_path / "joined.bw")
    bigwig.finish_file(tmp_path / "joined.bw")
    assert (tmp_path / "joined.bw").read_bytes() == (tmp_path / "whole.bw").read_bytes()


def test_a_file_without_values(tmp_path: Path) -> None:
    file = BigWig(tmp_path / "x.bw", [("1", 1000)])
    file.add("1", 10, np.full(20, np.nan, dtype=np.float32))
    file.finish()
    with pyBigWig.open(str(tmp_path / "x.bw")) as read:
        assert read.chroms() == {"1": 1000}
        assert np.isnan(read.values("1", 0, 1000)).all()
    assert outline_of(tmp_path / "x.bw") == Outline(0, 0, None)


def test_files_of_others_are_not_joined(tmp_path: Path) -> None:
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("1", 1000)])
        file.addEntries("1", 10, values=[1.0, 2.0], span=1, step=1)
    with pytest.raises(InputError, match="no list of sections at byte"):
        join_files([tmp_path / "x.bw"], tmp_path / "joined.bw")
    (tmp_path / "y.bw").write_bytes(b"text")
    with pytest.raises(InputError, match="not a bigWig file"):
        join_files([tmp_path / "y.bw"], tmp_path / "more.bw")
