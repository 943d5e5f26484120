"""PLINK filesets: the genotypes that were written, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.genotypes import MISSING, GenotypeError, bim_chunks, open_fileset
from tests.genetics.filesets import write_bed


def test_genotypes_of_founders_are_those_that_were_written(tmp_path: Path) -> None:
    genotypes = np.array([[0, 1, 2], [2, np.nan, 0], [1, 1, 1], [2, 2, np.nan]])
    properties = {"father": ["0", "0", "i0", "0"], "sex": [1, 2, 1, 0]}
    fileset = open_fileset(write_bed(tmp_path / "g", genotypes, [5, 7, 9], "chr2", **properties))
    assert (fileset.samples, fileset.variants) == (4, 3)
    assert fileset.founders.tolist() == [0, 1, 3]
    assert fileset.male.tolist() == [True, False, False]
    with fileset.reading() as read:
        assert read(np.array([2, 0])).tolist() == [[2, 0, MISSING], [0, 2, 2]]
        assert read(np.array([1])).dtype == np.int8
    (chunk,) = bim_chunks(fileset.prefix)
    assert chunk.to_numpy().tolist() == [
        ["chr2", "s0", 5, "A", "C"], ["chr2", "s1", 7, "A", "C"], ["chr2", "s2", 9, "A", "C"],
    ]  # fmt: skip
    assert list(chunk.columns) == ["chrom", "id", "pos", "allele1", "allele2"]
    assert chunk.index.tolist() == [0, 1, 2]


def append(suffix: str, text: str) -> Callable[[Path], None]:
    def change(prefix: Path) -> None:
        with prefix.with_suffix(suffix).open("a") as file:
            file.write(text)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda prefix: prefix.with_suffix(".bim").unlink(), r"cannot read .*\.bim"),
        (lambda prefix: prefix.with_suffix(".fam").unlink(), r"cannot read .*\.fam"),
        (lambda prefix: prefix.with_suffix(".bed").unlink(), r"cannot read .*\.bed"),
        (lambda prefix: prefix.with_suffix(".bed").write_bytes(b"\x6c\x1b\x00"), "starts with 6c 1b 00, not"),
        (append(".bim", "1 s9 0 9\n"), r"line 4 of .*\.bim has 4 fields; expected 6"),
        (append(".bim", "1 s9 0 9.5 A C\n"), r"line 4 of .*\.bim: pos is '9\.5'"),
        (append(".fam", "0 i9 0\n"), r"line 4 of .*\.fam has 3 fields; expected 6"),
        (append(".bim", "1 s9 0 9 A C\n"), "has 6 bytes; expected 7 for 4 variants in .* and 3 samples"),
        (append(".bed", "more"), "has 10 bytes; expected 6 for 3 variants"),
        (lambda prefix: prefix.with_suffix(".fam").write_text("0 i 1 0 1 -9\n"), "has no founders"),
    ],
)
def test_damaged_genotypes(tmp_path: Path, change: Callable[[Path], Any], message: str) -> None:
    prefix = tmp_path / "damaged"
    write_bed(prefix, np.tile([[0.0], [1.0], [2.0]], (1, 3)), [1, 2, 3])
    assert open_fileset(prefix).variants == 3
    change(prefix)
    with pytest.raises(InputError, match=message):
        open_fileset(prefix)


def test_genotype_errors_are_input_errors() -> None:
    assert issubclass(GenotypeError, InputError)


def test_a_fileset_without_variants_has_an_empty_chunk(tmp_path: Path) -> None:
    (tmp_path / "x.bim").write_text("")
    (chunk,) = bim_chunks(str(tmp_path / "x"))
    assert len(chunk) == 0
    assert list(chunk.columns) == ["chrom", "id", "pos", "allele1", "allele2"]
