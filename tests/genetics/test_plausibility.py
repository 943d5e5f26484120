"""Numbers that cannot be what the columns say, and tables of which most rows are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genetics.row_counts import RowCounts
from tests.genetics.gwas_rows import PLACES, read, table, write

WALD = stats.norm.ppf(np.linspace(0.005, 0.995, 600))
"""z-scores whose p-values are evenly spread."""


def of_z(z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 2 * stats.norm.sf(np.abs(z))


def rows_of(*columns: np.ndarray[Any, Any]) -> list[str]:
    return [" ".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True)]


def test_numbers_that_agree_are_plausible(tmp_path: Path) -> None:
    error = np.full(600, 0.1)
    ratio = np.exp(WALD * error)
    for columns, rows in (
        ("beta SE P", rows_of(WALD * error, error, of_z(WALD))),
        ("OR SE P", rows_of(ratio, error, of_z(WALD))),
        ("z P", rows_of(WALD, of_z(WALD))),
        ("beta SE mlogp", rows_of(WALD * error, error, -np.log10(of_z(WALD)))),
    ):
        counts = RowCounts()
        read(table(tmp_path, columns, *rows), counts)
        assert (counts.kept, counts.notes) == (600, [])


@pytest.mark.parametrize(("columns", "make", "message"), [
    # SE is the standard deviation, ten times too large.
    ("beta SE P", lambda p: (WALD * 0.1, 0 * p + 1, p), r"P and beta and SE contradict each other: over \d+"),
    ("z P", lambda p: (3 * WALD, p), r"P and z contradict each other"),
    # -log10 p, ln p, and p, under each other's names.
    ("beta SE P", lambda p: (WALD * 0.1, 0 * p + 0.1, -np.log10(p)), r"looks like -log10 p|contradict"),
    ("beta SE P", lambda p: (WALD * 0.1, 0 * p + 0.1, np.log(p)), r"600 of 600 values of P .* ln p"),
    ("beta SE mlogp", lambda p: (WALD * 0.1, 0 * p + 0.1, p), r"mlogp and beta and SE contradict"),
    ("beta SE ln_p_value", lambda p: (WALD * 0.1, 0 * p + 0.1, np.log10(p)), r"ln_p_value and beta and SE"),
    # The logarithm of the odds ratio under the name of the ratio.
    ("OR SE P", lambda p: (WALD * 0.1, 0 * p + 0.1, p), r"OR is below 0.* logarithm.* name the column beta"),
    # Percent.
    ("EAF P", lambda p: (100 * p, p), r"EAF is above 1.*percent"),
])  # fmt: skip
@pytest.mark.parametrize("max_p_value", [None, 1e-5])
def test_numbers_that_contradict_each_other_are_an_error(
    tmp_path: Path, columns: str, make: Any, message: str, max_p_value: float | None
) -> None:
    path = table(tmp_path, columns, *rows_of(*make(of_z(WALD))))
    with pytest.raises(InputError, match=rf"t\.tsv: .*{message}"):
        list(AssociationTable(str(path)).batches(max_p_value=max_p_value))
    counts = RowCounts()
    list(AssociationTable(str(path), allow_implausible=True).batches(max_p_value=max_p_value, counts=counts))
    assert len(counts.contradictions) >= 1
    assert counts.contradictions[0] in counts.notes[0]
    assert counts.read == 600


@pytest.mark.parametrize(("columns", "make", "message"), [
    ("beta z P", lambda z: (-0.1 * z, z),
     r"beta and z contradict each other: 186 of 186 rows with \|z\| of 1 or more point in opposite "
     r"directions \(line 2: beta 0\.258, z -2\.58; .* other allele there"),
    # The standard error does not excuse it.
    ("beta SE z P", lambda z: (-0.1 * z, 0 * z + 0.1, z), r"beta and z contradict .* 186 of 186 rows"),
    ("OR z P", lambda z: (np.exp(-0.1 * z), z), r"OR and z contradict .*line 2: OR 1\.29, z -2\.58"),
    ("HR z P", lambda z: (np.exp(-0.1 * z), z), r"HR and z contradict"),
    # Every tenth row.
    ("beta z P", lambda z: (np.where(np.arange(len(z)) % 10, 0.1, -0.1) * z, z), r".* 1\d of 186 rows"),
    ("beta z P", lambda z: (0.1 * z, np.abs(z)),
     r".* 93 of 186 .*z is never below 0, so it may lack its sign\."),
])  # fmt: skip
@pytest.mark.parametrize("max_p_value", [None, 0.05])
def test_effects_and_z_scores_of_opposite_signs_are_an_error(
    tmp_path: Path, columns: str, make: Any, message: str, max_p_value: float | None
) -> None:
    path = table(tmp_path, columns, *rows_of(*make(WALD), of_z(WALD)))
    with pytest.raises(InputError, match=rf"t\.tsv: {message}.*--allow-implausible"):
        list(AssociationTable(str(path)).batches(max_p_value=max_p_value))
    counts = RowCounts()
    list(AssociationTable(str(path), allow_implausible=True).batches(max_p_value=max_p_value, counts=counts))
    assert len(counts.contradictions) == 1
    assert "point in opposite directions" in counts.notes[0]
    # Where p-values alone are used it is a note.
    read(path, counts := RowCounts(), fields=("p_value",))
    assert (counts.contradictions, len(counts.notes)) == ([], 1)


def test_signs_of_effects_and_z_scores_that_say_nothing(tmp_path: Path) -> None:
    effect = 0.1 * WALD
    about_0 = np.where(np.abs(WALD) < 1, -effect, effect)
    few = effect.copy()
    few[:2] *= -1
    none = np.where(WALD < 0, 0, effect)
    for columns, first in (
        ("beta z P", effect),
        ("OR z P", np.exp(effect)),
        ("beta z P", about_0),
        ("beta z P", few),
        ("beta z P", none),
        ("OR z P", np.exp(none)),
    ):
        read(table(tmp_path, columns, *rows_of(first, WALD, of_z(WALD))), counts := RowCounts())
        assert (counts.kept, counts.notes) == (600, [])


def test_few_rows_with_opposite_signs_are_an_error_where_they_are_most(tmp_path: Path) -> None:
    rows = ["-0.1 5 5.7e-7", "-0.1 6 2e-9", "0.1 5 5.7e-7"]
    with pytest.raises(InputError, match="2 of 3 rows with"):
        read(table(tmp_path, "beta z P", *rows))
    assert len(read(table(tmp_path, "beta z P", *rows[1:]))) == 2


def test_few_rows_are_not_compared_with_z(tmp_path: Path) -> None:
    rows = rows_of(WALD[:99] * 0.1, np.ones(99), of_z(WALD[:99]))
    assert len(read(table(tmp_path, "beta SE P", *rows))) == 99


def test_the_tails_are_not_compared_with_z(tmp_path: Path) -> None:
    """Firth's and SAIGE's p-values differ from Wald's in the tails."""
    z = np.linspace(5, 8, 300)
    assert len(read(table(tmp_path, "beta SE P", *rows_of(z * 0.1, 0 * z + 0.1, of_z(z / 1.5))))) == 300


