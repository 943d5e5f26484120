"""The files of a cohort, read with what reads real data and compared with the truth."""

import ast
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from bed_reader import open_bed

from benchmarks import known_truth
from benchmarks.cohort import build as build_module
from benchmarks.cohort.build import build
from benchmarks.cohort.effects import base_effect, draw_effects
from benchmarks.cohort.loci import draw_locus
from benchmarks.cohort.sizes import SIZES, TRAITS
from benchmarks.known_truth.affinity import Rule
from benchmarks.known_truth.steps import BenchmarkError
from mifm_kipoi import Genome, Status, cut_windows, read_variants
from mifm_kipoi.conventions import VARIANT_INDEX
from mifm_kipoi.genetics.ld_blocks import LDBlocks
from mifm_kipoi.sequence.encoding import BASES
from tests.benchmarks.conftest import TINY
from training.data.credible_sets import CredibleSetsConfig
from training.data.negatives import NegativesConfig
from training.data.prepare import DataConfig, prepare
from training.data.splits import SplitsConfig

SAMPLES = ["CEU_discovery", "CEU_replication", "CEU_target", "YRI_target", "CHB_target"]


@pytest.fixture(scope="module")
def truth(cohort: Path) -> pd.DataFrame:
    return pd.read_parquet(cohort / "truth" / "variants.parquet")


@pytest.fixture(scope="module")
def dosages(cohort: Path) -> dict[str, npt.NDArray[np.int8]]:
    """Of each sample, as PLINK's files have them: (people, variants)."""
    found = {}
    for sample in SAMPLES:
        with open_bed(cohort / "genotypes" / f"{sample}.bed", num_threads=1) as bed:
            found[sample] = bed.read(dtype="int8", num_threads=1)
    return found


