"""LD of genotypes: whose alleles, without which variants, and less covariates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.linkage import CONSTANT, OTHER_FREQUENCY, GenotypeLinkage
from mifm_kipoi.finemapping.matrices import MatrixSource
from mifm_kipoi.genetics.genotypes import open_genotypes


@pytest.fixture
def genotypes(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Six variants of 200 people as PLINK's, and copies of allele 1; the fourth is constant."""
    copies = np.random.default_rng(1).binomial(2, 0.3, size=(6, 200))
    copies[3] = 2
    alleles = ["A C", "A C", "A T", "A C", "G T", "A T"]
    lines = [f"1 v{row} 0 {10 * (row + 1)} {pair}" for row, pair in enumerate(alleles)]
    (tmp_path / "g.bim").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    (tmp_path / "g.fam").write_text("".join(f"0 p{one} 0 0 0 -9\n" for one in range(200)))
    codes = np.array([3, 2, 0])[copies].reshape(6, 50, 4)
    packed = (codes << np.array([0, 2, 4, 6])).sum(axis=2).astype(np.uint8)
    (tmp_path / "g.bed").write_bytes(b"\x6c\x1b\x01" + packed.tobytes())
    return tmp_path / "g.bed", copies


def _rows(copies: np.ndarray) -> pd.DataFrame:
    frequency = copies.mean(axis=1) / 2
    return pd.DataFrame(
        {
            "study": "s", "chrom": "1", "pos": [10, 20, 30, 40, 50, 60], "id": "",
            # The first counts ALT; the second counts REF; the fifth is on the other strand.
            "ref": ["C", "A", "T", "C", "A", "T"], "alt": ["A", "C", "A", "A", "C", "A"],
            "frequency": [frequency[0], 1 - frequency[1], frequency[2], 1.0, frequency[4], 1 - frequency[5]],
            "folded": False,
        }
    )  # fmt: skip


def _attached(path: Path, rows: pd.DataFrame, covariates: np.ndarray | None = None) -> GenotypeLinkage:
    linkage = GenotypeLinkage(open_genotypes([path]), np.arange(200), covariates)
    linkage.attach(rows, [np.arange(len(rows))], ["1"])
    return linkage


def test_correlations_are_of_alt_and_reasons_are_given(genotypes: tuple[Path, np.ndarray]) -> None:
    path, copies = genotypes
    rows = _rows(copies)
    # One on the other strand makes A/T and C/G unclear: without it they stay.
    same_strand = rows.iloc[[0, 1, 2, 3, 5]]
    [ld] = _attached(path, same_strand.reset_index(drop=True)).loci(frozenset([0]))
    assert ld.reason.tolist() == ["", "", "", CONSTANT, OTHER_FREQUENCY]
    signed = copies[[0, 1, 2]] * np.array([[1], [-1], [1]])
    np.testing.assert_allclose(ld.R, np.corrcoef(signed), atol=1e-6)
    [ld] = _attached(path, rows).loci(frozenset([0]))
    assert ld.reason.tolist() == ["", "", "ambiguous", CONSTANT, "", "ambiguous"]


def test_covariates_are_taken_out_of_dosages(genotypes: tuple[Path, np.ndarray]) -> None:
    path, copies = genotypes
    rows = _rows(copies).iloc[:2].reset_index(drop=True)
    covariate = copies[0] + copies[1] + np.random.default_rng(2).standard_normal(200)
    design = np.column_stack([np.ones(200), covariate])
    [ld] = _attached(path, rows, design).loci(frozenset([0]))
    left = [one - design @ np.linalg.lstsq(design, one, rcond=None)[0] for one in copies[:2].astype(float)]
    assert ld.R is not None
    assert ld.R[0, 1] == pytest.approx(-np.corrcoef(left)[0, 1], abs=1e-9)
    # What a covariate explains wholly has no LD.
    [ld] = _attached(path, rows, np.column_stack([np.ones(200), copies[0]])).loci(frozenset([0]))
    assert ld.reason.tolist() == [CONSTANT, ""]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(3), r"has the shape \(3, 3\), and .* 2 variants"),
        (np.array([[1.0, 0.5], [0.2, 1.0]]), r"is not a matrix of correlations"),
        (np.array([[2.0, 0.5], [0.5, 1.0]]), r"is not a matrix of correlations"),
    ],
)
def test_matrices_that_are_none_of_correlations_are_refused(
    tmp_path: Path, matrix: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "r.npy", matrix)
    (tmp_path / "r.z").write_text("rsid chromosome position allele1 allele2\na 1 1 A C\nb 1 5 A G\n")
    source = MatrixSource(tmp_path / "r.npy")
    assert source.region() == "1:1-5"
    with pytest.raises(InputError, match=message):
        source.read(2)
    (tmp_path / "r.z").unlink()
    with pytest.raises(InputError, match=r"has no table of its variants beside it"):
        source.read_variants()


def test_text_and_sparse_halves_are_matrices(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    r = np.array([[1.0, 0.25, 0.0], [0.25, 1.0, -0.5], [0.0, -0.5, 1.0]])
    table = "chrom\tpos\talt\tref\n" + "".join(f"chr1\t{pos}\tA\tC\n" for pos in (1, 2, 3))
    (tmp_path / "r.tsv").write_text(table)
    sparse.save_npz(tmp_path / "r.npz", sparse.csr_matrix(np.tril(r, -1) + 0.5 * np.eye(3)))
    np.savetxt(tmp_path / "r.ld", r, delimiter=",")
    for name in ("r.npz", "r.ld"):
        np.testing.assert_allclose(MatrixSource(tmp_path / name, tmp_path / "r.tsv").read(3), r)
    assert MatrixSource(tmp_path / "r.npz").read_variants()["chrom"].tolist() == ["1", "1", "1"]
