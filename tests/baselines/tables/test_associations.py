"""P-values and Bayes factors: against scipy, numerical integration and naive sums over blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.statistics.bayes_factors import PRIOR_VARIANCE, log_bayes_factor
from tests.baselines.tables.lookups import looked_up, opened, variants, write_text

PLACES = "chr\tbp\tea\tnea\t"
FIRST = ("1", 5, "A", "C")


def write_rows(path: Path, table: pd.DataFrame) -> Path:
    return write_text(path, table.to_csv(sep="\t", index=False))


def places(count: int) -> pd.DataFrame:
    return pd.DataFrame({"chr": "1", "bp": range(5, 5 + count), "ea": "C", "nea": "A"})


def asked(count: int) -> list[Variant]:
    return variants([("1", pos, "A", "C") for pos in range(5, 5 + count)])


def test_p_values(tmp_path: Path) -> None:
    p_values = [1.0, 0.5, 1e-8, 1e-20, 1e-300]
    path = write_rows(tmp_path / "t.tsv", places(6).assign(p=[*p_values, np.nan]))
    status, columns = looked_up(f"pvalue:{path}", asked(6))
    assert status == ["ok"] * 5 + ["value_missing"]
    np.testing.assert_allclose(columns["neg_log10_p"], [*-np.log10(p_values), np.nan], rtol=1e-12)
    np.testing.assert_array_equal(columns["one_minus_p"], [*(1 - np.array(p_values)), np.nan])
    # The paper's score cannot tell the strongest apart; the one that ranks can.
    assert columns["one_minus_p"][3] == columns["one_minus_p"][4] == 1
    assert columns["neg_log10_p"][3] < columns["neg_log10_p"][4]
    assert str(columns["neg_log10_p"][0]) == "0.0"


@pytest.mark.parametrize("z", [38.6, -50.0, 1000.0])
@pytest.mark.parametrize("form", ["z", "beta", "odds_ratio"])
def test_p_values_that_are_0_come_from_z(tmp_path: Path, z: float, form: str) -> None:
    statistics = {
        "z": {"zscore": z},
        "beta": {"beta": z / 100, "se": 0.01},
        "odds_ratio": {"OR": np.exp(z / 1000), "SE": 0.001},
    }[form]
    path = write_rows(tmp_path / "t.tsv", places(1).assign(p=0, **statistics))
    _, columns = looked_up(f"pvalue:{path}", asked(1))
    expected = -(stats.norm.logsf(abs(z)) + np.log(2)) / np.log(10)
    np.testing.assert_allclose(columns["neg_log10_p"], [expected], rtol=1e-10)
    assert columns["one_minus_p"] == [1]


def test_p_values_that_are_0_have_no_score_without_statistics(tmp_path: Path) -> None:
    table = places(3).assign(p=[0, 0, 1e-5], z=[np.nan, 40, 1])
    # Another row of the first variant has a p-value; its lowest is unknown all the same.
    path = write_rows(tmp_path / "t.tsv", pd.concat([table, places(1).assign(p=1e-9, z=6)]))
    status, columns = looked_up(f"pvalue:{path}", asked(3))
    assert status == ["value_missing", "ok", "ok"]
    assert np.isnan(columns["one_minus_p"][0])
    assert columns["neg_log10_p"][1] > 300
    assert columns["neg_log10_p"][2] == 5


@pytest.mark.parametrize("z", [-37.0, -5.0, -0.5, 0.0, 3.0, 30.0])
def test_p_values_of_z_are_those_of_the_normal_distribution(tmp_path: Path, z: float) -> None:
    """Where a table rounds p to 0 although it is not small."""
    path = write_rows(tmp_path / "t.tsv", places(1).assign(p=0, z=z))
    found = looked_up(f"pvalue:{path}", asked(1))[1]["neg_log10_p"][0]
    assert found == pytest.approx(-np.log10(2 * stats.norm.sf(abs(z))), rel=1e-9, abs=1e-12)


def test_p_values_may_be_given_as_logarithms(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.tsv", places(3).assign(mlogp=[0.1, 9, 500]))
    _, columns = looked_up(f"pvalue:{path}", asked(3))
    assert columns["neg_log10_p"] == [0.1, 9, 500]
    np.testing.assert_allclose(columns["one_minus_p"], 1 - 10 ** -np.array([0.1, 9, 500]))
    path = write_rows(tmp_path / "t.tsv", places(2).assign(mlogp=[0.3, 500], pval=[0.5, 0], z=[0, 0]))
    assert looked_up(f"pvalue:{path}", asked(2))[1]["neg_log10_p"] == [pytest.approx(-np.log10(0.5)), 500]


def test_the_lowest_of_several_rows_counts(tmp_path: Path) -> None:
    table = pd.concat([places(2).assign(p=[0.5, 1e-3]), places(2).assign(p=[1e-9, np.nan], ea="A", nea="C")])
    path = write_rows(tmp_path / "t.tsv", table)
    assert looked_up(f"pvalue:{path}", asked(2))[1]["neg_log10_p"] == pytest.approx([9, 3])


def glm(models: dict[str, float]) -> pd.DataFrame:
    """Rows as PLINK 2 writes them of each term of its model; effects follow from the p-values."""
    rows = [
        ("1", pos, f"rs{pos}", "A", "C", "C", test, 1000, np.sqrt(stats.chi2.isf(p, 1)) / 10, 0.1, p)
        for pos in (5, 6)
        for test, p in models.items()
    ]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "A1", "TEST", "OBS_CT", "BETA", "SE", "P"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("name", ["TEST", "Test", "test"])
@pytest.mark.parametrize("order", [1, -1])
def test_rows_of_covariates_are_not_the_variant(tmp_path: Path, name: str, order: int) -> None:
    models = dict([("ADD", 0.01), ("AGE", 1e-30), ("SEX", 0.5), ("ADDxSEX", 1e-9)][::order])
    table = glm(models).rename(columns={"TEST": name})
    path = write_rows(tmp_path / "t.glm", table)
    status, columns = looked_up(f"pvalue:{path}", asked(2))
    assert (status, columns["neg_log10_p"]) == (["ok"] * 2, pytest.approx([2, 2]))
    assert f"only rows with {name} ADD" in opened(f"pvalue:{path}").declaration.formula
    # The block holds the rows of the variants alone, too.
    path = write_rows(tmp_path / "t.glm", table.assign(block=1))
    _, columns = looked_up(f"abf:{path}", asked(2))
    z = stats.norm.isf(0.01 / 2)
    assert columns["log_abf"] == pytest.approx([log_bayes_factor(np.array([z]), np.array([0.01]))[0]] * 2)
    assert columns["abf_pip"] == pytest.approx([0.5, 0.5])
    assert f"only rows with {name} ADD" in opened(f"abf:{path}").declaration.formula


def test_rows_of_the_variant_are_found_far_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mifm_kipoi.genomics.tables.BLOCK_BYTES", 256)
    table = glm({"ADD": 0.01, "AGE": 1e-30}).sort_values("TEST", ascending=False)
    table = pd.concat([table.iloc[:2]] * 50 + [table.iloc[2:]])
    path = write_rows(tmp_path / "t.glm", table)
    assert looked_up(f"pvalue:{path}", asked(2))[1]["neg_log10_p"] == pytest.approx([2, 2])


@pytest.mark.parametrize("test", ["ADD", "DOM", ""])
def test_rows_of_one_test_all_count(tmp_path: Path, test: str) -> None:
    path = write_rows(tmp_path / "t.glm", glm({test: 0.01}))
    assert looked_up(f"pvalue:{path}", asked(2))[1]["neg_log10_p"] == pytest.approx([2, 2])
    assert "only rows" not in opened(f"pvalue:{path}").declaration.formula


@pytest.mark.parametrize("kind", ["pvalue", "abf"])
def test_rows_of_several_tests_without_the_additive_are_refused(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / "t.glm", glm({"DOM": 0.01, "AGE": 1e-30}))
    with pytest.raises(InputError, match=r"TEST is one of AGE, DOM, and never ADD.*keep the rows of one"):
        opened(f"{kind}:{path}")
    path = write_rows(tmp_path / "t.glm", glm({f"T{number}": 0.5 for number in range(9)}))
    with pytest.raises(InputError, match=r"one of T0, .* T7, \.\.\., and never"):
        opened(f"{kind}:{path}")


def test_bayes_factors_are_ratios_of_integrals(tmp_path: Path) -> None:
    beta, error = np.array([0.3, -0.05, 0.0, 0.1]), np.array([0.05, 0.05, 0.02, 0.2])

    def marginal(effect: float, own: float) -> float:
        def joint(true: float) -> float:
            return float(stats.norm.pdf(effect, true, own) * stats.norm.pdf(true, 0, np.sqrt(PRIOR_VARIANCE)))

        return integrate.quad(joint, -3, 3, points=[0, effect], epsabs=0, epsrel=1e-10, limit=500)[0]

    expected = [np.log(marginal(b, s) / stats.norm.pdf(b, 0, s)) for b, s in zip(beta, error, strict=True)]
    np.testing.assert_allclose(log_bayes_factor(beta / error, error**2), expected, rtol=1e-8)
    path = write_rows(tmp_path / "t.tsv", places(4).assign(beta=beta, se=error))
    status, columns = looked_up(f"abf:{path}", asked(4))
    assert (status, list(columns)) == (["ok"] * 4, ["log_abf"])
    np.testing.assert_allclose(columns["log_abf"], expected, rtol=1e-8)


@pytest.mark.parametrize(("statistics", "z", "variance"), [
    ({"z": 5.0, "se": 0.1}, 5, 0.01),
    ({"beta": 0.5, "se": 0.1, "z": 99.0}, 5, 0.01),
    ({"odds_ratio": np.exp(0.5), "se": 0.1}, 5, 0.01),
    ({"hr": np.exp(-0.5), "se": 0.1}, -5, 0.01),
    ({"z": 5.0, "maf": 0.2, "n": 1000}, 5, 1 / (2 * 1000 * 0.2 * 0.8)),
    ({"z": 5.0, "eaf": 0.8, "sample_size": 1000, "se": np.nan}, 5, 1 / (2 * 1000 * 0.2 * 0.8)),
    ({"z": 5.0, "maf": 0.2, "n": 1000, "se": 0.1}, 5, 0.01),
    ({"z": np.nan, "se": 0.1}, np.nan, 0.01),
    ({"z": 5.0, "se": 0.0}, 5, np.nan),
    ({"beta": 0.5, "se": 0.0, "z": 5.0}, 5, np.nan),
    ({"z": 5.0, "maf": 0.0, "n": 1000}, 5, np.nan),
    ({"z": 5.0, "maf": 0.2, "n": 0}, 5, np.nan),
    ({"odds_ratio": 0.0, "se": 0.1}, np.nan, 0.01),
])  # fmt: skip
def test_z_and_its_variance(tmp_path: Path, statistics: dict[str, float], z: float, variance: float) -> None:
    # More than half of the rows must be usable.
    others = places(4)[1:].assign(beta=0.5, se=0.1, z=5.0, n=1000, maf=0.2, odds_ratio=1.5)
    table = pd.concat([places(1).assign(**statistics), others[[*places(1), *set(statistics) & set(others)]]])
    path = write_rows(tmp_path / "t.tsv", table)
    status, columns = looked_up(f"abf:{path}", asked(1))
    expected = -0.5 * np.log(1 + 0.04 / variance) + 0.5 * z**2 * 0.04 / (variance + 0.04)
    np.testing.assert_allclose(columns["log_abf"], [expected], rtol=1e-12)
    assert status == ["value_missing" if np.isnan(expected) else "ok"]


def test_only_rows_without_a_standard_error_need_the_frequency(tmp_path: Path) -> None:
    table = places(2).assign(z=5.0, se=[0.1, np.nan], maf=[np.nan, 0.2], n=1000)
    expected = log_bayes_factor(np.array([5, 5]), np.array([0.01, 1 / (2 * 1000 * 0.2 * 0.8)]))
    path = write_rows(tmp_path / "t.tsv", table)
    np.testing.assert_allclose(looked_up(f"abf:{path}", asked(2))[1]["log_abf"], expected)
    # Where other rows of the study show the units of effects, the missing standard error is in these.
    path = write_rows(tmp_path / "t.tsv", table.assign(maf=[0.5, 0.2]))
    expected = log_bayes_factor(np.array([5, 5]), np.array([0.01, 0.01 * 0.25 / 0.16]))
    np.testing.assert_allclose(looked_up(f"abf:{path}", asked(2))[1]["log_abf"], expected)


@pytest.mark.parametrize("name", ["trait", "meta_id"])
def test_a_study_has_one_prior_variance(tmp_path: Path, name: str) -> None:
    """Rows without a frequency have that of their study, whose effects are in units of their own."""
    table = places(4).assign(
        beta=[0.6, 0.6, 60, 60], se=[0.1, 0.1, 10, 10], maf=[0.2, np.nan, 0.2, np.nan], n=1000, block="b"
    )
    table[name] = ["one", "one", "two", "two"]
    path = write_rows(tmp_path / "t.tsv", table)
    _, columns = looked_up(f"abf:{path}:trait=quantitative", asked(4))
    # The traits' variances are 2 n f (1 - f) V = 3.2 and 32,000.
    expected = log_bayes_factor(np.array([6.0]), np.array([0.01]), 0.0225 * 3.2)[0]
    np.testing.assert_allclose(columns["log_abf"], expected)
    np.testing.assert_allclose(columns["abf_pip"], 0.5)


@pytest.mark.parametrize("name", ["block", "block_id", "locus", "region", "LD_block"])
def test_posteriors_sum_over_their_block(tmp_path: Path, name: str) -> None:
    generator = np.random.default_rng(4)
    table = places(60).assign(
        beta=generator.normal(0, 0.5, 60), se=generator.uniform(0.01, 0.1, 60), **{name: np.arange(60) // 20}
    )
    table.loc[50:, "chr"] = "2"
    table.loc[[3, 41], "se"] = np.nan
    path = write_rows(tmp_path / "t.tsv", table)
    rows = variants(table[["chr", "bp", "nea", "ea"]].itertuples(index=False, name=None))
    status, columns = looked_up(f"abf:{path}", rows)
    assert [number for number, reason in enumerate(status) if reason == "value_missing"] == [3, 41]
    log_abf = pd.Series(columns["log_abf"])
    by_block = log_abf.groupby([table["chr"], table[name]])
    total = by_block.transform(lambda values: special.logsumexp(values.dropna()))
    np.testing.assert_allclose(columns["abf_pip"], np.exp(log_abf - total), rtol=1e-10)
    sums = pd.Series(columns["abf_pip"]).groupby([table["chr"], table[name]]).sum()
    np.testing.assert_allclose(sums, [1, 1, 1, 1])


def test_posteriors_of_huge_bayes_factors_are_finite(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.tsv", places(2).assign(beta=[5.0, 5.0], se=[0.01, 0.01], block="b"))
    _, columns = looked_up(f"abf:{path}", asked(2))
    assert min(columns["log_abf"]) > 1e5
    assert columns["abf_pip"] == [0.5, 0.5]


def test_blocks_are_of_one_study_and_one_signal(tmp_path: Path) -> None:
    one = places(2).assign(beta=[0.2, 0.2], se=0.05, region=1)
    names = {"trait": "xy", "study": "xy", "meta_id": "xy", "primary": "10", "lead_snp": "xy"}
    for name, values in names.items():
        first = one.assign(**{name: values[0]})
        second = one.assign(beta=[0.2, 0.3], **{name: values[1]})
        alone = looked_up(f"abf:{write_rows(tmp_path / 't.tsv', second)}", asked(2))[1]["abf_pip"]
        both = looked_up(f"abf:{write_rows(tmp_path / 't.tsv', pd.concat([first, second]))}", asked(2))[1]
        assert both["abf_pip"] == pytest.approx([0.5, alone[1]])
        assert alone[1] > 0.9


def test_a_variant_twice_in_a_block_counts_once(tmp_path: Path) -> None:
    table = places(2).assign(beta=[0.2, 0.2], se=0.05, block=1)
    again = places(1).assign(beta=[-0.2], se=0.05, block=1, ea="A", nea="C")
    lower = places(1).assign(beta=[0.1], se=0.05, block=1)
    path = write_rows(tmp_path / "t.tsv", pd.concat([lower, table, again]))
    assert looked_up(f"abf:{path}", asked(2))[1]["abf_pip"] == pytest.approx([0.5, 0.5])


def test_rows_outside_blocks_have_a_bayes_factor_alone(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.tsv", places(2).assign(beta=0.2, se=0.05, block=["", "b"]))
    status, columns = looked_up(f"abf:{path}", asked(2))
    assert status == ["ok", "ok"]
    np.testing.assert_array_equal(columns["abf_pip"], [np.nan, 1])
    assert columns["log_abf"][0] == columns["log_abf"][1]


def test_secondary_signals_of_causaldb_are_given_the_primary_one(tmp_path: Path) -> None:
    table = places(3).assign(
        beta=0.2, se=0.05, cojo_beta=[np.nan, 0.1, np.nan], cojo_se=[np.nan, 0.04, np.nan], primary=[1, 0, 0]
    )
    path = write_rows(tmp_path / "t.tsv", table)
    expected = log_bayes_factor(np.array([4, 2.5, 4]), np.array([0.05, 0.04, 0.05]) ** 2)
    np.testing.assert_allclose(looked_up(f"abf:{path}", asked(3))[1]["log_abf"], expected)


@pytest.mark.parametrize(("kind", "columns", "message"), [
    ("pvalue", {"beta": 1, "se": 1}, "has no column of p-values: its columns are chr, bp, ea, nea, beta, se"),
    ("pvalue", {"p": 1.5}, r"1 of 1 values of p are not between 0 and 1.*line 2: p is '1\.5'"),
    ("pvalue", {"p": -0.1}, "p is '-0.1'"),
    ("pvalue", {"p": "low"}, r"1 of 1 rows cannot be used: p-value is not a number .*line 2: p is 'low'"),
    ("pvalue", {"mlogp": -1}, "1 of 1 values of mlogp are below 0.*line 2: mlogp is '-1'"),
    ("pvalue", {"p": 0.1, "pval": 0.1}, "each of the columns p, pval could be p_value"),
    ("abf", {"p": 0.1}, "too few statistics"),
    ("abf", {"beta": 0.1}, "too few statistics"),
    ("abf", {"z": 0.1}, "too few statistics"),
    ("abf", {"z": 0.1, "maf": 0.1}, "add a column n"),
    ("abf", {"beta": 0.1, "maf": 0.1, "n": 9}, "too few statistics"),
    ("abf", {"beta": 0.1, "se": -0.1}, r"standard error out of range .*line 2: se is '-0\.1'"),
    ("abf", {"or": -1, "se": 0.1}, r"or is below 0.* \(1 of 1 rows: line 2: or is -1\)"),
    ("abf", {"z": 1, "maf": 1.5, "n": 9}, r"maf is above 1.*line 2: maf is 1\.5"),
])  # fmt: skip
def test_tables_that_are_refused(tmp_path: Path, kind: str, columns: dict[str, object], message: str) -> None:
    path = write_rows(tmp_path / "t.tsv", places(1).assign(**columns))
    with pytest.raises(InputError, match=message):
        opened(f"{kind}:{path}")


def test_declare_what_they_are(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.tsv", places(1).assign(p=0.5, beta=1, se=1, block=1, trait="x"))
    scores = opened(f"pvalue:{path}").declaration.scores
    assert [(one.name, one.ranks) for one in scores] == [("neg_log10_p", True), ("one_minus_p", False)]
    declared = opened(f"abf:{path}").declaration
    assert [(one.name, one.ranks) for one in declared.scores] == [("log_abf", True), ("abf_pip", True)]
    assert "0.04" in declared.scores[0].meaning
    assert "block, trait" in declared.scores[1].meaning
    assert declared.provenance["prior_variance"] == 0.04
    declared = opened(f"abf:{path}:trait=quantitative:n=1000").declaration
    assert "0.0225 times that of the trait" in declared.scores[0].meaning
    assert "trait: quantitative" in declared.provenance["options"]
    assert opened(f"abf:{path}:prior_variance=0.1").declaration.provenance["prior_variance"] == 0.1
    with pytest.raises(OptionError, match=r"trait=ordinal: trait is 'ordinal'; expected quantitative or"):
        opened(f"abf:{path}:trait=ordinal")
    with pytest.raises(OptionError, match=r"case_fraction is 2\.0; expected more than 0 and less than 1"):
        opened(f"abf:{path}:case_fraction=2")
    with pytest.raises(OptionError, match=r"trait in .* is not an option of a table of a GWAS"):
        opened(f"pvalue:{path}:trait=quantitative")


def test_missing_values_in_any_spelling_are_one_row(tmp_path: Path) -> None:
    table = places(3).assign(beta=0.14, se=["0.02", "#NA", "0.02"], p=2.6e-12)
    status, columns = looked_up(f"abf:{write_rows(tmp_path / 't.tsv', table)}", asked(3))
    assert status == ["ok", "value_missing", "ok"]
    np.testing.assert_allclose(columns["log_abf"][0], log_bayes_factor(np.array([7.0]), np.array([4e-4])))


def test_the_odds_ratio_stands_in_for_an_empty_beta(tmp_path: Path) -> None:
    table = places(2).assign(beta=[0.14, np.nan], odds_ratio=[9.0, np.exp(0.14)], se=0.02)
    _, columns = looked_up(f"abf:{write_rows(tmp_path / 't.tsv', table)}", asked(2))
    np.testing.assert_allclose(columns["log_abf"], log_bayes_factor(np.full(2, 7.0), np.full(2, 4e-4)))


def test_options_follow_the_file(tmp_path: Path) -> None:
    table = places(2).assign(
        first="C", second="A", P=[0.1, 0.2], q=[1e-3, 1e-4], z=3, maf=0.2, trait=["x", "y"]
    )
    path = write_rows(tmp_path / "t.tsv", table.drop(columns=["ea", "nea"]))
    spec = f"pvalue:{path}:effect-allele=first:other_allele=second:p_value=q"
    assert looked_up(spec, asked(2))[1]["neg_log10_p"] == pytest.approx([3, 4])
    status, columns = looked_up(f"{spec}:phenotype=y", asked(2))
    assert (status, columns["neg_log10_p"][1]) == (["not_in_table", "ok"], pytest.approx(4))
    declared = opened(f"{spec}:phenotype=y").declaration
    assert "only the phenotype y" in declared.formula
    assert "1 not chosen (x)" in declared.provenance["rows"]
    assert declared.provenance["options"].endswith("p_value: q, phenotype: y")
    assert "several phenotypes" in opened(spec).declaration.provenance["notes"]
    spec = spec.replace("pvalue", "abf")
    expected = log_bayes_factor(np.full(2, 3.0), np.full(2, 1 / (2 * 1000 * 0.2 * 0.8)))
    np.testing.assert_allclose(looked_up(f"{spec}:n=1000", asked(2))[1]["log_abf"], expected)
    with pytest.raises(InputError, match=r"give it \(.*:n=10000\)"):
        opened(spec)


@pytest.mark.parametrize(("option", "message"), [
    ("colour=red", "colour in .* is not an option of a table of a GWAS; expected format, phenotype"),
    ("n=many", "n is 'many'; expected the number of samples"),
    ("format=excel", "format is 'excel'"),
    ("traits=highest", "traits in .* is not an option"),
])  # fmt: skip
def test_options_that_are_refused(tmp_path: Path, option: str, message: str) -> None:
    path = write_rows(tmp_path / "t.tsv", places(1).assign(p=0.5))
    with pytest.raises(OptionError, match=message):
        opened(f"pvalue:{path}:{option}")


def test_pips_of_several_traits(tmp_path: Path) -> None:
    table = pd.concat([
        places(2).assign(pip=[0.1, 1.0005], trait="MPV"),
        places(2).assign(pip=[0.4, np.nan], trait="WBC count"),
        places(1).assign(pip=[0.2], trait="MPV"),
    ])  # fmt: skip
    path = write_rows(tmp_path / "t.tsv", table)
    status, columns = looked_up(f"pip:{path}", asked(3))
    assert status == ["ok", "ok", "not_in_table"]
    assert list(columns) == ["pip", "pip_MPV", "pip_WBC_count"]
    np.testing.assert_array_equal(columns["pip"], [0.4, 1, np.nan])
    np.testing.assert_array_equal(columns["pip_MPV"], [0.2, 1, np.nan])
    np.testing.assert_array_equal(columns["pip_WBC_count"], [0.4, np.nan, np.nan])
    assert looked_up(f"pip:{path}:traits=highest", asked(2))[1] == {"pip": [0.4, 1]}
    assert looked_up(f"pip:{path}:phenotype=MPV", asked(2))[1] == {"pip": [0.2, 1]}
    declared = opened(f"pip:{path}").declaration
    assert declared.ranking == ("pip", "pip_MPV", "pip_WBC_count")
    assert declared.scores[2].meaning == "posterior inclusion probability of trait WBC count"
    # Each trait has a score, and nobody is told to choose one.
    assert declared.provenance["notes"] == ""
    table["trait"] = ["a b", "a b", "a_b", "a_b", np.nan]
    columns = looked_up(f"pip:{write_rows(path, table)}", asked(1))[1]
    assert columns == {"pip": [0.4], "pip_a_b": [0.1], "pip_a_b_2": [0.4]}


def test_pips_that_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.tsv", places(3).assign(PP=[0.5, 1.5, -1]))
    assert looked_up(f"pip:{path}", asked(3))[0] == ["ok", "value_missing", "value_missing"]
    path = write_rows(tmp_path / "t.tsv", places(3).assign(x=0.5))
    with pytest.raises(InputError, match=r"no column of PIPs: .*expected one of pip, .*:pip=COLUMN"):
        opened(f"pip:{path}")
    many = places(60).assign(pip=0.5, trait=range(60))
    with pytest.raises(InputError, match=r"more than 50 values of trait.*:traits=highest.*:phenotype=0"):
        opened(f"pip:{write_rows(tmp_path / 't.tsv', many)}")


@pytest.mark.parametrize("kind", ["pvalue", "abf", "pip"])
def test_tables_without_rows_are_refused(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / "t.tsv", places(0).assign(p=1, beta=1, se=1, pip=1))
    with pytest.raises(InputError, match="has a header and no rows"):
        opened(f"{kind}:{path}")


def test_contradictions_are_an_error_unless_they_are_allowed(tmp_path: Path) -> None:
    z = stats.norm.ppf(np.linspace(0.01, 0.99, 300))
    table = places(300).assign(beta=z, se=10, p=2 * stats.norm.sf(np.abs(z)))
    path = write_rows(tmp_path / "t.tsv", table)
    with pytest.raises(InputError, match=r"p and beta and se contradict each other.*too few digits"):
        opened(f"abf:{path}")
    # P-values alone are used, but what the logarithm is of, the effects say.
    assert "contradict each other" in opened(f"pvalue:{path}").declaration.provenance["notes"]
    logarithms = write_rows(tmp_path / "l.tsv", table.rename(columns={"p": "mlogp"}))
    with pytest.raises(InputError, match=r"mlogp and beta and se contradict each other"):
        opened(f"pvalue:{logarithms}")
    for kind in ("pvalue", "abf"):
        notes = opened(f"{kind}:{path}:allow-implausible=true").declaration.provenance["notes"]
        assert "contradict each other" in notes


@pytest.mark.reference
def test_blood_traits_are_usable(reference_data: Path, tmp_path: Path) -> None:
    path = reference_data / "data" / "finemapping" / "ukb_blood_traits.finemap.tsv.gz"
    table = pd.read_csv(path, sep="\t", dtype={"CHR": str})
    alleles = table["SNP"].str.extract(r":\d+_([ACGT]+)_([ACGT]+)$")
    rows = variants(zip(table["CHR"], table["POS"], alleles[0], alleles[1], strict=True))
    status, columns = looked_up(f"pvalue:{path}", rows)
    assert set(status) == {"ok"}
    lowest = table.groupby("SNP")["p.value"].transform("min")
    known = (lowest > 0).to_numpy()
    np.testing.assert_allclose(np.array(columns["neg_log10_p"])[known], -np.log10(lowest[known]))
    assert np.array(columns["neg_log10_p"])[~known].min() > 300
    own = write_rows(tmp_path / "t.tsv", table.assign(n=400_000))
    status, columns = looked_up(f"abf:{own}", rows)
    assert set(status) == {"ok"}
    variance = 1 / (2 * 400_000 * table["MAF"] * (1 - table["MAF"]))
    table["log_abf"] = log_bayes_factor(table["ZSCORE"].to_numpy(), variance.to_numpy())
    blocks = table.groupby(["trait", "CHR", "region"])["log_abf"]
    table["pip"] = np.exp(table["log_abf"] - blocks.transform(special.logsumexp))
    np.testing.assert_allclose(columns["abf_pip"], table.groupby("SNP")["pip"].transform("max"), rtol=1e-9)


@pytest.mark.reference
def test_causaldb_is_usable(reference_data: Path) -> None:
    path = reference_data / "data" / "finemapping" / "causaldb2_AD.csv.gz"
    table = pd.read_csv(path, dtype={"chr": str})
    rows = variants(zip(table["chr"], table["bp"], table["ea"], table["nea"], strict=True))
    status, columns = looked_up(f"abf:{path}", rows)
    assert set(status) == {"ok"}
    signals = table.groupby(["meta_id", "block_id", "primary", "lead_snp"])["abf"]
    table["own"] = table["abf"] / signals.transform("sum")
    pairs = ["chr", "bp", "first", "second"]
    table["first"], table["second"] = np.sort(table[["ea", "nea"]].to_numpy(), axis=1).T
    largest = table.groupby(pairs)["own"].transform("max")
    assert pd.Series(columns["abf_pip"]).corr(largest, method="spearman") > 0.6
