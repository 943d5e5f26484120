from pathlib import Path

import pandas as pd
import pytest

from tests.training.bag_tables import make_dataset
from training.__main__ import main
from training.data.dataset import DataSet, write_dataset
from training.data.labels import matched_labels


def dataset() -> DataSet:
    """Two test bags; the variant at 500 is in both, and has a high PIP in the second one alone."""
    bags = [
        (1, "test", [("9", site, "A", "C") for site in (100, 200, 300, 400, 500, 900)]),
        (1, "test", [("9", site, "A", "C") for site in (5000, 500, 5100)]),
        (1, "test", [("10", site, "A", "C") for site in (50, 60)]),
        (0, "test", [("10", 700, "A", "C")]),
    ]
    pips = [0.005, 0.95, 0.001, 0.5, 0.002, 0.009, 0.003, 0.97, 0.9, 0.99, 0.4, 0.0]
    made = make_dataset(bags)
    return DataSet.of_united(made.bags, made.instances.assign(pip=pd.Series(pips, dtype="float32")), {})


def test_the_nearest_negatives_of_a_bag_by_hand() -> None:
    labels = matched_labels(dataset(), matched=2)
    # 100 and 300 are nearest to 200; 500 is positive, in whichever bag; 0.9 is neither; 50 has no negative.
    found = labels.table
    assert found["pos"].tolist() == [200, 100, 300, 500, 900]
    assert found["label"].tolist() == [1, 0, 0, 1, 0]
    assert found["match_group"].tolist() == [0, 0, 0, 1, 1]
    assert found["block"].tolist() == ["block0"] * 5
    # The first variant of a bag is its lead.
    assert found["lead_proximity"].tolist() == [-100, 0, -200, -400, -800]
    assert labels.positives == 3


def test_a_variant_belongs_to_one_group() -> None:
    made = dataset()
    instances = made.instances.assign(pip=pd.Series([0.95, 0.95, *[0.001] * 10], dtype="float32"))
    table = matched_labels(DataSet.of_united(made.bags, instances, {}), matched=3).table
    assert not table.duplicated(["chrom", "pos"]).any()
    assert table["pos"].tolist() == [100, 300, 400, 500, 200, 900]
    assert table["match_group"].tolist() == [0, 0, 0, 0, 1, 1]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "data", dataset())
    command = ["labels", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "labels.tsv")]
    assert main(command) == 0
    # The first positive variant takes all of the bag's negatives, up to nine.
    assert pd.read_csv(tmp_path / "labels.tsv", sep="\t")["pos"].tolist() == [200, 100, 300, 900]
    assert main([*command, "--positive", "0.98", "--negative", "0.01"]) == 1
    assert "1 variants have a PIP above 0.98" in capsys.readouterr().err
