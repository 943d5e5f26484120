"""Tables of credible sets, against rows written and counted by hand."""

import dataclasses
import gzip
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS
from mifm_kipoi.genetics.row_counts import RowCounts
from mifm_kipoi.support.configuration import ConfigurationError
from training.configuration import read_configuration
from training.data.credible_sets import CredibleSetsConfig, read_credible_sets
from training.data.effects import EffectCounts

CAUSALDB2 = (
    "chr,bp,rsid,maf,ea,nea,beta,se,p,zscore,cojo_beta,cojo_se,cojo_p,abf,finemap,paintor,caviarbf,susie,"
    "polyfun_finemap,polyfun_susie,meta_id,block_id,tool,lead_snp,primary"
)

PLAIN = {
    "chrom": "chrom", "pos": "pos", "effect_allele": "ea", "other_allele": "oa", "block": "block",
    "p_value": "p",
}  # fmt: skip


def causaldb2_row(**other: str) -> str:
    values = {
        "chr": "19", "bp": "100", "rsid": "rs1", "maf": "0.2", "ea": "C", "nea": "T", "beta": "0.3",
        "se": "0.1", "p": "0.0027", "zscore": "3.0", "abf": "0.5", "susie": "0.25", "finemap": "0.75",
        "meta_id": "GD1", "block_id": "7", "tool": "1", "lead_snp": "rs1", "primary": "1",
    }  # fmt: skip
    values |= other
    return ",".join(values.get(name, "") for name in CAUSALDB2.split(","))


def read(path: Path, text: str | bytes, counts: RowCounts | None = None, **config: Any) -> pd.DataFrame:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return pd.concat(read_credible_sets(CredibleSetsConfig(str(path), **config), counts), ignore_index=True)


def plain(tmp_path: Path, *rows: str, counts: RowCounts | None = None, **config: Any) -> pd.DataFrame:
    text = "\n".join(["chrom\tpos\tea\toa\tblock\tp", *(row.replace(" ", "\t") for row in rows)]) + "\n"
    columns = {**PLAIN, **config.pop("columns", {})}
    return read(tmp_path / "table.tsv", text, counts, format="table", columns=columns, **config)


def test_causaldb2_rows_become_associations(tmp_path):
    rows = [
        causaldb2_row(),
        causaldb2_row(primary="0", cojo_beta="-0.4", cojo_se="0.2", cojo_p="0.0455", susie="-1"),
        causaldb2_row(primary="0", cojo_beta="-0.4", rsid=".", ea="ca", nea="c", p="0"),
    ]
    counts = RowCounts()
    found = read(tmp_path / "sets.csv", "\n".join([CAUSALDB2, *rows]), counts)
    assert list(found.columns) == list(ASSOCIATION_COLUMNS)
    assert found["signal"].tolist() == ["primary", "secondary", "secondary"]
    # Of the secondary rows only the first has all statistics given the primary signal.
    assert found["p_value"].tolist() == [0.0027, 0.0455, 0.0]
    assert found["z"].tolist() == [3.0, -2.0, 3.0]
    assert found["pip"].tolist() == pytest.approx([0.25, np.nan, 0.25], nan_ok=True)
    assert found["id"].tolist() == ["rs1", "rs1", "."]
    assert found["effect_allele"].tolist() == ["C", "C", "CA"]
    assert found["study"].unique().tolist() == ["GD1"]
    assert found["block"].unique().tolist() == ["7"]
    # Wakefield with V = 0.01 and 0.04, W = 0.04: 1/2 ln(V/(V+W)) + z^2/2 W/(V+W).
    expected = [0.5 * math.log(0.2) + 4.5 * 0.8, 0.5 * math.log(0.5) + 2 * 0.5]
    assert found["log_bf"].tolist() == pytest.approx([*expected, expected[0]], rel=1e-6)
    assert counts.to_dict() == {
        "read": 3, "kept": 3, "kept without a PIP": 1, "kept with a p-value of 0": 1,
    }  # fmt: skip
    assert found["log_p"].tolist() == pytest.approx(
        [math.log(0.0027), math.log(0.0455), math.log(0.0027)], rel=1e-3
    )


