"""The files of the design ``real``, read with what reads real data."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed
from scipy import stats

from benchmarks.known_truth.affinity import Rule
from benchmarks.known_truth.simulate import held_out, simulate
from benchmarks.known_truth.studies import draw_studies
from mifm_kipoi import Genome, cut_windows, read_variants
from mifm_kipoi.conventions import Status
from mifm_kipoi.genetics.row_counts import RowCounts
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from tests.benchmarks.known_truth.test_study_loci import SIMULATION
from training.data.credible_sets import CredibleSetsConfig, read_credible_sets

STUDIES = {study.name: study for study in draw_studies(SIMULATION)}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(SIMULATION, tmp_path_factory.mktemp("real"), workers=1)


@pytest.fixture(scope="module")
def truth(real: Path) -> pd.DataFrame:
    return pd.read_parquet(real / "truth.parquet")


@pytest.fixture(scope="module")
def rows(real: Path) -> pd.DataFrame:
    return pd.read_csv(real / "credible_sets.txt.gz", sep="\t", dtype={"chr": str})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "simulation.json"
    }


def test_the_files_do_not_depend_on_the_workers(real: Path, tmp_path: Path) -> None:
    assert contents(simulate(SIMULATION, tmp_path, workers=2)) == contents(real)


def test_the_rule_on_windows_of_the_files_gives_the_truth(
    real: Path, truth: pd.DataFrame, tmp_path: Path
) -> None:
    fasta = Path(shutil.copy(real / "genome.fa", tmp_path))
    windows = cut_windows(list(read_variants(real / "variants.vcf.gz")), Genome(fasta), max_n_fraction=0.9)
    assert set(windows.status) == {Status.OK}
    alternative = np.array(["ACGT".index(base) for base in truth["alt"]], dtype=np.uint8)
    judged = Rule.of(SIMULATION).judge(windows.ref, 255)
    assert truth["causal"].sum() >= 5
    np.testing.assert_array_equal(judged.causal_to(alternative), truth["causal"])
    np.testing.assert_allclose(judged.change_to(alternative), truth["change"], atol=1e-6)
    np.testing.assert_allclose(judged.score_optimal(alternative), truth["score_optimal"], atol=1e-6)
    np.testing.assert_allclose(judged.score_reference(), truth["score_reference"], atol=1e-6)
    assert judged.kinds(windows.ref[:, 255], alternative) == truth["kind"].tolist()


def test_the_truth(truth: pd.DataFrame) -> None:
    causal = truth["causal"]
    assert ((truth["trait_causal"] > 0) == causal).all()
    assert ((truth["effect"] != 0) == causal).all()
    for trait in (1, 2, 3, 4):
        acts = truth["trait_causal"] // 2 ** (trait - 1) % 2 == 1
        assert ((truth[f"effect_{trait}"] != 0) == acts).all()
    assert ((truth["kind"] == "causal") == causal).all()
    assert ((truth["score_optimal"] > 0) == causal).all()
    # Of all variants together, the fractions of causal ones of classes are that of all.
    assert truth["score_masked"].mean() == pytest.approx(causal.mean())
    assert (truth.loc[causal, "score_masked"] > 0).all()
    place = (truth["pos"] - 1) % SIMULATION.length
    assert place.between(64, SIMULATION.length - 65).all()


def test_the_masked_genome_has_other_centres(real: Path, truth: pd.DataFrame) -> None:
    one, other = ((real / name).read_text().split(">")[1:] for name in ("genome.fa", "genome.masked.fa"))
    changed = 0
    for number, (left, right) in enumerate(zip(one, other, strict=True), start=1):
        before, after = ("".join(text.split("\n")[1:]) for text in (left, right))
        assert len(before) == len(after) == SIMULATION.contig_length
        pos0 = truth.loc[truth["chrom"] == str(number), "pos"].to_numpy() - 1
        assert all(before[pos] == after[pos] for pos in pos0)
        distance = np.abs(np.arange(len(before))[:, None] - pos0).min(axis=1)
        different = np.array([a != b for a, b in zip(before, after, strict=True)])
        assert not different[distance > 14].any()
        changed += int(different.sum())
    assert changed > 1000


def test_the_training_code_reads_all_credible_sets(
    real: Path, rows: pd.DataFrame, truth: pd.DataFrame
) -> None:
    counts = RowCounts()
    config = CredibleSetsConfig(str(real / "credible_sets.txt.gz"), columns={"pip": "abf"})
    found = pd.concat(read_credible_sets(config, counts), ignore_index=True)
    assert counts.read == counts.kept == len(found) == len(rows) > 100
    known = set(truth[["chrom", "pos", "ref", "alt"]].itertuples(index=False, name=None))
    assert set(rows[["chr", "bp", "nea", "ea"]].itertuples(index=False, name=None)) <= known


def test_training_expects_the_effects_that_the_pips_expect(real: Path, rows: pd.DataFrame) -> None:
    """The Bayes factors that the training code makes with ``meta.txt``, for both kinds of trait."""
    config = CredibleSetsConfig(
        str(real / "credible_sets.txt.gz"), columns={"pip": "abf"}, meta=str(real / "meta.txt")
    )
    found = pd.concat(read_credible_sets(config, RowCounts()), ignore_index=True)
    primary = (rows["primary"] == 1).to_numpy()
    gap = (found["log_bf"] - np.log(rows["abf"]))[primary]
    of_set = gap.groupby([rows.loc[primary, "meta_id"], rows.loc[primary, "block_id"]])
    assert (of_set.max() - of_set.min()).max() < 1e-3
    assert found["log_bf"].notna().all()


def test_the_statistics_of_credible_sets(real: Path, rows: pd.DataFrame, truth: pd.DataFrame) -> None:
    z = pd.read_parquet(real / "statistics.parquet").set_index("id")
    assert list(z) == list(STUDIES)
    assert z.index.tolist() == truth["id"].tolist()
    of_study = truth.set_index("id")
    for meta_id, part in rows.groupby("meta_id"):
        study = STUDIES[str(meta_id)]
        np.testing.assert_allclose(part["zscore"], z.loc[part["rsid"], meta_id], rtol=1e-6)
        frequency = of_study.loc[part["rsid"], f"af_{study.sample}"].to_numpy()
        np.testing.assert_allclose(part["maf"], np.minimum(frequency, 1 - frequency), rtol=1e-9)
        scale = 2 * frequency * (1 - frequency)
        size = study.size + part["zscore"] ** 2 if study.cases is None else study.information
        np.testing.assert_allclose(part["se"], 1 / np.sqrt(scale * size), rtol=1e-9)
    np.testing.assert_allclose(rows["beta"] / rows["se"], rows["zscore"], rtol=1e-9)
    np.testing.assert_allclose(rows["p"], 2 * stats.norm.sf(rows["zscore"].abs()), rtol=1e-9)
    for tool in ("finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie"):
        assert (rows[tool] == -1).all()


def test_signals_of_studies(rows: pd.DataFrame) -> None:
    keys = ["meta_id", "block_id", "lead_snp"]
    assert not rows.duplicated([*keys, "rsid"]).any()
    primary = rows[rows["primary"] == 1]
    assert primary["cojo_p"].isna().all()
    assert primary.groupby(["meta_id", "block_id"])["lead_snp"].nunique().eq(1).all()
    for (meta_id, *_), part in primary.groupby(keys):
        inside = part[part["tool"] == 1]
        assert inside["abf"].sum() >= 0.95 - 1e-9
        assert inside["abf"].sum() - inside["abf"].min() < 0.95
        study = STUDIES[str(meta_id)]
        bf = log_bayes_factor(
            part["zscore"].to_numpy(), part["se"].to_numpy() ** 2, 0.15**2 if study.cases is None else 0.04
        )
        expected = np.exp(bf - bf.max())
        ratio = part["abf"].to_numpy() / expected
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    lead = rows[rows["rsid"] == rows["lead_snp"]]
    hits = lead[(lead["primary"] == 1) & (lead["p"] < 5e-8)]
    assert len(hits) > 5
    # A study has either hits on a contig (two loci, fewer than a genome), or its best locus.
    without = lead[(lead["primary"] == 1) & (lead["p"] >= 5e-8)]
    assert len(without) > 0
    assert not without.duplicated(["meta_id", "chr"]).any()
    assert not set(without[["meta_id", "chr"]].itertuples(index=False)) & set(
        hits[["meta_id", "chr"]].itertuples(index=False)
    )


def test_genotypes_of_all_samples(real: Path, truth: pd.DataFrame) -> None:
    for sample, size in SIMULATION.diploids.items():
        with open_bed(real / "genotypes" / sample / "2.bed", num_threads=1) as bed:
            dosages = bed.read(dtype="int8", num_threads=1)
            assert bed.sid.tolist() == truth.loc[truth["chrom"] == "2", "id"].tolist()
        assert dosages.shape[0] == size
        np.testing.assert_allclose(
            dosages.mean(axis=0) / 2, truth.loc[truth["chrom"] == "2", f"af_{sample}"], atol=1e-12
        )


def test_the_other_files(real: Path, truth: pd.DataFrame) -> None:
    with gzip.open(real / "variants.vcf.gz", "rt") as file:
        lines = [line.split("\t")[:5] for line in file if not line.startswith("#")]
    expected = truth[["chrom", "pos", "id", "ref", "alt"]].astype(str).to_numpy().tolist()
    assert lines == expected
    meta = pd.read_csv(real / "meta.txt", sep="\t")
    assert meta["meta_id"].tolist() == list(STUDIES)
    assert (real / "motifs.meme").read_text().count("MOTIF") == 6
    assert len(list((real / "tracks").iterdir())) == 4
    assert held_out(SIMULATION) == {"validation": ["2"], "test": ["3"]}
