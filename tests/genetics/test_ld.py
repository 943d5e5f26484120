"""Correlations of dosages, beside numpy's and PLINK's, and variants in little LD."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.genetics.genotypes import open_genotypes
from mifm_kipoi.genetics.ld import correlations, correlations_of, independent_rows
from tests.genetics.filesets import write_bed


def dosages_of(variants: int, people: int, missing: float, seed: int = 1) -> np.ndarray:
    """Dosages of neighbours in LD, of which a fraction is missing."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(variants + 5, people))
    liability = sum(base[shift : variants + shift] for shift in range(5))
    dosages = (liability > -1).astype(np.float32) + (liability > 1.5)
    dosages[rng.random(dosages.shape) < missing] = np.nan
    return dosages


def test_complete_dosages_have_the_correlations_of_numpy() -> None:
    dosages = dosages_of(30, 100, 0.0)
    expected = np.corrcoef(dosages.astype(np.float64))
    for missing in ("mean", "pairwise"):
        np.testing.assert_allclose(correlations(dosages, missing=missing), expected, atol=1e-12)
        np.testing.assert_allclose(
            correlations(dosages[:3], dosages[5:9], missing=missing), expected[:3, 5:9], atol=1e-12
        )


def test_missing_dosages_are_the_mean_or_left_out_of_the_pair() -> None:
    dosages = dosages_of(12, 60, 0.3)
    filled = np.where(np.isnan(dosages), np.nanmean(dosages, axis=1, keepdims=True), dosages)
    by_mean = correlations(dosages)
    np.testing.assert_allclose(by_mean, np.corrcoef(filled.astype(np.float64)), atol=1e-6)
    assert np.linalg.eigvalsh(by_mean).min() > -1e-12
    pairwise = correlations(dosages, missing="pairwise")
    for one in range(12):
        for other in range(12):
            both = ~np.isnan(dosages[one]) & ~np.isnan(dosages[other])
            expected = np.corrcoef(dosages[one, both], dosages[other, both])[0, 1]
            assert pairwise[one, other] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("missing", ["mean", "pairwise"])
def test_constant_variants_have_no_correlation(missing: str) -> None:
    dosages = np.array([[0, 1, 2, 1], [1, 1, 1, np.nan], [np.nan] * 4, [2, 2, 0, 0]])
    r = correlations(dosages, missing=missing)
    assert np.isnan(r[1:3]).all()
    assert np.isnan(r[:, 1:3]).all()
    np.testing.assert_allclose(r[[0, 3]][:, [0, 3]], [[1, -1 / np.sqrt(2)], [-1 / np.sqrt(2), 1]])
    # Of the people with both, the other one is constant.
    assert np.isnan(correlations([[0.0, 1, 2, 2]], [[np.nan, np.nan, 1, 1]], missing="pairwise")).all()


@pytest.mark.skipif(shutil.which("plink1.9") is None, reason="plink1.9 is not installed")
def test_pairwise_correlations_are_those_of_plink(tmp_path: Path) -> None:
    dosages = dosages_of(40, 200, 0.1)
    prefix = write_bed(tmp_path / "g", dosages.T, np.arange(1, 41) * 100)
    subprocess.run(
        ["plink1.9", "--bfile", prefix, "--r", "square", "--keep-allele-order", "--out", prefix],
        check=True,
        capture_output=True,
    )
    # PLINK prints six digits.
    np.testing.assert_allclose(
        correlations_of(open_genotypes(prefix), range(40), missing="pairwise"),
        np.loadtxt(f"{prefix}.ld"), atol=1e-6, rtol=1e-5,
    )  # fmt: skip


def test_variants_of_a_source_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    dosages = dosages_of(20, 50, 0.1)
    paths = [
        write_bed(tmp_path / "one", dosages[:12].T, np.arange(12) + 1),
        write_bed(tmp_path / "two", dosages[12:].T, np.arange(8) + 1, "2"),
    ]
    genotypes = open_genotypes(paths)
    rows, people = [13, 2, 19, 0], [30, 4, 7, 9, 22, 41, 3]
    np.testing.assert_allclose(correlations_of(genotypes, rows), correlations(dosages[rows]))
    np.testing.assert_allclose(
        correlations_of(genotypes, rows, people), correlations(dosages[rows][:, people]), equal_nan=True
    )
    assert correlations_of(genotypes, []).shape == (0, 0)
    with pytest.raises(ValueError, match="2 variants, some of them twice"):
        correlations_of(genotypes, [3, 3])
    with pytest.raises(ValueError, match="lack 1 of 2 rows"):
        correlations_of(genotypes, [3, 20])


def test_variants_in_little_ld_are_kept_from_the_first_on(tmp_path: Path) -> None:
    dosages = dosages_of(60, 400, 0.02)
    pos, contigs = np.arange(60) * 1000 + 1, np.repeat(["1", "2"], 30)
    prefix = write_bed(tmp_path / "g", dosages.T, pos, chromosome=contigs)
    r2 = correlations(dosages) ** 2
    considered = np.arange(60) % 7 != 3
    common = np.nanmean(dosages, axis=1) > 0.2
    expected: list[int] = []
    for row in np.flatnonzero(considered & common):
        before = [one for one in expected if contigs[one] == contigs[row] and pos[row] - pos[one] <= 3000]
        if not (r2[row, before] > 0.1).any():
            expected.append(row)
    for size in (7, 1000):
        source = open_genotypes(prefix)
        blocks = source.blocks
        source.blocks = lambda choose, samples, size=size, read=blocks: read(choose, samples, size)  # type: ignore[method-assign]
        rows = independent_rows(
            source,
            lambda chunk: considered[chunk["row"]],
            usable=lambda block: np.nanmean(block.dosages, axis=1) > 0.2,
            max_r2=0.1, window_bp=3000,
        )  # fmt: skip
        assert rows.tolist() == expected
    assert 10 < len(expected) < 50
