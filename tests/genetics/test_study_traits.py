"""Traits of studies, against a table of studies written by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.study_traits import RowStudies, StudyTraits, TraitVariances
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.statistics.bayes_factors import Trait

HEADER = "meta_id\ttrait\tmesh_term\tmesh_id\tsample_size\tn_case\tn_control\tpopu\tauthor\tpmid\tyear\turl"


def meta(path: Path, *studies: str) -> str:
    """A table of studies, each (meta_id, sample_size, n_case, n_control)."""
    rows = []
    for study in studies:
        name, size, cases, controls = study.split()
        rows.append(f"{name}\tsome trait\t\t\t{size}\t{cases}\t{controls}\tEUR\tA B\t1\t2020\tx")
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return str(path)


def batch(path: Path, *rows: str) -> Batch:
    path.write_text("\n".join(["meta_id\tblock", *(row.replace(" ", "\t") for row in rows)]) + "\n")
    (found,) = TableFile.of(path).batches()
    return found


def test_cases_and_controls_or_a_sample_size_say_what_a_trait_is(tmp_path: Path) -> None:
    path = meta(
        tmp_path / "meta.txt",
        "GD1 1000 NA NA", "GD2 1000 100 900", "GD3 NA 100 300", "GD4 500 0 0", "GD5 NA NA NA",
        "GD6 700 50 NA",
    )  # fmt: skip
    studies = StudyTraits(path)
    names = ["GD1", "GD2", "GD3", "GD4", "GD5", "GD6", "GD7", "GD2", "GD7"]
    of_rows = RowStudies.of(batch(tmp_path / "rows.tsv", *(f"{name} 1" for name in names)), ("meta_id",))
    found = studies.of(of_rows)
    quantitative, case_control, unknown = Trait.QUANTITATIVE, Trait.CASE_CONTROL, Trait.UNKNOWN
    assert found.kind.tolist() == [
        quantitative, case_control, case_control, quantitative, unknown, unknown, unknown,
        case_control, unknown,
    ]  # fmt: skip
    nan = math.nan
    np.testing.assert_array_equal(found.sample_size, [1000, 1000, 400, 500, nan, 700, nan, 1000, nan])
    np.testing.assert_allclose(found.case_fraction, [nan, 0.1, 0.25, nan, nan, nan, nan, 0.1, nan])
    assert (studies.unknown, studies.rows_of_unknown) == (set(), 0)
    studies.count_unknown(of_rows)
    assert (studies.unknown, studies.rows_of_unknown) == ({"GD7"}, 2)


def test_a_study_can_be_named_by_several_columns(tmp_path: Path) -> None:
    studies = StudyTraits(meta(tmp_path / "meta.txt", "GD1:7 1000 NA NA"))
    rows = batch(tmp_path / "rows.tsv", "GD1 7", "GD1 8")
    found = studies.of(RowStudies.of(rows, ("meta_id", "block")))
    assert found.kind.tolist() == [Trait.QUANTITATIVE, Trait.UNKNOWN]
    assert RowStudies.of(rows, ()).names == [""]


def test_the_variance_of_a_trait_is_the_median_of_the_first_rows_of_its_study() -> None:
    nan = math.nan

    def rows(*names: str) -> RowStudies:
        known = sorted(set(names))
        return RowStudies(np.array([known.index(name) for name in names]), known)

    variances = TraitVariances(enough=3)
    assert not variances.has_enough()
    variances.add(rows("a", "b", "a", "a"), np.array([1.0, 5.0, nan, 4.0]))
    variances.add(rows("c", "a", "a", "b"), np.array([nan, 2.0, 100.0, 7.0]))
    assert not variances.has_enough()
    # Of a the first three that are known; c has none, d is not known.
    np.testing.assert_array_equal(variances.of(rows("d", "c", "b", "a", "a")), [nan, nan, 6, 2, 2])
    one = TraitVariances(enough=2)
    one.add(rows("a", "a", "a"), np.array([nan, 1.0, 3.0]))
    assert one.has_enough()


def test_tables_that_are_not_of_studies(tmp_path: Path) -> None:
    path = tmp_path / "meta.txt"
    path.write_text("meta_id\tn\nGD1\t5\n")
    with pytest.raises(InputError, match="no column sample_size, n_case, n_control; its columns are meta_id"):
        StudyTraits(str(path)).studies  # noqa: B018 (it is the reading)
    meta(path, "GD1 1000 NA NA", "GD1 1000 NA NA")
    assert StudyTraits(str(path)).studies.keys() == {"GD1"}
    meta(path, "GD1 1000 NA NA", "GD1 2000 NA NA")
    with pytest.raises(InputError, match="two rows of the study GD1 with other sample sizes"):
        StudyTraits(str(path)).studies  # noqa: B018
