"""Which rows count: of several tests, and of several phenotypes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genetics.row_counts import RowCounts
from tests.genetics.gwas_rows import GLM, of, read, table, write


def test_only_the_additive_test_counts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.glm", GLM,
        "1 900 v0 A G G ADD 5000 0.14 0.02 7 2.6e-12", "1 900 v0 A G G AGE 5000 0.5 0.01 50 1e-300",
        "1 950 v1 G A G ADD 5000 0.01 0.02 0.5 0.62", "1 950 v1 G A G DOMDEV 5000 0.5 0.01 50 1e-300",
    )  # fmt: skip
    counts = RowCounts()
    rows = read(path, counts)
    assert of(rows, "pos", "effect_allele", "other_allele", "ref") == [
        [900, 950], ["G", "G"], ["A", "A"], ["A", "G"],
    ]  # fmt: skip
    np.testing.assert_allclose(rows.z, [7, 0.5])
    assert counts.other_tests == {"AGE": 1, "DOMDEV": 1}
    assert (counts.read, counts.of_the_test, counts.kept) == (4, 2, 2)
    assert "2 of other tests (AGE, DOMDEV)" in counts.in_words()


def test_the_additive_test_in_lower_case(tmp_path: Path) -> None:
    row = "1 {} v0 A G G {} 5000 0.5 0.5 1 0.3173"
    path = write(tmp_path / "t.glm", GLM, row.format(1, "add"), row.format(2, "age"), row.format(3, "Add"))
    assert read(path).pos.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("test", "counts"),
    [(name, True) for name in ("DOM", "REC", "HET", "DOMDEV", "GENO_2DF", "HETONLY", "TREND", "dom")]
    + [("ADD-INT_SNP", True), ("ADD-CONDTL", True), ("ADD-INT_VAR", False)]
    + [(name, False) for name in ("AGE", "SEX", "PC1", "COV1", "ADDxAGE", "DOMxSEX", "HETERO")],
)
def test_other_tests_of_the_variant_can_be_had(tmp_path: Path, test: str, counts: bool) -> None:
    row = "1 {} v0 A G G {} 5000 0.5 0.1 5 {}"
    rows = [row.format(1, "ADD", 0.3), row.format(1, test, 1e-9), row.format(2, test, 0.3)]
    path = AssociationTable(str(write(tmp_path / "t.glm", GLM, *rows)))
    own, *others = path.batches(max_p_value=1e-5, others=True)
    assert not len(own)
    found = [(pos, why) for some in others for pos, why in zip(some.pos, some.reason, strict=True)]
    assert found == ([(1, "of another test of the variant")] if counts else [])
    assert sum(map(len, path.batches(max_p_value=1e-5))) == 0


REGENIE = "CHROM GENPOS ID ALLELE0 ALLELE1 BETA.Y1 SE.Y1 LOG10P.Y1 BETA.Y2 SE.Y2 LOG10P.Y2"
PAN_UKB = "chr pos ref alt beta_EUR se_EUR neglog10_pval_EUR beta_AFR se_AFR neglog10_pval_AFR"


@pytest.mark.parametrize(
    ("header", "place", "options"),
    [
        (REGENIE, "1 {} rs A G 0.1 0.1 {} 0.1 0.1 {}", {"phenotype": "Y1"}),
        (
            PAN_UKB + " neglog10_pval_heterogeneity",
            "1 {} A G 0.1 0.1 {} 0.1 0.1 {} 30",
            {"population": "EUR"},
        ),
    ],
    ids=["regenie", "pan-ukb"],
)
def test_rows_that_another_phenotype_beside_associates_can_be_had(
    tmp_path: Path, header: str, place: str, options: dict[str, str]
) -> None:
    numbers = [(9, 0.3), (0.3, 9), (0.3, 0.3), (0.3, "NA"), (0.3, "x"), (0.3, "inf"), (9, 9)]
    rows = [place.format(number, *each) for number, each in enumerate(numbers, 1)]
    gwas = AssociationTable(str(write(tmp_path / "t.tsv", header, *rows)), **options)
    counts = RowCounts()
    own, others = gwas.batches(max_p_value=1e-5, counts=counts, others=True)
    assert own.pos.tolist() == [1, 7]
    assert others.pos.tolist() == [2, 5, 6]
    assert set(others.reason) == {"of another phenotype"}
    assert (counts.read, counts.kept, counts.above, counts.refused.total()) == (7, 2, 5, 0)
    (own,) = gwas.batches(max_p_value=1e-5)
    assert own.pos.tolist() == [1, 7]


def test_the_additive_test_may_come_late(tmp_path: Path) -> None:
    covariates = ["1 900 v0 A G G AGE 5000 0.5 0.01 50 1e-300"] * 50
    path = write(tmp_path / "t.glm", GLM, *covariates, "1 950 v1 G A A ADD 5000 0.01 0.02 0.5 0.62")
    batches = AssociationTable(str(path)).batches(block_bytes=100)
    assert [pos for rows in batches for pos in rows.pos.tolist()] == [950]


def test_rows_of_one_other_test_all_count(tmp_path: Path) -> None:
    row = "1 {} v0 A G G {} 5000 0.5 0.5 1 0.3173"
    path = write(tmp_path / "t.glm", GLM, row.format(1, "DOM"), row.format(2, "DOM"))
    assert read(path).pos.tolist() == [1, 2]
    path = write(tmp_path / "t.glm", GLM, row.format(1, "DOM"), row.format(2, "AGE"))
    with pytest.raises(InputError, match=r"TEST is one of AGE, DOM, and never ADD"):
        read(path)


def test_one_of_several_phenotypes_is_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = table(tmp_path, "P trait", "0.1 BMI", "0.2 height", "0.3 BMI", "0.4 LDL")
    counts = RowCounts()
    assert read(path, counts, phenotype="BMI").pos.tolist() == [10, 30]
    assert counts.other_phenotypes == {"height": 1, "LDL": 1}
    assert not counts.notes
    counts = RowCounts()
    assert len(read(path, counts)) == 4
    assert "several phenotypes (trait is one of BMI, height, LDL), and all are used" in counts.notes[0]
    assert counts.notes[0] in caplog.text
    with pytest.raises(InputError, match=r"no rows in which trait is bmi: there is BMI, height, LDL"):
        read(path, phenotype="bmi")
    with pytest.raises(InputError, match="no column of phenotypes"):
        read(table(tmp_path, "P", "0.1"), phenotype="BMI")


def test_rows_of_other_phenotypes_can_be_had(tmp_path: Path) -> None:
    path = table(tmp_path, "P trait", "1e-9 BMI", "1e-9 LDL", "0.3 LDL", "NA LDL", "0.3 BMI")
    counts = RowCounts()
    batches = AssociationTable(str(path), phenotype="BMI").batches(
        max_p_value=1e-5, counts=counts, others=True
    )
    own, others = list(batches)
    assert own.pos.tolist() == [10]
    assert others.pos.tolist() == [20, 40]
    assert set(others.reason) == {"of another phenotype"}
    assert (counts.kept, counts.above, counts.refused.total(), counts.other_phenotypes) == (
        1,
        1,
        0,
        {"LDL": 3},
    )
