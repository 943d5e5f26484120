"""Bayes factors of rows: one prior variance for each study, whatever its rows lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.genetics.associations import AssociationRows, AssociationTable
from mifm_kipoi.genetics.study_traits import StudyTraits
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from tests.genetics.gwas_rows import GLM, read, table, write

N = 400_000
"""Individuals of most studies."""


def error(unit: float, f: float, n: float = N) -> float:
    """The standard error of a study whose trait has this standard deviation."""
    return unit / (2 * n * f * (1 - f)) ** 0.5


def row(unit: float, f: float, shown: str = "beta SE MAF") -> str:
    """Beta, standard error and frequency of a variant with z = 6; NA of what is not shown."""
    numbers = {"beta": 6 * error(unit, f), "SE": error(unit, f), "MAF": f}
    return " ".join(f"{value:.8g}" if name in shown else "NA" for name, value in numbers.items())


def test_rows_with_and_without_a_frequency_can_be_compared(tmp_path: Path) -> None:
    rows = [f"{row(0.1, 0.3)} {N}", f"{row(0.1, 0.3, 'beta SE')} {N}", f"{row(0.1, 0.3)} NA"]
    found = read(table(tmp_path, "beta SE MAF N", *rows), trait="quantitative")
    shrinkage = 0.0225 / (0.0225 + error(1, 0.3) ** 2)
    np.testing.assert_allclose(found.log_bf, 0.5 * np.log1p(-shrinkage) + 18 * shrinkage, rtol=1e-6)
    # With a prior variance of 0.0225 in the units of beta they would be a tenth.
    wrong = log_bayes_factor(np.array([6.0]), np.array([error(0.1, 0.3) ** 2]), 0.0225)
    assert np.exp(found.log_bf - wrong) == pytest.approx(10, rel=0.01)


def test_one_strange_row_does_not_decide(tmp_path: Path) -> None:
    rows = [row(0.1, f) for f in (0.1, 0.2, 0.3, 0.4)]
    # Imputed badly: its standard error is too large for its frequency.
    found = read(table(tmp_path, "beta SE MAF", row(5, 0.5), *rows), trait="quantitative", sample_size=N)
    np.testing.assert_allclose(found.trait_variance, 0.01, rtol=1e-5)
    np.testing.assert_allclose(found.prior_variance, 0.0225 * 0.01, rtol=1e-5)


def test_cases_and_controls_by_a_linear_model(tmp_path: Path) -> None:
    """Effects of a linear model are recognised by the study, in rows without a frequency too."""
    phi = 0.02
    linear, logistic = (phi * (1 - phi)) ** 0.5, (phi * (1 - phi)) ** -0.5
    expected = log_bayes_factor(np.array([6.0]), np.array([error(logistic, 0.3) ** 2]), 0.04)[0]
    for unit in (linear, logistic):
        path = table(tmp_path, "beta SE MAF", row(unit, 0.3), row(unit, 0.3, "beta SE"))
        found = read(path, trait="case_control", case_fraction=phi, sample_size=N)
        np.testing.assert_allclose(found.log_bf, expected, rtol=1e-6)


def test_a_linear_model_says_the_fraction_of_cases(tmp_path: Path) -> None:
    """Where it is not known, W follows from the variance of being a case, which is that of the trait."""
    phi = 0.02
    linear = (phi * (1 - phi)) ** 0.5
    path = table(tmp_path, "beta SE MAF", row(linear, 0.3), row(linear, 0.3, "beta SE"))
    known, unknown = (
        read(path, trait="case_control", case_fraction=each, sample_size=N) for each in (phi, None)
    )
    np.testing.assert_allclose(unknown.log_bf, known.log_bf, rtol=1e-6)


@pytest.mark.parametrize(("columns", "passes"), [((), 1), (("source",), 2)])
def test_progress_is_of_all_that_is_read(tmp_path: Path, columns: tuple[str, ...], passes: int) -> None:
    """A table of several studies is read whole for their units first; one study needs some rows of it."""
    rows = [f"{row(1, 0.3)} {study}" for study in "ab" for _ in range(200)]
    gwas = AssociationTable(str(table(tmp_path, "beta SE MAF source", *rows)), trait="quantitative",
                            sample_size=N, study_columns=columns)  # fmt: skip
    seen: list[tuple[int, float]] = []
    for _ in gwas.batches(on_progress=lambda *update: seen.append(update), block_bytes=2_000):
        pass
    assert seen[-1] == (400 * passes, 1)
    counts, fractions = map(list, zip(*seen, strict=True))
    assert counts == sorted(counts)
    assert fractions == sorted(fractions)


def test_each_study_has_units_of_its_own(tmp_path: Path) -> None:
    rows = [
        f"{row(unit, 0.3, shown)} {study}"
        for study, unit in (("a", 0.1), ("b", 20))
        for shown in ("beta SE MAF", "beta SE")
    ]
    (tmp_path / "meta.txt").write_text(f"meta_id\tsample_size\tn_case\tn_control\na\t{N}\t\t\nb\t{N}\t\t\n")
    path = table(tmp_path, "beta SE MAF meta_id", *rows)
    for options in (
        {"study_columns": ("meta_id",), "studies": StudyTraits(str(tmp_path / "meta.txt"))},
        {"study_columns": ("meta_id",), "trait": "quantitative", "sample_size": N},
        # Several phenotypes in one table are studies too, one that is chosen is one.
        {"columns": {"phenotype": "meta_id"}, "trait": "quantitative", "sample_size": N},
    ):
        np.testing.assert_allclose(read(path, **options).prior_variance, [2.25e-4] * 2 + [9] * 2, rtol=1e-5)
    chosen = read(path, columns={"phenotype": "meta_id"}, phenotype="b", trait="quantitative", sample_size=N)
    np.testing.assert_allclose(chosen.prior_variance, [9, 9], rtol=1e-5)
    with pytest.raises(ValueError, match="studies is given and study_columns is empty"):
        AssociationTable(str(path), studies=StudyTraits(str(tmp_path / "meta.txt")))


def test_rows_of_other_tests_say_nothing_of_the_units(tmp_path: Path) -> None:
    line = "1 {} v A G G {} {} 0.6 {} 6 2e-9"
    rows = [line.format(number, "AGE", 1000, 50) for number in range(5)]
    rows.append(line.format(10, "ADD", 1000, 0.1))
    path = write(tmp_path / "t.glm", f"{GLM} A1_FREQ", *(f"{each} 0.2" for each in rows))
    found = read(path, trait="quantitative")
    np.testing.assert_allclose(found.trait_variance, [3.2])


@pytest.mark.parametrize("size", [60, 500, None])
def test_the_variance_is_that_of_all_rows_that_were_read_or_not(tmp_path: Path, size: int | None) -> None:
    """Neither blocks nor a limit for p-values change it."""
    generator = np.random.default_rng(1)
    frequencies = generator.uniform(0.05, 0.5, 400)
    spread = generator.lognormal(0, 0.3, 400)
    rows = [
        f"{row(each, f)} {p:.3g}"
        for each, f, p in zip(spread, frequencies, np.linspace(0.001, 1, 400), strict=True)
    ]
    gwas = AssociationTable(str(table(tmp_path, "beta SE MAF P", *rows)), trait="quantitative",
                            sample_size=N, allow_implausible=True)  # fmt: skip
    few: list[AssociationRows] = list(gwas.batches(max_p_value=0.01, block_bytes=size))
    assert 0 < sum(map(len, few)) < 10
    found = np.concatenate([some.trait_variance for some in few])
    np.testing.assert_allclose(found, np.median(spread**2), rtol=1e-5)


def test_without_effects_there_are_no_bayes_factors(tmp_path: Path) -> None:
    path = table(tmp_path, "beta SE MAF P", f"{row(1, 0.3)} 2e-9")
    assert np.isfinite(read(path, fields=("z",)).log_bf).all()
    assert np.isnan(read(path, fields=("p_value",)).log_bf).all()