def test_the_traits_of_studies_decide_which_effects_are_expected(tmp_path: Path) -> None:
    meta = "meta_id\tsample_size\tn_case\tn_control\nGD1\t5000\t\t\nGD2\t8000\t2000\t6000\n"
    (tmp_path / "meta.txt").write_text(meta)
    conditional = {"primary": "0", "cojo_beta": "0.4", "cojo_se": "0.2", "cojo_p": "0.0455"}
    rows = [
        causaldb2_row(), causaldb2_row(meta_id="GD2"), causaldb2_row(meta_id="GD3"),
        causaldb2_row(**conditional), causaldb2_row(meta_id="GD2", beta="", se="", zscore="3"),
    ]  # fmt: skip
    effects = EffectCounts()
    path = tmp_path / "sets.csv"
    path.write_text("\n".join([CAUSALDB2, *rows]))
    config = CredibleSetsConfig(str(path), meta=str(tmp_path / "meta.txt"))
    found = pd.concat(read_credible_sets(config, effects=effects))

    def expected(z: float, variance: float, prior: float) -> float:
        r = prior / (prior + variance)
        return 0.5 * math.log(1 - r) + 0.5 * r * z**2

    # The trait of GD1 has the variance V 2 n f (1 - f) = 0.01 * 2 * 5000 * 0.16 = 16, of the marginal V.
    assert found["log_bf"].tolist() == pytest.approx(
        [
            expected(3, 0.01, 0.0225 * 16), expected(3, 0.01, 0.04), expected(3, 0.01, 0.04),
            # Its V follows from the units of GD2, where the same variant has a standard error of 0.1.
            expected(2, 0.04, 0.0225 * 16), expected(3, 0.01, 0.04),
        ],
        rel=1e-5,
    )  # fmt: skip
    assert effects.to_dict() == {
        "traits": [
            {
                "trait": name,
                "rows": number,
                "lowest_prior_sd": pytest.approx(sd),
                "highest_prior_sd": pytest.approx(sd),
            }
            for name, number, sd in (
                ("quantitative", 2, 0.6),
                ("case-control", 2, 0.2),
                ("not known", 1, 0.2),
            )
        ],
        "studies_not_in_meta": 1,
        "rows_of_studies_not_in_meta": 1,
        "studies_with_incomplete_rows": 0,
        "incomplete_rows": 0,
        "studies_of_assumed_units": 0,
        "rows_of_assumed_units": 0,
    }
    # Rows that are not chosen do not count.
    chosen = EffectCounts()
    list(read_credible_sets(dataclasses.replace(config, where={"meta_id": ("GD1", "GD2")}), effects=chosen))
    assert (chosen.unknown_studies, chosen.rows_of_unknown) == (0, 0)
    # What meta does not tell, the user can.
    named = CredibleSetsConfig(
        str(path), meta=str(tmp_path / "meta.txt"), trait="quantitative", sample_size=100
    )
    found = pd.concat(read_credible_sets(named))
    assert found["log_bf"][2] == pytest.approx(expected(3, 0.01, 0.0225 * 0.01 * 2 * 100 * 0.16), rel=1e-5)
    same = pd.concat(read_credible_sets(CredibleSetsConfig(str(path), prior_variance=0.04)))
    pd.testing.assert_frame_equal(same, pd.concat(read_credible_sets(CredibleSetsConfig(str(path)))))


def test_rows_without_a_frequency_have_the_prior_variance_of_their_study(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        causaldb2_row(
            meta_id=study, bp=str(place), maf=maf, se=f"{unit * error:.6g}",
            beta=f"{unit * 6 * error:.6g}", zscore="", p="1.97e-9",
        )
        for study, unit in (("GD1", 0.1), ("GD2", 30), ("GD3", 7))
        for place, (maf, error) in enumerate((("0.2", 0.1), ("", 0.1), ("0.5", 0.08), ("0.3", 0.0873)), 1)
        if study != "GD3" or not maf
    ]  # fmt: skip
    path = tmp_path / "sets.csv"
    path.write_text("\n".join([CAUSALDB2, *rows, ""]))
    effects = EffectCounts()
    config = CredibleSetsConfig(str(path), trait="quantitative", sample_size=312.5)
    found = pd.concat(read_credible_sets(config, effects=effects))
    # In units of standard deviations of the traits, which are 0.1 and 30: V 2 n f (1 - f) = 1.
    shrinkage = 0.0225 / (0.0225 + np.array([0.1, 0.1, 0.08, 0.0873]) ** 2)
    expected = 0.5 * np.log1p(-shrinkage) + 18 * shrinkage
    np.testing.assert_allclose(found["log_bf"][:4], expected, rtol=1e-4)
    np.testing.assert_allclose(found["log_bf"][4:8], expected, rtol=1e-4)
    # Of GD3 no row shows the units.
    assumed = 0.0225 / (0.0225 + 0.7**2)
    np.testing.assert_allclose(found["log_bf"][8], 0.5 * np.log1p(-assumed) + 18 * assumed, rtol=1e-5)
    said = effects.to_dict()
    assert (said["studies_with_incomplete_rows"], said["incomplete_rows"]) == (2, 2)
    assert (said["studies_of_assumed_units"], said["rows_of_assumed_units"]) == (1, 1)
    with caplog.at_level(logging.INFO):
        effects.warn()
    known, assumed_units = caplog.records
    assert "2 rows of 2 studies (GD1, GD2) lack" in known.message
    assert (assumed_units.levelname, "1 rows of 1 studies (GD3)" in assumed_units.message) == (
        "WARNING",
        True,
    )


