from pathlib import Path

import numpy as np
import pandas as pd
from bed_reader import open_bed

import mifm_kipoi.network
from benchmarks.polygenic import inputs
from mifm_kipoi.polygenic.scoring_files import read_scoring_file


def test_the_people_of_all_targets_are_in_one_fileset(cohort: Path, tmp_path: Path) -> None:
    inputs.merge_targets(cohort, tmp_path / "targets")
    merged = open_bed(tmp_path / "targets.bed")
    dosages = merged.read(dtype="int8")
    assert len(dosages) == 600
    for name in inputs.TARGETS:
        own = open_bed(cohort / "genotypes" / f"{name}_target.bed")
        rows = np.isin(merged.iid, own.iid)
        assert np.array_equal(merged.iid[rows], own.iid)
        assert np.array_equal(dosages[rows], own.read(dtype="int8"))
        assert np.array_equal(merged.allele_1, own.allele_1)


def test_true_effects_are_scoring_files(cohort: Path, tmp_path: Path) -> None:
    """The sum over a person's alleles is what the simulation adds up, but for variants that no file has."""
    files = inputs.write_truth(cohort, tmp_path)
    values = pd.read_csv(cohort / "truth" / "genetic_values.tsv.gz", sep="\t", dtype={"IID": str})
    hidden = pd.read_csv(cohort / "truth" / "hidden.tsv", sep="\t")
    genotypes = open_bed(cohort / "genotypes" / "CEU_target.bed")
    dosages = pd.DataFrame(genotypes.read(dtype="float64"), columns=genotypes.sid)
    own = values.set_index("IID").loc[list(genotypes.iid)]
    exact = 0
    for path in files:
        scoring = read_scoring_file(path)
        trait = scoring.header["trait_reported"]
        total = dosages[scoring.rows["id"].to_list()].to_numpy() @ scoring.rows["weight"].to_numpy()
        if not (hidden[f"effect_{trait}"] != 0).any():
            exact += 1
            np.testing.assert_allclose(total - total.mean(), own[trait] - own[trait].mean(), atol=1e-5)
    assert exact


def test_scores_of_several_networks_are_their_mean_logit(cohort: Path, tmp_path: Path) -> None:
    weights = Path(mifm_kipoi.network.__file__).with_name("embedded.safetensors")
    networks = {"one": [weights], "two": [weights, weights]}
    table = inputs.scores_table(cohort, networks, tmp_path, 1)
    np.testing.assert_allclose(table["one"], table["two"], rtol=1e-6)
    scored = pd.read_csv(tmp_path / "one.1.tsv.gz", sep="\t", dtype={"chrom": str})
    merged = table.merge(scored, on=inputs.VARIANT, validate="1:1")
    assert len(merged) == len(table)
    np.testing.assert_allclose(merged["one"], merged["mifm_ref"], rtol=1e-5)
    truth = pd.read_parquet(cohort / "truth" / "variants.parquet")
    assert np.array_equal(table["oracle"] > 0, truth["causal"])
