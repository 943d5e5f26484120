"""``mifm evaluate joint`` from files to files, against statsmodels, cojopy and the clumps of files."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.association.filters import Filters
from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, MIFMError, OptionError
from mifm_kipoi.evaluation.joint.clumps import ClumpOptions
from mifm_kipoi.evaluation.joint.cohort import halves
from mifm_kipoi.evaluation.joint.models import FilterOptions
from mifm_kipoi.evaluation.joint.run import Columns, JointResult, JointRun, People
from mifm_kipoi.genetics.clumping import clump
from tests.evaluation.joint import cohorts
from tests.genetics.filesets import write_bed

sm = pytest.importorskip("statsmodels.api", reason="statsmodels is the oracle")

SIZE = 2_000
COLUMNS = Columns(cohorts.TRAITS, ("age",), ("centre",))
CLOSE = {"rtol": 1e-8, "atol": 1e-10}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint")
    cohorts.write_scores(folder)
    return folder


@pytest.fixture(scope="module")
def first(folder: Path) -> cohorts.Sample:
    return cohorts.write_sample(folder, "first", 1, SIZE, missing=0.01)


@pytest.fixture(scope="module")
def second(folder: Path) -> cohorts.Sample:
    return cohorts.write_sample(folder, "second", 2, 900, swap=True)


@pytest.fixture(scope="module")
def run(folder: Path, first: cohorts.Sample, second: cohorts.Sample) -> Callable[..., JointResult]:
    def run(name: str, **options: object) -> JointResult:
        chosen = {
            "folder": folder / name,
            "people": people(first),
            "columns": COLUMNS,
            "second": people(second),
            "scores": folder / "scores.tsv",
            "columns_of_scores": ("good", "random"),
            "draws": 60,
        }
        return JointRun(**(chosen | options)).run()

    return run


@pytest.fixture(scope="module")
def result(run: Callable[..., JointResult]) -> JointResult:
    return run("halves")


def people(sample: cohorts.Sample) -> People:
    return People((Path(f"{sample.prefix}.bed"),), (Path(f"{sample.prefix}.tsv"),))


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.tsv", sep="\t", dtype={"chrom": str}, keep_default_na=True)


def imputed(dosages: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(dosages), np.nanmean(dosages, axis=0), dosages)


def columns_of(ids: pd.Series) -> list[int]:
    return [int(name[1:]) for name in ids]


def test_effects_equal_statsmodels(
    folder: Path, result: JointResult, first: cohorts.Sample, second: cohorts.Sample
) -> None:
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    effects = read(folder / "halves", "effects")
    tested = ~halves(SIZE, 1)
    x, y = imputed(first.dosages[tested]), first.people[tested]
    models = 0
    for (trait, _, _), own in effects.groupby(["trait", "clump", "model"]):
        if trait != "height":
            continue
        models += 1
        chosen, size = columns_of(own["id"]), len(own)
        assert own["lead"].tolist() == [True] + [False] * (size - 1)
        exog = np.column_stack([x[:, chosen], first.design[tested]])
        fit = sm.OLS(y["height"].to_numpy(), exog).fit()
        np.testing.assert_allclose(own["beta"], fit.params[:size], **CLOSE)
        np.testing.assert_allclose(own["standard_error"], fit.bse[:size], **CLOSE)
        np.testing.assert_allclose(own["neg_log_10_p"], -np.log10(fit.pvalues[:size]), rtol=1e-6)
        np.testing.assert_allclose(
            own["vif"], [variance_inflation_factor(exog, i) for i in range(size)], rtol=1e-6
        )
        again = sm.OLS(
            second.people["height"].to_numpy(), np.column_stack([second.dosages[:, chosen], second.design])
        ).fit()
        np.testing.assert_allclose(own["second_beta"], again.params[:size], **CLOSE)
        np.testing.assert_allclose(own["second_standard_error"], again.bse[:size], **CLOSE)
    assert models == 20
    assert (effects.groupby(["trait", "clump", "model"]).size().max()) > 3


def test_logistic_effects_equal_statsmodels(folder: Path, result: JointResult, first: cohorts.Sample) -> None:
    effects = read(folder / "halves", "effects")
    tested = ~halves(SIZE, 1)
    x, y = imputed(first.dosages[tested]), first.people["disease"].to_numpy()[tested]
    fitted = 0
    for _, own in effects[effects["trait"] == "disease"].groupby(["clump", "model"]):
        size = len(own)
        exog = np.column_stack([x[:, columns_of(own["id"])], first.design[tested]])
        exog[:, size + 1] /= 50
        if own["exact_beta"].isna().any():
            continue
        fitted += 1
        fit = sm.Logit(y, exog).fit(disp=0, tol=1e-12, maxiter=60)
        np.testing.assert_allclose(own["exact_beta"], fit.params[:size], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(own["exact_standard_error"], fit.bse[:size], rtol=1e-6)
        # What counts is one step, which is near.
        np.testing.assert_allclose(own["statistic"], fit.tvalues[:size], atol=0.8)
    assert fitted > 8


def test_one_half_selects(folder: Path, result: JointResult, first: cohorts.Sample) -> None:
    selecting = halves(SIZE, 1)
    assert selecting.sum() == SIZE // 2
    variants = read(folder / "halves", "variants")
    p = {}
    for trait, own in variants.groupby("trait"):
        y = first.people[trait].to_numpy(float)[selecting]
        for column, reported in zip(columns_of(own["id"]), own["selection_p"], strict=True):
            x = first.dosages[selecting, column]
            known = ~np.isnan(x)
            if trait == "height":
                exog = np.column_stack([x[known], first.design[selecting][known]])
                assert reported == pytest.approx(sm.OLS(y[known], exog).fit().pvalues[0], rel=1e-5)
        p[trait] = own.set_index("id")["selection_p"]
    # All variants of five regions are associated, and clumped as PLINK does.
    table = pd.DataFrame({"id": p["height"].index, "log_p": np.log(p["height"].to_numpy())})
    table = table[~table["id"].duplicated()]
    expected = clump(table, [first.prefix], p1=5e-8, p2=1e-4, r2=0.9, kb=1000, match="id")
    several = expected[expected.groupby("clump")["id"].transform("size") > 1]
    found = variants[(variants["trait"] == "height") & variants["stands_for_it"].notna()]
    assert sorted(map(sorted, found.groupby("clump")["id"].apply(list))) == sorted(
        map(sorted, several.groupby("clump")["id"].apply(list))
    )
    # The seed changes the halves.
    assert (halves(SIZE, 1) != halves(SIZE, 2)).any()


def test_filters_keep_what_they_say(folder: Path, result: JointResult) -> None:
    variants, effects = read(folder / "halves", "variants"), read(folder / "halves", "effects")
    for trait in cohorts.TRAITS:
        own = variants[variants["trait"] == trait]
        scores = {"p": -own["selection_p"], "good": own["good"], "random": own["random"]}
        for name, values in scores.items():
            limit = np.nanpercentile(values, 70)
            for number, members in own[own["stands_for_it"].notna()].groupby("clump"):
                stands = members[members["stands_for_it"] == members["id"]]
                kept = set(stands["id"][values[stands.index] > limit]) | set(members["id"][members["lead"]])
                rows = effects[(effects["trait"] == trait) & (effects["clump"] == number)]
                assert set(rows["id"][rows["model"] == name]) == kept
                assert set(rows["id"][rows["model"] == "all"]) == set(members["stands_for_it"])


def test_tables_agree_with_each_other(folder: Path, result: JointResult) -> None:
    effects, filters = read(folder / "halves", "effects"), read(folder / "halves", "filters")
    draws = read(folder / "halves", "draws")
    tests = len(effects)
    for row in filters[filters["scope"] == "all"].to_dict("records"):
        own = effects[effects["model"] == row["model"]]
        limit = 0.05 if row["level"] == "nominal" else 0.05 / tests
        sure = own[own["p_value"] < limit]
        assert row["significant"] == len(sure) == own[row["level"]].sum()
        assert row["secondary"] == (~sure["lead"]).sum()
        k = max(len(sure), 1)
        replicated = (np.sign(sure["beta"]) == np.sign(sure["second_beta"])) & (sure["second_p"] < 0.05 / k)
        assert row["replicated"] == replicated.sum() == sure[f"replicates_{row['level']}"].sum()
        assert row["expected_to_replicate"] == pytest.approx(sure[f"power_{row['level']}"].sum(), rel=1e-5)
        if row["model"] != "all":
            drawn = draws[(draws["model"] == row["model"]) & (draws["level"] == row["level"])]
            for control, one in drawn.groupby("control"):
                assert len(one) == 60
                more = (one["significant"] >= row["significant"]).sum()
                assert row[f"significant_{control}_p"] == pytest.approx((1 + more) / 61)
                assert row[f"significant_{control}"] == pytest.approx(one["significant"].mean())
    by_trait = filters[(filters["scope"] == "trait") & (filters["level"] == "nominal")]
    whole = filters[(filters["scope"] == "all") & (filters["level"] == "nominal")].set_index("model")
    assert by_trait.groupby("model")["significant"].sum().to_dict() == whole["significant"].to_dict()


def test_the_output_is_complete(folder: Path, result: JointResult) -> None:
    written = {path.name for path in (folder / "halves").iterdir()}
    assert written == {
        "filters.tsv", "effects.tsv", "models.tsv", "clumps.tsv", "variants.tsv", "draws.tsv", "figures",
        "report.html", "report.md", "evaluation.json",
    }  # fmt: skip
    assert result.files[-1] == folder / "halves" / "evaluation.json"
    manifest = json.loads((folder / "halves" / "evaluation.json").read_text())
    assert manifest["people"]["tested"] == SIZE - SIZE // 2
    assert manifest["tests"]["effects"] == len(read(folder / "halves", "effects"))
    page = (folder / "halves" / "report.html").read_text()
    for words in ("allele frequency of at least 0.01", "our choices", "With all variants of each clump"):
        assert words in " ".join(page.split())
    assert "1 of" in " ".join(result.cautions)  # one variant without scores


def test_the_same_run_gives_the_same_tables(
    folder: Path, result: JointResult, run: Callable[..., JointResult]
) -> None:
    run("again")
    for name in ("filters", "effects", "draws"):
        assert (folder / "again" / f"{name}.tsv").read_bytes() == (
            folder / "halves" / f"{name}.tsv"
        ).read_bytes()


def test_all_filters_can_keep_as_many(run: Callable[..., JointResult], folder: Path) -> None:
    run("within", filters=FilterOptions(within_clumps=True))
    clumps = read(folder / "within", "clumps")
    expected = 1 + np.ceil(0.3 * (clumps["kept"] - 1))
    assert (clumps["kept_by_p"] == expected).all()
    assert (clumps["kept_by_good"] <= expected).all()
    assert (clumps["kept_by_good"] == expected).mean() > 0.8


def test_the_same_people_select_as_in_the_paper(
    run: Callable[..., JointResult], folder: Path, first: cohorts.Sample
) -> None:
    result = run("same", selection="same", filters=FilterOptions(prune=1.0), second=None)
    assert result.cautions[0].startswith("the people who are tested also selected")
    effects, variants = read(folder / "same", "effects"), read(folder / "same", "variants")
    one = effects[(effects["trait"] == "height") & (effects["clump"] == 1) & (effects["model"] == "all")]
    exog = np.column_stack([imputed(first.dosages)[:, columns_of(one["id"])], first.design])
    fit = sm.OLS(first.people["height"].to_numpy(), exog).fit()
    np.testing.assert_allclose(one["beta"], fit.params[: len(one)], **CLOSE)
    several = variants["stands_for_it"].notna()
    assert (variants["stands_for_it"] == variants["id"])[several].all()
    assert "second_beta" not in effects


def test_studies_of_others_select(
    run: Callable[..., JointResult], folder: Path, second: cohorts.Sample
) -> None:
    studies = {"height": cohorts.write_study(folder / "height.tsv", second, "height")}
    options = {"columns": Columns(("height",), ("age",), ("centre",)), "second": None, "studies": studies}
    result = run("others", selection="others", **options)
    variants = read(folder / "others", "variants")
    own = pd.read_csv(studies["height"], sep="\t").set_index("id")["p_value"]
    np.testing.assert_allclose(variants["selection_p"], own[variants["id"]], rtol=1e-6)
    assert not any("also selected" in caution for caution in result.cautions)
    # Effects of swapped alleles are told.
    table = pd.read_csv(studies["height"], sep="\t")
    table["beta"] *= -1
    table.to_csv(folder / "swapped.tsv", sep="\t", index=False)
    swapped = run(
        "swapped", selection="others", **(options | {"studies": {"height": folder / "swapped.tsv"}})
    )
    assert len(swapped.evaluation.tested) == len(result.evaluation.tested)
    assert "lead variants of height have effects of the other sign" in swapped.cautions[0]


def test_summary_statistics_equal_cojo(
    run: Callable[..., JointResult], folder: Path, first: cohorts.Sample, second: cohorts.Sample
) -> None:
    cojopy = pytest.importorskip("cojopy", reason="cojopy is the oracle")
    study = cohorts.write_study(folder / "first.height.tsv", first, "height")
    again = cohorts.write_study(folder / "second.height.tsv", second, "height")
    result = run(
        "summary", people=People((Path(f"{first.prefix}.bed"),)), columns=Columns(()), second=None,
        studies={"height": study}, second_studies={"height": again},
    )  # fmt: skip
    assert result.cautions[0].startswith("effects are of summary statistics")
    effects = read(folder / "summary", "effects")
    table = pd.read_csv(study, sep="\t")
    for number in (1, 2):
        one = effects[(effects["clump"] == number) & (effects["model"] == "all")]
        rows = columns_of(one["id"])
        own = table.iloc[rows]
        oracle = cojopy.COJO()
        oracle.load_sumstats(
            sumstats=pd.DataFrame({
                "SNP": own["id"], "A1": "A", "A2": "C", "b": own["beta"], "se": own["standard_error"],
                "p": own["p_value"], "freq": own["effect_allele_frequency"], "N": own["n"],
            }).reset_index(drop=True),
            ld_matrix=np.corrcoef(imputed(first.dosages)[:, rows].T),
        )  # fmt: skip
        # The variance of the trait is the median over the whole clump, pruned variants among them.
        members = read(folder / "summary", "variants")
        own = table.iloc[columns_of(members["id"][members["clump"] == number])]
        variance = 2 * own["effect_allele_frequency"] * (1 - own["effect_allele_frequency"])
        oracle.pheno_var = np.median(
            variance * own["n"] * (own["standard_error"] ** 2 + own["beta"] ** 2 / (own["n"] - 1))
        )
        expected = oracle.run_joint_analysis()
        np.testing.assert_allclose(one["beta"], expected["joint_beta"], rtol=1e-5)
        np.testing.assert_allclose(one["standard_error"], expected["joint_se"], rtol=1e-5)
        assert (np.sign(one["second_beta"].iloc[:1]) == np.sign(one["beta"].iloc[:1])).all() or len(one) > 1


def test_held_out_chromosomes_are_reported_apart(run: Callable[..., JointResult], folder: Path) -> None:
    run("held", held_out=("chr2",), second=None)
    filters = read(folder / "held", "filters")
    clumps = read(folder / "held", "clumps")
    sizes = filters.groupby("scope")["clumps_tested"].first()
    assert sizes["held out"] == (clumps["chrom"] == "2").sum() > 0
    assert sizes["not held out"] == (clumps["chrom"] == "1").sum() > 0


def test_scores_made_from_associations_are_named(run: Callable[..., JointResult], folder: Path) -> None:
    table = pd.read_csv(folder / "scores.tsv", sep="\t").rename(columns={"random": "susie"})
    table.to_csv(folder / "susie.tsv", sep="\t", index=False)
    result = run("susie", scores=folder / "susie.tsv", columns_of_scores=("good", "susie"), second=None)
    own = [caution for caution in result.cautions if caution.startswith("susie")]
    assert own
    assert "associations or fine-mapping" in own[0]
    assert not any(caution.startswith("good ") for caution in result.cautions)


def test_known_causal_variants_are_counted(run: Callable[..., JointResult], folder: Path) -> None:
    table = cohorts.variants().assign(ref="A", alt="C")
    for trait in cohorts.TRAITS:
        table[trait] = np.isin(np.arange(len(table)), cohorts.causal()) * 0.5
    table.to_csv(folder / "causal.tsv", sep="\t", index=False)
    run("truth", causal=folder / "causal.tsv", second=None)
    effects, filters = read(folder / "truth", "effects"), read(folder / "truth", "filters")
    variants = read(folder / "truth", "variants")
    names = {f"v{row}" for row in cohorts.causal()}
    standing = set(variants["stands_for_it"][variants["id"].isin(names)])
    assert set(effects["id"][effects["causal"]]) <= standing | names
    row = (
        filters[(filters["scope"] == "all") & (filters["level"] == "nominal")].set_index("model").loc["good"]
    )
    own = effects[(effects["model"] == "good") & effects["nominal"]]
    assert row["true"] == own["causal"].sum() > 0
    assert row["false"] == (~own["causal"]).sum()


@pytest.mark.parametrize("form", ["pgen", "vcf"])
def test_other_formats_of_genotypes_give_the_same(
    run: Callable[..., JointResult], folder: Path, first: cohorts.Sample, result: JointResult, form: str
) -> None:
    program = shutil.which("plink2")
    if program is None:
        pytest.skip("plink2 is not installed")
    made = folder / f"made.{form}"
    option = ["--make-pgen"] if form == "pgen" else ["--export", "vcf", "id-paste=iid"]
    subprocess.run(
        [program, "--bfile", first.prefix, *option, "--out", str(made.with_suffix(""))],
        check=True,
        capture_output=True,
    )
    people = People((made,), (Path(f"{first.prefix}.tsv"),))
    run(form, people=people, second=None, scores=None, columns_of_scores=())
    own, expected = read(folder / form, "effects"), read(folder / "halves", "effects")
    expected = expected[expected["model"].isin(["all", "p"])].reset_index(drop=True)
    assert (own["id"] == expected["id"]).all()
    swapped = np.where(own["effect_allele"] == expected["effect_allele"], 1, -1)
    np.testing.assert_allclose(own["beta"] * swapped, expected["beta"], rtol=1e-7)
    np.testing.assert_allclose(own["vif"], expected["vif"], rtol=1e-7)


def test_what_is_refused(
    run: Callable[..., JointResult], folder: Path, first: cohorts.Sample, second: cohorts.Sample
) -> None:
    def table(name: str, **columns: object) -> People:
        path = folder / f"{name}.tsv"
        first.people.assign(**columns).to_csv(path, sep="\t", index=False)
        return People((Path(f"{first.prefix}.bed"),), (path,))

    def fails(match: str, kind: type[MIFMError] = InputError, **options: object) -> None:
        with pytest.raises(kind, match=match):
            run("refused", **options)
        assert not (folder / "refused").exists()

    age = Columns(("height",), ("age",))
    fails("the trait height is constant", people=table("constant", height=1.5), columns=age, second=None)
    fails(
        "the trait disease has no controls|the trait disease has no cases",
        people=table("cases", disease=1), second=None,
        columns=Columns(("disease",), ("age",), binary=("disease",)),
    )  # fmt: skip
    others = table("nobody", IID=[f"x{row}" for row in range(SIZE)])
    fails("none of the 2,000 samples with genotypes", people=others)
    fails("2,000 of the 2,000 people of the second sample are in the first", second=people(first))
    fails("each of the .* clumps has one variant alone", clumping=ClumpOptions(r2=0.9999))
    fails("no variant with genotypes has a p-value in one half of the people of at most 1e-300",
          clumping=ClumpOptions(p1=1e-300))  # fmt: skip
    fails("removed .* by minor allele frequency", clumping=ClumpOptions(quality=Filters(min_maf=0.49)))
    fails("no study of height, disease, and selection is others", OptionError, selection="others")
    study = folder / "scores.tsv"
    fails("studies are not used; leave out --gwas", OptionError, studies=dict.fromkeys(cohorts.TRAITS, study))
    fails("--keep needs --people", OptionError, second=None, columns=Columns(()), studies={"height": study},
          people=People((Path(f"{first.prefix}.bed"),), keep=study))  # fmt: skip
    fails("selection is 'half'", OptionError, selection="half")
    fails("draws is 0", OptionError, draws=0)
    fails("has no scores 'none'", OptionError, columns_of_scores=("none",))
    bad = pd.read_csv(folder / "scores.tsv", sep="\t").assign(pos=lambda rows: rows["pos"] + 1)
    bad.to_csv(folder / "shifted.tsv", sep="\t", index=False)
    fails("has none of the .* variants of the clumps", scores=folder / "shifted.tsv")


def test_covariates_that_are_combinations_of_others_are_dropped_and_said(
    run: Callable[..., JointResult], folder: Path, first: cohorts.Sample
) -> None:
    path = folder / "double.tsv"
    first.people.assign(twice=first.people["age"] * 2).to_csv(path, sep="\t", index=False)
    double = People((Path(f"{first.prefix}.bed"),), (path,))
    run("double", people=double, columns=Columns(("height",), ("age", "twice"), ("centre",)), second=None)
    run("single", columns=Columns(("height",), ("age",), ("centre",)), second=None)
    one, other = (read(folder / name, "effects") for name in ("single", "double"))
    np.testing.assert_allclose(one["beta"], other["beta"], rtol=1e-7)
    notes = json.loads((folder / "double" / "evaluation.json").read_text())["notes"]
    assert any("twice (a combination of others)" in note for note in notes)


def test_the_command(folder: Path, first: cohorts.Sample, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "evaluate", "joint", str(folder / "scores.tsv"), "-o", str(folder / "command"), "--genotypes",
        f"{first.prefix}.bed", "--people", f"{first.prefix}.tsv", "--traits", "height", "--covariates", "age",
        "--categorical", "centre", "--columns", "good", "--draws", "20",
    ]  # fmt: skip
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "significant with p below 0.05 (nominal):" in printed
    assert "good" in printed
    assert main([*arguments, "--gwas", f"length={folder / 'scores.tsv'}"]) == 2
    assert "studies are of length; the traits are height" in capsys.readouterr().err
    with pytest.raises(SystemExit) as error:
        main([*arguments, "--selection", "third"])
    assert error.value.code == 2
    assert main([*arguments, "--gwas", f"height={folder / 'scores.tsv'}"]) == 2
    assert "studies are not used; leave out --gwas" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--p1", "nan", "a number above 0 and at most 1"),
        ("--p1", "2", "a number above 0 and at most 1"),
        ("--p2", "0", "a number above 0 and at most 1"),
        ("--p2", "-1", "a number above 0 and at most 1"),
        ("--p-percentile", "200", "a number from 0 to 100"),
        ("--p-percentile", "nan", "a number from 0 to 100"),
        ("--score-percentile", "-1", "a number from 0 to 100"),
        ("--alpha", "0", "a number between 0 and 1"),
        ("--alpha", "1", "a number between 0 and 1"),
        ("--equal-within", "1", "a factor above 1"),
        ("--equal-within", "inf", "a factor above 1"),
    ],
)
def test_options_out_of_range_are_usage_errors(
    folder: Path, first: cohorts.Sample, capsys: pytest.CaptureFixture[str], option: str, value: str,
    expected: str,
) -> None:  # fmt: skip
    arguments = [
        "evaluate", "joint", "-o", str(folder / "range"), "--genotypes", f"{first.prefix}.bed", "--people",
        f"{first.prefix}.tsv", "--traits", "height", f"{option}={value}",
    ]  # fmt: skip
    assert main(arguments) == 2
    assert f"{option} is {float(value):g}; expected {expected}" in capsys.readouterr().err
    assert not (folder / "range").exists()


def test_people_who_are_left_out_do_not_make_clumps(
    run: Callable[..., JointResult], folder: Path, first: cohorts.Sample
) -> None:
    # In a file with as many people in whom alleles of one variant of each region are others', not in LD.
    dosages, people_of_file = first.dosages.copy(), first.people.copy()
    rng = np.random.default_rng(8)
    others = rng.permuted(dosages, axis=0)
    ids = [f"other{row}" for row in range(SIZE)]
    places = cohorts.variants()
    prefix = write_bed(
        folder / "both", np.concatenate([dosages, others]), places["pos"], iid=[*people_of_file["IID"], *ids],
        sid=places["id"].tolist(), chromosome=places["chrom"].tolist(), allele_1=["A"] * len(places),
        allele_2=["C"] * len(places),
    )  # fmt: skip
    table = folder / "both.tsv"
    pd.concat([people_of_file, people_of_file.assign(IID=ids)]).to_csv(table, sep="\t", index=False)
    keep = folder / "keep.tsv"
    people_of_file[["IID", "age"]].to_csv(keep, sep="\t", index=False)
    bed = (Path(f"{prefix}.bed"),)
    run("alone", second=None)
    run("kept", people=People(bed, (table,), keep), second=None)
    unknown = folder / "unknown.tsv"
    pd.concat([people_of_file, people_of_file.assign(IID=ids, height=np.nan, disease=np.nan)]).to_csv(
        unknown, sep="\t", index=False, na_rep="NA"
    )
    for name in ("clumps", "variants", "effects", "filters"):
        pd.testing.assert_frame_equal(read(folder / "kept", name), read(folder / "alone", name))
    same = {"selection": "same", "second": None}
    run("alone-same", **same)
    run("unknown-same", people=People(bed, (unknown,)), **same)
    for name in ("clumps", "variants", "effects", "filters"):
        pd.testing.assert_frame_equal(read(folder / "unknown-same", name), read(folder / "alone-same", name))


def test_p_values_of_0_select(run: Callable[..., JointResult], folder: Path, second: cohorts.Sample) -> None:
    study = pd.read_csv(cohorts.write_study(folder / "zero.tsv", second, "height"), sep="\t")
    columns = Columns(("height",), ("age",), ("centre",))
    options = {"columns": columns, "second": None, "selection": "others"}
    whole = study.drop(columns=["beta", "standard_error"])
    whole.to_csv(folder / "zero.tsv", sep="\t", index=False)
    known = run("known", studies={"height": folder / "zero.tsv"}, **options)
    lead = read(folder / "known", "clumps").iloc[0]["lead"]
    members = read(folder / "known", "variants").query("clump == 1")
    # The lead and the next have p-values too small for the program that wrote them.
    two = members.sort_values("selection_p")["id"].iloc[:2]
    whole.assign(p_value=whole["p_value"].mask(whole["id"].isin(two), 0)).to_csv(
        folder / "zero.tsv", sep="\t", index=False
    )
    result = run("zero", studies={"height": folder / "zero.tsv"}, filters=FilterOptions(prune=1), **options)
    assert lead in set(two)
    effects = read(folder / "zero", "effects")
    kept = set(effects["id"][(effects["model"] == "p") & (effects["clump"] == 1)])
    assert set(two) <= kept
    assert "in 1 of the clumps of height several variants have p = 0" in " ".join(result.cautions)
    assert not any("p = 0" in caution for caution in known.cautions)


def test_thresholds_are_corrected_over_all_effects(result: JointResult) -> None:
    evaluation = result.evaluation
    assert evaluation.thresholds["corrected"] == pytest.approx(0.05 / evaluation.tests)
    assert math.isclose(evaluation.thresholds["nominal"], 0.05)