@pytest.mark.parametrize(("options", "message"), [
    ({"trait": "binary"}, "trait is 'binary'"),
    ({"prior_variance": 0}, "prior_variance is 0"),
    ({"case_fraction": 1}, "case_fraction is 1"),
    ({"lead_p_value": 0}, "lead_p_value is 0"),
    ({"meta": "meta.txt", "columns": {"study": ""}}, "names no column for study"),
])  # fmt: skip
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CredibleSetsConfig("sets.txt.gz", **options)


def test_another_tool_gives_the_pip(tmp_path):
    found = read(tmp_path / "sets.csv", f"{CAUSALDB2}\n{causaldb2_row()}\n", columns={"pip": "finemap"})
    assert found["pip"].tolist() == [0.75]


def test_alleles_in_an_identifier_and_a_block_of_several_columns(tmp_path):
    text = (
        "SNP,region,trait,ZSCORE,MAF\nchr2:30_A_GT,4,MCV,-4,0.5\nnonsense,4,MCV,1,0.5\n2:31_A_G,4,HGB,,0.5\n"
    )
    counts = RowCounts()
    found = read(
        tmp_path / "table.csv",
        text,
        counts,
        format="table",
        columns={"variant": "SNP", "block": "trait,region", "study": "trait", "z": "ZSCORE", "maf": "MAF"},
        sample_size=100,
    )
    places = ["chrom", "pos", "other_allele", "effect_allele", "block", "study", "signal"]
    assert found[places].values.tolist() == [
        ["2", 30, "A", "GT", "MCV:4", "MCV", "all"],
        ["2", 31, "A", "G", "HGB:4", "HGB", "all"],
    ]
    # V = 1 / (2 * 100 * 0.5 * 0.5) = 0.02, so that W / (V + W) = 2/3.
    assert found["log_bf"].tolist() == pytest.approx(
        [0.5 * math.log(1 / 3) + 8 * 2 / 3, np.nan], rel=1e-6, nan_ok=True
    )
    # The table has no p-values, so that they are those of z.
    assert found["p_value"].tolist() == pytest.approx([6.334e-5, np.nan], rel=1e-3, nan_ok=True)
    assert counts.to_dict() == {
        "read": 3, "kept": 2, "refused: place missing": 1, "kept without log_bf": 1, "kept without a PIP": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("NA 5 A G b 0.1", "place missing"),
        ("1 0 A G b 0.1", "position out of range"),
        ("1 5.5 A G b 0.1", "position out of range"),
        ("1 . A G b 0.1", "place missing"),
        ("1 x A G b 0.1", "position is not a number"),
        ("1 5 <DEL> G b 0.1", "allele is not of A, C, G and T"),
        ("1 5 A - b 0.1", "allele is not of A, C, G and T"),
        ("1 5 A a b 0.1", "alleles are the same"),
        ("1 5 A G NA 0.1", "block missing"),
        ("1 5 A G b 1.5", "p-value out of range"),
        ("1 5 A G b -0.1", "p-value out of range"),
        ("1 5 A G b low", "p-value is not a number"),
    ],
)
def test_impossible_rows_are_refused_counted_and_named(tmp_path, row, reason):
    good = ["1 7 A G b 0.1", "1 8.0 A G b NA", "1 9 A G b 1e-400"]
    counts = RowCounts()
    found = plain(tmp_path, good[0], row, *good[1:], counts=counts)
    assert found["pos"].tolist() == [7, 8, 9]
    assert found["p_value"].tolist() == pytest.approx([0.1, np.nan, 0.0], nan_ok=True)
    assert (counts.read, counts.kept, counts.refused) == (4, 3, {reason: 1})
    (example,) = counts.examples[reason]
    assert example.line == 3
    assert example.value in row.split()


@pytest.mark.parametrize(
    ("field", "values", "kept"), [("pip", "1.0009 1.1 -1 -0.5 #NA", 3), ("standard_error", "0.1 0 -1 inf", 1)]
)
def test_impossible_pips_and_standard_errors_are_refused(tmp_path, field, values, kept):
    rows = [
        f"1 {place} A G b {value}" for place, value in enumerate([*values.split(), "0.5", "0.5"], start=1)
    ]
    found = plain(tmp_path, *rows, columns={field: "p", "p_value": ""})
    assert len(found) == kept + 2
    assert not (found["pip"] > 1).any()


