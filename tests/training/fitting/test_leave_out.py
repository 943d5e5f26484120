"""Members that have not seen a chromosome, and scores by them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi import ScoringOptions, score_variants
from mifm_kipoi.finemapping.leakage import read_leakage
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.training_sets import TrainingSet, training_sets
from mifm_kipoi.network.weights import load_weights
from tests.builders import vcf_text, write_fasta
from tests.training.bag_tables import make_dataset
from tests.training.conftest import FIT, MEMBER
from training.__main__ import main
from training.data.dataset import DataSet, write_dataset
from training.fitting.config import LEAVE_OUT, EnsembleConfig, FitError
from training.fitting.leave_out import Fold, folds_of, members_of

CONTIGS = ("1", "2", "3", "X")


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    generator = np.random.default_rng(4)
    contigs = {f"chr{name}": "".join(generator.choice(list("ACGT"), 4000)) for name in (*CONTIGS, "4")}
    return Genome(write_fasta(tmp_path_factory.mktemp("genome") / "g.fa", contigs))


def _variants(genome: Genome, contig: str, positions: range) -> list[tuple[str, int, str, str]]:
    bases = bytes(genome.fetch(f"chr{contig}", 0, 4000)).decode()
    return [(contig, pos, bases[pos - 1], "A" if bases[pos - 1] != "A" else "C") for pos in positions]


@pytest.fixture(scope="module")
def dataset(genome: Genome) -> DataSet:
    bags = [
        (label, "train", _variants(genome, contig, range(start, start + size * 60, 60)))
        for place, contig in enumerate(CONTIGS)
        # Chromosome 1 has the most instances, then 2 and so on.
        for label, size in ((1, 7 - place), (0, 1))
        for start in (200, 800, 1400)
    ]
    return make_dataset(bags)


def test_folds_balance_the_instances_and_each_is_the_validation_of_one(dataset: DataSet) -> None:
    assert folds_of(dataset, 3) == [
        Fold(1, ("1",), ("2",)), Fold(2, ("2",), ("3", "X")), Fold(3, ("3", "X"), ("1",)),
    ]  # fmt: skip
    assert [fold.left_out for fold in folds_of(dataset, 1000)] == [(name,) for name in CONTIGS]
    own = folds_of(dataset, 3)[1].of(dataset)
    splits = own.bags.groupby("chrom")["split"].unique().map(list).to_dict()
    assert splits == {"1": ["train"], "2": ["test"], "3": ["validation"], "X": ["validation"]}
    for count in (1, 2):
        with pytest.raises(FitError, match=rf"in {count} folds .*expected 3 or more"):
            folds_of(dataset, count)


@pytest.fixture(scope="module")
def folds(dataset: DataSet, genome: Genome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds")
    write_dataset(folder / "bags", dataset)
    settings = [
        f"fasta={genome.path}", "fit.epochs=1", "fit.objective.pooling=noisy_or", "fit.monitor=loss",
        "fit.accelerator=cpu", "ensemble.members=1", "fit.max_shift=0",
        f"network={json.dumps(MEMBER.to_dict())}",
    ]  # fmt: skip
    command = ["ensemble", "--data", str(folder / "bags"), "--out", str(folder / "out"), "--leave-out", "3"]
    assert main([*command, "--set", *settings]) == 0
    return folder / "out"


def test_members_have_seen_the_chromosomes_of_the_other_folds(folds: Path) -> None:
    found = members_of(folds)
    assert [contigs for contigs, _ in found] == [("1",), ("2",), ("3", "X")]
    seen = [training_sets(load_weights(paths[0])) for _, paths in found]
    assert [(one.train, one.validation) for (one,) in seen] == [
        (("3", "X"), ("2",)), (("1",), ("3", "X")), (("2",), ("1",)),
    ]  # fmt: skip
    assert seen[0][0].studies == ("united",)
    verdicts = [fold["verdict"] for fold in json.loads((folds / LEAVE_OUT).read_text())["folds"]]
    assert [one["split"] for one in verdicts] == ["test"] * 3
    assert [one["measures"]["studies"] for one in verdicts] == [3, 3, 6]


def test_variants_are_scored_by_the_members_that_have_not_seen_their_chromosome(
    folds: Path, genome: Genome, tmp_path: Path
) -> None:
    variants = [
        (f"chr{chrom}", pos, ref, alt)
        for contig in (*CONTIGS, "4")
        for chrom, pos, ref, alt in _variants(genome, contig, range(600, 603))
    ]
    wrong = ("chr1", 700, "N", "A")
    vcf = tmp_path / "v.vcf"
    vcf.write_text(vcf_text([*variants, wrong]))
    out = tmp_path / "s.tsv.gz"
    assert main(["score-left-out", str(folds), str(vcf), str(genome.path), "--out", str(out)]) == 0
    table = pd.read_table(out)
    assert table["fold"].tolist() == [1] * 3 + [2] * 3 + [3] * 6 + [1] * 4
    assert table["status"].tolist()[:-1] == ["ok"] * 15
    assert np.isnan(table["mifm_logit"].iloc[-1])
    # Chromosome 4 has no bags; every other variant has the score of its fold's one member.
    for fold, (_, (weights,)) in enumerate(members_of(folds), start=1):
        own = score_variants(vcf, genome.path, ScoringOptions((str(weights),)))
        rows = (table["fold"] == fold) & table["mifm_logit"].notna()
        np.testing.assert_allclose(
            table["mifm_logit"][rows], own["mifm_logit_ref"].to_numpy()[rows], rtol=1e-4, atol=1e-5
        )
    leakage = read_leakage(out)
    assert {leakage.seen("united", chrom) for chrom in (*CONTIGS, "4")} == {"no"}
    assert [one.name for one in leakage.weights] == [
        f"fold-{number}/member-1/member.safetensors" for number in (1, 2, 3)
    ]


def test_a_folder_of_other_folds_or_none_is_refused(
    folds: Path, dataset: DataSet, genome: Genome, tmp_path: Path
) -> None:
    from training.fitting.leave_out import LeaveOut

    again = LeaveOut(dataset, genome, MEMBER, FIT, EnsembleConfig(1, leave_out=4), folds)
    with pytest.raises(FitError, match=r"folds of .*leave_out\.json have other chromosomes"):
        again.run()
    with pytest.raises(FitError, match=r"cannot read .*leave_out\.json"):
        members_of(tmp_path)


def test_the_training_set_of_a_data_set_leaves_out_its_test_bags(dataset: DataSet) -> None:
    split = Fold(1, ("1",), ("2",)).of(dataset)
    names = split.studies["study"].where(split.studies["bag"] >= 6, "of the test")
    manifest = {
        "configuration": {"data": {"credible_sets": {"path": "x/sets.tsv"}}},
        "inputs": [{"path": "x/sets.tsv", "sha256": "a" * 64}, {"path": "g.fa", "sha256": "b" * 64}],
    }
    own = dataclasses.replace(split, studies=split.studies.assign(study=names), manifest=manifest)
    assert own.training_set() == TrainingSet(
        ("3", "X"), ("2",), studies=("united",), tables=(("sets.tsv", "a" * 64),)
    )
