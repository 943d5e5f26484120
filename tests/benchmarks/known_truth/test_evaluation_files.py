"""Files for evaluations, compared with the simulation that they are made of."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed

from benchmarks.known_truth import evaluation_files
from benchmarks.known_truth.evaluation_files import EvaluationFiles, largest
from benchmarks.known_truth.simulate import held_out, simulate
from benchmarks.known_truth.steps import BenchmarkError
from benchmarks.known_truth.studies import draw_studies
from benchmarks.known_truth.susie import susie
from tests.benchmarks.known_truth.test_study_loci import SIMULATION

STUDIES = draw_studies(SIMULATION)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(SIMULATION, tmp_path_factory.mktemp("real"), workers=1)


@pytest.fixture(scope="module")
def written(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return EvaluationFiles(susie="all", cell_lines=2).write(
        SIMULATION, real, tmp_path_factory.mktemp("files")
    )


def credible_sets(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "credible_sets.txt.gz", sep="\t", dtype={"chr": str})


def test_summary_statistics_have_all_variants_of_each_study(real: Path, written: Path) -> None:
    z = pd.read_parquet(real / "statistics.parquet")
    truth = pd.read_parquet(real / "truth.parquet")
    rows = credible_sets(real)
    names = {path.name for path in (written / "summary_statistics").iterdir()}
    assert names == {f"{study.name}.tsv.gz{end}" for study in STUDIES for end in ("", "-meta.yaml")}
    compared = 0
    for study in STUDIES:
        path = written / "summary_statistics" / f"{study.name}.tsv.gz"
        table = pd.read_csv(path, sep="\t", dtype={"chromosome": str})
        has = z[study.name].notna()
        assert table["variant_id"].tolist() == z.loc[has, "id"].tolist()
        assert table["base_pair_location"].tolist() == truth.loc[has, "pos"].tolist()
        np.testing.assert_allclose(
            table["effect_allele_frequency"], truth.loc[has, f"af_{study.sample}"], rtol=1e-6
        )
        np.testing.assert_allclose(
            table["beta"] / table["standard_error"], z.loc[has, study.name], rtol=1e-5, atol=1e-5
        )
        assert (table["n"] == study.size).all()
        assert ("n_cases" in table) == (study.cases is not None)
        own = rows[rows["meta_id"] == study.name]
        found = table.set_index("variant_id").loc[own["rsid"]]
        np.testing.assert_allclose(found["beta"], own["beta"], rtol=1e-4)
        np.testing.assert_allclose(found["standard_error"], own["se"], rtol=1e-4)
        assert (found["effect_allele"].to_numpy() == own["ea"].to_numpy()).all()
        compared += len(own)
    assert compared == len(rows) > 100


def test_panels_are_the_reference_samples(real: Path, written: Path) -> None:
    samples = sorted({study.sample for study in STUDIES})
    assert sorted(path.stem for path in (written / "ld_panels").glob("*.bed")) == samples
    for sample in samples:
        parts, sites = [], []
        for contig in range(SIMULATION.contigs):
            with open_bed(real / "genotypes" / f"{sample}_reference" / f"{contig + 1}.bed") as bed:
                parts.append(bed.read(dtype="int8"))
                sites += bed.sid.tolist()
        with open_bed(written / "ld_panels" / f"{sample}.bed") as bed:
            np.testing.assert_array_equal(bed.read(dtype="int8"), np.concatenate(parts, axis=1))
            assert bed.sid.tolist() == sites
            assert set(bed.chromosome) == {str(contig + 1) for contig in range(SIMULATION.contigs)}


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_plink_reads_a_panel(real: Path, written: Path, tmp_path: Path) -> None:
    panel = written / "ld_panels" / "CEU"
    subprocess.run(
        ["plink2", "--bfile", panel, "--freq", "--threads", "1", "--out", tmp_path / "panel"],
        check=True, capture_output=True,
    )  # fmt: skip
    found = pd.read_csv(tmp_path / "panel.afreq", sep="\t")
    truth = pd.read_parquet(real / "truth.parquet")
    assert found["ID"].tolist() == truth["id"].tolist()
    assert found["ALT"].tolist() == truth["alt"].tolist()
    np.testing.assert_allclose(found["ALT_FREQS"], truth["af_CEU_reference"], atol=1e-5)


def test_susie_is_fitted_on_test_contigs(real: Path, written: Path) -> None:
    before, after = credible_sets(real), credible_sets(written)
    others = [name for name in before if name not in ("susie", "tool")]
    pd.testing.assert_frame_equal(before[others], after[others])
    assert (before["susie"] == -1).all()
    test = after["chr"].isin(held_out(SIMULATION)["test"])
    assert (after.loc[~test, "susie"] == -1).all()
    assert after.loc[test, "susie"].between(0, 1).mean() > 0.8
    assert set((after["tool"] - before["tool"]).unique()) <= {0, 16}
    # One of them again, from the files: LD of the panel, n of the study.
    z = pd.read_parquet(real / "statistics.parquet")
    truth = pd.read_parquet(real / "truth.parquet")
    own = after[test & (after["susie"] >= 0)].groupby(["meta_id", "block_id"]).get_group
    meta_id, block = after.loc[after["susie"].idxmax(), ["meta_id", "block_id"]]
    study = next(each for each in STUDIES if each.name == meta_id)
    chosen = ((truth["locus"] == block - 1) & z[meta_id].notna()).to_numpy()
    with open_bed(written / "ld_panels" / f"{study.sample}.bed") as bed:
        dosages = bed.read(dtype="float64")[:, chosen]
    with np.errstate(invalid="ignore", divide="ignore"):
        ld = np.nan_to_num(np.corrcoef(dosages.T))
    size = study.size if study.cases is None else 4 * study.cases * (study.size - study.cases) / study.size
    fit = susie(z.loc[chosen, meta_id].to_numpy(np.float64), ld, round(size))
    assert fit is not None
    pips = pd.Series(fit.pip, truth.loc[chosen, "id"])
    rows = own((meta_id, block))
    np.testing.assert_allclose(rows["susie"], pips[rows["rsid"]], atol=1e-4)


def test_failed_fits_and_other_studies_have_no_pip(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation_files, "susie", lambda *_: None)
    EvaluationFiles(studies=("T1S01",), susie="all", cell_lines=1).write(
        SIMULATION, real, tmp_path / "failed"
    )
    pd.testing.assert_frame_equal(credible_sets(tmp_path / "failed"), credible_sets(real), check_dtype=False)
    assert len(list((tmp_path / "failed" / "summary_statistics").glob("*.gz"))) == 1
    fitted = []

    def fit(z: np.ndarray, ld: np.ndarray, size: int) -> None:
        fitted.append(size)

    monkeypatch.setattr(evaluation_files, "susie", fit)
    some = EvaluationFiles(studies=("T1S01",), susie="largest", cell_lines=1)
    some.write(SIMULATION, real, tmp_path / "largest")
    sizes = {
        study.size if study.cases is None else round(4 * study.information) for study in largest(STUDIES)
    }
    assert set(fitted) <= sizes
    before = len(fitted)
    EvaluationFiles(studies=("T1S01",), susie="none", cell_lines=1).write(SIMULATION, real, tmp_path / "none")
    assert len(fitted) == before


def test_the_largest_study_of_each_trait() -> None:
    found = largest(STUDIES)
    assert [study.trait for study in found] == [0, 1, 2, 3][: len(found)]
    for study in found:
        rivals = [each.information for each in STUDIES if each.trait == study.trait]
        assert study.information == max(rivals)


def test_states_and_silencers_are_there(written: Path) -> None:
    assert len(list((written / "states").glob("*.bed.gz"))) == 2
    manifest = json.loads((written / "states" / "manifest.json").read_text())
    assert manifest["cell_lines"] == ["E001", "E002"]
    assert (written / "silencers" / "Homo_sapiens.bed").stat().st_size > 0


def test_what_is_there_is_left_alone_and_what_is_wrong_is_refused(
    real: Path, written: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    EvaluationFiles(susie="all", cell_lines=2).write(SIMULATION, real, written)
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before
    with pytest.raises(BenchmarkError, match="cell_lines"):
        EvaluationFiles(susie="all", cell_lines=3).write(SIMULATION, real, written)
    with pytest.raises(BenchmarkError, match="T9S99"):
        EvaluationFiles(studies=("T9S99",)).write(SIMULATION, real, tmp_path)
    with pytest.raises(BenchmarkError, match="'clear'"):
        EvaluationFiles().write(dataclasses.replace(SIMULATION, design="clear"), real, tmp_path)
