"""Rows of a GWAS: every number by hand, every row kept or refused with a reason."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import AssociationTable, order
from mifm_kipoi.genetics.row_counts import RowCounts
from mifm_kipoi.statistics.bayes_factors import Trait, log_bayes_factor
from tests.genetics.gwas_rows import GLM, PLACES, of, read, table, write


def test_a_table_is_read_whole(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.tsv", "rsid CHR BP EA NEA EAF beta SE P N",
        "rs1 chr1 10 g a 0.2 0.1 0.05 0.0455 1000", "NA 23 20.0 AT A NA -0.1 0.05 0.0455 1000",
    )  # fmt: skip
    counts = RowCounts()
    rows = read(path, counts)
    assert of(rows, "lines", "chrom", "pos", "effect_allele", "other_allele", "id") == [
        [2, 3], ["1", "X"], [10, 20], ["G", "AT"], ["A", "A"], ["rs1", "."],
    ]  # fmt: skip
    assert of(rows, "beta", "standard_error", "z", "p_value", "sample_size") == [
        [0.1, -0.1], [0.05, 0.05], [2, -2], [0.0455, 0.0455], [1000, 1000],
    ]  # fmt: skip
    np.testing.assert_allclose(rows.log_p, math.log(0.0455))
    np.testing.assert_array_equal(rows.frequency, [0.2, np.nan])
    np.testing.assert_allclose(rows.log_bf, log_bayes_factor(np.array([2, -2]), np.full(2, 0.0025)))
    assert rows.reason.tolist() == ["", ""]
    assert counts.to_dict() == {"read": 2, "kept": 2}


def test_each_row_has_the_first_alternative_that_it_has_a_number_of(tmp_path: Path) -> None:
    path = table(
        tmp_path, "beta OR SE P mlogp",
        "0.7 1 0.1 0.01 9", "NA 2 0.1 NA 3", "NA 0.5 0.1 0.01 NA", "NA NA 0.1 NA NA", "0.7 NA 0.1 1 0",
    )  # fmt: skip
    rows = read(path)
    np.testing.assert_allclose(rows.beta, [0.7, math.log(2), -math.log(2), np.nan, 0.7])
    np.testing.assert_allclose(rows.z, 10 * rows.beta)
    np.testing.assert_allclose(rows.p_value, [0.01, 0.001, 0.01, np.nan, 1])
    assert rows.reason.tolist() == ["", "", "", "p-value missing", ""]


@pytest.mark.parametrize(("column", "text", "log10_p"), [
    ("p_value", "1e-40", -40), ("p_value", "1", 0), ("neg_log_10_p_value", "350", -350),
    ("ln_p_value", "-1000", -1000 / math.log(10)),
    ("log_10_p_value", "-400", -400),
])  # fmt: skip
def test_scales_of_p_values(tmp_path: Path, column: str, text: str, log10_p: float) -> None:
    rows = read(table(tmp_path, "col", text), columns={column: "col"})
    assert rows.log_p[0] == pytest.approx(log10_p * math.log(10), rel=1e-12)
    assert rows.p_value[0] == pytest.approx(10**log10_p, abs=1e-320)


def test_p_values_that_underflow_are_read_from_their_text_or_z(tmp_path: Path) -> None:
    path = table(
        tmp_path, "beta SE P mlogp",
        "0.1 0.1 1e-400 NA", "0.1 0.1 0.0025E-500 NA", "0.1 0.1 0 450", "4 0.1 0 NA", "NA NA 0.0 NA",
        "5 0.1 NA inf", "NA NA NA inf",
    )  # fmt: skip
    counts = RowCounts()
    rows = read(path, counts)
    z = np.log(2) + stats.norm.logsf([40, 50])
    log10 = np.array([-400, -502.60205999132796, -450])
    np.testing.assert_allclose(rows.log_p[:3], log10 * np.log(10), rtol=1e-12)
    np.testing.assert_allclose(rows.log_p[[3, 5]], z, rtol=1e-12)
    np.testing.assert_array_equal(rows.log_p[[4, 6]], [-np.inf, -np.inf])
    assert rows.p_value.tolist() == [0] * 7
    assert rows.reason.tolist() == [""] * 7
    assert counts.too_small == 7
    # Those of which nothing more is known come first, then by log p; never by a p-value of 0.
    assert order(rows).tolist() == [4, 6, 5, 1, 2, 0, 3]


def test_equal_p_values_are_ordered_by_z(tmp_path: Path) -> None:
    rows = read(table(tmp_path, "z P", "1 1e-5", "NA 1e-5", "-3 1e-5", "2 1e-5", "0 1e-6", "9 NA"))
    assert order(rows).tolist() == [4, 2, 3, 0, 1, 5]


def test_what_a_row_lacks_follows_from_its_p_value(tmp_path: Path) -> None:
    path = table(tmp_path, "OR SE P", "0.5 0.1 1e-9", "2 NA 1e-9", "1 NA 1e-9", "NA NA 1e-9")
    rows = read(path)
    z = stats.norm.isf(5e-10)
    np.testing.assert_allclose(rows.z, [math.log(0.5) / 0.1, z, 0, np.nan])
    expected = log_bayes_factor(np.array([rows.z[0], z]), np.array([0.01, (math.log(2) / z) ** 2]))
    np.testing.assert_allclose(rows.log_bf, [*expected, np.nan, np.nan])
    # Whoever does not use p-values gets nothing from them.
    np.testing.assert_array_equal(np.isnan(read(path, fields=("z",)).z), [False, True, True, True])


@pytest.mark.parametrize(("columns", "row", "variance"), [
    ("z SE", "5 0.1", 0.01),
    ("z MAF N", "5 0.2 1000", 1 / (2 * 1000 * 0.2 * 0.8)),
    ("z EAF N SE", "5 0.8 1000 NA", 1 / (2 * 1000 * 0.2 * 0.8)),
    ("z MAF N SE", "5 0.2 1000 0.1", 0.01),
    ("z beta", "5 0.5", 0.01),
    ("z MAF N", "5 0 1000", np.nan),
    ("z MAF N", "5 0.2 0", np.nan),
    ("z MAF", "5 0.2", np.nan),
])  # fmt: skip
def test_variances_of_bayes_factors(tmp_path: Path, columns: str, row: str, variance: float) -> None:
    rows = read(table(tmp_path, columns, row))
    np.testing.assert_allclose(rows.log_bf, log_bayes_factor(np.array([5.0]), np.array([variance])))
    assert rows.reason.tolist() == [""]
    if columns == "z MAF":
        rows = read(table(tmp_path, columns, row), sample_size=1000)
        expected = log_bayes_factor(np.array([5.0]), np.array([1 / (2 * 1000 * 0.2 * 0.8)]))
        np.testing.assert_allclose(rows.log_bf, expected)


def test_the_trait_decides_which_effects_bayes_factors_expect(tmp_path: Path) -> None:
    path = table(tmp_path, "beta SE MAF N", "0.6 0.1 0.2 1000", "0.6 0.1 NA 1000")
    z, variance = np.full(2, 6.0), np.full(2, 0.01)
    np.testing.assert_allclose(read(path).log_bf, log_bayes_factor(z, variance))
    # sd_y^2 = V 2 n f (1 - f) = 3.2, of the row without a frequency too.
    quantitative = read(path, trait="quantitative")
    np.testing.assert_allclose(quantitative.trait_variance, 3.2)
    np.testing.assert_allclose(quantitative.prior_variance, 0.0225 * 3.2)
    expected = log_bayes_factor(z, variance, quantitative.prior_variance)
    np.testing.assert_allclose(quantitative.log_bf, expected)
    assert quantitative.trait.tolist() == [Trait.QUANTITATIVE] * 2
    np.testing.assert_allclose(read(path, trait="case_control").prior_variance, 0.04)
    np.testing.assert_allclose(read(path, trait="quantitative", prior_variance=1.0).prior_variance, 1)
    with pytest.raises(ValueError, match="trait is 'binary'; expected quantitative or case_control"):
        AssociationTable(str(path), trait="binary")
    with pytest.raises(ValueError, match="prior_variance is 0; expected a number above 0"):
        AssociationTable(str(path), prior_variance=0)
    path = table(tmp_path, "z MAF N", "6 0.2 1000")
    # Without a standard error the fraction of cases must be known.
    assert np.isnan(read(path, trait="case_control").log_bf).all()
    rows = read(path, trait="case_control", case_fraction=0.1)
    expected = log_bayes_factor(np.array([6.0]), np.array([1 / (2 * 1000 * 0.09 * 0.16)]), 0.04)
    np.testing.assert_allclose(rows.log_bf, expected)


def test_p_values_of_a_table_without_them_are_those_of_z(tmp_path: Path) -> None:
    path = table(tmp_path, "z N", "5 1000", "0 1000")
    rows = read(path)
    np.testing.assert_allclose(rows.p_value, 2 * stats.norm.sf([5, 0]), rtol=1e-10)
    path = table(tmp_path, "z N", "5 1000", "0 1000", "NA 1000")
    assert read(path).reason.tolist() == ["", "", "p-value missing"]
    counts = RowCounts()
    assert read(path, counts, max_p_value=1e-3).pos.tolist() == [10, 30]
    assert (counts.above, counts.kept) == (1, 1)


REFUSED = {
    "1 10 G A 0.1 0.05 NA": "p-value missing",
    "1 10 G A 0.1 0.05 low": "p-value is not a number",
    "1 10 G A 0.1 0.05 1.1": "p-value out of range",
    "1 10 G A 0.1 0.05 -0.1": "p-value out of range",
    "NA 10 G A 0.1 0.05 1e-9": "place missing",
    "1 NA G A 0.1 0.05 1e-9": "place missing",
    "1 x G A 0.1 0.05 1e-9": "position is not a number",
    "1 0 G A 0.1 0.05 1e-9": "position out of range",
    "1 10.5 G A 0.1 0.05 1e-9": "position out of range",
    "1 10 NA A 0.1 0.05 1e-9": "allele missing",
    "1 10 G NA 0.1 0.05 1e-9": "allele missing",
    "1 10 I D 0.1 0.05 1e-9": "allele is not of A, C, G and T",
    "1 10 - A 0.1 0.05 1e-9": "allele is not of A, C, G and T",
    "1 10 a A 0.1 0.05 1e-9": "alleles are the same",
    "1 10 G A inf 0.05 1e-9": "effect out of range",
    "1 10 G A big 0.05 1e-9": "effect is not a number",
    "1 10 G A 0.1 0 1e-9": "standard error out of range",
    "1 10 G A 0.1 -1 1e-9": "standard error out of range",
    "1 10 G A 0.1 ? 1e-9": "standard error is not a number",
}


@pytest.mark.parametrize(("row", "reason"), REFUSED.items())
def test_rows_are_refused_with_a_reason(tmp_path: Path, row: str, reason: str) -> None:
    good = "1 99 G A 0.1 0.05 1e-9"
    path = write(tmp_path / "t.tsv", f"{PLACES} beta SE P", good, good, row, good)
    counts = RowCounts()
    rows = read(path, counts, max_p_value=1e-5)
    assert rows.reason.tolist() == ["", "", reason, ""]
    assert counts.refused == {reason: 1}
    (example,) = counts.examples[reason]
    assert example.line == 4
    assert example.value in row.split()
    # What can be read of the place, the alleles and p stays.
    fields = row.split()
    assert rows.chrom[2] == ("1" if fields[0] == "1" else "")
    assert rows.pos[2] == (10 if fields[1] == "10" else 0)
    assert rows.effect_allele[2] == ("" if fields[2] == "NA" else fields[2].upper())
    np.testing.assert_allclose(rows.log_p[2], math.log(1e-9) if fields[6] == "1e-9" else np.nan)
    assert f"{reason} (1, such as line 4: " in counts.in_words()


def test_a_ratio_that_counts_must_be_above_0(tmp_path: Path) -> None:
    good = ["NA 1.1 0.1"] * 200
    path = table(tmp_path, "beta OR SE", *good, "NA -0.1 0.1", "NA 0 0.1", "0.2 0 0.1")
    rows = read(path)
    assert rows.reason[-3:].tolist() == ["effect out of range", "effect out of range", ""]


def test_only_numbers_that_are_used_are_a_reason(tmp_path: Path) -> None:
    path = table(tmp_path, "beta SE P pip", "0.1 0 0.5 0.1", "0.1 0.1 2 0.1", "0.1 0.1 0.5 7", "1 1 1 1")
    bad = {"z": [0], "p_value": [1], "pip": [2]}
    for field, expected in bad.items():
        rows = read(path, fields=(field,))
        assert np.flatnonzero(rows.reason != "").tolist() == expected
    assert np.flatnonzero(read(path, fields=tuple(bad), allow_implausible=True).reason != "").tolist() == [
        0,
        1,
        2,
    ]


def test_rows_with_high_p_values_are_only_counted(tmp_path: Path) -> None:
    path = table(tmp_path, "P mlogp", "1e-5 NA", "1.1e-5 NA", "NA 5", "NA 4.9", "NA NA", "0 NA", "0.5 NA")
    counts = RowCounts()
    rows = read(path, counts, max_p_value=1e-5)
    assert rows.pos.tolist() == [10, 30, 50, 60]
    assert (counts.read, counts.kept, counts.above, counts.refused.total()) == (7, 3, 3, 1)


@pytest.mark.parametrize(
    ("columns", "row", "log_p"),
    [
        ("P mlogp", "0 0", -math.inf),
        ("P mlogp", "0 8", -math.inf),
        ("P mlogp", "0 40", -40 * math.log(10)),
        ("P mlogp", "0.9 40", math.log(0.9)),
        ("P mlogp", "x 0.3", -0.3 * math.log(10)),
        ("P mlogp", "0.9 x", math.log(0.9)),
        ("P ln_p", "0.9 -90", math.log(0.9)),
        ("P beta SE mlogp", "0 2 1 0", math.log(2 * stats.norm.sf(2))),
    ],
)
def test_a_row_is_above_the_limit_only_if_no_p_value_says_otherwise(
    tmp_path: Path, columns: str, row: str, log_p: float
) -> None:
    rows = read(table(tmp_path, columns, row), max_p_value=1e-5, allow_implausible=True)
    np.testing.assert_allclose(rows.log_p, [log_p])
    assert rows.reason.tolist() == ["p-value is not a number" if "x" in row else ""]


def test_the_place_stays_where_the_alleles_of_an_identifier_cannot_be_read(tmp_path: Path) -> None:
    rows = ["1:10:A:G 1e-9", "1:20:?:0 1e-9", "X_30 1e-9", "1:40_A_G 1e-9", "1:50_A_G 1e-9", "? 1e-9"]
    path = write(tmp_path / "t.tsv", "variant P", *rows)
    found = read(path, columns={"variant": "variant"})
    assert of(found, "chrom", "pos") == [["1", "1", "X", "1", "1", ""], [10, 20, 30, 40, 50, 0]]
    assert found.reason.tolist() == ["", "allele missing", "allele missing", "", "", "place missing"]
    assert found.ref.tolist() == ["A", "", "", "A", "A", ""]


@pytest.mark.parametrize("size", [1, 40, 1000])
def test_blocks_do_not_matter(tmp_path: Path, size: int) -> None:
    path = table(tmp_path, "beta SE P", *(f"0.{number} 0.1 0.{number}" for number in range(1, 10)))
    counts = RowCounts()
    batches = list(AssociationTable(str(path)).batches(counts=counts, block_bytes=size))
    assert [pos for rows in batches for pos in rows.pos.tolist()] == list(range(10, 100, 10))
    assert (counts.read, counts.kept) == (9, 9)


def test_the_tested_allele_is_ref_or_one_of_alt(tmp_path: Path) -> None:
    row = "1 {} v0 A G,T {} ADD 5000 0.14 0.02 7 2.6e-12"
    alleles = enumerate(("T", "A", "G", "C", "T"), 1)
    rows = read(write(tmp_path / "t.glm", GLM, *(row.format(*each) for each in alleles)))
    assert of(rows, "effect_allele", "other_allele", "ref") == [
        ["T", "A", "G", "C", "T"], ["A", "G,T", "A", "", "A"], ["A", "A", "A", "", "A"],
    ]  # fmt: skip
    strange = ["", "allele is not of A, C, G and T", "", "effect allele is neither REF nor ALT", ""]
    assert rows.reason.tolist() == strange


def test_chromosomes_that_no_format_explains_are_refused(tmp_path: Path) -> None:
    rows = ["25 10 G A 0.1", "chr01 10 G A 0.1", "26 10 G A 0.1", "M 10 G A 0.1", "x 10 G A 0.1"]
    found = read(write(tmp_path / "t.tsv", f"{PLACES} P", *rows))
    assert found.chrom.tolist() == ["25", "1", "26", "M", "X"]
    reason = "chromosome 25 or 26, of which the format does not say what it is"
    assert found.reason.tolist() == [reason, "", reason, "", ""]
    ssf = "chromosome base_pair_location effect_allele other_allele p_value"
    assert read(write(tmp_path / "t.tsv", ssf, "25 10 G A 0.1")).chrom.tolist() == ["M"]
    path = write(tmp_path / "t.tsv", f"{PLACES} P", "NC_000001.10 10 G A 0.1", "NC_000001.11 10 G A 0.1")
    with pytest.raises(InputError, match=r"NC_000001\.10, .* GRCh37, and NC_000001\.11, .* GRCh38"):
        read(path)


def test_p_values_may_be_missing_where_the_caller_says_so(tmp_path: Path) -> None:
    path = table(tmp_path, "P pip", "NA 0.1", "2 0.1", "0.5 0.1")
    (rows,) = AssociationTable(str(path)).batches(may_lack_p_value=True)
    assert rows.reason.tolist() == ["", "p-value out of range", ""]


# Places and alleles of a file of positions

BIM = "1\trs1\t0\t100\tA\tG\n23\trs2\t0\t200\tC\tT\n1\trs3\t0\t300\tA\tC\n1\trs3\t0\t400\tA\tC\n"


def test_places_of_names_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "g.bim").write_text(BIM)
    rows = ["rs1 G A 1000 2", "rs2 G A 1000 2", "rs3 A C 1000 2", "rs4 A C 1000 2", "rs1 A G 1000 -2"]
    path = write(tmp_path / "t.sumstats", "SNP A1 A2 N Z", *rows)
    found = read(path, positions=str(tmp_path / "g.bim"))
    assert of(found, "chrom", "pos", "effect_allele", "other_allele") == [
        ["1", "X", "", "", "1"], [100, 200, 0, 0, 100], ["G", "G", "A", "A", "A"], ["A", "A", "C", "C", "G"],
    ]  # fmt: skip
    assert found.reason.tolist() == [
        "", "", "name at several places in the file of positions", "name not in the file of positions", "",
    ]  # fmt: skip
    assert found.z.tolist() == [2, 2, 2, 2, -2]
    with pytest.raises(InputError, match=r"has no chrom and no pos: .*names .*\(SNP\).*--positions"):
        read(path)


def test_the_other_allele_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "g.bim").write_text(BIM)
    rows = [
        "1 rs1 100 A ADD 9 0.1 2 0.0455",
        "X rs2 200 T ADD 9 0.1 2 0.0455",
        "1 rs1 101 A ADD 9 0.1 2 0.0455",
        "X rs2 200 G ADD 9 0.1 2 0.0455",
    ]
    path = write(tmp_path / "t.assoc.linear", "CHR SNP BP A1 TEST NMISS BETA STAT P", *rows)
    found = read(path, positions=str(tmp_path / "g.bim"))
    assert of(found, "pos", "effect_allele", "other_allele") == [
        [100, 200, 101, 200],
        ["A", "T", "A", "G"],
        ["G", "C", "G", ""],
    ]
    assert found.reason.tolist() == [
        "", "", "place differs from that of the file of positions",
        "alleles differ from those of the file of positions",
    ]  # fmt: skip


def test_a_table_without_rows_has_none(tmp_path: Path) -> None:
    counts = RowCounts()
    batches = AssociationTable(str(table(tmp_path, "P"))).batches(counts=counts)
    assert sum(len(rows) for rows in batches) == 0
    assert counts.to_dict() == {"read": 0, "kept": 0}


CHAIN = """chain 1000 chr1 1000 + 0 100 chr1 2000 + 500 600 1
100