def test_the_study_is_the_file_or_as_configured(tmp_path):
    assert plain(tmp_path, "1 5 A G b 0.1")["study"].tolist() == ["table.tsv"]
    assert plain(tmp_path, "1 5 A G b 0.1", study="mine")["study"].tolist() == ["mine"]


def test_an_infinite_z_is_not_known(tmp_path):
    found = plain(tmp_path, "1 5 A G b inf", columns={"z": "p", "p_value": ""})
    assert found[["z", "log_bf"]].isna().all(axis=None)


def test_the_size_of_chunks_does_not_matter(tmp_path):
    rows = [causaldb2_row(bp=str(1 + number % 40), p=f"0.{number + 1:03d}") for number in range(500)]
    rows[123] = causaldb2_row(bp="0")
    path = tmp_path / "sets.csv.gz"
    path.write_bytes(gzip.compress("\n".join([CAUSALDB2, *rows, ""]).encode()))
    results = []
    for size in (400, 3000, 1 << 20):
        counts = RowCounts()
        # Its p-values are not those of its z.
        config = CredibleSetsConfig(str(path), allow_implausible=True)
        chunks = list(read_credible_sets(config, counts, block_bytes=size))
        results.append((len(chunks), counts, pd.concat(chunks, ignore_index=True)))
    assert results[0][0] > results[1][0] > results[2][0] == 1
    for _, counts, found in results[1:]:
        assert counts.to_dict() == results[0][1].to_dict()
        pd.testing.assert_frame_equal(found, results[0][2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty; expected a header of columns"),
        (b"one\n1\n", "begins with 'one'; expected a header of columns"),
        (b"chrom\tpos\tpos\n", "more than one column pos"),
        (b"chrom\tpos\tea\toa\tp\n1\t5\tA\tG\t0.1\n", "has no column block; it has chrom, pos, ea, oa, p"),
        (b"chrom\tpos\tea\toa\tblock\tp\n", "has a header and no rows"),
        (
            b"chrom\tpos\tea\toa\tblock\tp\n1\t5\tA\tG\tb\t0.1\n1\t5\tA\tG\n",
            r"line 3 of .*table\.tsv has 4 fields; expected 6",
        ),
        (b"chrom\tpos\tea\toa\tblock\tp\n1\t5\tA\tG\t\xff\t0.1\n", "line 2 of .* is malformed: .*UTF-?8"),
        (
            b"chrom\tpos\tea\toa\tblock\tp\n1\t5\tN\tG\tb\t0.1\n",
            r"1 of 1 rows .*not of A, C, G and T \(1, such as line 2: ea is 'N'\)",
        ),
        (
            gzip.compress(b"chrom\tpos\tea\toa\tblock\tp\n" + b"1\t5\tA\tG\tb\t0.1\n" * 99, mtime=0)[:-9],
            "cannot read",
        ),
    ],
)
def test_unusable_files_are_errors_that_say_what_was_found(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path / "table.tsv", text, format="table", columns=PLAIN)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.tsv: No such file"):
        list(read_credible_sets(CredibleSetsConfig(str(tmp_path / "absent.tsv"))))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{path: a, columns: {p: P}}", "columns has p; known are chrom, pos"),
        (
            "{path: a, format: table, columns: {chrom: C}}",
            "no column for pos, effect_allele, other_allele, block",
        ),
        ("{path: a, sample_size: 0}", "sample_size is 0"),
        (
            "{path: a, format: table, columns: {variant: v, block: b}, variant: '{chrom}{what}'}",
            "each once",
        ),
    ],
)
def test_impossible_configurations_are_refused(tmp_path, config, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(config)
    with pytest.raises(ConfigurationError, match=message):
        read_configuration(path, CredibleSetsConfig)


@pytest.mark.reference
def test_the_real_causaldb2_extract(reference_data):
    # Counted with awk: NR>1 10,393 rows; $25==1 6,097; $18==-1 439; six different $21.
    counts = RowCounts()
    path = reference_data / "data" / "finemapping" / "causaldb2_AD.csv.gz"
    found = pd.concat(read_credible_sets(CredibleSetsConfig(str(path)), counts))
    assert (counts.read, counts.kept, counts.without_pip) == (10393, 10393, 439)
    assert found["signal"].value_counts().to_dict() == {"primary": 6097, "secondary": 4296}
    assert found["study"].nunique() == 6
    assert found["log_bf"].notna().all()