def test_standard_errors_of_the_ratio_itself_are_recognised(tmp_path: Path) -> None:
    error = np.full(600, 0.2)
    ratio = np.exp(WALD * error)
    path = table(tmp_path, "OR SE P", *rows_of(ratio, error * ratio, of_z(WALD)))
    counts = RowCounts()
    rows = read(path, counts)
    np.testing.assert_allclose(rows.z, WALD, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(rows.standard_error, 0.2, rtol=1e-4)
    assert "SE is taken for the standard error of the ratio itself" in counts.notes[0]
    # A column of that name is one, however few the rows; but not where p-values say otherwise.
    few = table(tmp_path, "OR or_se P", *rows_of(ratio, error * ratio, of_z(WALD))[:50])
    np.testing.assert_allclose(read(few).z, WALD[:50], rtol=1e-4)
    wrong = table(tmp_path, "OR or_se P", *rows_of(ratio, error, of_z(WALD)))
    np.testing.assert_allclose(read(wrong, counts := RowCounts()).z, WALD, rtol=1e-4, atol=1e-4)
    assert "of the logarithm of the ratio" in counts.notes[0]


def test_most_rows_refused_are_an_error_with_all_reasons(tmp_path: Path) -> None:
    rows = ["1 10 G A 0.5", "1 20 I D 0.5", "1 30 I D 0.5", "1 x G A 0.5", "1 50 G A NA"]
    path = write(tmp_path / "t.tsv", f"{PLACES} P", *rows)
    message = (
        r"4 of 5 rows cannot be used: allele is not of A, C, G and T \(2, such as line 3: EA is 'I'\), .*"
        r"position is not a number \(1, such as line 5: BP is 'x'\).*--allow-implausible"
    )
    with pytest.raises(InputError, match=message):
        read(path)
    counts = RowCounts()
    assert (read(path, counts, allow_implausible=True).reason == "").sum() == 1
    assert "4 of 5 rows cannot be used" in counts.notes[0]
    # Half of them may be refused.
    path = write(tmp_path / "t.tsv", f"{PLACES} P", *rows[:2])
    assert (read(path).reason == "").sum() == 1


def test_most_rows_with_low_p_values_refused_are_an_error(tmp_path: Path) -> None:
    low = ["1 10 I D 1e-9"] * 11 + ["1 10 G A 1e-9"] * 9
    rows = [*low, *["1 10 G A 0.5"] * 100, *["1 10 G A NA"] * 50]
    path = write(tmp_path / "t.tsv", f"{PLACES} P", *rows)
    with pytest.raises(InputError, match=r"11 of the 20 rows with low p-values cannot .*not of A, C"):
        read(path, max_p_value=1e-5)
    assert (read(path).reason == "").sum() == 109
    path = write(tmp_path / "t.tsv", f"{PLACES} P", *rows[1:])
    assert (read(path, max_p_value=1e-5).reason == "").sum() == 9


def test_a_few_rows_with_minus_log10_p_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, "beta SE p_value", *(f"0.14 0.02 {p}" for p in (8, 9, 10, 11, 12)), "0 0.02 0")
    with pytest.raises(
        InputError, match=r"5 of 6 values of p_value are not between 0 and 1.*; it looks like -l"
    ):
        read(path, max_p_value=1e-5)
    logarithms = table(tmp_path, "log10p", "-8", "-9", "-0.1")
    with pytest.raises(
        InputError, match=r"3 of 3 values of log10p are below 0.*: name the column ln_p_value or"
    ):
        read(logarithms)
    with pytest.raises(InputError, match=r"3 of 3 values of mlog are above 0.*neg_log_10_p_value"):
        read(table(tmp_path, "mlog", "8", "9", "0.1"), columns={"ln_p_value": "mlog"})


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("11.6 9 1.5 0 0.3 0.2 0.7 0.1 0.5 0.9", "3 of 10 values of P .* like -log10 p"),
        ("-11.6 -9 -1.5 0 0.3 0.2 0.7 0.1 0.5 0.9", "3 of 10 values of P .* like ln p or log10 p"),
        ("11.6 9 0.3 0.2 0.7 0.1 0.5 0.9", ""),
        ("11.6 9 -1 0.3 0.2 0.7 0.1 0.5 0.9", ""),
        ("1.5 2 3" + " 0.3" * 57, ""),
    ],
)
def test_several_p_values_out_of_range_are_an_error(tmp_path: Path, written: str, hint: str) -> None:
    path = table(tmp_path, "P", *written.split())
    if hint:
        with pytest.raises(InputError, match=hint):
            read(path)
    else:
        assert (read(path).reason != "").sum() in (2, 3)