chain 900 chr1 1000 + 200 300 chr1 1000 - 0 100 2
100

chain 900 chr1 1000 + 400 500 chr2 1000 + 0 100 3
100

"""


def test_places_and_alleles_are_lifted(tmp_path: Path) -> None:
    pytest.importorskip("liftover")
    chain = tmp_path / "a.chain"
    chain.write_text(CHAIN)
    rows = ["1 10 G A 0.1", "1 210 G A 0.1", "1 150 G A 0.1", "1 11 I D 0.1"]
    counts = RowCounts()
    lifted = read(write(tmp_path / "t.tsv", f"{PLACES} P", *rows), counts, lift_over=str(chain))
    assert of(lifted, "chrom", "pos", "effect_allele", "other_allele") == [
        ["1", "1", "", "1"], [510, 991, 0, 511], ["G", "C", "G", "I"], ["A", "T", "A", "D"],
    ]  # fmt: skip
    # An indel of the other strand is lost, and its place is not.
    rows = ["1 210 G A 0.1", "1 220 G GA 0.1", "1 410 G A 0.1"]
    path = write(tmp_path / "t.tsv", f"{PLACES} P", *rows)
    lifted = read(path, lift_over=str(chain), allow_implausible=True)
    assert of(lifted, "chrom", "pos", "reason") == [
        ["1", "1", "2"], [991, 981, 10],
        ["", "lost in the lift-over", "on another chromosome after the lift-over"],
    ]  # fmt: skip
    assert counts.refused == {"lost in the lift-over": 1, "allele is not of A, C, G and T": 1}
