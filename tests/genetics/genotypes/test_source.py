"""Genotypes of several files as one source, whatever their format."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.genetics.genotypes import GenotypeError, open_genotypes
from tests.genetics.filesets import write_bed

GENOTYPES = np.array([[0, 1, 2, 2], [2, np.nan, 0, 1], [1, 1, 1, 0]])
"""Of three people (rows) and four variants."""


def two_files(folder: Path) -> list[str]:
    """The variants in two filesets; people of the second stand in another order."""
    order = [2, 0, 1]
    first = write_bed(
        folder / "one", GENOTYPES[:, :3], [5, 7, 9], "chr2", sex=[1, 2, 0], father=["0", "i0", "0"]
    )
    second = write_bed(
        folder / "two", GENOTYPES[order][:, 3:], [4], "25", iid=[f"i{row}" for row in order],
        allele_1=["0"], allele_2=["gat"],
    )  # fmt: skip
    return [first, second]


def test_files_of_the_same_people_are_one_source(tmp_path: Path) -> None:
    genotypes = open_genotypes(two_files(tmp_path))
    assert genotypes.samples.to_dict("list") == {
        "family": ["0", "0", "0"], "sample": ["i0", "i1", "i2"], "sex": ["1", "2", "0"],
        "founder": [True, False, True],
    }  # fmt: skip
    assert [path.name for path in genotypes.files] == [
        f"{name}{suffix}" for name in ("one", "two") for suffix in (".bed", ".bim", ".fam")
    ]
    assert (genotypes.variant_count, genotypes.hard_calls, genotypes.build) == (4, True, "")
    blocks = list(genotypes.blocks())
    np.testing.assert_array_equal(np.concatenate([block.dosages for block in blocks]), GENOTYPES.T)
    assert {block.dosages.dtype for block in blocks} == {np.dtype("float32")}
    expected = [
        [0, "2", 5, "s0", "A", "C", ""], [1, "2", 7, "s1", "A", "C", ""], [2, "2", 9, "s2", "A", "C", ""],
        [3, "X", 4, "s0", ".", "GAT", ""],
    ]  # fmt: skip
    for chunks in ([block.variants for block in blocks], list(genotypes.variants())):
        rows = [row for chunk in chunks for row in chunk.to_numpy().tolist()]
        assert rows == expected
        assert [row for chunk in chunks for row in chunk.index] == [0, 1, 2, 3]
        assert list(chunks[0].columns) == ["row", "chrom", "pos", "id", "counted", "other", "ref"]


@pytest.mark.parametrize("size", [1, 2, None])
def test_chosen_variants_and_people_in_blocks_of_a_size(tmp_path: Path, size: int | None) -> None:
    genotypes = open_genotypes(two_files(tmp_path), threads=2)
    asked: list[int] = []

    def choose(chunk):  # type: ignore[no-untyped-def]
        asked.extend(chunk["row"])
        return chunk["row"] != 1

    blocks = list(genotypes.blocks(choose, samples=[2, 0], size=size))
    assert asked == [0, 1, 2, 3]
    assert [row for block in blocks for row in block.variants["row"]] == [0, 2, 3]
    dosages = np.concatenate([block.dosages for block in blocks])
    np.testing.assert_array_equal(dosages, GENOTYPES[[2, 0]][:, [0, 2, 3]].T)
    assert max(len(block.variants) for block in blocks) == (size or 2)
    assert not list(genotypes.blocks(lambda chunk: np.zeros(len(chunk), dtype=bool)))


@pytest.mark.parametrize("samples", [[], [0, 0], [3], [-1], [[0]]])
def test_impossible_samples(tmp_path: Path, samples: list[int]) -> None:
    genotypes = open_genotypes(two_files(tmp_path))
    with pytest.raises(ValueError, match="of 0 to 2, each once"):
        next(genotypes.blocks(samples=samples))


def test_files_of_different_people_are_refused(tmp_path: Path) -> None:
    first, _ = two_files(tmp_path)
    fewer = write_bed(tmp_path / "fewer", GENOTYPES[:2], [1, 2, 3, 4])
    more = write_bed(tmp_path / "more", np.zeros((7, 1)), [1])
    twice = write_bed(tmp_path / "twice", GENOTYPES, [1, 2, 3, 4], iid=["i0", "i1", "i1"])
    families = write_bed(
        tmp_path / "families", GENOTYPES, [1, 2, 3, 4], fid=["a", "b", "c"], iid=["i0", "i1", "i1"]
    )
    with pytest.raises(GenotypeError, match=r"fewer\.bed lacks 1 of the 3 samples of .*one\.bed: i2; "):
        open_genotypes([first, fewer])
    with pytest.raises(GenotypeError, match=r"one\.bed lacks 4 of the 7 .*more\.bed: i3, i4, i5 and 1 more"):
        open_genotypes([first, more])
    with pytest.raises(GenotypeError, match="has the sample i1 more than once"):
        open_genotypes(twice)
    assert len(open_genotypes(families)) == 3
    with pytest.raises(GenotypeError, match=r"families\.bed has samples of one name in several families"):
        open_genotypes([first, families])


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    first, second = two_files(tmp_path)
    with pytest.raises(GenotypeError, match=r"one\.bed is named twice; name each"):
        open_genotypes([first, second, f"{first}.bed"])
    for suffix in (".bed", ".bim", ".fam"):
        (tmp_path / f"alias{suffix}").symlink_to(f"{first}{suffix}")
    with pytest.raises(GenotypeError, match=r"one\.bed, also by the name .*alias\.bed, is named twice"):
        open_genotypes([first, tmp_path / "alias"])


def test_what_is_not_a_file_of_genotypes(tmp_path: Path) -> None:
    for paths in ([], tmp_path / "none"):
        with pytest.raises(GenotypeError, match=r"expected PLINK 1 \(\.bed, \.bim, \.fam\)"):
            open_genotypes(paths)


def test_memory_does_not_grow_with_the_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mifm_kipoi.genetics.genotypes.source.BLOCK_BYTES", 1 << 20)
    dosages = np.random.default_rng(1).integers(0, 3, size=(2000, 3000)).astype(np.float32)
    genotypes = open_genotypes(write_bed(tmp_path / "g", dosages, range(1, 3001)))
    sums = np.zeros(2000)
    tracemalloc.start()
    try:
        for block in genotypes.blocks():
            sums += block.dosages.sum(axis=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(sums, dosages.sum(axis=1))
    # All dosages together take 24 MB.
    assert peak < 8 << 20