def table(cohort: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(cohort / name, sep="\t")


def statistics(cohort: Path, sample: str, trait: str) -> pd.DataFrame:
    return table(cohort, f"summary_statistics/{sample}.{trait}.tsv.gz").set_index("variant_id")


def test_genotypes_are_those_of_the_truth(
    cohort: Path, truth: pd.DataFrame, dosages: dict[str, npt.NDArray[np.int8]]
) -> None:
    people = table(cohort, "covariates.tsv")
    for sample, values in dosages.items():
        assert values.min() >= 0
        np.testing.assert_allclose(values.mean(axis=0) / 2, truth[f"af_{sample}"], atol=1e-12)
        fam = pd.read_csv(cohort / "genotypes" / f"{sample}.fam", sep=r"\s+", header=None)
        own = people[people["sample"] == sample]
        assert fam[1].tolist() == own["IID"].tolist()
        assert fam[4].tolist() == own["sex"].tolist()
        bim = pd.read_csv(cohort / "genotypes" / f"{sample}.bim", sep="\t", header=None, dtype={0: str})
        assert (
            bim[[0, 3, 1, 4, 5]].values.tolist()
            == truth[["chrom", "pos", "id", "alt", "ref"]].values.tolist()
        )
    assert people["sample"].value_counts().to_dict() == dict(TINY.samples)


def test_no_genotypes_of_the_discovery_sample_repeat(
    truth: pd.DataFrame, dosages: dict[str, npt.NDArray[np.int8]]
) -> None:
    columns = dosages["CEU_discovery"].T
    either = {min(column.tobytes(), (2 - column).tobytes()) for column in columns}
    assert len(either) == len(truth) > 100
    frequency = truth["af_CEU_discovery"]
    assert np.minimum(frequency, 1 - frequency).min() >= 0.01


def test_the_rule_finds_the_causal_variants_in_the_sequence(cohort: Path, truth: pd.DataFrame) -> None:
    windows = cut_windows(list(read_variants(cohort / "variants.vcf.gz")), Genome(cohort / "genome.fa"))
    assert set(windows.status) == {Status.OK}
    judged = Rule.of(TINY.simulation).judge(windows.ref, VARIANT_INDEX)
    alternative = np.array([BASES.index(alt) for alt in truth["alt"]])
    assert judged.causal_to(alternative).tolist() == truth["causal"].tolist()
    np.testing.assert_allclose(judged.change_to(alternative), truth["change"], atol=1e-6)
    counts = truth.groupby("locus")["causal"].sum()
    hidden = table(cohort, "truth/hidden.tsv")
    assert len(hidden) > 0
    assert (counts[hidden["locus"]] == 0).all()
    assert (counts.drop(hidden["locus"]).between(1, 3)).all()


def test_genetic_values_are_those_of_the_effects(
    cohort: Path, truth: pd.DataFrame, dosages: dict[str, npt.NDArray[np.int8]]
) -> None:
    """At loci without a hidden causal variant: from files alone."""
    values = table(cohort, "truth/genetic_values.tsv.gz")
    hidden = [
        (locus, base)
        for base in [
            base_effect([(one.change * one.causal, bool(one.driver)) for one in every_locus()], TINY)
        ]
        for locus in every_locus()
        if locus.driver
    ]
    for sample in SAMPLES:
        own = values[values["sample"] == sample]
        for number, trait in enumerate(TRAITS):
            expected = dosages[sample] @ truth[f"effect_{trait.name}"].to_numpy()
            for locus, base in hidden:
                expected += draw_effects(TINY, locus, base).driver[number] * locus.driver[sample]
            np.testing.assert_allclose(own[trait.name], expected, atol=1e-6)


def every_locus() -> list:
    if not _loci:
        _loci.extend(draw_locus(TINY, number) for number in range(TINY.loci))
    return _loci


_loci: list = []


def test_causal_variants_explain_the_variance_asked_for(
    truth: pd.DataFrame, dosages: dict[str, npt.NDArray[np.int8]]
) -> None:
    """The mean of change^2 over causal variants is that of effects, each acting on some traits."""
    causal = truth["causal"].to_numpy()
    deviation = dosages["CEU_discovery"].std(axis=0)
    effects = truth[[f"effect_{trait.name}" for trait in TRAITS]].to_numpy() * deviation[:, None]
    assert (effects[~causal] == 0).all()
    assert (effects[causal] != 0).any(axis=1).all()
    per_variant = np.abs(effects[causal]).max(axis=1) ** 2
    assert per_variant.mean() == pytest.approx(TINY.causal_variance, rel=1e-6)
    ratio = per_variant / truth.loc[causal, "change"].to_numpy() ** 2
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    # All traits of a variant have the same size of effect, and those of a locus one sign for one trait.
    assert len(np.unique(np.round(np.abs(effects[causal][0]), 9))) <= 2


def test_heritability_and_covariates_are_recovered(cohort: Path) -> None:
    """By regression on genetic values and covariates, in all CEU: 1,400 people."""
    people, traits = table(cohort, "covariates.tsv"), table(cohort, "phenotypes.tsv")
    values = table(cohort, "truth/genetic_values.tsv.gz")
    counts = json.loads((cohort / "cohort.json").read_text())["counts"]["traits"]
    european = (people["population"] == "CEU").to_numpy()
    discovery = (people["sample"] == "CEU_discovery").to_numpy()
    dummies = pd.get_dummies(people[["centre", "batch"]], drop_first=True, dtype=float)
    slopes = []
    for trait in TRAITS:
        heritability = values.loc[discovery, trait.name].var(ddof=0)
        assert counts[trait.name]["heritability"] == pytest.approx(heritability, abs=1e-4)
        if trait.prevalence is not None:
            assert traits.loc[discovery, trait.name].mean() == pytest.approx(trait.prevalence, abs=0.002)
            assert values.loc[traits[trait.name] == 1, trait.name].mean() > values[trait.name].mean()
            continue
        X = np.column_stack([values[trait.name], people["age"], people["sex"] == 1, dummies])[european]
        X = np.column_stack([np.ones(len(X)), X]).astype(float)
        weights, (residual,), *_ = np.linalg.lstsq(X, traits.loc[european, trait.name].to_numpy())
        assert residual / len(X) == pytest.approx(1 - heritability, rel=0.15)
        slopes.append(weights[1])
        assert weights[2] * people["age"].std() == pytest.approx(0.1, abs=0.12)
        assert weights[3] == pytest.approx(0.2, abs=0.22)
    assert np.mean(slopes) == pytest.approx(1, abs=0.1)


def test_components_tell_populations_apart(cohort: Path) -> None:
    people = table(cohort, "covariates.tsv")
    within = people.groupby("population")[["PC1", "PC2"]].var().mean()
    between = people.groupby("population")[["PC1", "PC2"]].mean().var()
    assert (between > 2 * within).all()
    europeans = people[people["population"] == "CEU"].groupby("sample")[["PC1", "PC2"]].mean()
    assert (europeans.max() - europeans.min() < 0.2).all()


@pytest.mark.parametrize("sample", ["CEU_discovery", "CEU_replication"])
def test_summary_statistics_are_regressions_on_the_files(
    cohort: Path, truth: pd.DataFrame, dosages: dict[str, npt.NDArray[np.int8]], sample: str
) -> None:
    people, traits = table(cohort, "covariates.tsv"), table(cohort, "phenotypes.tsv")
    own = (people["sample"] == sample).to_numpy()
    numeric = people.loc[own, ["age", "sex", "PC1", "PC2", "PC3", "PC4"]]
    dummies = pd.get_dummies(people.loc[own, ["centre", "batch"]], drop_first=True, dtype=float)
    covariates = np.column_stack([np.ones(len(numeric)), numeric, dummies])
    found = statistics(cohort, sample, "q2")
    assert found.index.isin(truth["id"]).all()
    assert len(found) > 0.95 * len(truth)
    y = traits.loc[own, "q2"].to_numpy()
    for variant in (0, len(truth) // 2, int(truth["causal"].to_numpy().argmax())):
        X = np.column_stack([dosages[sample][:, variant], covariates])
        weights, (residual,), *_ = np.linalg.lstsq(X, y)
        error = np.sqrt(residual / (len(X) - X.shape[1]) * np.linalg.inv(X.T @ X)[0, 0])
        row = found.loc[truth["id"].iloc[variant]]
        assert row["beta"] == pytest.approx(weights[0], rel=1e-5)
        assert row["standard_error"] == pytest.approx(error, rel=1e-5)
        assert row["effect_allele"] == truth["alt"].iloc[variant]
    binary = statistics(cohort, sample, "b3")
    assert (binary["n_cases"] == traits.loc[own, "b3"].sum()).all()
    assert (binary["n"] == own.sum()).all()


def test_estimates_are_near_the_effects(cohort: Path, truth: pd.DataFrame) -> None:
    """Of causal variants, the only ones of their locus: 2 samples x 4 traits."""
    alone = truth.groupby("locus")["causal"].transform("sum").to_numpy() == 1
    rows = truth[alone & truth["causal"].to_numpy()].set_index("id")
    residuals = []
    for sample in ("CEU_discovery", "CEU_replication"):
        for trait in TRAITS[:4]:
            found = statistics(cohort, sample, trait.name).loc[rows.index]
            residuals += ((found["beta"] - rows[f"effect_{trait.name}"]) / found["standard_error"]).tolist()
    assert len(residuals) >= 16
    assert np.std(residuals) < 1.5
    assert abs(np.mean(residuals)) < 4 / np.sqrt(len(residuals))


def test_check_table_reads_the_summary_statistics(cohort: Path) -> None:
    path = cohort / "summary_statistics" / "CEU_discovery.b2.tsv.gz"
    done = subprocess.run(
        [sys.executable, "-m", "mifm_kipoi.cli", "check-table", path, "--fasta", cohort / "genome.fa"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "understood as gwas-ssf" in said
    assert "problems none" in said
    assert "100.0% have other_allele as REF" in said


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_plink_gives_the_same_associations(cohort: Path, tmp_path: Path) -> None:
    covariates = [
        "--covar-name",
        "age,sex,centre,batch,PC1-PC4",
        "--split-cat-pheno",
        "omit-last",
        "covar-01",
    ]
    subprocess.run(
        [
            "plink2", "--bfile", cohort / "genotypes" / "CEU_discovery", "--pheno", cohort / "phenotypes.tsv",
            "--pheno-name", "q1,b3", "--1", "--covar", cohort / "covariates.tsv",
            *covariates, "centre", "batch", "--covar-variance-standardize", "age", "--glm", "hide-covar",
            "--threads", "1", "--out", tmp_path / "gwas",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    for trait, name in (("q1", "gwas.q1.glm.linear"), ("b3", "gwas.b3.glm.logistic.hybrid")):
        theirs = table(tmp_path, name).set_index("ID")
        theirs = theirs[theirs["P"].notna()]
        ours = statistics(cohort, "CEU_discovery", trait).loc[theirs.index]
        sign = np.where(theirs["A1"] == ours["effect_allele"], 1, -1)
        z = (ours["beta"] / ours["standard_error"]).to_numpy()
        if trait == "q1":
            np.testing.assert_allclose(sign * theirs["BETA"], ours["beta"], atol=1e-5)
            np.testing.assert_allclose(theirs["SE"], ours["standard_error"], rtol=1e-4)
            np.testing.assert_allclose(np.log10(theirs["P"]), np.log10(ours["p_value"]), atol=1e-4)
        else:
            # Wald's test of the maximum-likelihood estimate against the score test, in 600 people.
            common = ours["effect_allele_frequency"].between(0.1, 0.9) & (np.abs(z) < 3)
            assert np.corrcoef(sign * theirs["Z_STAT"], z)[0, 1] > 0.995
            assert np.abs(sign * theirs["Z_STAT"] - z)[common].max() < 0.1


def test_credible_sets(cohort: Path, truth: pd.DataFrame) -> None:
    rows = pd.read_csv(cohort / "credible_sets.txt.gz", sep="\t", dtype={"chr": str})
    assert not rows.duplicated(["meta_id", "block_id", "rsid"]).any()
    counts = json.loads((cohort / "cohort.json").read_text())["counts"]["traits"]
    blocks = rows.groupby("meta_id")["block_id"].nunique().to_dict()
    assert {
        name: known["loci_with_hits"] for name, known in counts.items() if known["loci_with_hits"]
    } == blocks
    assert (rows[["finemap", "paintor", "caviarbf", "polyfun_finemap", "polyfun_susie"]] == -1).all(axis=None)
    known = truth.set_index("id").loc[rows["rsid"]]
    assert (known["locus"].to_numpy() + 1 == rows["block_id"]).all()
    for (trait, _), own in rows.groupby(["meta_id", "block_id"]):
        chosen = own[(own["tool"] & 1) == 1]
        assert 0.95 <= chosen["abf"].sum() <= 1 + 1e-9
        assert chosen["abf"].sum() - chosen["abf"].min() < 0.95
        lead = own[own["rsid"] == own["lead_snp"]].iloc[0]
        assert lead["p"] == own["p"].min() < 5e-8
        found = statistics(cohort, "CEU_discovery", str(trait)).loc[own["rsid"]]
        np.testing.assert_allclose(own["beta"], found["beta"], rtol=1e-5)
        np.testing.assert_allclose(own["p"], found["p_value"], rtol=1e-4)
        assert ((own["susie"] == -1).all()) or own["susie"].between(0, 1).all()
    assert ((rows["tool"] & 16) == 16).any()
    acting = [known[f"effect_{trait}"].iloc[number] != 0 for number, trait in enumerate(rows["meta_id"])]
    strong = rows["susie"] > 0.9
    assert np.mean(np.array(acting)[strong]) > 0.7


def test_blocks_are_the_loci(cohort: Path, truth: pd.DataFrame) -> None:
    blocks = LDBlocks(str(cohort / "ld_blocks.txt"), "EUR")
    assert blocks.of(truth["chrom"], truth["pos"]).tolist() == (truth["locus"] + 1).tolist()


def test_training_data_reads_the_credible_sets(cohort: Path, truth: pd.DataFrame) -> None:
    config = DataConfig(
        credible_sets=CredibleSetsConfig(str(cohort / "credible_sets.txt.gz")),
        negatives=NegativesConfig(vcf=(str(cohort / "variants.vcf.gz"),), max_distance=20_000),
        splits=SplitsConfig((), ("4",)),
        min_bag_size=1,
    )
    dataset = prepare(str(cohort / "genome.fa"), config)
    positive = dataset.bags[dataset.bags["label"] == 1]
    assert len(positive) > 0
    assert dataset.instances["id"].isin(truth["id"]).all()
    assert set(dataset.studies["study"]) <= {trait.name for trait in TRAITS}


def test_states_and_silencers_are_there(cohort: Path) -> None:
    manifest = json.loads((cohort / "states" / "manifest.json").read_text())
    assert len(list((cohort / "states").glob("E*_GenoSTAN_nb_20_states.bed.gz"))) == 8
    assert manifest["odds_ratios"]["Enh.6"]["each"] == pytest.approx(4)
    assert len((cohort / "silencers" / "Homo_sapiens.bed").read_text().splitlines()[0].split("\t")) == 10


def test_the_readme_names_every_file(cohort: Path) -> None:
    text = (cohort / "README.md").read_text()
    for path in cohort.rglob("*"):
        if path.is_file() and path.suffix not in (".md", ".fai"):
            named = path.relative_to(cohort)
            first = named.parts[0]
            assert path.name in text or f"`{first}/" in text, named


def test_the_identity_has_all_sources() -> None:
    """Modules of the known-truth benchmark that those of the cohort import, and those that these import."""
    root = Path(known_truth.__file__).parent
    found: set[str] = set()
    waiting = list(Path(build_module.__file__).parent.glob("*.py"))
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(known_truth.__name__):
                names = [str(node.module).rpartition(".")[2], *(alias.name for alias in node.names)]
                new = {name for name in names if (root / f"{name}.py").exists()} - found
                found |= new
                waiting += [root / f"{name}.py" for name in new]
    own = {name.removeprefix(f"{known_truth.__name__}.") for name in build_module._CODE}
    own = {name for name in own if "." not in name}
    # They have errors, steps and checksums, which change no file.
    assert found - {"steps", "sources"} == own


def test_a_complete_cohort_is_left_alone_and_no_other_overwrites_it(cohort: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cohort.rglob("*")}
    assert build(TINY, cohort) == cohort
    assert {path: path.stat().st_mtime_ns for path in cohort.rglob("*")} == before
    with pytest.raises(BenchmarkError, match="seed"):
        build(dataclasses.replace(TINY, seed=3), cohort)
    assert {path: path.stat().st_mtime_ns for path in cohort.rglob("*")} == before


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BenchmarkError, match="other files"):
        build(TINY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_run_goes_on_and_gives_the_same(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.cohort import parts

    drawn: list[int] = []

    def draw(settings: object, number: int) -> object:
        if len(drawn) == 5:
            raise KeyboardInterrupt
        drawn.append(number)
        return draw_locus(settings, number)

    monkeypatch.setattr(parts, "draw_locus", draw)
    out = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        build(TINY, out)
    assert not out.exists()
    monkeypatch.setattr(
        parts, "draw_locus", lambda settings, number: drawn.append(number) or draw_locus(settings, number)
    )
    build(TINY, out)
    assert sorted(drawn) == list(range(TINY.loci))
    one, other = (json.loads((folder / "cohort.json").read_text()) for folder in (cohort, out))
    assert one == other
    assert not (tmp_path / "again.partial").exists()


def test_sizes() -> None:
    assert 60 <= SIZES["full"].loci <= 100
    assert SIZES["full"].samples == {
        "CEU_discovery": 20_000, "CEU_replication": 20_000, "CEU_target": 5_000, "YRI_target": 5_000,
        "CHB_target": 5_000,
    }  # fmt: skip
    assert sum(SIZES["small"].samples.values()) == 26_000
    assert [trait.prevalence is None for trait in TRAITS] == [True] * 4 + [False] * 4
    with pytest.raises(ValueError, match="7 loci on 4 contigs"):
        dataclasses.replace(TINY, loci=7)
