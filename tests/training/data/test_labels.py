from pathlib import Path

import pandas as pd
import pytest

from mifm_kipoi.errors import OptionError
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
    # Both bags have 500, so that their windows overlap.
    assert found["locus"].tolist() == ["9:100-5100"] * 5
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


def test_variants_at_the_position_of_a_positive_one_are_no_negatives() -> None:
    """They have its reference window, in whichever bag they are."""
    made = make_dataset(
        [
            (1, "test", [("9", 1000, "A", "C"), ("9", 1000, "A", "G"), ("9", 1300, "A", "G")]),
            (1, "test", [("9", 2000, "A", "C"), ("9", 1000, "A", "T"), ("9", 1900, "A", "C")]),
            (1, "test", [("10", 2000, "A", "C"), ("10", 1000, "A", "C")]),
        ]
    )
    pips = pd.Series([0.95, 0.001, 0.002, 0.99, 0.003, 0.004, 0.97, 0.005], dtype="float32")
    dataset = DataSet.of_united(made.bags, made.instances.assign(pip=pips), {})
    table = matched_labels(dataset).table
    assert table["pos"].tolist() == [1000, 1300, 2000, 1900, 2000, 1000]
    assert table["label"].tolist() == [1, 0] * 3
    assert table["chrom"].tolist() == ["9"] * 4 + ["10"] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positive": 0.5, "negative": 0.99}, "above 0.5 would be positive and those below 0.99 negative"),
        ({"positive": 1.0}, "expected 0 < negative <= positive < 1"),
        ({"negative": 0.0}, "expected 0 < negative <= positive < 1"),
        ({"negative": float("nan")}, "expected 0 < negative <= positive < 1"),
        ({"matched": 0}, "matched is 0; expected 1 or more"),
        ({"matched": -1}, "matched is -1; expected 1 or more"),
    ],
)
def test_impossible_bounds_are_refused(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        matched_labels(dataset(), **options)


def test_without_p_and_z_the_distance_to_the_lead_is_unknown() -> None:
    made = dataset()
    instances = made.instances
    first = instances["bag"] == 0
    instances = instances.assign(
        p_value=instances["p_value"].mask(first), z=instances["z"].mask(first | (instances["pos"] != 500))
    )
    changed = DataSet.of_united(made.bags, instances, {})
    table = matched_labels(changed, matched=1).table
    assert table["lead_proximity"].isna().all()
    instances = instances.assign(z=instances["z"].where(instances["pos"] != 100, 9.0))
    table = matched_labels(DataSet.of_united(made.bags, instances, {}), matched=1).table
    assert table["lead_proximity"].notna().all()


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    write_dataset(tmp_path / "data", dataset())
    command = ["labels", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "labels.tsv")]
    assert main(command) == 0
    # The first positive variant takes all of the bag's negatives, up to nine.
    assert pd.read_csv(tmp_path / "labels.tsv", sep="\t")["pos"].tolist() == [200, 100, 300, 900]
    assert "1 of 3 variants of PIP above 0.9, at 1 locus, with 3 of PIP below 0.01" in caplog.text
    assert "2 variants of PIP above 0.9 have no variant of PIP below 0.01 in their bag" in caplog.text
    assert main([*command, "--positive", "0.98", "--negative", "0.01"]) == 1
    assert "1 variants have a PIP above 0.98" in capsys.readouterr().err
    assert main([*command, "--matched", "0"]) == 2
    assert "matched is 0; expected 1 or more" in capsys.readouterr().err
