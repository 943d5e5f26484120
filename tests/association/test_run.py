"""``mifm gwas`` from files to files, against statsmodels, PLINK 2 and BOLT-LMM."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import yaml

from mifm_kipoi.association.cohort import Selection
from mifm_kipoi.association.filters import Filters
from mifm_kipoi.association.run import GwasRun
from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, MIFMError, OptionError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.statistics.normal import normal_scores
from tests.association.people import PEOPLE, VARIANTS, SmallCohort
from tests.genetics.filesets import write_bed

ALL_VARIANTS = Filters(0.0, 0.0, 0.0, 1.0)

PLINK2 = pytest.mark.skipif(not shutil.which("plink2"), reason="plink2 is not installed")


def a_run(cohort: SmallCohort, folder: Path, **changes: object) -> GwasRun:
    selection = Selection(
        (cohort.table,), ("height", "weight", "sick"), covariates=("age", "centre"), binary=("sick",)
    )
    run = GwasRun((cohort.prefix,), selection, folder, ALL_VARIANTS, threads=2)
    own = {name: changes.pop(name) for name in list(changes) if hasattr(selection, name)}
    return dataclasses.replace(run, selection=dataclasses.replace(selection, **own), **changes)


def output(folder: Path, trait: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{trait}.tsv.gz", sep="\t", dtype={"chromosome": str})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> SmallCohort:
    return SmallCohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def done(cohort: SmallCohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("done")
    a_run(cohort, folder, exact_below=1.0, build="GRCh38", ancestry="EUR").run()
    return folder


@pytest.mark.parametrize("trait", ["height", "weight", "sick"])
def test_outputs_are_regressions_of_statsmodels(cohort: SmallCohort, done: Path, trait: str) -> None:
    rows = output(done, trait)
    assert rows["variant_id"].tolist() == [f"s{number}" for number in range(VARIANTS)]
    values = cohort.people[trait].to_numpy(np.float64)
    for number, row in enumerate(rows.to_dict("records")):
        genotype = cohort.genotypes[:, number].astype(np.float64)
        some = ~np.isnan(genotype) & ~np.isnan(values)
        design = np.column_stack([cohort.design, genotype])[some]
        if trait == "sick":
            fit = sm.Logit(values[some] - 1, design).fit(disp=0, tol=1e-12)
            assert row["n_cases"] == (values[some] == 2).sum()
            assert row["n_cases"] + row["n_controls"] == row["n"]
        else:
            fit = sm.OLS(values[some], design).fit()
        # float32 has seven digits, and p-values are written with six.
        np.testing.assert_allclose(row["beta"], fit.params[-1], rtol=2e-7)
        np.testing.assert_allclose(row["standard_error"], fit.bse[-1], rtol=2e-7)
        np.testing.assert_allclose(row["p_value"], fit.pvalues[-1], rtol=6e-6)
        assert row["n"] == some.sum()
        np.testing.assert_allclose(row["effect_allele_frequency"], genotype[some].mean() / 2, rtol=1e-6)
        assert (row["effect_allele"], row["other_allele"]) == ("A", "C")
        assert row["fit"] == ("logistic" if trait == "sick" else "linear")


def test_the_manifest_and_the_description_say_what_was_done(cohort: SmallCohort, done: Path) -> None:
    manifest = json.loads((done / "gwas.json").read_text())
    assert manifest["variants"] == VARIANTS
    assert manifest["covariates"] == ["age", "centre"]
    assert [one["name"] for one in manifest["genotypes"]] == ["cohort.bed", "cohort.bim", "cohort.fam"]
    weight, sick = manifest["results"]["weight"], manifest["results"]["sick"]
    assert (weight["people"], weight["kind"]) == (PEOPLE - 10, "quantitative")
    assert (sick["cases"], sick["fits"]) == (150, {"score": 0, "logistic": VARIANTS, "firth": 0})
    assert "10 people with all covariates lack weight" in manifest["notes"]
    described = yaml.safe_load((done / "sick.tsv.gz-meta.yaml").read_text())
    assert described["samples"][0] == {
        "sample_size": PEOPLE, "sample_ancestry": ["EUR"], "case_control_study": True, "case_count": 150,
        "control_count": PEOPLE - 150,
    }  # fmt: skip
    assert described["genome_assembly"] == "GRCh38"
    assert described["is_sorted"] is True
    report = (done / "report.md").read_text()
    assert "150 cases, 350 controls" in report
    assert "Held fixed: age, centre." in report
    assert (done / "report.html").read_text().count("data:image/png") == 4


def test_the_reader_of_associations_takes_the_outputs(done: Path) -> None:
    (rows,) = AssociationTable(str(done / "sick.tsv.gz")).batches()
    shown = output(done, "sick")
    np.testing.assert_allclose(rows.beta, shown["beta"], rtol=1e-6)
    np.testing.assert_allclose(rows.z, shown["beta"] / shown["standard_error"], rtol=1e-6)
    assert not any(rows.reason)
    assert rows.effect_allele.tolist() == ["A"] * VARIANTS


@PLINK2
def test_plink2_has_the_same_digits(cohort: SmallCohort, done: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["plink2", "--bfile", cohort.prefix, "--pheno", str(cohort.table), "--pheno-name", "height,sick",
         "--covar", str(cohort.table), "--covar-name", "age,centre", "--covar-variance-standardize", "age",
         "--glm", "hide-covar", "no-firth", "--out", str(tmp_path / "plink"), "--threads", "1"],
        check=True, capture_output=True,
    )  # fmt: skip
    for trait, kind in (("height", "linear"), ("sick", "logistic")):
        plink = pd.read_csv(tmp_path / f"plink.{trait}.glm.{kind}", sep="\t").set_index("ID")
        own = output(done, trait).set_index("variant_id").loc[plink.index]
        sign = np.where(plink["A1"] == own["effect_allele"], 1, -1)
        beta = np.log(plink["OR"]) if kind == "logistic" else plink["BETA"]
        error = plink["LOG(OR)_SE" if kind == "logistic" else "SE"]
        assert len(plink) == VARIANTS
        assert (plink["OBS_CT"] == own["n"]).all()
        # PLINK prints six digits, and its logistic regression ends when coefficients change by 1e-4.
        loose = 2e-4 if kind == "logistic" else 1e-5
        np.testing.assert_allclose(own["beta"] * sign / error, beta / error, atol=loose, rtol=1e-5)
        np.testing.assert_allclose(own["standard_error"], error, rtol=loose)
        np.testing.assert_allclose(np.log(own["p_value"]), np.log(plink["P"]), rtol=loose, atol=loose)


def separated(folder: Path) -> tuple[str, Path]:
    """Genotypes of which the first is carried by cases alone."""
    generator = np.random.default_rng(2)
    sick = np.arange(200) < 60
    genotypes = generator.binomial(2, 0.3, (200, 3)).astype(np.float32)
    genotypes[:, 0] = 0
    genotypes[:8, 0] = 1
    names = [f"p{row}" for row in range(200)]
    prefix = write_bed(folder / "few", genotypes, [1, 2, 3], fid=names, iid=names)
    table = folder / "few.tsv"
    people = pd.DataFrame(
        {"FID": names, "IID": names, "sick": sick + 1, "age": generator.normal(50, 5, 200).round(2)}
    )
    people.to_csv(table, sep="\t", index=False)
    return prefix, table


@PLINK2
def test_firth_where_all_carriers_are_cases_as_in_plink2(tmp_path: Path) -> None:
    prefix, table = separated(tmp_path)
    run = GwasRun((prefix,), Selection((table,), ("sick",), ("age",)), tmp_path / "out", ALL_VARIANTS)
    result = dataclasses.replace(run, exact_below=1.0).run()
    rows = output(tmp_path / "out", "sick").set_index("variant_id")
    assert rows["fit"].tolist() == ["firth", "logistic", "logistic"]
    assert any("60 people in its smaller class" in caution for caution in result.result.cautions)
    subprocess.run(
        ["plink2", "--bfile", prefix, "--pheno", str(table), "--pheno-name", "sick", "--covar", str(table),
         "--covar-name", "age", "--covar-variance-standardize", "--glm", "hide-covar", "firth-fallback",
         "--out", str(tmp_path / "plink"), "--threads", "1"],
        check=True, capture_output=True,
    )  # fmt: skip
    plink = pd.read_csv(tmp_path / "plink.sick.glm.logistic.hybrid", sep="\t").set_index("ID").loc["s0"]
    assert plink["FIRTH?"] == "Y"
    sign = 1 if plink["A1"] == rows.loc["s0", "effect_allele"] else -1
    np.testing.assert_allclose(rows.loc["s0", "beta"] * sign, np.log(plink["OR"]), rtol=2e-3)
    np.testing.assert_allclose(rows.loc["s0", "standard_error"], plink["LOG(OR)_SE"], rtol=2e-3)


def test_the_exact_fit_is_below_its_p_value_alone(cohort: SmallCohort, tmp_path: Path) -> None:
    a_run(cohort, tmp_path / "score", exact_below=0.0, traits=("sick",)).run()
    a_run(cohort, tmp_path / "some", exact_below=0.05, traits=("sick",)).run()
    score, some = output(tmp_path / "score", "sick"), output(tmp_path / "some", "sick")
    assert (score["fit"] == "score").all()
    low = score["p_value"] <= 0.05
    assert 0 < low.sum() < VARIANTS
    assert (some["fit"] == np.where(low, "logistic", "score")).all()
    pd.testing.assert_frame_equal(some[~low], score[~low])
    assert (some.loc[low, "beta"] != score.loc[low, "beta"]).all()


def test_normal_scores_of_a_trait(cohort: SmallCohort, tmp_path: Path) -> None:
    a_run(cohort, tmp_path, traits=("weight",), binary=(), inverse_normal=True).run()
    row = output(tmp_path, "weight").iloc[3]
    values = normal_scores(cohort.people["weight"])
    genotype = cohort.genotypes[:, 3].astype(np.float64)
    some = ~np.isnan(genotype) & ~np.isnan(values)
    fit = sm.OLS(values[some], np.column_stack([cohort.design, genotype])[some]).fit()
    np.testing.assert_allclose(row["beta"], fit.params[-1], rtol=2e-7)
    assert "normal scores of its ranks" in (tmp_path / "report.md").read_text()


def test_only_listed_people_are_analysed(cohort: SmallCohort, tmp_path: Path) -> None:
    keep = tmp_path / "keep.txt"
    keep.write_text("FID\tIID\n" + "".join(f"{name}\t{name}\n" for name in [*cohort.names[:200], "who"]))
    result = a_run(cohort, tmp_path / "out", traits=("height",), binary=(), keep=keep).run()
    assert output(tmp_path / "out", "height")["n"].max() <= 200
    assert result.result.traits[0].people == 200
    assert "1 of the 201 people of keep.txt have no genotypes or no traits" in result.result.notes


def test_blocks_and_threads_do_not_change_the_outputs(
    cohort: SmallCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(cohort, tmp_path / "one", threads=1).run()
    monkeypatch.setattr("mifm_kipoi.genetics.genotypes.source.BLOCK_BYTES", 4 * PEOPLE * 7)
    progress: list[tuple[int, float]] = []
    a_run(cohort, tmp_path / "many", threads=3).run(lambda *done: progress.append(done))
    for trait in ("height", "sick"):
        pd.testing.assert_frame_equal(output(tmp_path / "one", trait), output(tmp_path / "many", trait))
    assert progress[0] == (7, 7 / VARIANTS)
    assert progress[-1] == (VARIANTS, 1.0)


def test_variants_that_are_left_out_have_a_reason(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    sex = generator.integers(1, 3, 400)
    genotypes = generator.binomial(2, 0.4, (400, 7)).astype(np.float32)
    genotypes[:, 1] = generator.binomial(2, 0.005, 400)
    genotypes[generator.random(400) < 0.2, 2] = np.nan
    genotypes[:, 3] = 2 * generator.binomial(1, 0.4, 400)
    genotypes[:, 4] = 0
    # Men on X have 0 or 2; women are in equilibrium.
    genotypes[sex == 1, 5] = 2 * generator.binomial(1, 0.4, (sex == 1).sum())
    genotypes[:, 6] = np.where(sex == 2, 1, 0)
    names = [f"p{row}" for row in range(400)]
    chrom = ["1"] * 5 + ["X", "X"]
    prefix = write_bed(
        tmp_path / "some", genotypes, [10, 20, 30, 40, 50, 10, 20], chromosome=chrom, fid=names, iid=names,
        sex=sex.tolist(), allele_1=["A"] * 4 + ["0"] + ["A"] * 2,
    )  # fmt: skip
    table = tmp_path / "people.tsv"
    people = pd.DataFrame({"FID": names, "IID": names, "height": generator.normal(size=400), "sex": sex})
    people.to_csv(table, sep="\t", index=False)
    result = GwasRun((prefix,), Selection((table,), ("height",), ("sex",)), tmp_path / "out").run()
    assert output(tmp_path / "out", "height")[["chromosome", "base_pair_location"]].values.tolist() == [
        ["1", 10],
        ["23", 10],
    ]
    left_out = pd.read_csv(tmp_path / "out" / "left_out.tsv.gz", sep="\t").set_index("id")
    assert left_out["reason"].to_dict() == {
        "s1": "minor allele frequency", "s2": "missing genotypes", "s3": "Hardy-Weinberg", "s4": "one allele",
        "s6": "Hardy-Weinberg",
    }  # fmt: skip
    assert not any("on X" in caution for caution in result.result.cautions)
    run = GwasRun((prefix,), Selection((table,), ("height",)), tmp_path / "without")
    assert any("1 variant lies on X" in caution for caution in run.run().result.cautions)
    manifest = json.loads((tmp_path / "out" / "gwas.json").read_text())
    assert manifest["left_out"]["Hardy-Weinberg"] == 2


def test_rows_left_out_of_one_trait_alone_are_text(cohort: SmallCohort, tmp_path: Path) -> None:
    """No variant is filtered, and one is a combination of the covariates."""
    table = tmp_path / "people.tsv"
    cohort.people.assign(dose=np.nan_to_num(cohort.genotypes[:, 3])).to_csv(
        table, sep="\t", index=False, na_rep="NA"
    )
    a_run(
        cohort,
        tmp_path / "out",
        tables=(table,),
        traits=("height", "weight"),
        binary=(),
        covariates=("dose",),
    ).run()
    content = gzip.decompress((tmp_path / "out" / "left_out.tsv.gz").read_bytes())
    assert b"\0" not in content
    rows = [line.split("\t") for line in content.decode().splitlines()[1:]]
    assert [(row[2], row[5], row[6]) for row in rows] == [
        ("s3", "height", "no estimate"),
        ("s3", "weight", "no estimate"),
    ]


def test_a_trait_that_a_variant_explains_wholly(cohort: SmallCohort, tmp_path: Path) -> None:
    table = tmp_path / "people.tsv"
    cohort.people.assign(height=2 * cohort.genotypes[:, 9] + 1).to_csv(
        table, sep="\t", index=False, na_rep="NA"
    )
    result = a_run(cohort, tmp_path / "out", tables=(table,), traits=("height", "weight"), binary=()).run()
    (caution,) = [one for one in result.result.cautions if "determined" in one]
    assert "height is determined by the genotypes of s9, to rounding" in caution
    (trait, other) = result.result.traits
    assert trait.loci["id"].tolist()[0] == "s9"
    assert (trait.wholly, other.wholly) == (("s9",), ())
    (rows,) = AssociationTable(str(tmp_path / "out" / "height.tsv.gz")).batches()
    assert (len(rows.beta), rows.reason[9]) == (VARIANTS, "")
    assert rows.beta[9] == pytest.approx(2.0)
    assert rows.log_p.argmin() == 9
    assert -np.inf < rows.log_p[9] < -10 * 480
    assert len(pd.read_csv(tmp_path / "out" / "left_out.tsv.gz", sep="\t")) == 0


def test_names_with_quotes_are_written_as_they_stand(cohort: SmallCohort, tmp_path: Path) -> None:
    names = [f'"{row}"' for row in range(VARIANTS)]
    prefix = write_bed(
        tmp_path / "quoted", cohort.genotypes, np.arange(1, VARIANTS + 1) * 1000, sid=names,
        fid=cohort.names, iid=cohort.names,
    )  # fmt: skip
    a_run(cohort, tmp_path / "plain", traits=("height",), binary=()).run()
    a_run(cohort, tmp_path / "out", genotypes=(prefix,), traits=("height",), binary=()).run()
    plain, quoted = (
        gzip.decompress((tmp_path / folder / "height.tsv.gz").read_bytes()).decode()
        for folder in ("plain", "out")
    )
    assert quoted == re.sub(r"\ts(\d+)\t", r'\t"\1"\t', plain)


def vcf_of(path: Path, dosages: np.ndarray, names: list[str]) -> None:
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=1>",
             '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">']  # fmt: skip
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]))
    for number, row in enumerate(dosages):
        fields = ["1", str(100 + number), f"v{number}", "A", "G", ".", ".", ".", "DS"]
        lines.append("\t".join([*fields, *("." if np.isnan(one) else f"{one:.3f}" for one in row)]))
    path.write_text("\n".join(lines) + "\n")


@PLINK2
def test_dosages_of_a_vcf_and_the_quality_of_plink2(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    names = [f"p{row}" for row in range(300)]
    true = generator.binomial(2, generator.uniform(0.2, 0.8, (20, 1)), (20, 300))
    noise = np.repeat([0.05, 0.4], 10)[:, np.newaxis]
    shrunk = true * (1 - noise) + noise * true.mean(axis=1, keepdims=True)
    dosages = np.clip(shrunk + 0.1 * generator.normal(size=true.shape), 0, 2).round(3)
    vcf_of(tmp_path / "some.vcf", dosages, names)
    table = tmp_path / "people.tsv"
    people = pd.DataFrame({"IID": names, "height": (generator.normal(size=300) + true[2]).round(4)})
    people.to_csv(table, sep="\t", index=False)
    run = GwasRun((str(tmp_path / "some.vcf"),), Selection((table,), ("height",)), tmp_path / "out")
    result = run.run()
    rows = output(tmp_path / "out", "height").set_index("variant_id")
    subprocess.run(
        ["plink2", "--vcf", str(tmp_path / "some.vcf"), "dosage=DS", "--freq", "cols=+machr2", "--out",
         str(tmp_path / "plink")],
        check=True, capture_output=True,
    )  # fmt: skip
    plink = pd.read_csv(tmp_path / "plink.afreq", sep="\t").set_index("ID")
    assert set(rows.index) == set(plink.index[plink["MACH_R2"] >= 0.8])
    assert 0 < len(rows) < 20
    # PLINK keeps dosages in steps of 1/16384, and rounds what lies near a call.
    np.testing.assert_allclose(rows["info"], plink.loc[rows.index, "MACH_R2"], rtol=2e-3)
    assert result.result.left_out == {"imputation quality": 20 - len(rows)}
    for name, row in rows.iterrows():
        values = dosages[int(str(name)[1:])]
        fit = sm.OLS(people["height"], np.column_stack([np.ones(300), values])).fit()
        np.testing.assert_allclose(row["beta"], fit.params.iloc[1], rtol=1e-6)
        assert row["effect_allele"] == "G"


def test_whole_and_half_dosages_of_a_vcf(tmp_path: Path) -> None:
    """Sums of halves are often whole; no such variant is called, and all whole ones are."""
    generator = np.random.default_rng(3)
    names = [f"p{row}" for row in range(200)]
    dosages = generator.choice([0.0, 0.5, 1.0], (80, 200), p=[0.3, 0.4, 0.3])
    dosages[60:] = generator.binomial(2, 0.4, (20, 200))
    vcf_of(tmp_path / "some.vcf", dosages, names)
    table = tmp_path / "people.tsv"
    people = pd.DataFrame({"IID": names, "height": generator.normal(size=200).round(4)})
    people.to_csv(table, sep="\t", index=False)
    filters = Filters(min_hwe_p=1e-30, min_info=0.0)
    GwasRun((str(tmp_path / "some.vcf"),), Selection((table,), ("height",)), tmp_path / "out", filters).run()
    rows = output(tmp_path / "out", "height")
    assert len(rows) == 80
    np.testing.assert_array_equal(rows["info"].isna(), np.arange(80) >= 60)


@pytest.mark.skipif(not shutil.which("bolt"), reason="bolt-lmm is not installed")
def test_the_linear_statistic_of_bolt(tmp_path: Path, reference_data: Path) -> None:
    folder = reference_data / "data/genotypes/eur1000G_subset"
    sets = [
        f"--{kind}={folder}/1000G.subset.{number}.{kind}" for number in (21, 22) for kind in ("bed", "bim")
    ]
    subprocess.run(
        ["bolt", *sets, f"--fam={folder}/1000G.subset.21.fam", f"--phenoFile={folder}/1000G.pheno.txt",
         "--phenoCol=PHENO", "--lmmInfOnly", "--LDscoresUseChip", "--noMapCheck", "--verboseStats",
         f"--statsFile={tmp_path}/bolt.txt", "--numThreads=1"],
        check=True, capture_output=True,
    )  # fmt: skip
    bolt = pd.read_csv(tmp_path / "bolt.txt", sep=r"\s+").set_index("SNP")
    genotypes = tuple(f"{folder}/1000G.subset.{number}" for number in (21, 22))
    GwasRun(genotypes, Selection((folder / "1000G.pheno.txt",), ("PHENO",)), tmp_path / "out").run()
    rows = output(tmp_path / "out", "PHENO").drop_duplicates("variant_id").set_index("variant_id")
    bolt = bolt[~bolt.index.duplicated()].loc[rows.index]
    square = (rows["beta"] / rows["standard_error"]) ** 2
    # CHISQ = (N - C) r^2, with the intercept as the only covariate; t^2 = (N - 2) r^2 / (1 - r^2).
    chi_square = 488 * square / (square + 487)
    np.testing.assert_allclose(chi_square, bolt["CHISQ_LINREG"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows["effect_allele_frequency"], bolt["A1FREQ"], rtol=1e-5)
    assert (rows["effect_allele"] == bolt["ALLELE1"]).all()


def test_bad_input_ends_with_a_reason(cohort: SmallCohort, tmp_path: Path) -> None:
    people = cohort.people.assign(same=3.5, well=0, strange="x")
    people.loc[0, "well"] = 1
    people["well_known"] = np.where(people["well"] == 1, np.nan, people["well"])
    table = tmp_path / "people.tsv"
    people.to_csv(table, sep="\t", index=False, na_rep="NA")
    stranger = tmp_path / "stranger.tsv"
    people.assign(FID="z", IID=[f"z{row}" for row in range(PEOPLE)]).to_csv(stranger, sep="\t", index=False)
    rows = a_run(cohort, tmp_path / "out", tables=(table,), traits=("height",), binary=())
    cases: list[tuple[dict[str, object], type[MIFMError], str]] = [
        ({"traits": ("same",)}, InputError, "trait same is constant"),
        ({"traits": ("same",), "quantitative": ("same",)}, InputError, "trait same is constant.* 500 people"),
        ({"traits": ("well_known",), "binary": ("well_known",)}, InputError, "well_known has no cases"),
        ({"traits": ("height",), "tables": (stranger,)}, InputError, "none of the 500 samples .*i0.* z0"),
        ({"traits": ("height",), "covariates": ("height",)}, InputError, "combination of its covariates"),
        ({"traits": ("width",)}, OptionError, "width"),
    ]
    for changes, kind, match in cases:
        run = dataclasses.replace(rows, selection=dataclasses.replace(rows.selection, **changes))
        with pytest.raises(kind, match=match):
            run.run()
        assert not (tmp_path / "out" / "gwas.json").exists()
    with pytest.raises(InputError, match=r"none of the 60 variants can be tested: .*60 for minor allele"):
        dataclasses.replace(rows, filters=Filters(0.5)).run()
    twice = write_bed(
        tmp_path / "twice", cohort.genotypes[:, :3].copy(), [10, 20, 20], fid=cohort.names, iid=cohort.names,
        allele_1=["A", "A", "C"], allele_2=["C", "C", "A"],
    )  # fmt: skip
    with pytest.raises(
        InputError, match=r"twice\.bed: the variant 1:20 C/A occurs more than once, here as s2"
    ):
        dataclasses.replace(rows, genotypes=(twice,)).run()
    with pytest.raises(InputError, match=r"cohort\.bed is named twice"):
        dataclasses.replace(rows, genotypes=(cohort.prefix, cohort.prefix)).run()
    with pytest.raises(OptionError, match=r"--maf is 0\.7; expected a number from 0 to 0\.5"):
        dataclasses.replace(rows, filters=Filters(0.7)).run()
    with pytest.raises(OptionError, match="a/b and a b would share a file"):
        a_run(cohort, tmp_path / "out", traits=("a/b", "a b")).run()
    with pytest.raises(OptionError, match=r"trait left_out would have the file left_out\.tsv\.gz"):
        a_run(cohort, tmp_path / "out", traits=("left_out",)).run()
    assert list((tmp_path / "out").iterdir()) == []


def test_collinear_covariates_are_left_out_and_said(cohort: SmallCohort, tmp_path: Path) -> None:
    table = tmp_path / "people.tsv"
    cohort.people.assign(months=cohort.people["age"] * 12).to_csv(table, sep="\t", index=False, na_rep="NA")
    changed = {"tables": (table,), "traits": ("height",), "binary": ()}
    result = a_run(cohort, tmp_path / "both", covariates=("age", "months"), **changed).run()
    a_run(cohort, tmp_path / "one", covariates=("age",), **changed).run()
    assert any("months" in note and "left out" in note for note in result.result.notes)
    pd.testing.assert_frame_equal(output(tmp_path / "both", "height"), output(tmp_path / "one", "height"))


def test_codes_of_unknown_values_are_no_values(cohort: SmallCohort, tmp_path: Path) -> None:
    table = tmp_path / "people.tsv"
    coded = cohort.people["height"].where(np.arange(len(cohort.people)) >= 7, -3)
    cohort.people.assign(height=coded).to_csv(table, sep="\t", index=False, na_rep="NA")
    changed = {"tables": (table,), "traits": ("height",), "binary": (), "missing_codes": (-9, -3)}
    result = a_run(cohort, tmp_path / "out", **changed).run()
    assert result.result.traits[0].people == cohort.people["height"].iloc[7:].notna().sum()


def test_the_command(cohort: SmallCohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "gwas", cohort.prefix, "--people", str(cohort.table), "--traits", "size,sick", "--columns",
        "size=height", "--covariates", "age,centre", "-o", str(tmp_path / "out"), "--maf", "0.05",
        "--no-progress",
    ]  # fmt: skip
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "size: 59 variants in 500 people; no locus with p < 5e-08" in said
    assert "sick: 59 variants in 150 cases and 350 controls; 1 locus with" in said
    assert (tmp_path / "out" / "size.tsv.gz").is_file()
    assert main([*words, "--columns", "=height"]) == 2
    assert "--columns has '=height'; expected NAME=VALUE" in capsys.readouterr().err
    (tmp_path / "map.tsv").write_text("name\tcolumn\nsize\theight\n")
    words[words.index("size=height")] = str(tmp_path / "map.tsv")
    assert main(words) == 0
    assert "size: 59 variants in 500 people" in capsys.readouterr().out
    assert main([*words, "--missing-codes", "none"]) == 2
    assert "--missing-codes has 'none'; expected numbers" in capsys.readouterr().err
    assert main([*words, "--people", str(tmp_path / "none.tsv")]) == 1
    assert "none.tsv" in capsys.readouterr().err


def test_an_output_starts_with_its_header(done: Path) -> None:
    with gzip.open(done / "height.tsv.gz", "rt") as file:
        assert next(file).split()[:4] == ["chromosome", "base_pair_location", "effect_allele", "other_allele"]
    left_out = pd.read_csv(done / "left_out.tsv.gz", sep="\t")
    assert len(left_out) == 0
    assert "reason" in left_out.columns
